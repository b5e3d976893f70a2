"""InfoGAN: the information terms against official values, one step against gradients by hand, codes
given and drawn, and whether Q reads the codes of fakes after a short run."""

import by_hand
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from parity import golden
from PIL import Image

import ganzoo
from ganzoo import images, inputs
from ganzoo.callbacks import CodeTraversal
from ganzoo.models import infogan


def test_information_terms_equal_the_official_values():
    case = golden.load("auxiliary", "heads")
    nll = infogan.normal_loss(case["in/c_cont"], case["in/q_mu"], np.log(case["in/q_var"]))
    np.testing.assert_allclose(np.mean(nll), case["out/infogan_continuous_nll"], rtol=1e-5)
    loss = infogan.category_loss(
        case["in/q_logits"], np.eye(10, dtype="float32")[case["in/c_disc"]]
    )
    np.testing.assert_allclose(np.mean(loss), case["out/infogan_discrete_ce"], rtol=1e-5)
    assert nll.shape == loss.shape == (6,)


def test_the_default_is_the_papers_for_mnist():
    """Table 1 of the paper: 74 inputs; 1024, 7x7x128, 64; 64, 128, 1024; Q's 128, 14 answers."""
    gan = ganzoo.InfoGAN()
    assert (gan.latent_dim, gan.noise_dim, gan.num_classes) == (74, 62, None)
    up = 74 * 1024 + 1024 * 6272 + 16 * (128 * 64 + 64) + 1 + 4 * (1024 + 6272 + 64)
    assert gan.generator.count_params() == up
    down = 16 * (64 + 64 * 128) + 6272 * 1024 + 1024 * 128 + 4 * (128 + 1024 + 128)
    assert gan.discriminator.count_params() == down + 1025 + 129 * 14
    gan.compile()
    rates = [float(o.learning_rate) for o in (gan.g_optimizer, gan.d_optimizer)]
    np.testing.assert_allclose(rates, [1e-3, 2e-4])


@pytest.mark.parametrize("shape", [(28, 28, 1), (33, 17, 3), (8, 8, 4), (100, 60, 1)])
@pytest.mark.parametrize(("categories", "continuous"), [((4, 3), 1), ((), 2), (5, 0)])
def test_any_size_and_kinds_of_codes(shape, categories, continuous, tiny_images):
    filters = {"generator_filters": (4, 4, 4), "discriminator_filters": (4, 4)}
    gan = ganzoo.InfoGAN(shape, categories, continuous, **filters)
    assert gan.generate(3, seed=0).shape == (3, *shape)
    if shape[0] == 8:
        history = gan.fit(np.repeat(tiny_images[:16], 4, axis=-1), batch_size=8, verbose=0).history
        assert ("category_accuracy" in history) == bool(categories)
        assert np.isfinite(history["information"]).all()


def test_drawn_codes_are_uniform():
    gan = ganzoo.InfoGAN(
        (8, 8, 1), (4, 3), 2, 20, generator_filters=(4,), discriminator_filters=(4,)
    )
    for z in (gan.latents(4000).numpy(), gan.sampling_inputs(4000, None, 5, None)[0].numpy()):
        assert z.shape == (4000, 20)
        np.testing.assert_allclose([z[:, :11].mean(), z[:, :11].std()], [0, 1], atol=0.02)
        for part, k in ((z[:, 11:15], 4), (z[:, 15:18], 3)):
            assert np.array_equal(np.sort(part, axis=1), np.eye(k)[[-1] * 4000])
            np.testing.assert_allclose(part.mean(axis=0), 1 / k, atol=0.03)
        # a uniform number in [-1, 1] has variance 1/3
        assert -1 <= z[:, 18:].min() < -0.99 and 0.99 < z[:, 18:].max() < 1
        np.testing.assert_allclose(z[:, 18:].var(axis=0), 1 / 3, atol=0.02)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.5, 0.1)])
