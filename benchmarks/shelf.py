"""A trained model into pretrained/, with its card and its row in the index."""

import itertools

import matplotlib.cbook
import numpy as np
from PIL import Image

from ganzoo import presets


def shelve(name, model, score, examples=None, **about):
    """Puts a model there in half precision.

    Args:
        name: of the preset, `family.tag`.
        model: a `ganzoo.GAN`.
        score: lines for the card, each a figure, and behind " | " its protocol.
        examples: of which the card's picture is made; see `presets.save`.
        **about: data, licence, recipe, seed, batch_size, minutes_on_two_cores, ...
    """
    folder = presets.home() / name
    model.save_to_preset(folder, examples, half=True, **about, score=score)
    presets.write_index()
    return folder


def minutes(out, epochs):
    """Of training: the shortest time between the pictures of two epochs, times the epochs, since
    other programs on the machine only make epochs longer."""
    pictures = sorted((out / "samples").glob("epoch_*.png"))
    times = [picture.stat().st_mtime for picture in pictures]
    return round(epochs * min(b - a for a, b in itertools.pairwise(times)) / 60)


def free_photo():
    """A photograph that may be passed on, uint8 `(600, 512, 3)`, for the pictures of presets whose
    own photographs may not: Grace Hopper, U.S. Navy, public domain, which comes with Matplotlib."""
    return np.asarray(Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg")))


def windows(photo, side):
    """Eight windows of it, `(8, side, side, 3)`."""
    corners = [(top, left) for top in (60, 130, 300, 420) for left in (180, 270)]
    return np.stack([photo[top : top + side, left : left + side] for top, left in corners])
