"""FCGAN: the notes' layer table, and one whole step against the same written out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import ops

import ganzoo
from ganzoo.random import Noise


def dense_rows(network):
    return [
        (layer.units, layer.count_params())
        for layer in network.layers
        if isinstance(layer, keras.layers.Dense)
    ]


def test_the_notes_table():
    gan = ganzoo.FCGAN()
    assert gan.image_shape == (56, 56, 1)
    assert gan.latent_dim == 100
    assert dense_rows(gan.generator) == [
        (256, 25_856),
        (512, 131_584),
        (1024, 525_312),
        (3136, 3_214_400),
    ]
    assert dense_rows(gan.discriminator) == [
        (1024, 3_212_288),
        (512, 524_800),
        (256, 131_328),
        (1, 257),
    ]
    kinds = [type(layer).__name__ for layer in gan.discriminator.layers]
    assert kinds == ["InputLayer", "Flatten", *["Dense", "LeakyReLU", "Dropout"] * 3, "Dense"]
    for network, count in ((gan.generator, 3_897_152), (gan.discriminator, 3_868_673)):
        assert network.count_params() == count
        assert sum(int(np.prod(w.shape)) for w in network.trainable_weights) == count


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 9, 3), (28, 28, 1), (3, 3, 7)])
def test_any_size(shape):
    gan = ganzoo.FCGAN(shape, 3, generator_units=(4,), discriminator_units=(4,))
    assert gan.generate(2, seed=0).shape == (2, *shape)
    assert gan.discriminator(gan(ops.zeros((2, 3)))).shape == (2, 1)


def test_one_step_is_the_gradients_of_equation_1(tiny_images):
    gan, twin = tiny.make(ganzoo.FCGAN), tiny.make(ganzoo.FCGAN)
    twin.set_weights(gan.get_weights())
    rate = 0.1
    gan.compile(
        g_optimizer=keras.optimizers.SGD(rate),
        d_optimizer=keras.optimizers.SGD(rate),
        run_eagerly=True,
    )
    logs = gan.train_step(ops.convert_to_tensor(tiny_images[:16]))

    real = tf.cast(tiny_images[:16], "float32") / 127.5 - 1
    z = Noise(3).normal((16, 4))
    with tf.GradientTape() as tape:
        p_real = tf.sigmoid(twin.discriminator(real))
        p_fake = tf.sigmoid(twin.discriminator(twin.generator(z)))
        d_loss = -tf.reduce_mean(tf.math.log(p_real)) - tf.reduce_mean(tf.math.log(1 - p_fake))
    weights = twin.discriminator.trainable_weights
    for w, g in zip(weights, tape.gradient(d_loss, weights), strict=True):
        w.assign_sub(rate * g)
    with tf.GradientTape() as tape:
        verdict = tf.sigmoid(twin.discriminator(twin.generator(z)))
        g_loss = -tf.reduce_mean(tf.math.log(verdict))
    weights = twin.generator.trainable_weights
    for w, g in zip(weights, tape.gradient(g_loss, weights), strict=True):
        w.assign_sub(rate * g)
    np.testing.assert_allclose(logs["d_loss"], d_loss, rtol=1e-5)
    np.testing.assert_allclose(logs["g_loss"], g_loss, rtol=1e-5)
    for got, wanted in zip(gan.trainable_variables, twin.trainable_variables, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-6, err_msg=got.path)
