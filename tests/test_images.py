"""`ganzoo.images`: grids, files and animations, read back by Pillow and compared with NumPy."""

import contextlib
import resource

import numpy as np
import pytest
from PIL import Image

from ganzoo import images


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@contextlib.contextmanager
def full_disk():
    """Within, no file of this process grows over 100 bytes: writing fails half-way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("n", "columns", "padding", "channels", "grid"),
    [
        (9, None, 2, 1, (3, 3)),
        (7, None, 2, 3, (3, 3)),
        (5, 5, 0, 4, (1, 5)),
        (5, 2, 1, 3, (3, 2)),
        (1, None, 3, 4, (1, 1)),
        (2, 4, 2, 1, (1, 4)),
    ],
)
def test_tile_puts_each_image_in_its_cell_and_white_elsewhere(n, columns, padding, channels, grid):
    batch = noise(n, 5, 8, channels)
    height, width = grid[0] * (5 + padding) + padding, grid[1] * (8 + padding) + padding
    expected = np.full((height, width, channels), 255, np.uint8)
    for i in range(n):
        y = padding + i // grid[1] * (5 + padding)
        x = padding + i % grid[1] * (8 + padding)
        expected[y : y + 5, x : x + 8] = batch[i]
    drawn = images.tile(batch, columns, padding)
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(
    ("batch", "columns", "error", "words"),
    [
        (noise(4, 3, 3, 1).astype("float32"), None, TypeError, "uint8"),
        (noise(4, 3, 3), None, ValueError, "(4, 3, 3)"),
        (noise(4, 3, 3, 2), None, ValueError, "1, 3 or 4 channels"),
        (noise(0, 3, 3, 1), None, ValueError, "at least one"),
        (noise(4, 3, 3, 1), 0, ValueError, "columns"),
    ],
)
def test_tile_refuses(batch, columns, error, words):
    with pytest.raises(error) as raised:
        images.tile(batch, columns)
    assert words in str(raised.value)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_png_keeps_every_pixel(tmp_path, channels, mode):
    picture = noise(6, 9, channels)
    images.save(tmp_path / "new" / "a.png", picture)
    with Image.open(tmp_path / "new" / "a.png") as back:
        assert (back.format, back.mode) == ("PNG", mode)
        np.testing.assert_array_equal(np.asarray(back).reshape(6, 9, channels), picture)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]


def test_jpeg_lays_transparency_on_white(tmp_path):
    picture = np.zeros((16, 16, 4), np.uint8)
    picture[..., :3], picture[..., 3] = (200, 40, 40), 51  # a fifth opaque
    images.save(tmp_path / "a.JPG", picture)
    with Image.open(tmp_path / "a.JPG") as back:
        assert (back.format, back.mode) == ("JPEG", "RGB")
        # 0.2 * colour + 0.8 * 255; JPEG rounds colours, 3 of 255 at this quality
        np.testing.assert_allclose(np.asarray(back)[8, 8], [244, 212, 212], atol=3)


@pytest.mark.parametrize("name", ["a.gif", "a.txt", "a"])
def test_save_refuses_other_endings(tmp_path, name):
    with pytest.raises(ValueError, match=r"\.png, \.jpg or \.jpeg, got .*a"):
        images.save(tmp_path / name, noise(4, 4, 3))
    assert list(tmp_path.iterdir()) == []


def test_text_in_a_png_comes_back(tmp_path):
    images.save(tmp_path / "a.png", noise(4, 4, 3), text={"numbers": "[1, 2.5, NaN]" * 1000})
    assert images.read_text(tmp_path / "a.png", "numbers") == "[1, 2.5, NaN]" * 1000
    assert images.read_text(tmp_path / "a.png", "other") is None
    assert images.read_text(tmp_path / "none.png", "numbers") is None
    (tmp_path / "b.png").write_bytes(b"no picture")
    assert images.read_text(tmp_path / "b.png", "numbers") is None


def gif_frames(path):
    with Image.open(path) as gif:
        assert gif.format == "GIF"
        for i in range(gif.n_frames):
            gif.seek(i)
            yield np.asarray(gif.convert("RGB")), gif.info["duration"], gif.info["loop"]


def test_gif_of_arrays_and_of_files_is_the_same(tmp_path):
    frames = [noise(10, 12, 1, seed=i) for i in range(4)]
    for i, frame in enumerate(frames):
        images.save(tmp_path / f"{i}.png", frame)
    images.save_gif(tmp_path / "arrays.gif", frames, seconds=0.05)
    images.save_gif(tmp_path / "files.gif", [tmp_path / f"{i}.png" for i in range(4)], seconds=0.05)
    assert (tmp_path / "arrays.gif").read_bytes() == (tmp_path / "files.gif").read_bytes()
    back = list(gif_frames(tmp_path / "arrays.gif"))
    assert [(duration, loop) for _, duration, loop in back] == [(50, 0)] * 4
    for (shown, _, _), frame in zip(back, frames, strict=True):
        np.testing.assert_array_equal(shown, np.repeat(frame, 3, axis=2))


def test_gif_of_few_colours_is_exact_and_lies_on_white(tmp_path):
    frames = [np.zeros((20, 20, 4), np.uint8) for _ in range(2)]
    frames[0][5:10, 5:10] = (255, 0, 0, 255)
    frames[1][10:15, 5:10] = (0, 0, 255, 255)
    images.save_gif(tmp_path / "a.gif", frames)
    for (shown, _, _), frame in zip(gif_frames(tmp_path / "a.gif"), frames, strict=True):
        np.testing.assert_array_equal(shown, np.where(frame[..., 3:], frame[..., :3], 255))


def test_gif_of_many_colours_is_close(tmp_path):
    ramp = np.linspace(0, 255, 300)  # a smooth RGB picture, larger than the sample of its pixels
    picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp, ramp[::-1]), -1).astype(np.uint8)
    images.save_gif(tmp_path / "a.gif", [picture, 255 - picture])
    for (shown, _, _), frame in zip(
        gif_frames(tmp_path / "a.gif"), (picture, 255 - picture), strict=True
    ):
        error = np.abs(shown.astype(float) - frame)
        assert error.mean() < 8  # of 255: what 256 colours can do for 90,000


def test_many_large_frames_are_made_smaller(tmp_path):
    for name, value in (("a", 0), ("b", 255)):
        picture = np.full((1024, 2048, 1), value, np.uint8)
        images.save(tmp_path / f"{name}.png", picture)
    frames = [tmp_path / "a.png", tmp_path / "b.png"] * 20
    images.save_gif(tmp_path / "a.gif", frames)
    with Image.open(tmp_path / "a.gif") as gif:
        width, height = gif.size
        assert gif.n_frames == 40
    assert 0.98 * 2**26 < width * height * 40 <= 2**26
    np.testing.assert_allclose(width / height, 2, atol=0.01)


def test_gif_refuses(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"):
        images.save_gif(tmp_path / "a.gif", [])
    with pytest.raises(ValueError, match=r"0\.01 seconds"):
        images.save_gif(tmp_path / "a.gif", [noise(4, 4, 1)], seconds=0)
    with pytest.raises(FileNotFoundError, match="gone"):
        images.save_gif(tmp_path / "a.gif", [noise(4, 4, 1), tmp_path / "gone.png"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif"])
def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"the old one")
    pictures = [noise(32, 32, 3), noise(32, 32, 3, seed=1)]
    save, shown = (images.save_gif, pictures) if name == "a.gif" else (images.save, pictures[0])
    with pytest.raises(OSError, match=name) as raised, full_disk():
        save(path, shown)
    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"the old one"
    assert [file.name for file in tmp_path.iterdir()] == [name]
