"""Pix2Pix: its step written out, pairs and their direction, translating any size, previews, the
commands, and official checkpoints."""

import io
import json
import pathlib
import zipfile

import by_hand
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from click.testing import CliRunner
from PIL import Image
from test_every_model import sgd

import ganzoo
from ganzoo import Pix2Pix, callbacks, cli, data, importers, runs
from ganzoo.importers import checkpoints, table
from ganzoo.models import pix2pix

RATE = 0.05


@pytest.fixture(scope="module")
def pairs(tiny_images):
    return tiny.data(Pix2Pix, tiny_images)


@pytest.fixture(scope="module")
def model(pairs):
    """A tiny model, trained for a moment with two updates of D a step, each on its own pairs."""
    keras.utils.set_random_seed(7)
    model = tiny.make(Pix2Pix, norm="instance", dropout=0.5, image_shape=(64, 64, 1), patch=None)
    model.compile(d_steps=2)
    large = tuple(np.pad(part, [(0, 0), (0, 52), (0, 55), (0, 0)], "symmetric") for part in pairs)
    history = model.fit(large, batch_size=8, epochs=1, verbose=0).history
    assert np.isfinite(history["l1"]).all() and int(model.d_optimizer.iterations) == 8
    return model


def test_a_step_is_the_papers(pairs):
    """D first, its loss halved (section 3.3), then G on the same fakes, with 100 times L1."""
    gan = tiny.make(Pix2Pix, l1_weight=3.0)
    gan.compile(**sgd(RATE))
    generator, discriminator = by_hand.copies(gan)
    source, target = (part[:4] for part in pairs)
    x, y = (tf.constant(part / np.float32(127.5) - 1) for part in (source, target))

    def entropy(logits, label):
        return tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(logits.shape, label), logits)
        )

    with tf.GradientTape() as d_tape:
        fake = tf.stop_gradient(generator(x, training=True))
        real_logits = discriminator([x, y], training=True)
        fake_logits = discriminator([x, fake], training=True)
        d_loss = (entropy(real_logits, 1.0) + entropy(fake_logits, 0.0)) / 2
    by_hand.descend(discriminator, d_tape, d_loss, RATE)
    with tf.GradientTape() as g_tape:
        fake = generator(x, training=True)
        l1 = tf.reduce_mean(tf.abs(y - fake))
        g_loss = entropy(discriminator([x, fake], training=True), 1.0) + 3.0 * l1
    by_hand.descend(generator, g_tape, g_loss, RATE)

    logs = gan.train_step((tf.constant(source), tf.constant(target)))
    by_hand.same_weights(gan, generator, discriminator)
    for name, value in (("d_loss", d_loss), ("g_loss", g_loss), ("l1", l1)):
        np.testing.assert_allclose(logs[name], value, rtol=1e-5)


def test_the_direction_says_which_is_the_source(pairs):
    a, b = (part[:8] for part in pairs)
    models = [tiny.make(Pix2Pix, direction=direction) for direction in ("ab", "ba")]
    models[1].set_weights(models[0].get_weights())
    for gan, data_ in zip(models, ((a, b), (b, a)), strict=True):
        gan.fit(data_, batch_size=8, shuffle=False, verbose=0)
    assert tiny.same(tiny.state(models[0]), tiny.state(models[1]))


def test_augmentation_treats_both_images_alike(pairs):
    class Mirror(keras.layers.Layer):
        def call(self, images):
            return images[:, :, ::-1]

    gan = tiny.make(Pix2Pix, augment=Mirror())
    gan.compile()
    source, target = (tf.constant(part[:2], "float32") for part in pairs)
    seen = gan.pair_seen(source, target)
    np.testing.assert_array_equal(seen[0], source[:, :, ::-1])
    np.testing.assert_array_equal(seen[1], target[:, :, ::-1])


def test_any_size_is_translated(model, garments):
    sheet = garments[0][:12].reshape(3, 4, 28, 28).swapaxes(1, 2).reshape(84, 112, 1)
    sizes = [(64, 64), (7, 80), (84, 112), (65, 63)]
    images = [sheet[:height, :width] for height, width in sizes]
    made = model.translate(images)
    assert [image.shape[:2] for image in made] == sizes
    assert all(image.dtype == np.uint8 for image in made)
    exact = model(sheet[None, :64, :64] / np.float32(127.5) - 1)[0]
    difference = made[0] / 127.5 - 1 - np.asarray(exact)
    assert np.abs(difference).max() <= 0.51 / 127.5
    np.testing.assert_array_equal(model.translate(images[0]), made[0])
    np.testing.assert_array_equal(model.translate(np.stack([images[0]] * 2))[1], made[0])


