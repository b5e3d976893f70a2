"""What `fit` and `evaluate` are given: conversion, grouping into rounds, checks of the first batch.

Images stay uint8 until the step, which is four times less to move; `to_float` is the one place
where they become float.
"""

import collections.abc
import functools
import itertools

import keras
import numpy as np
import tensorflow as tf
from keras import ops

# float images may leave [-1, 1] by this much: resampling and float16 do
SLACK = 0.01


def to_float(images):
    """float32 images in [-1, 1]: uint8 is scaled, floats are taken as they are."""
    if images.dtype == tf.uint8:
        return ops.cast(images, "float32") / 127.5 - 1.0
    return ops.cast(images, "float32")


def to_uint8(images):
    """uint8 images from float ones in [-1, 1]."""
    scaled = ops.round((ops.cast(images, "float32") + 1.0) * 127.5)
    return ops.cast(ops.clip(scaled, 0.0, 255.0), "uint8")


def to_class_ids(labels):
    """int32 class ids `(N,)` from ids `(N,)`, `(N, 1)` or one-hot rows `(N, num_classes)`."""
    if len(labels.shape) == 2:
        labels = labels[:, 0] if labels.shape[1] == 1 else ops.argmax(labels, axis=1)
    return ops.cast(labels, "int32")


def after_data(step):
    """A step that starts when its data is there.

    At the end of a set of unknown length Keras calls the step once more and lets the missing batch
    end it; whatever needs no data, such as seeds and step counters, would by then have moved on.
    """

    @functools.wraps(step)
    def waiting(data):
        present = [part for part in tf.nest.flatten(data) if part is not None]
        with tf.control_dependencies(present):
            return step(data)

    return waiting


def check_images(images, image_shape):
    """Raises a ValueError unless `images` is a batch `(N, *image_shape)`, uint8 or in [-1, 1]."""
    images = np.asarray(images)
    shape = tuple(image_shape)
    if images.ndim != 4:
        hint = " Add a channel axis: x[..., None]." if images.ndim == 3 else ""
        raise ValueError(
            f"images of shape {images.shape}: want (N, H, W, C) = (N, *{shape}).{hint}"
        )
    if images.shape[1:] != shape:
        raise ValueError(
            f"images of shape {images.shape}: this model makes {shape}. Build it with "
            f"image_shape={images.shape[1:]}, or resize the images (ganzoo.data.load does)."
        )
    if images.dtype == np.uint8:
        return
    if not np.issubdtype(images.dtype, np.floating) and images.dtype.name != "bfloat16":
        raise ValueError(
            f"images of type {images.dtype}: want uint8 in [0, 255] or float in [-1, 1]."
        )
    images = images.astype("float32")
    if not np.isfinite(images).all():
        bad = int((~np.isfinite(images)).reshape(len(images), -1).any(axis=1).sum())
        raise ValueError(
            f"{bad} of the first {len(images)} images hold NaN or infinity: clean them."
        )
    low, high = float(images.min()), float(images.max())
    if low < -1 - SLACK or high > 1 + SLACK:
        raise ValueError(
            f"float images in [{low:g}, {high:g}]: want [-1, 1]. Use x / 127.5 - 1, or give uint8."
        )


def check_labels(labels, num_classes, n):
    """Raises a ValueError unless `labels` are n class ids below `num_classes`, or one-hot rows."""
    want = f"want {n} whole numbers in [0, {num_classes - 1}], or one-hot rows (N, {num_classes})"
    if labels is None:
        raise ValueError(f"images without labels: {want}, as y or in (images, labels).")
    labels = np.asarray(labels)
    if labels.ndim not in (1, 2) or (labels.ndim == 2 and labels.shape[1] not in (1, num_classes)):
        raise ValueError(f"labels of shape {labels.shape}: {want}.")
    if len(labels) != n:
        raise ValueError(f"{len(labels)} labels for {n} images: {want}.")
    if labels.ndim == 2 and labels.shape[1] == num_classes > 1:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            raise ValueError(f"label rows that are not one-hot: {want}.")
        return
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels of type {labels.dtype}: {want}.")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"labels in [{labels.min()}, {labels.max()}]: {want}.")


