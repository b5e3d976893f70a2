"""Scores of a preset or a run: which data, which extractor, which images. `ganzoo evaluate`."""

import json
import pathlib

import numpy as np

from ganzoo import metrics, presets, scores

#: name on the command line -> metric of two sets
METRICS = {
    "fid": metrics.FID,
    "kid": metrics.KID,
    "precision_recall": metrics.PrecisionRecall,
    "density_coverage": metrics.DensityCoverage,
    "inception_score": metrics.InceptionScore,
    "label_fidelity": metrics.LabelFidelity,
}
DEFAULT = ("fid", "kid", "precision_recall", "density_coverage")


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
    name = str(spec).lower()
    if image_shape[2] > 1:
        return "lite0"
    return "mnist" if "mnist" in name and "fashion" not in name else "fashion"


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
    else the set is cut in halves. All draws are seeded, so the same call gives the same digits.

    Args:
        name_or_dir: a preset's name or folder, or a run folder.
        data: see `ganzoo.data.load`. None: what the preset was trained on.
        split: None: "test" where there is one, else "train".
        names: of `METRICS`. None: `DEFAULT`, and "label_fidelity" for a model with classes.
        n: images of each set. None: all real ones, 10,000 at most.
        seed: int, of the fakes.
        extractor: a name or an `Extractor`. None: the one that suits the data.
        data_dir: folder of prepared TFDS sets.
        progress: called as `progress(done, total)` in images, or None.

    Returns:
        dict: key in logs, such as "fid", -> `ganzoo.scores.Score`.

    Raises:
        ValueError: an unknown metric, preset or data set, too few images.
    """
    unknown = [name for name in names or () if name not in METRICS]
    if unknown:
        raise ValueError(f"no metric {unknown[0]!r}: want some of {', '.join(METRICS)}.")
    folder, _ = locate(name_or_dir)
    metadata = json.loads((folder / "metadata.json").read_text())
    spec = data or metadata.get("data") or "fashion_mnist_10k"
    model = presets.load(folder)
    chosen = extractor or suited(spec, model.image_shape)
    if isinstance(chosen, str):
        chosen = metrics.load_extractor(chosen)
    if names is None:
        fits = model.num_classes is not None and model.num_classes == chosen.classes
        names = (*DEFAULT, "label_fidelity") if fits else DEFAULT
    measured = [METRICS[name](chosen) for name in names]
    load = {"data_dir": data_dir} if data_dir else {}
    split, real, floor = real_sets(spec, split, n or scores.IMAGES, model.image_shape, load)
    labels = None
    if model.num_classes is not None:
        labels = labels_like(real, len(real), model.num_classes)
    total, done = 3 * len(real) + len(floor), 0

    def count(images):
        nonlocal done
        done += images
        if progress:
            progress(done, total)

    fake = scores.draw(model, len(real), labels, seed, count)
    return scores.score(
        measured,
        real,
        fake,
        scores.floors(measured, real, floor, count),
        count,
        data=str(spec),
        split=split,
        model=metadata.get("name") or folder.name,
        weights="raw" if model.ema_generator is None else "average",
        seed=seed,
    )


def real_sets(spec, split, n, image_shape, load):
    """The split's name, up to n real images of it, and as many for the floor."""
    if split is None:
        try:
            return real_sets(spec, "test", n, image_shape, load)
        except (ValueError, FileNotFoundError) as error:
            if "split" not in str(error):
                raise
            split = "train"
    real = scores.real_images(spec, split, n, image_shape, **load)
    other = "train" if split != "train" else "test"
    try:
        if not isinstance(spec, str | pathlib.Path):
            raise ValueError("arrays have no splits")
        floor = scores.real_images(spec, other, len(real), image_shape, **load)
    except (ValueError, FileNotFoundError):  # one whole: a half against the other
        half, labels = len(real) // 2, real.labels
        real, floor = (
            scores.Images(real.array[part], None if labels is None else labels[part])
            for part in (slice(half), slice(half, 2 * half))
        )
    return split, real, floor


def labels_like(real, n, num_classes):
    """Class ids `(n,)` for fakes: those of the real images, else the classes in turn."""
    if real.labels is not None and real.labels.max() < num_classes:
        return np.resize(real.labels, n)
    return np.arange(n, dtype="int32") % num_classes


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
