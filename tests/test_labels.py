"""What D is told and shown: distributions of soft labels, flips, noise, and their restoration."""

import keras
import numpy as np
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy import stats

import ganzoo
from ganzoo import LabelSmoothing, losses
from ganzoo.labels import DiscriminatorOptions
from ganzoo.random import Noise, normal, to_normal, uniform, whole

N = 20_000


def targets(step=0, loss=None, smoothing=None, label_noise=None):
    options = DiscriminatorOptions(smoothing, label_noise, None, loss or losses.NonSaturating())
    drawn = options.targets(Noise(5), N, step)
    return {name: np.asarray(values) for name, values in drawn.items()}


def test_nothing_asked_for_is_the_losss_own_labels():
    assert targets() == {}
    assert targets(smoothing=0, label_noise=0) == {}


def test_a_number_smooths_one_side():
    drawn = targets(smoothing=0.1)
    np.testing.assert_allclose(drawn["real_labels"], 0.9, rtol=1e-6)
    np.testing.assert_array_equal(drawn["fake_labels"], 0)


def test_ranges_are_uniform_and_drawn_for_every_image():
    drawn = targets(smoothing=LabelSmoothing(real=(0.7, 1.2), fake=(0.0, 0.3)))
    for name, low, high in (("real_labels", 0.7, 1.2), ("fake_labels", 0.0, 0.3)):
        values = drawn[name]
        assert values.shape == (N,)
        assert len(np.unique(values)) > 0.99 * N
        # Kolmogorov-Smirnov: at 1e-3, a fixed seed cannot fail by chance but once
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(drawn["real_labels"], drawn["fake_labels"])[0, 1]) < 0.03


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_label_noise_flips_its_share_of_both_sides(share):
    drawn = targets(label_noise=share)
    # five standard deviations of a binomial
    margin = 5 * np.sqrt(share * (1 - share) / N)
    assert set(np.unique(drawn["real_labels"])) <= {0.0, 1.0}
    assert abs((drawn["real_labels"] == 0).mean() - share) <= margin
    assert abs((drawn["fake_labels"] == 1).mean() - share) <= margin
    if share == 0.5:  # the flips of real and fake are independent
        assert abs(np.corrcoef(drawn["real_labels"], drawn["fake_labels"])[0, 1]) < 0.03


def test_flips_swap_soft_labels():
    drawn = targets(smoothing=LabelSmoothing(real=(0.7, 1.2), fake=0.0), label_noise=0.25)
    flipped = drawn["real_labels"] == 0
    assert abs(flipped.mean() - 0.25) < 0.02
    assert drawn["real_labels"][~flipped].min() >= 0.7
    assert (drawn["fake_labels"] >= 0.7).mean() == pytest.approx(0.25, abs=0.02)


def test_label_options_take_the_labels_of_least_squares():
    drawn = targets(loss=losses.LeastSquares(-1, 1, 0), label_noise=0.3)
    assert set(np.unique(drawn["real_labels"])) == {-1.0, 1.0}
    drawn = targets(loss=losses.LeastSquares(-1, 1, 0), smoothing=0.1)
    np.testing.assert_allclose(drawn["real_labels"], 0.9, rtol=1e-6)
    np.testing.assert_array_equal(drawn["fake_labels"], -1)


def test_schedules_are_read_at_ds_steps():
    schedule = keras.optimizers.schedules.PolynomialDecay(0.4, 100, 0.0)
    for step, share in ((0, 0.4), (50, 0.2), (100, 0.0)):
        flipped = (targets(step, label_noise=schedule)["real_labels"] == 0).mean()
        assert flipped == pytest.approx(share, abs=0.02)


