"""Pictures of images: a grid, a file, an animation. NumPy and Pillow only."""

import io
import math
import os
import pathlib

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ganzoo.files import replacing

WHITE = 255
# Pillow holds every frame, one byte a pixel, until the GIF is written
GIF_PIXELS = 2**26


def tile(images, columns=None, padding=2):
    """Lays images out as one picture, row by row, on white.

    Args:
        images: uint8 `(N, H, W, C)`, grey (`C` = 1), RGB (3) or RGBA (4).
        columns: images in a row. Default: near square, `ceil(sqrt(N))`.
        padding: white pixels around every image.

    Returns:
        uint8 `(rows * (H + padding) + padding, columns * (W + padding) + padding, C)`; what is
        missing in the last row stays white.

    Raises:
        TypeError: the images are not uint8.
        ValueError: not `(N, H, W, C)`, no image, another number of channels, `columns` < 1.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise TypeError(f"tile takes uint8 images, got {images.dtype}; scale them to [0, 255]")
    if images.ndim != 4 or not images.size or images.shape[-1] not in (1, 3, 4):
        raise ValueError(
            "tile takes at least one image, (N, H, W, C) with 1, 3 or 4 channels; "
            f"got an array of shape {images.shape}"
        )
    n, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else columns
    if columns < 1 or padding < 0:
        raise ValueError(f"columns must be 1 or more, got {columns}; padding 0 or more: {padding}")
    rows = math.ceil(n / columns)
    cells = np.full(
        (rows * columns, height + padding, width + padding, channels), WHITE, dtype=np.uint8
    )
    cells[:n, padding:, padding:] = images
    grid = cells.reshape(rows, columns, height + padding, width + padding, channels)
    grid = grid.transpose(0, 2, 1, 3, 4).reshape(rows * (height + padding), -1, channels)
    return np.pad(grid, ((0, padding), (0, padding), (0, 0)), constant_values=WHITE)


def save(path, image, text=None):
    """Writes one image as PNG or JPEG, by the ending of the path, in one step.

    Args:
        path: `.png`, `.jpg` or `.jpeg`; the folder is made when it does not exist.
        image: uint8 `(H, W, C)` with 1, 3 or 4 channels. JPEG has no transparency: RGBA is laid
            on white.
        text: a dict of strings kept inside a PNG.

    Raises:
        ValueError: another ending.
        OSError: the file cannot be written. Nothing half-written is left.
    """
    path = pathlib.Path(path)
    ending = path.suffix.lower()
    if ending not in (".png", ".jpg", ".jpeg"):
        raise ValueError(f"images are saved as .png, .jpg or .jpeg, got {str(path)!r}")
    picture, data = _picture(image), io.BytesIO()
    if ending == ".png":
        info = PngInfo()
        for key, value in (text or {}).items():
            info.add_text(key, value)
        picture.save(data, "PNG", pnginfo=info)
    else:
        _opaque(picture).save(data, "JPEG", quality=95)
    write(path, data.getvalue())


def read_text(path, key):
    """What `save` kept under this key of `text`; None without such a PNG or key."""
    try:
        with Image.open(path) as picture:
            return getattr(picture, "text", {}).get(key)
    except (FileNotFoundError, UnidentifiedImageError):
        return None


def save_gif(path, frames, seconds=0.2):
    """Writes an animation that repeats for ever, in one step.

    Frames on disk are read one by one, and all are made smaller when together they have more than
    64 million pixels, so the memory needed does not grow with the number of frames. A frame equal
    to the one before only prolongs it.

    Args:
        path: the `.gif` to write; its folder is made when it does not exist.
        frames: a list of uint8 `(H, W, C)` images or of paths of image files. The first one's
            size is the size of all; RGBA is laid on white.
        seconds: how long a frame is shown, in steps of 0.01.

    Raises:
        ValueError: no frame, or less than 0.01 seconds.
        OSError: a file cannot be read or written. Nothing half-written is left.
    """
    if not len(frames):
        raise ValueError(f"a GIF needs at least one frame, got none for {str(path)!r}")
    if seconds < 0.01:
        raise ValueError(f"a GIF shows a frame for 0.01 seconds or more, got {seconds}")
    width, height = _frame(frames[0]).size
    scale = min(1.0, math.sqrt(GIF_PIXELS / (width * height * len(frames))))
    size = max(1, int(width * scale)), max(1, int(height * scale))
    pictures = (_indexed(_frame(frame), size) for frame in frames)
    data = io.BytesIO()
    next(pictures).save(
        data, "GIF", save_all=True, append_images=pictures, duration=round(seconds * 1000), loop=0
    )
    write(path, data.getvalue())


def write(path, data):
    """Writes bytes in one step; an error (a full disk) names `path` and leaves it as it was."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def _picture(image):
    """A Pillow image of a uint8 `(H, W, C)` array."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3, 4):
        raise ValueError(
            "an image is uint8 (H, W, C) with 1, 3 or 4 channels; "
            f"got {image.dtype} of shape {image.shape}"
        )
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _opaque(picture):
    """Without transparency, which JPEG does not have and GIF only by the pixel: on white."""
    if picture.mode in ("L", "RGB"):
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _frame(frame):
    if not isinstance(frame, str | os.PathLike):
        return _opaque(_picture(frame))
    with Image.open(frame) as picture:
        picture.load()
        return _opaque(picture)


def _indexed(picture, size):
    """Of this size, in grey or in the 256 colours that suit it best."""
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    if picture.mode == "L":
        return picture
    # a sample of the pixels gives as good a palette as all of them, ten times as fast
    sample = picture.resize([min(side, 128) for side in size], Image.Resampling.NEAREST)
    return picture.quantize(palette=sample.quantize(256), dither=Image.Dither.NONE)
