"""Self-attention over the positions of a feature map."""

import keras
from keras import ops

from ganzoo.layers.spectral import SpectralNormalization


@keras.saving.register_keras_serializable("ganzoo")
class SelfAttention(keras.layers.Layer):
    """Lets each position of a feature map draw on all others: y = gamma * o + x.

    Zhang et al. 2018, https://arxiv.org/abs/1805.08318, equations 1 to 3. As in the authors' code
    (and not in the paper's text) keys and values are max-pooled 2x2, which makes attention four
    times cheaper, and values have half the channels. Convolutions are 1x1 and have no bias. `gamma`
    starts at 0, so that the layer starts as the identity.

    Call it with `(N, H, W, C)`; it returns the same shape.

    Args:
        spectral: keyword arguments of `SpectralNormalization` around the four convolutions (`{}`
            for its defaults), or None for none. Default None.
        kernel_initializer: of the convolutions. Default "glorot_uniform".
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, spectral=None, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.spectral = spectral
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def convolution(self, filters, channels, name):
        layer = keras.layers.Conv2D(
            filters,
            1,
            use_bias=False,
            kernel_initializer=self.kernel_initializer.clone(),
            dtype=self.dtype_policy,
            name=name,
        )
        if self.spectral is not None:
            layer = SpectralNormalization(layer, name=name, **self.spectral)
        layer.build((None, None, None, channels))
        return layer

    def build(self, input_shape):
        channels = input_shape[-1]
        self.query = self.convolution(max(channels // 8, 1), channels, "query")
        self.key = self.convolution(max(channels // 8, 1), channels, "key")
        self.value = self.convolution(max(channels // 2, 1), channels, "value")
        self.output_convolution = self.convolution(channels, max(channels // 2, 1), "output")
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")

    def call(self, inputs, training=False):
        query = flat(self.query(inputs, training=training))
        key = flat(pool(self.key(inputs, training=training)))
        value = flat(pool(self.value(inputs, training=training)))
        scores = ops.matmul(query, ops.transpose(key, (0, 2, 1)))  # (N, HW, HW/4)
        weights = ops.softmax(ops.cast(scores, self.variable_dtype), axis=-1)
        mixed = ops.matmul(ops.cast(weights, value.dtype), value)
        mixed = ops.reshape(mixed, (*ops.shape(inputs)[:-1], value.shape[-1]))
        return inputs + self.gamma * self.output_convolution(mixed, training=training)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "spectral": self.spectral,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def flat(features):
    """(N, H, W, C) as (N, H W, C)."""
    return ops.reshape(features, (ops.shape(features)[0], -1, features.shape[-1]))


def pool(features):
    """The largest of each 2x2 block; an odd last row or column is a block of its own.

    Not `ops.max_pool`, whose second derivative is inexact under XLA.
    """
    height, width = features.shape[1:3]
    if height % 2 or width % 2:
        pads = [[0, 0], [0, height % 2], [0, width % 2], [0, 0]]
        features = ops.pad(features, pads, mode="symmetric")
    rows = ops.maximum(features[:, ::2], features[:, 1::2])
    return ops.maximum(rows[:, :, ::2], rows[:, :, 1::2])
