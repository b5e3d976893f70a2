"""SRGAN and ESRGAN against Lornatang/SRGAN-PyTorch, BasicSR and torchvision, with their weights."""

import functools

import golden
import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import content, importers, losses
from ganzoo.models import esrgan, srgan

NETWORKS = {
    "srresnet_ch16_rcb2_x4": ("srgan.generator", lambda: srgan.generator_network(3, 4, 16, 2)),
    "srgan_D96_ch8": (
        "srgan.discriminator",
        lambda: srgan.discriminator_network((96, 96, 3), 8, 1024),
    ),
    "rrdbnet_f8_g4_b2_x4": ("esrgan.generator", lambda: esrgan.generator_network(3, 4, 8, 4, 2)),
    "rrdbnet_f8_g4_b1_x2": ("esrgan.generator", lambda: esrgan.generator_network(3, 2, 8, 4, 1)),
    "rrdbnet_f8_g4_b1_x1": ("esrgan.generator", lambda: esrgan.generator_network(3, 1, 8, 4, 1)),
    "vggstyle_D128_f8": (
        "esrgan.discriminator",
        lambda: esrgan.vgg_discriminator((128, 128, 3), 8),
    ),
    "unet_D_sn_f8": ("esrgan.discriminator", lambda: esrgan.unet_discriminator((32, 24, 3), 8)),
}
#: outputs and states in each file
FOUND = {"srresnet_ch16_rcb2_x4": 12, "vggstyle_D128_f8": 20, "unet_D_sn_f8": 4, "srgan_D96_ch8": 2}


@functools.cache
def errors(name):
    """Errors of all that a case of the golden file holds, by what it is."""
    kind, make = NETWORKS[name]
    case, network = golden.load("super_resolution", name), make()
    weights = golden.seeded_state(case)
    importers.assign(network, weights, kind)
    x = golden.nhwc(case["in/x"])

    def off(key, **kwargs):
        reference = case[key]
        reference = golden.nhwc(reference) if reference.ndim == 4 else reference
        return golden.error(network(x, **kwargs), reference)

    found = {}
    for key in ("out/y", "out/y_eval", "out/y_eval_before_clamp"):
        if key in case:
            found[key] = off(key)
    for key in ("out/y_train", "out/y_train_1", "out/y_train_2", "out/y_train_before_clamp"):
        if key in case:
            found[key] = off(key, training=True)
    if "out/u_after_2" in case:
        found["u"] = golden.error(network.get_layer("conv1").u, case["out/u_after_2"])
    pixels = x.shape[1] * x.shape[2] if network.name == "generator" else None
    return found | golden.state_errors(network, case, weights, "", kind, x.shape[0], pixels)


def family_errors(family):
    """All errors of the networks of "srgan" or "esrgan"."""
    names = [name for name, (kind, _) in NETWORKS.items() if kind.startswith(f"{family}.")]
    return {f"{name}, {what}": e for name in names for what, e in errors(name).items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_state_equal_the_reference(name):
    found = errors(name)
    assert len(found) == FOUND.get(name, 1)
    for what, error in found.items():
        assert error <= golden.FORWARD, what


@pytest.mark.parametrize(
    ("name", "key"),
    [("srresnet_ch16_rcb2_x4", "out/y_eval_before_clamp"), ("rrdbnet_f8_g4_b1_x2", "out/y")],
)
def test_a_checkpoint_makes_a_model_of_its_configuration(name, key, tmp_path):
    kind = NETWORKS[name][0].removesuffix(".generator")
    case = golden.load("super_resolution", name)
    np.savez(tmp_path / "official.npz", **golden.seeded_state(case))
    small = {"discriminator_filters": 4}
    gan = importers.load(kind, tmp_path / "official.npz", **small)
    # the reference works in [0, 1]
    made = gan.enlarge(2.0 * golden.nhwc(case["in/x"]) - 1.0)
    assert golden.error((made + 1.0) / 2.0, golden.nhwc(case[key])) <= golden.FORWARD
    np.savez(tmp_path / "other.npz", weight=np.zeros(3))
    with pytest.raises(ValueError, match="this is no"):
        importers.load(kind, tmp_path / "other.npz")


@functools.cache
def content_errors():
    """Errors of the features of VGG19 and of their distances, at seven depths."""
    case = golden.load("super_resolution", "vgg19")
    names = [key.removeprefix("out/feat8_") for key in case if key.startswith("out/feat8_")]
    network = content.vgg19(names, weights=None)
    importers.assign(network, golden.seeded_state(case), "vgg19.torchvision")
    # the reference takes images in [0, 1]
    x, y = [2.0 * golden.nhwc(case[f"in/{key}"]) - 1.0 for key in "xy"]
    found = {}
    for name, feature in zip(names, network(x), strict=True):
        found[name] = golden.error(feature[..., :8], golden.nhwc(case[f"out/feat8_{name}"]))
        inner = keras.Model(network.input, network.get_layer(name).output)
        for power, key in ((1, f"out/l1_{name}"), (2, f"out/mse_{name}")):
            distance = content.Content(inner, power, activated=False)(x, y)
            found[key] = golden.error(tf.reduce_mean(distance), case[key])
    weighted = zip((0.1, 0.1, 1.0, 1.0, 1.0), range(1, 6), (2, 2, 4, 4, 4), strict=True)
    total = sum(w * case[f"out/l1_conv{block}_{i}"] for w, block, i in weighted)
    found["Real-ESRGAN's sum"] = golden.error(total, case["out/realesrgan_perceptual"])
    return found


def test_content_features_equal_torchvisions():
    found = content_errors()
    assert len(found) == 7 * 3 + 1
    for what, error in found.items():
        assert error <= golden.FORWARD, what


def test_relativistic_average_equals_the_authors():
    case = golden.load("super_resolution", "relativistic_average")
    real, fake = case["in/pred_real"], case["in/pred_fake"]
    loss = losses.RelativisticAverage()
    wanted = case["out/esrgan_rel_D_real"] + case["out/esrgan_rel_D_fake"]
    assert np.mean(loss.discriminator(real, fake)) == pytest.approx(wanted, rel=1e-5)
    assert np.mean(loss.generator(fake, real)) == pytest.approx(case["out/esrgan_rel_G"], rel=1e-5)


def counts(*rows):
    return pytest.mark.parametrize(("make", "parameters"), rows)


@counts(
    (lambda: srgan.generator_network(3, 4, 64, 16), 1_547_350),
    (lambda: srgan.discriminator_network((96, 96, 3), 64, 1024), 23_563_649),
    (lambda: esrgan.vgg_discriminator((128, 128, 3), 64), 14_499_401),
    (lambda: esrgan.unet_discriminator((128, 128, 3), 64), 4_376_897),
)
def test_full_size_parameter_counts(make, parameters):
    assert count(make()) == parameters


@pytest.mark.slow
@counts(
    (lambda: srgan.generator_network(3, 2, 64, 16), 1_399_637),
    (lambda: srgan.generator_network(3, 8, 64, 16), 1_695_063),
    (lambda: esrgan.vgg_discriminator((256, 256, 3), 64), 21_055_049),
    (lambda: esrgan.generator_network(3, 4, 64, 32, 6), 4_467_779),
    (lambda: esrgan.generator_network(3, 4, 64, 32, 23), 16_697_987),
    (lambda: esrgan.generator_network(3, 2, 64, 32, 23), 16_703_171),
)
def test_more_full_size_parameter_counts(make, parameters):
    assert count(make()) == parameters


def count(network):
    return sum(weight.value.shape.num_elements() for weight in network.trainable_variables)
