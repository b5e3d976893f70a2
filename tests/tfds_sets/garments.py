"""TFDS sets of real images: the first of each class of the embedded set."""

import numpy as np
import tensorflow_datasets as tfds

from ganzoo.data.sources import EMBEDDED


def some(split, per_class):
    """The first `per_class` images of each class, and their labels, class by class."""
    with np.load(EMBEDDED["fashion_mnist_10k"], allow_pickle=False) as file:
        images, labels = file[f"x_{split}"], file[f"y_{split}"]
    chosen = np.concatenate([np.flatnonzero(labels == k)[:per_class] for k in range(10)])
    return images[chosen], labels[chosen]


class Garments(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(28, 28, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                    "name": tfds.features.Text(),
                }
            )
        )

    def _split_generators(self, dl_manager):
        return {
            "train": self._generate_examples("train", 20),
            "test": self._generate_examples("test", 5),
        }

    def _generate_examples(self, split, per_class):
        for number, (image, label) in enumerate(zip(*some(split, per_class), strict=True)):
            yield number, {"image": image[..., None], "label": label, "name": f"{split} {number}"}


with tfds.core.registered.skip_registration():  # a set that only lies on disk, its code elsewhere

    class GarmentSides(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            image = tfds.features.Image(shape=(28, 28, 1))
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict({"image": image})
            )

        def _split_generators(self, dl_manager):
            return {"trainA": self._generate_examples(2), "trainB": self._generate_examples(1)}

        def _generate_examples(self, per_class):
            for number, image in enumerate(some("train", per_class)[0]):
                yield number, {"image": image[..., None]}
