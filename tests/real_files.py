"""Real images in files and arrays, for the tests of `ganzoo.data`, and ways to read them back."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from ganzoo import data
from ganzoo.data.sources import EMBEDDED


def garments(split="train", n=60):
    """The first embedded images, uint8 (n, 28, 28)."""
    with np.load(EMBEDDED["fashion_mnist_10k"], allow_pickle=False) as file:
        return file[f"x_{split}"][:n]


def in_colour(grey):
    """Real colour images: three garments as the three channels, uint8 (n // 3, 28, 28, 3)."""
    return np.stack(np.split(grey, 3), axis=-1)


def write(folder, images, start=0, **save):
    """Writes PNG files 000.png, 001.png, ...; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, start):
        Image.fromarray(image).save(folder / f"{number:03}.png", **save)
    return folder


def whole(dataset):
    """One pass: the batches joined, one array a component."""
    batches = [tf.nest.flatten(batch) for batch in dataset.as_numpy_iterator()]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def plain(spec, **options):
    """One pass in the stored order, all of it."""
    options = {"batch_size": 7, "shuffle": False, "drop_remainder": False, **options}
    return whole(data.load(spec, **options))


def packed(images, kind="PNG"):
    """(buffer, offsets) of the images' files end to end."""
    files = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, kind)
        files.append(file.getvalue())
    offsets = np.cumsum([0, *map(len, files)]).astype("uint32")
    return np.frombuffer(b"".join(files), "uint8"), offsets
