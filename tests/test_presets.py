"""Preset folders: what is written, what is refused, and that they load alone."""

import functools
import hashlib
import http.server
import json
import pathlib
import shutil
import subprocess
import sys
import threading

import h5py
import numpy as np
import pytest
import tiny
from PIL import Image

import ganzoo
from ganzoo import images, presets


@pytest.fixture(scope="module")
def preset(tmp_path_factory, tiny_images):
    gan = tiny.make(ganzoo.DCGAN, ema_decay=0.5, augment=ganzoo.augment.DiffAugment("cutout"))
    gan.fit(tiny_images[:32], batch_size=8, verbose=0)
    path = tmp_path_factory.mktemp("presets") / "dcgan.tiny"
    gan.save_to_preset(path, licence="mit", data="fashion_mnist_10k", seed=3)
    return gan, path


def test_a_preset_holds_what_the_contract_lists(preset):
    gan, path = preset
    assert {p.name for p in path.iterdir()} == {
        *("config.json", "generator.weights.h5", "metadata.json", "README.md", "samples.png")
    }
    metadata = json.loads((path / "metadata.json").read_text())
    assert metadata["licence"] == "mit"
    assert metadata["parameters"] == gan.generator.count_params()
    assert metadata["versions"]["ganzoo"] == ganzoo.__version__
    assert "license: mit" in (path / "README.md").read_text()


def test_it_loads_as_model_and_as_generator_alone(preset):
    gan, path = preset
    images = gan.generate(4, seed=9)
    for load in (ganzoo.from_preset, ganzoo.DCGAN.from_preset, ganzoo.GAN.from_preset):
        assert np.array_equal(load(path).generate(4, seed=9), images)
    generator = ganzoo.load_generator(path)
    assert type(generator).__module__.startswith("keras.")
    z = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(generator(z), gan(z))


def test_it_loads_in_a_fresh_process(preset):
    gan, path = preset
    script = (
        "import ganzoo, hashlib\n"
        f"images = ganzoo.from_preset({str(path)!r}).generate(20, seed=1)\n"
        "print(hashlib.sha256(images.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    wanted = hashlib.sha256(gan.generate(20, seed=1, batch_size=5).tobytes()).hexdigest()
    assert done.stdout.strip() == wanted, done.stderr


def test_saving_again_replaces_a_preset_and_nothing_else(preset, tmp_path):
    gan, _ = preset
    gan.save_to_preset(tmp_path / "a")
    gan.save_to_preset(tmp_path / "a", licence="other")
    assert json.loads((tmp_path / "a" / "metadata.json").read_text())["licence"] == "other"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="is no preset"):
        gan.save_to_preset(tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def copied(path, to, **changes):
    shutil.copytree(path, to)
    for name, text in changes.items():
        (to / name.replace("__", ".")).write_bytes(text)
    return to


def test_what_is_no_preset_is_refused_in_one_line(preset, tmp_path):
    _, path = preset
    config = json.loads((path / "config.json").read_text())
    weights = (path / "generator.weights.h5").read_bytes()
    newer = json.dumps({**config, "format": 99}).encode()
    foreign = json.dumps({**config, "class": "os.system"}).encode()
    cases = [
        (tmp_path / "missing", "no preset or folder"),
        (tmp_path, "has no config.json"),
        (copied(path, tmp_path / "cut", generator__weights__h5=weights[:-100]), "hash"),
        (copied(path, tmp_path / "bent", generator__weights__h5=weights[:-1] + b"x"), "hash"),
        (copied(path, tmp_path / "newer", config__json=newer), "has format 99"),
        (copied(path, tmp_path / "foreign", config__json=foreign), "'os.system', which is none of"),
        (copied(path, tmp_path / "broken", config__json=b"{"), "is no whole preset"),
    ]
    for folder, message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            ganzoo.from_preset(folder)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="holds a DCGAN, not a FCGAN"):
        ganzoo.FCGAN.from_preset(path)


def test_half_precision_halves_the_file_and_hardly_moves_an_image(preset, tmp_path):
    gan, path = preset
    before = gan.get_weights()
    gan.save_to_preset(tmp_path / "half", half=True)
    for kept, now in zip(before, gan.get_weights(), strict=True):
        assert np.array_equal(kept, now)
    size, whole = ((p / "generator.weights.h5").stat().st_size for p in (tmp_path / "half", path))
    assert size < 0.9 * whole  # of a network this small most is structure
    with h5py.File(tmp_path / "half" / "generator.weights.h5") as file:
        kinds = set()
        file.visititems(lambda _, item: kinds.add(getattr(item, "dtype", None)))
    assert kinds - {None} == {np.dtype("float16")}
    latents = np.random.default_rng(2).normal(size=(64, 4)).astype("float32")
    drawn = ganzoo.load_generator(tmp_path / "half")(latents)
    difference = np.abs(drawn - ganzoo.load_generator(path)(latents))
    assert 0 < difference.max() < 2 / 127.5  # two of 256 levels


