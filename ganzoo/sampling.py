"""New images from a seed: the same bytes in any process and for any batch size."""

import numpy as np
import tensorflow as tf
from keras import ops

from ganzoo import inputs
from ganzoo.random import normal, uniform

# The network runs on groups of this many latents: a fixed size, because convolutions of another
# batch size round differently.
GROUP = 8


def latents(n, latent_dim, seed, truncation=None):
    """Latents `(n, latent_dim)`: the first m of n are those of a call for m.

    Args:
        truncation: None for the standard normal, else it is cut off at this many deviations.
    """
    if truncation is None:
        return normal([seed, 0], (n, latent_dim))
    edge = tf.math.erf(truncation / tf.sqrt(2.0))
    return tf.sqrt(2.0) * tf.math.erfinv(uniform([seed, 0], (n, latent_dim), -edge, edge))


def sampler(model):
    """A compiled function from a list of inputs `(groups, GROUP, ...)` to uint8 images."""

    def one(group):
        return inputs.to_uint8(model(group if len(group) > 1 else group[0], training=False))

    @tf.function(reduce_retracing=True)
    def sample(groups):
        spec = tf.TensorSpec((GROUP, *model.image_shape), tf.uint8)
        images = tf.map_fn(one, groups, fn_output_signature=spec, parallel_iterations=1)
        return ops.reshape(images, (-1, *model.image_shape))

    return sample


def run(sample, given, n, batch_size):
    """n images by `sample` from its inputs of length n, about `batch_size` in one call."""
    groups = -(-n // GROUP)
    # whole groups only: the last is filled up with the first inputs, and cut off again below
    padded = [ops.take(a, np.arange(groups * GROUP) % n, axis=0) for a in given]
    padded = [ops.reshape(a, (groups, GROUP, *a.shape[1:])) for a in padded]
    step = -(-batch_size // GROUP)
    images = [sample([a[i : i + step] for a in padded]).numpy() for i in range(0, groups, step)]
    return np.concatenate(images)[:n]
