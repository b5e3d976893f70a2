"""Where images come from: `open_source` turns a spec into a `Source` of undecoded images."""

import dataclasses
import difflib
import pathlib
import re
import zipfile
import zlib

import numpy as np

from ganzoo.data import folders
from ganzoo.data.source import Packed, Pictures, Source, as_values, missing_split, paired_splits

EMBEDDED = {
    "fashion_mnist_10k": pathlib.Path(__file__).parent.parent / "datasets/fashion_mnist_10k.npz"
}


def open_source(spec, split="train", labels=True, pairs=None, data_dir=None):
    """Finds the images and labels a spec names, without decoding any.

    Args and errors are those of `ganzoo.data.load`.

    Returns:
        A `Source`.
    """
    if pairs not in (None, False, "side_by_side"):
        raise ValueError(
            f"pairs={pairs!r}: give 'side_by_side', None for what the set holds, or False for two "
            "sets of unrelated images"
        )
    if not isinstance(spec, (str, pathlib.Path)):
        source = _from_arrays(spec, pairs)
    elif str(spec) in EMBEDDED:
        source = _from_npz(EMBEDDED[str(spec)], split, labels)
    elif str(spec).startswith("tfds:"):
        from ganzoo.data import tfds_sets  # tensorflow_datasets is slow to import

        source = tfds_sets.from_tfds(str(spec).removeprefix("tfds:"), split, labels, data_dir)
    else:
        source = _from_path(spec, split, labels)
    source.name = str(spec) if isinstance(spec, (str, pathlib.Path)) else "the given arrays"
    if pairs is False and len(source.sets) == 2:
        source.unpaired = True
    if pairs:
        if len(source.sets) > 1:
            raise ValueError(
                f"{source.name} already holds two sets; leave pairs='side_by_side' out"
            )
        source.side_by_side, source.values, source.class_names = True, None, ()
    if labels is False:
        source.values, source.class_names = None, ()
    return source


def _from_path(spec, split, labels):
    path = pathlib.Path(spec).expanduser()
    if path.is_dir():
        return folders.from_folder(path, split, labels)
    if path.is_file() and path.suffix.lower() == ".npz":
        return _from_npz(path, split, labels)
    if path.is_file() and path.suffix.lower() in folders.CAPTION_ENDINGS:
        return folders.from_captions(path)
    if path.is_file():
        raise ValueError(f"{path} is neither an .npz, a captions file nor a folder of images")
    if len(path.parts) > 1 or path.suffix:
        raise FileNotFoundError(f"no such file or folder: {path}")
    near = difflib.get_close_matches(str(spec), EMBEDDED, n=1, cutoff=0.0)
    raise ValueError(
        f"unknown data set {str(spec)!r}, and no folder of that name here; the nearest is "
        f"{near[0]!r}; other kinds: a folder, an .npz file, 'tfds:NAME'"
    )


def _from_arrays(spec, pairs):
    arrays = [np.asarray(part) for part in (spec if isinstance(spec, (tuple, list)) else [spec])]
    if not 1 <= len(arrays) <= 2:
        raise ValueError(f"{len(arrays)} arrays given: give images, or images and one array more")
    sets, values = [Pictures(as_images(arrays[0]), "the array")], None
    if len(arrays) == 2 and arrays[1].ndim >= 3:
        sets.append(Pictures(as_images(arrays[1]), "the second array"))
        if len(arrays[0]) != len(arrays[1]) and pairs is not False:
            raise ValueError(
                f"{len(arrays[0])} and {len(arrays[1])} images do not make pairs; "
                "give as many of each"
            )
    elif len(arrays) == 2:
        values = as_values(arrays[1], len(arrays[0]), "labels")
    return Source(tuple(sets), values=values)


def as_images(array):
    """Checks an array of images: gives `uint8` or `float32` `(N, H, W, C)`, else a `ValueError`."""
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f"images of shape {array.shape}: give (N, H, W) or (N, H, W, C) with C of 1, 3 or 4"
        )
    if not len(array):
        raise ValueError("the array holds no image")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "f":
        return array.astype("float32", copy=False)
    if array.dtype.kind in "iu" and array.min() >= 0 and array.max() <= 255:
        return array.astype("uint8")
    raise ValueError(f"images of type {array.dtype}: give uint8 in 0..255 or floats in [-1, 1]")


def _from_npz(path, split, labels):
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is not an .npz file (a zip archive of arrays), or not all of one")
    try:
        with np.load(path, allow_pickle=False) as file:
            return _Npz(path, file).source(split, labels)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{path} is not a complete .npz file: {error}") from error


@dataclasses.dataclass
class _Npz:
    """An open `.npz`: arrays `x_SPLIT`, or files packed as `SPLIT_jpeg` and `SPLIT_offsets`."""

    path: pathlib.Path
    file: object

    def __post_init__(self):
        self.images = {}
        for key in self.file.files:
            if match := re.fullmatch(r"x_(\w+)|(\w+)_(?:jpeg|png)", key):
                self.images[match[1] or match[2]] = key
        if not self.images:
            raise ValueError(
                f"{self.path} holds {', '.join(self.file.files) or 'nothing'}; wanted x_train (and "
                "y_train), or train_jpeg or train_png with train_offsets"
            )

    def source(self, split, labels):
        splits = paired_splits(self.images)
        if split in self.images:
            sets = (self.pictures(split),)
        elif split in splits:
            sets = (self.pictures(f"{split}A"), self.pictures(f"{split}B"))
        else:
            raise missing_split(self.path, split, splits)
        source = Source(sets, unpaired=len(sets) == 2, splits=splits)
        if labels and len(sets) == 1:
            source.values = self.values(split, labels, len(sets[0]))
            names = "class_names" if labels is True else f"{labels}_names"
            if names in self.file.files and source.values is not None:
                source.class_names = tuple(str(name) for name in self.read(names))
        return source

    def read(self, key):
        try:
            return self.file[key]
        except ValueError as error:
            if "pickle" not in str(error).lower():
                raise ValueError(f"{self.path} cannot be read at {key!r}: {error}") from error
            raise ValueError(
                f"{self.path} needs pickle for {key!r} (an object array), which can run code and "
                "is refused; save plain arrays of numbers or strings"
            ) from error

    def pictures(self, split):
        key, label = self.images[split], f"{self.images[split]} of {self.path.name}"
        if key.startswith("x_"):
            return Pictures(as_images(self.read(key)), label)
        if f"{split}_offsets" not in self.file.files:
            raise ValueError(f"{self.path} holds {key!r} but not '{split}_offsets'")
        buffer, offsets = self.read(key), self.read(f"{split}_offsets").astype("int64")
        if len(offsets) < 2 or offsets[-1] > len(buffer) or (np.diff(offsets) < 0).any():
            raise ValueError(f"{self.path}: '{split}_offsets' does not fit the bytes of {key!r}")
        return Pictures(Packed(buffer, offsets), label)

    def values(self, split, labels, n):
        named = {
            match[1] or match[2]: key
            for key in self.file.files
            if (match := re.fullmatch(rf"(\w+)_{split}|{split}_(\w+)", key))
        }
        for key in ("x", "jpeg", "png", "offsets"):
            named.pop(key, None)
        name = "y" if labels is True else labels
        if name in named:
            return as_values(self.read(named[name]), n, f"{named[name]!r} of {self.path}")
        if labels is True:
            return None
        known = ", ".join(repr(name) for name in sorted(named)) or "none"
        raise ValueError(f"{self.path} has no labels {labels!r} for {split!r}; it has: {known}")
