"""Shared fixtures: real images made small, two logical devices, a deterministic start."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo.data

# two devices out of one, so that every test of replicas is a real one
_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture(autouse=True)
def fixed_start():
    keras.utils.set_random_seed(7)
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def two_devices():
    """One strategy for the whole process: each numbers its collective operations from the same
    start, and TensorFlow remembers their shapes, so those of a second one would not fit."""
    return tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"])


@pytest.fixture(scope="session")
def garments():
    """The first 512 embedded images, uint8 (512, 28, 28, 1), and their classes, int32 (512,)."""
    batch = next(iter(ganzoo.data.load(batch_size=512, shuffle=True, seed=1)))
    return batch[0].numpy(), batch[1].numpy()


@pytest.fixture(scope="session")
def tiny_images(garments):
    """Real images at 8x8: means over 3x3 pixels of the middle 24x24, uint8 (512, 8, 8, 1)."""
    middle = garments[0][:, 2:26, 2:26].astype("float32")
    return np.round(middle.reshape(-1, 8, 3, 8, 3, 1).mean(axis=(2, 4))).astype("uint8")


@pytest.fixture(scope="session")
def garment_classifier():
    """A small network that names the class of 28x28 garments, trained on real embedded images:
    uint8 (N, 28, 28, 1) to class ids (N,). It names 84 % or more of the held-out ones."""
    layers = [
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(16, 3, 2, activation="relu"),
        keras.layers.Conv2D(32, 3, 2, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(10),
    ]
    network = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    network.fit(ganzoo.data.load(batch_size=64), epochs=4, verbose=0)
    held_out = ganzoo.data.load(split="test", batch_size=500, shuffle=False)
    assert network.evaluate(held_out, verbose=0)[1] >= 0.84
    return lambda images: network.predict(images, verbose=0).argmax(axis=1)


#: words in a test's name -> the families for which it is not slow
SLOW = {
    ("xla", "eager", "mixed_bfloat16"): ("FCGAN", "DCGAN", "WGANGP"),
    ("mixed_float16",): ("FCGAN", "DCGAN", "WGANGP", "CycleGAN"),
    ("two_devices",): ("FCGAN", "DCGAN", "WGANGP", "CGAN", "SNGAN", "R3GAN", "CycleGAN"),
}


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """XLA and two devices take up to half a minute a family, however small: some stand for all,
    with a perceptron, batch normalisation and a second derivative; on two devices also with
    classes, weights that are no parameters and schedules by images. So they do for eager steps
    and for half precision. The others are slow tests.

    On several workers, what shares a trained model or another fixture stays in one: a family of the
    battery, or a file.
    """
    for item in items:
        cls = item.callspec.params.get("cls") if hasattr(item, "callspec") else None
        battery = cls is not None and item.path.name == "test_every_model.py"
        item.add_marker(pytest.mark.xdist_group(cls.__name__ if battery else item.path.name))
        for words, stand_for_all in SLOW.items():
            named = any(word in item.name for word in words)
            if named and cls is not None and cls.__name__ not in stand_for_all:
                item.add_marker(pytest.mark.slow)
