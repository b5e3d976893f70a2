"""Images brought to the size and channels of a network, inside its graph.

Resizing is two matrix products, which gives the same numbers with and without XLA and on any
device, and lets old filters be written down exactly.
"""

import numpy as np
import tensorflow as tf

# weights of red, green, blue in a grey image (ITU-R BT.601), as Pillow and TensorFlow take them
LUMA = (0.299, 0.587, 0.114)


def resize(images, size, kind):
    """Float images `(N, H, W, C)` in [0, 255] as `(N, *size)`.

    Args:
        size: `(H, W, C)` wanted.
        kind: "antialiased bilinear" or "tf1 bilinear"; see `matrix`.
    """
    images = channels(images, size[2])
    for axis, equation in ((0, "ah,nhwc->nawc"), (1, "bw,nhwc->nhbc")):
        before, after = images.shape[1 + axis], size[axis]
        if before != after:
            images = tf.einsum(equation, tf.constant(matrix(before, after, kind)), images)
    return images


def channels(images, wanted):
    """Float images in [0, 255] with 1 or 3 channels; RGBA is laid on white first."""
    have = images.shape[-1]
    if have == 4:
        opaque = images[..., 3:] / 255.0
        images, have = images[..., :3] * opaque + 255.0 * (1.0 - opaque), 3
    if have == 3 and wanted == 1:
        return tf.reduce_sum(images * tf.constant(LUMA), axis=-1, keepdims=True)
    if have == 1 and wanted == 3:
        return tf.repeat(images, 3, axis=-1)
    return images


def matrix(before, after, kind):
    """The weights `(after, before)` float32 of a resize along one axis.

    "antialiased bilinear": a triangle about the middle of each new pixel, as wide as a new pixel
    when it shrinks and as an old one when it grows, cut off at the rim (Pillow's BILINEAR).
    "tf1 bilinear": between the two nearest old pixels, counted from the corner instead of from the
    middle of pixels, so that the picture moves by half a pixel (`resize_bilinear` of TensorFlow 1
    without align_corners, in the graph of the 2015 network).
    """
    scale = before / after
    if kind == "tf1 bilinear":
        # in float32 as the original: at some pixels the position rounds to another neighbour
        positions = np.arange(after, dtype="float32") * np.float32(scale)
        low = np.floor(positions).astype(int)
        share = positions - low
        weights = np.zeros((after, before), "float32")
        rows = np.arange(after)
        np.add.at(weights, (rows, np.minimum(low, before - 1)), 1 - share)
        np.add.at(weights, (rows, np.minimum(low + 1, before - 1)), share)
        return weights
    if kind != "antialiased bilinear":
        raise ValueError(f'resizing={kind!r}: want "antialiased bilinear" or "tf1 bilinear".')
    middles = (np.arange(after) + 0.5) * scale
    reach = max(scale, 1.0)
    distance = np.abs(middles[:, None] - (np.arange(before) + 0.5)) / reach
    weights = np.clip(1 - distance, 0, None)
    return (weights / weights.sum(axis=1, keepdims=True)).astype("float32")
