"""Scores of a set of fakes against a set of real images, as Keras metrics.

Each is given to `compile(metrics=[...])` (then `evaluate` and `fit(validation_data=...)` report it,
and `monitor="val_fid"` works), to the `Evaluate` callback, or called on arrays. What is kept
between batches is bounded; the score is computed once, at the end.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from ganzoo import inputs
from ganzoo.metrics import extractors, statistics

# 95 % of a normal distribution lie within this many deviations
NORMAL_95 = 1.96


class SetMetric(keras.metrics.Metric):
    """What the scores share: features of both sets, checks, names.

    Args:
        extractor: a name (see `ganzoo.metrics.load_extractor`), an `Extractor`, or None when
            `update_state` is given features `(N, D)` instead of images.
        name: the key in logs.
    """

    #: `GAN.evaluate` asks for the result once, at the end, instead of after every batch
    at_end = True
    #: of which sets features are needed
    sides = ("real", "fake")
    #: names of the score: with "inception_2015", and with any other extractor
    titles = ("", "")

    def __init__(self, extractor="inception_2015", name=None):
        super().__init__(name=name)
        if isinstance(extractor, str):
            extractor = extractors.load(extractor)
        self.extractor = extractor
        if extractor is not None:
            self.allocate(extractor.dimensions, extractor.classes)

    @property
    def title(self):
        """What the score may be called: "FID" or, with another extractor, "FD-fashion"."""
        if self.extractor is None or self.extractor.name == "inception_2015":
            return self.titles[0]
        return f"{self.titles[1]}-{self.extractor.name}"

    def allocate(self, dimensions, classes):
        """Makes the variables, for features and logits of these lengths."""
        raise NotImplementedError

    def keep(self, side, features, logits, labels):
        """Adds features `(N, D)` and logits `(N, K)` of one set."""
        raise NotImplementedError

    def update_state(self, real, fake, labels=None):
        """Adds a batch of each set; they may be of different length.

        Args:
            real, fake: images `(N, H, W, C)`, uint8 or float in [-1, 1]; features `(N, D)` when
                there is no extractor. Outside of `tf.function`, one of them may be empty.
            labels: class ids `(N,)` that the fakes were asked for; only `LabelFidelity` looks.

        Raises:
            ValueError: images of another rank, type or range, or with NaN.
        """
        for side, images in (("real", real), ("fake", fake)):
            if side in self.sides and (not tf.executing_eagerly() or len(images)):
                self.keep(side, *self.extract(side, images), labels)

    def extract(self, side, images):
        """Features and logits of images; of features, themselves twice."""
        if self.extractor is None:
            rows = np.asarray(images)
            if rows.ndim != 2:
                raise ValueError(
                    f"{side} of shape {rows.shape}: want features (N, D), or name an extractor."
                )
            if not self.variables:
                self.allocate(rows.shape[1], rows.shape[1])
            return rows, rows
        if tf.executing_eagerly():
            return self.extractor.outputs(as_pictures(side, images))
        return self.extractor(images)

    def value(self, state):
        """The score, a float or a dict of floats, of what was kept: a dict of NumPy arrays."""
        raise NotImplementedError

    def result(self):
        """The score of all images since `reset_state`.

        Raises:
            ValueError: too few images, NaN features, or real images that are all alike.
        """
        value = self.value({v.name: np.asarray(v) for v in self.variables})
        return tf.nest.map_structure(lambda a: ops.convert_to_tensor(a, "float64"), value)

    def interval(self):
        """The bounds of the last result's interval, or None where the score has none."""
        return None

    def enough(self, side, n, least):
        """Raises a ValueError when there are fewer images than the score needs."""
        if n < least:
            raise ValueError(
                f"{self.title} needs {least} {side} images or more, and got {int(n)}: give more "
                "images."
            )

    def finite(self, side, features):
        """Raises a ValueError when features, or their sums, hold NaN or infinity."""
        if not np.isfinite(features).all():
            raise ValueError(
                f"{self.title}: features of the {side} images hold NaN or infinity: "
                + ("look at the data." if side == "real" else "the generator has diverged.")
            )

    def varied(self, spread, n):
        """Raises a ValueError when all real images have the same features."""
        if not spread > 0:
            raise ValueError(
                f"{self.title}: all {int(n)} real images have the same features, so there is "
                "nothing to compare with: look at the data."
            )

    def get_config(self):
        extractor = self.extractor and self.extractor.name
        return {"extractor": extractor, "name": self.name}


def as_pictures(side, images):
    """uint8 images of uint8 ones or floats in [-1, 1]."""
    images = np.asarray(images)
    if images.dtype == np.uint8:
        return images
    if images.ndim != 4:
        raise ValueError(f"{side} images of shape {images.shape}: want (N, H, W, C).")
    try:
        inputs.check_images(images, images.shape[1:])
    except ValueError as error:
        raise ValueError(f"{side} images: {error}") from None
    return np.asarray(extractors.levels(tf.convert_to_tensor(images))).astype("uint8")


