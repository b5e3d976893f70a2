"""Makes the embedded set from the complete Fashion-MNIST.

    python make_fashion_mnist_10k.py SOURCE.npz [OUTPUT.npz]

SOURCE.npz holds `x_train`, `y_train`, `x_test`, `y_test` as
`keras.datasets.fashion_mnist.load_data` gives them (original order). Drawn with a fixed seed: 1,000
images a class of the training part and 200 a class of the test part, kept in their original order,
no image twice.
"""

import pathlib
import sys

import numpy as np

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
SEED = 20170828  # the day Fashion-MNIST came out
PER_CLASS = {"train": 1000, "test": 200}


def choose(images, labels, per_class, rng, seen):
    """Indices of `per_class` images of each class, none of whose bytes are in `seen` (extended)."""
    chosen = []
    for label in range(len(CLASS_NAMES)):
        picked = []
        for index in rng.permutation(np.flatnonzero(labels == label)):
            content = images[index].tobytes()
            if content not in seen:
                seen.add(content)
                picked.append(index)
            if len(picked) == per_class:
                break
        chosen += picked
    return np.sort(chosen)


def main(source, output):
    rng = np.random.default_rng(SEED)
    seen, arrays = set(), {}
    with np.load(source, allow_pickle=False) as full:
        for split, per_class in PER_CLASS.items():
            images, labels = full[f"x_{split}"], full[f"y_{split}"]
            chosen = choose(images, labels, per_class, rng, seen)
            arrays[f"x_{split}"] = images[chosen]
            arrays[f"y_{split}"] = labels[chosen].astype("uint8")
    np.savez_compressed(output, **arrays, class_names=np.array(CLASS_NAMES))


if __name__ == "__main__":
    main(
        sys.argv[1], (sys.argv[2:] or [pathlib.Path(__file__).parent / "fashion_mnist_10k.npz"])[0]
    )
