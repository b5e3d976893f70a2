"""DCGAN: convolutions up in the generator, convolutions down in the discriminator.

Radford, Metz and Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", https://arxiv.org/abs/1511.06434. It adds to the first GAN strided
and transposed convolutions, batch normalisation and Adam with beta_1 0.5.

Two architectures:

* "course", the default: the layers of the course notes (96x96 RGB, latent 128, batches of 128).
  What the notes leave open is chosen here: slope 0.2, dropout in the generator 0 by default, batch
  normalisation with momentum 0.9 and epsilon 1e-5, weights drawn from N(0, 0.02) as in the paper.
* "radford": the paper's network as in the official PyTorch example, which starts from a transposed
  convolution of the latent vector, has no dense layer and no bias. Differences from that example: D
  answers with logits and the sigmoid is in the loss; Adam's epsilon is 1e-7; the running variance
  is the biased one (Keras's).
"""

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import losses, shapes
from ganzoo.gan import GAN


def convolution(kind, filters, kernel, stride, padding="same"):
    """A convolution, or a transposed one, without bias and drawn from N(0, 0.02)."""
    draw = keras.initializers.RandomNormal(0.0, 0.02)
    return kind(filters, kernel, stride, padding, use_bias=False, kernel_initializer=draw)


def batch_norm(name=None):
    """Batch normalisation with the paper's draw of the scale, N(1, 0.02); on several devices its
    statistics are those of the whole batch, so that they train as one would."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02),
        synchronized=replicas > 1,
        name=name,
    )


def course_generator(image_shape, latent_dim, filters, dropout):
    """Latents `(N, latent_dim)` to images `(N, *image_shape)` in [-1, 1], as in the notes."""
    latents = keras.Input((latent_dim,), name="latents")
    return keras.Model(latents, course_up(latents, image_shape, filters, dropout), name="generator")


def course_up(x, image_shape, filters=None, dropout=0.0):
    """The generator's layers, from a vector `(N, D)` to images `(N, *image_shape)` in [-1, 1]."""
    grid, doublings = shapes.plan(image_shape)
    filters = filters or [min(512, 32 * 2**i) for i in range(doublings, -1, -1)]
    x = layers.Dense(grid[0] * grid[1] * 64)(x)
    x = layers.Reshape((*grid, 64))(x)
    for i, stride in enumerate(shapes.strides(doublings, len(filters))):
        x = convolution(layers.Conv2DTranspose, filters[i], 5, stride)(x)
        x = batch_norm()(x)
        x = layers.ReLU()(x)
        if i < 2:
            x = layers.Dropout(dropout)(x)
    cut = shapes.crop(image_shape, grid, doublings)
    x = cut(x) if cut else x
    x = layers.Dense(image_shape[-1])(x)
    return layers.Activation("tanh", dtype="float32")(x)


def course_discriminator(image_shape, filters):
    """Images `(N, *image_shape)` in [-1, 1] to logits `(N, 1)`, as in the notes."""
    images = keras.Input(image_shape, name="images")
    return keras.Model(images, course_down(images, image_shape, filters), name="discriminator")


def course_down(x, image_shape, filters=None):
    """The discriminator's layers, from images with any planes added `(N, H, W, C + ...)` to logits
    `(N, 1)`."""
    _, doublings = shapes.plan(image_shape)
    if not filters:  # doubling from 64, which from 64 pixels on stands twice, as in the notes
        widths = [min(512, 64 * 2**i) for i in range(doublings)]
        filters = widths if doublings < 4 else [64, *widths[:-1]]
    for i, width in enumerate(filters):
        x = convolution(layers.Conv2D, width, 4, 2)(x)
        x = batch_norm()(x) if i else x
        x = layers.LeakyReLU(0.2)(x)
    return layers.Dense(1, dtype="float32")(layers.Flatten()(x))


