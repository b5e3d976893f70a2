"""ACGAN: the class loss against an official value, one step against gradients by hand, the drawn
labels, the heads, and whether a classifier recognises the class that was asked for."""

import itertools

import by_hand
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from parity import golden

import ganzoo
from ganzoo.models import acgan


@pytest.fixture
def images(tiny_images, garments):
    """16 real images at 8x8 and their classes modulo 3."""
    return tiny_images[:16], garments[1][:16] % 3


def test_the_class_loss_equals_the_official_value():
    case = golden.load("auxiliary", "heads")
    loss = acgan.class_loss(case["in/logits"], case["in/labels"])
    assert loss.shape == (6,) and loss.dtype == tf.float32
    np.testing.assert_allclose(np.mean(loss), case["out/acgan_ce"], rtol=1e-6)


def test_the_default_is_the_papers_for_cifar10():
    """Table 2 of the paper: 110 inputs; 384, 192, 96 channels; 16 to 512; 11 outputs."""
    gan = ganzoo.ACGAN()
    rows = [(type(layer).__name__, layer.output.shape[1:]) for layer in gan.generator.layers]
    convolutions = [shape for name, shape in rows if name == "Conv2DTranspose"]
    assert convolutions == [(8, 8, 192), (16, 16, 96), (32, 32, 3)]
    assert ("Reshape", (4, 4, 384)) in rows and ("Concatenate", (110,)) in rows
    up = 111 * 6144 + 25 * (384 * 192 + 192 * 96 + 96 * 3) + 3 + 4 * (192 + 96)
    assert gan.generator.count_params() == up
    layers = [x for x in gan.discriminator.layers if isinstance(x, keras.layers.Conv2D)]
    assert [layer.output.shape[1:] for layer in layers] == [
        (16, 16, 16),
        (16, 16, 32),
        (8, 8, 64),
        (8, 8, 128),
        (4, 4, 256),
        (4, 4, 512),
    ]
    widths = (3, 16, 32, 64, 128, 256, 512)
    down = sum(9 * a * b for a, b in itertools.pairwise(widths)) + 16 + 4 * sum(widths[2:])
    assert gan.discriminator.count_params() == down + (4 * 4 * 512 + 1) * 11
    assert [x.rate for x in gan.discriminator.layers if "dropout" in x.name] == [0.5] * 6


@pytest.mark.parametrize("shape", [(28, 28, 1), (33, 17, 3), (8, 8, 4), (100, 60, 1)])
def test_any_size_and_number_of_classes(shape):
    filters = {"generator_filters": (4, 4, 4), "discriminator_filters": (4, 4)}
    gan = ganzoo.ACGAN(shape, 37, 5, **filters)
    assert gan.generate(3, labels=[0, 17, 36], seed=0).shape == (3, *shape)
    verdict, classes = gan.discriminator.output_shape
    assert (verdict, classes) == ((None, 1), (None, 37))


def test_the_label_changes_image_and_verdict(images):
    gan = tiny.make(ganzoo.ACGAN)
    for weight in gan.generator.weights:  # N(0, 0.02) weights hardly show anything at first
        if "kernel" in weight.path:
            weight.assign(weight * 20)
    gan.ema_generator.set_weights(gan.generator.get_weights())
    z = np.repeat(np.random.default_rng(0).normal(size=(1, 4)).astype("float32"), 3, axis=0)
    made = gan([z, np.arange(3)]).numpy()
    verdicts, named = (out.numpy() for out in gan.discriminator(made))
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(made[a] - made[b]).max() > 1e-3
        assert np.abs(verdicts[a] - verdicts[b]).max() > 1e-6
        assert np.abs(named[a] - named[b]).max() > 1e-6


def test_labels_of_fakes_are_uniform_and_follow_the_seed():
    first, second = (tiny.make(ganzoo.ACGAN).classes(3000).numpy() for _ in range(2))
    assert np.array_equal(first, second) and first.dtype == np.int32
    np.testing.assert_allclose(np.bincount(first, minlength=3) / 3000, 1 / 3, atol=0.03)
    assert not np.array_equal(first, tiny.make(ganzoo.ACGAN, seed=4).classes(3000))


