import by_hand
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from click.testing import CliRunner
from keras import ops
from PIL import Image

from ganzoo import ESRGAN, SRGAN, bicubic, cli, content, from_preset, runs


@pytest.fixture(scope="module")
def colours(garments):
    """Real images in colour, each of three garments: uint8 (64, 8, 8, 3)."""
    return np.concatenate(np.split(garments[0][:192, 10:18, 10:18], 3), -1)


@pytest.fixture(scope="module")
def enlarger():
    """An untrained model that doubles colour images. It looks 4 + 4 + 1 + 4 / 2 pixels far."""
    return tiny.make(SRGAN, image_shape=(8, 8, 3))


def test_a_step_is_the_papers(tiny_images):
    model = tiny.make(SRGAN)
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.2))
    generator, discriminator = by_hand.copies(model)
    images = tiny_images[:8]
    model.fit(images, batch_size=8, shuffle=False, verbose=0)

    real = tf.constant(images / 127.5 - 1, "float32")
    small = bicubic.downscale(real, 2)
    cross = keras.losses.BinaryCrossentropy(from_logits=True)
    with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
        fake = generator((small + 1) / 2, training=True) * 2 - 1
        verdicts = [discriminator(x, training=True) for x in (real, tf.stop_gradient(fake))]
        d_loss = cross(tf.ones((8, 1)), verdicts[0]) + cross(tf.zeros((8, 1)), verdicts[1])
    by_hand.descend(discriminator, d_tape, d_loss, 0.2)
    with g_tape:
        verdict = discriminator(fake, training=True)
        loss = tf.reduce_mean((real - fake) ** 2) + 0.1 * cross(tf.ones((8, 1)), verdict)
    by_hand.descend(generator, g_tape, loss, 0.1)
    by_hand.same_weights(model, generator, discriminator)


def test_pretraining_moves_the_generator_alone_then_the_discriminator_joins(tiny_images):
    data = tiny_images[:32]
    alone, both = tiny.make(SRGAN, adversarial_weight=0), tiny.make(SRGAN, pretraining_steps=2)
    both.set_weights(alone.get_weights())
    before = [w.numpy() for w in both.discriminator.weights]
    for model in (alone, both):
        history = model.fit(data[:16], batch_size=8, shuffle=False, verbose=0).history
        assert history["d_loss"] == [0.0] and history["g_loss"] == history["content_loss"]
        assert history["g_gradient"][0] > 0
    assert tiny.same(tiny.state(alone), tiny.state(both))
    assert tiny.same(before, [w.numpy() for w in both.discriminator.weights])
    assert int(both.d_optimizer.iterations) == 0 and int(both.g_optimizer.iterations) == 2
    scores = both.evaluate(data, batch_size=8, verbose=0, return_dict=True)
    assert scores["d_loss"] > 0  # by the counter, the third step would be an adversarial one

    both.fit(data[16:], batch_size=8, shuffle=False, verbose=0)
    assert int(both.d_optimizer.iterations) == 2 and int(both.g_optimizer.iterations) == 4
    assert not tiny.same(before, [w.numpy() for w in both.discriminator.weights])


