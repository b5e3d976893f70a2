"""Penalties against closed forms, finite differences, and other implementations' figures."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import layers, losses, penalties

GOLDEN = "tests/parity/penalties.npz"
RNG = np.random.default_rng(1)


def normal(*shape):
    return RNG.standard_normal(shape).astype("float32")


@pytest.fixture(scope="module")
def golden(request):
    with np.load(request.config.rootpath / GOLDEN, allow_pickle=False) as file:
        return {k: file[k] for k in file.files}


@pytest.fixture(scope="module")
def critic(golden):
    """The golden file's D: two padded 3x3 convolutions of stride 2, then a linear map."""
    x = images = keras.Input((8, 8, 3))
    for filters, activation in ((6, "softplus"), (8, "tanh")):
        x = keras.layers.ZeroPadding2D(1)(x)
        x = keras.layers.Conv2D(filters, 3, 2, activation=activation)(x)
    x = keras.layers.Flatten()(keras.layers.Permute((3, 1, 2))(x))
    network = keras.Model(images, keras.layers.Dense(1)(x))
    names = [f"{layer}.{part}" for layer in ("c1", "c2", "l") for part in ("weight", "bias")]
    for variable, name in zip(network.trainable_variables, names, strict=True):
        variable.assign(golden[f"penalties/w/{name}"].transpose(AXES[len(variable.shape)]))
    return network


AXES = {1: (0,), 2: (1, 0), 4: (2, 3, 1, 0)}  # PyTorch's order of a weight's axes to Keras's


def nhwc(images):
    return tf.constant(images.transpose(0, 2, 3, 1))


def test_penalties_equal_the_reference(golden, critic):
    real, fake = (nhwc(golden[f"penalties/in/{k}"]) for k in ("real", "fake"))
    np.testing.assert_allclose(critic(real), golden["penalties/out/D_real"], rtol=1e-5)
    epsilon = golden["penalties/in/alpha_on_real"][:, 0]
    penalty = penalties.gradient_penalty(critic, real, fake, epsilon)
    assert penalty.shape == (5,) and penalty.dtype == "float32"
    # StudioGAN's figure is the mean; mimicry's R1 and R2 are half the mean
    np.testing.assert_allclose(np.mean(penalty), golden["penalties/out/wgan_gp"], rtol=1e-5)
    r1, r2 = penalties.r1(critic, real), penalties.r2(critic, fake)
    np.testing.assert_allclose(np.mean(r1) / 2, golden["penalties/out/r1_half_mean"], rtol=1e-5)
    np.testing.assert_allclose(np.mean(r2) / 2, golden["penalties/out/r2_half_mean"], rtol=1e-5)


def test_the_whole_r3gan_loss_of_d_equals_the_reference(golden, critic):
    real, fake = (nhwc(golden[f"relativistic/in/{k}"]) for k in ("real", "fake"))
    with tf.GradientTape() as tape:
        images = tf.concat([real, fake], 0)
        with tf.GradientTape() as inner:
            inner.watch(images)
            logits = critic(images)
        r1, r2 = tf.split(penalties.squared_gradient_norm(inner, logits, images), 2)
        adversarial = losses.Relativistic().discriminator(*tf.split(logits, 2))
        loss = tf.reduce_mean(adversarial + 0.8 / 2 * (r1 + r2))
    for ours, name in (
        (adversarial, "rpgan_D_per_sample"),
        (r1, "r1_per_sample"),
        (r2, "r2_per_sample"),
        (loss, "total_D_gamma08"),
    ):
        np.testing.assert_allclose(ours, golden[f"relativistic/out/{name}"], rtol=1e-5)
    gradients = tape.gradient(loss, critic.trainable_variables)
    names = [f"{layer}.{part}" for layer in ("c1", "c2", "l") for part in ("weight", "bias")]
    for gradient, name in zip(gradients, names, strict=True):
        if name == "l.bias":  # cancels out of the pairing, and no penalty sees it
            np.testing.assert_allclose(gradient, [0.0], atol=1e-7)
            continue
        reference = golden[f"relativistic/out/gradD_gamma08/{name}"]
        reference = reference.transpose(AXES[reference.ndim])
        np.testing.assert_allclose(gradient, reference, rtol=0, atol=1e-5 * abs(reference).max())


def test_closed_forms_of_a_linear_critic():
    """D(x) = <w, x> has gradient w everywhere."""
    w, x, y = normal(4, 4, 3), normal(5, 4, 4, 3), normal(5, 4, 4, 3)

    def critic(images):
        return tf.reduce_sum(images * w, axis=(1, 2, 3))[:, None]

    square = np.sum(w**2)
    np.testing.assert_allclose(penalties.r1(critic, tf.constant(x)), np.full(5, square), rtol=1e-5)
    penalty = penalties.gradient_penalty(
        critic, tf.constant(x), tf.constant(y), np.linspace(0, 1, 5)
    )
    np.testing.assert_allclose(penalty, np.full(5, (np.sqrt(square) - 1) ** 2), rtol=1e-5)


