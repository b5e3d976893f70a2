"""The traps of Keras under a GAN, each handled in `ganzoo/gan.py`: every test here fails without
the handling."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from keras import ops

import ganzoo
from ganzoo.averages import BATCHES, IMAGES
from ganzoo.optimizers import agree_on_finite


def test_compiling_leaves_no_phantom_optimizer():
    gan = tiny.make(ganzoo.FCGAN)
    gan.compile()
    assert not isinstance(gan.optimizer, keras.optimizers.Optimizer)
    assert gan.optimizer.optimizers == [gan.g_optimizer, gan.d_optimizer]
    # built in compile, each on its own network, so that a backup can fill them
    assert [o.built for o in gan.optimizer.optimizers] == [True, True]
    kernels = [len(network.trainable_weights) for network in (gan.generator, gan.discriminator)]
    slots = [len(o.variables) - 2 for o in gan.optimizer.optimizers]  # iteration, rate
    assert slots == [2 * n for n in kernels]
    # names by player: TensorBoard's curves keep theirs from run to run
    assert [o.name for o in gan.optimizer.optimizers] == ["g_optimizer", "d_optimizer"]


def test_loading_is_silent_and_complete(tiny_images, tmp_path):
    gan = tiny.make(ganzoo.FCGAN)
    gan.compile(
        g_optimizer=keras.optimizers.RMSprop(3e-4),
        loss=ganzoo.losses.LeastSquares(-1, 1, 0),
        d_steps=2,
        g_steps=3,
        label_smoothing=0.2,
        label_noise=0.1,
        input_noise=keras.optimizers.schedules.ExponentialDecay(0.3, 10, 0.5),
        metrics=[keras.metrics.MeanSquaredError(name="mse")],
    )
    gan.fit(tiny_images[:32], batch_size=8, verbose=0)
    gan.g_optimizer.learning_rate = 1e-5  # as a schedule's callback does
    gan.save(tmp_path / "x.keras")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*compile.*|.*optimizer.*")
        loaded = keras.saving.load_model(tmp_path / "x.keras")
    assert isinstance(loaded.g_optimizer, keras.optimizers.RMSprop)
    assert float(loaded.g_optimizer.learning_rate) == pytest.approx(1e-5)
    assert loaded.loss.get_config() == {"a": -1, "b": 1, "c": 0, "factor": 0.5}
    assert (loaded.d_steps, loaded.g_steps) == (2, 3)
    assert tiny.same(tiny.state(gan), tiny.state(loaded))
    assert "mse" in loaded.evaluate(tiny_images[:32], verbose=0, return_dict=True)
    bare = keras.saving.load_model(tmp_path / "x.keras", compile=False)
    assert not bare.compiled
    assert np.array_equal(bare.generate(2, seed=0), gan.generate(2, seed=0))


def test_dropout_resumes_exactly(tiny_images, tmp_path):
    """Keras saves no seeds; those of Dropout are in our files too."""
    gan = tiny.make(ganzoo.FCGAN, dropout=0.5)
    gan.fit(tiny_images[:32], batch_size=8, verbose=0)
    gan.save_weights(tmp_path / "x.weights.h5")
    other = tiny.make(ganzoo.FCGAN, dropout=0.5, seed=99)
    other.compile()
    other.load_weights(tmp_path / "x.weights.h5")
    for model in (gan, other):
        model.fit(tiny_images[:32], batch_size=8, initial_epoch=1, epochs=2, verbose=0)
    assert tiny.same(tiny.state(gan), tiny.state(other))


def test_replicas_draw_different_noise(two_devices):
    with two_devices.scope():
        gan = tiny.make(ganzoo.FCGAN)

    @tf.function
    def draw():
        return two_devices.run(lambda: gan.latents(4))

    one, two = two_devices.experimental_local_results(draw())
    assert np.abs(one - two).min() > 0
    again = two_devices.experimental_local_results(draw())[0]
    assert np.abs(one - again).min() > 0


def test_a_nan_on_any_replica_skips_the_step_on_all(two_devices, tiny_images):
    """Keras's loss scaler asks the first replica only."""
    scaled = tiny_images[:16].astype("float32") / 127.5 - 1
    for bad in (0, 15):  # in the half of the first replica, in that of the second
        with two_devices.scope():
            gan = tiny.make(ganzoo.FCGAN, dtype="mixed_float16")
            gan.compile()
        images = scaled.copy()
        images[bad] = np.nan
        data = tf.data.Dataset.from_tensor_slices(images).batch(16, drop_remainder=True)
        before = [w.numpy() for w in gan.weights_of("d")]
        scale = gan.d_optimizer.dynamic_scale.numpy()
        distributed = iter(two_devices.experimental_distribute_dataset(data))
        gan.make_train_function()(distributed)
        assert tiny.same(before, [w.numpy() for w in gan.weights_of("d")])
        assert gan.d_optimizer.dynamic_scale.numpy() == scale / 2


