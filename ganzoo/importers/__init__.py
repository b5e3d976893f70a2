"""Official checkpoints into ganzoo's networks: tables of names and layouts, and no pickle."""

from ganzoo.importers import (
    checkpoints,
    cyclegan,
    dcgan,
    esrgan,
    mimicry,
    pix2pix,
    r3gan,
    sngan_chainer,
    srgan,
    table,
)

_TABLES = {
    "dcgan.generator": dcgan.rows,
    "dcgan.discriminator": dcgan.rows,
    "sngan_chainer.generator": sngan_chainer.generator,
    "sngan_chainer.discriminator": sngan_chainer.discriminator,
    "sngan_mimicry.generator": mimicry.generator,
    "sngan_mimicry.discriminator": mimicry.discriminator,
    "sagan_mimicry.generator": mimicry.generator,
    "sagan_mimicry.discriminator": mimicry.discriminator,
    "r3gan.generator": r3gan.generator,
    "r3gan.discriminator": r3gan.discriminator,
    "pix2pix.generator": pix2pix.generator,
    "pix2pix.discriminator": pix2pix.discriminator,
    "cyclegan.generator": cyclegan.generator,
    "cyclegan.discriminator": cyclegan.discriminator,
    "srgan.generator": srgan.generator,
    "srgan.discriminator": srgan.discriminator,
    "esrgan.generator": esrgan.generator,
    "esrgan.discriminator": esrgan.discriminator,
    "vgg19.torchvision": srgan.vgg19,
}

#: the checkpoints that `assign` knows: "source.network"
KINDS = tuple(_TABLES)


# kind -> function of state dicts that makes a model and reads its configuration off their shapes
_MODELS = {
    "pix2pix": pix2pix.model,
    "cyclegan": cyclegan.model,
    "srgan": srgan.model,
    "esrgan": esrgan.model,
}

#: the kinds that `load` makes whole models of
MODEL_KINDS = tuple(_MODELS)


def load(kind, paths, **options):
    """A model with the generators of official checkpoints.

    Args:
        kind: one of `MODEL_KINDS`.
        paths: the checkpoint, or a list of them: "cyclegan" takes two, of A to B and of B to A. See
            `ganzoo.importers.checkpoints.read` for the files it reads; no code in them is run.
        **options: arguments of the class, in place of what the shapes say.

    Returns:
        A `ganzoo.GAN`; its discriminators are new.

    Raises:
        FileNotFoundError: no such file. ValueError: an unknown kind, or checkpoints that are no
            state dicts of this kind.
    """
    if kind not in _MODELS:
        raise ValueError(f"kind={kind!r}: want one of {list(MODEL_KINDS)}.")
    paths = paths if isinstance(paths, list | tuple) else [paths]
    return _MODELS[kind]([checkpoints.read(path) for path in paths], **options)


def assign(network, state_dict, kind):
    """Copies a checkpoint of an official implementation into a network of the same shape.

    Args:
        network: a ganzoo network, such as `SNGAN().generator`.
        state_dict: dict of NumPy arrays under the checkpoint's names and in its layout, as
            `{k: v.numpy() for k, v in torch_model.state_dict().items()}` gives it.
        kind: one of `KINDS`.

    Raises:
        ValueError: an unknown kind; or a key that is unknown, missing or of a wrong shape, which
            the message names. The network is then as it was.
    """
    if kind not in _TABLES:
        raise ValueError(f"kind={kind!r}: want one of {list(KINDS)}.")
    try:
        rows = _TABLES[kind](network)
    except (AttributeError, ValueError) as error:
        raise ValueError(f"{kind}: the network has not this kind's layers: {error}") from error
    table.assign(network, state_dict, rows, kind)
