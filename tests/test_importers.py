"""Importers: what fits is copied whole, what does not is named and changes nothing."""

import keras
import numpy as np
import pytest

from ganzoo import importers
from ganzoo.importers import table
from ganzoo.models import r3gan, sngan


def discriminator():
    return r3gan.discriminator_network((8, 8, 1), (8, 4), (1, 1), 8)


def checkpoint(network, kind):
    """A state dict of random arrays in the reference's layout, from the table's own rows."""
    rng, state = np.random.default_rng(0), {}
    layouts = {table.convolution: (3, 2, 0, 1), table.linear: (1, 0)}
    for row in importers._TABLES[kind](network):
        if row.target is None:
            continue
        shape = tuple(table.variable_at(network, row.target).shape)
        if row.layout in layouts:
            shape = tuple(shape[a] for a in layouts[row.layout])
        elif row.target == "basis.basis":
            shape = (shape[2], 1, *shape[:2])
        state[row.source] = rng.standard_normal(shape).astype("float32")
    return state


def test_every_array_lands_where_the_table_says():
    network = discriminator()
    state = checkpoint(network, "r3gan.discriminator")
    state["Model.MainLayers.0.Layers.1.Resampler.Kernel"] = np.ones((4, 4))  # of no use
    importers.assign(network, state, "r3gan.discriminator")
    first = "Model.MainLayers.0.Layers.0"
    kernel = network.get_layer("stage1_block0_conv2").kernel.numpy()
    source = state[f"{first}.LinearLayer2.Layer.weight"]
    assert kernel[2, 1, 3, 5] == source[5, 3, 2, 1]
    bias = network.get_layer("stage1_block0_conv2").bias.numpy()
    np.testing.assert_array_equal(bias, state[f"{first}.NonLinearity2.Bias"])
    basis = network.get_layer("basis").basis.numpy()
    assert basis[1, 2, 3] == state["Model.MainLayers.1.Layers.1.Basis.weight"][3, 0, 1, 2]


def test_seed_grid_reorders_channels_first_outputs():
    height, width, channels, inputs = 2, 3, 4, 5
    kernel, per_output = table.seed_grid((height, width, channels))
    weight = np.arange(channels * height * width * inputs).reshape(-1, inputs)
    x = np.arange(inputs)
    theirs = (weight @ x).reshape(channels, height, width)
    ours = (x @ kernel(weight)).reshape(height, width, channels)
    np.testing.assert_array_equal(ours, theirs.transpose(1, 2, 0))
    np.testing.assert_array_equal(per_output(weight @ x), ours.ravel())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.update(extra=np.zeros(3)), "unknown key 'extra'"),
        (lambda s: s.pop("Model.ExtractionLayer.Layer.weight"), "'Model.Extraction.*missing"),
        (
            lambda s: s.update({"Model.ExtractionLayer.Layer.weight": np.zeros((4, 2, 1, 1))}),
            r"'Model.ExtractionLayer.Layer.weight' has shape \(4, 2, 1, 1\)",
        ),
        (
            lambda s: s.update({"Model.ExtractionLayer.Layer.weight": np.zeros(4)}),
            r"'Model.ExtractionLayer.Layer.weight' has shape \(4,\)",
        ),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(change, message):
    network = discriminator()
    before = network.get_weights()
    state = checkpoint(network, "r3gan.discriminator")
    change(state)
    with pytest.raises(ValueError, match=message):
        importers.assign(network, state, "r3gan.discriminator")
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_network_is_refused():
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="has not this kind's layers"):
        importers.assign(plain, {}, "sngan_chainer.generator")
    with pytest.raises(ValueError, match="want one of"):
        importers.assign(plain, {}, "sngan")
    wider = r3gan.discriminator_network((8, 8, 1), (16, 8), (1, 1), 8)
    with pytest.raises(ValueError, match="has shape"):
        importers.assign(
            wider, checkpoint(discriminator(), "r3gan.discriminator"), "r3gan.discriminator"
        )
    conditional = sngan.discriminator_network((8, 8, 1), 8, True, 3)
    state = checkpoint(sngan.discriminator_network((8, 8, 1), 8), "sngan_chainer.discriminator")
    with pytest.raises(ValueError, match="'l_y/W' is missing"):
        importers.assign(conditional, state, "sngan_chainer.discriminator")
