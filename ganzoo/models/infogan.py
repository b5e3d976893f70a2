"""InfoGAN: learns without labels what its codes mean, by having D's body read them off the image.

Chen, Duan, Houthooft, Schulman, Sutskever and Abbeel 2016, "InfoGAN: Interpretable Representation
Learning by Information Maximizing Generative Adversarial Nets", https://arxiv.org/abs/1606.03657.
Part of G's input are codes: categories, and numbers in [-1, 1]. A recognition network Q, a head on
D's body, guesses them from the fake; the lower bound of their mutual information with the image
(equation 5) is subtracted from the losses of both players.

The networks are the paper's for MNIST (table 1), longer for larger images. Differences from the
authors' code (openai/InfoGAN): noise is normal, not uniform; continuous codes have a learned
variance, as the paper says, where that code keeps it at 1 for MNIST; slope 0.1 as in the paper,
0.01 in the code; images are in [-1, 1] behind a tanh, not in [0, 1]; G is trained on the fakes of
D's last update; batch normalisation has momentum 0.9. With a learned variance the continuous codes
weigh 0.1, not 1: with 1, after 8 epochs of 10,000 garments, G still made noise that carried codes.
"""

import itertools
import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from ganzoo import inputs, losses, sampling, shapes
from ganzoo.gan import GAN
from ganzoo.models.dcgan import batch_norm, convolution
from ganzoo.random import uniform

# keeps the likelihood finite when Q is sure of a continuous code
TINY = 1e-6


def dense(units):
    """A dense layer before batch normalisation: without bias, drawn from N(0, 0.02)."""
    draw = keras.initializers.RandomNormal(0.0, 0.02)
    return layers.Dense(units, use_bias=False, kernel_initializer=draw)


def generator_network(image_shape, latent_dim, filters):
    """Noise and codes `(N, latent_dim)` to images `(N, *image_shape)` in [-1, 1]."""
    grid, doublings = shapes.plan(image_shape)
    filters = filters or [min(512, 64 * 2**i) for i in range(doublings - 1, -1, -1)]
    x = latents = keras.Input((latent_dim,), name="latents")
    for units in (8 * filters[0], grid[0] * grid[1] * filters[0]):
        x = layers.ReLU()(batch_norm()(dense(units)(x)))
    x = layers.Reshape((*grid, filters[0]))(x)
    widths = [*filters[1:], image_shape[-1]]
    for i, stride in enumerate(shapes.strides(doublings, len(widths))):
        x = layers.ReLU()(batch_norm()(x)) if i else x
        draw, last = keras.initializers.RandomNormal(0.0, 0.02), i == len(widths) - 1
        x = layers.Conv2DTranspose(
            widths[i], 4, stride, "same", use_bias=last, kernel_initializer=draw
        )(x)
    cut = shapes.crop(image_shape, grid, doublings)
    x = cut(x) if cut else x
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def discriminator_network(image_shape, answers, filters):
    """Images `(N, *image_shape)` in [-1, 1] to a logit `(N, 1)` and Q's answers `(N, answers)`."""
    _, doublings = shapes.plan(image_shape)
    filters = filters or [min(512, 64 * 2**i) for i in range(doublings)]
    x = images = keras.Input(image_shape, name="images")
    for i, width in enumerate(filters):
        x = convolution(layers.Conv2D, width, 4, 2)(x)
        x = batch_norm()(x) if i else x
        x = layers.LeakyReLU(0.1)(x)
    x = dense(8 * filters[-1])(layers.Flatten()(x))
    body = layers.LeakyReLU(0.1)(batch_norm()(x))
    verdict = layers.Dense(1, dtype="float32", name="verdict")(body)
    x = layers.LeakyReLU(0.1)(batch_norm()(dense(filters[-1])(body)))
    codes = layers.Dense(answers, dtype="float32", name="codes")(x)
    return keras.Model(images, [verdict, codes], name="discriminator")


def category_loss(logits, one_hot):
    """Cross-entropy `(N,)` in nats of one-hot rows `(N, k)` under logits `(N, k)`."""
    return ops.categorical_crossentropy(one_hot, logits, from_logits=True)


def normal_loss(codes, mean, log_variance):
    """Minus the log-likelihood `(N,)` in nats of codes `(N, k)` under independent normals."""
    variance = ops.exp(log_variance)
    spread = 0.5 * ops.log(2 * math.pi * variance + TINY)
    return ops.sum(spread + (codes - mean) ** 2 / (2 * variance + TINY), axis=1)


