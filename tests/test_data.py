"""Loading: the embedded set, the order, arrays, and bringing images to a shape."""

import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from real_files import garments, in_colour, plain, whole

from ganzoo import data
from ganzoo.data.order import Order
from ganzoo.data.sources import EMBEDDED

EMBEDDED_SHA256 = "de68c3ede7a896c9952af16bedb4170f4028252c5b2eec4cf364aac4b09c0de5"


@pytest.fixture(scope="module")
def grey():
    return garments()


@pytest.fixture(scope="module")
def colour(grey):
    return in_colour(grey)


# --- the embedded set


def test_embedded_set_is_balanced_and_fixed():
    path = EMBEDDED["fashion_mnist_10k"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == EMBEDDED_SHA256
    with np.load(path, allow_pickle=False) as file:
        assert file["x_train"].shape == (10000, 28, 28)
        assert file["x_test"].shape == (2000, 28, 28)
        assert np.bincount(file["y_train"]).tolist() == [1000] * 10
        assert np.bincount(file["y_test"]).tolist() == [200] * 10
        images = np.concatenate([file["x_train"], file["x_test"]])
        # the pictures belong to the labels: trousers are tall and narrow, bags wide
        inked = (file["x_train"] > 50).mean(axis=0)
        trousers, bags = (file["x_train"][file["y_train"] == k] > 50 for k in (1, 8))
        assert trousers.any(1).sum(1).mean() + 8 < bags.any(1).sum(1).mean()
        assert inked.shape == (28, 28)
    assert len({image.tobytes() for image in images}) == 12000


def test_embedded_set_loads_by_default():
    dataset = data.load()
    assert dataset.cardinality() == 156  # 10,000 // 64
    images, labels = next(iter(dataset))
    assert images.shape == (64, 28, 28, 1)
    assert images.dtype == tf.uint8
    assert labels.shape == (64,)
    assert labels.dtype == tf.int32
    test = data.load(split="test", batch_size=300, labels=False)
    assert test.cardinality() == 7
    assert len(whole(test)[0]) == 2000


def test_making_the_embedded_set_again_gives_the_same_choice(tmp_path, grey):
    """The script on a small stand-in for its source: balanced, in order, no image twice."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 12000), ("test", 2600)):
        images = rng.integers(0, 256, (n, 2, 2), "uint8")
        images[1] = images[0]
        arrays |= {f"x_{split}": images, f"y_{split}": (np.arange(n) % 10).astype("uint8")}
    np.savez(tmp_path / "full.npz", **arrays)
    script = EMBEDDED["fashion_mnist_10k"].parent / "make_fashion_mnist_10k.py"
    for name in ("one.npz", "two.npz"):
        subprocess.run([sys.executable, script, tmp_path / "full.npz", tmp_path / name], check=True)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as made:
        assert np.bincount(made["y_train"]).tolist() == [1000] * 10
        assert np.bincount(made["y_test"]).tolist() == [200] * 10
        both = [image.tobytes() for split in ("train", "test") for image in made[f"x_{split}"]]
        assert len(set(both)) == len(both) == 12000


# --- the order


@given(
    n=st.integers(1, 50),
    batch=st.integers(1, 20),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_every_epoch_is_a_permutation_and_a_pure_function(n, batch, seed, epoch):
    one, other = Order(n, batch, seed=seed), Order(n, batch + 1, seed=seed)
    other.epoch = 5
    indices = one.indices(epoch)
    assert sorted(indices[:, 0]) == list(range(n))
    np.testing.assert_array_equal(indices, other.indices(epoch))
    # the stated formula
    np.testing.assert_array_equal(
        indices[:, 0], np.random.default_rng([seed, epoch]).permutation(n)
    )


@given(small=st.integers(1, 12), large=st.integers(12, 40), epoch=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_unpaired_order_repeats_the_smaller_set(small, large, epoch):
    indices = Order((large, small), 4, seed=3).indices(epoch)
    assert sorted(indices[:, 0]) == list(range(large))
    for start in range(0, large - small + 1, small):
        assert sorted(indices[start : start + small, 1]) == list(range(small))


def test_epochs_differ_and_a_set_epoch_resumes_exactly(grey):
    options = {"batch_size": 8, "seed": 5, "flip": True, "crop": (24, 24)}
    labels = np.arange(60)
    uninterrupted = data.load((grey, labels), **options)
    epochs = [whole(uninterrupted) for _ in range(3)]
    assert not np.array_equal(epochs[0][1], epochs[1][1])
    resumed = data.load((grey, labels), **options)
    data.order_of(resumed).epoch = 2
    for left, right in zip(epochs[2], whole(resumed), strict=True):
        np.testing.assert_array_equal(left, right)
    # in the middle of an epoch, too
    data.order_of(resumed).epoch = 1
    for left, right in zip(epochs[1], whole(resumed.skip(3)), strict=True):
        np.testing.assert_array_equal(left[24:], right)
    assert data.order_of(resumed).epoch == 2
    assert not np.array_equal(
        epochs[0][1], whole(data.load((grey, labels), **options | {"seed": 6}))[1]
    )


def test_order_is_the_same_for_any_batch_size_and_process(grey):
    orders = [whole(data.load((grey, np.arange(60)), batch_size=b, seed=1))[1] for b in (4, 30, 60)]
    np.testing.assert_array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[0], orders[2])
    np.testing.assert_array_equal(orders[0], np.random.default_rng([1, 0]).permutation(60))


def test_order_is_found_through_other_datasets(grey):
    dataset = data.load(grey, batch_size=4)
    order = data.order_of(dataset)
    assert isinstance(order, Order)
    assert order.n == 60
    assert order.steps == 15
    changed = dataset.map(lambda x: x).rebatch(8).skip(1).prefetch(1)
    assert data.order_of(changed) is order
    assert data.order_of(tf.data.Dataset.range(3)) is None
    assert data.order_of(grey) is None
    assert data.order_of(data.load(grey, batch_size=4)) is not order


def test_two_replicas_see_the_batches_of_one(grey, two_devices):
    reference = whole(data.load((grey, np.arange(60)), batch_size=12, seed=2))
    dataset = data.load((grey, np.arange(60)), batch_size=12, seed=2)
    seen = [[], []]
    for batch in two_devices.experimental_distribute_dataset(dataset):
        locals_ = [two_devices.experimental_local_results(part) for part in batch]
        assert [part.shape[0] for part in locals_[0]] == [6, 6]
        for into, parts in zip(seen, locals_, strict=True):
            into.append(np.concatenate([part.numpy() for part in parts]))
    for left, right in zip(reference, seen, strict=True):
        np.testing.assert_array_equal(left, np.concatenate(right))


def test_drop_remainder_and_small_sets(grey):
    assert data.load(grey, batch_size=16).element_spec.shape == (16, 28, 28, 1)
    assert data.load(grey, batch_size=16).cardinality() == 3
    assert data.load(grey, batch_size=16, split="test").cardinality() == 4
    assert data.load(grey, batch_size=16, drop_remainder=False).cardinality() == 4
    few = data.load(grey[:5], batch_size=16)
    assert few.cardinality() == 1
    assert len(whole(few)[0]) == 5


# --- arrays


def test_arrays_arrive_unchanged(grey, colour):
    np.testing.assert_array_equal(plain(grey)[0], grey[..., None])
    np.testing.assert_array_equal(plain(colour)[0], colour)
    floats = colour.astype("float64") / 127.5 - 1
    (out,) = plain(floats)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, floats.astype("float32"))
    _images, labels = plain((grey, np.arange(60)[:, None]))
    assert labels.dtype == np.int32
    assert labels.tolist() == list(range(60))
    np.testing.assert_array_equal(plain(grey.astype("int64"))[0], grey[..., None])


def test_array_pairs_captions_and_embeddings(grey, colour):
    low, high = plain((grey[:20, ::2, ::2], colour))
    assert low.shape == (20, 14, 14, 1)
    assert high.shape == (20, 28, 28, 3)
    np.testing.assert_array_equal(high, colour)
    captions = np.array([f"garment {k} é" for k in range(60)])
    assert [text.decode() for text in plain((grey, captions))[1]] == captions.tolist()
    vectors = np.random.default_rng(0).normal(size=(60, 5))
    np.testing.assert_array_equal(plain((grey, vectors))[1], vectors.astype("float32"))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda x: x[0, 0], "images of shape"),
        (lambda x: np.stack([x, x], -1), "C of 1, 3 or 4"),
        (lambda x: x[:0], "holds no image"),
        (lambda x: x.astype("int32") - 1, "uint8 in 0..255"),
        (lambda x: x > 9, "type bool"),
        (lambda x: x.astype("float32"), r"floats from 0 to 255; give floats in \[-1, 1\]"),
        (lambda x: np.where(x == 0, np.nan, 0.0), "NaN"),
        (lambda x: (x, np.arange(59)), "labels: 59 for 60 images"),
        (lambda x: (x, np.arange(60) + 0.5), "whole numbers"),
        (lambda x: (x, x[:30]), "60 and 30 images do not make pairs"),
        (lambda x: (x, x, x), "3 arrays given"),
    ],
)
def test_wrong_arrays(grey, change, error):
    with pytest.raises(ValueError, match=error):
        data.load(change(grey))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"image_shape": (28, 28)}, "give \\(H, W, C\\)"),
        ({"image_shape": (28, 28, 2)}, "C of 1, 3 or 4"),
        ({"crop": (30, 28)}, "larger than the images, 28x28"),
        ({"crop": (30, 28), "image_shape": (29, 29, 1)}, "larger than image_shape"),
        ({"crop": (5,)}, "give \\(height, width\\)"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"seed": -1}, "seed=-1"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"pairs": "top_bottom"}, "pairs='top_bottom'"),
    ],
)
def test_wrong_options(grey, options, error):
    with pytest.raises(ValueError, match=error):
        data.load(grey, **options)


def test_float_arrays_are_not_resized(grey):
    with pytest.raises(ValueError, match=r"only uint8 images are brought to another shape"):
        data.load(grey / 255.0, image_shape=(14, 14, 1))


# --- bringing images to a shape


def test_channels_are_converted(grey, colour):
    (rgb,) = plain(grey, image_shape=(28, 28, 3))
    np.testing.assert_array_equal(rgb, np.repeat(grey[..., None], 3, -1))
    (luma,) = plain(colour, image_shape=(28, 28, 1))
    expected = colour @ np.array([0.299, 0.587, 0.114])  # ITU-R 601-2
    np.testing.assert_allclose(luma[..., 0], expected, atol=1)
    (rgba,) = plain(colour, image_shape=(28, 28, 4))
    assert (rgba[..., 3] == 255).all()
    assert (rgba[..., :3] == colour).all()
    # alpha over white: a * c + (1 - a) * 255
    alpha = np.concatenate([colour, grey[:20, ..., None]], axis=-1)
    (flat,) = plain(alpha, image_shape=(28, 28, 3))
    share = grey[:20, ..., None] / 255.0
    np.testing.assert_allclose(flat, share * colour + (1 - share) * 255, atol=1)
    np.testing.assert_array_equal(plain(alpha)[0], alpha)


def test_resizing_is_antialiased_and_cut_to_the_middle(grey):
    # a one-pixel chequerboard is mean grey when halved with antialiasing, black or white without
    board = np.indices((28, 28)).sum(0)[None] % 2 * 255
    (half,) = plain(board.astype("uint8"), image_shape=(14, 14, 1))
    np.testing.assert_allclose(half, 127.5, atol=8)
    # 28 rows of 56 columns, its middle bright: cut to a square, nothing but the middle is left
    wide = np.zeros((1, 28, 56), "uint8")
    wide[:, :, 14:42] = 200
    np.testing.assert_array_equal(
        plain(wide, image_shape=(14, 14, 1))[0], np.full((1, 14, 14, 1), 200)
    )
    # the same filter, computed by TensorFlow, on images whose overshoot is not clipped; 2 levels
    # for the rounding between Pillow's two passes
    soft = grey // 2 + 64
    (small,) = plain(soft, image_shape=(12, 12, 1))
    expected = tf.image.resize(soft[..., None], (12, 12), method="lanczos3", antialias=True)
    np.testing.assert_allclose(small, expected, atol=2)


def test_crop_and_flip_take_windows_of_the_image(grey):
    options = {"batch_size": 20, "crop": (20, 24), "flip": True, "seed": 4}
    dataset = data.load((grey, np.arange(60)), **options)
    assert dataset.element_spec[0].shape == (20, 20, 24, 1)
    crops, numbers = whole(dataset)
    places, mirrored = set(), 0
    for crop, number in zip(crops[..., 0], numbers, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(grey[number], (20, 24))
        found = [np.argwhere((windows == one).all((2, 3))) for one in (crop, crop[:, ::-1])]
        assert len(found[0]) + len(found[1]) > 0
        places |= {tuple(place) for place in (*found[0], *found[1])}
        mirrored += len(found[0]) == 0
    assert len(places) > 20  # of 9 x 5
    assert 15 <= mirrored <= 45  # of 60; 4 standard deviations of a fair coin
    flipped, numbers = whole(data.load((grey, np.arange(60)), batch_size=20, flip=True, seed=4))
    same = [(one[..., 0] == grey[k]).all() for one, k in zip(flipped, numbers, strict=True)]
    turned = [(one[:, ::-1, 0] == grey[k]).all() for one, k in zip(flipped, numbers, strict=True)]
    assert np.logical_xor(same, turned).all()
    assert 15 <= sum(turned) <= 45


def test_flips_are_drawn_anew_for_each_epoch_and_seed(grey):
    """With the order held still, whatever changes is the flips: 60 fair coins never agree."""
    options = {"batch_size": 20, "flip": True, "shuffle": False}
    first, other = data.load(grey, **options), data.load(grey, **options, seed=1)
    passes = [whole(dataset)[0] for dataset in (first, first, other)]
    for one, two in ((0, 1), (0, 2), (1, 2)):
        changed = (passes[one] != passes[two]).any((1, 2, 3)).sum()
        assert 15 <= changed <= 45
    np.testing.assert_array_equal(passes[0], whole(data.load(grey, **options))[0])


def test_turns_and_flips_make_all_eight_views_and_those_of_a_pair_alike(grey):
    options = {"batch_size": 20, "flip": True, "turn": True, "seed": 4}
    views, numbers = whole(data.load((grey, np.arange(60)), **options))
    seen = set()
    for view, number in zip(views[..., 0], numbers, strict=True):
        mirrored = {1: grey[number], -1: grey[number][:, ::-1]}
        every = {(m, q): np.rot90(image, q) for m, image in mirrored.items() for q in range(4)}
        seen |= {key for key, image in every.items() if np.array_equal(image, view)}
    assert len(seen) == 8
    one, other = whole(data.load((grey, grey), **options))
    np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="turn=True wants square images, and these are 20x24"):
        data.load(grey, crop=(20, 24), turn=True)


def test_report_of_the_embedded_set():
    report = data.inspect(split="test")
    assert report.count == (2000,)
    assert report.bad == []
    assert report.duplicates == 0
    assert report.classes["Ankle boot"] == 200
    assert len(report.classes) == 10
    assert report.image_shape == (28, 28, 1)
    assert report.splits == ("test", "train")
    assert "Trouser (200)" in str(report)
    assert len(str(report).splitlines()) < 12


def test_import_is_light():
    code = "import ganzoo.data, sys; assert 'tensorflow_datasets' not in sys.modules"
    root = pathlib.Path(__file__).parent.parent
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=os.environ)


def test_no_tuner_is_started_for_whom_an_epoch_would_wait():
    """Keras drops its iterator before its end, and TensorFlow then waits until the tuner wakes."""
    batches = data.load(batch_size=100)
    assert batches.options().autotune.enabled is False
    assert batches.map(lambda *batch: batch).repeat().options().autotune.enabled is False
