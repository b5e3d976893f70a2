"""Decoding a set of images once: what is bad is found early, what fits stays in memory."""

import collections
import dataclasses
from collections.abc import Callable

import numpy as np

from ganzoo.data import images


@dataclasses.dataclass
class Column:
    """Decoded images by number.

    Attributes:
        take: indices `(B,)` -> `(B, H, W, C)`, or a list of B arrays of differing sizes.
        shape: `(H, W, C)`; H and W are None where sizes differ.
        dtype: "uint8" or "float32".
        good: bool `(N,)`, which images can be used.
        problems: (name, reason) of those that cannot.
    """

    take: Callable
    shape: tuple
    dtype: str
    good: np.ndarray
    problems: list


def column(pictures, image_shape, side_by_side, crop, cache_bytes):
    """Makes a `Column` of a set of `Pictures`; every image is decoded once to see that it can be.

    Args:
        pictures: the `Pictures`.
        image_shape: `(H, W, C)` or None for the size and channels the images have.
        side_by_side: whether each image is two, each of which is brought to `image_shape`; they
            stay beside each other: `(H, 2 W, C)`.
        crop: `(h, w)` that will be cut from each image later, or None.
        cache_bytes: up to this size the decoded images are kept in memory.

    Raises:
        ValueError: the images differ in size and neither `image_shape` nor `crop` is given.
    """
    raw, halves = pictures.raw, 2 if side_by_side else 1
    if isinstance(raw, np.ndarray):
        stored = image_shape and (image_shape[0], halves * image_shape[1], image_shape[2])
        as_wanted = stored in (None, raw.shape[1:]) and raw.shape[2] % halves == 0
        if raw.dtype == np.float32:
            _check_floats(raw, as_wanted, image_shape, pictures.label)
        if as_wanted:
            everyone = np.ones(len(raw), bool)
            return Column(_from_array(raw), raw.shape[1:], raw.dtype.name, everyone, [])
    channels, smallest = None, crop if image_shape is None else None
    if image_shape is None:
        sizes, channels = _sizes(raw, halves, smallest)
        if len(sizes) == 1:
            image_shape = (*next(iter(sizes)), channels)
        elif sizes and not crop:
            raise ValueError(_differing(pictures, sizes, channels))
        total = sum(h * w * count for (h, w), count in sizes.items()) * channels * halves
    shape = (None, None, channels)
    if image_shape is not None:
        shape = (image_shape[0], halves * image_shape[1], image_shape[2])
        total = len(raw) * int(np.prod(shape))

    def read(index):
        picture = images.decode(raw[index])
        if error := _unfit(picture.height, picture.width, halves, smallest):
            raise ValueError(error)
        if not side_by_side:
            return images.to_array(picture, image_shape, channels)
        middle, height = picture.width // 2, picture.height
        boxes = (0, 0, middle, height), (middle, 0, 2 * middle, height)
        parts = [images.to_array(picture.crop(box), image_shape, channels) for box in boxes]
        return np.concatenate(parts, axis=1)

    take, bad = _decoded(read, len(raw), shape, total <= cache_bytes)
    good = np.array([index not in bad for index in range(len(raw))])
    problems = [(pictures.name(index), reason) for index, reason in bad.items()]
    return Column(take, shape, "uint8", good, problems)


def _check_floats(raw, as_wanted, image_shape, label):
    low, high = raw.min(), raw.max()
    if not -1 <= low <= high <= 1:  # also false where there is a NaN
        raise ValueError(
            f"{label} holds floats from {low:g} to {high:g}; give floats in [-1, 1] without NaN, "
            "or uint8 in 0..255"
        )
    if not as_wanted:
        raise ValueError(
            f"{label} holds float images of {raw.shape[1:]}, and only uint8 images are brought to "
            f"another shape ({image_shape}); give uint8, or float arrays of that shape"
        )


def _unfit(height, width, halves, smallest):
    """Why an image of this size cannot be used, or None."""
    if width % halves:
        return f"is {width} pixels wide, which has no two halves"
    if smallest and (height < smallest[0] or width // halves < smallest[1]):
        return f"is {height}x{width}, too small for the crop {smallest[0]}x{smallest[1]}"
    return None


def _sizes(raw, halves, smallest):
    """Counts the sizes (of halves) of the images that fit, and finds the channels they share."""
    sizes, channels = collections.Counter(), set()
    for head, _ in images.attempt(lambda index: images.header(raw[index]), range(len(raw))):
        if head is not None and not _unfit(*head[0], halves, smallest):
            (height, width), own, _ = head
            sizes[height, width // halves] += 1
            channels.add(own)
    return sizes, channels.pop() if len(channels) == 1 else 3


def _differing(pictures, sizes, channels):
    common = ", ".join(f"{h}x{w} ({count})" for (h, w), count in sizes.most_common(3))
    (height, width), _ = sizes.most_common(1)[0]
    return (
        f"{pictures.label} holds images of {len(sizes)} sizes (height x width: {common}"
        f"{', ...' if len(sizes) > 3 else ''}); pass image_shape=(H, W, C), "
        f"for instance image_shape=({height}, {width}, {channels})"
    )


def _decoded(read, n, shape, fits):
    """Decodes all images once; gives `take` and the {index: reason} of those that failed."""
    if not fits:
        store, take = None, _from_reader(read)
    elif None in shape:
        store = [None] * n
        take = _from_list(store)
    else:
        store = np.empty((n, *shape), "uint8")
        take = _from_array(store)

    def fill(index):
        image = read(index)
        if store is not None:
            store[index] = image

    tried = enumerate(images.attempt(fill, range(n)))
    return take, {index: reason for index, (_, reason) in tried if reason}


def _from_array(array):
    return lambda indices: array[indices]


def _from_list(arrays):
    return lambda indices: [arrays[index] for index in indices]


def _from_reader(read):
    return lambda indices: list(images.pool().map(read, indices))
