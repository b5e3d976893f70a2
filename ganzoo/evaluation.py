"""Scores of a preset or a run: which data, which extractor, which images. `ganzoo evaluate`."""

import json
import pathlib
import re

import numpy as np

from ganzoo import data as sets
from ganzoo import metrics, presets, runs, scores
from ganzoo.metrics.sets import as_pictures

#: name on the command line -> metric of two sets
METRICS = {
    "fid": metrics.FID,
    "kid": metrics.KID,
    "precision_recall": metrics.PrecisionRecall,
    "density_coverage": metrics.DensityCoverage,
    "inception_score": metrics.InceptionScore,
    "label_fidelity": metrics.LabelFidelity,
}
#: name -> metric of pairs, for models that know what an image should have become
PAIRED = {"psnr": metrics.PSNR, "ssim": metrics.SSIM, "msssim": metrics.MSSSIM}
#: what is measured when nothing is said, by `GAN.data_form`
DEFAULT = {
    "images": ("fid", "kid", "precision_recall", "density_coverage"),
    "captions": ("fid", "kid", "precision_recall", "density_coverage"),
    "unpaired": ("fid", "kid"),
    "pairs": ("ssim", "psnr", "fid", "kid"),
    "photos": ("psnr", "ssim", "msssim", "fid", "kid"),
}
# images that go through a model or come from a data set at a time
BATCH = 50


def locate(name_or_dir):
    """The preset folder of a name, a preset folder or a run folder, and where its scores lie.

    Returns:
        `(preset, file)`: two paths; the file need not exist.
    """
    folder = pathlib.Path(name_or_dir)
    if (folder / "preset" / "config.json").is_file():  # a run
        return folder / "preset", folder / scores.FILE
    if (folder / "checkpoint").is_dir():
        raise ValueError(
            f"{folder} has no preset yet: finish the run with `ganzoo train ... --out {folder} "
            "--resume`."
        )
    preset = presets.find(name_or_dir)
    return preset, preset / scores.FILE


def suited(spec, image_shape):
    """The name of the extractor that suits a data set: its own classifier, or one for colour."""
    if image_shape[2] > 1:
        return "lite0"
    return "mnist" if own_classifier(spec) == "mnist" else "fashion"


def own_classifier(spec):
    """The classifier that was trained on this data set, by the set's name; None for others."""
    name = str(spec).lower()
    if "fashion" in name and "mnist" in name:
        return "fashion"
    return "mnist" if re.search(r"(?<![a-z])mnist", name) else None


def evaluate(
    name_or_dir,
    data=None,
    split=None,
    names=None,
    n=None,
    seed=0,
    extractor=None,
    data_dir=None,
    progress=None,
):
    """Scores of a preset, each with its floor: other real images in the place of the fakes.

    The real images are of the split; those of the floor are of another split where there is one,
    else the set is cut in halves. Fakes have the classes or captions of the real images; those of
    families that start from images are made of the sources of the split, Pix2Pix's and
    super-resolution's of those of the same images. All draws are seeded, so the same call gives the
    same digits.

    Args:
        name_or_dir: a preset's name or folder, or a run folder.
        data: see `ganzoo.data.load`. None: what the preset was trained on; of presets that ship
            with the package, its reference: means and covariances, for the Frechet distance.
        split: None: "test" where there is one, else "train".
        names: of `METRICS` and, for models that make images from images, of `PAIRED`. None:
            `DEFAULT`, and "label_fidelity" where the extractor knows the model's classes.
        n: images of each set. None: all real ones, 10,000 at most.
        seed: int, of the fakes.
        extractor: a name or an `Extractor`. None: the one that suits the data.
        data_dir: folder of prepared TFDS sets.
        progress: called as `progress(done, total)` in images, or None.

    Returns:
        dict: key in logs, such as "fid", -> `ganzoo.scores.Score`.

    Raises:
        ValueError: an unknown metric, preset or data set, too few images.
        FileNotFoundError: a reference that is not there.
    """
    folder, file = locate(name_or_dir)
    metadata = json.loads((folder / "metadata.json").read_text())
    spec = (metadata.get("data") or "fashion_mnist_10k") if data is None else data
    model = presets.load(folder)
    check_names(names or (), model)
    reference = None
    if data is None and "reference" in metadata:
        file_of_it = presets.home() / "references" / f"{metadata['reference']}.npz"
        if not file_of_it.is_file():
            raise FileNotFoundError(
                f"{name_or_dir} was scored against the reference {metadata['reference']!r}, which "
                "this ganzoo does not have: give the images as --data."
            )
        reference = scores.Reference(file_of_it, model.num_classes)
        spec, extractor = reference.data, extractor or reference.extractor
    chosen = extractor or suited(spec, model.image_shape)
    if isinstance(chosen, str):
        chosen = metrics.load_extractor(chosen)
    if names is None:
        names = ("fid",) if reference else DEFAULT[model.data_form]
        if model.num_classes == chosen.classes and own_classifier(spec) == chosen.name:
            names = (*names, "label_fidelity")
    measured = [METRICS[name](chosen) if name in METRICS else PAIRED[name]() for name in names]
    if reference:
        check_reference(reference, split, n)
        split, real, floor = reference.split, reference, ()
    else:
        load = {"data_dir": data_dir} if data_dir else {}
        split, real, floor = real_sets(model, spec, split, n or scores.IMAGES, load)
    total, done = (2 if reference else 3) * len(real) + len(floor), 0

    def count(images):
        nonlocal done
        done += images
        if progress:
            progress(min(done, total), total)

    fake = fakes(model, real, seed, count)
    floors = reference.floors if reference else scores.floors(measured, real, floor, count)
    return scores.score(
        measured,
        real,
        fake,
        floors,
        count,
        data=str(spec) if isinstance(spec, str | pathlib.Path) else "arrays",
        split=split,
        model=file.parent.resolve().name,
        weights="average" if model.has_average else "raw",
        seed=seed if model.makes_with == "generate" else None,
    )