def test_agreement_leaves_finite_gradients_alone(two_devices):
    given = [tf.constant([1.0, 2.0]), None, tf.constant([[3.0]])]
    result = two_devices.run(lambda: agree_on_finite(given))
    for got, wanted in zip(result, given, strict=True):
        for value in two_devices.experimental_local_results(got):
            assert (value is None) == (wanted is None)
            if wanted is not None:
                np.testing.assert_array_equal(value, wanted)


def test_the_average_is_its_closed_form(tiny_images):
    """After k steps: d^k w_0 + (1 - d) sum_i d^(k - i) w_i; what is not trained is copied."""
    decay = 0.7
    gan = tiny.make(ganzoo.DCGAN, ema_decay=decay)
    gan.compile()
    wanted = [w.numpy() for w in gan.generator.weights]
    for k in range(4):
        gan.train_on_batch(tiny_images[16 * k : 16 * k + 16])
        for i, weight in enumerate(gan.generator.weights):
            value = weight.numpy()
            wanted[i] = decay * wanted[i] + (1 - decay) * value if weight.trainable else value
    for slow, value in zip(gan.ema_generator.weights, wanted, strict=True):
        np.testing.assert_allclose(slow, value, rtol=1e-5, atol=1e-7)
    z = ops.ones((2, 4))
    np.testing.assert_array_equal(gan(z), gan.ema_generator(z, training=False))
    np.testing.assert_array_equal(gan(z, training=True), gan.generator(z, training=True))
    assert not gan.ema_generator.trainable_variables


