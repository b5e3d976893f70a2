"""A trained model into pretrained/, with its card and its row in the index."""

import itertools

from ganzoo import presets


def shelve(name, model, score, examples=None, **about):
    """Puts a model there in half precision.

    Args:
        name: of the preset, `family.tag`.
        model: a `ganzoo.GAN`.
        score: lines for the card, each a figure, and behind " | " its protocol.
        examples: of which the card's picture is made; see `presets.save`.
        **about: data, licence, recipe, seed, batch_size, minutes_on_two_cores.
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
