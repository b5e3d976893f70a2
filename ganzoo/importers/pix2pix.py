"""junyanz/pytorch-CycleGAN-and-pix2pix (PyTorch): U-Nets and PatchGANs.

Keys as in a `state_dict`, nested as the blocks are: `model.model.1.model.3.model.1.weight`. For
networks of `ganzoo.models.pix2pix`.
"""

from ganzoo.importers.table import Row, convolution


def layer(network, target, source):
    """Rows of a convolution, with or without a bias."""
    rows = [Row(f"{target}.kernel", f"{source}.weight", convolution)]
    if network.get_layer(target).use_bias:
        rows.append(Row(f"{target}.bias", f"{source}.bias"))
    return rows


def normalization(network, target, source):
    """Rows of a normalisation; that of instances has no weights, and old checkpoints have running
    statistics of it that nothing uses."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    if type(network.get_layer(target)).__name__ == "InstanceNormalization":
        return [Row(None, f"{source}.{name}") for name in statistics]
    return [
        Row(f"{target}.gamma", f"{source}.weight"),
        Row(f"{target}.beta", f"{source}.bias"),
        Row(f"{target}.moving_mean", f"{source}.running_mean"),
        Row(f"{target}.moving_variance", f"{source}.running_var"),
        Row(None, f"{source}.num_batches_tracked"),
    ]


def generator(network):
    names = {found.name for found in network.layers}
    halvings = sum(f"down{i}" in names for i in range(8))
    rows, block = [], "model"
    for i in range(halvings):
        inner = i == halvings - 1
        # in a block: activation, convolution, norm, the block within, activation, convolution, norm
        first, last = (0, 3) if i == 0 else (1, 3 if inner else 5)
        rows += layer(network, f"down{i}", f"{block}.model.{first}")
        rows += layer(network, f"up{i}", f"{block}.model.{last}")
        if i and not inner:
            rows += normalization(network, f"down{i}_norm", f"{block}.model.2")
        if i:
            rows += normalization(network, f"up{i}_norm", f"{block}.model.{last + 1}")
        block += ".model.3" if i else ".model.1"
    return rows


def discriminator(network):
    count = sum(found.name.startswith("conv") for found in network.layers)
    root = "net" if network.get_layer("head").kernel_size == (1, 1) else "model"
    rows = layer(network, "conv0", f"{root}.0")
    for i in range(1, count):
        rows += layer(network, f"conv{i}", f"{root}.{3 * i - 1}")
        rows += normalization(network, f"norm{i}", f"{root}.{3 * i}")
    return rows + layer(network, "head", f"{root}.{3 * count - 1}")


def model(checkpoints, **options):
    """A `Pix2Pix` with the generator of a checkpoint, whose configuration is read off its shapes.

    Args:
        checkpoints: a list of one state dict.
        **options: arguments of `Pix2Pix` that take precedence.
    """
    from ganzoo.importers import assign
    from ganzoo.models.pix2pix import Pix2Pix

    (state,) = wanted(checkpoints, "pix2pix", ["the generator's"])
    first, last = "model.model.0.weight", "model.model.3.weight"
    if first not in state or last not in state:
        raise ValueError("this is no U-Net of pix2pix: it has no 'model.model.0.weight'.")
    halvings = 1 + max(key.count(".model.3") for key in state if key.endswith("1.weight")) + 1
    side = 2**halvings
    norm = "instance" if "model.model.0.bias" in state else "batch"
    gan = Pix2Pix(
        **{
            "image_shape": (side, side, state[last].shape[1]),
            "source_channels": state[first].shape[1],
            "filters": state[first].shape[0],
            "norm": norm,
            **options,
        }
    )
    assign(gan.generator, state, "pix2pix.generator")
    return gan


def wanted(checkpoints, kind, names):
    """The checkpoints, if they are as many as the names of those wanted."""
    if len(checkpoints) != len(names):
        raise ValueError(
            f"{kind} takes {len(names)} checkpoint(s), {' and '.join(names)}: got "
            f"{len(checkpoints)}."
        )
    return checkpoints
