"""Which sizes can be made: the planner of grids and strides, and checks of given networks."""

import keras

CHANNELS = (1, 3, 4)


def plan(image_shape, smallest=4):
    """The grid a convolutional generator starts from, and how often it doubles.

    It halves both sides while the smaller stays at least `smallest`: 96x96 starts from 6x6 with
    four doublings, 28x28 from 7x7 with two, 56x40 from 7x5 with three. Where sides do not divide,
    the grid is rounded up and the image cropped: 100x60 is cut out of 104x64.

    Args:
        image_shape: `(H, W, C)`. smallest: pixels.

    Returns:
        `((grid height, grid width), doublings)`.

    Raises:
        ValueError: for a side below twice `smallest`, or channels other than 1, 3 and 4; it names
            the nearest shape that can be made.
    """
    height, width, channels = image_shape
    least = 2 * smallest
    nearest = max(height, least), max(width, least), min(CHANNELS, key=lambda c: abs(c - channels))
    if nearest != (height, width, channels):
        raise ValueError(
            f"image_shape={tuple(image_shape)}: want sides of at least {least} pixels and 1, 3 "
            f"or 4 channels; the nearest is {nearest}."
        )
    doublings = 1
    while min(height, width) >= smallest * 2 ** (doublings + 1):
        doublings += 1
    return (-(-height // 2**doublings), -(-width // 2**doublings)), doublings


def strides(doublings, layers):
    """The stride of each of `layers` convolutions that together double `doublings` times.

    With more layers than doublings the first ones have stride 1; with fewer, the last ones double
    twice.

    Raises:
        ValueError: when the layers are so few that one would have to skip pixels (a stride of 8).
    """
    if layers < -(-doublings // 2):
        raise ValueError(
            f"{layers} layers cannot make this size, which takes {doublings} doublings: want at "
            f"least {-(-doublings // 2)} (strides go up to 4)."
        )
    powers = [0] * layers
    for i in range(doublings):
        powers[layers - 1 - i % layers] += 1
    return [2**power for power in powers]


def crop(image_shape, grid, doublings):
    """The layer that cuts the middle `(H, W)` out of a grid that doubled beyond it, or None."""
    over = [g * 2**doublings - s for g, s in zip(grid, image_shape, strict=False)]
    if not any(over):
        return None
    return keras.layers.Cropping2D([(o // 2, o - o // 2) for o in over])


def resolve(image_shape, latent_dim, generator, discriminator, default_shape, default_latent):
    """`(image_shape, latent_dim)` as given, else of the given networks, else the defaults."""
    first = getattr(generator, "inputs", None)
    if latent_dim is None:
        latent_dim = first[0].shape[-1] if first else default_latent
    made, seen = getattr(generator, "outputs", None), getattr(discriminator, "inputs", None)
    if image_shape is None:
        known = made or seen
        image_shape = known[0].shape[1:] if known else default_shape
    image_shape = tuple(image_shape)
    whole = all(isinstance(side, int) and side > 0 for side in image_shape)
    if len(image_shape) != 3 or not whole:
        raise ValueError(f"image_shape={image_shape}: want (H, W, C), three whole numbers above 0.")
    if not isinstance(latent_dim, int) or latent_dim < 1:
        raise ValueError(f"latent_dim={latent_dim!r}: want a whole number, 1 or more.")
    return image_shape, latent_dim


def check_network(network, role, input_shapes, output_shape=None, heads=()):
    """Refuses a given network that does not take or give what the algorithm needs.

    Args:
        network: the user's `keras.Model`, or None when none was given.
        role: "generator" or "discriminator", for the message.
        input_shapes: a list of shapes without the batch axis; () for labels, which are int32.
        output_shape: the wanted shape without the batch axis; None for verdicts, `(1,)` or patches
            `(h, w, 1)`.
        heads: shapes of what a discriminator answers after its verdict, without the batch axis.

    Raises:
        TypeError: for what is no `keras.Model`. ValueError: for other shapes, or a discriminator
            that ends in a sigmoid.
    """
    if network is None:
        return
    if not isinstance(network, keras.Model):
        raise TypeError(f"{role}={network!r}: want a keras.Model.")
    shown = [(None, *shape) for shape in input_shapes]
    tensors = [keras.Input(shape, dtype=None if shape else "int32") for shape in input_shapes]
    try:
        output = network(tensors if len(tensors) > 1 else tensors[0])
    except Exception as error:
        line = str(error).strip().splitlines()[0]
        raise ValueError(f"the given {role} does not take {shown}: {line}") from error
    if heads:
        outputs = output if isinstance(output, list | tuple) else [output]
        answers, wanted = [tuple(o.shape) for o in outputs], [(None, *head) for head in heads]
        if answers[1:] != wanted:
            raise ValueError(
                f"the given {role} answers {answers}: want a list of its verdict, (None, 1), and "
                f"{wanted}."
            )
        output = outputs[0]
    shape = tuple(getattr(output, "shape", ()))
    if output_shape is not None:
        if shape != (None, *output_shape):
            raise ValueError(
                f"the given {role} makes {shape} of {shown}: want {(None, *output_shape)}."
            )
        return
    if len(shape) not in (1, 2, 4) or (len(shape) > 1 and shape[-1] != 1):
        raise ValueError(
            f"the given {role} answers {shape}: want one logit an image, (None, 1), or one a "
            "patch, (None, h, w, 1)."
        )
    last = network.layers[-1] if network.layers else None
    if getattr(last, "activation", None) is keras.activations.sigmoid:
        raise ValueError(
            f"the given {role} ends in a sigmoid; the losses take logits: leave the activation out."
        )
