"""Pictures of what the generator makes, every few epochs: grids, walks, codes."""

import os
import pathlib
import re

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
    writer,
)


class ImageGrid(keras.callbacks.Callback):
    """Draws the same latents every few epochs: a picture each, and an animation of them. Of a
    model that starts from images it draws examples: source, result and target below each other.

    Pictures are `path/epoch_0001.png` and so on, the first epoch being 1. When training ends the
    animation is written beside the folder: `samples/` gives `samples.gif`. It holds the pictures
    that the folder had up to the epoch where this `fit` began, so that of a resumed run, and those
    drawn since.

    Args:
        path: the folder of the pictures; made when it does not exist.
        n: images in a picture. Default 64.
        every: epochs from one picture to the next. Default 1.
        labels: class ids `(n,)` of a conditional model. Default: every row runs through the
            classes, so that a column is one class.
        seed: int, which latents. Default 0.
        gif: whether to write the animation. Default True.
        tensorboard: the folder given to `keras.callbacks.TensorBoard` as `log_dir`, to have the
            pictures there too, as image `samples`; None for not. TensorBoard shows ten of them
            unless started with `--samples_per_plugin images=1000`.
        data: held-out examples for a model that starts from images: `x`, or `(x, y)` as `fit`
            takes them, as arrays; others make nothing of them.

    Raises:
        ValueError: `n` or `every` below 1, labels that do not fit, a model that needs `data`;
            before the first step.
        TypeError: a model without `generate`; before the first step.
        OSError: a folder that cannot be written, before the first step; a full disk. The error
            names the file, and no half of a file is left.
    """

    def __init__(
        self, path, n=64, every=1, labels=None, seed=0, gif=True, tensorboard=None, data=None
    ):
        super().__init__()
        self.path, self.n, self.every = pathlib.Path(path), whole("n", n), whole("every", every)
        if labels is not None and len(labels) != n:
            raise ValueError(f"{len(labels)} labels for n={n} images: give one for each.")
        self.labels, self.seed, self.gif, self.tensorboard = labels, seed, gif, tensorboard
        self.data = data

    def on_train_begin(self, logs=None):
        check_generates(self)
        self._labels, self._columns = layout(self.model, self.n, self.labels)
        check_folder(self.path)
        self._draw()  # whatever the model refuses, it refuses before the first step
        self._writer = self.tensorboard and writer(self.tensorboard, "samples")
        found = (re.fullmatch(r"epoch_(\d{4,})\.png", name) for name in os.listdir(self.path))
        self._frames = {int(match[1]): self.path / match[0] for match in found if match}

    def on_epoch_begin(self, epoch, logs=None):
        # later ones were drawn by a run that this one goes back behind, or begins anew
        self._frames = {k: frame for k, frame in self._frames.items() if k <= epoch}

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        grid, path = self._draw(), picture_path(self.path, epoch)
        images.save(path, grid)
        self._frames[epoch + 1] = path
        if self._writer:
            with self._writer.as_default():
                tf.summary.image("samples", grid[None], step=epoch)
            self._writer.flush()

    def on_train_end(self, logs=None):
        if self._writer:
            self._writer.close()
        if self.gif and self._frames:
            # of the absolute path, because "." has no name
            folder = pathlib.Path(os.path.abspath(self.path))
            frames = [self._frames[k] for k in sorted(self._frames)]
            images.save_gif(folder.with_name(f"{folder.name}.gif"), frames)

    def _draw(self):
        drawn, columns = self.model.preview(self.n, self._labels, self.seed, self.data)
        return images.tile(drawn, columns or self._columns)


