"""CycleGAN: its step written out, unpaired sets, the pool, the falling rate, both directions."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from test_every_model import sgd
from test_pix2pix import official

import ganzoo
from ganzoo import CycleGAN, importers
from ganzoo.layers import ImagePool
from ganzoo.models import cyclegan

RATE = 0.01


@pytest.fixture(scope="module")
def sets(tiny_images):
    return tiny.data(CycleGAN, tiny_images)


@pytest.fixture(scope="module")
def model(sets):
    """A tiny model with averages, after an epoch of sets of different sizes."""
    keras.utils.set_random_seed(7)
    model = tiny.make(CycleGAN, ema_decay=0.5)
    a, b = sets
    history = model.fit((a[:24], b[:9]), batch_size=8, verbose=0, validation_data=(a[:9], b[:24]))
    assert int(model.g_optimizer.iterations) == 3  # an epoch is as long as the larger set
    assert np.isfinite(history.history["val_cycle"]).all()
    return model


def test_a_step_is_the_papers(sets):
    """Equation 3 with least squares: both generators, then both discriminators on the same fakes,
    their loss halved; the pool is still filling, so it gives back what it is given."""
    gan = tiny.make(CycleGAN, cycle_weight=3.0, identity_weight=0.25)
    twin = tiny.make(CycleGAN)
    twin.set_weights(gan.get_weights())
    gan.compile(**sgd(RATE))
    a, b = (tf.constant(part[:4] / np.float32(127.5) - 1) for part in sets)
    ab, ba, on_a, on_b = (
        twin.generator_ab,
        twin.generator_ba,
        twin.discriminator_a,
        twin.discriminator_b,
    )

    def square(values, label):
        return tf.reduce_mean((values - label) ** 2)

    def l1(x, y):
        return tf.reduce_mean(tf.abs(x - y))

    with tf.GradientTape(persistent=True) as tape:
        fake_a, fake_b = ba(b), ab(a)
        g_loss = square(on_a(fake_a), 1.0) + square(on_b(fake_b), 1.0)
        cycle = l1(ba(fake_b), a) + l1(ab(fake_a), b)
        identity = l1(ab(b), b) + l1(ba(a), a)
        g_loss += 3.0 * cycle + 0.75 * identity
        shown = tf.stop_gradient(fake_a), tf.stop_gradient(fake_b)
        d_loss = (
            square(on_a(a), 1.0)
            + square(on_a(shown[0]), 0.0)
            + square(on_b(b), 1.0)
            + square(on_b(shown[1]), 0.0)
        ) / 2
    for player, loss in (("g", g_loss), ("d", d_loss)):
        weights = twin.weights_of(player)
        for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
            weight.assign_sub(RATE * gradient)

    logs = gan.train_step(tuple(tf.constant(part[:4]) for part in sets))
    for ours, hand in zip(gan.trainable_variables, twin.trainable_variables, strict=True):
        np.testing.assert_allclose(ours, hand, atol=1e-5, err_msg=ours.path)
    for name, value in (
        ("g_loss", g_loss),
        ("d_loss", d_loss),
        ("cycle", cycle / 2),
        ("identity", identity / 2),
    ):
        np.testing.assert_allclose(logs[name], value, rtol=1e-5)
    np.testing.assert_allclose(gan.pool_b.images[:4], fake_b, atol=1e-6)
    assert int(gan.pool_a.filled) == 4


def test_the_pool_returns_a_half_of_the_images_later(two_devices):
    """With images that are numbers: nothing is lost or doubled, half of them are stored once the
    pool is full, and two devices pass them in the order of one."""
    numbers = np.arange(1, 241, dtype="float32").reshape(30, 8, 1, 1, 1)

    def returned(pool, call):
        return np.concatenate([np.ravel(call(pool, batch)) for batch in numbers])

    one = ImagePool(20, seed=5)
    one.build((None, 1, 1, 1))
    given = returned(one, lambda pool, batch: pool(tf.constant(batch)))
    np.testing.assert_array_equal(given[:20], np.arange(1, 21))
    kept = np.sort([*given[20:], *np.ravel(one.images)])
    np.testing.assert_array_equal(kept, np.arange(1, 241))
    swapped = np.mean(given[20:] != np.arange(21, 241))
    assert 0.4 < swapped < 0.6

    with two_devices.scope():
        two = ImagePool(20, seed=5)
        two.build((None, 1, 1, 1))

    @tf.function
    def step(halves):
        return two_devices.run(lambda images: two(images), (halves,))

    def both(pool, batch):
        parts = iter(tf.split(tf.constant(batch), 2))
        halves = two_devices.experimental_distribute_values_from_function(lambda _: next(parts))
        return tf.concat(two_devices.experimental_local_results(step(halves)), 0)

    np.testing.assert_array_equal(returned(two, both), given)
    assert np.array_equal(ImagePool(0)(numbers[0]), numbers[0])
    with pytest.raises(ValueError, match="size=-1"):
        ImagePool(-1)


def test_the_rate_falls_to_nothing_over_the_second_half():
    rates = [cyclegan.linear_decay(200)(epoch) for epoch in range(200)]
    assert rates[:100] == [2e-4] * 100
    np.testing.assert_allclose(np.diff(rates[99:]), -2e-4 / 101, rtol=1e-9)
    np.testing.assert_allclose(rates[-1], 2e-4 / 101, rtol=1e-9)
    (schedule,) = tiny.make(CycleGAN).recipe_callbacks(4)
    assert [float(schedule.schedule(epoch)) for epoch in (0, 1)] == [2e-4, 2e-4]
    np.testing.assert_allclose(schedule.schedule(3), 2e-4 / 3)


def test_both_directions_at_any_size(model, sets, garments):
    a, _ = sets
    for direction, name in (("ab", "generator_ab"), ("ba", "generator_ba")):
        averaged = getattr(model, f"ema_{name}")
        made = model.translate(a[:2], direction)
        exact = np.asarray(averaged(a[:2] / np.float32(127.5) - 1))
        assert np.abs(made / 127.5 - 1 - exact).max() <= 0.51 / 127.5
        raw = np.asarray(getattr(model, name)(a[:2] / np.float32(127.5) - 1))
        assert np.abs(raw - exact).max() > 1e-3
    sizes = [(8, 8), (28, 21), (5, 50)]
    photo = np.tile(garments[0][0], (1, 2, 1))
    for (height, width), image in zip(
        sizes, model.translate([photo[:h, :w] for h, w in sizes]), strict=True
    ):
        assert image.shape == (height, width, 1)
    np.testing.assert_array_equal(
        model(a[:1] / np.float32(127.5) - 1), model.ema_generator_ab(a[:1] / np.float32(127.5) - 1)
    )


def test_large_photographs_go_through_in_tiles(model, garments, monkeypatch):
    photo = garments[0][:12].reshape(3, 4, 28, 28).swapaxes(1, 2).reshape(84, 112, 1)
    whole = model.translate(photo).astype(int)
    monkeypatch.setattr(cyclegan, "TILE", 56)
    seen = []
    network = model._translators["ab"]
    monkeypatch.setitem(
        model._translators, "ab", lambda batch: seen.append(batch.shape) or network(batch)
    )
    tiled = model.translate(photo)
    assert set(seen) == {(1, 56, 56, 1)} and len(seen) >= 6
    # the norm over a tile is not that over the whole, so they differ, but without a seam
    assert tiled.shape == photo.shape and np.abs(tiled - whole).mean() < 30


def test_examples_go_there_and_back(model, sets, tmp_path):
    a, b = sets
    shown, columns = model.preview(64, examples=(a[:30], b[:5]))
    assert columns == 5 and shown.shape == (30, 12, 9, 1)
    there = model.translate(a[:5])
    np.testing.assert_array_equal(shown[:5], a[:5])
    np.testing.assert_array_equal(shown[5:10], there)
    np.testing.assert_array_equal(shown[10:15], model.translate(there, "ba"))
    np.testing.assert_array_equal(shown[15:20], b[:5])
    np.testing.assert_array_equal(shown[20:25], model.translate(b[:5], "ba"))

    model.save_to_preset(tmp_path / "preset", examples=(a, b))
    again = ganzoo.from_preset(tmp_path / "preset")
    for direction in ("ab", "ba"):
        np.testing.assert_array_equal(
            again.translate(a[:3], direction), model.translate(a[:3], direction)
        )
    x = a[:2] / np.float32(127.5) - 1
    made = ganzoo.load_generator(tmp_path / "preset")([x, x])
    for ours, averaged in zip(made, (model.ema_generator_ab, model.ema_generator_ba), strict=True):
        np.testing.assert_array_equal(ours, averaged(x))
    judges = {name: shown[0].name for name, shown in model.exhibits(a[:2], b[:2], 0).items()}
    assert judges == {
        "real_a": "discriminator_a",
        "fake_a": "discriminator_a",
        "real_b": "discriminator_b",
        "fake_b": "discriminator_b",
    }


def test_sets_of_different_lengths_are_evaluated_and_split(model, sets):
    a, b = sets
    scores = model.evaluate((a[:16], b[:40]), batch_size=8, verbose=0, return_dict=True)
    again = model.evaluate(a[:16], b[:40], 8, verbose=0, return_dict=True)
    assert scores == again and scores["cycle"] > 0
    repeated = np.tile(a[:16], (3, 1, 1, 1))[:40]  # as the smaller set is, unshuffled
    twice = model.evaluate((repeated, b[:40]), batch_size=8, verbose=0, return_dict=True)
    assert twice == pytest.approx(scores, rel=1e-5)
    before = int(model.g_optimizer.iterations)
    history = model.fit((a[:32], b[:20]), batch_size=8, verbose=0, validation_split=0.5).history
    assert int(model.g_optimizer.iterations) == before + 2 and "val_loss" in history


def test_official_checkpoints_become_a_model(tmp_path):
    states = {}
    for name in ("ab", "ba"):
        network = cyclegan.resnet(3, 2, 2, "instance", name)
        states[name] = network, official(network, "cyclegan.generator")
        # as checkpoints before 2018 had them
        states[name][1]["model.2.running_mean"] = np.zeros(2, "float32")
        np.savez(tmp_path / f"{name}.npz", **states[name][1])
    paths = [tmp_path / "ab.npz", tmp_path / "ba.npz"]
    gan = importers.load("cyclegan", paths, image_shape=(32, 32, 3))
    assert (gan.filters, gan.blocks, gan.norm) == (2, 2, "instance")
    x = np.random.default_rng(0).uniform(-1, 1, (1, 20, 24, 3)).astype("float32")
    np.testing.assert_array_equal(gan.generator_ab(x), states["ab"][0](x))
    np.testing.assert_array_equal(gan.generator_ba(x), states["ba"][0](x))
    with pytest.raises(ValueError, match=r"takes 2 checkpoint\(s\), that of A to B and"):
        importers.load("cyclegan", paths[0])


def test_mistakes_end_in_one_line(sets):
    a, b = sets
    own = keras.Sequential([keras.Input((12, 9, 1)), keras.layers.Conv2D(1, 3, padding="same")])
    with pytest.raises(ValueError, match="are both named"):
        CycleGAN((12, 9, 1), generator_ab=own, generator_ba=own)
    for given, message in (
        (a, "learns from two sets of images"),
        ((a, b[:, :8]), "this model makes"),
        ((a, b * 1.0), r"want \[-1, 1\]"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny.make(CycleGAN).fit(given, batch_size=8, verbose=0)
    gan = tiny.make(CycleGAN)
    with pytest.raises(ValueError, match='want "ab" or "ba"'):
        gan.translate(a, "aa")
    with pytest.raises(ValueError, match="starts from images"):
        gan.generate(4)
