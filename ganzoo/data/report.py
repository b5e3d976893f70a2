"""`inspect`: what a data set holds and what is wrong with it, before any training."""

import collections
import dataclasses
import hashlib

import numpy as np

from ganzoo.data import images
from ganzoo.data.sources import open_source


@dataclasses.dataclass
class Report:
    """What `inspect` found; `str(report)` is a few lines to read.

    Attributes:
        name: the set.
        split: the split that was looked at.
        splits: all splits of the set, or () where it is one whole.
        kind: "images", "labels", "captions", "embeddings", "pairs" or "unpaired".
        count: images that can be used, of each set: one number, or two for pairs and unpaired sets.
        bad: (name, reason) of what cannot.
        sizes: {(H, W): count}, most common first.
        modes: {mode as stored: count}.
        classes: {class name or number: count}.
        blank: names of images of one single colour.
        duplicates: images equal, pixel for pixel, to an earlier one of their set.
        value_range: (lowest, highest) value.
        image_shape: a suggestion for `load`: the one size of the set, or for differing sizes a
            square that half of the images fill.
    """

    name: str
    split: str
    splits: tuple
    kind: str
    count: tuple
    bad: list
    sizes: dict
    modes: dict
    classes: dict
    blank: list
    duplicates: int
    value_range: tuple
    image_shape: tuple | None

    def __str__(self):
        lines = [
            f"{self.name}, split {self.split!r}"
            + (f" of {', '.join(self.splits)}" if self.splits else ""),
            f"images      {' + '.join(f'{count:,}' for count in self.count)} ({self.kind})",
            f"sizes       {_counted({f'{h}x{w}': n for (h, w), n in self.sizes.items()})}",
            f"modes       {_counted(self.modes)}",
            f"values      {self.value_range[0]:g} to {self.value_range[1]:g}",
        ]
        if self.classes:
            lines.append(f"classes     {len(self.classes)}: {_counted(self.classes, 12)}")
        lines.append(f"duplicates  {self.duplicates:,}")
        lines.append(f"blank       {_named(self.blank)}")
        lines.append(f"bad files   {_named([f'{name}: {why}' for name, why in self.bad])}")
        lines.append(f"suggested   image_shape={self.image_shape}")
        return "\n".join(lines)


def _counted(counts, most=5):
    parts = [f"{key} ({count:,})" for key, count in list(counts.items())[:most]]
    return ", ".join(parts + ["..."] * (len(counts) > most)) or "none"


def _named(names, most=5):
    more = f"; and {len(names) - most:,} more" if len(names) > most else ""
    return f"{len(names):,}" + (f": {'; '.join(names[:most])}{more}" if names else "")


def inspect(spec="fashion_mnist_10k", split="train", labels=True, pairs=None, data_dir=None):
    """Looks at every image of a set and reports what is there; bad files end nothing.

    Args are those of `ganzoo.data.load`.

    Returns:
        A `Report`.

    Raises:
        FileNotFoundError, ValueError: there is no such set, split or label.
    """
    source = open_source(spec, split, labels, pairs, data_dir)
    looks = [_look(pictures) for pictures in source.sets]
    bad = source.skipped + [entry for look in looks for entry in look["bad"]]
    sizes = sum((look["sizes"] for look in looks), collections.Counter())
    seen = [value for look in looks for value in look["range"]]
    kind, classes = _labels(source, looks[0]["good"])
    return Report(
        name=source.name,
        split=split,
        splits=source.splits,
        kind=kind,
        count=tuple(int(look["good"].sum()) for look in looks),
        bad=bad,
        sizes=dict(sizes.most_common()),
        modes=dict(sum((look["modes"] for look in looks), collections.Counter()).most_common()),
        classes=classes,
        blank=[name for look in looks for name in look["blank"]],
        duplicates=sum(look["duplicates"] for look in looks),
        value_range=(min(seen), max(seen)) if seen else (0, 0),
        image_shape=_suggested(sizes, looks, source.side_by_side),
    )


def _look(pictures):
    """Decodes one set, image by image, and keeps only what a report needs."""

    def one(index):
        raw = pictures.raw[index]
        if isinstance(raw, np.ndarray) and raw.dtype == np.float32:
            pixels, mode, channels = raw, "float", raw.shape[-1]
        else:
            _, channels, mode = images.header(raw)
            pixels = np.asarray(images.decode(raw))
        content = hashlib.blake2b(str(pixels.shape).encode() + pixels.tobytes(), digest_size=16)
        return (
            pixels.shape[:2],
            mode,
            channels,
            content.digest(),
            pixels.min().item(),
            pixels.max().item(),
            (pixels == pixels[0, 0]).all(),
        )

    found = {key: collections.Counter() for key in ("sizes", "modes", "channels")}
    found.update(bad=[], blank=[], range=[], duplicates=0, good=np.zeros(len(pictures), bool))
    contents = set()
    for index, (result, reason) in enumerate(images.attempt(one, range(len(pictures)))):
        if reason:
            found["bad"].append((pictures.name(index), reason))
            continue
        size, mode, channels, content, low, high, blank = result
        found["good"][index] = True
        found["sizes"][size] += 1
        found["modes"][mode] += 1
        found["channels"][channels] += 1
        found["duplicates"] += content in contents
        contents.add(content)
        found["range"] = [min([low, *found["range"]]), max([high, *found["range"]])]
        if blank:
            found["blank"].append(pictures.name(index))
    return found


def _labels(source, good):
    if source.unpaired:
        return "unpaired", {}
    if source.side_by_side or len(source.sets) == 2:
        return "pairs", {}
    if source.values is None:
        return "images", {}
    if source.values.dtype != np.int32:
        return "captions" if source.values.dtype == object else "embeddings", {}
    names = dict(enumerate(source.class_names))
    counts = collections.Counter(source.values[good].tolist())
    numbers = sorted({*names, *counts})
    return "labels", {names.get(number, str(number)): counts[number] for number in numbers}


def _suggested(sizes, looks, side_by_side):
    if not sizes:
        return None
    channels = {count for look in looks for count in look["channels"]}
    channels = channels.pop() if len(channels) == 1 else 3
    if len(sizes) == 1:
        height, width = next(iter(sizes))
        return height, width // 2 if side_by_side else width, channels
    side = int(np.median([min(size) for size in sizes.elements()]))
    side = max([power for power in (32, 64, 128, 256, 512, 1024) if power <= side], default=side)
    return side, side, channels
