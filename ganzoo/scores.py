"""Scores with their protocol: what was measured, with what, on how many images of what.

Two numbers of one metric mean the same only under one protocol, so a score is a record that knows
its own, prints as one line, lies in `scores.jsonl`, and is not compared with one that differs.
"""

import dataclasses
import hashlib
import json
import pathlib

import numpy as np

from ganzoo import __version__

#: fields that must agree before two values may be compared
PROTOCOL = (
    "metric",
    "settings",
    "extractor",
    "extractor_sha256",
    "resizing",
    "split",
    "real_sha256",
    "n_real",
    "n_fake",
)
FILE = "scores.jsonl"
# images of each set when nothing is said: what papers of small images take
IMAGES = 10_000
# images drawn in one call, so that progress shows; a multiple of `sampling.GROUP`
DRAWN = 512


@dataclasses.dataclass(frozen=True)
class Score:
    """One value of one metric, and all that it depends on.

    Attributes:
        metric: its title: "FID" with the extractor "inception_2015" only, else "FD-fashion".
        value: float. interval: `(low, high)`, or None; see the metric's `interval`.
        floor: the same metric of other real images in the place of the fakes; None without any.
        n_floor: how many those were.
        settings: the metric's own numbers, such as `{"k": 3}`.
        extractor, extractor_sha256, resizing: None for metrics of pixels.
        data: the real images' spec. split: which part. real_sha256: hash of the images used.
        n_real, n_fake: images of each set.
        model: what made the fakes. weights: "average" or "raw". seed: of the fakes.
        versions: of ganzoo, keras and tensorflow.
    """

    metric: str
    value: float
    interval: tuple | None
    floor: float | None
    n_floor: int | None
    settings: dict
    extractor: str | None
    extractor_sha256: str | None
    resizing: str | None
    data: str
    split: str
    real_sha256: str
    n_real: int
    n_fake: int
    model: str
    weights: str
    seed: int | None
    versions: dict

    def __str__(self):
        text = f"{self.metric} {self.value:.5g}"
        if self.interval is not None:
            text += " [{:.4g}, {:.4g}]".format(*self.interval)
        if self.floor is not None:
            text += f", floor {self.floor:.5g}"
            if self.n_floor != self.n_fake:
                text += f" (of {self.n_floor:,})"
        made = f"{self.n_fake:,} fakes of {self.model} ({self.weights}, seed {self.seed})"
        text += f" | {made} against {self.n_real:,} of {self.data} {self.split}"
        if self.extractor is not None:
            text += f" | {self.extractor} {self.extractor_sha256[:8]}, resizing {self.resizing}"
        numbers = [f"{name} {value}" for name, value in self.settings.items()]
        return " | ".join([text, *numbers, f"ganzoo {self.versions['ganzoo']}"])


def differences(a, b):
    """The fields of the protocol in which two scores differ, as "field: this | that"."""
    pairs = [(name, getattr(a, name), getattr(b, name)) for name in PROTOCOL]
    return [f"{name}: {x} | {y}" for name, x, y in pairs if x != y]


def compare(a, b):
    """Which of two scores is lower, and by how much, as a line.

    Raises:
        ValueError: scores of different protocols, with the fields that differ.
    """
    different = differences(a, b)
    if different:
        raise ValueError(
            f"{a.metric} of {a.model} and {b.metric} of {b.model} are not comparable; they differ "
            f"in {'; '.join(different)}."
        )
    text = f"{a.metric}: {a.value:.5g} of {a.model}, {b.value:.5g} of {b.model}"
    text += f" (difference {b.value - a.value:+.4g}"
    if a.interval is not None and b.interval is not None:
        apart = a.interval[0] > b.interval[1] or b.interval[0] > a.interval[1]
        text += ", intervals apart" if apart else ", intervals overlap"
    text += ")"
    noted = [
        f"{name} {getattr(a, name)} | {getattr(b, name)}"
        for name in ("weights", "seed", "versions")
        if getattr(a, name) != getattr(b, name)
    ]
    return text + (f"; note: {', '.join(noted)}" if noted else "")


