"""The network of the FID: Inception v3 as TensorFlow published it on 2015-12-05.

Szegedy et al. 2016, https://arxiv.org/abs/1512.00567. It is not `keras.applications.InceptionV3`,
and published FIDs come from its peculiarities: 1008 classes; images resized by TensorFlow 1's
`resize_bilinear`, which counts pixels from the corner; averages over windows that leave the rim
out; a maximum instead of an average in the pooling branch of the very last block; and for the
Inception Score logits without their bias.

Batch normalisation is folded into the convolutions. Layers have the names of the PyTorch port.
"""

import os
import pathlib
import re

import keras
import numpy as np
from keras import layers

from ganzoo.importers import checkpoints
from ganzoo.metrics import extractors

SIDE, FEATURES, CLASSES, EPSILON = 299, 2048, 1008, 1e-3
#: the two published files of these weights: name -> sha256
FILES = {
    # the port of mseitzer/pytorch-fid, which torch-fidelity takes, too
    "pt_inception-2015-12-05-6726825d.pth": (
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
    ),
    # TensorFlow's own graph, in inception-2015-12-05.tgz
    "classify_image_graph_def.pb": (
        "009d6814d1bc560d4e7b236e170e9b2d5ca6f4b57bd8037f6db05776204415c6"
    ),
}
URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
#: environment variable with the path of one of the files
VARIABLE = "GANZOO_INCEPTION"


def network():
    """RGB images `(N, 299, 299, 3)` in [0, 255] to features `(N, 2048)` and logits `(N, 1008)`.

    The logits are without their bias; the layer "fc" has it.
    """
    images = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 128, -1)(images)
    x = conv(x, "Conv2d_1a_3x3", 32, 3, 2, "valid")
    x = conv(x, "Conv2d_2a_3x3", 32, 3, 1, "valid")
    x = conv(x, "Conv2d_2b_3x3", 64, 3)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = conv(x, "Conv2d_3b_1x1", 80, 1, 1, "valid")
    x = conv(x, "Conv2d_4a_3x3", 192, 3, 1, "valid")
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)
    for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
        x = block_35(x, f"Mixed_{name}", pooled)
    x = reduction_to_17(x, "Mixed_6a")
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        x = block_17(x, f"Mixed_{name}", width)
    x = reduction_to_8(x, "Mixed_7a")
    x = block_8(x, "Mixed_7b", average)
    x = block_8(x, "Mixed_7c", layers.MaxPooling2D(3, 1, "same"))
    features = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(CLASSES, use_bias=False, name="fc")(features)
    return keras.Model(images, [features, logits], name="inception_2015")


def conv(x, name, filters, size, stride=1, padding="same"):
    x = layers.Conv2D(filters, size, stride, padding, name=name)(x)
    return layers.ReLU()(x)


def average(x):
    """3x3 means at stride 1, at the rim of the pixels that there are."""
    return layers.AveragePooling2D(3, 1, "same")(x)


def chain(x, name, *steps):
    """Convolutions one after another: `name`_1, `name`_2, ..., of (filters, size, ...)."""
    for i, step in enumerate(steps, 1):
        x = conv(x, f"{name}_{i}", *step)
    return x


def block_35(x, name, pooled):
    return layers.Concatenate()(
        [
            conv(x, f"{name}.branch1x1", 64, 1),
            chain(x, f"{name}.branch5x5", (48, 1), (64, 5)),
            chain(x, f"{name}.branch3x3dbl", (64, 1), (96, 3), (96, 3)),
            conv(average(x), f"{name}.branch_pool", pooled, 1),
        ]
    )


def reduction_to_17(x, name):
    return layers.Concatenate()(
        [
            conv(x, f"{name}.branch3x3", 384, 3, 2, "valid"),
            chain(x, f"{name}.branch3x3dbl", (64, 1), (96, 3), (96, 3, 2, "valid")),
            layers.MaxPooling2D(3, 2)(x),
        ]
    )


def block_17(x, name, n):
    wide, high = (n, (1, 7)), (n, (7, 1))
    return layers.Concatenate(name=name)(
        [
            conv(x, f"{name}.branch1x1", 192, 1),
            chain(x, f"{name}.branch7x7", (n, 1), wide, (192, (7, 1))),
            chain(x, f"{name}.branch7x7dbl", (n, 1), high, wide, high, (192, (1, 7))),
            conv(average(x), f"{name}.branch_pool", 192, 1),
        ]
    )


def reduction_to_8(x, name):
    steps = (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2, "valid")
    return layers.Concatenate()(
        [
            chain(x, f"{name}.branch3x3", (192, 1), (320, 3, 2, "valid")),
            chain(x, f"{name}.branch7x7x3", *steps),
            layers.MaxPooling2D(3, 2)(x),
        ]
    )


def block_8(x, name, pool):
    one = conv(x, f"{name}.branch3x3_1", 384, 1)
    two = chain(x, f"{name}.branch3x3dbl", (448, 1), (384, 3))
    return layers.Concatenate()(
        [
            conv(x, f"{name}.branch1x1", 320, 1),
            conv(one, f"{name}.branch3x3_2a", 384, (1, 3)),
            conv(one, f"{name}.branch3x3_2b", 384, (3, 1)),
            conv(two, f"{name}.branch3x3dbl_3a", 384, (1, 3)),
            conv(two, f"{name}.branch3x3dbl_3b", 384, (3, 1)),
            conv(pool(x), f"{name}.branch_pool", 192, 1),
        ]
    )


# Weights


