"""Adversarial losses as small classes: what each player minimises, one value an example.

All take D's raw outputs (logits), of shape `(N,)`, `(N, 1)` or, for a patch discriminator,
`(N, H, W, 1)`; patches are averaged, so the result is float32 `(N,)` whatever the precision of the
networks. The player's loss is the mean over the batch, taken in the `train_step`.
"""

import keras
import tensorflow as tf
from keras import ops


def per_example(values):
    """Means `(N, ...)` over all axes but the first."""
    return ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)


def cross_entropy(logits, label):
    """Sigmoid cross-entropy from logits, without overflow: softplus(l) - label * l.

    Args:
        logits: `(N, ...)`.
        label: a number, or one an example, `(N,)`; smoothed labels may leave [0, 1].
    """
    logits = ops.cast(logits, "float32")
    return ops.softplus(logits) - spread(label, logits) * logits


def spread(label, logits):
    """`label`, a number or `(N,)`, in a shape that broadcasts against `logits` `(N, ...)`."""
    label = ops.cast(label, "float32")
    return ops.reshape(label, (-1,) + (1,) * (len(logits.shape) - 1)) if len(label.shape) else label


class Loss:
    """The base of all adversarial losses.

    `labelled` says whether D's targets are labels; only then can they be smoothed or flipped, and
    only then does `discriminator` take `real_labels` and `fake_labels`, each a number or `(N,)`.
    `boundary` is the verdict above which D holds an image for real; None for a loss that only
    compares verdicts, to which the same number added to all makes no difference.
    """

    labelled = False
    boundary = None

    def discriminator(self, real, fake):
        """What D minimises, `(N,)` float32, from its logits on real and on fake images."""
        raise NotImplementedError(f"{type(self).__name__} must define discriminator(real, fake)")

    def generator(self, fake, real=None):
        """What G minimises, `(N,)` float32, from D's logits on fakes (and on real images)."""
        raise NotImplementedError(f"{type(self).__name__} must define generator(fake, real)")

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable("ganzoo")
class NonSaturating(Loss):
    """Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661: equation 1 for D, and for G the
    non-saturating form of section 3: G maximises log D(G(z))."""

    labelled = True
    boundary = 0.0

    def discriminator(self, real, fake, real_labels=1.0, fake_labels=0.0):
        on_real, on_fake = cross_entropy(real, real_labels), cross_entropy(fake, fake_labels)
        return per_example(on_real) + per_example(on_fake)

    def generator(self, fake, real=None):
        return per_example(cross_entropy(fake, 1.0))


@keras.saving.register_keras_serializable("ganzoo")
class Minimax(Loss):
    """Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661: equation 1 for both players. G
    minimises log(1 - D(G(z))), whose gradient vanishes while D is sure of itself."""

    labelled = True
    boundary = 0.0

    def discriminator(self, real, fake, real_labels=1.0, fake_labels=0.0):
        on_real, on_fake = cross_entropy(real, real_labels), cross_entropy(fake, fake_labels)
        return per_example(on_real) + per_example(on_fake)

    def generator(self, fake, real=None):
        return -per_example(cross_entropy(fake, 0.0))


@keras.saving.register_keras_serializable("ganzoo")
class LeastSquares(Loss):
    """LSGAN, Mao et al. 2016, https://arxiv.org/abs/1611.04076, equation 2.

    Args:
        a: D's label of fakes. Default 0.
        b: D's label of real images. Default 1.
        c: what G wants D to say of fakes. Default 1; the paper's other choice is (-1, 1, 0).
        factor: of the squares. Default the paper's 1/2; CycleGAN has 1.
    """

    labelled = True

    def __init__(self, a=0.0, b=1.0, c=1.0, factor=0.5):
        self.a, self.b, self.c, self.factor = a, b, c, factor

    @property
    def boundary(self):
        return (self.a + self.b) / 2

    def discriminator(self, real, fake, real_labels=None, fake_labels=None):
        real, fake = ops.cast(real, "float32"), ops.cast(fake, "float32")
        real_error = real - spread(self.b if real_labels is None else real_labels, real)
        fake_error = fake - spread(self.a if fake_labels is None else fake_labels, fake)
        return self.factor * (per_example(real_error**2) + per_example(fake_error**2))

    def generator(self, fake, real=None):
        return self.factor * per_example((ops.cast(fake, "float32") - self.c) ** 2)

    def get_config(self):
        return {"a": self.a, "b": self.b, "c": self.c, "factor": self.factor}


@keras.saving.register_keras_serializable("ganzoo")
class Wasserstein(Loss):
    """WGAN, Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875, equation 2 (signs turned, since
    we minimise)."""

    def discriminator(self, real, fake):
        return per_example(ops.cast(fake, "float32")) - per_example(ops.cast(real, "float32"))

    def generator(self, fake, real=None):
        return -per_example(ops.cast(fake, "float32"))


@keras.saving.register_keras_serializable("ganzoo")
class Hinge(Loss):
    """Geometric GAN, Lim and Ye 2017, https://arxiv.org/abs/1705.02894; equations 16, 17 of
    SNGAN, https://arxiv.org/abs/1802.05957."""

    boundary = 0.0

    def discriminator(self, real, fake):
        real, fake = ops.cast(real, "float32"), ops.cast(fake, "float32")
        return per_example(ops.relu(1.0 - real)) + per_example(ops.relu(1.0 + fake))

    def generator(self, fake, real=None):
        return -per_example(ops.cast(fake, "float32"))


@keras.saving.register_keras_serializable("ganzoo")
class Relativistic(Loss):
    """Relativistic pairing, Jolicoeur-Martineau 2018, https://arxiv.org/abs/1807.00734, in the form
    of R3GAN (https://arxiv.org/abs/2501.05441, equation 2): the i-th fake against the i-th real."""

    def discriminator(self, real, fake):
        real, fake = ops.cast(real, "float32"), ops.cast(fake, "float32")
        return per_example(ops.softplus(fake - real))

    def generator(self, fake, real=None):
        if real is None:
            raise ValueError(
                "Relativistic judges fakes against real images: call generator(fake, real=logits)."
            )
        real, fake = ops.cast(real, "float32"), ops.cast(fake, "float32")
        return per_example(ops.softplus(real - fake))


@keras.saving.register_keras_serializable("ganzoo")
class RelativisticAverage(Loss):
    """Relativistic average GAN, Jolicoeur-Martineau 2018, https://arxiv.org/abs/1807.00734, in the
    form of ESRGAN (https://arxiv.org/abs/1809.00219, equations 1, 2): each verdict against the mean
    of the other kind's, over the batch and all patches. The two terms are halved, as in the
    authors' code."""

    def discriminator(self, real, fake):
        return self.against_averages(real, fake, 1.0, 0.0)

    def generator(self, fake, real=None):
        if real is None:
            raise ValueError(
                "RelativisticAverage judges fakes against real images: call "
                "generator(fake, real=logits)."
            )
        return self.against_averages(real, fake, 0.0, 1.0)

    @staticmethod
    def against_averages(real, fake, real_label, fake_label):
        real, fake = ops.cast(real, "float32"), ops.cast(fake, "float32")
        real_terms = cross_entropy(real - batch_mean(fake), real_label)
        fake_terms = cross_entropy(fake - batch_mean(real), fake_label)
        return 0.5 * (per_example(real_terms) + per_example(fake_terms))


def batch_mean(values):
    """The mean of all elements over the batch of all replicas, a scalar."""
    mean = ops.mean(values)
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        context = tf.distribute.get_replica_context()
        mean = context.all_reduce(tf.distribute.ReduceOp.MEAN, mean)
    return mean
