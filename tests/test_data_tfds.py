"""TensorFlow Datasets: real sets, built from embedded images, prepared on disk, loaded by name."""

import time

import numpy as np
import pytest
from real_files import whole

from ganzoo import data

SECONDS_TO_FAIL = 60  # TFDS alone retries for three and a half minutes


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    from tfds_sets.garments import Garments, GarmentSides

    folder = tmp_path_factory.mktemp("tfds")
    for builder in (Garments, GarmentSides):
        builder(data_dir=folder).download_and_prepare()
    return folder


def test_images_and_labels_by_name(prepared):
    from tfds_sets.garments import some

    for split, per_class in (("train", 20), ("test", 5)):
        dataset = data.load("tfds:garments", split, data_dir=prepared, batch_size=10)
        assert dataset.element_spec[0].shape[1:] == (28, 28, 1)
        assert dataset.cardinality() == per_class
        images, labels = whole(dataset)
        assert labels.dtype == np.int32
        assert np.bincount(labels).tolist() == [per_class] * 10
        expected = {
            (image.tobytes(), int(label))
            for image, label in zip(*some(split, per_class), strict=True)
        }
        found = zip(images, labels, strict=True)
        assert {(image.tobytes(), int(label)) for image, label in found} == expected


def test_order_is_pure(prepared):
    loads = [data.load("tfds:garments", data_dir=prepared, seed=4) for _ in range(2)]
    whole(loads[0])
    second = whole(loads[0])
    data.order_of(loads[1]).epoch = 1
    for left, right in zip(second, whole(loads[1]), strict=True):
        np.testing.assert_array_equal(left, right)


def test_other_features_slices_and_shapes(prepared):
    names = whole(data.load("tfds:garments", labels="name", data_dir=prepared))[1]
    assert sum(name.startswith(b"train ") for name in names) == len(names)
    some = data.load("tfds:garments", "train[:50%]", data_dir=prepared, image_shape=(16, 16, 3))
    assert tuple(some.element_spec[0].shape) == (64, 16, 16, 3)
    assert data.order_of(some).n == 100
    report = data.inspect("tfds:garments", "test", data_dir=prepared)
    assert report.count == (50,)
    assert set(report.classes.values()) == {5}


def test_unpaired_set_known_only_from_its_files(prepared):
    a, b = whole(data.load("tfds:garment_sides", data_dir=prepared, batch_size=5))
    assert len(a) == len(b) == 20
    assert len({image.tobytes() for image in b}) == 10


def test_wrong_tfds_specs(prepared):
    with pytest.raises(ValueError, match=r"no set 'garmentz'; the nearest are garments"):
        data.load("tfds:garmentz", data_dir=prepared)
    with pytest.raises(ValueError, match=r"no set 'mnits'; the nearest are .*mnist"):
        data.load("tfds:mnits", data_dir=prepared)
    with pytest.raises(ValueError, match=r"no config 'horse2zebraa'; the nearest are horse2zebra"):
        data.load("tfds:cycle_gan/horse2zebraa", data_dir=prepared)
    with pytest.raises(ValueError, match=r"no split 'val'; it has 'test', 'train'"):
        data.load("tfds:garments", "val", data_dir=prepared)
    with pytest.raises(ValueError, match=r"no labels 'hair'; it has image, label, name"):
        data.load("tfds:garments", labels="hair", data_dir=prepared)


def test_set_not_prepared_and_no_network_fails_soon(tmp_path, monkeypatch, capsys):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.delenv("NO_PROXY", raising=False)
    begin = time.monotonic()
    with pytest.raises(ConnectionError, match=r"tfds:mnist is not prepared in .*no network"):
        data.load("tfds:mnist", data_dir=tmp_path)
    assert time.monotonic() - begin < SECONDS_TO_FAIL
    assert "tfds:mnist is not in" in capsys.readouterr().err