def test_gradient_penalty_looks_where_epsilon_says():
    """D(x) = |x|^2 / 2 has gradient x, so the penalty shows the point it was taken at."""
    x, y, epsilon = normal(3, 2, 2, 1), normal(3, 2, 2, 1), np.array([0.0, 0.25, 1.0], "float32")
    penalty = penalties.gradient_penalty(
        lambda z: tf.reduce_sum(z**2, (1, 2, 3)) / 2, tf.constant(x), tf.constant(y), epsilon
    )
    e = epsilon[:, None, None, None]
    length = np.sqrt(np.sum((e * x + (1 - e) * y) ** 2, axis=(1, 2, 3)))
    np.testing.assert_allclose(penalty, (length - 1) ** 2, rtol=1e-5)


def test_a_flat_critic_gives_a_finite_gradient():
    w = tf.Variable(0.0)
    x = tf.constant(normal(3, 2, 2, 1))
    with tf.GradientTape() as tape:
        penalty = penalties.gradient_penalty(
            lambda z: w * tf.reduce_sum(z, (1, 2, 3)), x, x, tf.zeros(3)
        )
    np.testing.assert_array_equal(penalty, np.ones(3))
    assert np.isfinite(tape.gradient(penalty, w))


def test_path_length_of_a_linear_synthesis():
    """Images A w: the length is |A^T y| / sqrt(H W)."""
    a, w, y = normal(6, 4 * 4 * 2), normal(3, 6), normal(3, 4, 4, 2)
    lengths = penalties.path_length(lambda w: tf.reshape(w @ a, (-1, 4, 4, 2)), tf.constant(w), y)
    product = y.reshape(3, -1) @ a.T / 4
    np.testing.assert_allclose(lengths, np.sqrt((product**2).sum(1)), rtol=1e-5)
    # the same latent in five layers, each with a fifth of the influence
    many = penalties.path_length(
        lambda w: tf.reshape(tf.reduce_mean(w, 1) @ a, (-1, 4, 4, 2)),
        tf.repeat(tf.constant(w)[:, None], 5, 1),
        y,
    )
    np.testing.assert_allclose(many, np.sqrt((product**2).sum(1)) / 5, rtol=1e-5)


# what the discriminators of the penalised families are made of
ROOMS = {
    "fir": lambda: [layers.FIRDownsample(), keras.layers.Conv2D(4, 1)],
    "spectral": lambda: [layers.SpectralNormalization(keras.layers.Conv2D(4, 3, padding="same"))],
    "grouped": lambda: [keras.layers.Conv2D(8, 3, groups=4, padding="same")],
    "upsampled": lambda: [layers.FIRUpsample(edges="repeat"), keras.layers.Conv2D(4, 3, 2)],
    "pooled": lambda: [keras.layers.AveragePooling2D(2), keras.layers.UpSampling2D()],
}


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("room", ROOMS)
def test_the_weight_of_a_penalty_changes_the_gradients(room, jit):
    """And changes them as central differences of the penalty say."""
    x = images = keras.Input((8, 8, 8))
    first = keras.layers.Conv2D(8, 3, padding="same", activation="tanh")
    x = first(x)
    for layer in ROOMS[room]():
        x = layer(x)
    x = keras.layers.Activation("tanh")(x)
    network = keras.Model(images, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    batch = tf.constant(normal(4, 8, 8, 8))

    @tf.function(jit_compile=jit)
    def gradient(gamma):
        with tf.GradientTape() as tape:
            penalty = gamma / 2 * tf.reduce_mean(penalties.r1(network, batch))
        return penalty, tape.gradient(penalty, first.kernel.value)

    none = np.asarray(gradient(tf.constant(0.0))[1])
    some = np.asarray(gradient(tf.constant(10.0))[1])
    assert np.abs(none).max() == 0 and np.abs(some).max() > 1e-3
    start, numeric = first.kernel.numpy(), []
    direction = some / np.linalg.norm(some)
    for step in (3e-3, -3e-3):
        first.kernel.assign(start + step * direction)
        numeric.append(float(gradient(tf.constant(10.0))[0]))
    numeric = (numeric[0] - numeric[1]) / 6e-3
    assert numeric == pytest.approx(np.sum(some * direction), rel=2e-2)


@pytest.mark.parametrize("jit", [False, True])
def test_lazy_is_due_every_kth_step_and_k_times_as_heavy(jit):
    w = tf.Variable(2.0)

    @tf.function(jit_compile=jit)
    def value(step, every):
        with tf.GradientTape() as tape:
            penalty = penalties.lazy(step, every, lambda: w * tf.constant([1.0, 3.0]))
        return penalty, tape.gradient(penalty, w)

    seen = [tuple(float(v) for v in value(tf.constant(i), 4)) for i in range(6)]
    assert seen == [(16.0, 8.0), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0), (16.0, 8.0), (0.0, 0.0)]
    assert tuple(float(v) for v in value(tf.constant(3), 1)) == (4.0, 2.0)


def test_penalties_are_float32_under_half_precision():
    images = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 3, dtype="mixed_float16")(images)
    x = keras.layers.Dense(1, dtype="mixed_float16")(keras.layers.Flatten()(x))
    network = keras.Model(images, x)
    batch = tf.constant(normal(3, 4, 4, 3))
    exact = keras.models.clone_model(
        network,
        clone_function=lambda a: type(a).from_config({**a.get_config(), "dtype": "float32"}),
    )
    exact.set_weights(network.get_weights())
    penalty = penalties.r1(network, batch)
    assert network(batch).dtype == "float16" and penalty.dtype == "float32"
    np.testing.assert_allclose(penalty, penalties.r1(exact, batch), rtol=1e-2)
