"""Lornatang/SRGAN-PyTorch: SRResNet and SRGAN's discriminator; torchvision's VGG19.

Keys as in a `state_dict`: `trunk.0.rcb.0.weight`, `features.2.weight`. For networks of
`ganzoo.models.srgan` and `ganzoo.content.vgg19(weights=None)`. The generator works in [0, 1] there
as here; the discriminator sees [0, 1] there and [-1, 1] here.
"""

import numpy as np

from ganzoo.importers.pix2pix import wanted
from ganzoo.importers.table import Row, convolution, linear


def conv(target, source, bias=True):
    rows = [Row(f"{target}.kernel", f"{source}.weight", convolution)]
    return [*rows, Row(f"{target}.bias", f"{source}.bias")] if bias else rows


def batch_norm(target, source):
    return [
        Row(f"{target}.gamma", f"{source}.weight"),
        Row(f"{target}.beta", f"{source}.bias"),
        Row(f"{target}.moving_mean", f"{source}.running_mean"),
        Row(f"{target}.moving_variance", f"{source}.running_var"),
        Row(None, f"{source}.num_batches_tracked"),
    ]


def prelu(target, source):
    return [Row(f"{target}.alpha", f"{source}.weight", lambda a: a.reshape(1, 1, 1))]


def dense(network, target, source):
    """A linear layer; the one after the feature map sees it as (C, H, W), Keras as (H, W, C)."""
    layout = linear
    if target == "dense":
        height, width, channels = network.get_layer("flat").input.shape[1:]
        order = np.arange(height * width * channels).reshape(channels, height, width)
        order = order.transpose(1, 2, 0).reshape(-1)

        def layout(array):
            return array[:, order].T

    return [
        Row(f"{target}.kernel", f"{source}.weight", layout),
        Row(f"{target}.bias", f"{source}.bias"),
    ]


def count(network, start, end):
    """How many layers have names of this form."""
    names = [layer.name for layer in network.layers]
    return sum(name.startswith(start) and name.endswith(end) for name in names)


def generator(network):
    rows = conv("first_conv", "conv1.0") + prelu("first_prelu", "conv1.1")
    for i in range(count(network, "block", "_conv1")):
        source = f"trunk.{i}.rcb"
        rows += conv(f"block{i}_conv1", f"{source}.0", bias=False)
        rows += batch_norm(f"block{i}_norm1", f"{source}.1")
        rows += prelu(f"block{i}_prelu", f"{source}.2")
        rows += conv(f"block{i}_conv2", f"{source}.3", bias=False)
        rows += batch_norm(f"block{i}_norm2", f"{source}.4")
    rows += conv("trunk_conv", "conv2.0", bias=False) + batch_norm("trunk_norm", "conv2.1")
    for i in range(count(network, "up", "_conv")):
        rows += conv(f"up{i}_conv", f"upsampling.{i}.upsample_block.0")
        rows += prelu(f"up{i}_prelu", f"upsampling.{i}.upsample_block.2")
    return rows + conv("to_image", "conv3")


def discriminator(network):
    rows = conv("conv0", "features.0")
    for i in range(1, 8):
        rows += conv(f"conv{i}", f"features.{3 * i - 1}", bias=False)
        rows += batch_norm(f"norm{i}", f"features.{3 * i}")
    return rows + dense(network, "dense", "classifier.0") + dense(network, "head", "classifier.2")


def vgg19(network):
    """torchvision numbers the trunk's layers as they run; behind it stand three dense ones."""
    rows, number = [], 0
    for layer in network.layers:
        kind = type(layer).__name__
        if kind == "Conv2D":
            rows += conv(layer.name, f"features.{number}")
        if kind in ("Conv2D", "ReLU", "MaxPooling2D"):
            number += 1
    known = {row.source for row in rows}
    later = [f"features.{i}.{part}" for i in range(37) for part in ("weight", "bias")]
    later += [f"classifier.{i}.{part}" for i in (0, 3, 6) for part in ("weight", "bias")]
    return rows + [Row(None, source) for source in later if source not in known]


def model(checkpoints, **options):
    """An `SRGAN` with the generator of a checkpoint, whose configuration is read off its shapes.

    Args:
        checkpoints: a list of one state dict.
        **options: arguments of `SRGAN` that take precedence.
    """
    from ganzoo.importers import assign
    from ganzoo.models.srgan import SRGAN

    (state,) = wanted(checkpoints, "srgan", ["the generator's"])
    if "conv1.0.weight" not in state or "conv3.weight" not in state:
        raise ValueError("this is no SRResNet: it has no 'conv1.0.weight' and 'conv3.weight'.")
    filters, channels = state["conv1.0.weight"].shape[:2]
    shuffles = [k for k in state if k.endswith("upsample_block.0.weight")]
    factors = [round((state[k].shape[0] / filters) ** 0.5) for k in shuffles]
    found = {
        "image_shape": (96, 96, channels),  # a multiple of every scale
        "scale": int(np.prod(factors)),
        "filters": filters,
        "blocks": sum(key.endswith("rcb.0.weight") for key in state),
    }
    gan = SRGAN(**{**found, **options})
    assign(gan.generator, state, "srgan.generator")
    return gan
