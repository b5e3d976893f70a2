"""LSGAN's step against equation 2 written out, its three targets, and label options."""

import numpy as np
import pytest
import tensorflow as tf
import tiny
from test_every_model import sgd

import ganzoo
from ganzoo import LSGAN, losses

RATE = 0.05


def pair(**changes):
    """A tiny model, and a twin with the same weights and the same stream of noise."""
    model, twin = (tiny.make(LSGAN, ema_decay=None, **changes) for _ in range(2))
    twin.set_weights(model.get_weights())
    return model, twin


def step_by_hand(twin, images, on_real, on_fake, wanted):
    """One round of gradient descent on equation 2; D's targets are numbers or one an image."""
    real = tf.constant(images, "float32") / 127.5 - 1.0
    g, d = twin.generator, twin.discriminator
    z = twin.noise.normal((len(images), twin.latent_dim))
    with tf.GradientTape() as g_tape:
        fake = g(z, training=True)
    with tf.GradientTape() as tape:
        on_d = [d(batch, training=True)[:, 0] for batch in (real, tf.stop_gradient(fake))]
        d_loss = sum(
            tf.reduce_mean((logits - target) ** 2) / 2
            for logits, target in zip(on_d, (on_real, on_fake), strict=True)
        )
    for w, gradient in zip(
        d.trainable_variables, tape.gradient(d_loss, d.trainable_variables), strict=True
    ):
        w.assign_sub(RATE * gradient)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        g_loss = tf.reduce_mean((d(fake, training=True)[:, 0] - wanted) ** 2) / 2
    slopes = g_tape.gradient(fake, g.trainable_variables, tape.gradient(g_loss, fake))
    for w, gradient in zip(g.trainable_variables, slopes, strict=True):
        w.assign_sub(RATE * gradient)
    return d_loss, g_loss


def assert_equal_weights(model, twin):
    """To 1e-6, running statistics of batch normalisation included."""
    for ours, hand in zip(model.weights, twin.weights, strict=True):
        np.testing.assert_allclose(ours, hand, atol=1e-6, err_msg=ours.path)


@pytest.mark.parametrize("targets", [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0), (-0.5, 2.0, 0.25)])
def test_a_step_is_equation_2(targets, tiny_images):
    a, b, c = targets
    model, twin = pair(a=a, b=b, c=c)
    model.compile(**sgd(RATE))
    logs = model.train_step(tf.constant(tiny_images[:6]))
    d_loss, g_loss = step_by_hand(twin, tiny_images[:6], b, a, c)
    assert_equal_weights(model, twin)
    np.testing.assert_allclose(logs["d_loss"], d_loss, rtol=1e-6)
    np.testing.assert_allclose(logs["g_loss"], g_loss, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "on_real", "on_fake"),
    [
        ({"label_smoothing": 0.1}, 0.9, 0.0),
        ({"label_smoothing": ganzoo.LabelSmoothing(real=0.8, fake=-0.7)}, 0.8, -0.7),
        ({"label_noise": 1.0}, 0.0, 1.0),
    ],
    ids=["one-sided", "numbers", "all flipped"],
)
def test_label_options_change_what_d_is_told(options, on_real, on_fake, tiny_images):
    model, twin = pair()
    model.compile(**sgd(RATE), **options)
    logs = model.train_step(tf.constant(tiny_images[:6]))
    d_loss, _ = step_by_hand(twin, tiny_images[:6], on_real, on_fake, 1.0)
    assert_equal_weights(model, twin)
    np.testing.assert_allclose(logs["d_loss"], d_loss, rtol=1e-6)


def test_targets_are_of_the_model_or_of_the_loss(tiny_images, tmp_path):
    """The constructor's are the default loss's; a loss given to `compile` has its own; both are
    saved."""
    model = tiny.make(LSGAN, a=-1, b=1, c=0)
    model.compile()
    assert vars(model.loss) == {"a": -1, "b": 1, "c": 0, "factor": 0.5}
    model.compile(loss=losses.LeastSquares(-2, 3, 1))
    assert vars(model.loss) == {"a": -2, "b": 3, "c": 1, "factor": 0.5}
    model.save(tmp_path / "model.keras")
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    assert vars(loaded.loss) == {"a": -2, "b": 3, "c": 1, "factor": 0.5}
    assert (loaded.a, loaded.c) == (-1, 0)


def test_the_default_networks_are_the_course_notes():
    model = LSGAN()
    assert model.image_shape == (96, 96, 3) and model.latent_dim == 128
    # the layers of the notes' table, counted there: 5,472,483 and 734,977 with all its rows
    assert model.generator.count_params() == 5_472_483
    assert model.discriminator.output_shape == (None, 1)