def check(model, x, y=None):
    """Lets the model look at the first batch of what it is given, before the first step."""
    if isinstance(x, tf.data.Dataset):
        for batch in x.take(1):
            model.check_batch(*keras.utils.unpack_x_y_sample_weight(batch)[:2])
            return
        raise ValueError("the data set is empty: want at least one batch of images.")
    if isinstance(x, keras.utils.PyDataset):
        model.check_batch(*keras.utils.unpack_x_y_sample_weight(x[0])[:2])
    elif is_arrays(x):
        # labels are few bytes, so all of them are looked at; of the images, a batch
        if y is not None and model.num_classes is not None:
            check_labels(y, model.num_classes, len(x))
        first = [None if a is None else tf.nest.map_structure(lambda b: b[:64], a) for a in (x, y)]
        model.check_batch(*first)


def is_arrays(x):
    """Whether x is an array, a tensor, or a tuple or list of them."""
    return hasattr(x, "shape") or (
        isinstance(x, list | tuple) and len(x) > 0 and all(hasattr(a, "shape") for a in x)
    )


def apart(x, y):
    """`(x, y)` given as one tuple of arrays comes apart; anything else stays as it is."""
    if y is None and isinstance(x, list | tuple) and len(x) == 2 and is_arrays(x):
        return tuple(x)
    return x, y


def held_out(model, x, y, batch_size):
    """Checks held-out data; gives what Keras takes of them: unpaired arrays, whose lengths may
    differ, become a data set, and all else stays as it is."""
    check(model, x, y)
    x, y = model.as_numbers(x, y)
    if model.data_form == "unpaired" and is_arrays(x) and y is not None:
        from ganzoo import data

        return data.load(
            (x, y), pairs=False, batch_size=batch_size or 32, shuffle=False, drop_remainder=False
        )
    return x if y is None else (x, y)


def check_callbacks(callbacks):
    """Refuses a BackupAndRestore that would restart its epoch on newer weights."""
    for callback in tf.nest.flatten(callbacks):
        saves_between = isinstance(callback, keras.callbacks.BackupAndRestore)
        if saves_between and callback.save_freq != "epoch":
            raise ValueError(
                f"BackupAndRestore(save_freq={callback.save_freq}): Keras restores the epoch but "
                'not the batch, so batches would be seen twice. Use save_freq="epoch".'
            )


def split_off(x, y, share):
    """The last `share` of arrays for validation, as Keras's `validation_split` takes it.

    Returns:
        `(x, y)` to train on, and `(x, y)` or `x` to validate on.
    """
    if not is_arrays(x):
        raise ValueError("validation_split needs arrays: give validation_data instead.")

    def parts(array):
        n = len(array)
        cut = int(n * (1 - share))
        if not 0 < cut < n:
            raise ValueError(f"validation_split={share} of {n} images leaves nothing on one side.")
        return array[:cut], array[cut:]

    (x, held_x), (y, held_y) = parts(x), (None, None) if y is None else parts(y)
    return (x, y), held_x if held_y is None else (held_x, held_y)