class Interpolation(keras.callbacks.Callback):
    """Draws walks from one latent to another every few epochs, a row each: `path/epoch_0001.png`.

    A generator that has learned its data by heart jumps from image to image; one that has learned
    what images have in common changes smoothly. The walk is along the great circle (White 2016,
    https://arxiv.org/abs/1609.04468, section 2.1), because the middle of a straight line is
    closer to zero than any latent of the training.

    Args:
        path: the folder of the pictures; made when it does not exist.
        rows: walks in a picture. Default 8.
        columns: images in a walk, both ends included. Default 10.
        every: epochs from one picture to the next. Default 5.
        seed: int, which latents. Default 0.
        labels: class ids `(rows,)` of a conditional model, one for each walk. Default: the classes
            in turn.

    Raises:
        ValueError: `rows` or `every` below 1, `columns` below 2, labels that do not fit; before
            the first step.
        TypeError: a model without `generate`; before the first step.
        OSError: as for `ImageGrid`.
    """

    def __init__(self, path, rows=8, columns=10, every=5, seed=0, labels=None):
        super().__init__()
        self.path, self.every = pathlib.Path(path), whole("every", every)
        self.rows, self.columns = whole("rows", rows), whole("columns", columns, 2)
        if labels is not None and len(labels) != rows:
            raise ValueError(f"{len(labels)} labels for rows={rows} walks: give one for each.")
        self.seed, self.labels = seed, labels

    def on_train_begin(self, logs=None):
        check_generates(self)
        self._walks = self._inputs()
        self._walk = tf.function(self._images)
        check_folder(self.path)
        self._draw()

    def _inputs(self):
        """The inputs of the model for each walk: a list of arrays of the length of the walk."""
        if self.model.makes_with != "generate":
            raise TypeError(
                f"Interpolation walks from latent to latent, {name_of(self.model)} has none: leave "
                "it out."
            )
        labels, _ = layout(self.model, self.rows, self.labels)
        starts, *conditions = self.model.sampling_inputs(self.rows, labels, self.seed, None)
        ends, *_ = self.model.sampling_inputs(self.rows, labels, self.seed + 1, None)
        shares = np.linspace(0, 1, self.columns)
        return [
            [
                np.stack([great_circle(starts[i], ends[i], share) for share in shares]),
                *(np.stack([condition[i]] * self.columns) for condition in conditions),
            ]
            for i in range(self.rows)
        ]

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every == 0:
            images.save(picture_path(self.path, epoch), self._draw())

    def _images(self, given):
        drawn = self.model(given if len(given) > 1 else given[0], training=False)
        return inputs.to_uint8(drawn)

    def _draw(self):
        # a walk at a time, which bounds the memory of large networks
        rows = [self._walk(walk).numpy() for walk in self._walks]
        return images.tile(np.concatenate(rows), len(rows[0]))


class CodeTraversal(Interpolation):
    """Draws what a code of an `InfoGAN` means every few epochs: `path/epoch_0001.png`.

    In each row only this code changes, as in figure 2 of Chen et al. 2016,
    https://arxiv.org/abs/1606.03657; see `InfoGAN.traversal`.

    Args:
        path: the folder of the pictures; made when it does not exist.
        code: which code, categorical ones first. Default 0.
        rows: rows, each of its own noise and other codes. Default 8.
        columns: values of a continuous code; a categorical one has a column for each category.
            Default 10.
        every: epochs from one picture to the next. Default 5.
        seed: int, which noise and codes. Default 0.
        span: a continuous code runs from `-span` to `span`. Default 2.

    Raises:
        ValueError: `rows` or `every` below 1, `columns` below 2, a code that there is not; before
            the first step.
        TypeError: a model without codes; before the first step.
        OSError: as for `ImageGrid`.
    """

    def __init__(self, path, code=0, rows=8, columns=10, every=5, seed=0, span=2.0):
        super().__init__(path, rows, columns, every, seed)
        self.code, self.span = code, span

    def _inputs(self):
        if not hasattr(self.model, "traversal"):
            raise TypeError(f"CodeTraversal needs an InfoGAN, {name_of(self.model)} has no codes.")
        latents = self.model.traversal(self.code, self.rows, self.columns, self.span, self.seed)
        return [[walk] for walk in np.split(latents, self.rows)]


def great_circle(start, end, share):
    """The point at `share` of the way between two latents `(latent_dim,)`, turning evenly.

    White 2016, https://arxiv.org/abs/1609.04468, section 2.1: sin((1 - t) a) / sin(a) start +
    sin(t a) / sin(a) end, where a is the angle between the two.

    Args:
        start, end: vectors of the same length, any norm.
        share: t in [0, 1].

    Returns:
        float32 `(latent_dim,)`.
    """
    start, end = np.asarray(start, "float64"), np.asarray(end, "float64")
    cosine = start @ end / (np.linalg.norm(start) * np.linalg.norm(end))
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:  # the same or opposite directions: the circle is not defined
        return ((1 - share) * start + share * end).astype("float32")
    weights = np.sin([(1 - share) * angle, share * angle]) / np.sin(angle)
    return (weights[0] * start + weights[1] * end).astype("float32")
