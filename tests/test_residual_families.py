"""SNGAN, SAGAN and R3GAN: one whole step against gradients written out, sizes, bad input."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo.models.r3gan import ARCHITECTURES, R3GAN, discriminator_network, generator_network
from ganzoo.models.sagan import SAGAN
from ganzoo.models.sngan import SNGAN

RATE = 0.05
TINY = {
    SNGAN: {"image_shape": (8, 8, 1), "latent_dim": 4, "filters": 16},
    SAGAN: {"image_shape": (8, 8, 1), "latent_dim": 4, "filters": 8},
    R3GAN: {
        "image_shape": (8, 8, 1),
        "latent_dim": 4,
        "filters": (8, 4),
        "blocks": (1, 1),
        "group_size": 8,
        "gamma": 1.5,
    },
}


def twins(cls, **options):
    """Two equal models, trained by plain SGD; the second is for the hand-written step."""
    pair = [cls(**{**TINY[cls], **options, "seed": 3}) for _ in range(2)]
    pair[1].set_weights(pair[0].get_weights())
    for model in pair:
        # zero-initialised parts would hide mistakes behind them
        for weight in model.trainable_variables:
            if not np.any(weight.numpy()):
                rng = np.random.default_rng(len(weight.shape))
                weight.assign(0.3 * rng.standard_normal(weight.shape))
        optimizers = {f"{p}_optimizer": keras.optimizers.SGD(RATE) for p in "gd"}
        model.compile(**optimizers, d_steps=2)
    return pair


def descend(weights, tape, loss):
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        weight.assign_sub(RATE * tf.convert_to_tensor(gradient))


def assert_same(one, two):
    for a, b in zip(one.weights, two.weights, strict=True):
        if "seed" in a.path:
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        else:
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=0, atol=2e-6, err_msg=a.path)


def batches(num_classes, n=8):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (n, 8, 8, 1)).astype("float32")
    labels = rng.integers(0, num_classes or 1, n).astype("int32")
    return tf.constant(images), tf.constant(labels)


def apart(network, inputs):
    """Verdicts on each of `inputs` by a pass of its own that starts from the same u and v."""
    state = [w for w in network.non_trainable_variables if w.name in "uv"]
    before = [w.numpy() for w in state]
    verdicts = []
    for x in inputs:
        for weight, value in zip(state, before, strict=True):
            weight.assign(value)
        verdicts.append(network(x, training=True))
    return verdicts


@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("cls", [SNGAN, SAGAN])
def test_a_hinge_step_is_its_gradients_by_hand(cls, num_classes):
    model, twin = twins(cls, num_classes=num_classes)
    images, labels = batches(num_classes)
    logs = model.train_step((images, labels) if num_classes else images)
    g, d = twin.generator, twin.discriminator
    for i in (0, 4):
        real, y = images[i : i + 4], labels[i : i + 4]
        if num_classes:
            fake_y = tf.cast(tf.floor(twin.noise.uniform((4,)) * num_classes), "int32")
        with tf.GradientTape() as g_tape:
            z = twin.noise.normal((4, 4))
            fake = g([z, fake_y] if num_classes else z, training=True)
        with tf.GradientTape() as d_tape:
            pair = [[real, y], [fake, fake_y]] if num_classes else [real, fake]
            d_real, d_fake = apart(d, pair)
            d_loss = tf.reduce_mean(tf.maximum(0.0, 1 - d_real) + tf.maximum(0.0, 1 + d_fake))
        descend(d.trainable_variables, d_tape, d_loss)
    with g_tape:
        g_loss = -tf.reduce_mean(d([fake, fake_y] if num_classes else fake, training=True))
    descend(g.trainable_variables, g_tape, g_loss)
    twin.d_optimizer.iterations.assign(2)
    assert_same(model, twin)
    np.testing.assert_allclose(logs["d_loss"], d_loss, rtol=1e-5)
    np.testing.assert_allclose(logs["g_loss"], g_loss, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("num_classes", [None, 3])
def test_an_r3gan_step_is_its_gradients_by_hand(num_classes):
    model, twin = twins(R3GAN, num_classes=num_classes)
    images, labels = batches(num_classes)
    logs = model.train_step((images, labels) if num_classes else images)
    g, d = twin.generator, twin.discriminator

    def squares(x, y):
        with tf.GradientTape() as tape:
            tape.watch(x)
            verdict = d([x, y] if num_classes else x)
        return verdict, tf.reduce_sum(tape.gradient(verdict, x) ** 2, (1, 2, 3))

    for i in (0, 4):
        real, y = images[i : i + 4], labels[i : i + 4]
        with tf.GradientTape() as g_tape:
            z = twin.noise.normal((4, 4))
            fake = g([z, y] if num_classes else z)
        with tf.GradientTape() as d_tape:
            (d_real, r1), (d_fake, r2) = squares(real, y), squares(tf.stop_gradient(fake), y)
            pairs = tf.math.softplus(d_fake - d_real)[:, 0]
            d_loss = tf.reduce_mean(pairs + 1.5 / 2 * (r1 + r2))
        descend(d.trainable_variables, d_tape, d_loss)
    with g_tape:
        real, fake = ([x, y] if num_classes else x for x in (real, fake))
        g_loss = tf.reduce_mean(tf.math.softplus(d(real) - d(fake)))
    descend(g.trainable_variables, g_tape, g_loss)
    # after the step the average stands at 0.5 ** (4 / half-life), half-life = 5e6 (1 - cos) / 2
    half_life = 5e6 * (1 - np.cos(np.pi * 8 / 2e7)) / 2
    decay = 0.5 ** (4 / max(half_life, 1e-8))
    for slow, fast in zip(twin.ema_generator.weights, g.weights, strict=True):
        slow.assign(decay * slow + (1 - decay) * fast)
    assert_same(model, twin)
    for name, value in (("d_loss", d_loss), ("r1", np.mean(r1)), ("r2", np.mean(r2))):
        np.testing.assert_allclose(logs[name], value, rtol=1e-5)


def test_r3gans_gamma_changes_the_gradients_and_follows_its_schedule():
    steps = {}
    for gamma in (0.0, 10.0, (10.0, 1.0)):
        keras.utils.set_random_seed(0)
        model, _ = twins(R3GAN, gamma=gamma, schedule_images=80)
        model.d_steps, start = 1, model.get_weights()
        seed, weights = model.noise.state.numpy(), model.discriminator.trainable_variables
        for done in (0, 10):  # updates of 4 images: the start, and half of 80 images
            model.set_weights(start)
            model.noise.state.assign(seed)
            model.d_optimizer.iterations.assign(done)
            before = [w.numpy() for w in weights]
            model.train_step(batches(None, 4)[0])
            steps[gamma, done] = [w.numpy() - b for w, b in zip(weights, before, strict=True)]
    for i, (none, some) in enumerate(zip(steps[0.0, 0], steps[10.0, 0], strict=True)):
        # between leaky ReLUs all is linear: slopes depend on kernels, and not on biases
        changed = np.abs(none - some).max() > 1e-6
        assert changed == (some.ndim > 1), i
    start, middle = steps[(10.0, 1.0), 0], steps[(10.0, 1.0), 10]
    for a, b in zip(start, steps[10.0, 0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    # a step is linear in gamma; half-way the cosine stands at 5.5
    share = 5.5 / 10
    for m, none, some in zip(middle, steps[0.0, 10], steps[10.0, 10], strict=True):
        np.testing.assert_allclose(m, none + share * (some - none), atol=2e-5)


@pytest.mark.parametrize("shape", [(8, 8, 1), (13, 9, 3), (28, 28, 1), (24, 40, 4)])
@pytest.mark.parametrize("cls", TINY)
def test_any_shape(cls, shape):
    options = {k: v for k, v in TINY[cls].items() if k not in ("filters", "blocks")}
    filters = 8
    if cls is R3GAN:
        doublings = {8: 1, 9: 1, 28: 2, 24: 2}[min(shape[:2])]
        filters = (8, 8, 4)[: doublings + 1]
    model = cls(**{**options, "image_shape": shape, "filters": filters})
    images = model.generator(tf.zeros((2, 4)))
    assert images.shape == (2, *shape)
    assert model.discriminator(images).shape == (2, 1)


def test_one_number_is_the_width_of_the_grid_and_the_blocks_of_all_sizes():
    model = R3GAN(image_shape=(32, 40, 1), filters=16, blocks=1, group_size=4)
    assert (model.filters, model.blocks) == ((16, 8, 4, 2), (1, 1, 1, 1))
    listed = R3GAN(image_shape=(32, 40, 1), filters=(16, 8, 4, 2), blocks=(1,) * 4, group_size=4)
    assert model.count_params() == listed.count_params()


def test_bad_options_are_named():
    for cls in TINY:
        with pytest.raises(ValueError, match="architecture='big'"):
            cls(architecture="big")
        with pytest.raises(ValueError, match="num_classes=0"):
            cls(**TINY[cls], num_classes=0)
        with pytest.raises(ValueError, match="nearest"):
            cls(**{**TINY[cls], "image_shape": (4, 8, 3)})
    tiny = TINY[R3GAN]
    with pytest.raises(ValueError, match="takes 2 of them"):
        R3GAN(**{**tiny, "filters": (8, 8, 8)})
    with pytest.raises(ValueError, match="takes 2 of them"):
        R3GAN(**{**tiny, "filters": (8,)})
    with pytest.raises(ValueError, match="groups of group_size=16"):
        R3GAN(**{**tiny, "filters": (28, 8), "group_size": 16})
    with pytest.raises(ValueError, match="gamma=-1"):
        R3GAN(**{**tiny, "gamma": -1})
    images = keras.Input((8, 8, 1))
    x = keras.layers.BatchNormalization()(images)
    critic = keras.Model(images, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    with pytest.raises(ValueError, match="batch normalisation"):
        R3GAN(**tiny, discriminator=critic)


def test_a_given_discriminator_with_batch_norm_judges_real_and_fake_apart():
    images = keras.Input((8, 8, 1))
    x = keras.layers.BatchNormalization(momentum=0.0)(images)
    critic = keras.Model(images, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    model = SNGAN(**TINY[SNGAN], discriminator=critic, seed=3)
    still = {f"{p}_optimizer": keras.optimizers.SGD(0.0) for p in "gd"}
    model.compile(**still, d_steps=1)
    model.train_step(tf.ones((4, 8, 8, 1)))
    # the last pass saw fakes alone: a mean of 1 or a mixture would show the real images
    fake = model.generator(model.noise.normal((4, 4)), training=True)
    assert abs(float(critic.layers[1].moving_mean[0]) - 1) > 0.5
    assert np.abs(fake).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "num_classes", "generator", "discriminator"),
    [
        ("cifar10", None, 20_732_160, 20_683_776),
        ("cifar10", 10, 20_781_952, 21_280_512),
        ("ffhq64", None, 22_429_824, 22_381_440),
        ("ffhq256", None, 23_057_952, 23_009_568),
        ("imagenet32", 1000, 82_914_304, 86_548_992),
        ("imagenet64", 1000, 103_570_432, 107_205_120),
    ],
)
def test_full_size_parameter_counts(name, num_classes, generator, discriminator):
    settings = ARCHITECTURES[name]
    shape, blocks = (settings.side, settings.side, 3), [2] * len(settings.filters)
    sizes = (settings.filters, blocks, settings.group_size, num_classes)
    for make, expected in (
        (lambda: generator_network(shape, 64, *sizes), generator),
        (lambda: discriminator_network(shape, *sizes), discriminator),
    ):
        trainable = make().trainable_variables
        assert sum(weight.value.shape.num_elements() for weight in trainable) == expected