def load(path=None):
    """The extractor `inception_2015`, from one of the published files.

    Args:
        path: `pt_inception-2015-12-05-6726825d.pth` or `classify_image_graph_def.pb`; known by
            their hash, not by their names. None: the file that the environment variable
            GANZOO_INCEPTION names; one of these names in the folder `ganzoo` of Keras's home
            (`~/.keras/ganzoo`); or else the first is downloaded there (96 MB).

    Raises:
        FileNotFoundError: no such file, and no network.
        ValueError: another file than these two.
    """
    path = pathlib.Path(path or os.environ.get(VARIABLE) or found() or downloaded())
    if not path.is_file():
        raise FileNotFoundError(f"no weight file {path}. {how_to_get_it()}")
    sha256 = extractors.checked(path, *FILES.values())
    if sha256 == FILES["classify_image_graph_def.pb"]:
        state = graph_arrays(path)
    else:
        state = checkpoints.read(path)
    return from_arrays(state, "inception_2015", sha256)


def home():
    keras_home = os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras"
    return pathlib.Path(keras_home) / "ganzoo"


def found():
    """The first of the files that lies in Keras's home, or None."""
    return next((home() / name for name in FILES if (home() / name).is_file()), None)


def downloaded():
    name, sha256 = next(iter(FILES.items()))
    try:
        return keras.utils.get_file(
            name, URL + name, file_hash=sha256, cache_dir=home().parent, cache_subdir=home().name
        )
    except Exception as error:  # Keras raises no narrower class
        raise FileNotFoundError(
            f"the weights of inception_2015 cannot be downloaded. {how_to_get_it()}"
        ) from error


def how_to_get_it():
    name = next(iter(FILES))
    return (
        f"Get {URL}{name} and put it into {home()}, or name its path in {VARIABLE}; or take "
        f"another extractor: {', '.join(extractors.index())}."
    )


def from_arrays(state, name="inception_given", sha256=None):
    """An extractor with this network and weights under the PyTorch port's names.

    Args:
        state: dict of arrays such as "Mixed_5b.branch1x1.conv.weight" (O, I, kh, kw),
            "....bn.running_mean" and "fc.weight"; see `checkpoints.read`.
        name: the extractor's; only with that of the published weights are scores called FID.
        sha256: hash of their file; None for that of the arrays.

    Raises:
        ValueError: an array that is missing or of another shape.
    """
    with extractors.float32():
        model = network()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(folded(state, layer))
    if sha256 is None:
        sha256 = extractors.hash_of(model.get_weights())
    return extractors.Extractor(name, model, sha256, "tf1 bilinear")


def folded(state, layer):
    """Kernel, and bias, of a layer together with the normalisation after it."""
    if layer.name == "fc":
        return [taken(state, "fc.weight", (CLASSES, FEATURES)).T]
    height, width, channels, filters = layer.kernel.shape
    kernel = taken(state, f"{layer.name}.conv.weight", (filters, channels, height, width))
    gamma, beta, mean, variance = (
        taken(state, f"{layer.name}.bn.{part}", (filters,))
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    return [kernel.transpose(2, 3, 1, 0) * scale, beta - mean * scale]


def taken(state, key, shape):
    if key not in state:
        raise ValueError(f"inception_2015: {key!r} is missing from the weights.")
    if state[key].shape != shape:
        raise ValueError(f"inception_2015: {key!r} has shape {state[key].shape}, want {shape}.")
    return state[key].astype("float64")


#: blocks in the order in which TensorFlow made and numbered them
_BLOCKS = {
    "Conv2d": ("conv", ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")),
    "Mixed": ("mixed", ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")),
}
_BRANCHES = {
    "branch1x1": "conv",
    "branch5x5": "tower",
    "branch7x7": "tower",
    "branch3x3": "tower",
    "branch3x3dbl": "tower_1",
    "branch7x7dbl": "tower_1",
    "branch7x7x3": "tower_1",
    "branch_pool": "tower_2/conv",
}


def graph_name(name):
    """The name that TensorFlow's graph has for a layer of the PyTorch port.

    "Conv2d_2a_3x3" is "conv_1"; "Mixed_6b.branch7x7_2" is "mixed_4/tower/conv_1".
    """
    block, _, part = name.partition(".")
    kind, key = block.split("_", 1)
    scope, keys = _BLOCKS[kind]
    scope = numbered(scope, keys.index(key))
    if not part:
        return scope
    branch, step, half = re.fullmatch(r"(\w+?)(?:_(\d)([ab]?))?", part).groups()
    at = _BRANCHES[branch]
    if key == "6a":  # without a branch of 1x1, the others are one place further up
        at = {"branch3x3": "conv", "branch3x3dbl": "tower"}[branch]
    if step is None:
        return f"{scope}/{at}"
    if half:
        return numbered(f"{scope}/{at}/mixed/conv", "ab".index(half))
    return numbered(f"{scope}/{at}/conv", int(step) - 1)


def numbered(name, i):
    return f"{name}_{i}" if i else name


def graph_arrays(path):
    """The weights of TensorFlow's frozen graph under the PyTorch port's names and layouts.

    Raises:
        ValueError: a graph without one of them.
    """
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(pathlib.Path(path).read_bytes())
    constants = {node.name: node.attr["value"].tensor for node in graph.node if node.op == "Const"}

    def constant(name):
        if name not in constants:
            raise ValueError(f"{path} is not the graph of 2015: it has no constant {name!r}.")
        return tf.make_ndarray(constants[name])

    state = {"fc.weight": constant("softmax/weights").T}
    parts = {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    }
    for layer in network().layers:
        if not layer.weights or layer.name == "fc":
            continue
        scope = graph_name(layer.name)
        kernel = constant(f"{scope}/conv2d_params")
        state[f"{layer.name}.conv.weight"] = kernel.transpose(3, 2, 0, 1)
        for ours, theirs in parts.items():
            state[f"{layer.name}.bn.{ours}"] = constant(f"{scope}/batchnorm/{theirs}")
    return state
