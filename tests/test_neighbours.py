"""`NearestNeighbours` against distances computed in another way, and on a GAN that has learned its
images by heart."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image
from scipy.spatial.distance import cdist

import ganzoo
from ganzoo import images
from ganzoo.callbacks import NearestNeighbours


def drawn(model, callback, epochs=1):
    """The calls that `fit` makes, without training."""
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(epochs):
        callback.on_epoch_end(epoch, {})
    return callback


def scaled(shown):
    return shown.reshape(len(shown), -1).astype("float64") / 127.5 - 1


def test_the_nearest_are_found_and_shown_in_order(tiny_images, tmp_path):
    model = tiny.make(ganzoo.FCGAN)
    made = model.generate(4, seed=5)
    between = cdist(scaled(made), scaled(tiny_images)) / 8  # root of 64 numbers
    wanted = np.argsort(between, axis=1)[:, :3]
    batches = tf.data.Dataset.from_tensor_slices((tiny_images, np.zeros(512))).batch(100)
    floats = (tiny_images / 127.5 - 1).astype("float32")
    for name, data in {"array": tiny_images, "batches": batches, "floats": floats}.items():
        callback = NearestNeighbours(tmp_path / name, data, n=4, k=3, every=2, seed=5)
        drawn(model, callback, 4)
        np.testing.assert_array_equal(callback.indices, wanted)
        expected = np.take_along_axis(between, wanted, axis=1)
        np.testing.assert_allclose(callback.distances, expected, rtol=1e-5)
        names = sorted(path.name for path in (tmp_path / name).iterdir())
        assert names == ["epoch_0002.png", "epoch_0004.png"]
        rows = np.stack(
            [np.concatenate([m[None], tiny_images[i]]) for m, i in zip(made, wanted, strict=True)]
        )
        with Image.open(tmp_path / name / names[0]) as picture:
            shown = images.tile(rows.reshape(-1, 8, 8, 1), 4)[..., 0]
            np.testing.assert_array_equal(np.asarray(picture.convert("L")), shown)


class Corners:
    """An extractor that sees four pixels."""

    def features(self, shown):
        return shown[:, :2, :2, 0].reshape(len(shown), -1).astype("float32")


def test_an_extractor_decides_what_is_near(tiny_images, tmp_path):
    model = tiny.make(ganzoo.FCGAN)
    callback = NearestNeighbours(tmp_path, tiny_images, n=3, k=2, extractor=Corners())
    drawn(model, callback)
    seen = [Corners().features(shown) for shown in (model.generate(3, seed=0), tiny_images)]
    between = np.sort(cdist(*seen), axis=1)[:, :2] / 2
    np.testing.assert_allclose(callback.distances, between, rtol=1e-5)


def test_a_gan_that_knows_its_images_by_heart_is_seen_through(tiny_images, tmp_path):
    """Trained on two images, it makes them again: they are nearer than the nearest of a hundred and
    fifty times as many that it has not seen."""
    known, unseen = tiny_images[[0, 8]], tiny_images[100:400]
    keras.utils.set_random_seed(1)
    units = {"generator_units": (64, 64), "discriminator_units": (64, 64), "dropout": 0.0}
    model = ganzoo.FCGAN(image_shape=(8, 8, 1), latent_dim=4, seed=1, **units)
    adams = [keras.optimizers.Adam(1e-3, 0.5) for _ in "gd"]
    model.compile(*adams, input_noise=0.1, steps_per_execution=8)
    callback = NearestNeighbours(tmp_path, known, n=32, k=1, every=60)
    shown = np.tile(known, (128, 1, 1, 1))
    model.fit(shown, batch_size=32, epochs=60, verbose=0, callbacks=callback)
    elsewhere = cdist(scaled(model.generate(32, seed=0)), scaled(unseen)).min(axis=1) / 8
    assert np.median(callback.distances) < 0.6 * np.median(elsewhere)
    assert set(callback.indices[:, 0]) == {0, 1}
    assert (tmp_path / "epoch_0060.png").exists()


def test_what_cannot_be_compared_is_refused_before_the_first_step(tiny_images, tmp_path):
    model = tiny.make(ganzoo.FCGAN)
    for options, message in (
        ({"k": 0}, "k=0: want a whole number, 1 or more"),
        ({"data": tiny_images[:4]}, "4 images have no 5 neighbours"),
        ({"data": tiny_images[:, :4]}, r"images of shape \(512, 4, 8, 1\): this model makes"),
        ({"labels": [1] * 8}, "FCGAN has no classes"),
    ):
        with pytest.raises(ValueError, match=message):
            drawn(model, NearestNeighbours(tmp_path, **{"data": tiny_images, **options}))
    with pytest.raises(TypeError, match=r"SRGAN makes images with `upscale`"):
        drawn(tiny.make(ganzoo.SRGAN), NearestNeighbours(tmp_path, tiny_images))
    assert not list(tmp_path.iterdir())
