"""WGANGP: the critic's slopes are held to one by a penalty instead of clipped weights.

Gulrajani, Ahmed, Arjovsky, Dumoulin and Courville 2017, "Improved Training of Wasserstein GANs",
https://arxiv.org/abs/1704.00028. Clipped weights waste the critic on very simple functions; here
the norm of its gradient is pulled to 1 on random points between real and fake images.

The networks are those of the authors' code for CIFAR-10 (gan_cifar.py): 5x5 convolutions, batch
normalisation in the generator, none in the critic, since the penalty is one of each image alone.
Differences from that code:

* the critic's last layer has no bias, which ratings of real images and of fakes would share;
* Adam's beta_1 is 0, as in algorithm 1 (the code of this network has 0.5); its epsilon is 1e-7;
* weights are drawn by the fan-out of the whole kernel; the code divides it by the stride squared;
* the scale of batch normalisation is drawn from N(1, 0.02), and at inference its running
  statistics are used;
* the critic is trained first in each round, then G on the fakes of the critic's last update.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import losses, shapes
from ganzoo.gan import GAN
from ganzoo.models.dcgan import batch_norm
from ganzoo.penalties import gradient_penalty


def convolution(kind, filters, stride):
    """A 5x5 convolution, or a transposed one, drawn from He's uniform distribution."""
    draw = keras.initializers.VarianceScaling(2.0, "fan_avg", "uniform")
    return kind(filters, 5, stride, padding="same", kernel_initializer=draw)


def build_generator(image_shape, latent_dim, filters):
    """Latents `(N, latent_dim)` to images `(N, *image_shape)` in [-1, 1]."""
    grid, doublings = shapes.plan(image_shape)
    filters = filters or [min(512, 128 * 2**i) for i in range(doublings - 1, -1, -1)]
    x = latents = keras.Input((latent_dim,), name="latents")
    x = layers.Dense(grid[0] * grid[1] * filters[0])(x)
    x = layers.ReLU()(batch_norm()(x))
    x = layers.Reshape((*grid, filters[0]))(x)
    steps = shapes.strides(doublings, len(filters))
    for width, stride in zip(filters[1:], steps[:-1], strict=True):
        x = convolution(layers.Conv2DTranspose, width, stride)(x)
        x = layers.ReLU()(batch_norm()(x))
    x = convolution(layers.Conv2DTranspose, image_shape[-1], steps[-1])(x)
    cut = shapes.crop(image_shape, grid, doublings)
    x = cut(x) if cut else x
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_discriminator(image_shape, filters):
    """Images `(N, *image_shape)` in [-1, 1] to ratings `(N, 1)`."""
    _, doublings = shapes.plan(image_shape)
    x = images = keras.Input(image_shape, name="images")
    for width in filters or [min(512, 128 * 2**i) for i in range(doublings)]:
        x = layers.LeakyReLU(0.2)(convolution(layers.Conv2D, width, 2)(x))
    x = layers.Flatten()(x)
    return keras.Model(
        images, layers.Dense(1, use_bias=False, dtype="float32")(x), name="discriminator"
    )


def refuse_batch_norm(critic):
    """Raises a ValueError for a given critic that normalises over the batch; None passes."""
    for layer in critic._flatten_layers() if critic is not None else ():
        if isinstance(layer, layers.BatchNormalization):
            raise ValueError(
                f"the given discriminator has batch normalisation ({layer.name}): each rating then "
                "depends on the whole batch, and the gradient penalty is one of each image alone. "
                "Use LayerNormalization, GroupNormalization or none."
            )


