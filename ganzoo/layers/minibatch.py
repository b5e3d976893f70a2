"""What a discriminator sees of the rest of the batch."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("ganzoo")
class MinibatchStddev(keras.layers.Layer):
    """Adds a channel that says how much the images of a group differ.

    Karras et al. 2017, https://arxiv.org/abs/1710.10196, section 3, as in the authors' code: the
    standard deviation over a group at each position and channel, averaged to one number a group.
    With M groups, image i is in group i modulo M.

    Call it with `(N, H, W, C)`; it returns `(N, H, W, C + features)`.

    Args:
        group_size: images in a group; the largest divisor of N not above it is used. Default 4.
        features: channels to add, each averaged over its own share of the C channels. Default 1.
        epsilon: added to the variance. Default 1e-8.
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, group_size=4, features=1, epsilon=1e-8, **kwargs):
        super().__init__(**kwargs)
        self.group_size = group_size
        self.features = features
        self.epsilon = epsilon

    def build(self, input_shape):
        if input_shape[-1] % self.features:
            raise ValueError(
                f"MinibatchStddev wants a number of channels that features={self.features} "
                f"divides, got {input_shape[-1]}."
            )

    def call(self, inputs):
        batch = ops.shape(inputs)[0]
        height, width, channels = inputs.shape[1:]
        sizes = ops.arange(1, self.group_size + 1)
        group = ops.max(ops.where(batch % sizes == 0, sizes, 1))
        shape = (group, -1, height, width, self.features, channels // self.features)
        x = ops.reshape(ops.cast(inputs, self.variable_dtype), shape)  # (G, M, H, W, F, c)
        variance = ops.mean(ops.square(x - ops.mean(x, axis=0)), axis=0)
        deviation = ops.mean(ops.sqrt(variance + self.epsilon), axis=(1, 2, 4))  # (M, F)
        tiled = ops.tile(deviation, (group, 1))[:, None, None, :]
        tiled = ops.broadcast_to(tiled, (batch, height, width, self.features))
        return ops.concatenate([inputs, ops.cast(tiled, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.features)

    def get_config(self):
        return {
            **super().get_config(),
            "group_size": self.group_size,
            "features": self.features,
            "epsilon": self.epsilon,
        }
