"""Folders of images: classes, one flat folder, pairs, unpaired sets, captions."""

import csv
import os

import numpy as np

from ganzoo.data.source import Pictures, Source, as_values, missing_split, paired_splits

CAPTION_ENDINGS = (".csv", ".tsv", ".txt")
_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_HEADINGS = {"file", "filename", "file_name", "image", "image_name", "name", "path"}


def from_folder(root, split, labels):
    """A `Source` from a folder; how it is read depends on the names of its folders."""
    if labels not in (True, False):
        raise ValueError(
            f"labels={labels!r} names an array of an .npz or TFDS set; {root} is a folder"
        )
    names = [folder.name for folder in _subfolders(root)]
    if f"{split}A" in names and f"{split}B" in names:
        sets = tuple(Pictures(_files(root / f"{split}{side}"), root) for side in "AB")
        return _filled(Source(sets, unpaired=True, splits=paired_splits(names)), root)
    if "trainA" in names and "trainB" in names:
        raise missing_split(root, split, [s for s in paired_splits(names) if s in _SPLITS])
    if set(names) == {"A", "B"}:
        return _pairs(root, split)
    splits = [name for name in names if name in _SPLITS]
    if splits and (len(splits) > 1 or splits == names):  # a lone "train" among others is a class
        if split not in splits:
            raise missing_split(root, split, splits)
        # a class may be absent from one split, and must not shift the numbers of the others
        classes = {folder.name for name in splits for folder in _subfolders(root / name)}
        source = _whole(root / split, sorted(classes))
        source.splits = tuple(splits)
        return source
    if split != "train":
        raise missing_split(root, split, ())
    return _whole(root, names)


def from_captions(path):
    """A `Source` of (image, caption) from lines of `file<TAB or comma>caption`."""
    kept, captions, skipped = [], [], []
    for number, (file, caption) in enumerate(_caption_lines(path)):
        if number == 0 and file.lower() in _HEADINGS:
            continue
        if not caption:
            skipped.append((f"{path.name}: {file}", "has no caption"))
        elif not (path.parent / file).is_file():
            skipped.append((f"{path.name}: {file}", "no such file"))
        else:
            kept.append(path.parent / file)
            captions.append(caption)
    if not kept:
        raise ValueError(f"{path} names no image that exists; wanted lines of: file, tab, caption")
    values = as_values(np.array(captions), len(captions), str(path))
    return Source((Pictures(kept, path.parent),), values=values, skipped=skipped)


def _caption_lines(path):
    """Yields (file, caption); a caption in quotes may hold commas, and so may one without."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from error
    for line in filter(str.strip, lines):
        if "\t" in line:
            file, _, caption = line.partition("\t")
        else:
            file, *rest = next(csv.reader([line]))
            caption = ",".join(rest)
        yield file.strip(), caption.strip()


def _subfolders(folder):
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _files(folder):
    """All files below a folder but hidden ones, in the order of their names."""
    found = []
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        found += [os.path.join(parent, name) for name in names if not name.startswith(".")]
    return sorted(folder / os.path.relpath(path, folder) for path in found)


def _filled(source, root):
    if not all(len(pictures) for pictures in source.sets):
        raise ValueError(f"{root} holds no image; wanted image files, or folders of them")
    return source


def _whole(folder, classes):
    """A folder without splits: a captions file, pairs, class folders, or images side by side."""
    for ending in CAPTION_ENDINGS:
        if (path := folder / f"captions{ending}").is_file():
            return from_captions(path)
    present = _subfolders(folder)
    if {path.name for path in present} == {"A", "B"}:
        return _pairs(folder, "train")
    if not present:
        return _filled(Source((Pictures(_files(folder), folder),)), folder)
    files, numbers = [], []
    for path in present:
        inside = _files(path)
        files += inside
        numbers += [classes.index(path.name)] * len(inside)
    loose = [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    source = Source(
        (Pictures(files, folder),),
        values=np.array(numbers, "int32"),
        class_names=tuple(classes),
        skipped=[(path.name, "lies beside the class folders") for path in sorted(loose)],
    )
    return _filled(source, folder)


def _pairs(root, split):
    """Folders A and B (or A/train and B/train): two files of one name are a pair."""
    sides, splits = [root / "A", root / "B"], ()
    inner = [{folder.name for folder in _subfolders(side)} for side in sides]
    if any(names and names <= _SPLITS for names in inner):
        splits = tuple(sorted(inner[0] & inner[1]))
    if split not in (splits or ("train",)):
        raise missing_split(root, split, splits)
    if splits:
        sides = [side / split for side in sides]
    by_name = []
    for side in sides:
        files = _files(side)
        by_name.append({path.relative_to(side).with_suffix("").as_posix(): path for path in files})
        if len(by_name[-1]) < len(files):
            raise ValueError(f"{side} holds two files of one name but for the ending; keep one")
    odd = sorted(by_name[0].keys() ^ by_name[1].keys())
    if odd:
        side = 0 if odd[0] in by_name[0] else 1
        raise ValueError(
            f"{by_name[side][odd[0]]} has no partner of the same name in {sides[1 - side]} "
            f"({len(odd)} such files); pairs need equal names"
        )
    names = sorted(by_name[0])
    sets = tuple(Pictures([files[name] for name in names], root) for files in by_name)
    return _filled(Source(sets, splits=splits), root)
