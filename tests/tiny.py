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
    "TextGAN": {
        "image_shape": (8, 8, 1),
        "latent_dim": 6,
        "condition_dim": 3,
        "text_dim": 4,
        "vocabulary_size": 12,
        "caption_length": 4,
        "match_weight": 0.1,  # SGD at the battery's rates diverges with 1
        "interpolation_weight": 0.0,  # a third less to trace; it has a test of its own
        "generator_filters": (6, 4),
        "discriminator_filters": (4, 6),
    },
    "SRGAN": {
        "image_shape": (8, 8, 1),
        "scale": 2,
        "filters": 4,
        "blocks": 1,
        "discriminator_filters": 4,
        "discriminator_units": 8,
        "content": "pixels",
        "adversarial_weight": 0.1,
    },
    "ESRGAN": {
        "image_shape": (8, 8, 1),
        "scale": 2,
        "filters": 4,
        "growth": 2,
        "blocks": 1,
        "architecture": "unet",
        "discriminator_filters": 4,
        "content": "pixels",
        "adversarial_weight": 0.1,
    },
    "Pix2Pix": {"image_shape": (12, 9, 1), "filters": 4, "patch": 16},
    "CycleGAN": {
        "image_shape": (12, 9, 1),
        "filters": 4,
        "blocks": 1,
        "patch": 16,
        "pool_size": 20,
        "cycle_weight": 0.5,  # as above: the paper's 10 magnifies rounding at every step
    },
}


def make(cls, **changes):
    """A tiny model of a family; dropout off, so that runs can be compared to the bit."""
    config = dict(CONFIGS[cls.__name__])
    if cls.__name__ in ("FCGAN", "Pix2Pix"):
        config["dropout"] = 0.0
    model = cls(**{**config, "seed": 3, **changes})
    if cls.__name__ == "CycleGAN" and not model._given:
        # instance normalisation makes gradients grow as weights shrink, and after SGD's large steps
        # on weights drawn from N(0, 0.02) two runs that differ by rounding part
        for weight in model.weights_of("g"):
            if not weight.path.startswith("last"):  # which no normalisation follows
                weight.assign(10.0 * weight)
    return model


def data(cls, images, n=64):
    """n real examples for each D update of a round, in the form that the family's `fit` takes:
    x and y."""
    n *= cls.recipe["d_steps"]
    config = CONFIGS[cls.__name__]
    if cls.data_form == "captions":
        captions = ("a small shirt", "trousers", "a long coat", "shirt, small", "a bag!")
        return images[:n], np.array([captions[i % 5] for i in range(n)])
    if cls.data_form not in (
        "images",
        "photos",
    ):  # the size is not 8x8 there: it is one that takes some cutting
        height, width, _ = config["image_shape"]
        pads = [(0, 0), (0, height - 8), (0, width - 8), (0, 0)]
        images = np.pad(images, pads, mode="symmetric")
        # and no part of an image is flat: instance normalisation magnifies rounding there
        texture = np.random.default_rng(0).integers(0, 128, images.shape, dtype=np.uint8)
        images = images // 2 + texture
        return images[:n], np.ascontiguousarray(255 - images[:n, :, ::-1])
    classes = config.get("num_classes")
    return images[:n], None if classes is None else np.arange(n) % classes


def draw(model, data, n, seed=1, **kwargs):
    """n images by whatever makes them in this family: from latents of this seed, or from images
    of the data, from the seed-th on."""
    if model.makes_with == "generate":
        return model.generate(n, seed=seed, **kwargs)
    return getattr(model, model.makes_with)(sources(model, data)[seed : seed + n])


def sources(model, data):
    """The images of the data that others are made from; small ones, where they are enlarged."""
    step = model.scale if model.makes_with == "upscale" else 1
    return data[0][:, ::step, ::step]


def inputs(model, data):
    """What `call` takes, for two images."""
    if model.makes_with != "generate":
        return sources(model, data)[:2].astype("float32") / 127.5 - 1
    given = model.sampling_inputs(2, None, 0, None)
    return given if len(given) > 1 else given[0]


def state(model):
    """Everything that training changes, as one flat list of arrays."""
    optimizers = [getattr(model, f"{player}_optimizer") for player in model.players]
    variables = [*model.variables, *(v for o in optimizers for v in o.variables)]
    return [np.asarray(v) for v in variables]


def same(a, b):
    """Whether two states are equal to the bit."""
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


MODELS = ganzoo.MODELS