def rounds(model, x, y, batch_size, shuffle):
    """What `fit` iterates: each element holds the `d_steps` real batches of one train step.

    Returns:
        The data, and a callback that tells its order the epoch, or None when the order is not ours.
    """
    from ganzoo import data

    group = model.d_steps
    replicas = model.distribute_strategy.num_replicas_in_sync
    if is_arrays(x):
        check(model, x, y)
        unpaired = model.data_form == "unpaired"
        n = max(len(x), len(y)) if unpaired else len(x)
        batch_size = min(batch_size, n // (group * replicas) * replicas)
        if batch_size < 1:
            raise ValueError(
                f"{n} images do not fill one step: want at least {group * replicas}, one for each "
                f"of d_steps={group} batches on {replicas} device(s)."
            )
        _divides(batch_size, replicas)
        arrays = x if y is None else (x, y)
        x = data.load(
            arrays,
            batch_size=batch_size * group,
            shuffle=shuffle,
            drop_remainder=True,
            pairs=False if unpaired else None,
        )
        return _shared_out(x, group, replicas), _Epochs(data.order_of(x), model.noise)
    if not isinstance(x, tf.data.Dataset):
        return _rounds_of_others(model, x, y)
    if y is not None:
        raise ValueError("labels go into the data set, as (images, labels): leave y out.")
    check(model, x)
    first = tf.nest.flatten(next(iter(x.take(1))))[0]
    _divides(int(first.shape[0]), replicas)
    if group > 1:
        x = _grouped(x, int(first.shape[0]), group)
    order = data.order_of(x)
    return _shared_out(x, group, replicas), order and _Epochs(order)


def _rounds_of_others(model, x, y):
    """Rounds of a PyDataset or of Python batches; what was looked at of an iterator is put back."""
    if isinstance(x, keras.utils.PyDataset):
        check(model, x)
        first, batches = x[0], x
    elif isinstance(x, collections.abc.Iterator):
        first = next(x)
        model.check_batch(*keras.utils.unpack_x_y_sample_weight(first)[:2])
        batches = itertools.chain([first], x)
    elif isinstance(x, collections.abc.Iterable) and not isinstance(x, str | bytes | dict):
        first = next(iter(x), None)
        if first is None:
            raise ValueError("the data set is empty: want at least one batch of images.")
        model.check_batch(*keras.utils.unpack_x_y_sample_weight(first)[:2])
        batches = x
    else:
        raise ValueError(
            f"data of type {type(x).__name__}: want images as an array, a tf.data.Dataset, a "
            "PyDataset or an iterable of batches."
        )
    if model.d_steps > 1:
        batches = _regrouped(batches, first, model.d_steps)
        replicas = model.distribute_strategy.num_replicas_in_sync
        batches = _shared_out(batches, model.d_steps, replicas)
    elif isinstance(batches, itertools.chain):
        # of Python's iterators Keras takes a generator of tuples, and nothing else
        batches = (b if isinstance(b, tuple) else (b,) for b in batches)
    return batches, None


def _regrouped(batches, first, group):
    """Python batches as a tf.data set in which `group` of them are one element."""

    def spec(array):
        return tf.TensorSpec((None, *np.shape(array)[1:]), np.asarray(array).dtype)

    def one_pass():
        if isinstance(batches, keras.utils.PyDataset):
            yield from (batches[i] for i in range(len(batches)))
            batches.on_epoch_end()
        else:
            yield from batches

    data = tf.data.Dataset.from_generator(
        one_pass, output_signature=tf.nest.map_structure(spec, first)
    )
    if isinstance(batches, keras.utils.PyDataset):
        data = data.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return _grouped(data, len(tf.nest.flatten(first)[0]), group)


def _grouped(data, batch_size, group):
    """`group` batches of a tf.data set as one; its length, when known, stays known."""
    batches = int(data.cardinality())
    equal = tf.nest.flatten(data.element_spec)[0].shape[0] is not None
    data = data.rebatch(batch_size * group, drop_remainder=True)
    if batches < 0 or not equal:  # a smaller last batch may be missing for a whole group
        return data
    return data.apply(tf.data.experimental.assert_cardinality(batches // group))


def _shared_out(data, group, replicas):
    """Rounds of `group` batches, sorted by device: a device takes consecutive images, and these
    must be its share of every batch for D's k-th update to see the k-th batch on all devices."""
    if group == 1 or replicas == 1:
        return data

    def sort(array):
        rest = array.shape[1:]
        parts = tf.reshape(array, (group, replicas, -1, *rest))
        return tf.reshape(tf.experimental.numpy.swapaxes(parts, 0, 1), (array.shape[0], *rest))

    def whole(*element):
        element = tf.nest.map_structure(sort, element)
        return element if len(element) > 1 else element[0]

    return data.map(whole)


def _divides(batch_size, replicas):
    if batch_size % replicas:
        raise ValueError(
            f"batches of {batch_size} images on {replicas} devices: want a multiple of {replicas}, "
            "or the devices' means would weigh differently."
        )


class _Epochs(keras.callbacks.Callback):
    """Tells the order of the data which epoch begins, so that a resumed run sees the right one.

    Args:
        order: a `ganzoo.data.Order`.
        noise: the model's `Noise` when the order takes its seed; read at every epoch, because a
            BackupAndRestore may have put back another.
    """

    def __init__(self, order, noise=None):
        super().__init__()
        self.order, self.noise = order, noise

    def on_epoch_begin(self, epoch, logs=None):
        self.order.epoch = epoch
        if self.noise is not None:
            self.order.seed = abs(int(self.noise.state.numpy()[0]))


def with_callbacks(model, first, callbacks, last):
    """The callbacks of `fit` between two of ours; None is none."""
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        given = [first, *tf.nest.flatten(callbacks or []), last]
        return [callback for callback in given if callback is not None]
    if first is not None:
        callbacks.callbacks.insert(0, first)
        first.set_model(model)
    if last is not None:
        callbacks.append(last)
    return callbacks