@keras.saving.register_keras_serializable(package="ganzoo")
class FID(SetMetric):
    """The Frechet distance of two normal distributions with the sets' means and covariances.

    Heusel et al. 2017, https://arxiv.org/abs/1706.08500. Low is good. It is biased upwards, more so
    with fewer images: compare scores of equal numbers only. Called "FID" with the extractor
    "inception_2015" only, else "FD-" and its name.

    Args:
        extractor, name: see `SetMetric`.
    """

    titles = ("FID", "FD")

    def __init__(self, extractor="inception_2015", name="fid"):
        super().__init__(extractor, name)

    def allocate(self, dimensions, classes):
        self.sums = {}
        for side in self.sides:
            shapes = {"n": (), "total": (dimensions,), "products": (dimensions, dimensions)}
            self.sums[side] = [
                self.add_variable(shape, "zeros", dtype="float64", name=f"{side}_{name}")
                for name, shape in shapes.items()
            ]

    def keep(self, side, features, logits, labels):
        n, total, products = self.sums[side]
        features = ops.cast(features, "float64")
        n.assign_add(ops.cast(ops.shape(features)[0], "float64"))
        total.assign_add(ops.sum(features, axis=0))
        products.assign_add(ops.matmul(ops.transpose(features), features))

    def value(self, state):
        moments = {}
        for side in self.sides:
            n, total, products = (state[f"{side}_{k}"] for k in ("n", "total", "products"))
            self.enough(side, n, 2)
            self.finite(side, products)
            moments[side] = statistics.Moments(n, total, products)
        self.varied(np.trace(moments["real"].covariance), moments["real"].n)
        return statistics.frechet_distance(moments["real"], moments["fake"])


class Stored(SetMetric):
    """A score that needs the features themselves: those of the first `limit` images of each set.

    Args:
        extractor, name: see `SetMetric`.
        limit: images of each set that are kept; later ones are not looked at.
    """

    #: which of features and logits is kept
    kept = "features"

    def __init__(self, extractor="inception_2015", name=None, limit=10_000):
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 2:
            raise ValueError(f"limit={limit!r}: want a whole number of images, 2 or more.")
        self.limit = limit
        super().__init__(extractor, name)

    def allocate(self, dimensions, classes):
        width = dimensions if self.kept == "features" else classes
        self.stores = {}
        for side in self.sides:
            # all that does not fit goes into one more row, so that shapes stay known to XLA
            rows = self.add_variable((self.limit + 1, width), "zeros", "float32", name=side)
            n = self.add_variable((), "zeros", "int32", name=f"{side}_n")
            self.stores[side] = rows, n

    def keep(self, side, features, logits, labels):
        rows, n = self.stores[side]
        new = ops.cast(features if self.kept == "features" else logits, "float32")
        count = ops.shape(new)[0]
        # every replica has zeros in the rows of the others, and reading adds the replicas up
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        places = n.value + tf.range(count)
        if replicas > 1:
            places = places * replicas + context.replica_id_in_sync_group
        places = tf.minimum(places, self.limit)
        rows.assign(tf.tensor_scatter_nd_update(rows.value, places[:, None], new))
        n.assign_add(count)

    def value(self, state):
        sets = {}
        for side in self.sides:
            n = min(state[f"{side}_n"], self.limit)
            self.enough(side, n, self.least)
            sets[side] = state[side][:n]
            self.finite(side, sets[side])
        if "real" in sets:
            self.varied(np.ptp(sets["real"], axis=0).max(), len(sets["real"]))
        return self.of(**sets)

    def of(self, **sets):
        """The score of the kept rows: float32 `(N, D)` arrays `real` and `fake`."""
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "limit": self.limit}


@keras.saving.register_keras_serializable(package="ganzoo")
class KID(Stored):
    """The kernel distance: the unbiased squared maximum mean discrepancy of a cubic kernel.

    Binkowski et al. 2018, https://arxiv.org/abs/1801.01401. Low is good, 0 is expected of two sets
    of one kind, and it may be negative. Unlike the FID it is fair with few images, and has an
    interval. Not multiplied by 1,000.

    Args:
        extractor, name, limit: see `Stored`.
    """

    titles = ("KID", "KD")
    least = 2

    def __init__(self, extractor="inception_2015", name="kid", limit=10_000):
        super().__init__(extractor, name, limit)

    def of(self, real, fake):
        value, error = statistics.kernel_distance(real, fake)
        self.low, self.high = value - NORMAL_95 * error, value + NORMAL_95 * error
        return value

    def interval(self):
        """The bounds within which the true distance lies with 95 %, of the last `result()`."""
        return self.low, self.high


class Manifold(Stored):
    """Scores from balls about each image that reach to its k-th neighbour.

    Args:
        extractor, name, limit: see `Stored`.
        k: neighbours.
    """

    parts = ()

    def __init__(self, extractor, name, limit, k):
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"k={k!r}: want a whole number of neighbours, 1 or more.")
        self.k, self.least = k, k + 1
        super().__init__(extractor, name, limit)

    def of(self, real, fake):
        scores = statistics.manifold_scores(real, fake, self.k)
        return {part: scores[part] for part in self.parts}

    def get_config(self):
        return {**super().get_config(), "k": self.k}


