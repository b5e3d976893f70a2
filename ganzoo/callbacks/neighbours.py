"""`NearestNeighbours`: whether generated images are training images learned by heart."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from ganzoo import images, inputs
from ganzoo.callbacks.checks import (
    check_folder,
    check_generates,
    layout,
    name_of,
    picture_path,
    whole,
)

BLOCK = 1024


class NearestNeighbours(keras.callbacks.Callback):
    """Draws generated images beside their nearest training images: `path/epoch_0001.png`.

    A row is one generated image and, to its right, the images of the data nearest to it, the
    nearest first. A generator that repeats its data shows twins, with distances near 0.

    Distances are Euclidean, per number in root mean square: of pixels in [-1, 1], so that 2 is the
    largest; or of features, which see a shifted twin too (Theis et al. 2016,
    https://arxiv.org/abs/1511.01844, section 3.3, on what pixels miss).

    Args:
        path: the folder of the pictures; made when it does not exist.
        data: training images `(N, H, W, C)`, uint8 or float in [-1, 1], or a `tf.data.Dataset` of
            batches of them; of `(images, labels)` the images count. All are gone through for each
            picture, a block at a time, so that memory is bounded.
        n: generated images. Default 8.
        k: neighbours of each. Default 5.
        every: epochs from one picture to the next. Default 5.
        extractor: one of `ganzoo.metrics`, or anything whose `features` takes uint8 images
            `(N, H, W, C)` and returns `(N, D)`; None, the default, for pixels.
        labels: class ids `(n,)` of a conditional model. Default: the classes in turn.
        seed: int, which latents. Default 0.

    Attributes:
        distances: those of the last picture, float32 `(n, k)`; `indices`: which images of the data.

    Raises:
        ValueError: `n`, `k` or `every` below 1, fewer than `k` images, images or labels that do not
            fit the model; before the first step.
        TypeError: a model that does not make images from latents; before the first step.
        OSError: as for `ImageGrid`.
    """

    def __init__(self, path, data, n=8, k=5, every=5, extractor=None, labels=None, seed=0):
        super().__init__()
        self.path, self.data, self.extractor = pathlib.Path(path), data, extractor
        self.n, self.k, self.every = whole("n", n), whole("k", k), whole("every", every)
        self.labels, self.seed = labels, seed
        self.distances = self.indices = None

    def on_train_begin(self, logs=None):
        check_generates(self)
        if getattr(self.model, "makes_with", "generate") != "generate":
            raise TypeError(
                f"NearestNeighbours draws from latents, and {name_of(self.model)} makes images "
                f"with `{self.model.makes_with}`, whose results should be near their sources."
            )
        self._labels, _ = layout(self.model, self.n, self.labels)
        check_folder(self.path)
        inputs.check_images(next(self._blocks()), self.model.image_shape)
        self._draw()

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            images.save(picture_path(self.path, epoch), self._draw())

    def _draw(self):
        made = self.model.generate(self.n, labels=self._labels, seed=self.seed)
        found, self.distances, self.indices = self._nearest(made)
        rows = np.concatenate([made[:, None], found], axis=1)
        return images.tile(rows.reshape(-1, *made.shape[1:]), 1 + self.k)

    def _nearest(self, made):
        """The k nearest images `(n, k, H, W, C)`, their distances and their places in the data."""
        wanted = self._features(made)
        best = np.full((self.n, 0), np.inf, "float32")
        images_of = np.zeros((self.n, 0, *made.shape[1:]), "uint8")
        places, seen = np.zeros((self.n, 0), "int64"), 0
        for block in self._blocks():
            block = as_uint8(block)
            between = distances(wanted, self._features(block))  # (n, len(block))
            near = np.argsort(between, axis=1, kind="stable")[:, : self.k]
            best = np.concatenate([best, np.take_along_axis(between, near, axis=1)], axis=1)
            images_of = np.concatenate([images_of, block[near]], axis=1)
            places = np.concatenate([places, seen + near], axis=1)
            seen += len(block)
            order = np.argsort(best, axis=1, kind="stable")[:, : self.k]
            best, places = (np.take_along_axis(a, order, axis=1) for a in (best, places))
            images_of = images_of[np.arange(self.n)[:, None], order]
        if seen < self.k:
            raise ValueError(f"{seen} images have no {self.k} neighbours: give more, or a lower k.")
        return images_of, best, places

    def _blocks(self):
        """The images of the data, some at a time."""
        if isinstance(self.data, tf.data.Dataset):
            for batch in self.data:
                yield np.asarray(batch[0] if isinstance(batch, tuple) else batch)
            return
        shown = self.data[0] if isinstance(self.data, tuple) else self.data
        for i in range(0, max(len(shown), 1), BLOCK):
            yield np.asarray(shown[i : i + BLOCK])

    def _features(self, shown):
        if self.extractor is not None:
            return np.asarray(self.extractor.features(shown), "float32")
        return shown.reshape(len(shown), -1).astype("float32") / 127.5 - 1


def as_uint8(shown):
    return shown if shown.dtype == np.uint8 else inputs.to_uint8(shown).numpy()


def distances(a, b):
    """Root mean square differences `(N, M)` of the rows of `a` `(N, D)` and `b` `(M, D)`."""
    # from the differences themselves: a twin's distance is 0, which products would round away
    return np.stack([np.sqrt(np.mean((b - row) ** 2, axis=1)) for row in a])
