"""kwotsin/mimicry (PyTorch): SNGAN, its cGAN-PD (SNGAN with classes), and SAGAN.

Keys as in a `state_dict`: `block2.c1.weight`; under PyTorch's spectral normalisation `weight_orig`,
`weight_u`, `weight_v`, and under the library's own `weight`, `sn_u`. For networks of
`ganzoo.models.sngan` with `mimicry=True` and of `ganzoo.models.sagan`.
"""

import numpy as np

from ganzoo.importers.sngan_chainer import block_count
from ganzoo.importers.table import Row, convolution, flat, linear, seed_grid
from ganzoo.layers import SpectralNormalization


def layer(network, target, source, layout=convolution, outputs=np.asarray, weight="kernel"):
    """Rows of one layer, with or without spectral normalisation, with or without a bias."""
    found, inner = network, target
    for name in target.split("."):
        found = found.get_layer(name) if found is network else getattr(found, name)
    rows, key = [], f"{source}.weight"
    if isinstance(found, SpectralNormalization):
        if found.inference_iterations:
            rows = [Row(f"{target}.u", f"{source}.sn_u", flat), Row(None, f"{source}.sn_sigma")]
        else:
            key = f"{source}.weight_orig"
            rows = [
                Row(f"{target}.u", f"{source}.weight_u", outputs),
                Row(f"{target}.v", f"{source}.weight_v", right_vector(layout, found)),
            ]
        found, inner = found.layer, f"{target}.layer"
    rows.append(Row(f"{inner}.{weight}", key, layout))
    if getattr(found, "use_bias", False):
        rows.append(Row(f"{inner}.bias", f"{source}.bias", outputs))
    return rows


def right_vector(layout, wrapper):
    """Layout of PyTorch's v, which runs over (I, kh, kw), for ours over (kh, kw, I)."""
    if layout is not convolution:
        return np.asarray
    height, width, channels, _ = wrapper.weight.shape
    return lambda v: v.reshape(channels, height, width).transpose(1, 2, 0).reshape(-1)


def batch_norm(target, source, conditional):
    if conditional:  # one table holds the scales, then the shifts
        rows = [
            Row(f"{target}.gamma", f"{source}.embed.weight", lambda a: a[:, : a.shape[1] // 2]),
            Row(f"{target}.beta", f"{source}.embed.weight", lambda a: a[:, a.shape[1] // 2 :]),
        ]
        target, source = f"{target}.norm", f"{source}.bn"
    else:
        rows = [Row(f"{target}.gamma", f"{source}.weight"), Row(f"{target}.beta", f"{source}.bias")]
    return [
        *rows,
        Row(f"{target}.moving_mean", f"{source}.running_mean"),
        Row(f"{target}.moving_variance", f"{source}.running_var"),
        Row(None, f"{source}.num_batches_tracked"),
    ]


def attention(network):
    if "attention" not in {found.name for found in network.layers}:
        return []
    rows = [Row("attention.gamma", "attn_block.gamma")]
    names = {"query": "theta", "key": "phi", "value": "g", "output_convolution": "o"}
    for ours, theirs in names.items():
        rows += layer(network, f"attention.{ours}", f"attn_block.{theirs}")
    return rows


def generator(network):
    kernel, outputs = seed_grid(network.get_layer("grid").target_shape)
    rows = layer(network, "dense", "l1", kernel, outputs) + attention(network)
    conditional, blocks = len(network.inputs) > 1, block_count(network)
    for i in range(1, blocks + 1):
        target, source = f"block{i}", f"block{i + 1}"
        for ours, theirs in (("conv1", "c1"), ("conv2", "c2"), ("shortcut", "c_sc")):
            rows += layer(network, f"{target}_{ours}", f"{source}.{theirs}")
        rows += batch_norm(f"{target}_norm1", f"{source}.b1", conditional)
        rows += batch_norm(f"{target}_norm2", f"{source}.b2", conditional)
    rows += batch_norm("norm", f"b{blocks + 2}", False)
    return rows + layer(network, "to_image", f"c{blocks + 2}")


def discriminator(network):
    rows, blocks = attention(network), block_count(network)
    names = {found.name for found in network.layers}
    for i in range(1, blocks + 1):
        for ours, theirs in (("conv1", "c1"), ("conv2", "c2"), ("shortcut", "c_sc")):
            if f"block{i}_{ours}" in names:
                rows += layer(network, f"block{i}_{ours}", f"block{i}.{theirs}")
    rows += layer(network, "head", f"l{blocks + 1}", linear)
    if "class_embedding" in names:
        rows += layer(network, "class_embedding", "l_y", np.asarray, weight="embeddings")
    return rows
