"""Extractors: networks that turn images into the features that scores compare.

A score means something only together with its extractor, so each has a name, the hash of its
weights and the name of its resizing filter, and all three go into every record.
"""

import contextlib
import hashlib
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from ganzoo.metrics import classifiers, lite0
from ganzoo.metrics.resize import resize

WEIGHTS = pathlib.Path(__file__).parent / "weights"
# images in one call of the network: a fixed number, because others round differently
CHUNK = 100


class Extractor:
    """A network with a name: images to features `(N, D)` and logits `(N, K)`.

    Args:
        name: what scores are named after: "fashion" gives "FD-fashion".
        network: a `keras.Model` from float images `(N, H, W, C)` in [0, 255] to features `(N, D)`
            and logits `(N, K)`; H and W may be None where the network resizes by itself.
        sha256: hash of the weights.
        resizing: filter that brings images to the network's size: "antialiased bilinear" or
            "tf1 bilinear". Images of that size are left as they are.
        size: `(H, W, C)` of the network's images. Default: of its input.
    """

    def __init__(self, name, network, sha256, resizing="antialiased bilinear", size=None):
        self.name, self.network, self.sha256 = name, network, sha256
        self.size = tuple(size or network.input_shape[1:])
        self.resizing = resizing
        self.dimensions, self.classes = (int(shape[-1]) for shape in network.output_shape)
        self._runs = {}

    def __call__(self, images):
        """Features and logits of a batch, also inside another function's graph.

        Args:
            images: a tensor `(N, H, W, C)`, uint8, or float in [-1, 1]: rounded to the 256 values
                of a picture first, as a saved image is. C of 1, 3 or 4: grey becomes three equal
                channels, colour its luma, and what is transparent is laid on white.

        Returns:
            float32 `(N, D)` and `(N, K)`.
        """
        # one for each shape, because `reduce_retracing` would make the channels unknown, too
        key = tuple(images.shape[1:])
        if key not in self._runs:
            self._runs[key] = tf.function(self._prepared, reduce_retracing=True)
        return self._runs[key](images)

    def _prepared(self, images):
        images = levels(images)
        # a ReLU makes 0 of NaN, and a broken image would have features like another
        whole = tf.reduce_all(tf.math.is_finite(images), axis=(1, 2, 3))[:, None]
        outputs = self.network(resize(images, self.size, self.resizing), training=False)
        return [tf.where(whole, output, np.nan) for output in outputs]

    def features(self, images, progress=None):
        """Features of uint8 images `(N, H, W, C)` as a float32 array `(N, D)`."""
        return self.outputs(images, progress)[0]

    def logits(self, images, progress=None):
        """Logits of uint8 images `(N, H, W, C)` as a float32 array `(N, K)`."""
        return self.outputs(images, progress)[1]

    def outputs(self, images, progress=None):
        """Features and logits of uint8 images `(N, H, W, C)`, CHUNK of them at a time.

        Args:
            progress: called with the number of images after each chunk, or None.

        Raises:
            ValueError: images of another type, rank or number of channels.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8:
            raise ValueError(
                f"images of type {images.dtype}: want uint8 in [0, 255]; of floats in [-1, 1] make "
                'np.round((x + 1) * 127.5).astype("uint8").'
            )
        if images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or not images.size:
            raise ValueError(
                f"images of shape {images.shape}: want (N, H, W, C) with C of 1, 3 or 4, and at "
                "least one."
            )
        pieces = []
        for i in range(0, len(images), CHUNK):
            chunk = images[i : i + CHUNK]
            # the last one is filled up, so that a picture's features do not depend on their number
            full = np.resize(chunk, (CHUNK, *chunk.shape[1:])) if i else chunk
            pieces.append([np.asarray(a)[: len(chunk)] for a in self(tf.constant(full))])
            if progress:
                progress(len(chunk))
        features, logits = zip(*pieces, strict=True)
        return np.concatenate(features), np.concatenate(logits)

    def resizing_of(self, image_shape):
        """What is done to images of this shape: the filter and the size, or "none"."""
        height, width, _ = self.size
        if tuple(image_shape[:2]) == (height, width):
            return "none"
        return f"{self.resizing} to {height}x{width}"


def levels(images):
    """Float images with the 256 values of a picture, 0 to 255; NaN stays NaN."""
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32)
    images = tf.cast(images, tf.float32)
    rounded = tf.round(tf.clip_by_value((images + 1.0) * 127.5, 0.0, 255.0))
    return tf.where(tf.math.is_nan(images), images, rounded)


def index():
    """name -> file, sha256 and accuracy of the extractors that ship with the package."""
    return json.loads((WEIGHTS / "index.json").read_text())


def names():
    """Names that `load` knows."""
    return (*index(), "inception_2015")


def load(name, path=None):
    """An extractor by name.

    Args:
        name: `"fashion"`, `"mnist"`: classifiers of 28x28 images trained on the complete sets.
            `"lite0"`: EfficientNet-Lite0, trained on ImageNet, for colour images.
            `"inception_2015"`: the network of the FID; needs its weight file.
        path: the weight file of "inception_2015"; see `ganzoo.metrics.inception.load`.

    Raises:
        ValueError: an unknown name, or a file whose hash is not the expected one.
        FileNotFoundError: no weight file of "inception_2015"; says how to get it.
    """
    if name == "inception_2015":
        from ganzoo.metrics import inception

        return inception.load(path)
    rows = index()
    if name not in rows:
        raise ValueError(f"extractor={name!r}: want one of {', '.join(names())}, or an Extractor.")
    with float32():
        network = lite0.network() if name == "lite0" else classifiers.network()
    return Extractor(name, network, fill(network, name))


def hash_of(arrays):
    """The sha256 of arrays in their order."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def fill(network, name):
    """Sets a network's weights to those that ship under this name; returns their sha256.

    Raises:
        ValueError: a weight file that is not as it was shipped.
    """
    row = index()[name]
    sha256 = checked(WEIGHTS / row["file"], row["sha256"])
    with np.load(WEIGHTS / row["file"], allow_pickle=False) as arrays:
        network.set_weights([arrays[k].astype("float32") for k in sorted(arrays.files)])
    return sha256


def checked(path, *expected):
    """The sha256 of a file.

    Raises:
        ValueError: when it is none of the expected ones.
    """
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found not in expected:
        raise ValueError(
            f"{path} has sha256 {found[:12]}..., want {' or '.join(e[:12] for e in expected)}...: "
            "it is truncated, altered or another file; get it again."
        )
    return found


@contextlib.contextmanager
def float32():
    """Layers made in this context compute in float32, whatever the global policy is."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
