"""pytorch/examples, dcgan/main.py: the official example's `main.0.weight` and so on.

For networks of `ganzoo.models.dcgan` with architecture "radford".
"""

from ganzoo.importers.table import Row, convolution


def rows(network):
    """The example numbers its layers as they run, activations included."""
    table, number = [], 0
    for layer in network.layers:
        kind = type(layer).__name__
        target, source = layer.name, f"main.{number}"
        if kind.startswith("Conv2D"):
            table.append(Row(f"{target}.kernel", f"{source}.weight", convolution))
        elif kind == "BatchNormalization":
            table += [
                Row(f"{target}.gamma", f"{source}.weight"),
                Row(f"{target}.beta", f"{source}.bias"),
                Row(f"{target}.moving_mean", f"{source}.running_mean"),
                Row(f"{target}.moving_variance", f"{source}.running_var"),
                Row(None, f"{source}.num_batches_tracked"),
            ]
        elif kind not in ("ReLU", "LeakyReLU", "Activation"):
            continue
        number += 1
    return table