def test_the_average_has_running_statistics_of_its_own(tiny_images):
    """Mean and variance of what reaches its first normalisation, written out; those copied from the
    generator in training are of other weights."""
    gan = tiny.make(ganzoo.DCGAN, ema_decay=0.99)
    # held-out losses come before the end of the epoch
    gan.fit(tiny_images[:64], batch_size=16, verbose=0, validation_data=tiny_images[64:80])
    (z,) = gan.sampling_inputs(BATCHES * IMAGES, None, 0, None)
    average, trained = (
        next(layer for layer in network.layers if hasattr(layer, "moving_mean"))
        for network in (gan.ema_generator, gan.generator)
    )
    reaching = keras.Model(gan.ema_generator.input, average.input)(z)
    batches = np.asarray(reaching).reshape(BATCHES, -1, reaching.shape[-1])
    mean, variance = batches.mean((0, 1)), batches.var(1).mean(0)
    np.testing.assert_allclose(average.moving_mean, mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(average.moving_variance, variance, rtol=1e-4)
    assert np.abs(trained.moving_variance / variance - 1).max() > 0.1
    assert average.momentum == 0.9
    assert not average.trainable
    assert not gan.ema_generator.trainable_variables


def test_without_an_average_the_generator_speaks():
    gan = tiny.make(ganzoo.DCGAN, ema_decay=None)
    assert gan.ema_generator is None
    z = ops.ones((2, 4))
    np.testing.assert_array_equal(gan(z), gan.generator(z, training=False))


def test_epoch_logs_are_means_over_the_epoch(tiny_images):
    gan = tiny.make(ganzoo.FCGAN)
    gan.compile()
    seen = []

    class Steps(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["d_loss"] * (batch + 1))

    history = gan.fit(
        tiny_images[:64], batch_size=16, epochs=2, verbose=0, callbacks=[Steps()]
    ).history
    # the running mean after step i, times i, grows by the loss of step i
    for epoch, mean in enumerate(history["d_loss"]):
        sums = seen[4 * epoch : 4 * epoch + 4]
        np.testing.assert_allclose(np.diff([0, *sums]).sum() / 4, mean, rtol=1e-5)
    assert np.ptp(np.diff([0, *seen[:4]])) > 0


def test_evaluation_disturbs_no_training(tiny_images):
    """With and without validation the weights come out the same."""
    weights = []
    for held in (None, tiny_images[64:96]):
        keras.utils.set_random_seed(1)
        gan = tiny.make(ganzoo.FCGAN, dropout=0.5)
        gan.fit(tiny_images[:32], batch_size=8, epochs=2, validation_data=held, verbose=0)
        weights.append(gan.get_weights())
    assert tiny.same(*weights)


def test_metrics_meet_real_and_fake_images(tiny_images):
    gan = tiny.make(ganzoo.FCGAN)
    gan.compile(metrics=[keras.metrics.MeanSquaredError(name="mse")])
    scores = gan.evaluate(tiny_images[:32], batch_size=16, verbose=0, return_dict=True)
    from ganzoo.random import normal

    z = ops.concatenate([normal([0, k], (16, 4)) for k in range(2)])
    fake = np.asarray(gan(z), "float64")
    wanted = ((tiny_images[:32] / 127.5 - 1 - fake) ** 2).mean()
    assert scores["mse"] == pytest.approx(wanted, rel=1e-4)
    history = gan.fit(tiny_images[:32], batch_size=16, verbose=0).history
    assert "mse" not in history


def test_predict_summary_and_export_speak_for_the_generator(tmp_path):
    gan = tiny.make(ganzoo.DCGAN, ema_decay=0.5)
    z = np.random.default_rng(0).standard_normal((5, 4)).astype("float32")
    np.testing.assert_allclose(gan.predict(z, batch_size=2, verbose=0), gan(z), atol=1e-6)
    gan.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(saved.serve(tf.constant(z)), gan(z), atol=1e-6)


def test_truncation_cuts_the_latents_off():
    from scipy import stats

    from ganzoo import sampling

    z = np.asarray(sampling.latents(2000, 50, seed=1, truncation=0.7))
    assert np.abs(z).max() <= 0.7
    assert stats.kstest(z.ravel(), stats.truncnorm(-0.7, 0.7).cdf).pvalue > 1e-3
    wide = sampling.latents(2000, 50, seed=1, truncation=9.0)
    assert np.asarray(wide).std() == pytest.approx(1, abs=0.01)


def test_a_learning_rate_plateau_reaches_both(tiny_images):
    gan = tiny.make(ganzoo.FCGAN)
    gan.compile()
    plateau = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", mode="max", factor=0.5, patience=1, min_delta=1e9
    )
    gan.fit(tiny_images[:32], batch_size=16, epochs=3, callbacks=[plateau], verbose=0)
    rates = {float(o.learning_rate) for o in gan.optimizer.optimizers}
    assert len(rates) == 1
    assert rates.pop() < 2e-4


def test_weights_for_inference_alone_load_into_any_state(tmp_path):
    """A file without seeds and optimizers leaves those of the model as they are."""
    gan = tiny.make(ganzoo.FCGAN)
    gan.generator.save_weights(tmp_path / "g.weights.h5")
    other = tiny.make(ganzoo.FCGAN)
    other.compile()
    other.generator.load_weights(tmp_path / "g.weights.h5")
    assert tiny.same(gan.generator.get_weights(), other.generator.get_weights())
    gan.save_weights(tmp_path / "uncompiled.weights.h5")
    uncompiled = tiny.make(ganzoo.FCGAN, seed=8)
    uncompiled.load_weights(tmp_path / "uncompiled.weights.h5")
    assert tiny.same([*map(np.asarray, gan.variables)], [*map(np.asarray, uncompiled.variables)])


def test_a_second_compile_and_fit_work(tiny_images):
    gan = tiny.make(ganzoo.FCGAN)
    gan.fit(tiny_images[:32], batch_size=8, verbose=0)
    gan.compile(d_steps=2, label_smoothing=0.1)
    assert int(gan.d_optimizer.iterations) == 0
    gan.fit(tiny_images[:32], batch_size=8, verbose=0)
    assert int(gan.d_optimizer.iterations) == 4
    assert int(gan.g_optimizer.iterations) == 2


def test_a_class_that_is_not_registered_says_what_it_lacks():
    class Half(ganzoo.GAN):
        pass

    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(NotImplementedError, match="Half must define default_loss"):
        Half({"generator": network, "discriminator": network}).compile()