def check_reference(reference, split, n):
    """Refuses another part or number of images than a reference is of."""
    for name, asked, has in (("split", split, reference.split), ("n", n, reference.n)):
        if asked not in (None, has):
            raise ValueError(
                f"{name}={asked!r}: the reference of {reference.data} has {name}={has!r}; give the "
                "images as --data."
            )


def check_names(names, model):
    """Refuses metrics that there are not, or that need pairs where the model makes none."""
    for name in names:
        if name not in METRICS and name not in PAIRED:
            raise ValueError(f"no metric {name!r}: want some of {', '.join((*METRICS, *PAIRED))}.")
        if name in PAIRED and model.data_form not in ("pairs", "photos"):
            raise ValueError(
                f"{name} holds an image against the one it should be, and {type(model).__name__} "
                f"has no such pairs: want some of {', '.join(METRICS)}."
            )


def real_sets(model, spec, split, n, load):
    """The split's name, up to n real images of it, and as many for the floor.

    Args:
        split: None for "test" where there is one, else "train".
        load: more arguments of `ganzoo.data.load`.

    Returns:
        `(split, real, floor)`: two `ganzoo.scores.Images`; their `sources` is what fakes are made
        from, None where latents are enough.
    """
    if split is None:
        try:
            return real_sets(model, spec, "test", n, load)
        except (ValueError, FileNotFoundError) as error:
            if "split" not in str(error):
                raise
            split = "train"
    real = examples(model, spec, split, n, load)
    other = "train" if split != "train" else "test"
    try:
        if not isinstance(spec, str | pathlib.Path):
            raise ValueError("arrays have no splits")
        floor = examples(model, spec, other, len(real), load)
    except (ValueError, FileNotFoundError):  # one whole: a half against the other
        half = len(real) // 2
        real, floor = real.part(slice(half)), real.part(slice(half, 2 * half))
    return split, real, floor


def examples(model, spec, split, n, load):
    """Up to n real images of a data set, drawn with a fixed seed, as `ganzoo.scores.Images`."""
    load = {"image_shape": model.image_shape, **load, "split": split}
    load |= runs.form_of(type(model), spec, load)
    batches = sets.load(spec, batch_size=BATCH, seed=0, drop_remainder=False, **load)
    found = []
    for batch in batches.take(-(-n // BATCH)):
        found.append(batch if isinstance(batch, tuple) else (batch,))
    parts = [np.concatenate(part)[:n] for part in zip(*found, strict=True)]
    if model.data_form == "pairs":
        source, target = model.sides(*parts)
        return scores.Images(as_pictures("real", target), sources=as_pictures("source", source))
    if model.data_form == "unpaired":  # of two sets, the smaller comes round again
        source, target = (distinct(as_pictures("real", part)) for part in parts)
        return scores.Images(target, sources=source)
    if model.data_form == "photos":
        small, large = model.prepared(*parts) if len(parts) > 1 else model.prepared(*parts, None)
        return scores.Images(as_pictures("real", large), sources=as_pictures("source", small))
    images = as_pictures("real", parts[0])
    if model.data_form == "captions":
        return scores.Images(images, sources=parts[1])
    labels = parts[1] if len(parts) > 1 and parts[1].dtype == np.int32 else None
    if model.num_classes is not None and (labels is None or labels.max() >= model.num_classes):
        labels = np.arange(len(images), dtype="int32") % model.num_classes
        return scores.Images(images, sources=labels)
    return scores.Images(images, labels, None if model.num_classes is None else labels)


def distinct(images):
    """The images without repetitions, in their order."""
    return np.stack(list({image.tobytes(): image for image in images}.values()))


def fakes(model, real, seed, progress):
    """As many fakes as there are real images, or sources, as `ganzoo.scores.Images`.

    Args:
        seed: of latents. progress: called with the number of images made since the last call.
    """
    if model.makes_with == "generate":
        captions = model.data_form == "captions"
        return scores.draw(model, len(real), real.sources, seed, progress, captions)
    make, made = getattr(model, model.makes_with), []
    for i in range(0, len(real.sources), BATCH):
        made.append(make(real.sources[i : i + BATCH]))
        progress(len(made[-1]))
    return scores.Images(np.concatenate(made))


def compare(a, b):
    """The newest scores of two places, metric by metric.

    Args:
        a, b: names or folders as for `evaluate`, or `scores.jsonl` files.

    Returns:
        A list of lines: see `ganzoo.scores.compare`.

    Raises:
        ValueError: no metric in common, or scores of different protocols.
        FileNotFoundError: a place without scores.
    """
    newest = []
    for place in (a, b):
        file = pathlib.Path(place) if pathlib.Path(place).is_file() else locate(place)[1]
        if not file.is_file():
            raise FileNotFoundError(f"no scores in {place}: run `ganzoo evaluate {place}` first.")
        newest.append({score.metric: score for score in scores.read(file)})
    common = [metric for metric in newest[0] if metric in newest[1]]
    if not common:
        raise ValueError(
            f"{a} and {b} have no metric in common: {', '.join(newest[0])} | "
            f"{', '.join(newest[1])}. Evaluate both with the same extractor and metrics."
        )
    return [scores.compare(newest[0][metric], newest[1][metric]) for metric in common]
