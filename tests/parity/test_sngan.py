"""SNGAN against the authors' Chainer code and against mimicry, with their weights."""

import golden
import pytest

from ganzoo.models import sngan


def errors(reference, classes):
    shape, mimicry = (32, 32, 3), reference == "mimicry"
    case = {"chainer": {0: "sngan32", 3: "projection32_n3"}, "mimicry": {3: "cgan_pd32_n3"}}
    case = golden.load(f"sngan_{reference}", case[reference][classes])
    generator = sngan.generator_network(shape, 16, 16, True, classes or None, mimicry)
    discriminator = sngan.discriminator_network(shape, 32, True, classes or None, mimicry)
    separator = "." if mimicry else "/"
    return golden.pair_errors(generator, discriminator, case, f"sngan_{reference}", separator)


@pytest.mark.parametrize(("reference", "classes"), [("chainer", 0), ("chainer", 3), ("mimicry", 3)])
def test_outputs_and_state_equal_the_reference(reference, classes):
    found = errors(reference, classes)
    # 5 outputs, 14 running statistics, and each u (mimicry's file holds those of two layers)
    assert (
        len(found)
        == 5 + 14 + {("chainer", 0): 11, ("chainer", 3): 12, ("mimicry", 3): 2}[reference, classes]
    )
    for what, error in found.items():
        assert error <= golden.FORWARD, what


@pytest.mark.parametrize(
    ("architecture", "num_classes", "generator", "discriminator"),
    [
        ("resnet32", None, 4_276_739, 1_053_824),
        ("resnet32", 10, 4_304_387, 1_055_104),
        ("resnet64", None, 12_220_675, 10_141_441),
        ("resnet64", 1000, 17_974_915, 11_165_441),
        ("resnet128", None, 32_150_787, 29_017_857),
        ("resnet128", 1000, 41_996_931, 30_041_857),
    ],
)
def test_full_size_parameter_counts(architecture, num_classes, generator, discriminator):
    shape, filters, constant = sngan.ARCHITECTURES[architecture]
    g = sngan.generator_network(shape, 128, filters, constant, num_classes)
    d = sngan.discriminator_network(shape, filters, constant, num_classes)
    assert count(g) == generator and count(d) == discriminator


def count(network):
    return sum(weight.value.shape.num_elements() for weight in network.trainable_variables)
