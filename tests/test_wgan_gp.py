"""WGANGP's step against algorithm 1 written out, and its penalty against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import layers
from test_every_model import sgd

from ganzoo import WGANGP
from ganzoo.layers import ConditionalBatchNormalization

RATE = 0.05


def test_a_step_is_algorithm_1(tiny_images):
    """Five critic updates on five real batches, each with fresh latents and mixing factors, then
    one of G on the last fakes: all weights and running statistics to 1e-6. By hand the critic
    rates real and fake images in two passes."""
    model, twin = (tiny.make(WGANGP, gp_weight=10.0, ema_decay=None) for _ in range(2))
    twin.set_weights(model.get_weights())
    model.compile(**sgd(RATE))
    assert model.d_steps == 5
    logs = model.train_step(tf.constant(tiny_images[:30]))

    g, d = twin.generator, twin.discriminator
    images = tiny_images[:30].astype("float32") / 127.5 - 1.0
    for i in range(0, 30, 6):
        real = tf.constant(images[i : i + 6])
        z = twin.noise.normal((6, twin.latent_dim))
        with tf.GradientTape() as g_tape:
            fake = g(z, training=True)
        epsilon = tf.reshape(twin.noise.uniform((6,)), (6, 1, 1, 1))
        mixed = epsilon * real + (1 - epsilon) * fake
        with tf.GradientTape() as tape:
            with tf.GradientTape() as inner:
                inner.watch(mixed)
                ratings = d(mixed, training=True)
            slopes = tf.reshape(inner.gradient(ratings, mixed), (6, -1))
            penalty = tf.reduce_mean((tf.norm(slopes, axis=1) - 1) ** 2)
            distance = tf.reduce_mean(d(real, training=True)) - tf.reduce_mean(
                d(fake, training=True)
            )
            d_loss = 10 * penalty - distance
        for w, gradient in zip(
            d.trainable_variables, tape.gradient(d_loss, d.trainable_variables), strict=True
        ):
            w.assign_sub(RATE * gradient)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        g_loss = -tf.reduce_mean(d(fake, training=True))
    slopes = g_tape.gradient(fake, g.trainable_variables, tape.gradient(g_loss, fake))
    for w, gradient in zip(g.trainable_variables, slopes, strict=True):
        w.assign_sub(RATE * gradient)

    for ours, hand in zip(model.weights, twin.weights, strict=True):
        np.testing.assert_allclose(ours, hand, atol=1e-6, err_msg=ours.path)
    for name, value in (
        ("d_loss", d_loss),
        ("g_loss", g_loss),
        ("wasserstein", distance),
        ("penalty", penalty),
    ):
        np.testing.assert_allclose(logs[name], value, rtol=1e-5, atol=1e-7, err_msg=name)


def test_the_weight_of_the_penalty_changes_the_gradients(tiny_images):
    """Every kernel of the critic moves otherwise with the penalty, in proportion to its weight."""
    moved = {}
    start = tiny.make(WGANGP).get_weights()
    for gp_weight in (0.0, 1.0, 10.0):
        model = tiny.make(WGANGP, gp_weight=gp_weight)
        model.set_weights(start)
        before = [w.numpy() for w in model.discriminator.trainable_variables]
        model.compile(**sgd(1.0), d_steps=1)
        model.train_step(tf.constant(tiny_images[:6]))
        after = [w.numpy() for w in model.discriminator.trainable_variables]
        moved[gp_weight] = [y - x for x, y in zip(before, after, strict=True)]
    for none, one, ten, w in zip(
        *moved.values(), model.discriminator.trainable_variables, strict=True
    ):
        if w.name == "kernel":
            assert np.abs(ten - none).max() > 1e-3, w.path
        np.testing.assert_allclose(ten - none, 10 * (one - none), rtol=1e-2, atol=1e-5)


def test_the_penalty_equals_finite_differences(tiny_images):
    """On a critic tanh(x A + a) b, computed again by NumPy in float64."""
    images = keras.Input((8, 8, 1))
    hidden = layers.Dense(5, activation="tanh", bias_initializer="random_normal")
    critic = keras.Model(images, layers.Dense(1)(hidden(layers.Flatten()(images))))
    model, twin = (tiny.make(WGANGP, discriminator=critic) for _ in range(2))
    twin.generator.set_weights(model.generator.get_weights())
    model.compile(**sgd(0.0), d_steps=1)
    logs = model.train_step(tf.constant(tiny_images[:4]))

    z = twin.noise.normal((4, twin.latent_dim))
    fake = twin.generator(z, training=True).numpy().astype("float64")
    epsilon = twin.noise.uniform((4,)).numpy().astype("float64")[:, None]
    assert np.unique(epsilon).size == 4 and epsilon.min() >= 0 and epsilon.max() < 1
    real = tiny_images[:4].reshape(4, 64) / 127.5 - 1.0
    mixed = epsilon * real + (1 - epsilon) * fake.reshape(4, 64)
    A, a, b, _ = (w.numpy().astype("float64") for w in critic.trainable_variables)
    slopes = np.empty((4, 64))
    for pixel in range(64):
        up, down = mixed.copy(), mixed.copy()
        up[:, pixel] += 1e-5
        down[:, pixel] -= 1e-5
        slopes[:, pixel] = ((np.tanh(up @ A + a) - np.tanh(down @ A + a)) @ b)[:, 0] / 2e-5
    penalty = np.mean((np.sqrt((slopes**2).sum(1)) - 1) ** 2)
    np.testing.assert_allclose(logs["penalty"], penalty, rtol=1e-5)


def test_each_image_has_a_mixing_factor_of_its_own_from_the_whole_range():
    """Uniform in [0, 1): 2,000 draws fill ten bins alike, within five standard deviations."""
    epsilon = tiny.make(WGANGP).noise.uniform((2000,)).numpy()
    counts = np.histogram(epsilon, bins=10, range=(0, 1))[0]
    assert counts.sum() == 2000 and np.abs(counts - 200).max() < 5 * np.sqrt(180)


def critic_with(layer, *labels):
    images = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, 2)(images)
    x = layer([x, *labels]) if labels else layer(x)
    return keras.Model(images, layers.Dense(1)(layers.Flatten()(x)))


@pytest.mark.parametrize("where", ["flat", "nested", "in a layer"])
def test_a_critic_with_batch_norm_is_refused(where):
    norm = layers.BatchNormalization()
    if where == "nested":
        norm = keras.Sequential([norm])
    labels = [tf.zeros((1,), "int32")] if where == "in a layer" else []
    critic = critic_with(ConditionalBatchNormalization(3) if labels else norm, *labels)
    with pytest.raises(ValueError, match=r"has batch normalisation.*depends on the whole batch"):
        WGANGP(discriminator=critic)


@pytest.mark.parametrize(
    "layer", [layers.LayerNormalization(), layers.GroupNormalization(2), layers.Dropout(0.1)]
)
def test_a_critic_with_other_layers_is_taken(layer, tiny_images):
    model = tiny.make(WGANGP, discriminator=critic_with(layer))
    history = model.fit(tiny_images[:30], batch_size=6, verbose=0).history
    assert np.isfinite(history["penalty"]).all()


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="gp_weight=-1: want 0 or more"):
        WGANGP(gp_weight=-1)
    with pytest.raises(ValueError, match="Wasserstein has none"):
        tiny.make(WGANGP).compile(label_smoothing=0.1)


def test_the_default_networks_are_the_authors_for_cifar():
    """Parameters counted from gan_cifar.py's lines: kernels, biases, scales and shifts."""
    model = WGANGP()
    dense, norm = 128 * 8192 + 8192, 2 * (8192 + 256 + 128)
    up = 25 * (512 * 256 + 256 * 128 + 128 * 3) + 256 + 128 + 3
    down = 25 * (3 * 128 + 128 * 256 + 256 * 512) + 128 + 256 + 512
    for network, count in (
        (model.generator, dense + norm + up),
        (model.discriminator, down + 4 * 4 * 512),
    ):
        assert sum(w.shape.num_elements() for w in network.trainable_variables) == count
    assert dense + norm + up == 5_179_907 and down + 8192 == 4_114_688
