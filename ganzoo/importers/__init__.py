"""Official checkpoints into ganzoo's networks: tables of names and layouts, and no pickle."""

from ganzoo.importers import dcgan, mimicry, r3gan, sngan_chainer, table

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
}

#: the checkpoints that `assign` knows: "source.network"
KINDS = tuple(_TABLES)


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
