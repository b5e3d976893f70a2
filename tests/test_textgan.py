"""TextGAN: one step against gradients by hand, wrong texts, the text encoder, strings from data to
images, embeddings, two stages, and what cannot be read."""

import json
import subprocess
import sys
import warnings

import by_hand
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from click.testing import CliRunner

import ganzoo
from ganzoo import captions as texts
from ganzoo import cli, runs
from ganzoo.layers import ConditioningAugmentation
from ganzoo.models import textgan

SMALL = tiny.CONFIGS["TextGAN"]


@pytest.fixture(scope="module")
def words():
    return np.array(["red coat", "blue coat", "Red  COAT!", "a blue, small shoe"] * 4)


def softplus(x):
    return tf.reduce_mean(tf.nn.softplus(x))


def test_the_default_is_64_pixels_and_reed_s_discriminator():
    gan = ganzoo.TextGAN()
    assert (gan.image_shape, gan.latent_dim, gan.text_dim) == ((64, 64, 3), 228, 128)
    assert [tuple(x.shape) for x in gan.generator.inputs] == [(None, 228), (None, 128)]
    # the augmentation and DCGAN's course layers on 128 + 100 numbers
    up = 229 * 4 * 4 * 64 + 25 * (64 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 32)
    up += 4 * (512 + 256 + 128 + 64 + 32) + 33 * 3
    assert gan.generator.count_params() == up + 129 * 256
    # 64, 64, 128, 256 channels, then 128 numbers of the text beside them
    down = 16 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 256) + 4 * (64 + 128 + 256)
    joint = 129 * 128 + (256 + 128) * 256 + 4 * 256 + 4 * 4 * 256 + 1
    assert gan.discriminator.count_params() == down + joint


def test_captions_become_numbers():
    words = texts.vocabulary(["Red cat", "red-hot O'Clock", b"\xc3\x89clair"], 10)
    assert words == ("red", "cat", "clock", "hot", "o", "éclair")
    read = texts.Words(words, 3)
    found = read(texts.as_strings(["RED  hot!", "ÉCLAIR zebra", "o o o o", "?"]))
    assert found.dtype == tf.int32
    assert found.numpy().tolist() == [[2, 5, 0], [7, 1, 0], [6, 6, 6], [0, 0, 0]]
    with pytest.warns(UserWarning, match="hold 6 words, and vocabulary_size=4 .* such as 'o'"):
        assert texts.vocabulary(["red cat", "red hot clock", "o éclair"], 4) == words[:4]


def test_wrong_texts_are_other_texts():
    """The next one that differs, round the corner; none where all say the same."""
    numbers = tf.constant([[1, 2], [1, 2], [3, 0], [1, 2]])
    code = tf.constant([[0.0], [1.0], [2.0], [3.0]])
    same = textgan.alike(numbers)
    assert same.numpy().sum(axis=1).tolist() == [3, 3, 1, 3]
    wrong, there_is = textgan.another(code, same)
    assert wrong.numpy()[:, 0].tolist() == [2, 2, 3, 2] and there_is.numpy().all()
    _, there_is = textgan.another(code, textgan.alike(tf.ones((4, 2), tf.int32)))
    assert not there_is.numpy().any()


def test_matching_is_cross_entropy_both_ways():
    """Against NumPy; the third text is the first one again, and no rival of it."""
    rng = np.random.default_rng(0)
    image, text = rng.normal(size=(2, 3, 4)).astype("float32")
    image, text = (2 * a / np.linalg.norm(a, axis=1, keepdims=True) for a in (image, text))
    same = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], bool)
    loss, right = textgan.matching(tf.constant(image), tf.constant(text), tf.constant(same))
    wanted, found = np.zeros(3), 0
    for logits in (image @ text.T / 4 / 0.1, text @ image.T / 4 / 0.1):
        for i in range(3):
            rivals = [j for j in range(3) if j == i or not same[i, j]]
            wanted[i] += np.log(np.exp(logits[i, rivals]).sum()) - logits[i, i]
    cosines = np.where(same & ~np.eye(3, dtype=bool), -9, image @ text.T)
    found = np.mean(cosines.argmax(axis=1) == np.arange(3))
    np.testing.assert_allclose(loss, wanted / 2, rtol=1e-5)
    np.testing.assert_allclose(right, found)


