import by_hand
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from ganzoo import ESRGAN, bicubic
from ganzoo.models import esrgan


def test_a_step_is_the_papers(tiny_images):
    model = tiny.make(ESRGAN, architecture="vgg")  # the battery's is the U-Net
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.2))
    generator, discriminator = by_hand.copies(model)
    images = tiny_images[:8]
    model.fit(images, batch_size=8, shuffle=False, verbose=0)

    real = tf.constant(images / 127.5 - 1, "float32")
    small = bicubic.downscale(real, 2)
    cross = tf.nn.sigmoid_cross_entropy_with_logits

    def relative(real, fake, real_label):
        """Half of equation 1 or 2, all of its means written out."""
        over = real - tf.reduce_mean(fake), fake - tf.reduce_mean(real)
        labels = real_label * tf.ones_like(real), (1 - real_label) * tf.ones_like(fake)
        return sum(0.5 * tf.reduce_mean(cross(*pair)) for pair in zip(labels, over, strict=True))

    with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
        fake = generator((small + 1) / 2, training=True) * 2 - 1
        verdicts = [discriminator(x, training=True) for x in (real, tf.stop_gradient(fake))]
        d_loss = relative(*verdicts, 1.0)
    by_hand.descend(discriminator, d_tape, d_loss, 0.2)
    known = discriminator(real, training=True)
    with g_tape:
        error = tf.reduce_mean(tf.abs(real - fake))  # of the content, which is pixels here
        adversarial = relative(known, discriminator(fake, training=True), 0.0)
        loss = error + 0.1 * adversarial + 0.01 * error
    by_hand.descend(generator, g_tape, loss, 0.1)
    by_hand.same_weights(model, generator, discriminator)


def test_the_first_stage_is_the_absolute_error():
    model = tiny.make(ESRGAN, adversarial_weight=0)
    model.compile()
    real = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1)).astype("float32")
    assert model.pretraining
    np.testing.assert_allclose(
        model.pixel_loss(real, real**2), np.abs(real - real**2).mean((1, 2, 3)), rtol=1e-6
    )


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_every_scale_and_odd_photos(scale):
    model = tiny.make(ESRGAN, scale=scale, image_shape=(8, 16, 3))
    assert model(np.zeros((2, 8 // scale, 16 // scale, 3), "float32")).shape == (2, 8, 16, 3)
    photo = np.zeros((7, 5, 3), "uint8")
    assert model.upscale(photo).shape == (7 * scale, 5 * scale, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 3}, r"scale=3: want one of \[1, 2, 4\]; the nearest is"),
        ({"image_shape": (10, 8, 1)}, r"multiples of 4.*nearest is \(8, 8, 1\)"),
        ({"image_shape": (12, 8, 1)}, r"multiples of 8; the nearest is \(16, 8, 1\)"),
        ({"architecture": "patch"}, r"architecture='patch': want one of \['vgg', 'unet'\]"),
    ],
)
def test_what_cannot_be_made_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny.make(ESRGAN, **changes)


def test_dense_blocks_start_as_small_residuals():
    """A tenth of He's deviation in every convolution of a dense block, and both kinds of residual
    times 0.2: the three dense blocks of a block hardly change its input, a fifth of which is added
    to it."""
    network = esrgan.generator_network(3, 4, 16, 8, 2)
    kernel = network.get_layer("block0_1_conv5").kernel.numpy()
    wanted = 0.1 * np.sqrt(2 / np.prod(kernel.shape[:3]))
    assert kernel.std() == pytest.approx(wanted, rel=0.05)
    x = tf.constant(np.random.default_rng(0).uniform(0, 1, (1, 8, 8, 3)), "float32")
    ends = [network.get_layer(name).output for name in ("first_conv", "block1_sum")]
    first, last = [np.asarray(y) for y in keras.Model(network.input, ends)(x)]
    apart = np.abs(last - 1.2**2 * first).max() / np.abs(first).max()
    assert 0 < apart < 0.05
