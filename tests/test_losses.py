"""Every loss against figures of other implementations, formulas written out, and hard inputs."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from parity import golden

from ganzoo import losses

ALL = (
    losses.NonSaturating,
    losses.Minimax,
    losses.LeastSquares,
    losses.Wasserstein,
    losses.Hinge,
    losses.Relativistic,
    losses.RelativisticAverage,
)
LABELLED = ALL[:3]
RNG = np.random.default_rng(4)


def logits(*shape, scale=3.0):
    return (scale * RNG.standard_normal(shape)).astype("float32")


def log_sigmoid(x):
    return -np.logaddexp(0, -np.asarray(x, "float64"))


def bce(x, label):
    return -(label * log_sigmoid(x) + (1 - label) * log_sigmoid(-np.asarray(x, "float64")))


# loss -> D's and G's values of each logit as the papers have them, in float64
FORMULAS = {
    "NonSaturating": (lambda r, f: bce(r, 1) + bce(f, 0), lambda r, f: -log_sigmoid(f)),
    "Minimax": (lambda r, f: bce(r, 1) + bce(f, 0), lambda r, f: log_sigmoid(-f)),
    "LeastSquares": (lambda r, f: (r - 1) ** 2 / 2 + f**2 / 2, lambda r, f: (f - 1) ** 2 / 2),
    "Wasserstein": (lambda r, f: f - r, lambda r, f: -f),
    "Hinge": (lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f), lambda r, f: -f),
    "Relativistic": (lambda r, f: -log_sigmoid(r - f), lambda r, f: -log_sigmoid(f - r)),
    "RelativisticAverage": (
        lambda r, f: (bce(r - f.mean(), 1) + bce(f - r.mean(), 0)) / 2,
        lambda r, f: (bce(r - f.mean(), 0) + bce(f - r.mean(), 1)) / 2,
    ),
}


@pytest.mark.parametrize(
    ("loss", "d_name", "g_name"),
    [
        (losses.NonSaturating(), "minimax_bce_D", "minimax_bce_G_nonsaturating"),
        (losses.Minimax(), "minimax_bce_D", "saturating_G"),
        (losses.LeastSquares(), "lsgan_D_half", "lsgan_G_half"),
        (losses.Wasserstein(), "wgan_D", "wgan_G"),
        (losses.Hinge(), "hinge_D", "hinge_G"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_means_equal_the_references(loss, d_name, g_name):
    case = golden.load("losses", "adversarial")
    real, fake = case["in/real_logits"], case["in/fake_logits"]
    on_d, on_g = loss.discriminator(real, fake), loss.generator(fake)
    np.testing.assert_allclose(np.mean(on_d), case[f"out/{d_name}"], rtol=2e-6)
    np.testing.assert_allclose(np.mean(on_g), case[f"out/{g_name}"], rtol=2e-6)
    if loss.labelled and d_name == "minimax_bce_D":
        smoothed = loss.discriminator(real, fake, real_labels=0.9)
        np.testing.assert_allclose(np.mean(smoothed), case["out/minimax_bce_D_label09"], rtol=2e-6)


def test_relativistic_equals_the_reference_image_by_image():
    case, loss = golden.load("losses", "relativistic"), losses.Relativistic()
    real, fake = case["in/real_logits"], case["in/fake_logits"]
    on_d, on_g = loss.discriminator(real, fake), loss.generator(fake, real)
    np.testing.assert_allclose(on_d, case["out/rpgan_D_per_sample"], rtol=2e-6)
    np.testing.assert_allclose(on_g, case["out/rpgan_G_per_sample"], rtol=2e-6)
    with pytest.raises(ValueError, match=r"generator\(fake, real=logits\)"):
        loss.generator(fake)


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 3, 2, 1)], ids=["flat", "column", "patches"])
@pytest.mark.parametrize("cls", ALL)
def test_values_equal_the_formula_example_by_example(cls, shape):
    real, fake = logits(*shape), logits(*shape)
    for ours, formula in zip(
        (cls().discriminator(real, fake), cls().generator(fake, real)),
        FORMULAS[cls.__name__],
        strict=True,
    ):
        assert ours.shape == (6,) and ours.dtype == "float32"
        wanted = formula(real.astype("float64"), fake.astype("float64")).reshape(6, -1).mean(1)
        np.testing.assert_allclose(ours, wanted, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 3, 2, 1)], ids=["flat", "column", "patches"])
@pytest.mark.parametrize("cls", LABELLED)
def test_labels_are_one_an_example(cls, shape):
    real, fake = logits(*shape), logits(*shape)
    r_label, f_label = RNG.uniform(0.7, 1.2, 6), RNG.uniform(0.0, 0.3, 6)
    ours = cls().discriminator(real, fake, real_labels=r_label, fake_labels=f_label)

    def wanted(x, label):
        label = label.reshape(-1, *[1] * (x.ndim - 1))
        each = (x - label) ** 2 / 2 if cls is losses.LeastSquares else bce(x, label)
        return each.reshape(6, -1).mean(1)

    np.testing.assert_allclose(ours, wanted(real, r_label) + wanted(fake, f_label), rtol=5e-6)
    # a number is the same label for all, and leaving labels out is the loss's own
    one = cls().discriminator(real, fake, real_labels=1.0, fake_labels=0.0)
    np.testing.assert_array_equal(one, cls().discriminator(real, fake))


@pytest.mark.parametrize("cls", ALL[3:])
def test_losses_without_labels_take_none(cls):
    assert not cls.labelled
    with pytest.raises(TypeError, match="real_labels"):
        cls().discriminator(logits(2), logits(2), real_labels=0.9)


def test_least_squares_takes_its_three_targets():
    real, fake = logits(5, 1), logits(5, 1)
    loss = losses.LeastSquares(a=-1, b=2, c=0.5)
    np.testing.assert_allclose(
        loss.discriminator(real, fake),
        ((real - 2) ** 2 / 2 + (fake + 1) ** 2 / 2)[:, 0],
        rtol=2e-6,
    )
    np.testing.assert_allclose(loss.generator(fake), (fake - 0.5)[:, 0] ** 2 / 2, rtol=2e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("cls", ALL)
def test_half_precision_logits_give_float32_losses(cls, dtype):
    """The loss of rounded logits is exact: nothing is computed in half precision."""
    real, fake = tf.cast(logits(6, 1), dtype), tf.cast(logits(6, 1), dtype)
    exact = [tf.cast(x, "float64").numpy() for x in (real, fake)]
    for ours, formula in zip(
        (cls().discriminator(real, fake), cls().generator(fake, real)),
        FORMULAS[cls.__name__],
        strict=True,
    ):
        assert ours.dtype == "float32"
        np.testing.assert_allclose(ours, formula(*exact)[:, 0], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_huge_logits_stay_finite(cls):
    """Up to 1e4, values are the formula's and gradients are finite."""
    real = tf.constant([[1e4], [1e4], [-1e4], [-1e4]])
    fake = tf.constant([[1e4], [-1e4], [1e4], [-1e4]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        on_d, on_g = cls().discriminator(real, fake), cls().generator(fake, real)
    exact = [x.numpy().astype("float64") for x in (real, fake)]
    for ours, formula in zip((on_d, on_g), FORMULAS[cls.__name__], strict=True):
        np.testing.assert_allclose(ours, formula(*exact)[:, 0], rtol=1e-6, atol=1e-6)
        for gradient in tape.gradient(ours, [real, fake]):
            assert gradient is None or np.isfinite(gradient).all()
    assert np.abs(tape.gradient(on_g, fake)).max() > 0


def test_what_the_generator_learns_from_a_sure_discriminator():
    """D(fake) = -8: the saturating loss has next to no slope, the non-saturating one nearly 1."""
    fake = tf.constant([[-8.0]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fake)
        values = {cls: cls().generator(fake) for cls in (losses.Minimax, losses.NonSaturating)}
    probability = 1 / (1 + np.exp(8.0))
    slopes = {cls: tape.gradient(value, fake).numpy().item() for cls, value in values.items()}
    assert slopes[losses.Minimax] == pytest.approx(-probability, rel=1e-4)
    assert slopes[losses.NonSaturating] == pytest.approx(probability - 1, rel=1e-6)


@pytest.mark.parametrize("loss", [*(cls() for cls in ALL), losses.LeastSquares(-1, 1, 0.25)])
def test_serialisation(loss):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    assert config["registered_name"] == f"ganzoo>{type(loss).__name__}"
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(loss) and vars(again) == vars(loss)


def test_a_loss_of_ones_own_must_say_both_sides():
    with pytest.raises(NotImplementedError, match="Loss must define discriminator"):
        losses.Loss().discriminator(ops.zeros(1), ops.zeros(1))
    with pytest.raises(NotImplementedError, match="Loss must define generator"):
        losses.Loss().generator(ops.zeros(1))
