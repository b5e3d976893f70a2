"""What the families that turn images into other images share: any size through their networks, and
rows of examples."""

import numpy as np
import tensorflow as tf

from ganzoo import inputs, tiles


def run(network, images, channels, tile, overlap):
    """Translates images of any size.

    Args:
        network: function of uint8 batches `(1, h, w, C)` to images of the same size.
        images: uint8 `(N, H, W, C)`, one image `(H, W, C)`, or a list of images of any sizes.
        channels: the C that the network takes.
        tile: function of an image's `(H, W)` to the sides `(h, w)` that the network takes.
        overlap: pixels shared by neighbouring tiles, at most half of `tile`; None for a quarter.

    Returns:
        uint8, in the form given.

    Raises:
        TypeError: images that are not uint8. ValueError: another rank or number of channels.
    """
    if isinstance(images, list | tuple):
        return [run(network, image, channels, tile, overlap) for image in images]
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"images of type {images.dtype}: want uint8 in [0, 255].")
    if images.ndim not in (3, 4) or images.shape[-1] != channels or not images.size:
        raise ValueError(
            f"images of shape {images.shape}: want (N, H, W, {channels}) or (H, W, {channels})."
        )
    if images.ndim == 4:
        return np.stack([run(network, image, channels, tile, overlap) for image in images])
    sides = tile(images.shape[:2])
    shared = min(sides) // 4 if overlap is None else overlap
    return tiles.run(network, images, sides, shared)


def rows(n, *kinds):
    """Examples below each other: what `GAN.preview` returns.

    Args:
        n: images wanted; fewer are returned, so that all rows are whole.
        *kinds: batches uint8 `(N, H, W, C)` of one N, H and W, such as sources, results and
            targets; grey ones become coloured beside coloured ones.

    Returns:
        uint8 `(k, H, W, C)`, and the images in a row.
    """
    columns = min(8, len(kinds[0]), max(1, n // len(kinds)))
    blocks = max(1, min(n // len(kinds), len(kinds[0])) // columns)
    channels = max(kind.shape[-1] for kind in kinds)
    kinds = np.stack([with_channels(kind[: blocks * columns], channels) for kind in kinds])
    kinds = kinds.reshape(len(kinds), blocks, columns, *kinds.shape[2:]).swapaxes(0, 1)
    return kinds.reshape(-1, *kinds.shape[3:]), columns


def shown(n, kinds):
    """How many examples `rows` shows of each of `kinds` kinds, if it gets as many."""
    columns = min(8, max(1, n // kinds))
    return columns * max(1, n // kinds // columns)


def with_channels(images, channels):
    """Grey images as RGB, opaque ones as RGBA, where more channels are wanted."""
    if images.shape[-1] == 1 and channels > 1:
        images = np.repeat(images, 3, axis=-1)
    if images.shape[-1] == 3 and channels == 4:
        images = np.concatenate([images, np.full_like(images[..., :1], 255)], axis=-1)
    return images


def as_uint8(images):
    """uint8 images as a NumPy array, of uint8 ones or of float ones in [-1, 1]."""
    images = np.asarray(images)
    return images if images.dtype == np.uint8 else inputs.to_uint8(images).numpy()


def compiled(model):
    """A function from uint8 batches to what the model makes of them in inference, compiled once a
    size, or once for all after two."""
    # a `training=False` would reach layers for which it is settled already, such as noisy ones
    return tf.function(lambda batch: model(inputs.to_float(batch)), reduce_retracing=True)
