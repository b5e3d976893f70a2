"""Every family at a size that trains in a blink, and data of the form it takes."""

import numpy as np

import ganzoo

CONFIGS = {
    "FCGAN": {
        "image_shape": (8, 8, 1),
        "latent_dim": 4,
        "generator_units": (8,),
        "discriminator_units": (8,),
    },
    "DCGAN": {
        "image_shape": (8, 8, 1),
        "latent_dim": 4,
        "generator_filters": (6, 4),
        "discriminator_filters": (4, 6),
    },
    "CGAN": {
        "image_shape": (8, 8, 1),
        "num_classes": 3,
        "latent_dim": 4,
        "generator_filters": (6, 4),
        "discriminator_filters": (4, 6),
    },
    "ACGAN": {
        "image_shape": (8, 8, 1),
        "num_classes": 3,
        "latent_dim": 4,
        "generator_filters": (6, 4),
        "discriminator_filters": (4, 6),
        "dropout": 0.0,
    },
    "InfoGAN": {
        "image_shape": (8, 8, 1),
        "categories": 3,
        "continuous": 1,
        "latent_dim": 8,
        "generator_filters": (6, 4),
        "discriminator_filters": (4, 6),
    },
    "LSGAN": {
        "image_shape": (8, 8, 1),
        "latent_dim": 4,
        "generator_filters": (6, 4),
        "discriminator_filters": (4, 6),
    },
    "WGAN": {
        "image_shape": (8, 8, 1),
        "latent_dim": 4,
        "generator_filters": (6, 4),
        "discriminator_filters": (4, 6),
    },
    "WGANGP": {
        "image_shape": (8, 8, 1),
        "latent_dim": 4,
        "generator_filters": (6, 4),
        "discriminator_filters": (4, 6),
        "gp_weight": 0.1,  # SGD at the battery's rates diverges with the paper's 10
    },
    "SNGAN": {"image_shape": (8, 8, 1), "latent_dim": 4, "filters": 16},
    "SAGAN": {"image_shape": (8, 8, 1), "latent_dim": 4, "filters": 8, "num_classes": 3},
    "R3GAN": {
        "image_shape": (8, 8, 1),
        "latent_dim": 4,
        "filters": (8, 4),
        "blocks": (1, 1),
        "group_size": 8,
        "gamma": 1.0,
    },
}


def make(cls, **changes):
    """A tiny model of a family; dropout off, so that runs can be compared to the bit."""
    config = dict(CONFIGS[cls.__name__])
    if cls.__name__ == "FCGAN":
        config["dropout"] = 0.0
    return cls(**{**config, "seed": 3, **changes})


def data(cls, images, n=64):
    """n real examples for each D update of a round, in the form that the family's `fit` takes:
    x and y."""
    n *= cls.recipe["d_steps"]
    classes = CONFIGS[cls.__name__].get("num_classes")
    return images[:n], None if classes is None else np.arange(n) % classes


def state(model):
    """Everything that training changes, as one flat list of arrays."""
    optimizers = [getattr(model, f"{player}_optimizer") for player in model.players]
    variables = [*model.variables, *(v for o in optimizers for v in o.variables)]
    return [np.asarray(v) for v in variables]


def same(a, b):
    """Whether two states are equal to the bit."""
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


MODELS = ganzoo.MODELS
