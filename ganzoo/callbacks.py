"""Keras callbacks that show how a GAN trains: pictures, curves, verdicts, a table.

They act at the end of epochs, never of batches (with `steps_per_execution` batch indices jump), and
draw nothing from the model's own random numbers: a run is the same with and without them.
"""

import csv
import io
import json
import os
import pathlib
import re

import keras
import numpy as np
import tensorflow as tf

from ganzoo import images, inputs

# What `LossCurves` draws: title of a panel -> log -> name of its curve.
PANELS = {
    "loss": {"d_loss": "discriminator", "g_loss": "generator"},
    "mean verdict of D": {"d_real": "real images", "d_fake": "fakes"},
}


class ImageGrid(keras.callbacks.Callback):
    """Draws the same latents every few epochs: a picture each, and an animation of them.

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

    Raises:
        ValueError: `n` or `every` below 1, labels that do not fit; before the first step.
        TypeError: a model without `generate`; before the first step.
        OSError: a folder that cannot be written, before the first step; a full disk. The error
            names the file, and no half of a file is left.
    """

    def __init__(self, path, n=64, every=1, labels=None, seed=0, gif=True, tensorboard=None):
        super().__init__()
        self.path, self.n, self.every = pathlib.Path(path), _whole("n", n), _whole("every", every)
        if labels is not None and len(labels) != n:
            raise ValueError(f"{len(labels)} labels for n={n} images: give one for each.")
        self.labels, self.seed, self.gif, self.tensorboard = labels, seed, gif, tensorboard

    def on_train_begin(self, logs=None):
        _check_generates(self)
        self._labels, self._columns = _layout(self.model, self.n, self.labels)
        _check_folder(self.path)
        self._draw()  # whatever the model refuses, it refuses before the first step
        self._writer = self.tensorboard and _writer(self.tensorboard, "samples")
        found = (re.fullmatch(r"epoch_(\d{4,})\.png", name) for name in os.listdir(self.path))
        self._frames = {int(match[1]): self.path / match[0] for match in found if match}

    def on_epoch_begin(self, epoch, logs=None):
        # later ones were drawn by a run that this one goes back behind, or begins anew
        self._frames = {k: frame for k, frame in self._frames.items() if k <= epoch}

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        grid, path = self._draw(), _picture_path(self.path, epoch)
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
        drawn = self.model.generate(self.n, labels=self._labels, seed=self.seed)
        return images.tile(drawn, self._columns)


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
        self.path, self.every = pathlib.Path(path), _whole("every", every)
        self.rows, self.columns = _whole("rows", rows), _whole("columns", columns, 2)
        if labels is not None and len(labels) != rows:
            raise ValueError(f"{len(labels)} labels for rows={rows} walks: give one for each.")
        self.seed, self.labels = seed, labels

    def on_train_begin(self, logs=None):
        _check_generates(self)
        self._walks = self._inputs()
        self._walk = tf.function(self._images)
        _check_folder(self.path)
        self._draw()

    def _inputs(self):
        """The inputs of the model for each walk: a list of arrays of the length of the walk."""
        labels, _ = _layout(self.model, self.rows, self.labels)
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
            images.save(_picture_path(self.path, epoch), self._draw())

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
            raise TypeError(f"CodeTraversal needs an InfoGAN, {_name(self.model)} has no codes.")
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