def test_pretraining_lowers_the_error(colours):
    model = tiny.make(SRGAN, image_shape=(8, 8, 3), adversarial_weight=0, filters=8)
    model.compile(g_optimizer=keras.optimizers.Adam(0.01))
    losses = model.fit(colours, batch_size=16, epochs=12, verbose=0).history["g_loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_small_and_large_images_train_as_the_large_alone(tiny_images):
    large = tiny_images[:16]
    small = bicubic.downscale(tf.constant(large / 127.5 - 1, "float32"), 2)
    small = np.round((np.asarray(small) + 1) * 127.5).astype("uint8")
    model = tiny.make(SRGAN)
    labels = np.arange(16)  # as other families take them; they are passed over
    pairs = [model.prepared(tf.constant(large), y) for y in (None, labels)]
    pairs.append(model.prepared(tf.constant(small), tf.constant(large)))
    for pair in pairs:
        np.testing.assert_allclose(pair[0], small / 127.5 - 1, atol=1e-6)
        np.testing.assert_allclose(pair[1], large / 127.5 - 1, atol=1e-6)
    for data in (large, labels), ((small, large),), (small, large):
        assert np.isfinite(model.fit(*data, batch_size=8, verbose=0).history["loss"]).all()


def test_upscale_keeps_the_form_the_channels_and_the_size(enlarger, colours):
    batch = enlarger.upscale(colours[:2])
    assert batch.shape == (2, 16, 16, 3) and batch.dtype == np.uint8
    np.testing.assert_array_equal(enlarger.upscale(colours[0]), batch[0])
    odd = colours[0, :7, :5]
    shapes = [image.shape for image in enlarger.upscale([odd, colours[1], odd[..., 0]])]
    assert shapes == [(14, 10, 3), (16, 16, 3), (14, 10)]

    grey = np.repeat(colours[0, ..., :1], 3, -1)
    wanted = enlarger.upscale(grey).mean(-1, keepdims=True)
    np.testing.assert_array_equal(enlarger.upscale(grey[..., :1]), np.round(wanted))

    alpha = np.full((8, 8, 1), 200, "uint8")
    made = enlarger.upscale(np.concatenate([colours[0], alpha], -1))
    np.testing.assert_array_equal(made[..., :3], batch[0])
    assert (made[..., 3] == 200).all()


@pytest.mark.parametrize("channels", [1, 4])
def test_networks_of_other_channels_take_every_photo(channels, colours):
    model = tiny.make(SRGAN, image_shape=(8, 8, channels))
    alpha = np.full((8, 8, 1), 90, "uint8")
    for image in (colours[0, ..., :1], colours[0], np.concatenate([colours[0], alpha], -1)):
        made = model.upscale(image)
        assert made.shape == (16, 16, image.shape[-1]) and made.dtype == np.uint8
    if channels == 1:  # each colour by itself, transparency bicubically
        np.testing.assert_array_equal(made[..., 1:2], model.upscale(image[..., 1:2]))
        assert (made[..., 3] == 90).all()


def test_tiles_make_the_same_image_as_the_whole(enlarger, garments):
    photo = np.concatenate(list(garments[0][:6]), 1)  # 28 x 168
    photo = np.concatenate([photo, photo[::-1], photo[:, ::-1]], -1)
    photo = np.tile(photo, (3, 1, 1))  # 84 x 168
    whole = enlarger.upscale(photo, tile=192)
    # a quarter of the overlap, 12, is more than the network looks; but the borders of the padded
    # whole image are padded otherwise, and rounding may fall to either side
    tiled = enlarger.upscale(photo, tile=96, overlap=48)
    inner = (slice(24, -24), slice(24, -24))
    assert np.abs(whole[inner].astype(int) - tiled[inner]).max() <= 1


def test_a_network_of_ones_own_size_sees_tiles_of_it(colours):
    small, large = keras.Input((4, 4, 3)), keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(3, 3, padding="same")(keras.layers.UpSampling2D(2)(small))
    generator = keras.Model(small, x)
    discriminator = keras.Model(large, keras.layers.Conv2D(1, 8)(large))
    model = tiny.make(
        SRGAN, image_shape=(8, 8, 3), generator=generator, discriminator=discriminator
    )
    assert np.isfinite(model.fit(colours[:16], batch_size=8, verbose=0).history["loss"]).all()
    assert model.upscale(colours[0, :7]).shape == (14, 16, 3)
    with pytest.raises(ValueError, match=r"the given generator makes \(None, 8, 8, 3\).*16, 16, 3"):
        tiny.make(SRGAN, image_shape=(16, 16, 3), scale=4, generator=generator)


def bad_inputs():
    images = np.zeros((4, 8, 8, 1), "uint8")
    return [
        ("fit", (images[:, :6],), r"\(4, 6, 8, 1\).*makes \(8, 8, 1\)"),
        ("fit", (images.astype("float32") + 9,), r"float images in \[9, 9\]: want \[-1, 1\]"),
        ("fit", (images, images), r"small images of shape \(4, 8, 8, 1\).*\(4, 4, 1\)"),
        ("upscale", (images[..., :0],), "with 1, 3 or 4 channels"),
        ("upscale", (np.zeros((4, 4, 2), "uint8"),), "with 1, 3 or 4 channels"),
        ("generate", (4,), r"SRGAN starts from images.*use upscale\(images\)"),
    ]


def test_bad_input_is_one_line(enlarger):
    model = tiny.make(SRGAN)
    for method, arguments, message in bad_inputs():
        with pytest.raises(ValueError, match=message) as caught:
            getattr(model, method)(*arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(TypeError, match="float32: want uint8"):
        model.upscale(np.zeros((4, 4, 1), "float32"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 5}, r"scale=5: want one of \[2, 3, 4, 8\]; the nearest is 4"),
        ({"image_shape": (30, 9, 3), "scale": 4}, r"multiples of 4.*nearest is \(32, 8, 3\)"),
        ({"image_shape": (8, 8, 2)}, r"nearest is \(8, 8, 1\)"),
        ({"content": "vgg16"}, r"content='vgg16': want one of \['lite0', 'vgg19', 'pixels'\]"),
        ({"adversarial_weight": -1}, "adversarial_weight=-1: want a number, 0 or more"),
        ({"pretraining_steps": 1.5}, r"pretraining_steps=1\.5: want a whole number"),
    ],
)
def test_what_cannot_be_made_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny.make(SRGAN, **changes)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_every_scale(scale):
    shape = (2 * scale, 3 * scale, 3)
    model = tiny.make(SRGAN, image_shape=shape, scale=scale)
    small = np.zeros((2, 2, 3, 3), "float32")
    assert model(small).shape == (2, *shape)


