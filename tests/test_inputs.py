"""What `fit` takes and refuses: forms of data, the first batch, groups of batches for `d_steps`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

import ganzoo
from ganzoo import data, inputs


class Batches(keras.utils.PyDataset):
    def __init__(self, images, size):
        super().__init__()
        self.images, self.size = images, size

    def __len__(self):
        return len(self.images) // self.size

    def __getitem__(self, i):
        return self.images[i * self.size : (i + 1) * self.size]


def forms(images):
    scaled = images.astype("float32") / 127.5 - 1
    labels = np.arange(len(images)) % 3
    yield "uint8 array", (images, None)
    yield "float array", (scaled, None)
    yield "float64 array", (scaled.astype("float64"), None)
    yield "tensor", (tf.constant(images), None)
    yield "array and labels", (images, labels)
    yield "dataset", (tf.data.Dataset.from_tensor_slices(images).batch(8), None)
    labelled = tf.data.Dataset.from_tensor_slices((images, labels)).batch(8)
    yield "dataset with labels", (labelled, None)
    yield "PyDataset", (Batches(images, 8), None)
    yield "loaded", (data.load(images, batch_size=8), None)


@pytest.mark.parametrize("d_steps", [1, 2])
def test_every_form_of_data_trains(tiny_images, d_steps):
    gan = tiny.make(ganzoo.FCGAN)
    gan.compile(d_steps=d_steps)
    for name, (x, y) in forms(tiny_images[:32]):
        before = int(gan.d_optimizer.iterations)
        gan.fit(x, y, batch_size=8, verbose=0)
        assert int(gan.d_optimizer.iterations) - before == 4, name
    before = int(gan.d_optimizer.iterations)
    endless = (tiny_images[:8] for _ in iter(int, 1))
    gan.fit(endless, steps_per_epoch=3, verbose=0)
    assert int(gan.d_optimizer.iterations) - before == 3 * d_steps


def test_the_end_of_a_set_of_unknown_length_moves_nothing(tiny_images):
    """Keras asks such a set for one batch more than it has."""
    known = tf.data.Dataset.from_tensor_slices(tiny_images[:32]).batch(8)
    states = []
    for x in (known, known.filter(lambda batch: True)):
        keras.utils.set_random_seed(1)
        gan = tiny.make(ganzoo.FCGAN)
        gan.fit(x, epochs=3, verbose=0)
        gan.evaluate(x, verbose=0)
        states.append(tiny.state(gan))
    assert int(known.filter(lambda batch: True).cardinality()) == tf.data.UNKNOWN_CARDINALITY
    assert tiny.same(*states)


def test_five_steps_take_five_batches_and_leave_none_out(tiny_images):
    gan = tiny.make(ganzoo.FCGAN)
    gan.compile(d_steps=5)
    x = tf.data.Dataset.from_tensor_slices(tiny_images[:80]).batch(8)
    rounds, _ = inputs.rounds(gan, x, None, 32, True)
    groups = [np.asarray(group) for group in rounds]
    assert [len(group) for group in groups] == [40, 40]
    assert np.array_equal(np.concatenate(groups), tiny_images[:80])


def test_uint8_and_the_same_in_floats_train_alike(tiny_images):
    results = []
    for images in (tiny_images[:32], tiny_images[:32].astype("float32") / 127.5 - 1):
        keras.utils.set_random_seed(1)
        gan = tiny.make(ganzoo.FCGAN)
        gan.fit(images, batch_size=8, verbose=0)
        results.append(gan.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


IMAGES = np.zeros((16, 8, 8, 1), "uint8")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((16, 8, 8, 1), 200.0), r"float images in \[200, 200\]: want \[-1, 1\]"),
        (IMAGES.astype("float32") - 1.2, r"in \[-1.2, -1.2\]"),
        (IMAGES[..., 0], r"Add a channel axis: x\[\.\.\., None\]"),
        (np.zeros((16, 8, 8, 3), "uint8"), r"this model makes \(8, 8, 1\)"),
        (np.zeros((16, 8, 9, 1), "uint8"), r"image_shape=\(8, 9, 1\)"),
        (IMAGES.astype("int64"), "images of type int64"),
        (np.full((16, 8, 8, 1), np.nan), "of the first [0-9]+ images hold NaN"),
        (IMAGES[:0], "0 images do not fill one step"),
        ("fashion_mnist", "data of type str"),
    ],
)
def test_a_wrong_first_batch_ends_before_the_first_step(images, message):
    gan = tiny.make(ganzoo.FCGAN)
    before = gan.get_weights()
    given = [images]
    if isinstance(images, np.ndarray) and len(images):
        given.append(tf.data.Dataset.from_tensor_slices(images).batch(8))
        given.append(Batches(images, 16))
    for x in given:
        with pytest.raises(ValueError, match=message):
            gan.fit(x, verbose=0)
        if isinstance(x, np.ndarray) and len(x):
            with pytest.raises(ValueError, match=message):
                gan.evaluate(x, verbose=0)
    assert tiny.same(before, gan.get_weights())


def test_other_wrong_input_is_refused(tiny_images):
    gan = tiny.make(ganzoo.FCGAN)
    x = tiny_images[:32]
    empty = tf.data.Dataset.from_tensor_slices(x).batch(8).take(0)
    for call, message in [
        (lambda: gan.fit(x, sample_weight=np.ones(32)), "no sample or class weights"),
        (lambda: gan.fit(empty), "data set is empty"),
        (lambda: gan.fit([]), "data set is empty"),
        (lambda: gan.fit(x, validation_split=0.999), "nothing on one side"),
        (lambda: gan.fit(data.load(x, batch_size=8), np.ones(32)), "leave y out"),
        (lambda: gan.fit(x, validation_data=x * 1.0), "float images in"),
        (lambda: gan.compile(loss="hinge"), "want a ganzoo.losses object"),
        (lambda: gan.compile(d_steps=0), "d_steps=0"),
        (lambda: gan.compile(g_steps=1.5), "g_steps=1.5"),
        (lambda: gan.compile(g_optimizer=(o := keras.optimizers.Adam()), d_optimizer=o), "one for"),
        (lambda: gan.generate(0), "n=0"),
        (lambda: gan.generate(2, labels=[1, 2]), "has no classes"),
        (lambda: gan.generate(2, truncation=0), "truncation=0"),
        (lambda: tiny.make(ganzoo.FCGAN, ema_decay=1.5), "ema_decay=1.5"),
        (lambda: ganzoo.FCGAN((8, 8)), r"want \(H, W, C\)"),
        (lambda: ganzoo.FCGAN(latent_dim=0), "latent_dim=0"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    between = keras.callbacks.BackupAndRestore("unused", save_freq=3)
    with pytest.raises(ValueError, match="batches would be seen twice"):
        gan.fit(x, callbacks=[between], verbose=0)


def test_batches_must_divide_over_devices(tiny_images, two_devices):
    with two_devices.scope():
        gan = tiny.make(ganzoo.FCGAN)
    with pytest.raises(ValueError, match="want a multiple of 2"):
        gan.fit(tf.data.Dataset.from_tensor_slices(tiny_images[:21]).batch(7), verbose=0)


def test_validation_split_holds_out_the_last(tiny_images):
    (x, y), held = inputs.split_off(tiny_images[:10], np.arange(10), 0.2)
    assert np.array_equal(held[0], tiny_images[8:10]) and list(held[1]) == [8, 9]
    assert len(x) == 8 and list(y) == list(range(8))
    history = tiny.make(ganzoo.FCGAN).fit(
        tiny_images[:64], batch_size=16, validation_split=0.25, verbose=0
    )
    assert "val_loss" in history.history


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "images without labels"),
        (np.arange(4), r"labels in \[0, 3\]: want 4 whole numbers in \[0, 2\]"),
        (np.array([0, 1, 2, -1]), r"labels in \[-1, 2\]"),
        (np.array([0.0, 1, 2, 0]), "labels of type float64"),
        (np.arange(3), "3 labels for 4 images"),
        (np.eye(4), r"labels of shape \(4, 4\)"),
        (np.eye(3)[[0, 1, 2, 2]] * 0.5, "not one-hot"),
    ],
)
def test_wrong_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        inputs.check_labels(labels, 3, 4)


def test_right_labels_become_ids():
    for labels in (np.array([0, 2, 1, 0]), np.array([[0], [2], [1], [0]]), np.eye(3)[[0, 2, 1, 0]]):
        inputs.check_labels(labels, 3, 4)
        ids = inputs.to_class_ids(tf.constant(labels))
        assert ids.dtype == tf.int32 and list(ids.numpy()) == [0, 2, 1, 0]


def test_bytes_survive_the_way_to_floats_and_back():
    all_bytes = tf.cast(tf.reshape(tf.range(256), (1, 16, 16, 1)), "uint8")
    floats = inputs.to_float(all_bytes)
    assert float(tf.reduce_min(floats)) == -1 and float(tf.reduce_max(floats)) == 1
    assert np.array_equal(inputs.to_uint8(floats), all_bytes)
    assert list(inputs.to_uint8(tf.constant([-9.0, -1.0, 0.0, 1.0, 9.0]))) == [0, 0, 128, 255, 255]