class LossCurves(keras.callbacks.Callback):
    """Redraws one picture after every epoch: the losses above, D's mean verdicts below.

    The picture carries its numbers (a PNG text field), so a resumed run goes on with the curves it
    finds in it; epochs from the one where it begins are replaced. Losses that are not finite leave
    a gap.

    Args:
        path: the `.png` to write.

    Raises:
        ValueError: another ending.
        OSError: as for `ImageGrid`.
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)
        if self.path.suffix.lower() != ".png":
            raise ValueError(f"LossCurves writes a .png, got {str(path)!r}")

    def on_train_begin(self, logs=None):
        _check_file(self.path)
        self._rows = json.loads(images.read_text(self.path, "ganzoo_history") or "[]")
        self._curves = Curves()

    def on_epoch_begin(self, epoch, logs=None):
        self._rows = [row for row in self._rows if row["epoch"] <= epoch]

    def on_epoch_end(self, epoch, logs=None):
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        self._rows.append({"epoch": epoch + 1, **numbers})
        picture, numbers = self._curves.draw(self._rows), json.dumps(self._rows)
        images.save(self.path, picture, text={"ganzoo_history": numbers})


class Curves:
    """The figure of `LossCurves`, kept between epochs: drawing again costs half of a new one."""

    def __init__(self):
        # imported here, because `import ganzoo` must be quick; no pyplot, which is the user's
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 6.4), dpi=100)
        self.canvas = FigureCanvasAgg(figure)
        self.panels, self.lines = figure.subplots(2, sharex=True), {}
        for panel, (title, names) in zip(self.panels, PANELS.items(), strict=True):
            panel.set_ylabel(title)
            panel.grid(alpha=0.3)
            for color, (key, label) in zip(("C0", "C1"), names.items(), strict=True):
                self.lines[key] = panel.plot([], [], "-", color=color, label=label)[0]
                label += " (validation)"
                self.lines[f"val_{key}"] = panel.plot([], [], "--", color=color, label=label)[0]
        self.panels[1].set_xlabel("epoch")
        self.panels[1].xaxis.get_major_locator().set_params(integer=True)
        figure.subplots_adjust(left=0.1, right=0.98, top=0.95, bottom=0.08, hspace=0.15)

    def draw(self, rows):
        """A picture of losses and verdicts over epochs.

        Args:
            rows: a list of dicts with `epoch` (from 1) and any of `d_loss`, `g_loss`, `d_real`,
                `d_fake`, and the same with `val_`.

        Returns:
            uint8 `(640, 800, 3)`.
        """
        for key, line in self.lines.items():
            points = [(row["epoch"], row[key]) for row in rows if key in row]
            line.set_data(*np.reshape(points, (-1, 2)).T)
            line.set_marker("." if len(points) < 50 else "")  # one point alone makes no line
        for panel in self.panels:
            shown = [line for line in panel.lines if len(line.get_xdata())]
            # above the panel, where it hides no curve
            place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 4}
            panel.legend(handles=shown, frameon=False, fontsize=9, columnspacing=1, **place)
            panel.relim()
            panel.autoscale_view()
        self.canvas.draw()
        return np.array(self.canvas.buffer_rgba())[..., :3]


class CSVHistory(keras.callbacks.Callback):
    """Writes `epoch` (from 1), all logs and each player's learning rate as a table, a row an epoch.

    `keras.callbacks.CSVLogger` with `append=True` repeats the epochs that a run, killed between a
    row and its backup, goes through again. Here rows from the epoch where `fit` begins are
    replaced; the file is written whole, in one step. A log that comes later (`val_d_loss` with
    `validation_freq=5`) gets a column at the end, empty above.

    Args:
        path: the `.csv` to write.

    Raises:
        ValueError: a file that has no column `epoch`; before the first step.
        OSError: as for `ImageGrid`.
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)

    def on_train_begin(self, logs=None):
        _check_file(self.path)
        self._rows = []
        if self.path.exists():
            with open(self.path, newline="", encoding="utf-8") as file:
                self._rows = list(csv.DictReader(file))
        if not all((row.get("epoch") or "").isdecimal() for row in self._rows):
            raise ValueError(
                f"{str(self.path)!r} is not a history: want a column `epoch` of whole numbers. "
                "Move the file, or choose another path."
            )

    def on_epoch_begin(self, epoch, logs=None):
        self._rows = [row for row in self._rows if int(row["epoch"]) <= epoch]

    def on_epoch_end(self, epoch, logs=None):
        numbers = dict(logs or {})
        for player in getattr(self.model, "players", ()):
            optimizer = getattr(self.model, f"{player}_optimizer")
            rate = keras.ops.convert_to_numpy(optimizer.learning_rate)
            numbers[f"{player}_learning_rate"] = rate
        # as float32, which they are: 0.0002 instead of 0.00019999999494757503
        row = {name: str(np.float32(value)) for name, value in numbers.items()}
        self._rows.append({"epoch": str(epoch + 1), **row})
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        images.write(self.path, table.getvalue().encode())


