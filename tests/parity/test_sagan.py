"""SAGAN against mimicry, with its weights."""

import golden
import pytest

from ganzoo.layers import SelfAttention
from ganzoo.models import sagan


def errors():
    case = golden.load("sagan", "sagan32_n3")
    generator = sagan.generator_network((32, 32, 3), 16, 16, True, 3)
    discriminator = sagan.discriminator_network((32, 32, 3), 32, True, 3)
    return golden.pair_errors(generator, discriminator, case, "sagan_mimicry")


def test_outputs_and_state_equal_the_reference():
    found = errors()
    assert len(found) == 5 + 14
    for what, error in found.items():
        assert error <= golden.FORWARD, what


def test_attention_equals_the_reference():
    case = golden.load("sagan", "attention_nosn")
    layer, x = SelfAttention(), golden.nhwc(case["in/x"])
    layer(x)
    names = {"query": "theta", "key": "phi", "value": "g", "output_convolution": "o"}
    for ours, theirs in names.items():
        kernel = case[f"w/{theirs}.weight"].transpose(2, 3, 1, 0)
        getattr(layer, ours).kernel.assign(kernel)
    layer.gamma.assign(case["w/gamma"])
    assert abs(case["w/gamma"]) > 0.1
    assert golden.error(layer(x), golden.nhwc(case["out/y"])) <= golden.FORWARD


@pytest.mark.parametrize(
    ("side", "filters", "constant", "num_classes", "generator", "discriminator"),
    [
        (32, 256, True, 10, 4_386_308, 1_075_586),
        (128, 64, False, 1000, 42_078_852, 30_062_338),
    ],
)
def test_full_size_parameter_counts(side, filters, constant, num_classes, generator, discriminator):
    shape = (side, side, 3)
    g = sagan.generator_network(shape, 128, filters, constant, num_classes)
    d = sagan.discriminator_network(shape, filters, constant, num_classes)
    for network, expected in ((g, generator), (d, discriminator)):
        trainable = network.trainable_variables
        assert sum(weight.value.shape.num_elements() for weight in trainable) == expected
