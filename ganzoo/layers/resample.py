"""Changing the size of feature maps, safe under second derivatives.

`tf.image.resize` and `UpSampling2D("bilinear")` give a gradient penalty that reports a value and
has no effect; convolutions do not.
"""

import keras
import tensorflow as tf
from keras import ops

# Separable binomial filter [1, 2, 1] * [1, 1], the common choice in GANs since StyleGAN
BINOMIAL = (1, 3, 3, 1)


def fir_kernel(taps, channels, dtype):
    """The outer product of `taps` with itself, summing to 1, as (k, k, channels, 1)."""
    taps = tf.constant(taps, "float32")
    kernel = tf.tensordot(taps, taps, 0) / tf.reduce_sum(taps) ** 2
    return tf.cast(tf.tile(kernel[:, :, None, None], (1, 1, channels, 1)), dtype)


def fir_downsample(images, taps=BINOMIAL):
    """Halves height and width: low-pass filter, then every second pixel.

    Zeros surround the image. With the filter f = taps / sum(taps), k = len(taps), in one dimension:
    y[i] = sum over j of f[j] x[2 i + j - (k - 2) / 2].

    Args:
        images: `(N, H, W, C)` of float.
        taps: the filter in one dimension, of even length.

    Returns:
        `(N, ceil(H / 2), ceil(W / 2), C)`.
    """
    before = len(taps) // 2 - 1
    pads = [[0, 0], *([before, before + size % 2] for size in images.shape[1:3]), [0, 0]]
    kernel = fir_kernel(taps, images.shape[-1], images.dtype)
    return tf.nn.depthwise_conv2d(images, kernel, (1, 2, 2, 1), pads)


def fir_upsample(images, taps=BINOMIAL, edges="zero"):
    """Doubles height and width: zeros between the pixels, then a low-pass filter of gain 2.

    With the filter f = 2 taps / sum(taps), k = len(taps), in one dimension:
    y[i] = sum over j of f[i + (k - 2) / 2 - 2 j] x[j].

    Args:
        images: `(N, H, W, C)` of float.
        taps: the filter in one dimension, of even length; symmetric, as all in use are.
        edges: what surrounds the image: "zero", or "repeat" for its outermost pixels. With
            "repeat" and `(1, 3, 3, 1)` this is bilinear interpolation with half-pixel centres.

    Returns:
        `(N, 2 H, 2 W, C)`.
    """
    border = len(taps) // 2 - 1
    if edges == "repeat" and border:
        for _ in range(border):
            images = tf.pad(images, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
    shape = tf.shape(images)
    height, width, channels = images.shape[1:]
    kernel = 4 * fir_kernel(taps, channels, images.dtype)
    # the transpose of a strided depthwise convolution; its own derivatives are convolutions again
    pads = [[0, 0], [border, border], [border, border], [0, 0]]
    up = tf.nn.depthwise_conv2d_backprop_input(
        tf.stack([shape[0], 2 * height, 2 * width, channels]), kernel, images, (1, 2, 2, 1), pads
    )
    up = tf.ensure_shape(up, (images.shape[0], 2 * height, 2 * width, channels))
    if edges == "repeat" and border:
        up = up[:, 2 * border : -2 * border, 2 * border : -2 * border, :]
    return up


@keras.saving.register_keras_serializable("ganzoo")
class FIRUpsample(keras.layers.Layer):
    """`fir_upsample` as a layer: `(N, H, W, C)` to `(N, 2 H, 2 W, C)`.

    Args:
        taps: the filter in one dimension, of even length, symmetric. Default (1, 3, 3, 1).
        edges: "zero" (default) or "repeat".
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, taps=BINOMIAL, edges="zero", **kwargs):
        super().__init__(**kwargs)
        check_taps(taps)
        if edges not in ("zero", "repeat"):
            raise ValueError(f"edges must be 'zero' or 'repeat', got {edges!r}.")
        self.taps, self.edges = tuple(taps), edges

    def call(self, inputs):
        return fir_upsample(inputs, self.taps, self.edges)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, 2 * height, 2 * width, channels

    def get_config(self):
        return {**super().get_config(), "taps": list(self.taps), "edges": self.edges}


@keras.saving.register_keras_serializable("ganzoo")
class FIRDownsample(keras.layers.Layer):
    """`fir_downsample` as a layer: `(N, H, W, C)` to `(N, ceil(H / 2), ceil(W / 2), C)`.

    Args:
        taps: the filter in one dimension, of even length. Default (1, 3, 3, 1).
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, taps=BINOMIAL, **kwargs):
        super().__init__(**kwargs)
        check_taps(taps)
        self.taps = tuple(taps)

    def call(self, inputs):
        return fir_downsample(inputs, self.taps)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        return batch, (height + 1) // 2, (width + 1) // 2, channels

    def get_config(self):
        return {**super().get_config(), "taps": list(self.taps)}