def test_one_step_equals_gradients_by_hand(tiny_images, monkeypatch, weights):
    """Both players also descend the cross-entropy of the category and the normal's of the
    continuous code, less the entropies log 3 and log 2."""
    by_hand.fix_draws(monkeypatch)
    x, rate = tiny_images[:16], 0.02
    gan = tiny.make(ganzoo.InfoGAN, category_weight=weights[0], continuous_weight=weights[1])
    gan.compile(g_optimizer=keras.optimizers.SGD(rate), d_optimizer=keras.optimizers.SGD(rate))
    g, d = by_hand.copies(gan)
    real, noise = x / np.float32(127.5) - 1, by_hand.normal((16, 4))
    ids = np.floor(3 * by_hand.uniform((16, 1)))[:, 0].astype(int)
    c = by_hand.uniform((16, 1), -1, 1)
    z = np.concatenate([noise, np.eye(3)[ids], c], axis=1).astype("float32")

    def information(answers):
        log_p = tf.reduce_sum(tf.nn.log_softmax(answers[:, :3]) * np.eye(3)[ids], axis=1)
        variance = tf.exp(answers[:, 4])
        density = tf.exp(-((c[:, 0] - answers[:, 3]) ** 2) / (2 * variance))
        log_q = tf.math.log(density / tf.sqrt(2 * np.pi * variance))
        return np.log(3) + tf.reduce_mean(log_p), np.log(2) + tf.reduce_mean(log_q)

    def weighted(parts):
        return weights[0] * parts[0] + weights[1] * parts[1]

    with tf.GradientTape() as tape:
        fake = g(z, training=True)
        (d_real, _), (d_fake, answers) = d(real, training=True), d(fake, training=True)
        judging = tf.reduce_mean(tf.nn.softplus(-d_real) + tf.nn.softplus(d_fake))
        d_loss = judging - weighted(information(answers))
    by_hand.descend(d, tape, d_loss, rate)
    with tf.GradientTape() as tape:
        verdict, answers = d(g(z, training=True), training=True)
        parts = information(answers)
        g_loss = tf.reduce_mean(tf.nn.softplus(-verdict)) - weighted(parts)
    by_hand.descend(g, tape, g_loss, rate)

    logs = gan.fit(x, batch_size=16, shuffle=False, verbose=0).history
    by_hand.same_weights(gan, g, d)
    np.testing.assert_allclose(logs["d_loss"], d_loss, rtol=1e-4)
    np.testing.assert_allclose(logs["g_loss"], g_loss, rtol=1e-4)
    np.testing.assert_allclose(logs["information"], parts[0] + parts[1], rtol=1e-4, atol=1e-5)
    right = np.mean(np.argmax(answers[:, :3], axis=1) == ids)
    np.testing.assert_allclose(logs["category_accuracy"], right, rtol=1e-6)


def test_given_codes_take_their_place():
    gan = tiny.make(ganzoo.InfoGAN)
    codes = {"category": [2, 0, 1], "continuous": [[-1.0], [0.5], [2]]}
    (z,) = gan.sampling_inputs(3, codes, 7, None)
    (drawn,) = gan.sampling_inputs(3, None, 7, None)
    assert np.array_equal(z[:, :4], drawn[:, :4])
    assert np.array_equal(z[:, 4:], [[0, 0, 1, -1], [1, 0, 0, 0.5], [0, 1, 0, 2]])
    (half,) = gan.sampling_inputs(3, {"category": [2, 0, 1]}, 7, None)
    assert np.array_equal(half[:, 4:7], z[:, 4:7]) and np.array_equal(half[:, 7], drawn[:, 7])
    made = gan.generate(3, seed=7, codes=codes)
    assert np.array_equal(made, gan.generate(3, seed=7, batch_size=1, codes=codes))
    assert not np.array_equal(made, gan.generate(3, seed=7))
    drawn_codes = {"category": drawn[:, 4:7].numpy().argmax(axis=1), "continuous": drawn[:, 7:]}
    assert np.array_equal(gan.generate(3, seed=7), gan.generate(3, seed=7, codes=drawn_codes))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ({"categories": [0, 0]}, "want a dict with"),
        ([0, 0], "want a dict with"),
        ({"category": [0]}, r'codes\["category"\] of shape \(1, 1\)'),
        ({"category": [0.0, 1.0]}, "type float64"),
        ({"category": [0, 3]}, r"in \[0, 3\]: want .* below \(3,\)"),
        ({"category": [-1, 0]}, r"in \[-1, 0\]"),
        ({"continuous": [0.1, 0.2]}, r'codes\["continuous"\] of shape \(2,\)'),
        ({"continuous": [[0.1], [np.nan]]}, "all finite"),
        ({"continuous": [["a"], ["b"]]}, r'codes\["continuous"\]'),
    ],
)
def test_bad_codes_say_what_is_wanted(codes, message):
    with pytest.raises(ValueError, match=message) as error:
        tiny.make(ganzoo.InfoGAN).generate(2, codes=codes)
    assert "\n" not in str(error.value)


def test_labels_of_data_are_passed_over_and_not_taken_by_generate(tiny_images, garments):
    results = []
    for labels in (None, garments[1][:32]):
        keras.utils.set_random_seed(5)
        gan = tiny.make(ganzoo.InfoGAN)
        gan.fit(tiny_images[:32], labels, batch_size=16, verbose=0)
        results.append(tiny.state(gan))
    assert tiny.same(*results)
    with pytest.raises(ValueError, match="leave labels out, or give codes="):
        gan.generate(2, labels=[0, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"categories": 1}, "categories=1"),
        ({"categories": (3, 2.5)}, "categories="),
        ({"continuous": -1}, "continuous=-1"),
        ({"categories": (), "continuous": 0}, "wants a code"),
        ({"latent_dim": 12}, "want 13 or more"),
    ],
)
def test_codes_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        ganzoo.InfoGAN((8, 8, 1), **arguments)


