"""WGAN's step against algorithm 1 written out, and the clipping wherever it must hold."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import layers
from test_every_model import sgd

from ganzoo import WGAN
from ganzoo.models.wgan import ClipWeights

RATE, CLIP = 0.05, 0.01


def largest(model):
    """The largest absolute value among the critic's trainable weights."""
    return max(float(np.abs(w).max()) for w in model.discriminator.trainable_variables)


def own_critic():
    """A critic with biases, one of them frozen by nobody and with a constraint of its own."""
    x = images = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, 2, bias_initializer="ones", kernel_constraint="non_neg")(x)
    x = layers.Flatten()(layers.LeakyReLU(0.2)(x))
    return keras.Model(images, layers.Dense(1, bias_initializer="ones")(x))


def test_a_step_is_algorithm_1(tiny_images):
    """Five critic updates on five real batches with fresh noise, each followed by clipping, then
    one of G on the last fakes: all weights and running statistics to 1e-6."""
    model, twin = (tiny.make(WGAN, ema_decay=None) for _ in range(2))
    twin.set_weights(model.get_weights())
    model.compile(**sgd(RATE))
    assert model.d_steps == 5
    logs = model.train_step(tf.constant(tiny_images[:30]))

    g, d = twin.generator, twin.discriminator
    real = tiny_images[:30].astype("float32") / 127.5 - 1.0
    for i in range(0, 30, 6):
        z = twin.noise.normal((6, twin.latent_dim))
        with tf.GradientTape() as g_tape:
            fake = g(z, training=True)
        with tf.GradientTape() as tape:
            on_real = tf.reduce_mean(d(real[i : i + 6], training=True))
            on_fake = tf.reduce_mean(d(tf.stop_gradient(fake), training=True))
            d_loss = on_fake - on_real
        for w, gradient in zip(
            d.trainable_variables, tape.gradient(d_loss, d.trainable_variables), strict=True
        ):
            w.assign(np.clip(w - RATE * gradient, -CLIP, CLIP))
    with tf.GradientTape() as tape:
        tape.watch(fake)
        g_loss = -tf.reduce_mean(d(fake, training=True))
    slopes = g_tape.gradient(fake, g.trainable_variables, tape.gradient(g_loss, fake))
    for w, gradient in zip(g.trainable_variables, slopes, strict=True):
        w.assign_sub(RATE * gradient)

    for ours, hand in zip(model.weights, twin.weights, strict=True):
        np.testing.assert_allclose(ours, hand, atol=1e-6, err_msg=ours.path)
    np.testing.assert_allclose(logs["d_loss"], d_loss, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(logs["g_loss"], g_loss, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(logs["wasserstein"], -d_loss, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("critic", [None, own_critic], ids=["own network", "given network"])
def test_weights_and_biases_are_within_the_limit_after_every_update(critic, policy, tiny_images):
    model = tiny.make(WGAN, discriminator=critic and critic(), dtype=policy)
    assert largest(model) <= np.float32(CLIP)  # before the first update, too
    model.compile(d_optimizer=keras.optimizers.SGD(10.0), d_steps=1)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(largest(self.model))

    before = [w.numpy() for w in model.discriminator.trainable_variables]
    model.fit(tiny_images[:64], batch_size=16, verbose=0, callbacks=[Watch()])
    assert len(seen) == 4 and max(seen) <= np.float32(CLIP)
    # the limit was reached: steps of that size would have gone far beyond it
    assert max(seen) == np.float32(CLIP)
    after = [w.numpy() for w in model.discriminator.trainable_variables]
    assert not all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))


def test_the_limit_survives_saving(tiny_images, tmp_path):
    model = tiny.make(WGAN, discriminator=own_critic(), clip=0.03)
    model.compile(d_optimizer=keras.optimizers.SGD(10.0))
    model.fit(tiny_images[:40], batch_size=8, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.clip == 0.03
    for w in loaded.discriminator.trainable_variables:
        assert isinstance(w.constraint, ClipWeights) and w.constraint.limit == 0.03
    loaded.fit(tiny_images[:40], batch_size=8, verbose=0)
    assert largest(loaded) == np.float32(0.03)


def test_the_limit_holds_on_two_devices(tiny_images, two_devices):
    with two_devices.scope():
        model = tiny.make(WGAN)
        model.compile(d_optimizer=keras.optimizers.RMSprop(0.1))
    model.fit(tiny_images[:60], batch_size=6, verbose=0)
    assert largest(model) == np.float32(CLIP)
    for w in model.discriminator.trainable_variables:
        first, second = two_devices.experimental_local_results(w.value)
        np.testing.assert_array_equal(first, second)


def test_clip_weights_is_a_keras_constraint():
    clip = ClipWeights(0.5)
    np.testing.assert_array_equal(clip(np.array([-2.0, -0.5, 0.1, 0.7])), [-0.5, -0.5, 0.1, 0.5])
    dense = layers.Dense(3, kernel_constraint=clip)
    again = layers.Dense.from_config(dense.get_config())
    assert again.kernel_constraint.limit == 0.5
    for limit in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="want a number above 0"):
            ClipWeights(limit)
        with pytest.raises(ValueError, match="want a number above 0"):
            WGAN(image_shape=(8, 8, 1), clip=limit)


def test_labels_are_refused():
    model = tiny.make(WGAN)
    for option in ({"label_smoothing": 0.1}, {"label_noise": 0.05}):
        with pytest.raises(ValueError, match="Wasserstein has none"):
            model.compile(**option)


def test_rmsprop_moves_weights_with_tiny_gradients():
    """As the authors' does: v = 0.01 g^2 and a step of rate * g / (sqrt(v) + 1e-8), whatever g."""
    weight = keras.Variable(np.zeros(3, "float32"))
    optimizer = tiny.make(WGAN).default_optimizer("d")
    gradient = np.array([1e-6, -1e-4, 10.0], "float32")
    optimizer.apply([tf.constant(gradient)], [weight])
    wanted = -5e-5 * gradient / (np.sqrt(0.01 * gradient**2) + 1e-8)
    # the authors' epsilon, outside the root, weighs 10 % where the gradient is 1e-6
    np.testing.assert_allclose(weight, wanted, rtol=0.11)
    np.testing.assert_allclose(weight[1:], wanted[1:], rtol=2e-3)


def test_the_default_networks_are_the_papers():
    """Parameters as in the authors' code at 64 pixels, running statistics aside."""
    model = WGAN()
    for network, count in ((model.generator, 3_576_704), (model.discriminator, 2_765_568)):
        assert sum(w.shape.num_elements() for w in network.trainable_variables) == count