def check_taps(taps):
    if len(taps) < 2 or len(taps) % 2:
        raise ValueError(f"taps must be an even number of filter weights, got {list(taps)}.")


@keras.saving.register_keras_serializable("ganzoo")
class PixelShuffle(keras.layers.Layer):
    """Turns channels into space: `(N, H, W, C r r)` to `(N, r H, r W, C)`.

    Shi et al. 2016, https://arxiv.org/abs/1609.05158, equation 4. Channel `c r r + r y + x` becomes
    row y, column x of channel c, as in PyTorch; TensorFlow's `depth_to_space` has c innermost.

    Args:
        factor: r.
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        if input_shape[-1] % self.factor**2:
            raise ValueError(
                f"PixelShuffle({self.factor}) wants a multiple of {self.factor**2} channels, "
                f"got {input_shape[-1]}."
            )

    def call(self, inputs):
        r, (_, height, width, channels) = self.factor, ops.shape(inputs)
        x = ops.reshape(inputs, (-1, height, width, channels // r**2, r, r))
        x = ops.transpose(x, (0, 1, 4, 2, 5, 3))  # (N, H, y, W, x, C)
        return ops.reshape(x, (-1, height * r, width * r, channels // r**2))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        r = self.factor
        return batch, height and height * r, width and width * r, channels // r**2

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("ganzoo")
class EqualPixels(keras.initializers.Initializer):
    """The start of a convolution before `PixelShuffle`, by which the r r pixels that it makes of
    one are equal; otherwise a chequered pattern has to be unlearned first.

    Aitken et al. 2017, https://arxiv.org/abs/1707.02937, section 3. One of the equal kernels is
    drawn from Glorot's uniform distribution.

    Args:
        factor: r.
    """

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, shape, dtype=None):
        copies = self.factor**2
        kernel = keras.initializers.GlorotUniform()((*shape[:-1], shape[-1] // copies), dtype)
        return ops.repeat(kernel, copies, axis=-1)  # the channels of one pixel stand together

    def get_config(self):
        return {"factor": self.factor}


@keras.saving.register_keras_serializable("ganzoo")
class PixelUnshuffle(keras.layers.Layer):
    """Turns space into channels, the inverse of `PixelShuffle`: `(N, r H, r W, C)` to
    `(N, H, W, C r r)`.

    Args:
        factor: r, which must divide height and width.
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        r, (_, height, width, channels) = self.factor, ops.shape(inputs)
        if any(side is not None and side % r for side in inputs.shape[1:3]):
            raise ValueError(
                f"PixelUnshuffle({r}) wants sides that are multiples of {r}, got {height}x{width}."
            )
        x = ops.reshape(inputs, (-1, height // r, r, width // r, r, channels))
        x = ops.transpose(x, (0, 1, 3, 5, 2, 4))  # (N, H, W, C, y, x)
        return ops.reshape(x, (-1, height // r, width // r, channels * r**2))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        r = self.factor
        return batch, height and height // r, width and width // r, channels * r**2

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}
