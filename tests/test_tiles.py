"""Tiles: the same image as in one piece for a network that looks no further than the margin, no
seam for one that does, bounded memory, sizes and errors."""

import tracemalloc

import keras
import numpy as np
import pytest
from keras import ops

from ganzoo import inputs, tiles


@pytest.fixture(scope="module")
def picture(garments):
    """A sheet of 5x7 real garments, uint8 (140, 196, 1)."""
    sheet = garments[0][:35].reshape(5, 7, 28, 28).transpose(0, 2, 1, 3)
    return sheet.reshape(140, 196, 1)


def as_function(network):
    return lambda batch: ops.convert_to_numpy(
        network(inputs.to_float(ops.convert_to_tensor(batch)))
    )


def convolutions(radius, *last):
    """A random network that looks `radius` pixels far and pads with zeros."""
    draw = keras.initializers.RandomNormal(0, 0.4, seed=1)
    steps = [
        keras.layers.Conv2D(4, 3, padding="same", kernel_initializer=draw.clone())
        for _ in range(radius)
    ]
    end = [keras.layers.Dense(3), *last, keras.layers.Activation("tanh")]
    return as_function(keras.Sequential([keras.Input((None, None, 1)), *steps, *end]))


def test_tiles_are_the_whole_for_a_network_that_looks_no_further_than_a_quarter_overlap(picture):
    network = convolutions(4)
    whole = tiles.run(network, picture, picture.shape[:2], 0)
    assert whole.shape == (140, 196, 3) and whole.std() > 20
    for tile, overlap in ((32, 16), ((48, 40), (20, 18)), (139, 16)):
        made = tiles.run(network, picture, tile, overlap)
        # rounding of float32 may turn the last bit of a pixel
        assert np.abs(made.astype(int) - whole).max() <= 1, (tile, overlap)
    # the borders of tiles do spoil pixels: without an overlap, or with less, they show
    for overlap in (0, 8):
        made = tiles.run(network, picture, 32, overlap)
        assert np.abs(made.astype(int) - whole).max() > 20


def test_a_norm_over_the_tile_leaves_no_seam(picture):
    """Tiles of different mean and contrast are the worst case: the jump from one pixel to the next
    at a border, over that jump in the untiled image, measured over a whole row or column."""
    norm = keras.layers.GroupNormalization(groups=-1, center=False, scale=False)
    network = convolutions(2, norm)
    whole = tiles.run(network, picture, picture.shape[:2], 0).astype("float64")

    def jump(image, border):
        return np.abs(image[:, border] - image[:, border - 1]).mean()

    def worst(made, borders):
        extra = [jump(made.astype("float64"), b) - jump(whole, b) for b in borders]
        return max(extra)

    hard = worst(tiles.run(network, picture, 28, 0), range(28, 196, 28))
    begin = tiles.starts(196, 28, 12)
    borders = [b + 3 for b in begin[1:]] + [
        b + 25 for b in begin[:-1]
    ]  # where blends begin and end
    soft = worst(tiles.run(network, picture, 28, 12), borders)
    assert hard > 10 and soft < hard / 4, (hard, soft)


def test_enlarging_keeps_every_pixel_in_its_place(picture):
    def doubled(batch):
        return batch.repeat(2, axis=1).repeat(2, axis=2)

    for tile, overlap in ((32, 8), (33, 16), (200, 10)):
        made = tiles.run(doubled, picture, tile, overlap, scale=2)
        np.testing.assert_array_equal(made, doubled(picture[None])[0])


def test_small_images_are_continued_and_cut_back(picture):
    seen = []

    def network(batch):
        seen.append(batch.copy())
        return batch

    for height, width in ((1, 1), (3, 50), (13, 7)):
        small = picture[60 : 60 + height, 40 : 40 + width]
        np.testing.assert_array_equal(tiles.run(network, small, 32, 8), small)
    assert {batch.shape for batch in seen} == {(1, 32, 32, 1)}
    padded = seen[-1][0]
    top, left = (32 - 13) // 2, (32 - 7) // 2
    np.testing.assert_array_equal(padded[top - 1], padded[top])  # the mirror repeats the edge
    np.testing.assert_array_equal(padded[:, left + 7], padded[:, left + 6])


def test_memory_is_that_of_the_result_and_a_band(picture):
    large = np.tile(picture, (20, 4, 1))  # 2800 x 784
    tracemalloc.start()
    made = tiles.run(lambda batch: batch, large, 64, 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(made, large)
    band = 64 * large.shape[1] * 4
    assert peak < 2.2 * large.nbytes + 6 * band


def test_what_cannot_be_is_refused(picture):
    def same(batch):
        return batch

    for arguments, message in (
        ((same, picture, 32, 17), "at most half a tile"),
        ((same, picture, 0, 0), "tile=0: want a whole number"),
        ((same, picture, 32, -1), "overlap=-1"),
        ((same, picture[..., 0], 32, 8), r"shape \(140, 196\): want \(H, W, C\)"),
        ((lambda b: b[:, 1:], picture, 32, 8), r"made \(1, 31, 32, 1\) of a tile"),
    ):
        with pytest.raises(ValueError, match=message):
            tiles.run(*arguments)
    with pytest.raises(TypeError, match="want uint8"):
        tiles.run(same, picture.astype("float32"), 32, 8)
