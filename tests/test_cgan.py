"""CGAN: labels reach both networks, one step against gradients by hand, bad labels, and whether a
classifier recognises the class that was asked for."""

import by_hand
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import ganzoo
from ganzoo import runs


@pytest.fixture
def images(tiny_images, garments):
    """16 real images at 8x8 and their classes modulo 3."""
    return tiny_images[:16], garments[1][:16] % 3


def test_the_default_is_28_pixels_and_ten_classes():
    gan = ganzoo.CGAN()
    assert (gan.image_shape, gan.num_classes, gan.latent_dim) == ((28, 28, 1), 10, 100)
    shapes = [[tuple(x.shape) for x in n.inputs] for n in (gan.generator, gan.discriminator)]
    assert shapes == [[(None, 100), (None,)], [(None, 28, 28, 1), (None,)]]
    # course layers on 100 + 16 and on 1 + 16 numbers, and the codes of ten classes
    up = 117 * 7 * 7 * 64 + 25 * (64 * 128 + 128 * 64 + 64 * 32) + 4 * (128 + 64 + 32) + 33
    assert gan.generator.count_params() == up + 160
    down = 16 * (17 * 64 + 64 * 128) + 4 * 128 + 7 * 7 * 128 + 1
    assert gan.discriminator.count_params() == down + 160


@pytest.mark.parametrize("shape", [(28, 28, 1), (33, 17, 3), (8, 8, 4), (100, 60, 1)])
@pytest.mark.parametrize("num_classes", [1, 37])
def test_any_size_and_number_of_classes(shape, num_classes):
    filters = {"generator_filters": (4, 4, 4), "discriminator_filters": (4, 4)}
    gan = ganzoo.CGAN(shape, num_classes, 5, **filters)
    made = gan.generate(3, labels=[num_classes - 1] * 3, seed=0)
    assert made.shape == (3, *shape)
    labels = np.array([0, num_classes - 1])
    assert gan.discriminator([made[:2] / 255, labels]).shape == (2, 1)


def test_the_label_changes_image_and_verdict(images):
    gan = tiny.make(ganzoo.CGAN)
    z = np.repeat(np.random.default_rng(0).normal(size=(1, 4)).astype("float32"), 3, axis=0)
    made = gan([z, np.arange(3)]).numpy()
    verdicts = gan.discriminator([made[:1].repeat(3, axis=0), np.arange(3)]).numpy()
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(made[a] - made[b]).max() > 1e-3
        assert np.abs(verdicts[a] - verdicts[b]).max() > 1e-4
    same = gan.generate(6, labels=[1] * 6, seed=4)
    assert np.array_equal(same, gan.generate(6, labels=np.eye(3)[[1] * 6], seed=4))
    assert not np.array_equal(same, gan.generate(6, labels=[2] * 6, seed=4))
    drawn = gan.sampling_inputs(3000, None, 0, None)[1].numpy()
    np.testing.assert_allclose(np.bincount(drawn) / 3000, 1 / 3, atol=0.03)


def test_one_step_equals_gradients_by_hand(images, monkeypatch):
    """D descends softplus(-real) + softplus(fake), then G softplus(-fake) under the new D."""
    by_hand.fix_draws(monkeypatch)
    (x, y), rate = images, 0.1
    gan = tiny.make(ganzoo.CGAN)
    gan.compile(g_optimizer=keras.optimizers.SGD(rate), d_optimizer=keras.optimizers.SGD(rate))
    g, d = by_hand.copies(gan)
    real, z, y = x / np.float32(127.5) - 1, by_hand.normal((16, 4)), tf.constant(y)
    real = tf.constant(real)
    with tf.GradientTape(persistent=True) as tape:
        fake = g([z, y], training=True)
        d_real, d_fake = d([real, y], training=True), d([fake, y], training=True)
        d_loss = tf.reduce_mean(tf.nn.softplus(-d_real) + tf.nn.softplus(d_fake))
    by_hand.descend(d, tape, d_loss, rate)
    with tf.GradientTape() as tape:
        g_loss = tf.reduce_mean(tf.nn.softplus(-d([g([z, y], training=True), y], training=True)))
    by_hand.descend(g, tape, g_loss, rate)

    logs = gan.fit(x, y, batch_size=16, shuffle=False, verbose=0).history
    by_hand.same_weights(gan, g, d)
    np.testing.assert_allclose(logs["d_loss"], d_loss, rtol=1e-5)
    np.testing.assert_allclose(logs["g_loss"], g_loss, rtol=1e-5)
    np.testing.assert_allclose(logs["d_real"], tf.reduce_mean(d_real), rtol=1e-4, atol=1e-6)


def test_ids_and_one_hot_rows_train_alike(images):
    x, y = images
    results = []
    for labels in (y, y[:, None], np.eye(3, dtype="float32")[y], y.astype("int64")):
        keras.utils.set_random_seed(5)
        gan = tiny.make(ganzoo.CGAN)
        gan.fit(x, labels, batch_size=8, verbose=0)
        results.append(tiny.state(gan))
    assert all(tiny.same(results[0], other) for other in results[1:])


