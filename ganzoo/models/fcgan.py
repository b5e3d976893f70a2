"""FCGAN: the first GAN, two multilayer perceptrons.

Goodfellow et al. 2014, "Generative Adversarial Networks", https://arxiv.org/abs/1406.2661. The
layers are those of the course notes (grey 56x56 images, latent 100, batches of 256), with losses
from logits.

What differs from the paper: leaky ReLUs instead of maxout, Adam instead of momentum, images in
[-1, 1] behind a tanh. What the notes leave open is chosen here: slope 0.2, dropout 0.3, Adam 2e-4
with beta_1 0.5.
"""

import math

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import losses, shapes
from ganzoo.gan import GAN


def build_generator(image_shape, latent_dim, units):
    """Latents `(N, latent_dim)` to images `(N, *image_shape)` in [-1, 1]."""
    x = latents = keras.Input((latent_dim,), name="latents")
    for width in units:
        x = layers.Dense(width)(x)
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(math.prod(image_shape))(x)
    x = layers.Reshape(image_shape)(x)
    return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_discriminator(image_shape, units, dropout):
    """Images `(N, *image_shape)` in [-1, 1] to logits `(N, 1)`."""
    images = keras.Input(image_shape, name="images")
    x = layers.Flatten()(images)
    for width in units:
        x = layers.Dense(width)(x)
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dropout(dropout)(x)
    return keras.Model(images, layers.Dense(1, dtype="float32")(x), name="discriminator")


@keras.saving.register_keras_serializable("ganzoo")
class FCGAN(GAN):
    """Fully connected GAN: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661.

    `FCGAN()` is the course notes' network: 3,897,152 and 3,868,673 parameters.

    Args:
        image_shape: `(H, W, C)`, any size. Default `(56, 56, 1)`, or that of the given networks.
        latent_dim: length of the latent vector. Default 100, or that of the given generator.
        generator_units: widths of the hidden layers; fewer of them are the notes' "fewer
            generator layers". Default `(256, 512, 1024)`.
        discriminator_units: the same for the discriminator. Default `(1024, 512, 256)`.
        dropout: share of D's units dropped in training. Default 0.3.
        generator: a network of your own, latents to images in [-1, 1].
        discriminator: a network of your own, images to one logit.
        ema_decay: see `ganzoo.GAN`. Default None.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a given network of other shapes.
    """

    recipe = {**GAN.recipe, "batch_size": 256, "epochs": 100}

    def __init__(
        self,
        image_shape=None,
        latent_dim=None,
        generator_units=(256, 512, 1024),
        discriminator_units=(1024, 512, 256),
        dropout=0.3,
        generator=None,
        discriminator=None,
        ema_decay=None,
        **kwargs,
    ):
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, (56, 56, 1), 100
        )
        shapes.check_network(generator, "generator", [(latent_dim,)], image_shape)
        shapes.check_network(discriminator, "discriminator", [image_shape])
        super().__init__(
            {
                "generator": generator
                or (lambda: build_generator(image_shape, latent_dim, generator_units)),
                "discriminator": discriminator
                or (lambda: build_discriminator(image_shape, discriminator_units, dropout)),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.latent_dim = image_shape, latent_dim
        self.generator_units = tuple(generator_units)
        self.discriminator_units = tuple(discriminator_units)
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
            # 2. D learns to tell them apart, on a real and a fake batch of their own (equation 1)
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