def test_noise_is_dropout_and_moves_no_seed(model, pairs):
    image = np.resize(pairs[0][0], (64, 64, 1))
    before = tiny.state(model)
    plain = model.translate(image)
    one, same, other = (model.translate(image, noise=True, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(plain, model.translate(image))
    assert not np.array_equal(one, other) and not np.array_equal(one, plain)
    assert tiny.same(before, tiny.state(model))


def test_examples_are_shown_below_each_other(model, pairs, tmp_path):
    a, b = (np.resize(part[:20], (20, 64, 64, 1)) for part in pairs)
    shown, columns = model.preview(64, examples=(a, b))
    assert columns == 8 and shown.shape == (48, 64, 64, 1)
    np.testing.assert_array_equal(shown[:8], a[:8])
    np.testing.assert_array_equal(shown[8:16], model.translate(a[:8]))
    np.testing.assert_array_equal(shown[16:24], b[:8])
    np.testing.assert_array_equal(shown[24:32], a[8:16])
    shown, columns = model.preview(3, examples=(a / 127.5 - 1.0, b))
    assert columns == 1 and np.array_equal(shown[0], a[0])

    model.save_to_preset(tmp_path / "preset", examples=(a, b), licence="mit")
    card = (tmp_path / "preset" / "README.md").read_text()
    assert "image-to-image" in card and ".translate(images)" in card
    with Image.open(tmp_path / "preset" / "samples.png") as picture:
        assert picture.size == (8 * 66 + 2, 6 * 66 + 2)
    network = ganzoo.load_generator(tmp_path / "preset")
    x = a[:2] / np.float32(127.5) - 1
    np.testing.assert_array_equal(network(x), model(x))

    verdicts = model.exhibits(a, b, 0)
    judge, fakes = verdicts["fake"]
    assert judge is model.discriminator and np.array_equal(fakes[1], model.translate(a))


def test_mistakes_end_in_one_line(model, pairs, tmp_path):
    a, b = pairs
    for arguments, message in (
        ({"norm": "layer"}, 'want "batch" or "instance"'),
        ({"direction": "a"}, 'want "ab" or "ba"'),
        ({"image_shape": (12, 9, 1), "patch": 70}, r"want one of \[1, 16\] pixels"),
        ({"image_shape": (4, 9, 1)}, r"nearest is \(8, 9, 1\)"),
        (
            {"generator": pix2pix.unet((16, 16, 3), 1, 2, "batch", 0), "image_shape": (8, 8, 1)},
            "does not take",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            Pix2Pix(**arguments)
    gan = tiny.make(Pix2Pix)
    for given, message in (
        (a, "learns from pairs"),
        ((a, b[:, :8]), r"want \(N, H, W, C\)|makes"),
        ((a, b[:60]), "do not make pairs"),
        ((a, b * 1.0), r"want \[-1, 1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            gan.fit(given, batch_size=8, verbose=0)
    assert not gan.optimizer.iterations.numpy()
    for call, error, message in (
        (lambda: model.generate(4), ValueError, r"use translate\(images\), or `ganzoo translate`"),
        (lambda: model.translate(a[..., 0]), ValueError, r"want \(N, H, W, 1\)"),
        (lambda: model.translate(a / 255), TypeError, "want uint8"),
        (lambda: model.translate(a, direction="ba"), ValueError, "was made for 'ab'"),
    ):
        with pytest.raises(error, match=message):
            call()
    watchers = {
        callbacks.ImageGrid(tmp_path / "samples"): (ValueError, "give pairs"),
        callbacks.Interpolation(tmp_path / "walks"): (TypeError, "from latent to latent"),
        callbacks.Verdicts(tmp_path / "logs", a): (ValueError, "learns from pairs"),
    }
    for watcher, (error, message) in watchers.items():
        with pytest.raises(error, match=message):
            gan.fit(pairs, batch_size=8, verbose=0, callbacks=[watcher])


@pytest.fixture(scope="module")
def run(garments, tmp_path_factory):
    """`ganzoo train` on a folder of JPEGs of odd sizes, each a garment beside its negative."""
    folder = tmp_path_factory.mktemp("pairs")
    for split, start, n in (("train", 0, 8), ("test", 8, 4)):
        (folder / split).mkdir()
        for i, image in enumerate(garments[0][start : start + n, ..., 0]):
            both = Image.fromarray(np.concatenate([image, 255 - image], axis=1))
            height = 25 + 2 * i
            both.resize((2 * (height + 3), height)).save(folder / split / f"{i}.jpg", quality=95)
    out = folder / "run"
    options = [
        f"--set={option}"
        for option in (
            "image_shape=[16,20,1]",
            "direction=ba",
            "filters=2",
            "norm=instance",
            "patch=16",
            "batch_size=4",
            "dtype=float32",
        )
    ]
    arguments = ["train", "pix2pix", "--data", str(folder), "--epochs", "1", "--out", str(out)]
    result = CliRunner().invoke(cli.main, [*arguments, *options])
    assert result.exit_code == 0, result.output
    assert "ganzoo translate" in result.output
    return out


def test_a_run_cuts_and_mirrors_pairs_and_draws_held_out_ones(run):
    config = json.loads((run / "config.json").read_text())
    given = config["data"]
    assert (given["pairs"], given["flip"], given["crop"]) == ("side_by_side", True, [16, 20])
    assert given["image_shape"] == [18, 22, 1]  # 286 / 256 times as large
    with Image.open(run / "samples" / "epoch_0001.png") as picture:
        assert picture.size == (4 * 22 + 2, 3 * 18 + 2)  # 4 held-out pairs: source, result, target
        grid = np.asarray(picture)
    held_out = next(iter(data.load(given["spec"], "test", (16, 20, 1), pairs="side_by_side")))
    orders = [
        np.abs(grid[2:18, 2:22] - image[..., 0].astype(int)).max() for image in held_out[1].numpy()
    ]
    assert 0 in orders  # the source is the right half
    assert (run / "preset" / "samples.png").exists()


def test_translate_turns_photos_upright_and_compares(run, garments, tmp_path):
    upright = np.zeros((20, 30, 3), np.uint8)
    upright[:, :15] = garments[0][0, 4:24, 6:21]
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.rot90(upright)).save(photos / "held.png", exif=exif)
    Image.fromarray(upright[:13, :7]).save(photos / "small.jpg")
    (photos / "notes.jpg").write_text("no image")
    arguments = ["translate", str(run / "preset"), str(photos), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli.main, [*arguments, "--compare"])
    assert result.exit_code == 1 and "notes.jpg is no image" in result.output
    with Image.open(tmp_path / "out" / "held.png") as made:
        assert made.size == (60, 20)
        grey = Image.fromarray(upright).convert("L")
        np.testing.assert_array_equal(np.asarray(made)[:, :30], grey)
    with Image.open(tmp_path / "out" / "small.png") as made:
        assert made.size == (14, 13)
    for more, message in (
        ([], "exists: give another --out, or --force"),
        (["--force", "--direction", "ab"], "was made for 'ba'"),
        ([str(photos / "held.png"), "--force"], "two photos named held go into"),
        ([str(photos / "missing.png")], "no such file"),
    ):
        refused = CliRunner().invoke(cli.main, [*arguments, *more])
        assert refused.exit_code in (1, 2) and message in refused.output
        assert "Traceback" not in refused.output


def test_sets_that_are_no_pairs_are_refused_before_training(tmp_path):
    for name, spec, message in (
        ("Pix2Pix", "fashion_mnist_10k", "holds images with labels"),
        ("CycleGAN", "fashion_mnist_10k", "is one set of images"),
    ):
        with pytest.raises(ValueError, match=message):
            runs.start(getattr(ganzoo, name), spec, tmp_path / name)


def written_as_pytorch_does(state):
    """The bytes of a `.pth` of PyTorch 1.6 and later: a zip archive of a pickle, instruction by
    instruction, and the numbers of each tensor."""
    out = io.BytesIO()

    def text(value):
        return b"X" + len(value).to_bytes(4, "little") + value.encode()

    def number(value):
        return b"J" + int(value).to_bytes(4, "little", signed=True)

    def tuple_of(*parts):
        return b"(" + b"".join(parts) + b"t"

    pickled = b"\x80\x02ccollections\nOrderedDict\n)R("
    with zipfile.ZipFile(out, "w") as archive:
        for i, (name, array) in enumerate(state.items()):
            kind = {"float32": "FloatStorage", "int64": "LongStorage"}[array.dtype.name]
            storage = tuple_of(
                text("storage"),
                f"ctorch\n{kind}\n".encode(),
                text(str(i)),
                text("cpu"),
                number(array.size),
            )
            strides = [number(s // array.itemsize) for s in array.strides]
            pickled += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n"
            pickled += tuple_of(
                storage + b"Q",
                number(0),
                tuple_of(*map(number, array.shape)),
                tuple_of(*strides),
                b"\x89ccollections\nOrderedDict\n)R",
            )
            pickled += b"R"
            archive.writestr(f"net/data/{i}", array.tobytes())
        archive.writestr("net/data.pkl", pickled + b"u.")
    return out.getvalue()


def official(network, kind):
    """A state dict of this network's own weights under the official names."""
    return {
        row.source: np.ascontiguousarray(
            table.variable_at(network, row.target).numpy().transpose(3, 2, 0, 1)
            if row.layout is table.convolution
            else table.variable_at(network, row.target).numpy()
        )
        for row in importers._TABLES[kind](network)
        if row.target
    }


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_an_official_checkpoint_becomes_a_preset(norm, tmp_path):
    generator = pix2pix.unet((16, 16, 3), 1, 2, norm, 0.5)
    state = official(generator, "pix2pix.generator")
    state["model.model.1.model.2.num_batches_tracked"] = np.array(7)
    path = tmp_path / "latest_net_G.pth"
    path.write_bytes(written_as_pytorch_does(state))
    found = checkpoints.read(path)
    assert found.keys() == state.keys()
    assert all(np.array_equal(found[key], value) for key, value in state.items())

    arguments = ["import", "pix2pix", str(path), "--out", str(tmp_path / "preset")]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 0, result.output
    gan = ganzoo.from_preset(tmp_path / "preset")
    assert (gan.image_shape, gan.source_channels, gan.norm) == ((16, 16, 1), 3, norm)
    assert not (tmp_path / "preset" / "samples.png").exists()  # there is nothing to draw them of
    x = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)).astype("float32")
    np.testing.assert_array_equal(gan.generator(x), generator(x))


def test_checkpoints_of_pytorch_before_1_6_are_read():
    """LPIPS's linear weights for AlexNet, as its authors ship them."""
    path = pathlib.Path(__file__).parent / "parity" / "lpips_alex.pth"
    found = checkpoints.read(path)
    sizes = {f"lin{i}.model.1.weight": n for i, n in enumerate((64, 192, 384, 256, 256))}
    assert {name: array.size for name, array in found.items()} == sizes
    for array in found.values():
        assert array.dtype == np.float32 and array.max() > 0.1
        assert array.tobytes() in path.read_bytes()


def test_no_code_of_a_checkpoint_is_run(tmp_path):
    harmless = written_as_pytorch_does({"a": np.ones(3, "float32")})
    touched = tmp_path / "touched"
    command = f"touch {touched}".encode()
    call = b"\x80\x02cposix\nsystem\n(X" + len(command).to_bytes(4, "little") + command + b"tR."
    path = tmp_path / "evil.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", call)
    with pytest.raises(ValueError, match=r"asks to call posix\.system"):
        checkpoints.read(path)
    assert not touched.exists()
    (tmp_path / "cut.pth").write_bytes(harmless[: len(harmless) // 2])
    (tmp_path / "text.pth").write_text("hello")
    np.savez(tmp_path / "empty.npz")
    for name, message in (
        ("cut.pth", "no PyTorch checkpoint"),
        ("text.pth", "no PyTorch checkpoint"),
        ("empty.npz", "no state dict"),
    ):
        with pytest.raises(ValueError, match=message):
            checkpoints.read(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"no such checkpoint"):
        checkpoints.read(tmp_path / "missing.pth")
