"""Bicubic resizing as MATLAB's `imresize` does it: what "bicubic x4" means in the tables of papers.

Keys 1981, "Cubic convolution interpolation for digital image processing", equation 15 (a = -1/2,
https://doi.org/10.1109/TASSP.1981.1163711). When it shrinks, the kernel is widened by the factor,
so that nothing is undersampled; beyond its edges the image is mirrored, the edge pixel included.
`tf.image.resize` has other borders, and without `antialias` it skips pixels. Here the rows and the
columns are each multiplied by a constant matrix, which XLA and derivatives of any order can do.
"""

import functools

import numpy as np
import tensorflow as tf
from keras import ops


def cubic(x):
    """Keys's kernel, nonzero in (-2, 2), of an array of distances in pixels."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@functools.lru_cache(maxsize=64)
def matrix(size, wanted):
    """The weights of `size` pixels in each of `wanted` ones, float32 `(wanted, size)`, rows summing
    to 1."""
    scale = wanted / size
    sharpness = min(scale, 1.0)  # below 1 the kernel is this much wider
    centres = (np.arange(wanted) + 0.5) / scale - 0.5
    reach = int(np.ceil(2 / sharpness)) + 1
    taps = np.floor(centres).astype(int)[:, None] + np.arange(-reach, reach + 1)
    weights = cubic((centres[:, None] - taps) * sharpness)
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = taps % (2 * size)
    mirrored = np.where(mirrored < size, mirrored, 2 * size - 1 - mirrored)
    result = np.zeros((wanted, size))
    np.add.at(result, (np.arange(wanted)[:, None], mirrored), weights)
    return result.astype("float32")


def resize(images, height, width):
    """Images of another size.

    Args:
        images: float `(N, H, W, C)` of any range; H and W must be known, as they are in a step.
        height, width: pixels.

    Returns:
        float32 `(N, height, width, C)`. It may leave the range of `images` a little.
    """
    images = ops.cast(images, "float32")
    rows, columns = matrix(images.shape[1], height), matrix(images.shape[2], width)
    return tf.einsum("ah,nhwc,bw->nabc", rows, images, columns, optimize="optimal")


def downscale(images, scale):
    """Low-resolution images as a camera file would hold them: resized, and rounded to 8 bits.

    Args:
        images: float `(N, H, W, C)` in [-1, 1].
        scale: how many times smaller; it must divide H and W.

    Returns:
        float32 `(N, H / scale, W / scale, C)` in [-1, 1], multiples of 1/127.5 from -1.

    Raises:
        ValueError: a scale that does not divide the sides.
    """
    height, width = images.shape[1:3]
    if height % scale or width % scale:
        raise ValueError(
            f"images of {height}x{width} pixels: scale={scale} does not divide that; the nearest "
            f"below is {height - height % scale}x{width - width % scale}."
        )
    small = resize(images, height // scale, width // scale)
    return ops.clip(ops.round((small + 1.0) * 127.5), 0.0, 255.0) / 127.5 - 1.0
