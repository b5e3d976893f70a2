"""The bicubic resize against Pillow's, which has the same kernel and only other borders."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ganzoo import bicubic


@pytest.fixture(scope="module")
def photos(garments):
    """Three garments as the channels of an image, float32 (4, 24, 24, 3)."""
    return np.concatenate(np.split(garments[0][:12, 2:26, 2:26], 3), -1).astype("float32")


def by_pillow(plane, height, width):
    """Pillow leaves out what lies beyond the border; of an image that was mirrored before, the
    middle is what MATLAB's rule gives. In floats, since Pillow rounds 8-bit images twice."""
    # by whole images, which keeps the grid where it is
    mirrored = np.pad(plane, [(side, side) for side in plane.shape], mode="symmetric")
    wide = Image.fromarray(mirrored).resize((3 * width, 3 * height), Image.Resampling.BICUBIC)
    return np.asarray(wide)[height : 2 * height, width : 2 * width]


@pytest.mark.parametrize(("height", "width"), [(12, 12), (8, 6), (3, 4), (48, 72), (96, 24)])
def test_equals_pillow_inside_and_matlabs_rule_at_the_borders(photos, height, width):
    ours = bicubic.resize(photos, height, width)
    for image, made in zip(photos, ours, strict=True):
        for c in range(3):
            wanted = by_pillow(image[..., c], height, width)
            # float32 sums of values up to 255, in another order
            np.testing.assert_allclose(made[..., c], wanted, rtol=0, atol=2e-4)


def test_values_worked_out_by_hand():
    """Halving 0 0 0 0 1 1 1 1: the kernel at distances 0.25, 0.75, 1.25, 1.75 of the small pixels,
    halved, is 111/256, 29/256, -9/256, -3/256 (Keys's equation 15)."""
    step = np.repeat([0.0, 1.0], 4).astype("float32").reshape(1, 1, 8, 1)
    made = np.asarray(bicubic.resize(step, 1, 4)).ravel()
    wanted = [-3 / 256, (29 - 9 - 3) / 256, 1 - (29 - 9 - 3) / 256, 1 + 3 / 256]
    np.testing.assert_allclose(made, wanted, atol=1e-6)


def test_small_images_are_those_of_a_file(photos):
    scaled = photos / 127.5 - 1
    small = np.asarray(bicubic.downscale(scaled, 4))
    assert small.shape == (4, 6, 6, 3)
    values = (small + 1) * 127.5
    np.testing.assert_allclose(values, np.round(values), atol=1e-4)
    assert small.min() >= -1 and small.max() <= 1
    np.testing.assert_allclose(values, np.clip(bicubic.resize(photos, 6, 6), 0, 255), atol=0.501)
    with pytest.raises(ValueError, match=r"24x24 .*scale=5 does not divide.*20x20"):
        bicubic.downscale(scaled, 5)


def test_the_same_in_a_compiled_step_and_with_a_gradient(photos):
    compiled = tf.function(lambda x: bicubic.downscale(x, 3), jit_compile=True)
    scaled = tf.constant(photos / 127.5 - 1)
    np.testing.assert_allclose(compiled(scaled), bicubic.downscale(scaled, 3), atol=1e-6)
    with tf.GradientTape() as tape:
        tape.watch(scaled)
        made = bicubic.resize(scaled, 8, 8)
    # a linear map: the gradient of its sum is the sum of its weights, 1 for each small pixel
    gradient = tape.gradient(made, scaled)
    np.testing.assert_allclose(tf.reduce_sum(gradient, (1, 2)), 64, rtol=1e-5)