@keras.saving.register_keras_serializable(package="ganzoo")
class PrecisionRecall(Manifold):
    """The share of fakes that look real, and the share of real images that G can make.

    Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991. Both in [0, 1], high is good; logged
    as `precision` and `recall`.

    Args:
        extractor, name, limit, k: see `Manifold`. k of the paper: 3.
    """

    titles = ("PR", "PR")
    parts = ("precision", "recall")

    def __init__(self, extractor="inception_2015", name="precision_recall", limit=10_000, k=3):
        super().__init__(extractor, name, limit, k)


@keras.saving.register_keras_serializable(package="ganzoo")
class DensityCoverage(Manifold):
    """Precision and recall that single outliers do not decide.

    Naeem et al. 2020, https://arxiv.org/abs/2002.09797. Density is 1 for two sets of one kind and
    may be more, coverage is in [0, 1]; high is good; logged as `density` and `coverage`.

    Args:
        extractor, name, limit, k: see `Manifold`. k of the paper: 5.
    """

    titles = ("DC", "DC")
    parts = ("density", "coverage")

    def __init__(self, extractor="inception_2015", name="density_coverage", limit=10_000, k=5):
        super().__init__(extractor, name, limit, k)


@keras.saving.register_keras_serializable(package="ganzoo")
class InceptionScore(Stored):
    """How sure the extractor is of the fakes' classes, and how even these are.

    Salimans et al. 2016, https://arxiv.org/abs/1606.03498. Between 1 and the number of classes,
    high is good. It knows no real images and does not see a set learned by heart.

    Args:
        extractor, name, limit: see `Stored`. With extractor None, `update_state` takes logits.
        splits: pieces that are scored by themselves; the score is their mean.
    """

    titles = ("IS", "IS")
    sides = ("fake",)
    kept = "logits"

    def __init__(self, extractor="inception_2015", name="inception_score", limit=10_000, splits=10):
        if isinstance(splits, bool) or not isinstance(splits, int) or splits < 1:
            raise ValueError(f"splits={splits!r}: want a whole number of pieces, 1 or more.")
        self.splits = self.least = splits
        super().__init__(extractor, name, limit)

    def of(self, fake):
        value, deviation = statistics.inception_score(fake, self.splits)
        self.low, self.high = value - deviation, value + deviation
        return value

    def interval(self):
        """The mean of the pieces less and plus their deviation, as papers give it, of the last
        `result()`."""
        return self.low, self.high

    def get_config(self):
        return {**super().get_config(), "splits": self.splits}


@keras.saving.register_keras_serializable(package="ganzoo")
class LabelFidelity(SetMetric):
    """The share of fakes that the extractor takes for the class they were asked for.

    The mean over classes of the accuracy of each, so that a class counts alike however many images
    it has. In [0, 1], high is good; the extractor's own test accuracy is what real images reach.

    Args:
        extractor: one that knows the model's classes by the same numbers: "fashion" or "mnist", or
            your own. None: `update_state` takes logits.
        name: see `SetMetric`.
    """

    titles = ("LF", "LF")
    sides = ("fake",)

    def __init__(self, extractor, name="label_fidelity"):
        super().__init__(extractor, name)

    def allocate(self, dimensions, classes):
        self.hits = self.add_variable((classes,), "zeros", "float64", name="hits")
        self.asked = self.add_variable((classes,), "zeros", "float64", name="asked")
        self.n = self.add_variable((), "zeros", "float64", name="n")

    def keep(self, side, features, logits, labels):
        if labels is None:
            raise ValueError(
                f"{self.title}: fakes without labels: only a model with classes has a fidelity."
            )
        labels = inputs.to_class_ids(ops.convert_to_tensor(labels))
        asked = ops.one_hot(labels, self.hits.shape[0], dtype="float64")
        hit = ops.cast(ops.cast(ops.argmax(logits, axis=1), "int32") == labels, "float64")
        self.n.assign_add(ops.cast(ops.size(labels), "float64"))
        self.asked.assign_add(ops.sum(asked, axis=0))
        self.hits.assign_add(ops.sum(asked * hit[:, None], axis=0))

    def value(self, state):
        classes, n = len(state["asked"]), int(state["n"])
        self.enough("fake", n, classes)
        strangers = n - int(state["asked"].sum())
        if strangers:
            raise ValueError(
                f"{self.title}: {strangers} of {n} fakes have a label that is none of the "
                f"extractor's {classes} classes: take an extractor of this data set's classes."
            )
        missing = np.flatnonzero(state["asked"] == 0)
        if len(missing):
            raise ValueError(
                f"{self.title}: no fakes of class {', '.join(map(str, missing))}: give images of "
                f"all {classes} classes that the extractor knows."
            )
        return float((state["hits"] / state["asked"]).mean())
