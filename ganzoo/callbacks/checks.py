"""What the callbacks share: checks before the first step, labels of a grid, places to write."""

import os
import pathlib

import numpy as np
import tensorflow as tf

from ganzoo import inputs


def whole(name, value, least=1):
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name}={value!r}: want a whole number, {least} or more.")
    return value


def name_of(model):
    return type(model).__name__


def check_generates(callback):
    if not callable(getattr(callback.model, "generate", None)):
        raise TypeError(
            f"{name_of(callback)} draws with `generate`, which {name_of(callback.model)} does not "
            "have: it wants a ganzoo.GAN."
        )


def layout(model, n, labels):
    """The labels of n images, None without classes, and the columns that put a class in each."""
    classes = getattr(model, "num_classes", None)
    if classes is None:
        if labels is not None:
            raise ValueError(f"{name_of(model)} has no classes: leave labels out.")
        return None, None
    if labels is not None:
        inputs.check_labels(labels, classes, n)
        return np.asarray(inputs.to_class_ids(np.asarray(labels))), None
    turns = max(1, round(n**0.5 / classes))
    columns = classes * turns if classes <= min(n, 2 * n**0.5) else None
    return np.arange(n, dtype="int32") % classes, columns


def picture_path(folder, epoch):
    return folder / f"epoch_{epoch + 1:04d}.png"


def writer(log_dir, run):
    """A writer of TensorBoard events, in a folder of its own.

    TensorBoard follows only one growing file in a folder unless its fast loader is installed:
    beside those of `keras.callbacks.TensorBoard` either the curves or the pictures would stop.
    """
    folder = pathlib.Path(log_dir) / run
    check_folder(folder)
    return tf.summary.create_file_writer(str(folder))


def check_folder(path):
    """Makes a folder that can be written into, or says why not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(
            f"{str(path)!r} is or lies under a file, and should be a folder: choose another path."
        ) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write into {str(path)!r}: choose another path.")


def check_file(path):
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder, and should be a file.")
    check_folder(path.parent)