@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_one_step_equals_gradients_by_hand(images, monkeypatch, weight):
    """D descends softplus(-real) + softplus(fake) and the cross-entropies of both classes, then G
    softplus(-fake) and the cross-entropy of the class asked for, under the new D."""
    by_hand.fix_draws(monkeypatch)
    (x, y), rate = images, 0.1
    gan = tiny.make(ganzoo.ACGAN, class_weight=weight)
    gan.compile(g_optimizer=keras.optimizers.SGD(rate), d_optimizer=keras.optimizers.SGD(rate))
    g, d = by_hand.copies(gan)
    real, z = x / np.float32(127.5) - 1, by_hand.normal((16, 4))
    asked = tf.constant(np.floor(3 * by_hand.uniform((16,))).astype("int32"))
    rows = np.arange(16)

    def unsaid(logits, labels):
        """-log of the probability of the labels."""
        return -tf.gather_nd(tf.nn.log_softmax(logits), np.stack([rows, labels], axis=1))

    with tf.GradientTape() as tape:
        fake = g([z, asked], training=True)
        (d_real, named), (d_fake, fake_named) = d(real, training=True), d(fake, training=True)
        judging = tf.nn.softplus(-d_real[:, 0]) + tf.nn.softplus(d_fake[:, 0])
        naming = unsaid(named, y) + unsaid(fake_named, asked)
        d_loss = tf.reduce_mean(judging + weight * naming)
    by_hand.descend(d, tape, d_loss, rate)
    with tf.GradientTape() as tape:
        verdict, renamed = d(g([z, asked], training=True), training=True)
        naming = unsaid(renamed, asked)
        g_loss = tf.reduce_mean(tf.nn.softplus(-verdict[:, 0]) + weight * naming)
    by_hand.descend(g, tape, g_loss, rate)

    logs = gan.fit(x, y, batch_size=16, shuffle=False, verbose=0).history
    by_hand.same_weights(gan, g, d)
    np.testing.assert_allclose(logs["d_loss"], d_loss, rtol=1e-5)
    np.testing.assert_allclose(logs["g_loss"], g_loss, rtol=1e-5)
    right = np.mean(np.argmax(named, axis=1) == y)
    np.testing.assert_allclose(logs["d_class_accuracy"], right, rtol=1e-6)
    right = np.mean(np.argmax(renamed, axis=1) == asked)
    np.testing.assert_allclose(logs["class_accuracy"], right, rtol=1e-6)


def test_accuracy_counts_rows():
    logits = np.array([[1, 3, 2], [9, 0, 1], [0, 1, 5], [4, 2, 1]], "float32")
    np.testing.assert_allclose(acgan.accuracy(logits, np.array([1, 0, 0, 0], "int32")), 0.75)


def test_accuracies_of_each_class_average_to_that_of_all():
    gan = tiny.make(ganzoo.ACGAN)
    shares = gan.class_accuracies(n=20, seed=1)
    made = [
        gan.generate(20, labels=np.full(20, k), seed=1) / np.float32(127.5) - 1 for k in range(3)
    ]
    named = np.argmax(gan.discriminator(np.concatenate(made))[1], axis=1)
    np.testing.assert_allclose(shares.mean(), np.mean(named == np.repeat(np.arange(3), 20)))


def test_label_options_work(images):
    gan = tiny.make(ganzoo.ACGAN)
    gan.compile(label_smoothing=0.1, label_noise=0.1, input_noise=0.1, d_steps=2, g_steps=2)
    assert np.isfinite(gan.fit(*images, batch_size=8, verbose=0).history["loss"]).all()


def test_your_own_discriminator_has_two_heads(images):
    picture = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(picture)
    verdict, classes = keras.layers.Dense(1)(flat), keras.layers.Dense(3)(flat)
    small = {"num_classes": 3, "latent_dim": 4, "generator_filters": (4, 4)}
    gan = ganzoo.ACGAN(discriminator=keras.Model(picture, [verdict, classes]), **small)
    assert gan.image_shape == (8, 8, 1)
    gan.fit(*images, batch_size=8, verbose=0)
    for outputs in (verdict, [verdict, verdict], [classes, verdict], [verdict, classes, classes]):
        with pytest.raises(ValueError, match=r"want a list of its verdict, \(None, 1\), and") as e:
            ganzoo.ACGAN(discriminator=keras.Model(picture, outputs), **small)
        assert "\n" not in str(e.value)


@pytest.mark.slow
def test_a_classifier_recognises_the_class_asked_for(garment_classifier):
    """Chance is 0.1."""
    gan = ganzoo.ACGAN((28, 28, 1), generator_filters=(96, 48), seed=0)
    history = gan.fit(ganzoo.data.load(batch_size=50), epochs=4, verbose=2).history
    labels = np.arange(500) % 10
    made = gan.generate(500, labels=labels, seed=1)
    named = garment_classifier(made)
    assert np.mean(named == labels) >= 0.5
    assert history["d_class_accuracy"][-1] >= 0.6