@keras.saving.register_keras_serializable("ganzoo")
class WGANGP(GAN):
    """Wasserstein GAN with gradient penalty: Gulrajani et al. 2017,
    https://arxiv.org/abs/1704.00028.

    `WGANGP()` has a generator of 5,179,907 trainable parameters and a critic of 4,114,688. Its logs
    hold `penalty`, the mean of (|gradient| - 1)^2 without its weight, and `wasserstein`, the
    critic's mean rating of real images less that of fakes, which estimates their distance;
    `d_loss` is `gp_weight * penalty - wasserstein`. `evaluate` gives `d_loss` without the penalty.

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default
            `(32, 32, 3)`, or that of the given networks.
        latent_dim: length of the latent vector. Default 128.
        gp_weight: weight of the penalty, the paper's lambda. Default 10.
        generator_filters: width of the first feature map and after each transposed convolution but
            the last. Default by image size: halving towards 128, at most 512.
        discriminator_filters: width of each stride-2 convolution. Default by image size.
        generator: a network of your own, latents to images in [-1, 1].
        discriminator: a critic of your own, images to one linear rating, without batch
            normalisation.
        ema_decay: see `ganzoo.GAN`. Default 0.995 a step; None for no average, as in the paper.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size that cannot be made, a given network of other shapes, a given critic
            with batch normalisation, or a negative weight.
    """

    reports = (*GAN.reports, "wasserstein", "penalty")
    recipe = {"batch_size": 64, "epochs": 50, "d_steps": 5, "g_steps": 1}

    def __init__(
        self,
        image_shape=None,
        latent_dim=None,
        gp_weight=10.0,
        generator_filters=None,
        discriminator_filters=None,
        generator=None,
        discriminator=None,
        ema_decay=0.995,
        **kwargs,
    ):
        if not gp_weight >= 0:
            raise ValueError(f"gp_weight={gp_weight}: want 0 or more; the paper's is 10.")
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, (32, 32, 3), 128
        )
        shapes.check_network(generator, "generator", [(latent_dim,)], image_shape)
        shapes.check_network(discriminator, "discriminator", [image_shape])
        refuse_batch_norm(discriminator)
        super().__init__(
            {
                "generator": generator
                or (lambda: build_generator(image_shape, latent_dim, generator_filters)),
                "discriminator": discriminator
                or (lambda: build_discriminator(image_shape, discriminator_filters)),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.latent_dim, self.gp_weight = image_shape, latent_dim, gp_weight
        self.generator_filters = generator_filters and tuple(generator_filters)
        self.discriminator_filters = discriminator_filters and tuple(discriminator_filters)

    def default_optimizer(self, player):
        return keras.optimizers.Adam(1e-4, beta_1=0.0, beta_2=0.9)

    def default_loss(self):
        return losses.Wasserstein()

    def critic(self, images):
        """The critic's ratings `(N, 1)` in training; what the penalty differentiates."""
        return self.discriminator(images, training=True)

    def train_step(self, data):
        for real in self.real_batches(data):
            n = ops.shape(real)[0]
            # 1. G makes as many fakes as there are real images
            with tf.GradientTape() as g_tape:
                fake = self.generator(self.latents(n), training=True)
            both = self.see(ops.concatenate([real, ops.stop_gradient(fake)]))
            real, made = ops.split(both, 2)
            # 2. the critic drives its ratings of real images and of fakes apart, with slopes near 1
            #    between them; one pass rates both, since nothing in it mixes images
            with tf.GradientTape() as d_tape:
                d_real, d_fake = ops.split(self.critic(both), 2)
                penalty = gradient_penalty(self.critic, real, made, self.noise.uniform((n,)))
                penalty = ops.mean(penalty)
                d_loss = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
                d_loss = d_loss + self.gp_weight * penalty
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fake = self.generator(self.latents(n), training=True)
            # 3. G learns to have the same fakes rated higher by the updated critic
            with g_tape:
                g_loss = ops.mean(self.loss.generator(self.critic(self.see(fake))))
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(
            d_loss=d_loss,
            g_loss=g_loss,
            real=(real, d_real),
            fake=(fake, d_fake),
            wasserstein=ops.mean(d_real) - ops.mean(d_fake),
            penalty=penalty,
        )