def append(path, scores):
    """Adds scores to a `scores.jsonl`, a line each; its folder is made when it does not exist."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(dataclasses.asdict(score)) + "\n" for score in scores]
    with open(path, "a", encoding="utf-8") as file:
        file.write("".join(lines))


def read(path):
    """The scores of a `scores.jsonl`, oldest first.

    Raises:
        ValueError: a line that is no score.
        FileNotFoundError: no such file.
    """
    scores = []
    for i, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            fields = json.loads(line)
            if fields["interval"] is not None:
                fields["interval"] = tuple(fields["interval"])
            scores.append(Score(**fields))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}, line {i}, is no score: {error!r}.") from error
    return scores


class Images:
    """A set of uint8 images whose features are computed once for each extractor.

    Args:
        array: `(N, H, W, C)`. labels: class ids `(N,)`, or None.
        sources: what fakes are made from that are held against these images: class ids, captions,
            images; None where latents are enough.
    """

    def __init__(self, array, labels=None, sources=None):
        self.array, self.labels, self.sources = array, labels, sources
        self._outputs = {}

    @property
    def shape(self):
        """`(H, W, C)`."""
        return self.array.shape[1:]

    def part(self, rows):
        """The same of a slice of the rows."""
        columns = (self.array, self.labels, self.sources)
        return Images(*(None if column is None else column[rows] for column in columns))

    def __len__(self):
        return len(self.array)

    def outputs(self, extractor, progress=None):
        if extractor not in self._outputs:
            self._outputs[extractor] = extractor.outputs(self.array, progress)
        return self._outputs[extractor]

    def give(self, metric, side, progress=None):
        """Adds the features to a metric of sets."""
        metric.keep(side, *self.outputs(metric.extractor, progress), self.labels)

    @property
    def sha256(self):
        return hashlib.sha256(np.ascontiguousarray(self.array)).hexdigest()


class Reference:
    """What a Frechet distance needs to know of a set of real images, without the images.

    Of sets that may not be passed on, or are too large to be. `benchmarks/make_references.py`
    writes the files.

    Attributes:
        data, split, sha256, shape: of the images, see `Score` and `Images`. floors: of the same
            title as the score, see `floors`.
        sources: see `Images`; what fakes are asked for.
    """

    def __init__(self, path, classes=None):
        """Reads a file.

        Args:
            path: an .npz. classes: of the model that is scored, asked for in turn; None without.
        """
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            mean, upper = file["mean"], file["covariance"].astype("float64")
        self.data, self.split, self.sha256 = about["data"], about["split"], about["sha256"]
        self.extractor, self.extractor_sha256 = about["extractor"], about["extractor_sha256"]
        self.shape, self.n = tuple(about["shape"]), about["n"]
        self.floors = {title: tuple(floor) for title, floor in about["floors"].items()}
        self.sources = None if classes is None else np.arange(self.n, dtype="int32") % classes
        covariance = np.zeros((len(mean), len(mean)))
        rows, columns = np.triu_indices(len(mean))
        covariance[rows, columns] = covariance[columns, rows] = upper
        products = covariance * (self.n - 1) + self.n * np.outer(mean, mean)
        self.sums = float(self.n), mean * self.n, products

    @staticmethod
    def write(path, images, extractor, floors, **about):
        """Writes the file of a set.

        Args:
            images: `Images`. extractor: an `Extractor`. floors: see the attributes.
            **about: data and split.
        """
        from ganzoo.files import replacing
        from ganzoo.metrics.statistics import Moments

        moments = Moments.of(images.outputs(extractor)[0])
        about |= {
            "sha256": images.sha256,
            "shape": images.shape,
            "n": len(images),
            "floors": floors,
            "extractor": extractor.name,
            "extractor_sha256": extractor.sha256,
        }
        upper = moments.covariance[np.triu_indices(len(moments.mean))]
        with replacing(path) as new:
            np.savez_compressed(
                new,
                about=json.dumps(about),
                mean=moments.mean,
                covariance=upper.astype("float32"),
            )

    def __len__(self):
        return self.n

    def give(self, metric, side, progress=None):
        """Adds the sums to a Frechet distance.

        Raises:
            ValueError: for a metric that needs more than them, or another extractor.
        """
        if not hasattr(metric, "sums"):
            raise ValueError(
                f"{metric.title} needs the real images, and of {self.data} only means and "
                "covariances are here: give the images as --data, or ask for fid."
            )
        if metric.extractor.sha256 != self.extractor_sha256:
            raise ValueError(
                f"the reference of {self.data} is of the extractor {self.extractor} "
                f"{self.extractor_sha256[:8]}, not {metric.extractor.name} "
                f"{metric.extractor.sha256[:8]}: give the images as --data."
            )
        for variable, value in zip(metric.sums[side], self.sums, strict=True):
            variable.assign(value)


def measure(metrics, real, fake, progress=None):
    """Values of metrics on two sets.

    Args:
        metrics: a list of `ganzoo.metrics`; their state is reset first.
        real, fake: `Images`; real ones may be a `Reference`. For metrics of pairs, the i-th of each
            belong together.
        progress: called with the number of images whenever an extractor has seen some, or None.

    Returns:
        A list of (metric, key in logs, title, value, interval), two for a metric of two values.
    """
    found = []
    for metric in metrics:
        metric.reset_state()
        if hasattr(metric, "sides"):
            for side, images in (("real", real), ("fake", fake)):
                if side in metric.sides:
                    images.give(metric, side, progress)
        else:
            metric.update_state(real.array, fake.array)
        value = metric.result()
        if isinstance(value, dict):
            _, dash, extractor = metric.title.partition("-")
            for name, part in value.items():
                found.append((metric, name, name + dash + extractor, float(part), None))
        else:
            found.append((metric, metric.name, metric.title, float(value), metric.interval()))
    return found


def floors(metrics, real, other, progress=None):
    """What other real images score in the place of the fakes.

    Args:
        metrics, real, progress: see `measure`; metrics of pairs have no floor.
        other: `Images`, none of which is among `real`.

    Returns:
        dict: title -> (value, number of other images).
    """
    from ganzoo.metrics import LabelFidelity

    sets = [metric for metric in metrics if hasattr(metric, "sides")]
    if other.labels is None:
        sets = [metric for metric in sets if not isinstance(metric, LabelFidelity)]
    found = measure(sets, real, other, progress)
    return {title: (value, len(other)) for _, _, title, value, _ in found}


def score(metrics, real, fake, floors=None, progress=None, **about):
    """Scores of fakes.

    Args:
        metrics, real, fake, progress: see `measure`.
        floors: what the function of that name gave, or None.
        **about: the other fields of `Score`: data, split, model, weights, seed.

    Returns:
        dict: key in logs -> `Score`.
    """
    import keras
    import tensorflow as tf

    versions = {"ganzoo": __version__, "keras": keras.__version__, "tensorflow": tf.__version__}
    scores = {}
    for metric, key, title, value, interval in measure(metrics, real, fake, progress):
        config, extractor = metric.get_config(), getattr(metric, "extractor", None)
        limit = config.pop("limit", None)  # of images, so the numbers of images tell it
        floor, n_floor = (floors or {}).get(title, (None, None))
        scores[key] = Score(
            metric=title,
            value=value,
            interval=interval,
            floor=floor,
            n_floor=n_floor,
            settings={k: v for k, v in config.items() if k not in ("extractor", "name")},
            extractor=extractor and extractor.name,
            extractor_sha256=extractor and extractor.sha256,
            resizing=extractor and extractor.resizing_of(real.shape),
            real_sha256=real.sha256,
            n_real=min(len(real), limit or len(real)),
            n_fake=min(len(fake), limit or len(fake)),
            versions=versions,
            **about,
        )
    return scores


def draw(model, n, labels=None, seed=0, progress=None, captions=False):
    """n fakes, the same as `model.generate(n, labels, seed=seed)` to the byte.

    Args:
        labels: class ids, or captions.
        progress: called with the number of images drawn since the last call, or None.
        captions: whether `labels` are captions.

    Returns:
        `Images`.
    """
    from ganzoo import sampling

    given = model.sampling_inputs(n, labels, seed, None)
    sample, drawn = sampling.sampler(model), []
    for i in range(0, n, DRAWN):
        part = [a[i : i + DRAWN] for a in given]
        drawn.append(sampling.run(sample, part, len(part[0]), 64))
        if progress:
            progress(len(part[0]))
    return Images(np.concatenate(drawn), None if captions else labels)