def test_label_options_work(images):
    x, y = images
    gan = tiny.make(ganzoo.CGAN)
    smoothing = ganzoo.LabelSmoothing((0.7, 1.2), (0.0, 0.3))
    gan.compile(label_smoothing=smoothing, label_noise=0.1, input_noise=0.1)
    assert np.isfinite(gan.fit(x, y, batch_size=8, verbose=0).history["loss"]).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "images without labels: want 16 whole numbers"),
        (np.full(16, 3), r"labels in \[3, 3\]: want .* in \[0, 2\]"),
        (np.full(16, -1), r"labels in \[-1, -1\]"),
        (np.full(16, 1.0), "labels of type float64"),
        (np.zeros(15, int), "15 labels for 16 images"),
        (np.eye(4)[np.zeros(16, int)], r"labels of shape \(16, 4\)"),
        (np.full((16, 3), 1 / 3), "rows that are not one-hot"),
    ],
)
def test_bad_labels_end_before_the_first_step(images, labels, message):
    for cls in (ganzoo.CGAN, ganzoo.ACGAN):
        gan = tiny.make(cls)
        with pytest.raises(ValueError, match=message) as error:
            gan.fit(images[0], labels, batch_size=8, verbose=0)
        assert "\n" not in str(error.value)
        if labels is not None:
            with pytest.raises(ValueError, match=message):
                gan.generate(16, labels=labels)
    unlabelled = tf.data.Dataset.from_tensor_slices(images[0]).batch(8)
    with pytest.raises(ValueError, match="images without labels"):
        tiny.make(ganzoo.CGAN).fit(unlabelled, verbose=0)


def test_num_classes_must_be_a_count():
    for wrong in (0, -1, 2.5, True, None, "ten"):
        with pytest.raises(ValueError, match=r"num_classes=.*: want a whole number, 1 or more"):
            ganzoo.CGAN(num_classes=wrong)


def test_your_own_networks_take_labels(images, tmp_path):
    x, y = images
    z, label = keras.Input((5,)), keras.Input((), dtype="int32")
    joint = keras.layers.Concatenate()([z, keras.layers.Embedding(3, 2)(label)])
    made = keras.layers.Reshape((8, 8, 1))(keras.layers.Dense(64, "tanh")(joint))
    picture, label2 = keras.Input((8, 8, 1)), keras.Input((), dtype="int32")
    flat = keras.layers.Flatten()(picture)
    joint = keras.layers.Concatenate()([flat, keras.layers.Embedding(3, 2)(label2)])
    given = {
        "generator": keras.Model([z, label], made),
        "discriminator": keras.Model([picture, label2], keras.layers.Dense(1)(joint)),
    }
    gan = ganzoo.CGAN(num_classes=3, **given)
    assert (gan.image_shape, gan.latent_dim) == ((8, 8, 1), 5)
    gan.fit(x, y, batch_size=8, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert np.array_equal(gan.generate(4, seed=0), loaded.generate(4, seed=0))
    alone = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    with pytest.raises(ValueError, match="the given discriminator does not take"):
        ganzoo.CGAN(generator=given["generator"], discriminator=alone)


@pytest.mark.parametrize("cls", [ganzoo.CGAN, ganzoo.ACGAN, ganzoo.InfoGAN])
def test_ganzoo_train_counts_the_classes_of_the_data(tiny_images, garments, tmp_path, cls):
    """Ten classes unless the data have others; a family without classes passes over them."""
    np.savez(tmp_path / "set.npz", x_train=tiny_images[:64], y_train=garments[1][:64] % 7)
    options = {"generator_filters": (4, 4), "discriminator_filters": (4,), "batch_size": 16}
    gan = runs.start(cls, tmp_path / "set.npz", tmp_path / "run", epochs=1, options=options)
    assert gan.num_classes == (None if cls is ganzoo.InfoGAN else 7)
    preset = ganzoo.from_preset(tmp_path / "run" / "preset")
    assert np.array_equal(preset.generate(4, seed=1), gan.generate(4, seed=1))
    assert (tmp_path / "run" / "samples" / "epoch_0001.png").exists()


def test_ganzoo_train_refuses_data_without_classes(tiny_images, tmp_path):
    np.savez(tmp_path / "set.npz", x_train=tiny_images[:64])
    for cls in (ganzoo.CGAN, ganzoo.ACGAN):
        with pytest.raises(ValueError, match=f"has no class labels, and {cls.__name__} needs them"):
            runs.start(cls, tmp_path / "set.npz", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_classifier_recognises_the_class_asked_for(garment_classifier):
    """Chance is 0.1."""
    gan = ganzoo.CGAN(generator_filters=(64, 32, 16), seed=0)
    gan.fit(ganzoo.data.load(batch_size=64), epochs=3, verbose=2)
    labels = np.arange(500) % 10
    named = garment_classifier(gan.generate(500, labels=labels, seed=1))
    assert np.mean(named == labels) >= 0.5
