"""Statistics of real test images, so that presets are scored without the images.

    python benchmarks/make_references.py FOLDER

FOLDER holds fashion_mnist.npz, mnist.npz, cifar10_jpeg.npz and emoji_noto64.npz, the full sets. Of
each, mean and covariance of the extractor's features of the test split (of the emoji, of the
training split, which has more than 200), and the Frechet distance of as many other real images to
them, the floor, go to pretrained/references/. `ganzoo evaluate NAME` reads them.
"""

import pathlib
import sys

import ganzoo
from ganzoo import evaluation, metrics, presets, scores

#: name of a reference: its file, the split it is of, and the extractor
REFERENCES = {
    "fashion_mnist": ("fashion_mnist.npz", "test", "fashion"),
    "mnist": ("mnist.npz", "test", "mnist"),
    "cifar10": ("cifar10_jpeg.npz", "test", "lite0"),
    "emoji": ("emoji_noto64.npz", "train", "lite0"),
}
SHAPES = {"cifar10": (32, 32, 3), "emoji": (64, 64, 3)}


def main(folder):
    for name, (file, split, extractor) in REFERENCES.items():
        # a model only says which images are wanted
        model = ganzoo.FCGAN(image_shape=SHAPES.get(name, (28, 28, 1)), generator_units=[8])
        extractor = metrics.load_extractor(extractor)
        load = {"labels": False}
        found = evaluation.real_sets(model, folder / file, split, scores.IMAGES, load)
        split, real, floor = found
        floors = scores.floors([metrics.FID(extractor)], real, floor)
        path = presets.home() / "references" / f"{name}.npz"
        scores.Reference.write(path, real, extractor, floors, data=name, split=split)
        print(name, len(real), floors, path.stat().st_size)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
