"""Trains a preset on real data, scores it and puts it into pretrained/.

    [taskset -c 0] python benchmarks/train_presets.py NAME --data FOLDER --out FOLDER

Recipes, arguments of `ganzoo train`, lie in benchmarks/presets.json. --data holds the full sets:
fashion_mnist.npz, mnist.npz, cifar10_jpeg.npz, emoji_noto64.npz. --out takes the run folder NAME; a
run that was stopped goes on. --keep-out leaves pretrained/ as it is, to look at the result first.
"""

import argparse
import json
import os
import pathlib
import shlex

from shelf import minutes, shelve

import ganzoo
from ganzoo import evaluation, presets, runs, scores

RECIPES = pathlib.Path(__file__).with_name("presets.json")
#: name of a set: its file, what the card says of it, and the licence of weights made from it
SETS = {
    "fashion_mnist": ("fashion_mnist.npz", "Fashion-MNIST, 60,000 training images", "mit"),
    "mnist": ("mnist.npz", "MNIST, 60,000 training images", "cc-by-sa-3.0"),
    "cifar10": (
        "cifar10_jpeg.npz",
        "CIFAR-10, 50,000 training images from a JPEG copy (quality 75): scores are not those of "
        "the lossless set",
        "other",
    ),
    "emoji": ("emoji_noto64.npz", "Noto Emoji, 1,706 training images on white", "apache-2.0"),
}
#: two presets train side by side faster, on a core each: the card says how many it had
CORES = {1: "one_core", 2: "two_cores"}


def train(recipe, path, out):
    if (out / "config.json").exists():
        return runs.resume(out)
    cls = getattr(ganzoo, recipe["model"])
    return runs.start(cls, path, out, recipe["epochs"], dict(recipe["options"]))


def command(name, recipe):
    """The same as a command line, for the card."""
    words = [f"ganzoo train {recipe['model'].lower()} --data {SETS[recipe['data']][0]}"]
    words += [f"--epochs {recipe['epochs']}"]
    for option, value in recipe["options"].items():
        value = json.dumps(value, separators=(",", ":"))
        words.append("--set " + shlex.quote(f"{option}={value}"))
    return " ".join(words)


def score_and_shelve(name, recipe, out):
    """Puts the generator of a run into pretrained/, with card, scores and a row in the index."""
    _, data, licence = SETS[recipe["data"]]
    model = presets.load(out / "preset")
    load = json.loads((out / "config.json").read_text())["data"]
    cores = len(os.sched_getaffinity(0))
    about = {
        "data": data,
        "licence": licence,
        "recipe": {"command": command(name, recipe), "epochs": recipe["epochs"]},
        "seed": 0,
        "batch_size": load["batch_size"],
        f"minutes_on_{CORES.get(cores, f'{cores}_cores')}": minutes(out, recipe["epochs"]),
        "reference": recipe["data"],
    }
    folder = shelve(name, model, [], **about)
    names = ["fid"]
    if model.num_classes == 10 and recipe["data"] in ("mnist", "fashion_mnist"):
        names.append("label_fidelity")
    found = list(evaluation.evaluate(folder, names=names).values())
    shelve(name, model, [str(score) for score in found], **about)
    scores.append(folder / scores.FILE, found)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=json.loads(RECIPES.read_text()))
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--keep-out", action="store_true")
    arguments = parser.parse_args()
    recipe = json.loads(RECIPES.read_text())[arguments.name]
    out = arguments.out / arguments.name
    if not (out / "preset").exists():
        train(recipe, arguments.data / SETS[recipe["data"]][0], out)
    if not arguments.keep_out:
        print(*score_and_shelve(arguments.name, recipe, out), sep="\n")


if __name__ == "__main__":
    main()
