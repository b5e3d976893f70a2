"""pfnet-research/sngan_projection (Chainer): SNGAN's original, with and without classes.

Keys as in Chainer's snapshots: `block2/c1/W`. For networks of `ganzoo.models.sngan`.
"""

from ganzoo.importers.table import Row, convolution, flat, linear, seed_grid


def batch_norm(target, source, conditional):
    if conditional:
        affine = [
            Row(f"{target}.gamma", f"{source}/gammas/W"),
            Row(f"{target}.beta", f"{source}/betas/W"),
        ]
        target = f"{target}.norm"
    else:
        affine = [
            Row(f"{target}.gamma", f"{source}/gamma"),
            Row(f"{target}.beta", f"{source}/beta"),
        ]
    return [
        *affine,
        Row(f"{target}.moving_mean", f"{source}/avg_mean"),
        Row(f"{target}.moving_variance", f"{source}/avg_var"),
        Row(None, f"{source}/N"),  # Chainer's count of batches
    ]


def plain(target, source, layout=convolution):
    return [Row(f"{target}.kernel", f"{source}/W", layout), Row(f"{target}.bias", f"{source}/b")]


def spectral(target, source, layout=convolution):
    return [*plain(f"{target}.layer", source, layout), Row(f"{target}.u", f"{source}/u", flat)]


def generator(network):
    grid = network.get_layer("grid").target_shape
    kernel, bias = seed_grid(grid)
    rows = [Row("dense.kernel", "l1/W", kernel), Row("dense.bias", "l1/b", bias)]
    conditional = len(network.inputs) > 1
    blocks = block_count(network)
    for i in range(1, blocks + 1):
        target, source = f"block{i}", f"block{i + 1}"
        rows += plain(f"{target}_conv1", f"{source}/c1")
        rows += plain(f"{target}_conv2", f"{source}/c2")
        rows += plain(f"{target}_shortcut", f"{source}/c_sc")
        rows += batch_norm(f"{target}_norm1", f"{source}/b1", conditional)
        rows += batch_norm(f"{target}_norm2", f"{source}/b2", conditional)
    last = blocks + 2
    rows += batch_norm("norm", f"b{last}", False)
    # the authors call the last convolution c5 at 32 pixels, and l6 or l7 at 64 and 128
    return rows + plain("to_image", f"c{last}" if last == 5 else f"l{last}")


def discriminator(network):
    rows, blocks = [], block_count(network)
    names = {layer.name for layer in network.layers}
    for i in range(1, blocks + 1):
        rows += spectral(f"block{i}_conv1", f"block{i}/c1")
        rows += spectral(f"block{i}_conv2", f"block{i}/c2")
        if f"block{i}_shortcut" in names:
            rows += spectral(f"block{i}_shortcut", f"block{i}/c_sc")
    head = spectral("head", f"l{blocks + 1}", linear)
    rows += [row for row in head if row.target != "head.layer.bias" or bias_of(network)]
    if len(network.inputs) > 1:
        rows += [
            Row("class_embedding.layer.embeddings", "l_y/W"),
            Row("class_embedding.u", "l_y/u", flat),
        ]
    return rows


def block_count(network):
    return sum(layer.name.endswith("_conv1") for layer in network.layers)


def bias_of(network):
    return network.get_layer("head").layer.use_bias
