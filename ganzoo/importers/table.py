"""The importer: a table says which array of a checkpoint goes where, and in which layout."""

import collections

import numpy as np


class Row(collections.namedtuple("Row", ["target", "source", "layout"])):
    """One line of a table.

    Args:
        target: "layer.attribute..." of the Keras network, such as "block1_conv1.kernel"; None for
            an array that may be there and is of no use, such as a step counter.
        source: the checkpoint's key.
        layout: function from the array in the checkpoint's layout to the variable's.
    """

    def __new__(cls, target, source, layout=np.asarray):
        return super().__new__(cls, target, source, layout)


def convolution(array):
    """PyTorch's and Chainer's (O, I, kh, kw) to Keras's (kh, kw, I, O); grouped ones too."""
    return array.transpose(2, 3, 1, 0)


def depthwise(array):
    """(C, 1, kh, kw) to (kh, kw, C, 1)."""
    return array.transpose(2, 3, 0, 1)


def linear(array):
    """(O, I) to (I, O)."""
    return array.T


def flat(array):
    """(1, O) to (O,)."""
    return array.reshape(-1)


def seed_grid(shape):
    """Layouts `(kernel, per output)` of a linear layer whose output becomes a feature map.

    The references see its outputs as (C, H, W), Keras as (H, W, C).

    Args:
        shape: `(H, W, C)`.
    """
    height, width, channels = shape
    order = np.arange(height * width * channels).reshape(channels, height, width)
    order = order.transpose(1, 2, 0).reshape(-1)

    def permuted(array):
        return array[order] if len(array) == len(order) else array

    return (lambda array: permuted(array).T), permuted


def variable_at(network, target):
    """The variable of "layer.attribute..."."""
    name, *attributes = target.split(".")
    found = network.get_layer(name)
    for attribute in attributes:
        found = getattr(found, attribute)
    return found


def assign(network, state_dict, rows, kind):
    """Copies a checkpoint into a network by a table, all of it or nothing.

    Args:
        network: a built `keras.Model`.
        state_dict: dict of arrays under the checkpoint's names.
        rows: a list of `Row`.
        kind: the table's name, for messages.

    Raises:
        ValueError: naming the key that the table does not know, that is missing, or whose shape
            does not fit; or the network's weight that the table does not fill.
    """
    known = {row.source for row in rows}
    for key in state_dict:
        if key not in known:
            raise ValueError(
                f"{kind}: unknown key {key!r}: want a checkpoint of this kind, and a network of "
                "the checkpoint's size."
            )
    values = [placed(network, row, state_dict, kind) for row in rows if row.target]
    covered = {id(variable) for variable, _ in values}
    for variable in network.weights:
        if id(variable) not in covered:
            raise ValueError(f"{kind}: no key fills the network's {variable.path!r}.")
    for variable, value in values:
        variable.assign(value)


def placed(network, row, state_dict, kind):
    """The variable of a row, and its value in Keras's layout."""
    if row.source not in state_dict:
        raise ValueError(f"{kind}: key {row.source!r} is missing from the checkpoint.")
    try:
        variable = variable_at(network, row.target)
    except (AttributeError, ValueError) as error:
        raise ValueError(
            f"{kind}: the network has no {row.target!r} for key {row.source!r}."
        ) from error
    array = np.asarray(state_dict[row.source])
    try:
        value = row.layout(array).astype("float32")
    except (IndexError, ValueError):  # an array of another rank
        value = array
    if value.shape != tuple(variable.shape):
        raise ValueError(
            f"{kind}: key {row.source!r} has shape {array.shape}, which does not fit "
            f"{row.target!r}, {tuple(variable.shape)}."
        )
    return variable, value