class Verdicts(keras.callbacks.Callback):
    """Histograms of D's verdicts on held-out images and on fakes, for TensorBoard.

    Two humps that part say that D wins; a hump of the held-out images that moves over to the fakes'
    while `d_real` stays high says that D has learned its images by heart.

    Args:
        log_dir: the folder given to `keras.callbacks.TensorBoard` as `log_dir`.
        data: held-out images `(N, H, W, C)`, uint8 or float in [-1, 1], or `(images, labels)` with
            class ids `(N,)` for a conditional model. All are judged after every epoch, and as many
            fakes made: some 64 are enough.
        seed: int, which latents the N fakes are made of, the same at every epoch. Default 0.

    Raises:
        ValueError: images or labels that do not fit the model; before the first step.
        TypeError: a model without `generate` or `discriminator`; before the first step.
        OSError: a folder that cannot be written; before the first step.
    """

    def __init__(self, log_dir, data, seed=0):
        super().__init__()
        self.log_dir, self.data, self.seed = log_dir, data, seed

    def on_train_begin(self, logs=None):
        _check_generates(self)
        if not isinstance(getattr(self.model, "discriminator", None), keras.Model):
            raise TypeError(f"Verdicts needs a `discriminator`, {_name(self.model)} has none.")
        real, labels = self.data if isinstance(self.data, tuple) else (self.data, None)
        inputs.check_images(real, self.model.image_shape)
        if getattr(self.model, "num_classes", None) is not None:
            inputs.check_labels(labels, self.model.num_classes, len(real))
        self._real = np.asarray(real)
        self._labels, _ = _layout(self.model, len(real), labels)
        self._writer = _writer(self.log_dir, "verdicts")

    def on_epoch_end(self, epoch, logs=None):
        fake = self.model.generate(len(self._real), labels=self._labels, seed=self.seed)
        with self._writer.as_default():
            for name, shown in (("real", self._real), ("fake", fake)):
                verdicts = self._judge(shown, self._labels)
                finite = verdicts[np.isfinite(verdicts)]
                tf.summary.histogram(f"verdicts/{name}", finite, step=epoch)
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()

    def _judge(self, shown, labels):
        """All verdicts on images, as a vector; a patch discriminator gives many an image."""
        discriminator, verdicts = self.model.discriminator, []
        takes_labels = labels is not None and len(discriminator.inputs) > 1
        for i in range(0, len(shown), 64):
            batch = inputs.to_float(tf.convert_to_tensor(shown[i : i + 64]))
            if takes_labels:
                batch = [batch, tf.convert_to_tensor(labels[i : i + len(batch)])]
            output = discriminator(batch, training=False)
            # a list: the verdict first, then what else the family's D says (classes, codes)
            first = output[0] if isinstance(output, list | tuple) else output
            verdicts.append(np.asarray(keras.ops.cast(first, "float32")).ravel())
        return np.concatenate(verdicts)


def _whole(name, value, least=1):
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}={value!r}: want a whole number, {least} or more.")
    return value


def _name(model):
    return type(model).__name__


def _check_generates(callback):
    if not callable(getattr(callback.model, "generate", None)):
        raise TypeError(
            f"{_name(callback)} draws with `generate`, which {_name(callback.model)} does not "
            "have: it wants a ganzoo.GAN."
        )


def _layout(model, n, labels):
    """The labels of n images, None without classes, and the columns that put a class in each."""
    classes = getattr(model, "num_classes", None)
    if classes is None:
        if labels is not None:
            raise ValueError(f"{_name(model)} has no classes: leave labels out.")
        return None, None
    if labels is not None:
        inputs.check_labels(labels, classes, n)
        return np.asarray(inputs.to_class_ids(np.asarray(labels))), None
    turns = max(1, round(n**0.5 / classes))
    columns = classes * turns if classes <= min(n, 2 * n**0.5) else None
    return np.arange(n, dtype="int32") % classes, columns


def _picture_path(folder, epoch):
    return folder / f"epoch_{epoch + 1:04d}.png"


def _writer(log_dir, run):
    """A writer of TensorBoard events, in a folder of its own.

    TensorBoard follows only one growing file in a folder unless its fast loader is installed:
    beside those of `keras.callbacks.TensorBoard` either the curves or the pictures would stop.
    """
    folder = pathlib.Path(log_dir) / run
    _check_folder(folder)
    return tf.summary.create_file_writer(str(folder))


def _check_folder(path):
    """Makes a folder that can be written into, or says why not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(
            f"{str(path)!r} is or lies under a file, and should be a folder: choose another path."
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write into {str(path)!r}: choose another path.")


def _check_file(path):
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder, and should be a file.")
    _check_folder(path.parent)