def test_input_noise_has_its_deviation():
    options = DiscriminatorOptions(None, None, 0.25, losses.Hinge())
    images = ops.zeros((40, 16, 16, 3))
    noise = np.asarray(options.noisy(Noise(1), images, 0))
    assert noise.std() == pytest.approx(0.25, rel=0.02)
    assert abs(noise.mean()) < 0.005
    assert stats.kstest(noise.ravel() / 0.25, "norm").pvalue > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smoothing": 1.5}, "label_smoothing=1.5"),
        ({"smoothing": "soft"}, "label_smoothing='soft'"),
        ({"label_noise": 1.2}, "label_noise=1.2"),
        ({"label_noise": True}, "label_noise=True"),
        ({"input_noise": -0.1}, "input_noise=-0.1"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    options = {"smoothing": None, "label_noise": None, "input_noise": None, **options}
    with pytest.raises(ValueError, match=message):
        DiscriminatorOptions(**options, loss=losses.NonSaturating())
    with pytest.raises(ValueError, match="range"):
        LabelSmoothing(real=(1.2, 0.7))


@pytest.mark.parametrize("loss", [losses.Hinge(), losses.Wasserstein(), losses.Relativistic()])
def test_losses_without_labels_refuse_label_options(loss):
    for options in ((0.1, None, None), (None, 0.1, None)):
        with pytest.raises(ValueError, match=f"{type(loss).__name__} has none"):
            DiscriminatorOptions(*options, loss)
    DiscriminatorOptions(None, None, 0.1, loss)


@given(
    real=st.tuples(st.floats(0.5, 1), st.floats(1, 1.5)),
    smoothing=st.one_of(st.floats(0, 0.9), st.none()),
)
@settings(max_examples=20, deadline=None)
def test_smoothing_survives_its_config(real, smoothing):
    option = LabelSmoothing(real=real, fake=smoothing or 0.0)
    config = keras.saving.serialize_keras_object(option)
    assert keras.saving.deserialize_keras_object(config) == option


def test_all_options_at_once_train_and_resume_exactly(tiny_images, tmp_path):
    """The draws come from the model's own seed, which is saved: a resumed run goes on with them."""
    options = {
        "label_smoothing": LabelSmoothing(real=(0.7, 1.2), fake=(0.0, 0.3)),
        "label_noise": keras.optimizers.schedules.ExponentialDecay(0.3, 4, 0.5),
        "input_noise": 0.2,
    }
    whole_run = tiny.make(ganzoo.DCGAN)
    whole_run.compile(**options)
    whole_run.fit(tiny_images[:64], batch_size=16, verbose=0)
    whole_run.save(tmp_path / "x.keras")
    resumed = keras.saving.load_model(tmp_path / "x.keras")
    for model in (whole_run, resumed):
        model.fit(tiny_images[:64], batch_size=16, initial_epoch=1, epochs=2, verbose=0)
    assert tiny.same(tiny.state(whole_run), tiny.state(resumed))
    plain = tiny.make(ganzoo.DCGAN)
    plain.set_weights(whole_run.get_weights())
    assert resumed._options.smoothing == options["label_smoothing"]
    assert float(resumed._options.label_noise(4)) == pytest.approx(0.15)


def test_smoothing_changes_ds_loss_as_its_formula_says(tiny_images):
    """One step, D frozen: the loss with labels (0.9, 0) against the cross-entropy in NumPy."""
    gan = tiny.make(ganzoo.FCGAN)
    gan.compile(label_smoothing=0.1, run_eagerly=True)
    real = ops.convert_to_tensor(tiny_images[:16])
    l_real = np.asarray(gan.discriminator(tiny_images[:16] / 127.5 - 1)).astype("float64")
    z = Noise(3).normal((16, 4))
    l_fake = np.asarray(gan.discriminator(gan.generator(z))).astype("float64")
    logs = gan.train_step(real)
    p_real, p_fake = 1 / (1 + np.exp(-l_real)), 1 / (1 + np.exp(-l_fake))
    wanted = -(0.9 * np.log(p_real) + 0.1 * np.log(1 - p_real)).mean() - np.log(1 - p_fake).mean()
    np.testing.assert_allclose(logs["d_loss"], wanted, rtol=1e-5)


def test_the_draws_are_normal_finite_and_the_same_under_xla():
    import tensorflow as tf

    drawn = np.asarray(normal([3, 1], (500_000,)))
    moments = [drawn.mean(), drawn.std(), stats.skew(drawn), stats.kurtosis(drawn)]
    np.testing.assert_allclose(moments, [0, 1, 0, 0], atol=0.015)
    cells = np.array([0, 2**22, 2**23 - 1])
    ends = to_normal(tf.constant(cells, "float32"))
    np.testing.assert_allclose(ends, stats.norm.ppf((cells + 0.5) / 2**23), atol=1e-3)
    assert float(ops.max(whole([1, 2], (10_000,)))) < 2**23
    for draw in (normal, uniform):
        plain = draw([3, 1], (7, 5))
        compiled = tf.function(lambda draw=draw: draw([3, 1], (7, 5)), jit_compile=True)()
        np.testing.assert_allclose(plain, compiled, atol=1e-6)
        np.testing.assert_array_equal(plain[:3], draw([3, 1], (3, 5)))
