"""TensorFlow Datasets: any prepared (or downloadable) set with an image feature."""

import difflib
import itertools
import sys
import tempfile

import numpy as np
import requests  # a dependency of tensorflow_datasets
import tensorflow as tf

from ganzoo.data.source import Packed, Pictures, Source, as_values, missing_split, paired_splits

# TFDS itself retries a dead network for minutes; these say within seconds that there is none
_PROBES = ("https://storage.googleapis.com", "https://www.tensorflow.org")
_PROBE_SECONDS = 5


def from_tfds(name, split, labels, data_dir):
    """A `Source` from a TFDS set.

    The encoded images of the split are read once, in the order of the files, into a temporary file
    (removed when the program ends): so any order can be served, and memory stays small.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"tensorflow_datasets cannot be imported ({error}); "
            "pip install tensorflow-datasets importlib_resources"
        ) from error
    builder = _prepared(tfds, name, data_dir)
    image, value = _features(tfds, builder, labels)
    splits = paired_splits(builder.info.splits)
    if split in splits and split not in builder.info.splits:
        parts, value = [f"{split}A", f"{split}B"], None
    else:
        parts = [split]
    sets, values = [], []
    for part in parts:
        packed, values = _packed(tfds, builder, part, image, value, splits)
        sets.append(Pictures(packed, f"tfds:{name}"))
    source = Source(tuple(sets), unpaired=len(sets) == 2, splits=splits)
    if value:
        source.values = as_values(np.array(values), len(sets[0]), f"{value!r} of tfds:{name}")
        feature = builder.info.features[value]
        source.class_names = tuple(getattr(feature, "names", None) or ())
    return source


def _prepared(tfds, name, data_dir):
    """The builder of a set that lies prepared on disk, after a download where one is needed."""
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except (tfds.core.DatasetNotFoundError, ValueError, RuntimeError) as error:
        raise ValueError(_unknown(tfds, name)) from error
    if builder.is_prepared():
        return builder
    where = builder.data_dir
    print(
        f"tfds:{name} is not in {where}; downloading it ({builder.info.download_size} announced)",
        file=sys.stderr,
    )
    if not any(map(_answers, _PROBES)):
        raise ConnectionError(
            f"tfds:{name} is not prepared in {where} and there is no network to download it; "
            "prepare it where there is one, then give data_dir"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # TFDS lets whatever a set's own code raises through
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise RuntimeError(f"tfds:{name} could not be prepared in {where}: {reason}") from error
    return builder


def _answers(address):
    try:
        requests.head(address, timeout=_PROBE_SECONDS)
    except requests.RequestException:
        return False
    return True


def _unknown(tfds, name):
    base, _, config = name.partition("/")
    known = tfds.list_builders()
    if base in known:
        configs = list(tfds.builder_cls(base).builder_configs)
        near = difflib.get_close_matches(config, configs) or configs[:5] or ["no configs"]
        return f"tfds:{base} has no config {config!r}; the nearest are {', '.join(near)}"
    near = difflib.get_close_matches(base, known) or ["none"]
    return f"TensorFlow Datasets has no set {base!r}; the nearest are {', '.join(near)}"


def _features(tfds, builder, labels):
    """Names of the image feature and of the one that goes with it (or None)."""
    features = dict(builder.info.features.items())
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    if not images:
        raise ValueError(
            f"tfds:{builder.info.full_name} has no image feature; it has {', '.join(features)}"
        )
    if isinstance(labels, str) and labels not in features:
        raise ValueError(
            f"tfds:{builder.info.full_name} has no labels {labels!r}; it has {', '.join(features)}"
        )
    classes = [
        k for k, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)
    ]
    value = labels if isinstance(labels, str) else next(iter(classes), None) if labels else None
    return images[0], value


def _packed(tfds, builder, split, image, value, splits):
    try:
        dataset = builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders={image: tfds.decode.SkipDecoding()},
            # one file after the other: the order must not depend on the number of cores
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
    except ValueError as error:
        raise missing_split(f"tfds:{builder.info.full_name}", split, splits) from error
    dataset = dataset.map(lambda e: (e[image], e[value]) if value else (e[image], 0))
    lengths, values = [], []
    with tempfile.TemporaryFile(prefix="ganzoo-") as file:
        for data, number in dataset.prefetch(tf.data.AUTOTUNE).as_numpy_iterator():
            lengths.append(file.write(data))
            values.append(number)
        if not lengths:
            raise ValueError(f"tfds:{builder.info.full_name} holds no image in {split!r}")
        file.flush()
        buffer = np.memmap(file, "uint8", "r")
    offsets = np.array(list(itertools.accumulate(lengths, initial=0)))
    return Packed(buffer, offsets), values
