"""Preset folders: what is written, what is refused, and that they load alone."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tiny

import ganzoo
from ganzoo import presets


@pytest.fixture(scope="module")
def preset(tmp_path_factory, tiny_images):
    gan = tiny.make(ganzoo.DCGAN, ema_decay=0.5)
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
    import hashlib

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
    import shutil

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


def test_every_named_preset_loads_and_draws_as_its_card_shows():
    rows = presets.list_presets()
    for row in rows:
        model = ganzoo.from_preset(row["name"])
        assert type(model).__name__ == row["class"]
        assert isinstance(model.generator, keras.Model)
    shipped = {p.parent.name for p in presets.home().glob("*/config.json")}
    assert shipped == {row["name"] for row in rows}
