"""Borders: mirrored ones, and cutting back to a size."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("ganzoo")
class ReflectionPadding2D(keras.layers.Layer):
    """Continues feature maps by their mirror image, without repeating the edge.

    Zeros around an image would show as a frame in the images a network makes.

    Call it with `(N, H, W, C)`; it returns `(N, H + 2 p, W + 2 p, C)`.

    Args:
        padding: p, pixels on every side, fewer than the image has. Default 1.
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, padding=1, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, inputs):
        sides = [self.padding, self.padding]
        return tf.pad(inputs, [[0, 0], sides, sides, [0, 0]], "REFLECT")

    def compute_output_shape(self, input_shape):
        n, *sides, channels = input_shape
        return (n, *(side and side + 2 * self.padding for side in sides), channels)

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}


@keras.saving.register_keras_serializable("ganzoo")
class CropLike(keras.layers.Layer):
    """Cuts feature maps at the bottom and the right to the height and width of others.

    Call it with `[features (N, H, W, C), others (N, h, w, D)]`; it returns `(N, h, w, C)`.
    """

    def call(self, inputs):
        features, others = inputs
        height, width = (
            tf.shape(others)[i] if others.shape[i] is None else others.shape[i] for i in (1, 2)
        )
        return features[:, :height, :width]

    def compute_output_shape(self, input_shape):
        features, others = input_shape
        return (features[0], *others[1:3], features[3])