def test_conditioning_augmentation():
    """c = mu + sigma * noise, and the divergence, against the dense layer's numbers."""
    layer = ConditioningAugmentation(2)
    text, noise = np.float32([[1, 2, 3], [0, -1, 1]]), np.float32([[0.5, -1], [2, 0]])
    layer([text, noise])
    layer.dense.kernel.assign(np.random.default_rng(0).normal(size=(3, 4)))
    x = text @ layer.dense.kernel.numpy()
    x = np.where(x > 0, x, 0.2 * x)
    mean, sigma = x[:, :2], np.exp(x[:, 2:])
    np.testing.assert_allclose(layer([text, noise]), mean + sigma * noise, rtol=1e-5)
    kl = (mean**2 + sigma**2 - 1) / 2 - np.log(sigma)
    np.testing.assert_allclose(layer.divergence(text), kl.mean(axis=1), rtol=1e-4)
    again = ConditioningAugmentation.from_config(layer.get_config())
    assert again.dim == 2


def test_one_step_equals_gradients_by_hand(tiny_images, words, monkeypatch):
    """D descends algorithm 1's loss and the matching loss, then G under the new D its own, that of
    texts half way to another (equation 5) and the divergence."""
    by_hand.fix_draws(monkeypatch)
    x, rate = tiny_images[:16], 0.05
    gan = tiny.make(ganzoo.TextGAN, interpolation_weight=0.7, divergence_weight=3.0)
    gan.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate))
    gan.adapt(words)
    g, d = by_hand.copies(gan)
    encoders = []
    for network in (gan.text_encoder, gan.image_encoder):
        encoders.append(keras.models.clone_model(network))
        encoders[-1].set_weights(network.get_weights())
    read, look = encoders
    real, z = tf.constant(x / np.float32(127.5) - 1), by_hand.normal((16, 6))
    numbers = gan.tokens(words)
    # the third caption of each four says what the first does, so the next to differ is the second
    place = np.array([i + {0: 1, 1: 1, 2: 1, 3: 1}[i % 4] for i in range(16)]) % 16
    assert all(
        texts.standardise([words[i]])[0] != texts.standardise([words[j]])[0]
        for i, j in enumerate(place)
    )

    with tf.GradientTape(persistent=True) as tape:
        code = read(numbers, training=True)
        match, _ = textgan.matching(look(real, training=True), code, textgan.alike(numbers))
        text = tf.stop_gradient(code)
        wrong = tf.gather(text, place)
        fake = g([z, text], training=True)
        d_real, d_wrong = d([real, text], training=True), d([real, wrong], training=True)
        d_fake = d([tf.stop_gradient(fake), text], training=True)
        d_loss = softplus(-d_real) + (softplus(d_wrong) + softplus(d_fake)) / 2
        d_loss += 0.1 * tf.reduce_mean(match)
    for network in (d, read, look):
        by_hand.descend(network, tape, d_loss, rate)
    with tf.GradientTape() as tape:
        between = (text + wrong) / 2
        g_loss = softplus(-d([g([z, text], training=True), text], training=True))
        middle = d([g([z, between], training=True), between], training=True)
        g_loss += 0.7 * softplus(-middle)
        g_loss += 3 * tf.reduce_mean(g.get_layer("condition").divergence(text))
    by_hand.descend(g, tape, g_loss, rate)

    logs = gan.fit(x, words, batch_size=16, shuffle=False, verbose=0).history
    by_hand.same_weights(gan, g, d)
    for ours, wanted in zip((gan.text_encoder, gan.image_encoder), encoders, strict=True):
        for a, b in zip(ours.trainable_variables, wanted.trainable_variables, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-5, err_msg=a.path)
    np.testing.assert_allclose(logs["d_loss"], d_loss, rtol=1e-4)
    np.testing.assert_allclose(logs["g_loss"], g_loss, rtol=1e-4)
    np.testing.assert_allclose(logs["d_wrong"], tf.reduce_mean(d_wrong), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(logs["match_loss"], tf.reduce_mean(match), rtol=1e-4)


@pytest.fixture(scope="module")
def trained(tiny_images, words):
    """A tiny model after two epochs."""
    gan = tiny.make(ganzoo.TextGAN)
    gan.fit((tiny_images[:16], words), batch_size=8, epochs=2, verbose=0)
    return gan


def test_fit_learns_the_words_and_generate_reads_them(trained, words, tmp_path):
    gan = trained
    assert gan.vocabulary == ("coat", "blue", "red", "a", "shoe", "small")
    assert set(gan.examples) == set(words.tolist())
    red = gan.generate(captions=["red coat"], n=3, seed=1)
    assert red.shape == (3, 8, 8, 1)
    assert np.array_equal(red, gan.generate(captions="RED coat", n=3, seed=1))
    assert not np.array_equal(red, gan.generate(captions="small shoe", n=3, seed=1))
    turns = gan.generate(4, seed=1, captions=["red coat", "blue coat"])
    assert np.array_equal(turns[::2], gan.generate(4, seed=1, captions="red coat")[::2])
    assert gan.generate(captions=["red coat", "blue coat"]).shape[0] == 2
    with pytest.warns(UserWarning, match=r"no word is known of 1 of 2 captions \('zebra'\)"):
        assert gan.generate(captions=["zebra", "red"]).shape == (2, 8, 8, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        gan.generate(captions=["red zebra"])


def test_weights_carry_the_vocabulary(trained, tmp_path):
    """Rows of an embedding mean nothing without their words."""
    trained.save_weights(tmp_path / "gan.weights.h5")
    other = tiny.make(ganzoo.TextGAN, seed=9)
    other.compile()
    other.load_weights(tmp_path / "gan.weights.h5")
    assert (other.vocabulary, other.examples) == (trained.vocabulary, trained.examples)
    made = [gan.generate(captions="a shoe", seed=2) for gan in (trained, other)]
    assert np.array_equal(*made)


def test_a_preset_reads_strings_in_a_fresh_process(trained, tmp_path):
    trained.save_to_preset(tmp_path / "preset")
    card = (tmp_path / "preset" / "README.md").read_text()
    assert "text-to-image" in card and "captions=[" in card
    code = (
        "import sys, numpy, ganzoo\n"
        "gan = ganzoo.from_preset(sys.argv[1])\n"
        "numpy.save(sys.argv[2], gan.generate(captions=['blue shoe'], seed=3))\n"
    )
    out = tmp_path / "made.npy"
    subprocess.run([sys.executable, "-c", code, tmp_path / "preset", out], check=True)
    wanted = trained.generate(captions=["blue shoe"], seed=3)
    assert np.array_equal(np.load(out), wanted)
    alone = ganzoo.load_generator(tmp_path / "preset")
    assert alone.output_shape == (None, 8, 8, 1) and len(alone.inputs) == 2

    picture = tmp_path / "shoe.png"
    given = ["generate", str(tmp_path / "preset"), "--caption", "blue shoe", "--n", "4"]
    result = CliRunner().invoke(cli.main, [*given, "--out", str(picture)])
    assert result.exit_code == 0 and picture.exists(), result.output


def test_captions_are_for_those_who_read(tmp_path):
    tiny.make(ganzoo.DCGAN).save_to_preset(tmp_path / "preset")
    given = ["generate", str(tmp_path / "preset"), "--caption", "cat", "--out"]
    result = CliRunner().invoke(cli.main, [*given, str(tmp_path / "x.png")])
    assert result.exit_code == 2 and "is a DCGAN, which does not read" in result.output


def test_data_sets_arrays_and_sequences_train_alike(tiny_images, words):
    x = tiny_images[:16]

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return x[8 * i : 8 * i + 8], words[8 * i : 8 * i + 8]

    found = []
    for given in (
        (x, words.tolist()),
        ((x, words), None),
        (tf.data.Dataset.from_tensor_slices((x, words)).batch(8), None),
        (Batches(), None),
        (ganzoo.data.load((x, words), batch_size=8, shuffle=False), None),
    ):
        keras.utils.set_random_seed(5)
        gan = tiny.make(ganzoo.TextGAN)
        gan.compile(run_eagerly=True)
        gan.fit(*given, batch_size=8, shuffle=False, verbose=0)
        found.append(tiny.state(gan))
    assert all(tiny.same(found[0], other) for other in found[1:])
    scores = [gan.evaluate(*g, batch_size=8, verbose=0) for g in ((x, words), ((x, words), None))]
    assert scores[0] == scores[1]


def test_given_embeddings(tiny_images, tmp_path):
    codes = np.random.default_rng(0).normal(size=(16, 5)).astype("float32")
    config = {key: value for key, value in SMALL.items() if "match" not in key}
    gan = ganzoo.TextGAN(**config, embedding_dim=5, seed=3)
    gan.compile(run_eagerly=True)
    history = gan.fit(tiny_images[:16], codes, batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all() and "match_loss" not in history
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    made = gan.generate(captions=codes[:2], seed=0)
    assert np.array_equal(made, loaded.generate(captions=codes[:2], seed=0))
    assert gan.generate(3).shape == (3, 8, 8, 1)
    for wrong, message in (
        (np.zeros((16, 4), "float32"), r"embeddings of shape \(16, 4\): want \(N, 5\)"),
        (np.zeros((15, 5), "float32"), "15 embeddings for 16 images"),
        (np.zeros((16, 5), int), "embeddings of type int64"),
        (np.full((16, 5), np.nan), "NaN or infinity"),
        (np.array(["a"] * 16), "captions as strings: this model was built with embedding_dim=5"),
    ):
        with pytest.raises(ValueError, match=message):
            gan.fit(tiny_images[:16], wrong, verbose=0)


def test_a_second_stage_doubles_the_resolution(tiny_images, words, tmp_path):
    """Two images and two verdicts in the step; one image for the user."""
    x = np.kron(tiny_images[:8], np.ones((1, 2, 3, 1), "uint8"))
    config = {**SMALL, "image_shape": (16, 24, 1), "second_filters": 4}
    gan = ganzoo.TextGAN(**config, stages=2, seed=3)
    assert gan.generator.output_shape == [(None, 16, 24, 1), (None, 8, 12, 1)]
    assert gan.discriminator.output_shape == (None, 2)
    gan.compile(run_eagerly=True)
    gan.fit(x, words[:8], batch_size=8, verbose=0)
    made = gan.generate(captions=["red coat"], seed=0)
    assert made.shape == (1, 16, 24, 1)
    gan.save_to_preset(tmp_path / "preset")
    again = ganzoo.from_preset(tmp_path / "preset").generate(captions=["red coat"], seed=0)
    assert np.array_equal(made, again)
    for shape, nearest in (((17, 24, 1), r"\(18, 24, 1\)"), ((8, 24, 1), r"\(16, 24, 1\)")):
        with pytest.raises(ValueError, match=f"even sides of at least 16 pixels.*{nearest}"):
            ganzoo.TextGAN(**{**config, "image_shape": shape}, stages=2)


def test_your_own_networks(tiny_images, words, tmp_path):
    z, text, picture = keras.Input((6,)), keras.Input((4,)), keras.Input((8, 8, 1))
    made = keras.layers.Dense(64, "tanh")(keras.layers.Concatenate()([z, text]))
    flat = keras.layers.Concatenate()([keras.layers.Flatten()(picture), text])
    given = {
        "generator": keras.Model([z, text], keras.layers.Reshape((8, 8, 1))(made)),
        "discriminator": keras.Model([picture, text], keras.layers.Dense(1)(flat)),
    }
    gan = ganzoo.TextGAN(**{**SMALL, **given}, seed=3)
    gan.compile(run_eagerly=True)
    history = gan.fit(tiny_images[:8], words[:8], batch_size=8, verbose=0).history
    assert history["divergence"] == [0.0]  # this generator has no augmentation
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    made = [one.generate(captions="coat", seed=0) for one in (gan, loaded)]
    assert np.array_equal(*made)
    with pytest.raises(ValueError, match="the given discriminator does not take"):
        ganzoo.TextGAN(**{**SMALL, "discriminator": keras.Sequential([picture])})


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (None, "images without captions: want 16 strings"),
        (["cat"] * 17, "17 captions for 16 images: want one for each"),
        (["cat"] * 15 + [" "], r"caption 15 is empty \(1 of 16 are\)"),
        (["!?"] * 16, "no word in 16 captions"),
        (np.zeros((16, 9), "float32"), "for embeddings .* build the model with embedding_dim"),
        (np.zeros(16, int), r"captions of shape \(16,\), type int64: want 16 strings"),
    ],
)
def test_bad_captions_end_before_the_first_step(tiny_images, captions, message):
    gan = tiny.make(ganzoo.TextGAN)
    with pytest.raises(ValueError, match=message) as error:
        gan.fit(tiny_images[:16], captions, batch_size=8, verbose=0)
    assert "\n" not in str(error.value)


def test_an_endless_set_is_not_read_to_its_end(tiny_images):
    """Without a vocabulary `fit` reads all captions first, which here would never end."""
    captions = np.array(["red heart", "blue heart"] * 8)
    endless = tf.data.Dataset.from_tensor_slices((tiny_images[:16], captions)).batch(8).repeat()
    model = tiny.make(ganzoo.TextGAN)
    with pytest.raises(ValueError, match=r"without an end.*adapt"):
        model.fit(endless, steps_per_epoch=1, verbose=0)
    model.adapt(captions)
    history = model.fit(endless, steps_per_epoch=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_bad_arguments(trained):
    for wrong, message in (
        ({"stages": 3}, "stages=3: want 1 or 2"),
        ({"latent_dim": 3}, "latent_dim=3: the augmentation takes condition_dim=3"),
        ({"vocabulary": ("a",) * 13}, "13 words with vocabulary_size=12"),
    ):
        with pytest.raises(ValueError, match=message):
            ganzoo.TextGAN(**{**SMALL, **wrong})
    with pytest.raises(ValueError, match="this model knows 6 words"):
        trained.adapt(["cat"])
    with pytest.raises(ValueError, match="knows no word yet"):
        tiny.make(ganzoo.TextGAN).generate(captions="cat")
    with pytest.raises(ValueError, match="has no classes: give captions"):
        trained.generate(2, labels=[0, 1])
    for empty, message in (([], "captions is empty"), ([" "], "caption 0 is empty")):
        with pytest.raises(ValueError, match=message):
            trained.generate(captions=empty)


def test_ganzoo_train_finds_the_captions(tiny_images, words, tmp_path):
    """In an array called caption; config.json keeps the words, so that a resumed run has them."""
    x = tiny_images[:16]
    np.savez(tmp_path / "set.npz", x_train=x, caption_train=words, x_test=x, caption_test=words)
    options = {key: value for key, value in SMALL.items() if key != "image_shape"}
    options["batch_size"] = 8
    out = tmp_path / "run"
    gan = runs.start(ganzoo.TextGAN, tmp_path / "set.npz", out, epochs=1, options=options)
    config = json.loads((out / "config.json").read_text())
    assert config["data"]["labels"] == "caption" and "coat" in config["config"]["vocabulary"]
    assert (out / "samples" / "epoch_0001.png").exists()
    more = runs.resume(out, epochs=2)
    assert more.vocabulary == gan.vocabulary and int(more.g_optimizer.iterations) == 4
    np.savez(tmp_path / "bare.npz", x_train=x)
    with pytest.raises(ValueError, match="has no captions, and TextGAN learns from them"):
        runs.start(ganzoo.TextGAN, tmp_path / "bare.npz", tmp_path / "other")


@pytest.mark.slow
def test_a_classifier_recognises_what_the_caption_names(garments, garment_classifier):
    """Captions of two forms around the names of the ten garments. Chance is 0.1; 0.56 and, in a
    form of words that no caption had, 0.40 were measured."""
    names = ("shirt top", "trouser", "pullover", "dress", "coat", "sandal", "blouse", "sneaker")
    names += ("bag", "ankle boot")
    batches = ganzoo.data.load(batch_size=10_000, shuffle=False)
    x, y = next(batches.as_numpy_iterator())
    forms = ("a {}", "picture of one {}")
    captions = np.array([forms[i % 2].format(names[k]) for i, k in enumerate(y)])
    gan = ganzoo.TextGAN(
        (28, 28, 1),
        latent_dim=64,
        condition_dim=32,
        text_dim=32,
        generator_filters=(64, 32, 16),
        discriminator_filters=(32, 64),
        ema_decay=0.98,  # 0.995 looks back over half of so short a training
        seed=0,
    )
    gan.fit(x, captions, batch_size=64, epochs=3, verbose=2)
    labels = np.arange(500) % 10
    for form, share in (("a {}", 0.45), ("one {}", 0.25)):
        asked = [form.format(names[k]) for k in labels]
        named = garment_classifier(gan.generate(captions=asked, seed=1))
        assert np.mean(named == labels) >= share, form
