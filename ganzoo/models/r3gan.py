"""R3GAN: a plain residual GAN without tricks, kept stable by its loss.

Huang, Gokaslan, Kuleshov and Tompkin 2024, "The GAN is dead; long live the GAN! A Modern Baseline
GAN", https://arxiv.org/abs/2501.05441. It adds a relativistic pairing loss with zero-centred
gradient penalties on real images and on fakes in every step. With their guarantee it drops
normalisation, minibatch statistics, style injection and lazy penalties, and takes residual blocks
of grouped convolutions.

Networks, initial weights, penalties and schedules of the penalty and of the average are those of
the authors' code (brownvc/R3GAN). Differences from it:

* D is updated first, then G on the same fakes and real images; there G comes first and D sees fakes
  of its own;
* learning rates (2e-4) and Adam's beta_2 (0.99) are constant; there they go from 2e-4 to 5e-5 and
  from 0.9 to 0.99. Adam's epsilon is 1e-7;
* no adaptive augmentation by default; there its strength rises to 0.3 to 0.55 by the clock.

Of the reduced precisions take "mixed_bfloat16", as the authors do: the gradients that the penalties
square are not loss-scaled and may vanish in float16.
"""

import collections
import math

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import losses, shapes
from ganzoo.gan import GAN
from ganzoo.layers import FIRDownsample, FIRUpsample, GroupedConv2D
from ganzoo.models.cgan import check_num_classes
from ganzoo.models.sngan import check_networks, given
from ganzoo.models.wgan_gp import refuse_batch_norm
from ganzoo.penalties import squared_gradient_norm

# side in pixels; channels at each size from the grid up; channels in a group; gamma at the start
# and the end; half-life of the average at the end, and length of all schedules, in images
Architecture = collections.namedtuple(
    "Architecture", "side filters group_size gamma ema_half_life schedule_images"
)
ARCHITECTURES = {
    "cifar10": Architecture(32, [768] * 4, 16, (0.05, 0.005), 5e6, 2e7),
    "ffhq64": Architecture(64, [768] * 4 + [384], 16, (2.0, 0.2), 5e5, 2e7),
    "ffhq256": Architecture(256, [768] * 4 + [384, 192, 96], 16, (150.0, 15.0), 5e5, 2e7),
    "imagenet32": Architecture(32, [1536] * 4, 32, (0.5, 0.05), 5e7, 2e8),
    "imagenet64": Architecture(64, [1536] * 5, 32, (1.0, 0.1), 5e7, 2e8),
}

# keeps the variance of what a leaky ReLU of slope 0.2 passes on
ACTIVATION_GAIN = (2 / (1 + 0.2**2)) ** 0.5