def test_half_precision_refuses_what_it_cannot_hold(tmp_path):
    gan = tiny.make(ganzoo.FCGAN)
    gan.generator.weights[0].assign(gan.generator.weights[0] + 1e5)
    with pytest.raises(ValueError, match=r"half=True: .* holds 1e\+05"):
        gan.save_to_preset(tmp_path / "large", half=True)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def web(tmp_path):
    """A real web server on this machine: its address and the folder it serves."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


def test_a_preset_loads_from_an_address_with_its_hash(preset, web, tmp_path, monkeypatch):
    gan, path = preset
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path / "cache"))
    address, folder = web
    archive = shutil.make_archive(folder / "tiny", "zip", path.parent, path.name)
    sha256 = hashlib.sha256(pathlib.Path(archive).read_bytes()).hexdigest()
    model = ganzoo.from_preset(f"{address}/tiny.zip", sha256=sha256)
    assert np.array_equal(model.generate(4, seed=9), gan.generate(4, seed=9))
    with pytest.raises(ValueError, match="give its sha256="):
        ganzoo.from_preset(f"{address}/tiny.zip")
    with pytest.raises(ValueError, match="does not match the provided value"):
        ganzoo.from_preset(f"{address}/tiny.zip", sha256="0" * 64)


def test_a_preset_of_the_hub_loads_from_its_cache_without_network(preset, tmp_path, monkeypatch):
    gan, path = preset
    import huggingface_hub.constants

    commit, repository = "0123456789" * 4, tmp_path / "models--user--tiny"
    shutil.copytree(path, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("hf://user/tiny", f"hf://user/tiny@{commit}"):
        model = ganzoo.from_preset(name)
        assert np.array_equal(model.generate(4, seed=9), gan.generate(4, seed=9))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'keras-ganzoo\[hub\]'"):
        ganzoo.from_preset("hf://user/tiny")


def tiles_of(picture, row):
    """The eight square images in a row of a card's picture."""
    side = picture.shape[1] // 8 - 2
    top, lefts = row * (side + 2) + 2, range(2, picture.shape[1] - side, side + 2)
    return np.stack([picture[top : top + side, k : k + side] for k in lefts]).astype("uint8")


def test_every_named_preset_loads_and_draws_as_its_card_shows():
    rows = presets.list_presets()
    shipped = {p.parent.name for p in presets.home().glob("*/config.json")}
    assert shipped == {row["name"] for row in rows}
    for row in rows:
        model = ganzoo.from_preset(row["name"])
        assert type(model).__name__ == row["class"]
        assert type(model).presets[row["name"]] == row
        folder = presets.home() / row["name"]
        card = (folder / "README.md").read_text()
        assert "![samples](samples.png)" in card
        table = [line.replace("\\|", "") for line in card.splitlines() if line.startswith("|")]
        assert len(table) > 10 and {line.count("|") for line in table} == {3}
        shown = np.asarray(Image.open(folder / "samples.png").convert("RGB")).astype(int)
        if model.makes_with == "generate":
            drawn = np.broadcast_to(images.tile(*model.preview(64)), shown.shape)
        elif model.makes_with == "translate":  # sources, and below them what is made of them
            sources = tiles_of(shown, 0)
            drawn = images.tile(np.concatenate([sources, model.translate(sources)]), columns=8)
            shown = shown[: len(drawn)]
        else:  # made from the small versions of the originals in the third row
            drawn = images.tile(*model.preview(64, examples=tiles_of(shown, 2)))
        assert np.abs(shown - drawn).mean() < 1, row["name"]


def test_an_index_that_names_another_hash_is_believed(preset, tmp_path, monkeypatch):
    _, path = preset
    shutil.copytree(path, tmp_path / "dcgan.tiny")
    monkeypatch.setattr(presets, "home", lambda: tmp_path)
    presets.write_index()
    (row,) = ganzoo.list_presets()
    assert row["name"] == "dcgan.tiny"
    assert row["class"] == "DCGAN"
    assert list(ganzoo.DCGAN.presets) == list(ganzoo.GAN.presets) == ["dcgan.tiny"]
    assert ganzoo.FCGAN.presets == {}
    ganzoo.from_preset("dcgan.tiny")
    index = tmp_path / "index.json"
    index.write_text(index.read_text().replace(row["sha256"], "0" * 64))
    with pytest.raises(ValueError, match="its hash does not match"):
        ganzoo.from_preset("dcgan.tiny")
