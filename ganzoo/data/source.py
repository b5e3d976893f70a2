"""What every kind of data set is turned into: undecoded images, labels, and what was left out."""

import dataclasses
import pathlib

import numpy as np


class Packed:
    """Image files end to end in one buffer; `packed[i]` is the bytes of file `i`."""

    def __init__(self, buffer, offsets):
        self.buffer, self.offsets = buffer, offsets

    def __len__(self):
        return len(self.offsets) - 1

    def __getitem__(self, index):
        return self.buffer[self.offsets[index] : self.offsets[index + 1]].tobytes()


@dataclasses.dataclass
class Pictures:
    """Undecoded images: `raw[i]` is what `images.decode` takes, `label` where they are from."""

    raw: object
    label: str | pathlib.Path

    def __len__(self):
        return len(self.raw)

    def name(self, index):
        if isinstance(self.raw, list):
            return self.raw[index].relative_to(self.label).as_posix()
        return f"image {index} of {self.label}"


@dataclasses.dataclass
class Source:
    """A data set before decoding.

    Attributes:
        sets: one `Pictures`, or two for pairs and unpaired sets.
        unpaired: whether the two sets are of unrelated images.
        side_by_side: whether each image is two, left and right.
        values: what goes with each image: int32 `(N,)` labels, captions (an object array of bytes),
            float32 `(N, D)` embeddings, or None.
        class_names: names of labels 0, 1, ..., or ().
        splits: names of the splits the set has, or () where it is one whole.
        skipped: (name, reason) of what was left out already.
        name: what errors call the set.
    """

    sets: tuple
    unpaired: bool = False
    side_by_side: bool = False
    values: np.ndarray | None = None
    class_names: tuple = ()
    splits: tuple = ()
    skipped: list = dataclasses.field(default_factory=list)
    name: str = ""


def missing_split(where, split, splits):
    """The error for a split that a set does not have."""
    known = ", ".join(repr(name) for name in splits) or "only 'train', the whole of it"
    return ValueError(f"{where} has no split {split!r}; it has {known}")


def paired_splits(names):
    """The splits that image sets of these names make: trainA and trainB are one, train."""
    pairs = {name[:-1] for name in names if name.endswith("A") and f"{name[:-1]}B" in names}
    singles = [name for name in names if name[-1:] not in ("A", "B") or name[:-1] not in pairs]
    return tuple(sorted({*singles, *pairs} - {""}))


def as_values(array, n, what):
    """Checks what goes with the images: labels, captions or embeddings, one an image.

    Returns:
        int32 `(N,)`, an object array of UTF-8 bytes `(N,)`, or float32 `(N, D)`.
    """
    if array.ndim == 0 or len(array) != n:
        raise ValueError(f"{what}: {array.size if not array.ndim else len(array)} for {n} images")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind in "USO":
        values = np.empty(n, dtype=object)
        values[:] = [text if isinstance(text, bytes) else str(text).encode() for text in array]
        return values
    if array.ndim == 2 and array.dtype.kind == "f":
        return array.astype("float32")
    if array.ndim != 1 or array.dtype.kind not in "biuf" or (array != np.floor(array)).any():
        raise ValueError(
            f"{what}: shape {array.shape}, type {array.dtype}; give whole numbers (N,), strings "
            "(N,) or float embeddings (N, D)"
        )
    return array.astype("int32")
