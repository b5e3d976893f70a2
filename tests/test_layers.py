"""Layers against formulas written out in NumPy, singular values, and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from ganzoo import layers
from ganzoo.layers.resample import fir_downsample, fir_upsample

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype("float32")


def saved_and_loaded(model, path):
    model.save(path)
    return keras.models.load_model(path)


# layer, input, and the axis order that brings its weight to (outputs, everything else)
WEIGHTS = {
    "dense": (lambda: keras.layers.Dense(5), normal(3, 7), (1, 0)),
    "conv": (lambda: keras.layers.Conv2D(5, 3), normal(2, 6, 6, 4), (3, 0, 1, 2)),
    "grouped": (lambda: keras.layers.Conv2D(6, 3, groups=2), normal(2, 6, 6, 4), (3, 0, 1, 2)),
    "transposed": (
        lambda: keras.layers.Conv2DTranspose(5, 4, 2, "same"),
        normal(2, 4, 4, 3),
        (2, 0, 1, 3),
    ),
    "depthwise": (
        lambda: keras.layers.DepthwiseConv2D(3, depth_multiplier=2),
        normal(2, 6, 6, 4),
        (2, 3, 0, 1),
    ),
    "embedding": (lambda: keras.layers.Embedding(6, 4), np.array([0, 5, 2]), (0, 1)),
}


def as_matrix(weight, order, outputs):
    return weight.transpose(order).reshape(outputs, -1)


@pytest.mark.parametrize("kind", WEIGHTS)
def test_spectral_norm_divides_by_the_largest_singular_value(kind):
    make, x, order = WEIGHTS[kind]
    layer = layers.SpectralNormalization(make())
    layer.build(x.shape if kind != "embedding" else (None,))
    weight = layer.weight.numpy()
    outputs = layer.u.shape[0]
    largest = np.linalg.svd(as_matrix(weight, order, outputs), compute_uv=False)[0]
    assert outputs in (5, 6, 8)
    for _ in range(200):
        y = layer(x, training=True)
    plain = make()
    plain.build(x.shape if kind != "embedding" else (None,))
    plain.set_weights([weight / largest, *layer.layer.get_weights()[1:]])
    np.testing.assert_allclose(y, plain(x), rtol=0, atol=2e-6)
    np.testing.assert_allclose(layer(x, training=False), plain(x), rtol=0, atol=2e-6)
    assert np.array_equal(layer.weight.numpy(), weight), "the kernel must be left alone"


def test_one_power_iteration_per_training_pass_and_none_stored_otherwise():
    layer = layers.SpectralNormalization(keras.layers.Dense(5, use_bias=False))
    x = normal(3, 7)
    layer.build(x.shape)
    w, u = layer.weight.numpy().T.astype("float64"), layer.u.numpy().astype("float64")
    v = w.T @ u / np.linalg.norm(w.T @ u)
    after = w @ v / np.linalg.norm(w @ v)
    expected = x @ w.T / (after @ w @ v)
    np.testing.assert_allclose(layer(x, training=False), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer.u.numpy(), u.astype("float32"))
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.u.numpy(), after, rtol=0, atol=1e-6)


def test_without_inference_iterations_the_stored_vectors_are_used():
    layer = layers.SpectralNormalization(keras.layers.Dense(5), inference_iterations=0)
    x = normal(3, 7)
    layer.build(x.shape)
    w = layer.weight.numpy().T

    def expected():
        return x @ w.T / (layer.u.numpy() @ w @ layer.v.numpy())

    sigma = layer.u.numpy() @ w @ layer.v.numpy()
    assert 0 < sigma <= np.linalg.svd(w, compute_uv=False)[0] * (1 + 1e-6)
    np.testing.assert_allclose(layer(x), expected(), rtol=1e-5, atol=1e-6)
    trained = layer(x, training=True)
    np.testing.assert_allclose(trained, expected(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer(x), trained, rtol=1e-6)


def test_spectral_gradient_flows_through_sigma():
    """Against central differences in float64, and <dL/dW, W> = 0: the loss ignores W's scale."""
    inner = keras.layers.Conv2D(3, 3, use_bias=False, dtype="float64")
    layer = layers.SpectralNormalization(inner)
    x = tf.constant(normal(2, 5, 5, 2).astype("float64"))
    layer.build(x.shape)
    start = layer.u.numpy()

    weight = layer.weight.numpy()
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.sin(layer(x, training=True)))
    gradient = tape.gradient(value, layer.weight.value).numpy()
    # u and v count as constants, so the differences hold them: sigma = u^T W v
    flat = weight.reshape(-1, 3)
    v = flat @ start / np.linalg.norm(flat @ start)
    u = v @ flat / np.linalg.norm(v @ flat)

    def held(weight):
        sigma = v @ weight.reshape(-1, 3) @ u
        plain = tf.nn.conv2d(x, weight / sigma, 1, "VALID")
        return float(tf.reduce_sum(tf.sin(plain)))

    direction = RNG.standard_normal(weight.shape)
    numeric = (held(weight + 1e-6 * direction) - held(weight - 1e-6 * direction)) / 2e-6
    assert held(weight) == pytest.approx(float(value), rel=1e-10)
    np.testing.assert_allclose(np.sum(gradient * direction), numeric, rtol=1e-6)
    scale = np.linalg.norm(gradient) * np.linalg.norm(weight)
    assert scale > 0.1 and abs(np.sum(gradient * weight)) < 1e-10 * scale


