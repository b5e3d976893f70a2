"""Differentiable augmentation of whatever the discriminator sees, real and fake alike."""

import keras
import tensorflow as tf
from keras import ops

from ganzoo.random import Noise

POLICY = ("color", "translation", "cutout")


@keras.saving.register_keras_serializable("ganzoo")
class DiffAugment(keras.layers.Layer):
    """DiffAugment, Zhao et al. 2020, https://arxiv.org/abs/2006.10738: for small data sets.

    Given as `augment=DiffAugment()`, it changes real images and fakes, in both players' steps; the
    gradient reaches G through it. Each image gets draws of its own, seeded, saved with the model
    and different in every replica. Made of gathers and matrix products: it works under XLA and
    under gradient penalties.

    Call it with `(N, H, W, C)` in [-1, 1]; it returns the same shape. Colours may leave [-1, 1].

    Args:
        policy: which changes, any of "color" (brightness, saturation, contrast), "translation" (up
            to 1/8 of the size, zeros move in) and "cutout" (a square of half the size becomes 0);
            done in that order. Default: all.
        seed: int, or None for a random one.
        **kwargs: of `keras.Layer`.

    Raises:
        ValueError: an unknown policy, or none.
    """

    def __init__(self, policy=POLICY, seed=None, **kwargs):
        super().__init__(**kwargs)
        policy = (policy,) if isinstance(policy, str) else tuple(policy)
        if not policy or not set(policy) <= set(POLICY):
            raise ValueError(f"policy={policy!r}: want one or more of {POLICY}.")
        self.policy = tuple(name for name in POLICY if name in policy)
        self.seed = seed
        self.noise = Noise(seed)

    def call(self, images):
        n, (height, width) = ops.shape(images)[0], images.shape[1:3]
        if "color" in self.policy:
            images = color(images, *tf.unstack(self.noise.uniform((3, n))))
        if "translation" in self.policy:
            rows, columns = tf.unstack(self.noise.uniform((2, n)))
            reach = translation_reach(height), translation_reach(width)
            shift = [whole(u, -r, r) for u, r in zip((rows, columns), reach, strict=True)]
            images = translation(images, *shift)
        if "cutout" in self.policy:
            rows, columns = tf.unstack(self.noise.uniform((2, n)))
            # as published: the centre may lie one past the last pixel when the square is even
            last = [s - (cutout_size(s) % 2) for s in (height, width)]
            images = cutout(images, whole(rows, 0, last[0]), whole(columns, 0, last[1]))
        return images

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "policy": list(self.policy), "seed": self.seed}


def whole(uniform, low, high):
    """int32 in [low, high], both included, from numbers uniform in [0, 1)."""
    return low + tf.cast(tf.floor(uniform * (high - low + 1)), "int32")


def translation_reach(size):
    """The furthest shift in pixels: an eighth of the size, rounded."""
    return int(size * 0.125 + 0.5)


def cutout_size(size):
    """The side of the square in pixels: half the size, rounded."""
    return int(size * 0.5 + 0.5)


def color(images, brightness, saturation, contrast):
    """Changes colours: brightness, then saturation, then contrast.

    Args:
        images: `(N, H, W, C)`.
        brightness: `(N,)` in [0, 1): adds it less 0.5. Neutral: 0.5.
        saturation: `(N,)` in [0, 1): distance from the pixel's mean times twice it. Neutral: 0.5.
        contrast: `(N,)` in [0, 1): distance from the image's mean times it plus 0.5. Neutral: 0.5.
    """

    def per_image(values):
        return ops.cast(values, images.dtype)[:, None, None, None]

    images = images + per_image(brightness - 0.5)
    grey = ops.mean(images, axis=-1, keepdims=True)
    images = (images - grey) * per_image(2 * saturation) + grey
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return (images - mean) * per_image(contrast + 0.5) + mean


def translation(images, rows, columns):
    """Shows at each pixel what is `rows` below and `columns` to the right of it, 0 outside.

    Args:
        images: `(N, H, W, C)`.
        rows, columns: integers `(N,)`. Neutral: 0.
    """

    def shifts(offsets, size):  # (N, size, size): row i has its one in column i + offset
        target = tf.range(size)[None, :] + tf.cast(offsets, "int32")[:, None]
        return tf.one_hot(target, size, dtype=images.dtype)

    height, width = images.shape[1:3]
    # products with 0-1 matrices: an exact gather whose derivatives are again products
    images = tf.einsum("nij,njwc->niwc", shifts(rows, height), images)
    return tf.einsum("nij,nhjc->nhic", shifts(columns, width), images)


def cutout(images, rows, columns):
    """Sets a rectangle of half the image's height and width to 0.

    Args:
        images: `(N, H, W, C)`.
        rows, columns: integers `(N,)`: where the rectangle's centre lies; part of it may lie
            outside. Neutral: far outside.
    """

    def inside(centres, size):  # (N, size): 1 where the rectangle's rows are
        side = cutout_size(size)
        position = tf.range(size)[None, :]
        first = tf.cast(centres, "int32")[:, None] - side // 2
        return tf.cast((position >= first) & (position < first + side), images.dtype)

    height, width = images.shape[1:3]
    square = inside(rows, height)[:, :, None] * inside(columns, width)[:, None, :]
    return images * (1 - square)[..., None]