def radford_generator(image_shape, latent_dim, filters, dropout):
    """Latents `(N, latent_dim)` to images `(N, *image_shape)` in [-1, 1], as in the paper."""
    grid, doublings = shapes.plan(image_shape)
    filters = filters or [min(512, 64 * 2**i) for i in range(doublings - 1, -1, -1)]
    x = latents = keras.Input((latent_dim,), name="latents")
    x = layers.Reshape((1, 1, latent_dim))(x)
    x = convolution(layers.Conv2DTranspose, filters[0], grid, 1, "valid")(x)
    widths = [*filters[1:], image_shape[-1]]
    for width, stride in zip(widths, shapes.strides(doublings, len(widths)), strict=True):
        x = batch_norm()(x)
        x = layers.ReLU()(x)
        x = layers.Dropout(dropout)(x) if dropout else x
        x = convolution(layers.Conv2DTranspose, width, 4, stride)(x)
    cut = shapes.crop(image_shape, grid, doublings)
    x = cut(x) if cut else x
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def radford_discriminator(image_shape, filters):
    """Images `(N, *image_shape)` in [-1, 1] to logits `(N, 1)`, as in the paper."""
    _, doublings = shapes.plan(image_shape)
    filters = filters or [min(512, 64 * 2**i) for i in range(doublings)]
    x = images = keras.Input(image_shape, name="images")
    for i, width in enumerate(filters):
        x = convolution(layers.Conv2D, width, 4, 2)(x)
        x = batch_norm()(x) if i else x
        x = layers.LeakyReLU(0.2)(x)
    x = convolution(layers.Conv2D, 1, x.shape[1:3], 1, "valid")(x)
    x = layers.Flatten(dtype="float32")(x)
    return keras.Model(images, x, name="discriminator")


# architecture -> (generator, discriminator, image shape, latent length)
ARCHITECTURES = {
    "course": (course_generator, course_discriminator, (96, 96, 3), 128),
    "radford": (radford_generator, radford_discriminator, (64, 64, 3), 100),
}


@keras.saving.register_keras_serializable("ganzoo")
class DCGAN(GAN):
    """Deep convolutional GAN: Radford et al. 2016, https://arxiv.org/abs/1511.06434.

    `DCGAN()` is the course notes' network (generator rows of 5,472,483 parameters, discriminator
    734,977); `DCGAN(architecture="radford")` the paper's at 64 px (3,576,704 and 2,765,568).

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default
            `(96, 96, 3)` ("radford": `(64, 64, 3)`), or that of the given networks.
        latent_dim: length of the latent vector. Default 128 ("radford": 100).
        architecture: "course" or "radford"; see the module.
        generator_filters: width of each transposed convolution; its length is the depth, so fewer
            are the notes' "fewer generator layers". Default by image size: halving towards 32
            ("radford": 64) at the full size, at most 512.
        discriminator_filters: width of each stride-2 convolution. Default by image size.
        dropout: share of the generator's first two layers dropped in training. Default 0.
        generator: a network of your own, latents to images in [-1, 1].
        discriminator: a network of your own, images to one logit.
        ema_decay: see `ganzoo.GAN`. Default 0.995 a step.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size or architecture that cannot be made, or a given network of other
            shapes.
    """

    recipe = {**GAN.recipe, "batch_size": 64, "epochs": 25}

    def __init__(
        self,
        image_shape=None,
        latent_dim=None,
        architecture="course",
        generator_filters=None,
        discriminator_filters=None,
        dropout=0.0,
        generator=None,
        discriminator=None,
        ema_decay=0.995,
        **kwargs,
    ):
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture={architecture!r}: want one of {list(ARCHITECTURES)}.")
        build_generator, build_discriminator, *defaults = ARCHITECTURES[architecture]
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, *defaults
        )
        shapes.check_network(generator, "generator", [(latent_dim,)], image_shape)
        shapes.check_network(discriminator, "discriminator", [image_shape])
        super().__init__(
            {
                "generator": generator
                or (lambda: build_generator(image_shape, latent_dim, generator_filters, dropout)),
                "discriminator": discriminator
                or (lambda: build_discriminator(image_shape, discriminator_filters)),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.latent_dim, self.architecture = image_shape, latent_dim, architecture
        self.generator_filters = generator_filters and tuple(generator_filters)
        self.discriminator_filters = discriminator_filters and tuple(discriminator_filters)
        self.dropout = dropout

    def default_optimizer(self, player):
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

    def default_loss(self):
        return losses.NonSaturating()

    def train_step(self, data):
        for real in self.real_batches(data):
            n = ops.shape(real)[0]
            # 1. G makes as many fakes as there are real images
            with tf.GradientTape() as g_tape:
                fake = self.generator(self.latents(n), training=True)
            # 2. D learns on a real and a fake batch of their own: one mixed batch would show batch
            #    normalisation which is which
            with tf.GradientTape() as d_tape:
                d_real = self.discriminator(self.see(real), training=True)
                d_fake = self.discriminator(self.see(ops.stop_gradient(fake)), training=True)
                d_loss = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fake = self.generator(self.latents(n), training=True)
            # 3. G learns to have the same fakes called real by the updated D
            with g_tape:
                verdict = self.discriminator(self.see(fake), training=True)
                g_loss = ops.mean(self.loss.generator(verdict))
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(d_loss=d_loss, g_loss=g_loss, real=(real, d_real), fake=(fake, d_fake))
