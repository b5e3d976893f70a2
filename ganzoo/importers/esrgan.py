"""XPixelGroup/BasicSR: RRDBNet, VGGStyleDiscriminator and UNetDiscriminatorSN of ESRGAN.

Keys as in a `state_dict`: `body.0.rdb1.conv1.weight`. Checkpoints of ESRGAN and Real-ESRGAN hold it
under `params` or `params_ema`. For networks of `ganzoo.models.esrgan`. The generator works in
[0, 1] there as here; the discriminators see [0, 1] there and [-1, 1] here.
"""

from ganzoo.importers import mimicry
from ganzoo.importers.pix2pix import wanted
from ganzoo.importers.srgan import batch_norm, conv, count, dense


def generator(network):
    rows = conv("first_conv", "conv_first")
    for i in range(count(network, "block", "_1_conv1")):
        for j in (1, 2, 3):
            for k in range(1, 6):
                rows += conv(f"block{i}_{j}_conv{k}", f"body.{i}.rdb{j}.conv{k}")
    names = {"trunk_conv": "conv_body", "up1_conv": "conv_up1", "up2_conv": "conv_up2"}
    names |= {"large_conv": "conv_hr", "to_image": "conv_last"}
    return rows + [row for ours, theirs in names.items() for row in conv(ours, theirs)]


def discriminator(network):
    """Either of the two, by the layers that the network has."""
    if count(network, "flat", ""):
        rows = conv("conv0_0", "conv0_0")
        for i in range(count(network, "conv", "_1")):
            for j in (0, 1) if i else (1,):
                rows += conv(f"conv{i}_{j}", f"conv{i}_{j}", bias=False)
                rows += batch_norm(f"norm{i}_{j}", f"bn{i}_{j}")
        return rows + dense(network, "dense", "linear1") + dense(network, "head", "linear2")
    rows = conv("conv0", "conv0")
    for i in range(1, 9):
        rows += mimicry.layer(network, f"conv{i}", f"conv{i}")
    return rows + conv("head", "conv9")


def model(checkpoints, **options):
    """An `ESRGAN` with the generator of a checkpoint, whose configuration is read off its shapes.

    Args:
        checkpoints: a list of one state dict.
        **options: arguments of `ESRGAN` that take precedence.
    """
    from ganzoo.importers import assign
    from ganzoo.models.esrgan import ESRGAN

    (state,) = wanted(checkpoints, "esrgan", ["the generator's"])
    if "conv_first.weight" not in state or "body.0.rdb1.conv1.weight" not in state:
        raise ValueError(
            "this is no RRDBNet: it has no 'conv_first.weight' and 'body.0.rdb1.conv1.weight'."
        )
    channels = state["conv_last.weight"].shape[0]
    filters, folded = state["conv_first.weight"].shape[:2]
    found = {
        "image_shape": (128, 128, channels),
        "scale": 4 // round((folded / channels) ** 0.5),
        "filters": filters,
        "growth": state["body.0.rdb1.conv1.weight"].shape[0],
        "blocks": sum(key.endswith("rdb1.conv1.weight") for key in state),
    }
    gan = ESRGAN(**{**found, **options})
    assign(gan.generator, state, "esrgan.generator")
    return gan