@keras.saving.register_keras_serializable("ganzoo")
class GenerativeBasis(keras.layers.Layer):
    """A learned map for each channel, weighted by the input: `(N, C)` to `(N, *grid, C)`.

    Args:
        grid: `(H, W)` in pixels.
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, grid, **kwargs):
        super().__init__(**kwargs)
        self.grid = tuple(grid)

    def build(self, input_shape):
        draw = keras.initializers.RandomNormal(0.0, 1.0)
        self.basis = self.add_weight((*self.grid, input_shape[-1]), draw, name="basis")

    def call(self, inputs):
        return inputs[:, None, None, :] * self.basis

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.grid, input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "grid": list(self.grid)}


@keras.saving.register_keras_serializable("ganzoo")
class DiscriminativeBasis(keras.layers.Layer):
    """Each channel's product with a learned map, summed over positions: `(N, H, W, C)` to `(N, C)`.

    Args:
        **kwargs: of `keras.Layer`.
    """

    def build(self, input_shape):
        height, width = input_shape[1:3]
        draw = keras.initializers.RandomNormal(0.0, (height * width) ** -0.5)
        self.basis = self.add_weight(input_shape[1:], draw, name="basis")

    def call(self, inputs):
        return ops.sum(inputs * self.basis, axis=(1, 2))

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[-1]


def scaled(gain=1.0):
    """Weights from N(0, gain / sqrt(fan in))."""
    return keras.initializers.VarianceScaling(gain**2, "fan_in", "untruncated_normal")


def pointwise(filters, name):
    return layers.Conv2D(filters, 1, use_bias=False, kernel_initializer=scaled(), name=name)


def residual_block(x, group_size, gain, name):
    """1x1 to twice the channels, grouped 3x3, 1x1 back, added to x. The last starts at zero."""
    channels, wide = x.shape[-1], 2 * x.shape[-1]
    first = layers.Conv2D(wide, 1, kernel_initializer=scaled(gain), name=f"{name}_conv1")
    second = GroupedConv2D(
        wide,
        3,
        padding="same",
        groups=max(wide // group_size, 1),
        kernel_initializer=scaled(gain),
        name=f"{name}_conv2",
    )
    third = layers.Conv2D(
        channels, 1, use_bias=False, kernel_initializer="zeros", name=f"{name}_conv3"
    )
    h = layers.LeakyReLU(0.2)(first(x))
    h = layers.LeakyReLU(0.2)(second(h))
    return layers.Add()([x, third(h)])


def block_gain(blocks):
    """What keeps the variance of a sum over all blocks: each has two layers to share it."""
    return ACTIVATION_GAIN * sum(blocks) ** -0.25


def class_vectors(labels, num_classes, size, gain=1.0):
    """`(N, size)` float32, a learned vector for each class."""
    draw = scaled(gain)
    return layers.Embedding(
        num_classes, size, embeddings_initializer=draw, dtype="float32", name="class_embedding"
    )(labels)


def generator_network(image_shape, latent_dim, widths, blocks, group_size=16, num_classes=None):
    """Latents `(N, latent_dim)`, with classes also labels `(N,)`, to images about in [-1, 1].

    Args:
        image_shape: `(H, W, C)`.
        latent_dim: length of the latent vector, and of the vector of a class.
        widths: channels at each size, from the grid up.
        blocks: residual blocks at each size.
        group_size: channels in a group of the 3x3 convolutions.
        num_classes: None for none.
    """
    grid, doublings = shapes.plan(image_shape)
    gain = block_gain(blocks)
    x = latents = keras.Input((latent_dim,), name="latents")
    inputs = latents
    if num_classes:
        inputs = [latents, keras.Input((), dtype="int32", name="labels")]
        x = layers.Concatenate()([latents, class_vectors(inputs[1], num_classes, latent_dim)])
    x = layers.Dense(widths[0], use_bias=False, kernel_initializer=scaled(), name="linear")(x)
    x = GenerativeBasis(grid, name="basis")(x)
    for i, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        if i:
            # 1x1 before the filter, where there are four times fewer pixels
            x = x if width == x.shape[-1] else pointwise(width, f"stage{i}_resize")(x)
            x = FIRUpsample()(x)
        for j in range(count):
            x = residual_block(x, group_size, gain, f"stage{i}_block{j}")
    x = pointwise(image_shape[-1], "to_image")(x)
    cut = shapes.crop(image_shape, grid, doublings)
    x = layers.Activation("linear", dtype="float32")(cut(x) if cut else x)
    return keras.Model(inputs, x, name="generator")


def discriminator_network(image_shape, widths, blocks, group_size=16, num_classes=None):
    """Images `(N, H, W, C)` in [-1, 1], with classes also labels `(N,)`, to logits `(N, 1)`.

    Args:
        image_shape: `(H, W, C)`.
        widths, blocks: as the generator's, from the grid up: the last are at full size.
        group_size: channels in a group of the 3x3 convolutions.
        num_classes: None for none.
    """
    gain, last = block_gain(blocks), len(widths) - 1
    x = images = keras.Input(image_shape, name="images")
    x = pointwise(widths[-1], "from_image")(x)
    for i in range(last, -1, -1):
        for j in range(blocks[i]):
            x = residual_block(x, group_size, gain, f"stage{i}_block{j}")
        if i:
            x = FIRDownsample()(x)
            width = widths[i - 1]
            x = x if width == x.shape[-1] else pointwise(width, f"stage{i}_resize")(x)
    x = DiscriminativeBasis(dtype="float32", name="basis")(x)
    head = {"use_bias": False, "kernel_initializer": scaled(), "dtype": "float32", "name": "head"}
    if not num_classes:
        return keras.Model(images, layers.Dense(1, **head)(x), name="discriminator")
    labels = keras.Input((), dtype="int32", name="labels")
    x = layers.Dense(widths[0], **head)(x)
    vectors = class_vectors(labels, num_classes, widths[0], widths[0] ** -0.5)
    return keras.Model([images, labels], layers.Dot(1)([x, vectors]), name="discriminator")


def extended(filters, sizes):
    """The first `sizes` of `filters`, halved onwards where there are more sizes."""
    filters = list(filters[:sizes])
    while len(filters) < sizes:
        filters.append(max(filters[-1] // 2, 1))
    return tuple(filters)


def check_sizes(filters, blocks, group_size, sizes):
    """Refuses widths or blocks that do not fit the number of sizes or the groups."""
    for name, values in (("filters", filters), ("blocks", blocks)):
        if len(values) != sizes:
            raise ValueError(f"{name}={values}: this image size takes {sizes} of them.")
    for width in filters:
        if 2 * width % max(2 * width // group_size, 1):
            raise ValueError(
                f"filters={filters}: twice a width must divide into groups of group_size="
                f"{group_size}; {2 * width} does not."
            )


def cosine(first, last, progress):
    """From `first` to `last` along half a cosine while `progress` goes from 0 to 1."""
    return last + (first - last) * (1 + ops.cos(math.pi * progress)) / 2


@keras.saving.register_keras_serializable("ganzoo")
class R3GAN(GAN):
    """A modern baseline GAN: Huang et al. 2024, https://arxiv.org/abs/2501.05441.

    Trainable parameters of G and D: `R3GAN()`, for CIFAR-10: 20,732,160 and 20,683,776, and with
    `num_classes=10` 20,781,952 and 21,280,512. `R3GAN(architecture="ffhq64")`: 22,429,824 and
    22,381,440; "ffhq256": 23,057,952 and 23,009,568. With `num_classes=1000`, "imagenet32":
    82,914,304 and 86,548,992; "imagenet64": 103,570,432 and 107,205,120.

    The logs hold `r1` and `r2`, the mean penalties without their weight `gamma / 2`; `evaluate`
    gives `d_loss` without them. Fakes are of the classes of the real images they are paired with.

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default that
            of the architecture, or of the given networks.
        num_classes: how many classes there are; `fit` then takes labels. Default None, for none.
        latent_dim: length of the latent vector. Default 64.
        architecture: whose settings the defaults below are: "cifar10", "ffhq64", "ffhq256",
            "imagenet32" or "imagenet64". Each makes any size.
        filters: channels at each size from the grid (4x4 of 32x32) up; or one number for the grid,
            halved with each doubling. Default the architecture's, halved onwards for larger images.
        blocks: residual blocks at each size, or one number for all. Default 2.
        group_size: channels in a group of the 3x3 convolutions. Default 16 or 32.
        gamma: weight of both penalties: a number, or `(first, last)` of a cosine schedule. Higher
            for larger images, from (0.05, 0.005) to (150, 15).
        schedule_images: images until the schedules end. Default 2e7 or 2e8.
        ema_half_life: of the averaged generator, in images, at the end of a cosine schedule from 0;
            None for no average. Default 5e5, 5e6 or 5e7.
        generator: a network of your own, latents (with classes `[latents, labels]`) to images in
            [-1, 1].
        discriminator: a network of your own, images (or `[images, labels]`) to one logit, without
            batch normalisation.
        ema_decay: share of the average kept at each step instead, see `ganzoo.GAN`. Default None.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size or architecture that cannot be made, widths that do not fit, a
            negative `gamma`, or a given network of other shapes or with batch normalisation.
    """

    reports = (*GAN.reports, "r1", "r2")
    recipe = {
        "batch_size": 64,
        "epochs": 25,
        "d_steps": 1,
        "g_steps": 1,
        # for processors: a step at the paper's width does not fit into 24 GiB
        "model": {"filters": 96, "blocks": 1},
    }

    def __init__(
        self,
        image_shape=None,
        num_classes=None,
        latent_dim=None,
        architecture="cifar10",
        filters=None,
        blocks=None,
        group_size=None,
        gamma=None,
        schedule_images=None,
        ema_half_life="auto",
        generator=None,
        discriminator=None,
        ema_decay=None,
        **kwargs,
    ):
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture={architecture!r}: want one of {list(ARCHITECTURES)}.")
        settings = ARCHITECTURES[architecture]
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, (settings.side, settings.side, 3), 64
        )
        if num_classes is not None:
            check_num_classes(num_classes)
        check_networks(generator, discriminator, image_shape, latent_dim, num_classes)
        refuse_batch_norm(discriminator)
        group_size = group_size or settings.group_size
        if generator is None or discriminator is None:
            sizes = shapes.plan(image_shape)[1] + 1
            if filters is None or isinstance(filters, int):
                filters = extended(settings.filters if filters is None else (filters,), sizes)
            blocks = (blocks or 2,) * sizes if isinstance(blocks, int | None) else blocks
            filters, blocks = tuple(filters), tuple(blocks)
            check_sizes(filters, blocks, group_size, sizes)
        gamma = settings.gamma if gamma is None else gamma
        first, last = gamma if isinstance(gamma, tuple | list) else (gamma, gamma)
        if not (first >= 0 and last >= 0):
            raise ValueError(f"gamma={gamma}: want 0 or more, a number or (first, last).")
        if ema_half_life == "auto":
            ema_half_life = settings.ema_half_life
        sizes = (filters, blocks, group_size, num_classes)
        by_images = ema_decay is None and ema_half_life is not None
        super().__init__(
            {
                "generator": generator
                or (lambda: generator_network(image_shape, latent_dim, *sizes)),
                "discriminator": discriminator
                or (lambda: discriminator_network(image_shape, *sizes)),
            },
            ema_decay=0.0 if by_images else ema_decay,
            **kwargs,
        )
        self.ema_decay, self.ema_half_life = ema_decay, ema_half_life
        self.image_shape, self.latent_dim, self.num_classes = image_shape, latent_dim, num_classes
        self.architecture, self.filters, self.blocks = architecture, filters, blocks
        self.group_size, self.gamma = group_size, gamma
        self.schedule_images = schedule_images or settings.schedule_images

    def default_optimizer(self, player):
        return keras.optimizers.Adam(2e-4, beta_1=0.0, beta_2=0.99)

    def default_loss(self):
        return losses.Relativistic()

    def progress(self, n):
        """The share of the schedules that is over, in [0, 1], if D's updates see n images each."""
        seen = ops.cast(self.d_optimizer.iterations, "float32") * float_count(n)
        return ops.minimum(seen / self.schedule_images, 1.0)

    def averaging(self, n):
        """The share of the average that is kept after a step on n images; None for `ema_decay`."""
        if self.ema_decay is not None or self.ema_half_life is None:
            return None
        half_life = cosine(0.0, self.ema_half_life, self.progress(n))
        return 0.5 ** (float_count(n) / ops.maximum(half_life, 1e-8))

    def judge(self, images, labels):
        return self.discriminator(given(self.see(images), labels), training=True)

    def train_step(self, data):
        for batch in self.real_batches(data):
            real, labels = (batch, None) if self.num_classes is None else batch
            n = ops.shape(real)[0]
            twice = labels if labels is None else ops.concatenate([labels, labels])
            # 1. G makes a fake to pair with each real image
            with tf.GradientTape() as g_tape:
                fake = self.generator(given(self.latents(n), labels), training=True)
            images = ops.concatenate([real, ops.stop_gradient(fake)])
            # 2. D tells the images of each pair apart, with small slopes at both (equations 2, 3)
            with tf.GradientTape() as d_tape:
                with tf.GradientTape() as slopes:
                    slopes.watch(images)
                    verdicts = self.judge(images, twice)
                r1, r2 = ops.split(squared_gradient_norm(slopes, verdicts, images), 2)
                d_real, d_fake = ops.split(verdicts, 2)
                first, last = self.gamma if isinstance(self.gamma, tuple) else (self.gamma,) * 2
                gamma = cosine(first, last, self.progress(n))
                d_loss = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
                d_loss = d_loss + gamma / 2 * (ops.mean(r1) + ops.mean(r2))
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fake = self.generator(given(self.latents(n), labels), training=True)
            # 3. G turns each pair round in the updated D's eyes
            against = self.judge(real, labels)
            with g_tape:
                g_loss = ops.mean(self.loss.generator(self.judge(fake, labels), against))
            self.descend("g", g_tape, g_loss)
        self.average(self.averaging(n))
        return self.report(
            d_loss=d_loss,
            g_loss=g_loss,
            real=(real, d_real),
            fake=(fake, d_fake),
            r1=ops.mean(r1),
            r2=ops.mean(r2),
        )


def float_count(n):
    """Images in all replicas' batches of n."""
    return ops.cast(n, "float32") * tf.distribute.get_strategy().num_replicas_in_sync
