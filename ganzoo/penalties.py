"""Gradient penalties: one float32 value an example, `(N,)`. The weight is the caller's.

A penalty calls `discriminator(images)`, any callable: close over labels and augmentation. It is
called inside the tape of the player's loss, since what it returns is differentiated again. D must
not mix the images of a batch (no batch normalisation), or the gradient of one image's logit would
depend on the others.
"""

import tensorflow as tf
from keras import ops


def squared_gradient_norm(tape, logits, images):
    """|d logit / d image|^2 of each example, `(N,)` float32.

    For steps that need the logits as well: the pass through D is then shared.

    Args:
        tape: the `tf.GradientTape` that watched `images` and recorded `logits`.
        logits: D's verdicts `(N, ...)`; the several logits of a patch discriminator are summed.
        images: `(N, ...)`.
    """
    # the gradient of a sum over examples holds each example's own gradient
    gradients = ops.cast(tape.gradient(logits, images), "float32")
    return ops.sum(ops.square(gradients), axis=list(range(1, len(gradients.shape))))


def r1(discriminator, images):
    """R1 of Mescheder et al. 2018, https://arxiv.org/abs/1801.04406, equation 9: |grad D(x)|^2.

    The papers' losses take `gamma / 2` times its mean. On fakes the same function is R2.

    Args:
        discriminator: callable, images `(N, H, W, C)` to logits `(N, ...)`.
        images: real images `(N, H, W, C)` (R1), or fakes (R2), in [-1, 1].

    Returns:
        `(N,)` float32.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = discriminator(images)
    return squared_gradient_norm(tape, logits, images)


def r2(discriminator, images):
    """R2 of Mescheder et al. 2018, equation 10: `r1` on fakes `(N, H, W, C)`; returns `(N,)`."""
    return r1(discriminator, images)


def gradient_penalty(discriminator, real, fake, epsilon):
    """WGAN-GP's (|grad D(x)| - 1)^2 at x = epsilon * real + (1 - epsilon) * fake.

    Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, equation 3. The paper's weight is 10.

    Args:
        discriminator: callable, images `(N, H, W, C)` to logits `(N, ...)`.
        real, fake: images `(N, H, W, C)`.
        epsilon: one number an example, `(N,)`, uniform in [0, 1].

    Returns:
        `(N,)` float32.
    """
    epsilon = ops.cast(ops.reshape(epsilon, (-1,) + (1,) * (len(real.shape) - 1)), real.dtype)
    mixed = epsilon * real + (1 - epsilon) * ops.cast(fake, real.dtype)
    return ops.square(norm(r1(discriminator, mixed)) - 1.0)


def norm(squares):
    """The root of a squared norm, whose derivative at 0 is 0 and not infinite."""
    positive = squares > 0
    return ops.where(positive, ops.sqrt(ops.where(positive, squares, 1.0)), 0.0)


def path_length(synthesis, latents, noise):
    """How far images move with the latent, Karras et al. 2019, https://arxiv.org/abs/1912.04958,
    equation 4: |J^T y| for random images y, J being the images' derivative by the latent.

    The penalty is the square of its distance from a moving average; the average is the caller's.

    Args:
        synthesis: callable, latents to images `(N, H, W, C)`.
        latents: `(N, D)`, or `(N, layers, D)`; then squares are averaged over layers.
        noise: standard normal images `(N, H, W, C)`.

    Returns:
        lengths `(N,)` float32.
    """
    with tf.GradientTape() as tape:
        tape.watch(latents)
        images = ops.cast(synthesis(latents), "float32")
        pixels = ops.cast(images.shape[1] * images.shape[2], "float32")
        product = ops.sum(images * ops.cast(noise, "float32")) / ops.sqrt(pixels)
    gradient = ops.cast(tape.gradient(product, latents), "float32")
    squares = ops.sum(ops.square(gradient), axis=-1)
    return norm(ops.mean(ops.reshape(squares, (ops.shape(squares)[0], -1)), axis=1))


def lazy(step, every, penalty):
    """The mean of a penalty, computed in every `every`-th step only and `every` times as heavy.

    Karras et al. 2019, https://arxiv.org/abs/1912.04958, section 3.1 (their optimizers' rates are
    scaled too). Only the value is conditional, so this is sound under `tf.distribute`.

    Args:
        step: integer tensor, the updates so far; the penalty is due at 0, every, 2 every, ...
        every: steps between penalties; 1 for all.
        penalty: function without arguments that returns `(N,)`.

    Returns:
        float32 scalar; 0 when the penalty is not due.
    """
    if every == 1:
        return ops.mean(penalty())
    due = tf.equal(tf.cast(step, "int32") % every, 0)
    return tf.cond(due, lambda: every * ops.mean(penalty()), lambda: tf.constant(0.0))
