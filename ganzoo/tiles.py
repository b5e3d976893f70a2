"""Images of any size through a network of bounded size: overlapping tiles, blended.

A tile's outermost pixels are spoilt by the border that is none: convolutions see padding there. So
of the overlap of two tiles the outer quarters are thrown away, and the blend runs over the half
between them. A network that looks no further than a quarter of the overlap gives the same image as
in one piece; whatever looks further (a norm over the whole tile) changes smoothly, without a seam.
"""

import numpy as np


def run(network, image, tile, overlap, scale=1):
    """Applies a network to an image of any size.

    An image smaller than a tile is continued by its own mirror image, and cut back afterwards. The
    network runs on one tile at a time, and besides the result only a band of tiles is in memory.

    Args:
        network: function of uint8 batches `(1, h, w, C)`, h and w being `tile`, to batches
            `(1, scale * h, scale * w, D)`: uint8, or float in [-1, 1].
        image: uint8 `(H, W, C)`.
        tile: pixels, the sides of a tile: a number or `(h, w)`.
        overlap: least pixels that two neighbours share, a number or `(vertical, horizontal)`; at
            most half a tile.
        scale: sides of the result as a multiple of the image's, a whole number. Default 1.

    Returns:
        uint8 `(scale * H, scale * W, D)`.

    Raises:
        TypeError: an image that is not uint8.
        ValueError: not one image `(H, W, C)`, sides or overlaps that cannot be, a network whose
            result has another size.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise TypeError(f"an image of type {image.dtype}: want uint8 in [0, 255].")
    if image.ndim != 3 or not image.size:
        raise ValueError(f"an image of shape {image.shape}: want (H, W, C).")
    sides, overlaps = pair("tile", tile, 1), pair("overlap", overlap, 0)
    if any(2 * shared > side for shared, side in zip(overlaps, sides, strict=True)):
        raise ValueError(f"overlap={overlap} of tile={tile}: want at most half a tile.")
    height, width = image.shape[:2]
    image, (top, left) = padded(image, sides)
    rows, columns = (starts(*given) for given in zip(image.shape, sides, overlaps, strict=False))
    across = shares(columns, sides[1], overlaps[1], scale)
    down = shares(rows, sides[0], overlaps[0], scale)
    bands, band = [], None  # band: sums of weighted pixels from the row of the current tiles on
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            made = judged(network(image[None, y : y + sides[0], x : x + sides[1]]), sides, scale)
            if band is None:
                band = np.zeros((made.shape[0], scale * image.shape[1], made.shape[2]), "float32")
            part = band[:, scale * x : scale * (x + sides[1])]
            part += made * down[i][:, None, None] * across[j][None, :, None]
        done = scale * ((rows[i + 1] if i + 1 < len(rows) else y + sides[0]) - y)
        bands.append(np.clip(np.round(band[:done]), 0, 255).astype("uint8"))
        band = np.concatenate([band[done:], np.zeros_like(band[:done])])
    whole = np.concatenate(bands)[scale * top :, scale * left :]
    return whole[: scale * height, : scale * width]


def pair(name, value, least):
    """`(vertical, horizontal)` from one number or two."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    whole = all(isinstance(side, int | np.integer) and side >= least for side in both)
    if len(both) != 2 or not whole:
        raise ValueError(f"{name}={value!r}: want a whole number of pixels, {least} or more.")
    return both


def padded(image, sides):
    """The image continued by its mirror image to at least `sides`; what was added before it."""
    missing = [max(0, side - size) for side, size in zip(sides, image.shape, strict=False)]
    before = [m // 2 for m in missing]
    pads = [*((b, m - b) for b, m in zip(before, missing, strict=True)), (0, 0)]
    return np.pad(image, pads, mode="symmetric") if any(missing) else image, before


def starts(size, side, overlap):
    """Where the tiles begin along one axis: evenly, from the first pixel to the last."""
    count = -(-(size - overlap) // (side - overlap)) if size > side else 1
    return [i * (size - side) // max(count - 1, 1) for i in range(count)]


def shares(begin, side, overlap, scale):
    """The weight of each tile's pixels along one axis, `(tiles, scale * side)`; at every pixel of
    the image they sum to 1."""
    # the distance of a pixel's middle from the ends of the tile, in pixels of the image
    places = (np.arange(scale * side) + 0.5) / scale
    total = np.zeros(scale * (begin[-1] + side))
    weights = []
    for start in begin:
        weight = np.ones(scale * side)
        if overlap and start != begin[0]:
            weight *= np.clip((places - overlap / 4) / (overlap / 2), 0, 1)
        if overlap and start != begin[-1]:
            weight *= np.clip((side - places - overlap / 4) / (overlap / 2), 0, 1)
        total[scale * start : scale * (start + side)] += weight
        weights.append(weight)
    spans = [total[scale * start : scale * (start + side)] for start in begin]
    return [(w / t).astype("float32") for w, t in zip(weights, spans, strict=True)]


def judged(made, sides, scale):
    """What a network made of one tile as float32 `(h, w, D)` in [0, 255]."""
    made = np.asarray(made)
    wanted = (1, scale * sides[0], scale * sides[1])
    if made.ndim != 4 or made.shape[:3] != wanted:
        raise ValueError(f"the network made {made.shape} of a tile: want {(*wanted, 'D')}.")
    if made.dtype == np.uint8:
        return made[0].astype("float32")
    return (made[0].astype("float32") + 1.0) * 127.5
