"""Draws that are known, and one SGD step written out on copies of a model's networks."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from ganzoo.random import Noise


def normal(shape):
    """The same numbers at every call, repeated every 8 examples: equal in replicas of 8."""
    numbers = np.random.default_rng(1).normal(size=(8, *shape[1:])).astype("float32")
    return ops.take(numbers, ops.arange(shape[0]) % 8, axis=0)


def uniform(shape, low=0.0, high=1.0):
    """As `normal`, between two numbers."""
    numbers = np.random.default_rng(2).uniform(low, high, (8, *shape[1:])).astype("float32")
    return ops.take(numbers, ops.arange(shape[0]) % 8, axis=0)


def fix_draws(monkeypatch):
    """All noise of models becomes `normal` and `uniform`."""
    monkeypatch.setattr(Noise, "normal", lambda self, shape: normal(shape))
    monkeypatch.setattr(
        Noise, "uniform", lambda self, shape, low=0.0, high=1.0: uniform(shape, low, high)
    )


def copies(gan):
    """The generator and the discriminator again, with weights of their own."""
    networks = []
    for network in (gan.generator, gan.discriminator):
        copy = keras.models.clone_model(network)
        copy.set_weights(network.get_weights())
        networks.append(copy)
    return networks


def descend(network, tape, loss, rate):
    """Moves the network's trainable weights by `-rate` times the gradient of the loss."""
    weights = network.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(rate * tf.convert_to_tensor(gradient))


def same_weights(gan, generator, discriminator):
    """Asserts that the model's networks ended where the copies did, within 1e-5 (float32; weights
    are of the order of 1, and batch normalisation magnifies rounding)."""
    pairs = [(gan.generator, generator), (gan.discriminator, discriminator)]
    for network, copy in pairs:
        for ours, wanted in zip(network.trainable_variables, copy.trainable_variables, strict=True):
            np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-5, err_msg=ours.path)
