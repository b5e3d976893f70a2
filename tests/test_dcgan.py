"""DCGAN: the notes' layer table row by row, the paper's counts, sizes, given networks, the step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import ops

import ganzoo
from ganzoo import losses
from ganzoo.random import Noise

# layer class, output shape, parameters: course notes, DCGAN for 96x96x3, latent 128
GENERATOR_ROWS = [
    ("Dense", (2304,), 297_216),
    ("Reshape", (6, 6, 64), 0),
    ("Conv2DTranspose", (6, 6, 512), 819_200),
    ("BatchNormalization", (6, 6, 512), 2_048),
    ("ReLU", (6, 6, 512), 0),
    ("Dropout", (6, 6, 512), 0),
    ("Conv2DTranspose", (12, 12, 256), 3_276_800),
    ("BatchNormalization", (12, 12, 256), 1_024),
    ("ReLU", (12, 12, 256), 0),
    ("Dropout", (12, 12, 256), 0),
    ("Conv2DTranspose", (24, 24, 128), 819_200),
    ("BatchNormalization", (24, 24, 128), 512),
    ("ReLU", (24, 24, 128), 0),
    ("Conv2DTranspose", (48, 48, 64), 204_800),
    ("BatchNormalization", (48, 48, 64), 256),
    ("ReLU", (48, 48, 64), 0),
    ("Conv2DTranspose", (96, 96, 32), 51_200),
    ("BatchNormalization", (96, 96, 32), 128),
    ("ReLU", (96, 96, 32), 0),
    ("Dense", (96, 96, 3), 99),
    ("Activation", (96, 96, 3), 0),  # the notes count the tanh to the dense layer
]
DISCRIMINATOR_ROWS = [
    ("Conv2D", (48, 48, 64), 3_072),
    ("LeakyReLU", (48, 48, 64), 0),
    ("Conv2D", (24, 24, 64), 65_536),
    ("BatchNormalization", (24, 24, 64), 256),
    ("LeakyReLU", (24, 24, 64), 0),
    ("Conv2D", (12, 12, 128), 131_072),
    ("BatchNormalization", (12, 12, 128), 512),
    ("LeakyReLU", (12, 12, 128), 0),
    ("Conv2D", (6, 6, 256), 524_288),
    ("BatchNormalization", (6, 6, 256), 1_024),
    ("LeakyReLU", (6, 6, 256), 0),
    ("Flatten", (9216,), 0),
    ("Dense", (1,), 9_217),
]


def rows(network):
    return [
        (type(layer).__name__, layer.output.shape[1:], layer.count_params())
        for layer in network.layers[1:]
    ]


def trainable(network):
    return sum(int(np.prod(w.shape)) for w in network.trainable_weights)


def test_the_notes_table_row_by_row():
    gan = ganzoo.DCGAN()
    assert rows(gan.generator) == GENERATOR_ROWS
    assert gan.generator.count_params() == 5_472_483
    assert rows(gan.discriminator) == DISCRIMINATOR_ROWS
    assert gan.discriminator.count_params() == 734_977
    assert trainable(gan.discriminator) == 734_081


@pytest.mark.parametrize(
    ("channels", "generator", "discriminator"),
    [(3, 3_576_704, 2_765_568), (1, 3_574_656, 2_763_520)],
)
def test_the_papers_network_has_the_official_counts(channels, generator, discriminator):
    gan = ganzoo.DCGAN((64, 64, channels), architecture="radford")
    assert trainable(gan.generator) == generator
    assert trainable(gan.discriminator) == discriminator
    assert gan.latent_dim == 100
    # and its first draw of weights: N(0, 0.02), the scale of the norms N(1, 0.02)
    kernels = np.concatenate(
        [w.numpy().ravel() for w in gan.generator.weights if "kernel" in w.path]
    )
    np.testing.assert_allclose([kernels.mean(), kernels.std()], [0, 0.02], atol=1e-4)
    scales = np.concatenate([w.numpy() for w in gan.generator.weights if "gamma" in w.path])
    np.testing.assert_allclose([scales.mean(), scales.std()], [1, 0.02], atol=4e-3)


@pytest.mark.parametrize("architecture", ["course", "radford"])
@pytest.mark.parametrize(
    "shape",
    [(28, 28, 1), (56, 40, 3), (32, 32, 4), (100, 60, 1), (33, 17, 3), (8, 8, 1), (9, 40, 4)],
)
def test_any_size_and_channel_count(shape, architecture):
    filters = {"generator_filters": (4, 4, 4), "discriminator_filters": (4, 4)}
    gan = ganzoo.DCGAN(shape, 5, architecture, **filters)
    assert gan.generator.output_shape == (None, *shape)
    assert gan.discriminator.output_shape == (None, 1)
    assert gan.generate(2, seed=0).shape == (2, *shape)


@pytest.mark.parametrize(
    ("shape", "nearest"), [((7, 30, 3), r"\(8, 30, 3\)"), ((28, 28, 2), r"\(28, 28, 1\)")]
)
def test_a_size_it_cannot_make_names_the_nearest(shape, nearest):
    with pytest.raises(ValueError, match=nearest):
        ganzoo.DCGAN(shape)


def test_fewer_generator_layers_still_reach_the_size():
    for filters in [(8,), (8, 8), (8, 8, 8), (8,) * 6]:
        if len(filters) == 1:
            with pytest.raises(ValueError, match="at least 2"):
                ganzoo.DCGAN((96, 96, 3), generator_filters=filters, discriminator_filters=(4,))
            continue
        gan = ganzoo.DCGAN((96, 96, 3), generator_filters=filters, discriminator_filters=(4,))
        ups = [layer for layer in gan.generator.layers if "Transpose" in type(layer).__name__]
        assert [layer.filters for layer in ups] == list(filters)
        assert gan.generator.output_shape == (None, 96, 96, 3)


# The step


def test_three_discriminator_steps_see_three_batches_and_two_generator_steps_fresh_fakes(
    tiny_images,
):
    """A whole step with d_steps=3, g_steps=2 against the same written out by hand."""
    gan = tiny.make(ganzoo.DCGAN)
    twin = tiny.make(ganzoo.DCGAN)
    twin.set_weights(gan.get_weights())
    rate = 0.1
    gan.compile(
        g_optimizer=keras.optimizers.SGD(rate),
        d_optimizer=keras.optimizers.SGD(rate),
        d_steps=3,
        g_steps=2,
        run_eagerly=True,
    )
    images = ops.convert_to_tensor(tiny_images[:24])
    gan.train_step(images)

    noise = Noise(3)
    generator, discriminator = twin.generator, twin.discriminator

    def move(network, tape, loss):
        for w, g in zip(
            network.trainable_weights, tape.gradient(loss, network.trainable_weights), strict=True
        ):
            w.assign_sub(rate * g)

    def softplus(x):
        return tf.reduce_mean(tf.math.log1p(tf.exp(-tf.abs(x))) + tf.maximum(x, 0))

    for start in (0, 8, 16):
        real = tf.cast(images[start : start + 8], "float32") / 127.5 - 1
        z = noise.normal((8, 4))
        fake = generator(z, training=True)
        with tf.GradientTape() as tape:
            loss = softplus(-discriminator(real, training=True)) + softplus(
                discriminator(fake, training=True)
            )
        move(discriminator, tape, loss)
    for update in range(2):
        with tf.GradientTape() as tape:
            fakes = generator(noise.normal((8, 4)) if update else z, training=True)
            loss = softplus(-discriminator(fakes, training=True))
        move(generator, tape, loss)
    for got, wanted in zip(gan.trainable_variables, twin.trainable_variables, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5, err_msg=got.path)


def test_the_generator_runs_once_a_step(tiny_images):
    gan = tiny.make(ganzoo.DCGAN)
    gan.compile(run_eagerly=True)
    calls = []
    plain = gan.generator.call
    gan.generator.call = lambda *args, **kwargs: calls.append(1) or plain(*args, **kwargs)
    gan.train_step(ops.convert_to_tensor(tiny_images[:8]))
    assert len(calls) == 1


def test_given_networks_are_used_checked_and_saved(tiny_images, tmp_path):
    layers = keras.layers
    generator = keras.Sequential(
        [keras.Input((5,)), layers.Dense(64, activation="tanh"), layers.Reshape((8, 8, 1))]
    )
    discriminator = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(1)])
    gan = ganzoo.DCGAN(generator=generator, discriminator=discriminator, ema_decay=0.9)
    assert gan.image_shape == (8, 8, 1)
    assert gan.latent_dim == 5
    gan.fit(tiny_images[:32], batch_size=8, verbose=0)
    gan.save(tmp_path / "x.keras")
    loaded = keras.saving.load_model(tmp_path / "x.keras")
    assert tiny.same(tiny.state(gan), tiny.state(loaded))
    gan.save_to_preset(tmp_path / "preset")
    again = ganzoo.from_preset(tmp_path / "preset")
    assert np.array_equal(again.generate(3, seed=0), gan.generate(3, seed=0))

    sigmoid = keras.Sequential([*discriminator.layers, layers.Activation("sigmoid")])
    for changes, message in [
        ({"discriminator": sigmoid}, "sigmoid"),
        ({"image_shape": (8, 8, 3)}, r"makes \(None, 8, 8, 1\)"),
        ({"latent_dim": 6}, "does not take"),
        (
            {"discriminator": keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()])},
            "one logit",
        ),
    ]:
        given = {"generator": generator, "discriminator": discriminator, **changes}
        with pytest.raises(ValueError, match=message):
            ganzoo.DCGAN(**given)
    with pytest.raises(TypeError, match=r"want a keras\.Model"):
        ganzoo.DCGAN(generator="dcgan")


def test_another_loss_and_unknown_choices():
    gan = tiny.make(ganzoo.DCGAN)
    gan.compile(loss=losses.Hinge())
    with pytest.raises(ValueError, match="Hinge has none"):
        gan.compile(loss=losses.Hinge(), label_smoothing=0.1)
    with pytest.raises(ValueError, match="architecture='modern'"):
        ganzoo.DCGAN(architecture="modern")
