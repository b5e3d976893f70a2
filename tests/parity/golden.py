"""Reading the golden files of this folder, and measuring networks against them."""

import hashlib
import json
import pathlib

import numpy as np
import tensorflow as tf

from ganzoo import importers
from ganzoo.importers.table import variable_at

HERE = pathlib.Path(__file__).parent
#: largest difference as a share of the reference's largest value, for outputs and for gradients
FORWARD, GRADIENT = 1e-4, 1e-3


def load(name, case):
    """The arrays of one case of `name.npz`, without the case's prefix."""
    with np.load(HERE / f"{name}.npz", allow_pickle=False) as file:
        return {k.removeprefix(f"{case}/"): file[k] for k in file.files if k.startswith(f"{case}/")}


def state(case, prefix):
    """The state dict under `w/<prefix>`, with the reference's own names."""
    start = f"w/{prefix}"
    return {k.removeprefix(start): v for k, v in case.items() if k.startswith(start)}


def seeded_state(case):
    """The state dict of a case whose weights are drawn by name from a seed, and so not stored,
    together with what is stored under `w/`."""
    recipe = json.loads(str(case["seeded"]))
    drawn = {
        name: seeded_array(recipe["seed"], name, shape, recipe["gain"])
        for name, shape in recipe["shapes"].items()
    }
    return {**drawn, **state(case, "")}


def seeded_array(seed, name, shape, gain):
    """The weight of this name and shape: the reference ran with the same numbers."""
    key = f"{seed}/{name}/{tuple(shape)}".encode()
    draw = np.random.default_rng(int.from_bytes(hashlib.sha256(key).digest()[:8], "little"))
    if name.endswith("running_var"):
        return draw.uniform(0.5, 1.5, shape).astype("float32")
    normal = draw.standard_normal(shape)
    if len(shape) >= 2:
        return (normal * np.sqrt(gain / np.prod(shape[1:]))).astype("float32")
    about_one = name.endswith("weight")  # of a normalisation
    return (float(about_one) + 0.1 * normal).astype("float32")


def nhwc(images):
    return tf.constant(np.transpose(images, (0, 2, 3, 1)))


def error(ours, reference):
    """The largest difference as a share of the reference's largest value."""
    ours, reference = np.asarray(ours, "float64"), np.asarray(reference, "float64")
    assert ours.shape == reference.shape, (ours.shape, reference.shape)
    return np.abs(ours - reference).max() / np.abs(reference).max()


def rows(network, kind):
    """The table's rows that fill a variable."""
    return [row for row in importers._TABLES[kind](network) if row.target]


def gradient_errors(network, gradients, case, prefix, kind):
    """Errors of gradients, by the reference's names, for all that the golden file holds."""
    found = dict(zip(map(id, network.trainable_variables), gradients, strict=True))
    return {
        f"gradient of {row.source}": error(
            tf.convert_to_tensor(found[id(variable_at(network, row.target))]),
            row.layout(case[prefix + row.source]),
        )
        for row in rows(network, kind)
        if prefix + row.source in case
    }


def state_errors(network, case, before, prefix, kind, batch, pixels=None):
    """Errors of running statistics and of u after one training pass.

    The references' running variance is the unbiased one; ours is corrected to it by n / (n - 1).
    `pixels` is the number of a feature map's in networks that take any size.
    """
    errors = {}
    for row in rows(network, kind):
        key = f"out/after_train/{prefix}{row.source}"
        if key not in case:
            continue
        ours = variable_at(network, row.target).numpy()
        if row.target.endswith("moving_variance"):
            inputs = network.get_layer(row.target.split(".")[0]).input
            shape = (inputs[0] if isinstance(inputs, list) else inputs).shape
            n = batch * (pixels or shape[1] * shape[2])
            kept = 0.9 * before[row.source]
            ours = kept + (ours - kept) * n / (n - 1)
        errors[f"{row.source} after a step"] = error(ours, row.layout(case[key]))
    return errors


def pair_errors(generator, discriminator, case, kind, separator="."):
    """Imports both networks' weights; errors of all outputs in inference and in training."""
    weights = {name: state(case, f"{name}{separator}") for name in "GD"}
    importers.assign(generator, weights["G"], f"{kind}.generator")
    importers.assign(discriminator, weights["D"], f"{kind}.discriminator")
    labels = [tf.constant(case["in/y"])] if "in/y" in case else []

    def call(network, x, **kwargs):
        return network([x, *labels] if labels else x, **kwargs)

    z, real = tf.constant(case["in/z"]), nhwc(case["in/real"])
    fake = call(generator, z)
    errors = {
        "G in inference": error(fake, nhwc(case["out/G_eval"])),
        "D of real in inference": error(call(discriminator, real), case["out/D_real_eval"]),
        "D of fakes in inference": error(call(discriminator, fake), case["out/D_fake_eval"]),
        "G in training": error(call(generator, z, training=True), nhwc(case["out/G_train"])),
        "D of real in training": error(
            call(discriminator, real, training=True), case["out/D_real_train"]
        ),
    }
    for name, network in (("G", generator), ("D", discriminator)):
        role = f"{kind}.{network.name}"
        prefix = f"{name}{separator}"
        errors |= state_errors(network, case, weights[name], prefix, role, len(case["in/z"]))
    return errors
