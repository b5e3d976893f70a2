"""CycleGAN against the authors' PyTorch code: networks, losses, the pool's decisions."""

import golden
import keras
import numpy as np
import pytest
import tensorflow as tf
from test_pix2pix_official import errors

from ganzoo import importers, losses, penalties
from ganzoo.layers import ImagePool, InstanceNormalization
from ganzoo.models import cyclegan, pix2pix


def case(name):
    if name.startswith("patchgan"):
        network = pix2pix.patch_discriminator([(70, 70, 3)], 8, 70, "instance")
        return network, "cyclegan.discriminator"
    blocks, norm = (9, "instance") if name.startswith("resnet9") else (6, "batch")
    network = cyclegan.resnet(3, 4, blocks, norm, "generator")
    # of a fixed size, because the statistics are compared by how many pixels they are of
    fixed = keras.Input((32, 36 if blocks == 9 else 32, 3))
    return keras.models.clone_model(network, input_tensors=fixed), "cyclegan.generator"


@pytest.mark.parametrize(
    ("name", "statistics"),
    [("resnet9_in_ngf4", 0), ("resnet6_bn_ngf4", 34), ("patchgan70_in_ndf8_in3", 0)],
)
def test_outputs_gradients_and_statistics_equal_the_reference(name, statistics):
    network, kind = case(name)
    found, gradient = errors(network, "cyclegan", name, kind)
    assert len(found) == 2 + statistics
    for what, error in found.items():
        assert error <= golden.FORWARD, what
    assert gradient <= golden.GRADIENT


@pytest.mark.parametrize(
    ("blocks", "norm", "parameters"),
    [(9, "instance", 11_378_179), (6, "instance", 7_837_699), (9, "batch", 11_383_427)],
)
def test_full_size_parameter_counts(blocks, norm, parameters):
    trainable = cyclegan.resnet(3, 64, blocks, norm, "generator").trainable_variables
    assert sum(weight.value.shape.num_elements() for weight in trainable) == parameters
    one = pix2pix.patch_discriminator([(256, 256, 3)], 64, 70, norm)
    expected = 2_764_737 if norm == "instance" else 2_765_633
    trainable = one.trainable_variables
    assert sum(weight.value.shape.num_elements() for weight in trainable) == expected


def test_losses_of_patches_equal_the_reference():
    """The reference gives D's two halves apart; its discriminators take half their sum."""
    given = golden.load("cyclegan", "ganloss")
    real, fake = golden.nhwc(given["in/pred_real"]), golden.nhwc(given["in/pred_fake"])
    for name, loss in (
        ("vanilla", losses.NonSaturating()),
        ("lsgan", losses.LeastSquares(factor=1.0)),
        ("wgangp", losses.Wasserstein()),
    ):
        both = given[f"out/{name}_D_real"] + given[f"out/{name}_D_fake"]
        ours = tf.reduce_mean(loss.discriminator(real, fake))
        np.testing.assert_allclose(ours, both, rtol=1e-5)
        ours = tf.reduce_mean(loss.generator(fake))
        np.testing.assert_allclose(ours, given[f"out/{name}_G"], rtol=1e-5)


def test_the_gradient_penalty_of_a_patch_discriminator_equals_the_reference():
    """Its discriminator had no normalisation here, and so no biases where that would follow."""
    given = golden.load("cyclegan", "gp_mixed")
    state = golden.state(given, "")
    network = pix2pix.patch_discriminator([(32, 32, 3)], 8, 70, "instance")
    biases = {f"model.{i}.bias": np.zeros(len(state[f"model.{i}.weight"])) for i in (2, 5, 8)}
    importers.assign(network, {**biases, **state}, "cyclegan.discriminator")

    def bare(layer):
        return keras.layers.Identity() if isinstance(layer, InstanceNormalization) else layer

    network = keras.models.clone_model(network, clone_function=bare)
    real, fake = golden.nhwc(given["in/real"]), golden.nhwc(given["in/fake"])
    ours = penalties.gradient_penalty(network, real, fake, given["in/alpha"][:, 0])
    np.testing.assert_allclose(10 * tf.reduce_mean(ours), given["out/gp_mixed"], rtol=1e-4)


def test_the_pool_decides_as_the_reference_did():
    given = golden.load("cyclegan", "image_pool")
    size = int(given["in/pool_size"])
    pool = ImagePool(size)
    pool.build((None, 1, 1, 1))
    # the reference drew nothing while the pool filled, and no place for images it let through
    tosses = np.concatenate([np.zeros(size), given["in/uniform"]]) > 0.5
    places = np.concatenate([np.zeros(size, int), given["in/index"].clip(0)]).astype("int32")
    for i, (images, wanted) in enumerate(
        zip(given["in/images"], given["out/returned"], strict=True)
    ):
        part = slice(2 * i, 2 * i + 2)
        shaped = images.reshape(-1, 1, 1, 1)
        returned = pool.exchange(tf.constant(shaped), tosses[part], places[part])
        np.testing.assert_array_equal(np.ravel(returned), wanted)
    assert not np.array_equal(given["in/images"], given["out/returned"])
