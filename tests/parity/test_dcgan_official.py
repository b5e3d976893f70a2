"""The paper's DCGAN against the official PyTorch example: outputs, gradients, one whole step."""

import pathlib

import keras
import numpy as np
import pytest
from keras import ops

import ganzoo
from ganzoo import importers
from ganzoo.importers import dcgan, table
from ganzoo.random import Noise


@pytest.fixture(scope="module")
def golden():
    return read()


def read():
    with np.load(pathlib.Path(__file__).parent / "dcgan.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def official(golden):
    """The paper's network with the official example's weights, and its inputs, channels last."""
    gan = ganzoo.DCGAN(
        architecture="radford",
        latent_dim=16,
        generator_filters=(64, 32, 16, 8),
        discriminator_filters=(8, 16, 32, 64),
    )
    for kind, network in (
        ("dcgan.generator", gan.generator),
        ("dcgan.discriminator", gan.discriminator),
    ):
        prefix = f"w/{kind[6].upper()}."
        weights = {k[len(prefix) :]: v for k, v in golden.items() if k.startswith(prefix)}
        importers.assign(network, weights, kind)
    return gan, golden["in/z"].reshape(4, 16), golden["in/real"].transpose(0, 2, 3, 1)


def close(actual, wanted, share):
    """Equal within `share` of the largest wanted magnitude."""
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=share * np.abs(wanted).max())


def test_outputs_equal_the_official_example(golden):
    gan, z, real = official(golden)
    close(gan.generator(z, training=False), golden["out/G_eval"].transpose(0, 2, 3, 1), 1e-4)
    verdict = ops.sigmoid(gan.discriminator(real, training=False))[:, 0]
    close(verdict, golden["out/D_real_eval"], 1e-4)
    fake = gan.generator(z, training=True)
    close(fake, golden["out/G_train"].transpose(0, 2, 3, 1), 1e-4)
    close(
        ops.sigmoid(gan.discriminator(real, training=True))[:, 0], golden["out/D_real_train"], 1e-4
    )
    close(
        ops.sigmoid(gan.discriminator(fake, training=True))[:, 0], golden["out/D_fake_train"], 1e-4
    )


def test_one_whole_step_equals_the_official_example(golden, monkeypatch):
    """The official step sums D's two losses, takes both gradients before any update and leaves D's
    running statistics after three batches. With plain SGD the update is the gradient; a rate of 0
    for D leaves G the discriminator of the example."""
    gan, z, real = official(golden)
    monkeypatch.setattr(Noise, "normal", lambda self, shape: ops.convert_to_tensor(z))
    before = {w.path: w.numpy() for w in gan.trainable_variables}
    gan.compile(
        g_optimizer=keras.optimizers.SGD(1.0),
        d_optimizer=keras.optimizers.SGD(0.0),
        run_eagerly=True,
    )
    gan.see = lambda images: images
    logs = gan.train_step(ops.convert_to_tensor(real))
    np.testing.assert_allclose(logs["d_loss"], golden["out/errD"], rtol=1e-5)
    np.testing.assert_allclose(logs["g_loss"], golden["out/errG_before_D_update"], rtol=1e-5)
    compare_gradients(gan.generator, before, "gradG", golden)
    compare_running(gan.generator, "G", golden, batches=1)
    compare_running(gan.discriminator, "D", golden, batches=3)

    gan, z, real = official(golden)
    gan.compile(g_optimizer=keras.optimizers.SGD(0.0), d_optimizer=keras.optimizers.SGD(1.0))
    before = {w.path: w.numpy() for w in gan.trainable_variables}
    gan.train_step(ops.convert_to_tensor(real))
    compare_gradients(gan.discriminator, before, "gradD", golden)


def compare_gradients(network, before, name, golden):
    for row in dcgan.rows(network):
        wanted = golden.get(f"out/{name}/{row.source}")
        if wanted is None:
            continue
        weight = table.variable_at(network, row.target)
        close(before[weight.path] - weight.numpy(), row.layout(wanted), 1e-3)


def compare_running(network, player, golden, batches):
    """Keras takes the biased batch variance into the running one, PyTorch the unbiased, n/(n-1)."""
    compared = 0
    for row in dcgan.rows(network):
        wanted = golden.get(f"out/after_step/{player}.{row.source}")
        if wanted is None:
            continue
        compared += 1
        got = table.variable_at(network, row.target).numpy()
        if row.source.endswith("running_var"):
            grid = next(
                layer.output.shape[1:3]
                for layer in network.layers
                if layer.name == row.target.split(".")[0]
            )
            n = 4 * grid[0] * grid[1]
            start = golden[f"w/{player}.{row.source}"] * 0.9**batches
            got = (got - start) * n / (n - 1) + start
        close(got, wanted, 1e-4)
    assert compared == 2 * sum("BatchNorm" in type(layer).__name__ for layer in network.layers)


def errors():
    """Largest errors of outputs and of gradients, by name, as shares of the largest value."""

    def error(ours, wanted):
        return float(np.abs(np.asarray(ours) - wanted).max() / np.abs(wanted).max())

    golden = read()
    gan, z, real = official(golden)
    outputs = {
        "G": error(gan.generator(z), golden["out/G_eval"].transpose(0, 2, 3, 1)),
        "D": error(ops.sigmoid(gan.discriminator(real))[:, 0], golden["out/D_real_eval"]),
    }
    before = {w.path: w.numpy() for w in gan.trainable_variables}
    gan.compile(g_optimizer=keras.optimizers.SGD(0.0), d_optimizer=keras.optimizers.SGD(1.0))
    gan.latents = lambda n: ops.convert_to_tensor(z)
    gan.train_step(ops.convert_to_tensor(real))
    gradients = {}
    for row in dcgan.rows(gan.discriminator):
        if f"out/gradD/{row.source}" in golden:
            weight = table.variable_at(gan.discriminator, row.target)
            wanted = row.layout(golden[f"out/gradD/{row.source}"])
            gradients[row.source] = error(before[weight.path] - weight.numpy(), wanted)
    return outputs, gradients
