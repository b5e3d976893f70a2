"""Pix2Pix against the authors' PyTorch code, with its weights."""

import golden
import pytest
import tensorflow as tf

from ganzoo import importers
from ganzoo.models import pix2pix


def errors(network, file, case_name, kind):
    """Errors of outputs, the gradient by the input and running statistics, in inference and in a
    training pass; the network takes the case's weights."""
    case = golden.load(file, case_name)
    state = golden.state(case, "")
    importers.assign(network, state, kind)
    x, cotangent = golden.nhwc(case["in/x"]), golden.nhwc(case["in/cotangent"])
    inputs = tf.split(x, [i.shape[-1] for i in network.inputs], axis=-1)

    def compared(key, ours):  # some are stored at every fifth pixel
        if f"out/{key}__s5" in case:
            return golden.error(ours[:, ::5, ::5], golden.nhwc(case[f"out/{key}__s5"]))
        return golden.error(ours, golden.nhwc(case[f"out/{key}"]))

    def call(**kwargs):
        return network(inputs if len(inputs) > 1 else inputs[0], **kwargs)

    found = {"in inference": compared("y_eval", call())}
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = call(training=True)
        product = tf.reduce_sum(y * cotangent)
    found["in training"] = compared("y_train_nodropout", y)
    gradient = compared("grad_x_train", tf.concat(tape.gradient(product, inputs), -1))
    found |= golden.state_errors(network, case, state, "", kind, len(x))
    return found, gradient


def case(name):
    if name == "unet128":
        return pix2pix.unet((128, 128, 3), 2, 4, "batch", 0.0), "pix2pix.generator"
    side, patch = (64, 70) if name.startswith("patchgan") else (16, 1)
    shapes = [(side, side, 3)] * 2
    network = pix2pix.patch_discriminator(shapes, 8, patch, "batch")
    return network, "pix2pix.discriminator"


@pytest.mark.parametrize(
    ("name", "statistics"),
    [("unet128", 22), ("patchgan70_bn_ndf8_in6", 6), ("pixel_bn_ndf8_in6", 2)],
)
def test_outputs_gradients_and_statistics_equal_the_reference(name, statistics):
    network, kind = case(name)
    found, gradient = errors(network, "pix2pix", name, kind)
    assert len(found) == 2 + statistics
    for what, error in found.items():
        assert error <= golden.FORWARD, what
    assert gradient <= golden.GRADIENT


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (lambda: pix2pix.unet((256, 256, 3), 3, 64, "batch", 0.5), 54_413_955),
        (lambda: pix2pix.unet((256, 256, 3), 3, 64, "instance", 0.5), 54_409_603),
        (lambda: pix2pix.unet((128, 128, 3), 3, 64, "batch", 0.5), 41_828_995),
        (lambda: pix2pix.patch_discriminator([(256, 256, 3)] * 2, 64, 70, "batch"), 2_768_705),
        (lambda: pix2pix.patch_discriminator([(256, 256, 3)] * 2, 64, 1, "batch"), 9_024),
    ],
)
def test_full_size_parameter_counts(make, parameters):
    trainable = make().trainable_variables
    assert sum(weight.value.shape.num_elements() for weight in trainable) == parameters


@pytest.mark.parametrize(("side", "answers"), [(64, 6), (70, 6), (128, 14), (256, 30), (286, 33)])
def test_a_patch_discriminator_answers_as_many_patches_as_the_reference(side, answers):
    network = pix2pix.patch_discriminator([(side, side, 3)], 1, 70, "instance")
    assert network.output_shape == (None, answers, answers, 1)


@pytest.mark.parametrize("patch", [1, 16, 34, 70, 142, 286])
def test_a_verdict_is_about_a_patch_of_the_size_it_says(patch):
    """The gradient of one verdict is not zero in a square of this side, and nowhere else."""
    side = max(3 * 2 ** pix2pix.PATCHES.get(patch, 1), patch + 40)
    network = pix2pix.patch_discriminator([(side, side, 1)], 1, patch, "batch")
    for weight in network.trainable_variables:  # all positive, so that nothing cancels out
        weight.assign(tf.abs(weight) + 0.01)
    image = tf.ones((1, side, side, 1))
    with tf.GradientTape() as tape:
        tape.watch(image)
        verdict = network(image)
        middle = verdict.shape[1] // 2
        one = verdict[0, middle, middle, 0]
    rows = tf.reduce_any(tape.gradient(one, image)[0, :, :, 0] != 0, axis=1).numpy()
    assert rows.sum() == patch
