"""junyanz/pytorch-CycleGAN-and-pix2pix (PyTorch): residual generators.

Keys as in a `state_dict`: `model.10.conv_block.1.weight`, of networks without dropout, which is
CycleGAN's own. For networks of `ganzoo.models.cyclegan`; its discriminators are those of pix2pix.
"""

import re

from ganzoo.importers.pix2pix import discriminator, layer, normalization, wanted

__all__ = ["discriminator", "generator", "model"]


def generator(network):
    blocks = sum(found.name.endswith("_conv1") for found in network.layers)
    places = {"first": "1", "down1": "4", "down2": "7"}
    for i in range(blocks):
        places[f"block{i}_conv1"] = f"{10 + i}.conv_block.1"
        places[f"block{i}_conv2"] = f"{10 + i}.conv_block.5"
    places |= {"up1": f"{10 + blocks}", "up2": f"{13 + blocks}"}
    rows = []
    for target, place in places.items():
        *parents, index = place.split(".")
        after = ".".join([*parents, str(int(index) + 1)])
        rows += layer(network, target, f"model.{place}")
        rows += normalization(network, f"{target}_norm", f"model.{after}")
    return rows + layer(network, "last", f"model.{17 + blocks}")


def model(checkpoints, **options):
    """A `CycleGAN` with the generators of two checkpoints, whose configuration is read off their
    shapes.

    Args:
        checkpoints: a list of two state dicts, of A to B and of B to A.
        **options: arguments of `CycleGAN` that take precedence.
    """
    from ganzoo.importers import assign
    from ganzoo.models.cyclegan import CycleGAN

    state, back = wanted(checkpoints, "cyclegan", ["that of A to B", "that of B to A"])
    if "model.1.weight" not in state:
        raise ValueError("this is no residual generator of CycleGAN: it has no 'model.1.weight'.")
    found = (re.fullmatch(r"model\.(\d+)\.conv_block\.1\.weight", key) for key in state)
    filters, channels = state["model.1.weight"].shape[:2]
    side = options.get("image_shape", (256, 256))[0]
    gan = CycleGAN(
        **{
            "image_shape": (side, side, channels),
            "filters": filters,
            "blocks": sum(match is not None for match in found),
            "norm": "instance" if "model.1.bias" in state else "batch",
            **options,
        }
    )
    assign(gan.generator_ab, state, "cyclegan.generator")
    assign(gan.generator_ba, back, "cyclegan.generator")
    return gan