def test_distances_of_lite0_grow_with_the_damage(colours):
    """Distances in the features of the package's own network grow with the damage; a model trains
    on them, in the second stage alone, and keeps none of their weights."""
    real = ops.convert_to_tensor(np.tile(colours[:4], (1, 4, 4, 1)) / 127.5 - 1, "float32")
    small = bicubic.downscale(real, 2)
    blurred = bicubic.resize(small, 32, 32)
    more = bicubic.resize(bicubic.downscale(real, 4), 32, 32)
    for power in (1, 2):
        distance = content.Content("lite0", power, activated=False)
        values = [np.asarray(distance(real, other)) for other in (real, blurred, more)]
        assert values[0].shape == (4,) and (values[0] == 0).all()
        assert (values[1] > 0).all() and (values[2] > values[1]).all()
    grey = real[..., :1]
    repeated = np.asarray(distance(np.repeat(grey, 3, -1), np.repeat(more[..., :1], 3, -1)))
    np.testing.assert_allclose(distance(grey, more[..., :1]), repeated, rtol=1e-6)

    model = tiny.make(SRGAN, image_shape=(16, 16, 3), scale=4, content="lite0", pretraining_steps=1)
    weights = len(model.weights)
    history = model.fit(np.tile(colours[:16], (1, 2, 2, 1)), batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all() and len(model.weights) == weights


def test_vgg19_takes_over_the_weights_of_keras_applications(colours, tmp_path):
    """Keras's network wants BGR without the mean; ours takes RGB in [-1, 1] and must see the same,
    scaled as in the paper."""
    source = keras.applications.VGG19(include_top=False, weights=None)
    source.save_weights(tmp_path / "vgg19.weights.h5")
    network = content.vgg19(["relu1_2", "relu3_4"], weights=str(tmp_path / "vgg19.weights.h5"))
    names = ("block1_conv2", "block3_conv4")
    theirs = keras.Model(source.input, [source.get_layer(name).output for name in names])
    images = np.tile(colours[:2], (1, 4, 4, 1)).astype("float32")
    wanted = theirs(keras.applications.vgg19.preprocess_input(images.copy()))
    for ours, reference in zip(network(images / 127.5 - 1), wanted, strict=True):
        largest = np.abs(reference).max()
        np.testing.assert_allclose(12.75 * ours, reference, rtol=0, atol=1e-4 * largest)
    with pytest.raises(ValueError, match="VGG19 has no 'conv6_1'"):
        content.vgg19(["conv6_1"], weights=None)


def photo_files(folder, colours):
    """The same picture, 28 x 20, as files of every kind, and how large it is in each."""
    tall = np.concatenate([colours[0], colours[1], colours[2], colours[3, :4]])[:28]
    tall = np.tile(tall, (1, 3, 1))[:, :20]
    picture = Image.fromarray(tall)
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    picture.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.jpg", exif=turned)
    picture.save(folder / "rgb.png")
    picture.convert("L").save(folder / "grey.png")
    picture.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    picture.convert("LA").save(folder / "grey_alpha.png")
    Image.fromarray(np.asarray(picture.convert("L")).astype("uint16") * 257).save(folder / "16.png")
    (folder / "text.png").write_text("no image")
    return {
        "turned": "RGB",
        "rgb": "RGB",
        "grey": "L",
        "cmyk": "RGB",
        "grey_alpha": "RGBA",
        "16": "L",
    }


def test_the_command_line_enlarges_files_of_every_kind(enlarger, colours, tmp_path):
    (tmp_path / "photos").mkdir()
    modes = photo_files(tmp_path / "photos", colours)
    enlarger.save_to_preset(tmp_path / "preset", examples=colours[:8])
    assert Image.open(tmp_path / "preset" / "samples.png").size == (8 * 10 + 2, 3 * 10 + 2)

    def run(*arguments):
        return CliRunner().invoke(cli.main, ["upscale", *map(str, arguments)])

    done = run(tmp_path / "preset", tmp_path / "photos", "--out", tmp_path / "large")
    assert done.exit_code == 1 and "text.png is no image" in done.output
    for name, mode in modes.items():
        with Image.open(tmp_path / "large" / f"{name}.png") as made:
            assert made.size == (40, 56) and made.mode == mode, name
    made = np.asarray(Image.open(tmp_path / "large" / "rgb.png"))
    photo = np.asarray(Image.open(tmp_path / "photos" / "rgb.png"))
    np.testing.assert_array_equal(made, from_preset(tmp_path / "preset").upscale(photo))

    one = run(tmp_path / "preset", tmp_path / "photos" / "rgb.png", "--out", tmp_path / "big.png")
    assert one.exit_code == 0 and Image.open(tmp_path / "big.png").size == (40, 56)
    again = run(tmp_path / "preset", tmp_path / "photos" / "rgb.png", "--out", tmp_path / "big.png")
    assert again.exit_code == 2 and "--force" in again.output
    assert "no such file" in run(tmp_path / "preset", tmp_path / "none.png").output


def test_a_run_reads_photographs_as_random_windows(colours, tmp_path):
    whole = {"image_shape": None, "labels": False}
    assert runs.windows(SRGAN, "fashion_mnist_10k", {}) == {**whole, "crop": (24, 24)}
    for number, size in enumerate(((200, 120), (100, 300))):
        Image.fromarray(np.resize(colours, (*size, 3))).save(tmp_path / f"{number}.png")
    assert runs.windows(SRGAN, tmp_path, {}) == {**whole, "crop": (96, 96)}
    assert runs.windows(ESRGAN, tmp_path, {}) == {**whole, "crop": (128, 128)}
    asked = {"image_shape": (32, 48, 3)}
    assert runs.windows(SRGAN, tmp_path, asked) == {**whole, "crop": (32, 48)}
    pairs = (colours[:, ::2, ::2], colours)
    assert runs.windows(SRGAN, pairs, {}) == whole
