"""Scores every few epochs, into the logs and as records."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from ganzoo import inputs, scores
from ganzoo.callbacks.checks import check_file, check_generates, layout, name_of, whole
from ganzoo.metrics.sets import as_pictures


class Evaluate(keras.callbacks.Callback):
    """Scores the same latents every few epochs, with all that a score depends on written down.

    The values go into the logs under the metrics' names (`fid`, `kid`, `precision`, ...), so that
    callbacks after this one can watch them: `ModelCheckpoint(path, monitor="fid", mode="min",
    save_best_only=True)`. Metrics given to `compile(metrics=[...])` instead see the held-out
    batches of `validation_data`, and are called `val_fid` and so on.

    Args:
        metrics: one of `ganzoo.metrics` or a list of them; of sets, because those of pairs have
            nothing to hold an image from a latent against.
        data: real images `(N, H, W, C)`, uint8 or float in [-1, 1]; `(images, labels)` with class
            ids `(N,)` for a conditional model, whose fakes are asked for the same classes; or a
            `tf.data.Dataset` of batches of either, all of which are taken.
        every: epochs from one evaluation to the next. Default 1.
        n: fakes. Default: as many as real images.
        seed: int, which latents. Default 0.
        path: a `scores.jsonl` to append the records to, or None.

    Attributes:
        scores: all records so far, a list of `ganzoo.scores.Score`. Their floor is one half of
            `data` against the other: of half as many images, so a little high for a biased score.

    Raises:
        ValueError: `every` or `n` below 1, a metric of pairs, images or labels that do not fit the
            model; before the first step. Fewer images than a metric needs; then, too.
        TypeError: a model that makes no images from latents; before the first step.
        OSError: as for `ImageGrid`.
    """

    def __init__(self, metrics, data, every=1, n=None, seed=0, path=None):
        super().__init__()
        self.metrics = list(metrics) if isinstance(metrics, list | tuple) else [metrics]
        for metric in self.metrics:
            if not hasattr(metric, "sides"):
                raise ValueError(f"Evaluate takes metrics of sets, and {metric!r} is none.")
        self.data, self.every, self.seed = data, whole("every", every), seed
        self.n = n if n is None else whole("n", n)
        self.path = path if path is None else pathlib.Path(path)
        self.scores = []

    def on_train_begin(self, logs=None):
        check_generates(self)
        if getattr(self.model, "makes_with", "generate") != "generate":
            raise TypeError(
                f"Evaluate scores images from latents, and {name_of(self.model)} starts from "
                "images: give metrics to `compile`, and validation_data to `fit`."
            )
        if self.path is not None:
            check_file(self.path)
        real, labels = collected(self.data)
        inputs.check_images(real, self.model.image_shape)
        if getattr(self.model, "num_classes", None) is None:
            labels = None
        else:
            inputs.check_labels(labels, self.model.num_classes, len(real))
            labels, _ = layout(self.model, len(real), labels)
        real = as_pictures("real", real)
        self._real, half = scores.Images(real, labels), len(real) // 2
        first, second = (
            scores.Images(real[part], None if labels is None else labels[part])
            for part in (slice(half), slice(half, 2 * half))
        )
        self._floors = scores.floors(self.metrics, first, second)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        n, labels = self.n or len(self._real), self._real.labels
        labels = None if labels is None else np.resize(labels, n)
        averaged = getattr(self.model, "has_average", False)
        made = scores.score(
            self.metrics,
            self._real,
            scores.draw(self.model, n, labels, self.seed),
            self._floors,
            data="given",
            split="images",
            model=f"{name_of(self.model)} at epoch {epoch + 1}",
            weights="average" if averaged else "raw",
            seed=self.seed,
        )
        self.scores += made.values()
        if logs is not None:
            logs |= {key: score.value for key, score in made.items()}
        if self.path is not None:
            scores.append(self.path, made.values())


def collected(data):
    """Images and labels, or None, of arrays or of all batches of a `tf.data.Dataset`."""
    if isinstance(data, tf.data.Dataset):
        batches = [batch if isinstance(batch, tuple) else (batch, None) for batch in data]
        if not batches:
            raise ValueError("the data set is empty: want at least one batch of images.")
        images, labels = zip(*batches, strict=True)
        data = np.concatenate(images), None if labels[0] is None else np.concatenate(labels)
    images, labels = data if isinstance(data, tuple) else (data, None)
    return np.asarray(images), labels if labels is None else np.asarray(labels)
