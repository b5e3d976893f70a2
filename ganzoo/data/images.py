"""One image, from a file's bytes to `uint8 (H, W, C)`; and many of them, in threads."""

import concurrent.futures
import functools
import io
import os
import pathlib

import numpy as np
import PIL
import tensorflow as tf
from PIL import Image

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N")
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_ORIENTATION = 0x0112  # EXIF tag: how the camera was held
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES = (5, 6, 7, 8)
# what Pillow raises for bytes that are no image, or only half of one
FAILURES = (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError)


def decode(image):
    """Decodes one image of any common kind, turned the way its EXIF orientation says.

    CMYK becomes RGB, a palette its colours, 16 bits are scaled to 8 (value / 257), an animation
    gives its first frame.

    Args:
        image: a path, the bytes of an image file, or a `uint8` array `(H, W, C)` with
            C of 1, 3 or 4.

    Returns:
        A `PIL.Image.Image` of mode "L", "RGB" or "RGBA".

    Raises:
        OSError: the file is no image, or only a part of one.
        ValueError: the pixels have no agreed way to 8 bits (32-bit integers or floats).
    """
    if isinstance(image, np.ndarray):
        return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    data = image if isinstance(image, bytes) else pathlib.Path(image).read_bytes()
    with _identified(data) as opened:
        turn = _TURNS.get(opened.getexif().get(_ORIENTATION))
        picture = _eight_bits(opened, data)
    return picture if turn is None else picture.transpose(turn)


def _identified(image):
    """`Image.open` of a path or of bytes, which Pillow's message would name by their address."""
    try:
        return Image.open(io.BytesIO(image) if isinstance(image, bytes) else image)
    except PIL.UnidentifiedImageError as error:
        raise PIL.UnidentifiedImageError("cannot identify an image in this file") from error


def _eight_bits(opened, data):
    if opened.format == "PNG" and data[24] == 16:  # the header's bit depth
        # Pillow cuts 16-bit colours down to their high byte, so TensorFlow decodes these
        wide = tf.io.decode_png(data, dtype=tf.uint16).numpy()
        narrow = np.round(wide / 257.0).astype("uint8")
        if narrow.shape[-1] == 2:
            return Image.fromarray(narrow).convert("RGBA")  # grey with alpha
        return decode(narrow)
    if opened.mode in _SIXTEEN_BIT:
        return Image.fromarray(np.round(np.asarray(opened) / 257.0).astype("uint8"))
    return opened.convert(MODES[_channels(opened)])


def _channels(opened):
    if opened.mode in ("I", "F"):
        raise ValueError(f"32-bit pixels (mode {opened.mode}) have no agreed range")
    if opened.mode in _WITH_ALPHA or "transparency" in opened.info:
        return 4
    return 1 if opened.mode in ("1", "L", *_SIXTEEN_BIT) else 3


def header(image):
    """Reads an image's (height, width), channels and stored mode without decoding its pixels.

    Takes what `decode` takes and raises what it raises.
    """
    if isinstance(image, np.ndarray):
        return image.shape[:2], image.shape[2], MODES[image.shape[2]]
    with _identified(image) as opened:
        width, height = opened.size
        if opened.getexif().get(_ORIENTATION) in _SWAPS_SIDES:
            width, height = height, width
        return (height, width), _channels(opened), opened.mode


def to_array(picture, image_shape=None, channels=None):
    """Brings a decoded image to a shape.

    The image is cut to the wanted aspect ratio around its centre, then resized with antialiasing
    (Lanczos). Grey becomes three equal channels, colour becomes luma, a transparent image is laid
    on white where the alpha channel is dropped.

    Args:
        picture: a `PIL.Image.Image` from `decode`.
        image_shape: `(H, W, C)` with C of 1, 3 or 4, or None for the size it has.
        channels: 1, 3 or 4, where `image_shape` is None.

    Returns:
        `uint8 (H, W, C)`.
    """
    height, width, channels = image_shape or (picture.height, picture.width, channels)
    if picture.mode == "RGBA" and channels != 4:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture).convert("RGB")
    if picture.mode != MODES[channels]:
        picture = picture.convert(MODES[channels])
    if picture.size != (width, height):
        # cut first: Pillow's own resize of a box would mix in what lies beside the box
        scale = min(picture.width / width, picture.height / height)
        cut = max(1, round(scale * width)), max(1, round(scale * height))
        left, top = (picture.width - cut[0]) // 2, (picture.height - cut[1]) // 2
        picture = picture.crop((left, top, left + cut[0], top + cut[1]))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(height, width, channels)


@functools.cache
def pool():
    """The threads that decode images; Pillow releases Python's lock while it does."""
    return concurrent.futures.ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="ganzoo-data")


def attempt(function, items):
    """Calls `function(item)` for all items in threads; yields (result, None) or (None, reason)."""

    def one(item):
        try:
            return function(item), None
        except PIL.UnidentifiedImageError:
            return None, "not an image"
        except FAILURES as error:
            return None, " ".join(str(error).split()) or type(error).__name__

    def block(start):
        return [one(item) for item in items[start : start + 16]]

    # not one waiting call an image: for small images that costs more than decoding them, and for
    # a million of any size a gigabyte
    for start in range(0, len(items), 4096):
        for results in pool().map(block, range(start, min(start + 4096, len(items)), 16)):
            yield from results