@keras.saving.register_keras_serializable("ganzoo")
class InfoGAN(GAN):
    """Information maximizing GAN: Chen et al. 2016, https://arxiv.org/abs/1606.03657.

    `fit` takes images and passes over labels. `generate(codes=...)` makes images of chosen codes.
    The logs also hold `information`, the lower bound of the mutual information in nats (at most
    log 10 = 2.3 for ten categories), and `category_accuracy`, how often Q reads the category right.

    G's input is one vector: noise, the categories as one-hot rows, the continuous codes.

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default
            `(28, 28, 1)`, or that of the given networks.
        categories: how many values the categorical code has; a tuple for several codes, () for
            none. Default 10.
        continuous: how many continuous codes there are, each uniform in [-1, 1]. Default 2.
        latent_dim: length of G's input, noise and codes together. Default 62 and the codes, 74; or
            that of the given generator.
        category_weight: of the categories' information in both losses. Default 1.
        continuous_weight: of the continuous codes' information, which has no upper bound. Default
            0.1.
        generator_filters: width of the first grid and of each transposed convolution but the last.
            Default by image size: halving towards 64, at most 512.
        discriminator_filters: width of each stride-2 convolution. Default by image size.
        generator: a network of your own, `(N, latent_dim)` to images in [-1, 1].
        discriminator: a network of your own, images to a list of one logit and Q's answers: the
            logits of each categorical code, then the means and then the logarithms of the
            variances of the continuous ones, 14 in all by default.
        ema_decay: see `ganzoo.GAN`. Default None, as in the paper: at G's rate of 1e-3 an average
            comes late.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size that cannot be made, no code at all, a `latent_dim` that leaves no
            noise, or a given network of other shapes.
    """

    reports = (*GAN.reports, "information", "category_accuracy")

    def __init__(
        self,
        image_shape=None,
        categories=10,
        continuous=2,
        latent_dim=None,
        category_weight=1.0,
        continuous_weight=0.1,
        generator_filters=None,
        discriminator_filters=None,
        generator=None,
        discriminator=None,
        ema_decay=None,
        **kwargs,
    ):
        sizes = code_sizes(categories, continuous)
        code_length = sum(sizes) + continuous
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, (28, 28, 1), 62 + code_length
        )
        if latent_dim <= code_length:
            raise ValueError(
                f"latent_dim={latent_dim}: the codes take {code_length} of it, and noise the rest: "
                f"want {code_length + 1} or more."
            )
        answers = code_length + continuous
        shapes.check_network(generator, "generator", [(latent_dim,)], image_shape)
        shapes.check_network(discriminator, "discriminator", [image_shape], heads=[(answers,)])
        super().__init__(
            {
                "generator": generator
                or (lambda: generator_network(image_shape, latent_dim, generator_filters)),
                "discriminator": discriminator
                or (lambda: discriminator_network(image_shape, answers, discriminator_filters)),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.latent_dim = image_shape, latent_dim
        self.categories, self.continuous = categories, continuous
        self.category_weight, self.continuous_weight = category_weight, continuous_weight
        self.generator_filters = generator_filters and tuple(generator_filters)
        self.discriminator_filters = discriminator_filters and tuple(discriminator_filters)
        self.code_sizes, self.noise_dim = sizes, latent_dim - code_length

    def default_optimizer(self, player):
        return keras.optimizers.Adam({"g": 1e-3, "d": 2e-4}[player], beta_1=0.5)

    def default_loss(self):
        return losses.NonSaturating()

    def train_step(self, data):
        for real in self.real_batches(data):
            n = ops.shape(real)[0]
            # 1. G makes fakes of noise and codes
            z = self.latents(n)
            with tf.GradientTape() as g_tape:
                fake = self.generator(z, training=True)
            # 2. D learns to tell them apart, and Q to read the codes off the fakes (equation 6)
            with tf.GradientTape() as d_tape:
                d_real, _ = self.discriminator(self.see(real), training=True)
                seen = self.see(ops.stop_gradient(fake))
                d_fake, answers = self.discriminator(seen, training=True)
                judging = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
                d_loss = judging - self.weighted(self.information(answers, z))
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                z = self.latents(n)
                with tf.GradientTape() as g_tape:
                    fake = self.generator(z, training=True)
            # 3. G learns to have the same fakes called real, and to show the codes in them
            with g_tape:
                verdict, answers = self.discriminator(self.see(fake), training=True)
                information = self.information(answers, z)
                g_loss = ops.mean(self.loss.generator(verdict)) - self.weighted(information)
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(
            d_loss=d_loss,
            g_loss=g_loss,
            real=(real, d_real),
            fake=(fake, d_fake),
            information=sum(information),
            **self.read_right(answers, z),
        )

    def test_step(self, data):
        """The losses of one held-out batch."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        real = inputs.to_float(x)
        z = self.drawn(self.test_noise, ops.shape(real)[0])
        fake = self(z, training=False)
        d_real, _ = self.discriminator(real, training=False)
        d_fake, answers = self.discriminator(fake, training=False)
        information = self.information(answers, z)
        d_loss = ops.mean(self.loss.discriminator(d_real, d_fake))
        g_loss = ops.mean(self.loss.generator(d_fake, d_real))
        return self.test_report(
            d_loss=d_loss - self.weighted(information),
            g_loss=g_loss - self.weighted(information),
            real=(real, d_real),
            fake=(fake, d_fake),
            information=sum(information),
            **self.read_right(answers, z),
        )

    # Codes and what Q makes of them

    def latents(self, n):
        """n fresh inputs of G, `(n, latent_dim)`: noise, one-hot categories, continuous codes."""
        return self.drawn(self.noise, n)

    def drawn(self, noise, n):
        """`latents` from a `ganzoo.random.Noise`."""
        ids = ops.floor(noise.uniform((n, len(self.code_sizes))) * np.float32(self.code_sizes))
        continuous = noise.uniform((n, self.continuous), -1.0, 1.0)
        return self.joined(noise.normal((n, self.noise_dim)), ids, continuous)

    def joined(self, noise, ids, continuous):
        """G's input `(n, latent_dim)` of noise, ids of categories and continuous codes."""
        ids = ops.cast(ids, "int32")
        one_hot = [ops.one_hot(ids[:, i], size) for i, size in enumerate(self.code_sizes)]
        return ops.concatenate([noise, *one_hot, continuous], axis=1)

    def categorical(self, answers, z):
        """Q's logits and the one-hot rows of each categorical code: pairs of `(N, k)`."""
        ends = np.cumsum([0, *self.code_sizes])
        return [
            (answers[:, a:b], z[:, self.noise_dim + a : self.noise_dim + b])
            for a, b in itertools.pairwise(ends)
        ]

    def information(self, answers, z):
        """The lower bound of equation 5 for the categorical and for the continuous codes, in nats:
        the entropy of the codes less the cross-entropy of Q's answers."""
        answers = ops.cast(answers, "float32")
        categories = sum(
            math.log(logits.shape[-1]) - ops.mean(category_loss(logits, one_hot))
            for logits, one_hot in self.categorical(answers, z)
        )
        start, k = sum(self.code_sizes), self.continuous
        mean, log_variance = answers[:, start : start + k], answers[:, start + k :]
        codes = z[:, self.noise_dim + start :]
        # the entropy of a uniform code in [-1, 1] is log 2
        continuous = k * math.log(2) - ops.mean(normal_loss(codes, mean, log_variance))
        return categories, continuous

    def weighted(self, information):
        """What both players' losses are lowered by."""
        categories, continuous = information
        return self.category_weight * categories + self.continuous_weight * continuous

    def read_right(self, answers, z):
        """The log `category_accuracy`; {} without categories."""
        right = [
            ops.mean(ops.cast(ops.argmax(a, axis=1) == ops.argmax(b, axis=1), "float32"))
            for a, b in self.categorical(answers, z)
        ]
        return {"category_accuracy": sum(right) / len(right)} if right else {}

    # Sampling

    def generate(self, n=1, labels=None, seed=None, truncation=None, batch_size=64, codes=None):
        """New images, of chosen codes or of drawn ones.

        Args:
            n, seed, truncation, batch_size: as in `GAN.generate`; truncation acts on the noise.
            labels: None; the categories are codes.
            codes: a dict; a code that is left out is drawn. "category": ids `(n,)`, or `(n, k)`
                for k categorical codes. "continuous": numbers `(n, continuous)`; training saw
                [-1, 1], and a little beyond works. Example: `generate(2, codes={"category": [3, 3],
                "continuous": [[-1, 0], [1, 0]]})`.

        Returns:
            uint8 `(n, H, W, C)`.

        Raises:
            ValueError: as in `GAN.generate`, and for codes of other names, shapes or ranges.
        """
        if labels is not None:
            raise ValueError(
                'InfoGAN has no classes: leave labels out, or give codes={"category": ids}.'
            )
        return super().generate(n, codes, seed, truncation, batch_size)

    def sampling_inputs(self, n, codes, seed, truncation):
        """The inputs of `call` for n images: a list of one array `(n, latent_dim)`."""
        given = check_codes(codes or {}, n, self.code_sizes, self.continuous)
        noise = sampling.latents(n, self.noise_dim, seed, truncation)
        shares = uniform([seed, 1], (n, len(self.code_sizes)))
        ids = given.get("category", ops.floor(shares * np.float32(self.code_sizes)))
        drawn = uniform([seed, 2], (n, self.continuous), -1.0, 1.0)
        return [self.joined(noise, ids, given.get("continuous", drawn))]

    def traversal(self, code=0, rows=8, columns=10, span=2.0, seed=0):
        """Inputs of G for a picture in which one code runs through its values from left to right.

        Args:
            code: which, categorical codes first: with the defaults 0 is the category, 1 and 2 are
                the continuous codes.
            rows: rows of the picture, each of its own noise and other codes.
            columns: values of a continuous code; a categorical one has a column for each category.
            span: a continuous code runs from `-span` to `span`; the paper takes 2.
            seed: int, which noise and codes.

        Returns:
            float32 `(rows * columns, latent_dim)`, row by row.

        Raises:
            ValueError: for a code that there is not.
        """
        codes = [*self.code_sizes, *[1] * self.continuous]
        if code not in range(len(codes)):
            raise ValueError(f"code={code!r}: want a whole number below {len(codes)}.")
        start = self.noise_dim + sum(codes[:code])
        values = np.linspace(-span, span, columns)[:, None]
        if code < len(self.code_sizes):
            values = np.eye(codes[code])
        latents = np.repeat(self.sampling_inputs(rows, None, seed, None)[0], len(values), axis=0)
        latents[:, start : start + codes[code]] = np.tile(values, (rows, 1))
        return latents


def code_sizes(categories, continuous):
    """The sizes of the categorical codes as a tuple.

    Raises:
        ValueError: for sizes below 2, a negative number of continuous codes, or no code at all.
    """
    sizes = (categories,) if isinstance(categories, int) else tuple(categories)
    if any(isinstance(k, bool) or not isinstance(k, int) or k < 2 for k in sizes):
        raise ValueError(
            f"categories={categories!r}: want a whole number of 2 or more, or a tuple."
        )
    if isinstance(continuous, bool) or not isinstance(continuous, int) or continuous < 0:
        raise ValueError(f"continuous={continuous!r}: want a whole number, 0 or more.")
    if not sizes and not continuous:
        raise ValueError("categories=() and continuous=0: InfoGAN wants a code; DCGAN has none.")
    return sizes


def check_codes(codes, n, sizes, continuous):
    """The given codes as arrays: ids `(n, len(sizes))` int32, numbers `(n, continuous)` float32.

    Raises:
        ValueError: for other names, shapes, types or ranges.
    """
    want = (
        f'want a dict with "category", whole numbers ({n}, {len(sizes)}) below {sizes}, '
        f'"continuous", numbers ({n}, {continuous}), or both'
    )
    if not isinstance(codes, dict) or set(codes) - {"category", "continuous"}:
        raise ValueError(f"codes={codes!r}: {want}.")
    found = {name: np.asarray(value) for name, value in codes.items()}
    if "category" in found:
        ids = found["category"]
        ids = ids[:, None] if ids.ndim == 1 else ids
        if ids.shape != (n, len(sizes)) or not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(f'codes["category"] of shape {ids.shape}, type {ids.dtype}: {want}.')
        if (ids < 0).any() or (ids >= np.array(sizes, int)).any():
            raise ValueError(f'codes["category"] in [{ids.min()}, {ids.max()}]: {want}.')
        found["category"] = ids.astype("int32")
    if "continuous" in found:
        numbers = found["continuous"]
        fits = numbers.shape == (n, continuous) and numbers.dtype.kind in "fiu"
        if not fits or not np.isfinite(numbers).all():
            raise ValueError(f'codes["continuous"] of shape {numbers.shape}: {want}, all finite.')
        found["continuous"] = numbers.astype("float32")
    return found
