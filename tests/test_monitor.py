"""What the logs of every family say of the game, against values computed in another way."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from scipy.spatial.distance import pdist

import ganzoo
from ganzoo import losses
from ganzoo.reports import distance, gradient_norm, state_of_game


def norm(arrays):
    return np.sqrt(sum((np.asarray(a, "float64") ** 2).sum() for a in arrays))


@pytest.mark.parametrize(
    ("loss", "above"),
    [
        (losses.NonSaturating(), 0),
        (losses.Minimax(), 0),
        (losses.Hinge(), 0),
        (losses.LeastSquares(), 0.5),
        (losses.LeastSquares(-1.0, 3.0, 0.0), 1),
        (losses.Wasserstein(), None),
        (losses.Relativistic(), None),
        (losses.RelativisticAverage(), None),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("shape", [(6, 1), (6, 3, 2, 1)], ids=["logit", "patches"])
def test_accuracy_is_the_share_of_right_verdicts(loss, above, shape):
    draw = np.random.default_rng(3)
    real, fake = draw.normal(0.8, 1, shape), draw.normal(0.2, 1, shape)
    images = draw.uniform(-1, 1, (2, 6, 4, 4, 1)).astype("float32")
    says = state_of_game(loss, (images[0], real), (images[1], fake))
    right = (real > fake, real > fake) if above is None else (real > above, fake < above)
    wanted = [real.mean(), fake.mean(), right[0].mean(), right[1].mean()]
    names = ["d_real", "d_fake", "d_real_accuracy", "d_fake_accuracy"]
    np.testing.assert_allclose([says[name] for name in names], wanted, rtol=1e-5)


def test_diversity_is_the_distance_of_fakes_in_units_of_real_ones(garments):
    """Half as far from each other, half the diversity; and a few pairs stand for all."""
    real = garments[0][:256].astype("float32") / 127.5 - 1
    verdicts = np.zeros((256, 1), "float32")
    for scale in (0.0, 0.5, 1.0):
        fake = 0.3 + scale * real[::-1]
        says = state_of_game(losses.Hinge(), (real, verdicts), (fake, verdicts))
        assert float(says["diversity"]) == pytest.approx(scale, rel=1e-4)
    # the mean over 128 pairs of their standard deviation of 0.14 errs by 0.012; here by four times
    pairs = pdist(real.reshape(256, -1).astype("float64")).mean() / 28
    assert float(distance(real)) == pytest.approx(pairs, abs=0.05)
    first = [np.sqrt(((real[i] - real[i + 1]) ** 2).mean()) for i in range(0, 256, 2)]
    assert float(distance(real)) == pytest.approx(np.mean(first), rel=1e-5)
    assert float(distance(real[:255])) == pytest.approx(np.mean(first[:-1]), rel=1e-5)
    assert np.isnan(float(distance(real[:1])))


def test_the_norm_takes_slices_and_skips_what_has_no_gradient():
    table = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(table, [1, 1, 0]) * [[1.0], [2.0], [5.0]])
    slices = tape.gradient(loss, table)
    assert isinstance(slices, tf.IndexedSlices)
    # rows of 3 (1 + 2, of the same row) and 5, twice each, and a vector (1, -1)
    wanted = np.sqrt(2 * 9 + 2 * 25 + 2)
    assert float(gradient_norm([slices, None, tf.constant([1.0, -1.0])])) == pytest.approx(wanted)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("cls", [ganzoo.FCGAN, ganzoo.CGAN], ids=["FCGAN", "CGAN"])
def test_gradient_norms_are_the_length_of_a_step(cls, policy, tiny_images):
    """A step of plain descent at a rate of 0.5 is half the gradient long, loss-scaled or not."""
    model = tiny.make(cls, dtype=policy)
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    for optimizer in model.optimizer.optimizers if policy == "mixed_float16" else []:
        optimizer.dynamic_scale.assign(256.0)  # Keras's first one overflows here
    before = {p: [w.numpy() for w in model.weights_of(p)] for p in "gd"}
    x, y = tiny.data(cls, tiny_images, 16)
    history = model.fit(x, y, batch_size=16, verbose=0).history
    if policy == "mixed_float16":
        assert float(model.d_optimizer.dynamic_scale) == 256
    for player in "gd":
        after = [w.numpy() for w in model.weights_of(player)]
        step = norm(a - b for a, b in zip(after, before[player], strict=True))
        assert history[f"{player}_gradient"][0] == pytest.approx(2 * step, rel=1e-3)
        assert step > 0


def test_a_skipped_update_counts_for_no_gradient(tiny_images):
    """Under mixed_float16 an overflow is nothing to be alarmed at: the scale is halved."""
    model = tiny.make(ganzoo.FCGAN, dtype="mixed_float16")
    model.compile(keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0))
    model.d_optimizer.build(model.weights_of("d"))
    model.d_optimizer.dynamic_scale.assign(2.0**120)
    history = model.fit(tiny_images[:16], batch_size=16, epochs=2, verbose=0).history
    assert int(model.d_optimizer.iterations) == 0
    assert history["d_gradient"] == [0, 0]
    model.d_optimizer.dynamic_scale.assign(2.0**10)
    again = model.fit(tiny_images[:16], batch_size=16, verbose=0).history
    assert 0 < again["d_gradient"][0] < np.inf


def test_a_batch_of_one_has_no_diversity_and_all_else(tiny_images):
    model = tiny.make(ganzoo.FCGAN)
    history = model.fit(tiny_images[:3], batch_size=1, verbose=0).history
    assert np.isnan(history.pop("diversity")).all()
    assert np.isfinite(list(history.values())).all()


def test_evaluation_says_how_the_game_stands_without_gradients(tiny_images):
    model = tiny.make(ganzoo.DCGAN)
    model.fit(tiny_images[:32], batch_size=16, verbose=0)
    held = tiny_images[64:96]
    scores = model.evaluate(held, batch_size=32, verbose=0, return_dict=True)
    assert set(scores) == {*model.reports, "loss"} - {"d_gradient", "g_gradient"}
    verdicts = model.discriminator.predict(held / np.float32(127.5) - 1, verbose=0)
    assert scores["d_real"] == pytest.approx(verdicts.mean(), rel=1e-4)
    assert scores["d_real_accuracy"] == pytest.approx((verdicts > 0).mean(), rel=1e-6)
