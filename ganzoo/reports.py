"""The logs of a model: epoch means of what its steps report, and what can be seen of the game."""

import math

import keras
import tensorflow as tf
from keras import ops


class Reports:
    """Epoch means of a model's logs. Not a Keras object, so that it is no part of saved files."""

    def __init__(self, names):
        self.means = {name: keras.metrics.Mean(name=name) for name in names}
        self.metrics = []  # those given to `compile`, for `evaluate`

    def add(self, name, value, weight=None):
        """Adds a scalar to one mean; all replicas must give it the same weight."""
        self.means[name].update_state(ops.cast(value, "float32"), weight)

    def update(self, values, also=()):
        """Adds one step's values, a dict of scalars.

        Returns:
            The means so far of these names and of those in `also`, and `loss`, the sum of the
            players' losses: TerminateOnNaN and EarlyStopping look for it.
        """
        for name, value in values.items():
            self.add(name, value)
        results = {name: self.means[name].result() for name in (*values, *also)}
        results["loss"] = results["d_loss"] + results["g_loss"]
        if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
            # Keras reduces the logs of several workers over axis 0, which a scalar has not
            results = {name: ops.reshape(value, (1,)) for name, value in results.items()}
        return results


def state_of_game(loss, real, fake):
    """What a step's images and verdicts say of the game, at little cost.

    Args:
        loss: the `ganzoo.losses.Loss` of the verdicts.
        real, fake: `(images, verdicts)`, `(N, H, W, C)` in [-1, 1] and `(N, ...)`.

    Returns:
        A dict of float32 scalars:
        `d_real`, `d_fake`: the mean verdicts;
        `d_real_accuracy`, `d_fake_accuracy`: the share of real images above the loss's boundary,
        and of fakes below it. A loss without a boundary only compares verdicts: there both are the
        share of pairs, the i-th real image and the i-th fake, that D puts in the right order;
        `diversity`: the mean distance between two fakes, in units of that between two real images.
        NaN for a batch of one image.
    """
    d_real, d_fake = ops.cast(real[1], "float32"), ops.cast(fake[1], "float32")
    if loss.boundary is None:
        right_real = right_fake = d_real > d_fake
    else:
        right_real, right_fake = d_real > loss.boundary, d_fake < loss.boundary
    between_real, between_fake = over_replicas(distance(real[0]), distance(fake[0]))
    return {
        "d_real": ops.mean(d_real),
        "d_fake": ops.mean(d_fake),
        "d_real_accuracy": ops.mean(ops.cast(right_real, "float32")),
        "d_fake_accuracy": ops.mean(ops.cast(right_fake, "float32")),
        "diversity": between_fake / between_real,
    }


def distance(images):
    """The mean distance of the first image to the second, of the third to the fourth, and so on.

    As good an estimate as from all pairs of as many images, for as many operations as there are
    pixels, and the same on several devices, since neighbours lie on one.

    Args:
        images: `(N, H, W, C)`.

    Returns:
        A float32 scalar, root mean squares over pixels and channels in units of [-1, 1]; NaN when
        there is only one image.
    """
    n = ops.shape(images)[0] // 2
    pairs = ops.reshape(images[: 2 * n], (n, 2, math.prod(images.shape[1:])))
    # one after the other in memory: slices with a stride take many times as long
    first, second = ops.unstack(ops.cast(pairs, "float32"), axis=1)
    return ops.mean(ops.sqrt(ops.mean(tf.math.squared_difference(first, second), axis=1)))


def over_replicas(*values):
    """The means of scalars over all replicas."""
    values = ops.stack(values)
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        context = tf.distribute.get_replica_context()
        values = context.all_reduce(tf.distribute.ReduceOp.MEAN, values)
    return ops.unstack(values)


def gradient_norm(gradients):
    """The Euclidean norm of a player's whole gradient, a float32 scalar.

    Args:
        gradients: a list of tensors, of slices of them (of embeddings), and of None.
    """
    squares = [
        tf.nn.l2_loss(tf.cast(tf.convert_to_tensor(g), tf.float32))
        for g in gradients
        if g is not None
    ]
    return tf.sqrt(2.0 * tf.add_n(squares))
