"""brownvc/R3GAN (PyTorch): both networks, with and without classes.

Keys as in a `state_dict`: `Model.MainLayers.0.Layers.1.LinearLayer1.Layer.weight`. For networks of
`ganzoo.models.r3gan`.
"""

import re

from ganzoo.importers.table import Row, convolution, linear

CONV = "Layer.weight"


def block(target, source):
    return [
        Row(f"{target}_conv1.kernel", f"{source}.LinearLayer1.{CONV}", convolution),
        Row(f"{target}_conv1.bias", f"{source}.NonLinearity1.Bias"),
        Row(f"{target}_conv2.kernel", f"{source}.LinearLayer2.{CONV}", convolution),
        Row(f"{target}_conv2.bias", f"{source}.NonLinearity2.Bias"),
        Row(f"{target}_conv3.kernel", f"{source}.LinearLayer3.{CONV}", convolution),
    ]


def resampling(network, target, source):
    """The 1x1 convolution beside the filter, where channels change; the filter is a constant."""
    rows = [Row(None, f"{source}.Resampler.Kernel")]
    if any(layer.name == target for layer in network.layers):
        rows.append(Row(f"{target}.kernel", f"{source}.LinearLayer.{CONV}", convolution))
    return rows


def blocks_of(network):
    """Residual blocks at each size, from the grid up."""
    counts = {}
    for layer in network.layers:
        found = re.fullmatch(r"stage(\d+)_block(\d+)_conv1", layer.name)
        if found:
            stage, index = map(int, found.groups())
            counts[stage] = max(counts.get(stage, 0), index + 1)
    return [counts[stage] for stage in range(len(counts))]


def embedding(network):
    if len(network.inputs) == 1:
        return []
    return [Row("class_embedding.embeddings", "Model.EmbeddingLayer.weight", linear)]


def generator(network):
    first = "Model.MainLayers.0.Layers.0"
    rows = [
        Row("basis.basis", f"{first}.Basis", lambda a: a.transpose(1, 2, 0)),
        Row("linear.kernel", f"{first}.LinearLayer.weight", linear),
        Row("to_image.kernel", f"Model.AggregationLayer.{CONV}", convolution),
    ]
    for i, count in enumerate(blocks_of(network)):
        source = f"Model.MainLayers.{i}.Layers"
        if i:
            rows += resampling(network, f"stage{i}_resize", f"{source}.0")
        for j in range(count):
            rows += block(f"stage{i}_block{j}", f"{source}.{j + 1}")
    return rows + embedding(network)


def discriminator(network):
    rows = [Row("from_image.kernel", f"Model.ExtractionLayer.{CONV}", convolution)]
    counts = blocks_of(network)
    for i, count in enumerate(counts):
        source = f"Model.MainLayers.{len(counts) - 1 - i}.Layers"
        for j in range(count):
            rows += block(f"stage{i}_block{j}", f"{source}.{j}")
        if i:
            rows += resampling(network, f"stage{i}_resize", f"{source}.{count}")
        else:
            rows += [
                Row(
                    "basis.basis",
                    f"{source}.{count}.Basis.weight",
                    lambda a: a[:, 0].transpose(1, 2, 0),
                ),
                Row("head.kernel", f"{source}.{count}.LinearLayer.weight", linear),
            ]
    return rows + embedding(network)