def spectral_model(dtype=None):
    images = keras.Input((6, 6, 2))
    conv = keras.layers.Conv2D(4, 3, dtype=dtype)
    x = layers.SpectralNormalization(conv, name="c")(images)
    x = layers.SpectralNormalization(keras.layers.Dense(1, dtype=dtype), name="d")(
        keras.layers.Flatten(dtype=dtype)(x)
    )
    return keras.Model(images, x)


def test_spectral_norm_saves_its_state(tmp_path):
    model, x = spectral_model(), normal(2, 6, 6, 2)
    for _ in range(3):
        model(x, training=True)
    loaded = saved_and_loaded(model, tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    np.testing.assert_array_equal(loaded(x, training=True), model(x, training=True))
    model.save_weights(tmp_path / "m.weights.h5")
    other = spectral_model()
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(other(x), model(x))
    assert len(model.trainable_variables) == 4 and len(model.non_trainable_variables) == 2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_power_iteration_stays_in_float32(policy):
    model, x = spectral_model(policy), normal(2, 6, 6, 2)
    exact = spectral_model()
    exact.set_weights(model.get_weights())
    y = model(x, training=True)
    assert y.dtype == policy.removeprefix("mixed_")
    coarse = 2e-3 if policy == "mixed_float16" else 2e-2
    np.testing.assert_allclose(tf.cast(y, "float32"), exact(x, training=True), atol=coarse)
    np.testing.assert_array_equal(model.get_layer("c").u.numpy(), exact.get_layer("c").u.numpy())


def test_spectral_norm_under_xla():
    plain, compiled, x = spectral_model(), spectral_model(), normal(2, 6, 6, 2)
    compiled.set_weights(plain.get_weights())
    step = tf.function(lambda x: compiled(x, training=True), jit_compile=True)
    for _ in range(3):
        np.testing.assert_allclose(step(x), plain(x, training=True), rtol=0, atol=1e-6)
    np.testing.assert_allclose(compiled.get_layer("c").u, plain.get_layer("c").u, atol=1e-6)


def test_spectral_norm_on_two_devices(two_devices):
    plain = spectral_model()
    with two_devices.scope():
        model = spectral_model()
        model.set_weights(plain.get_weights())
    x = normal(4, 6, 6, 2)
    data = tf.data.Dataset.from_tensor_slices(x).batch(4)
    shards = next(iter(two_devices.experimental_distribute_dataset(data)))
    step = tf.function(lambda x: model(x, training=True))
    locally = two_devices.experimental_local_results
    together = np.concatenate([y.numpy() for y in locally(two_devices.run(step, (shards,)))])
    np.testing.assert_allclose(together, plain(x, training=True), rtol=0, atol=1e-6)
    for u in locally(model.get_layer("c").u.value):
        np.testing.assert_allclose(u, plain.get_layer("c").u.numpy(), atol=1e-6)


def test_spectral_norm_refuses_what_has_no_kernel():
    layer = layers.SpectralNormalization(keras.layers.SeparableConv2D(4, 3))
    with pytest.raises(ValueError, match="SeparableConv2D"):
        layer.build((None, 8, 8, 3))


@pytest.mark.parametrize("options", [{}, {"strides": 2}, {"padding": "same"}, {"dilation_rate": 2}])
def test_grouped_convolution_equals_kerass(options):
    x = tf.constant(normal(2, 9, 8, 12))
    ours, theirs = (
        kind(6, 3, groups=3, bias_initializer="uniform", **options)
        for kind in (layers.GroupedConv2D, keras.layers.Conv2D)
    )
    theirs.build(x.shape)
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y, expected = ours(x), theirs(x)
    np.testing.assert_allclose(y, expected, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(y, x), tape.gradient(expected, x), atol=1e-5)
    kernels = [tape.gradient(a, b.kernel.value) for a, b in ((y, ours), (expected, theirs))]
    np.testing.assert_allclose(*kernels, rtol=1e-4, atol=1e-4)


def test_conditional_batch_normalization_is_its_formula():
    layer, x, labels = (
        layers.ConditionalBatchNormalization(3),
        normal(4, 5, 6, 2),
        np.array([2, 0, 1, 2]),
    )
    layer([x, labels])
    gamma, beta = normal(3, 2), normal(3, 2)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    scale, shift = gamma[labels][:, None, None], beta[labels][:, None, None]
    expected = (x - mean) / np.sqrt(variance + 1e-5) * scale + shift
    np.testing.assert_allclose(layer([x, labels], training=True), expected, atol=1e-5)
    np.testing.assert_allclose(layer.norm.moving_mean, 0.1 * mean, atol=1e-6)
    moving = 0.9 + 0.1 * variance
    np.testing.assert_allclose(layer.norm.moving_variance, moving, rtol=1e-5)
    expected = (x - 0.1 * mean) / np.sqrt(moving + 1e-5) * scale + shift
    np.testing.assert_allclose(layer([x, labels]), expected, atol=1e-5)


def test_self_attention_starts_as_the_identity_and_is_its_formula():
    layer, x = layers.SelfAttention(), normal(2, 4, 6, 16)
    np.testing.assert_array_equal(layer(x), x)
    layer.gamma.assign(0.7)
    parts = (layer.query, layer.key, layer.value, layer.output_convolution)
    query, key, value, output = (part.kernel.numpy()[0, 0] for part in parts)

    def pooled(m):  # (N, 4, 6, C) -> (N, 6, C)
        return m.reshape(2, 2, 2, 3, 2, -1).max((2, 4)).reshape(2, 6, -1)

    scores = (x @ query).reshape(2, 24, -1) @ pooled(x @ key).transpose(0, 2, 1)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    mixed = (weights @ pooled(x @ value)).reshape(2, 4, 6, -1) @ output
    np.testing.assert_allclose(layer(x), x + 0.7 * mixed, atol=1e-5)


def test_layers_keep_their_options_and_values_when_saved(tmp_path):
    images, labels = keras.Input((8, 8, 16)), keras.Input((), dtype="int32")
    x = layers.SelfAttention(spectral={"inference_iterations": 0})(images)
    x = layers.ConditionalBatchNormalization(3, momentum=0.8, epsilon=1e-4)([x, labels])
    x = layers.FIRDownsample((1, 2, 2, 1))(layers.FIRUpsample(edges="repeat")(x))
    x = layers.MinibatchStddev(2, features=4)(layers.PixelShuffle(2)(x))
    model = keras.Model([images, labels], x)
    inputs = [normal(4, 8, 8, 16), np.array([0, 1, 2, 0])]
    model.layers[1].gamma.assign(0.3)
    model(inputs, training=True)
    loaded = saved_and_loaded(model, tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    for ours, theirs in zip(model.layers, loaded.layers, strict=True):
        assert theirs.get_config() == ours.get_config()
    assert model.output_shape == (None, 16, 16, 8)


def up_by_formula(x, taps, edges):
    """In one dimension at a time: y[i] = sum_j f[i + (k - 2) / 2 - 2 j] x[j]."""
    k, f = len(taps), 2 * np.array(taps, "float64") / np.sum(taps)
    border = k if edges == "repeat" else 0
    for axis in (1, 2):
        n = x.shape[axis]
        x = np.moveaxis(x, axis, 0)
        y = np.zeros((2 * n, *x.shape[1:]))
        for i in range(2 * n):
            for j in range(-border, n + border):
                t = i + (k - 2) // 2 - 2 * j
                if 0 <= t < k:
                    y[i] += f[t] * x[min(max(j, 0), n - 1)]
        x = np.moveaxis(y, 0, axis)
    return x


def down_by_formula(x, taps):
    k, f = len(taps), np.array(taps, "float64") / np.sum(taps)
    for axis in (1, 2):
        n = x.shape[axis]
        x = np.moveaxis(x, axis, 0)
        y = np.zeros(((n + 1) // 2, *x.shape[1:]))
        for i in range(len(y)):
            for j in range(k):
                at = 2 * i + j - (k - 2) // 2
                if 0 <= at < n:
                    y[i] += f[j] * x[at]
        x = np.moveaxis(y, 0, axis)
    return x


@pytest.mark.parametrize("taps", [(1, 3, 3, 1), (1, 1), (1, 5, 10, 10, 5, 1)])
def test_fir_resampling_is_its_formula(taps):
    x = normal(2, 5, 6, 3)
    for edges in ("zero", "repeat"):
        up = fir_upsample(tf.constant(x), taps, edges)
        np.testing.assert_allclose(up, up_by_formula(x, taps, edges), atol=1e-6)
    np.testing.assert_allclose(
        fir_downsample(tf.constant(x), taps), down_by_formula(x, taps), atol=1e-6
    )


def test_repeated_edges_are_bilinear_interpolation():
    x = normal(2, 5, 6, 3)
    np.testing.assert_allclose(
        layers.FIRUpsample(edges="repeat")(x), tf.image.resize(x, (10, 12)), atol=1e-6
    )


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.FIRUpsample(dtype="float64"),
        lambda: layers.FIRUpsample(edges="repeat", dtype="float64"),
        lambda: layers.FIRDownsample(dtype="float64"),
        lambda: layers.PixelShuffle(2, dtype="float64"),
        lambda: layers.MinibatchStddev(dtype="float64"),
        lambda: layers.SelfAttention(dtype="float64"),
        lambda: layers.GroupedConv2D(4, 3, groups=2, dtype="float64"),
    ],
)
def test_layers_under_a_gradient_penalty(make, jit):
    """The second derivative, d/dw of |d/dx f|^2, against central differences in w."""
    layer = make()
    x, w = tf.constant(normal(4, 4, 4, 8), "float64"), tf.Variable(1.3, dtype="float64")
    layer(x)
    if isinstance(layer, layers.SelfAttention):
        layer.gamma.assign(0.8)

    @tf.function(jit_compile=jit)
    def penalty():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(tf.sin(layer(tf.sin(w * x))))
        return tf.reduce_sum(tape.gradient(y, x) ** 2)

    @tf.function(jit_compile=jit)
    def derivative():
        with tf.GradientTape() as tape:
            value = penalty()
        return tape.gradient(value, w)

    analytic = float(derivative())
    numeric = []
    for step in (1e-6, -1e-6):
        w.assign(1.3 + step)
        numeric.append(float(penalty()))
    numeric = (numeric[0] - numeric[1]) / 2e-6
    assert abs(numeric) > 1
    assert analytic == pytest.approx(numeric, rel=1e-5)


def test_pixel_shuffle_has_pytorchs_channel_order():
    x, r = normal(2, 3, 4, 12), 2
    y = np.zeros((2, 6, 8, 3), "float32")
    for row in range(6):
        for column in range(8):
            for c in range(3):
                source = c * r * r + (row % r) * r + column % r
                y[:, row, column, c] = x[:, row // r, column // r, source]
    np.testing.assert_array_equal(layers.PixelShuffle(2)(x), y)
    with pytest.raises(ValueError, match="multiple of 9 channels, got 12"):
        layers.PixelShuffle(3)(x)


def test_equal_pixels_start_as_nearest_neighbours():
    start = layers.EqualPixels(3)
    layer = keras.layers.Conv2D(18, 3, padding="same", kernel_initializer=start)
    x = normal(1, 4, 5, 2)
    made = np.asarray(layers.PixelShuffle(3)(layer(x)))
    np.testing.assert_array_equal(made, made[:, ::3, ::3].repeat(3, 1).repeat(3, 2))
    assert np.unique(layer.kernel).size == 3 * 3 * 2 * 2
    assert np.abs(layer.kernel).max() <= np.sqrt(6 / (9 * 2 + 9 * 2))  # Glorot's, of 2 channels
    again = keras.initializers.deserialize(keras.initializers.serialize(start))
    assert again.factor == 3


def test_pixel_unshuffle_undoes_it_at_any_size():
    images = keras.Input((None, None, 3))
    folded = layers.PixelUnshuffle(2)(images)
    network = keras.Model(images, [folded, layers.PixelShuffle(2)(folded)])
    assert network.output_shape == [(None, None, None, 12), (None, None, None, 3)]
    for size in ((4, 6), (10, 2)):
        x = normal(2, *size, 3)
        small, again = network(x)
        np.testing.assert_array_equal(again, x)
        # channel 4 c + 2 row + column
        np.testing.assert_array_equal(small[..., 7], x[:, 1::2, 1::2, 1])
    with pytest.raises(ValueError, match=r"PixelUnshuffle\(2\) wants .* multiples of 2, got 5x4"):
        layers.PixelUnshuffle(2)(normal(1, 5, 4, 3))


@pytest.mark.parametrize(("batch", "group"), [(8, 4), (6, 3), (5, 1), (2, 2)])
def test_minibatch_stddev_is_its_formula(batch, group):
    x = normal(batch, 3, 4, 6)
    y = np.array(layers.MinibatchStddev(4, features=2)(x))
    np.testing.assert_array_equal(y[..., :6], x)
    count = batch // group
    for i in range(batch):
        members = x[i % count :: count]
        deviation = np.sqrt(members.var(0) + 1e-8)
        for f in range(2):
            expected = deviation[..., 3 * f : 3 * f + 3].mean()
            np.testing.assert_allclose(y[i, ..., 6 + f], expected, rtol=1e-5)
    jitted = tf.function(layers.MinibatchStddev(4, features=2), jit_compile=True)
    np.testing.assert_allclose(jitted(tf.constant(x)), y, atol=1e-6)


def test_bad_options_are_named():
    with pytest.raises(ValueError, match="edges"):
        layers.FIRUpsample(edges="wrap")
    with pytest.raises(ValueError, match="even number"):
        layers.FIRDownsample((1, 2, 1))
    with pytest.raises(ValueError, match="features=4"):
        layers.MinibatchStddev(features=4).build((None, 4, 4, 6))
    assert ops.shape(layers.SelfAttention()(normal(1, 1, 1, 3))) == (1, 1, 1, 3)