def test_a_traversal_changes_one_code_along_each_row():
    gan = tiny.make(ganzoo.InfoGAN)
    for code, columns, part in ((0, 3, slice(4, 7)), (1, 5, slice(7, 8))):
        z = gan.traversal(code, rows=2, columns=5, span=1.5, seed=3).reshape(2, columns, 8)
        wanted = np.eye(3) if code == 0 else np.linspace(-1.5, 1.5, 5)[:, None]
        np.testing.assert_allclose(z[:, :, part], [wanted, wanted], rtol=1e-6)
        others = np.delete(z, np.arange(8)[part], axis=2)
        assert np.array_equal(others, others[:, :1].repeat(columns, axis=1))
        assert not np.array_equal(others[0], others[1])
    with pytest.raises(ValueError, match="code=2: want a whole number below 2"):
        gan.traversal(2)


def test_the_callback_draws_the_traversal(tiny_images, tmp_path):
    gan = tiny.make(ganzoo.InfoGAN)
    callbacks = [
        CodeTraversal(tmp_path / "category", rows=4, every=1, seed=2),
        CodeTraversal(tmp_path / "number", code=1, rows=4, columns=5, every=2, span=1),
    ]
    gan.fit(tiny_images[:32], batch_size=16, epochs=2, callbacks=callbacks, verbose=0)
    made = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*"))
    assert made == ["category/epoch_0001.png", "category/epoch_0002.png", "number/epoch_0002.png"]
    for name, options, columns in (
        ("category", (0, 4, 3, 2, 2), 3),
        ("number", (1, 4, 5, 1, 0), 5),
    ):
        drawn = inputs.to_uint8(gan(gan.traversal(*options))).numpy()
        picture = np.asarray(Image.open(tmp_path / name / "epoch_0002.png")).astype(int)
        wanted = images.tile(drawn, columns)[..., 0]
        # drawn row by row, which may round another way
        np.testing.assert_allclose(picture, wanted, atol=1)
        assert picture.shape == (4 * 10 + 2, columns * 10 + 2)
    with pytest.raises(TypeError, match="needs an InfoGAN, DCGAN has no codes"):
        tiny.make(ganzoo.DCGAN).fit(tiny_images[:16], callbacks=callbacks, verbose=0)
    with pytest.raises(ValueError, match="code=2: want a whole number below 2"):
        gan.fit(tiny_images[:16], callbacks=[CodeTraversal(tmp_path, code=2)], verbose=0)


def test_your_own_discriminator_answers_for_all_codes(tiny_images):
    picture = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(picture)
    verdict, answers = keras.layers.Dense(1)(flat), keras.layers.Dense(5)(flat)
    small = {"categories": 3, "continuous": 1, "latent_dim": 6, "generator_filters": (4, 4)}
    gan = ganzoo.InfoGAN(discriminator=keras.Model(picture, [verdict, answers]), **small)
    gan.fit(tiny_images[:16], batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=r"want a list of its verdict, .*\(None, 5\)"):
        ganzoo.InfoGAN(discriminator=keras.Model(picture, [verdict, verdict]), **small)


@pytest.mark.slow
def test_codes_come_to_mean_something(garment_classifier):
    """After a short run Q names the category of fresh fakes (chance 0.1), its guesses of the
    continuous codes follow them, and categories are kinds of garments, which no label told it: the
    mutual information of the category and the class that a classifier sees is 0.08 nats by chance
    and 2.3 at most."""
    gan = ganzoo.InfoGAN(seed=0, generator_filters=(32, 16), discriminator_filters=(16, 32))
    gan.fit(ganzoo.data.load(batch_size=64), epochs=8, verbose=2)
    z = np.asarray(gan.sampling_inputs(500, None, 1, None)[0])
    categories = z[:, 62:72].argmax(axis=1)
    _, answers = gan.discriminator.predict(gan(z), verbose=0)
    assert np.mean(answers[:, :10].argmax(axis=1) == categories) >= 0.8
    for i in range(2):
        assert np.corrcoef(answers[:, 10 + i], z[:, 72 + i])[0, 1] >= 0.6
    counts = np.zeros((10, 10))
    np.add.at(counts, (categories, garment_classifier(gan.generate(500, seed=1))), 1 / 500)
    independent = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True)
    seen = counts > 0
    assert np.sum(counts[seen] * np.log(counts[seen] / independent[seen])) >= 0.8
