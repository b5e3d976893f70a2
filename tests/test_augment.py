"""DiffAugment: its three changes against the reference, and its draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import augment
from ganzoo.augment import DiffAugment

GOLDEN = "tests/parity/diffaugment.npz"
RNG = np.random.default_rng(2)


def images(*shape):
    return RNG.uniform(-1, 1, shape).astype("float32")


@pytest.mark.parametrize("policy", ["color", "translation", "cutout", "color_translation_cutout"])
def test_changes_equal_the_reference(policy, request):
    with np.load(request.config.rootpath / GOLDEN, allow_pickle=False) as file:
        case = {
            k.split("/", 1)[1]: file[k]
            for k in file.files
            if k.startswith(f"diffaug_13x18_{policy}/")
        }
    x = tf.constant(case["in/x"].transpose(0, 2, 3, 1))
    draws = [case[k].ravel() for k in sorted(case) if k.startswith("in/draw")]
    for name in policy.split("_"):
        change = getattr(augment, name)
        used, draws = draws[: 3 if name == "color" else 2], draws[3 if name == "color" else 2 :]
        x = change(x, *used)
    assert not draws
    np.testing.assert_allclose(x, case["out/y"].transpose(0, 2, 3, 1), rtol=0, atol=1e-6)


def test_neutral_draws_change_nothing():
    x = tf.constant(images(3, 7, 6, 4))
    half, none = tf.fill((3,), 0.5), tf.zeros(3, "int32")
    np.testing.assert_allclose(augment.color(x, half, half, half), x, atol=1e-6)
    np.testing.assert_array_equal(augment.translation(x, none, none), x)
    np.testing.assert_array_equal(augment.cutout(x, none + 100, none + 100), x)


def test_draws_cover_the_published_ranges():
    """A white image shows where translation and cutout were: every shift and centre occurs."""
    n, white = 4000, np.ones((4000, 16, 12, 1), "float32")
    moved = np.asarray(DiffAugment("translation", seed=0)(white))[..., 0]
    # shifted by s rows, the first or last |s| rows are 0
    rows = np.argmax(moved.any(2), 1) - np.argmax(moved.any(2)[:, ::-1], 1)
    columns = np.argmax(moved.any(1), 1) - np.argmax(moved.any(1)[:, ::-1], 1)
    for shift, reach in ((rows, 2), (columns, 2)):
        values, counts = np.unique(shift, return_counts=True)
        np.testing.assert_array_equal(values, np.arange(-reach, reach + 1))
        assert abs(counts / n - 1 / (2 * reach + 1)).max() < 0.03
    cut = np.asarray(DiffAugment("cutout", seed=0)(white))[..., 0] == 0
    top, height = np.argmax(cut.any(2), 1), cut.any(2).sum(1)
    assert height.min() == 4 and height.max() == 8 and top.min() == 0 and top.max() == 12
    # 17 centres; a full square has its top at 0..8, and at 0 it may be cut off too
    assert abs((height == 8).mean() - 9 / 17) < 0.03


def test_colour_draws_are_independent_and_uniform():
    grey = np.zeros((4000, 2, 2, 3), "float32")
    shift = np.asarray(DiffAugment("color", seed=1)(grey))
    np.testing.assert_allclose(shift, np.broadcast_to(shift[:, :1, :1, :1], shift.shape), atol=1e-6)
    values = np.sort(shift[:, 0, 0, 0])
    np.testing.assert_allclose(values, np.linspace(-0.5, 0.5, 4000), atol=0.03)


def test_same_seed_same_draws_with_and_without_xla():
    x = tf.constant(images(4, 12, 16, 3))
    one, two, three = (DiffAugment(seed=5) for _ in range(3))
    first, second = one(x), one(x)
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_array_equal(two(x), first)
    jitted = tf.function(three, jit_compile=True)
    np.testing.assert_allclose(jitted(x), first, atol=1e-6)
    np.testing.assert_allclose(jitted(x), second, atol=1e-6)


def test_replicas_draw_differently(two_devices):
    with two_devices.scope():
        layer = DiffAugment(seed=5)
    white = tf.ones((8, 16, 16, 1))
    result = two_devices.run(tf.function(lambda: layer(white)))
    one, two = two_devices.experimental_local_results(result)
    assert np.abs(one.numpy() - two.numpy()).max() > 0.5


def test_options_are_saved(tmp_path):
    layer = DiffAugment(["cutout", "color"], seed=3)
    assert layer.policy == ("color", "cutout")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    x = images(2, 8, 8, 3)
    np.testing.assert_array_equal(again(x), layer(x))
    for wrong in ((), "rotate", ("color", "zoom")):
        with pytest.raises(ValueError, match="policy"):
            DiffAugment(wrong)


@pytest.mark.parametrize("jit", [False, True])
def test_gradients_pass_twice(jit):
    """The derivative by w of |d/dx f(augmented w x)|^2, against central differences."""
    x, w = tf.constant(images(3, 9, 8, 3)), tf.Variable(1.2)
    half, shift = tf.constant([0.2, 0.5, 0.9]), tf.constant([1, -1, 0])

    def changed(x):
        x = augment.color(x, half, half[::-1], half)
        return augment.cutout(augment.translation(x, shift, -shift), shift + 4, shift + 2)

    @tf.function(jit_compile=jit)
    def both():
        with tf.GradientTape() as outer:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(tf.sin(3 * changed(w * x)))
            value = tf.reduce_sum(tape.gradient(y, x) ** 2)
        return value, outer.gradient(value, w)

    analytic, values = float(both()[1]), []
    for step in (3e-3, -3e-3):
        w.assign(1.2 + step)
        values.append(float(both()[0]))
    assert analytic == pytest.approx((values[0] - values[1]) / 6e-3, rel=1e-2)
    assert abs(analytic) > 1


def test_half_precision_is_kept():
    x = tf.constant(images(2, 8, 8, 3), "float16")
    assert DiffAugment(dtype="mixed_float16")(x).dtype == "float16"
