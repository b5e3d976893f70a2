"""R3GAN against the authors' PyTorch code, with its weights: outputs, penalties, gradients."""

import golden
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import importers, losses, penalties
from ganzoo.layers.resample import fir_downsample, fir_upsample
from ganzoo.models import r3gan

CASES = {None: "uncond_16px", 3: "cond3_16px"}


def errors(num_classes):
    """`(errors of outputs, errors of gradients)`."""
    case, sizes = golden.load("r3gan", CASES[num_classes]), ((16, 16, 8), (2, 1, 1), 8, num_classes)
    generator = r3gan.generator_network((16, 16, 3), 8, *sizes)
    discriminator = r3gan.discriminator_network((16, 16, 3), *sizes)
    importers.assign(generator, golden.state(case, "G."), "r3gan.generator")
    importers.assign(discriminator, golden.state(case, "D."), "r3gan.discriminator")
    labels = [tf.constant(np.argmax(case["in/c"], 1))] if num_classes else []

    def call(network, x, times=1):
        return network([x, *(tf.concat([y] * times, 0) for y in labels)] if labels else x)

    z, real, loss = tf.constant(case["in/z"]), golden.nhwc(case["in/real"]), losses.Relativistic()
    with tf.GradientTape(persistent=True) as tape:
        fake = call(generator, z)
        images = tf.concat([real, tf.stop_gradient(fake)], 0)
        with tf.GradientTape() as inner:
            inner.watch(images)
            logits = call(discriminator, images, 2)
        r1, r2 = tf.split(penalties.squared_gradient_norm(inner, logits, images), 2)
        d_real, d_fake = tf.split(logits, 2)
        d_values = loss.discriminator(d_real, d_fake)
        d_loss = tf.reduce_mean(d_values + 2.0 / 2 * (r1 + r2))
        g_values = loss.generator(call(discriminator, fake), d_real)
        g_loss = tf.reduce_mean(g_values)
    outputs = {
        name: golden.error(value, case[f"out/{name}"])
        for name, value in {
            "D_real": d_real[:, 0],
            "D_fake": d_fake[:, 0],
            "D_adv": d_values,
            "R1": r1,
            "R2": r2,
            "D_total_gamma2": d_loss,
            "G_adv": g_values,
        }.items()
    }
    outputs["G"] = golden.error(fake, golden.nhwc(case["out/G"]))
    gradients = {}
    for network, value, prefix in (
        (discriminator, d_loss, "out/gradD/"),
        (generator, g_loss, "out/gradG/"),
    ):
        found = tape.gradient(value, network.trainable_variables)
        kind = f"r3gan.{network.name}"
        gradients |= {
            prefix + k: v
            for k, v in golden.gradient_errors(network, found, case, prefix, kind).items()
        }
    assert len(gradients) == sum(k.startswith("out/grad") for k in case)
    return outputs, gradients


@pytest.mark.parametrize("num_classes", CASES)
def test_outputs_penalties_and_gradients_equal_the_reference(num_classes):
    outputs, gradients = errors(num_classes)
    for what, error in outputs.items():
        assert error <= golden.FORWARD, what
    for what, error in gradients.items():
        assert error <= golden.GRADIENT, what


def test_resampling_equals_the_reference():
    case = golden.load("r3gan", "resample")
    x = golden.nhwc(case["in/x"])
    assert golden.error(fir_upsample(x), golden.nhwc(case["out/up"])) <= 1e-6
    assert golden.error(fir_downsample(x), golden.nhwc(case["out/down"])) <= 1e-6
