"""CGAN: both networks are told the class, so images of a chosen class can be made.

Mirza and Osindero 2014, "Conditional Generative Adversarial Nets", https://arxiv.org/abs/1411.1784.
It adds to the first GAN a label as a further input of G and of D (figure 1, equation 2): D judges
whether an image is a real one of its class.

Differences from the paper: its networks for MNIST are multilayer perceptrons, in which image and
label meet in a hidden layer (maxout in D), trained with decaying SGD, momentum and dropout. Here
they are DCGAN's of the course notes with its Adam: G takes a learned code of the class beside the
latent vector, D the same kind of code as constant planes beside the image. G's loss is the
non-saturating one. Fakes are of the classes of the real images they are trained beside.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import losses, shapes
from ganzoo.gan import GAN
from ganzoo.models.dcgan import course_down, course_up

# numbers that stand for a class; few, because D sees each of them as a plane
CODE = 16


def class_code(labels, num_classes):
    """A learned code `(N, CODE)` of labels `(N,)`, drawn at the scale of latents, N(0, 1)."""
    draw = keras.initializers.RandomNormal(0.0, 1.0)
    return layers.Embedding(num_classes, CODE, draw, name="class_code")(labels)


def conditional_generator(image_shape, latent_dim, num_classes, filters):
    """Latents `(N, latent_dim)` and labels `(N,)` to images `(N, *image_shape)` in [-1, 1]."""
    latents = keras.Input((latent_dim,), name="latents")
    labels = keras.Input((), dtype="int32", name="labels")
    x = layers.Concatenate()([latents, class_code(labels, num_classes)])
    return keras.Model([latents, labels], course_up(x, image_shape, filters), name="generator")


def conditional_discriminator(image_shape, num_classes, filters):
    """Images `(N, *image_shape)` in [-1, 1] and labels `(N,)` to logits `(N, 1)`."""
    images = keras.Input(image_shape, name="images")
    labels = keras.Input((), dtype="int32", name="labels")
    height, width, _ = image_shape
    planes = layers.RepeatVector(height * width)(class_code(labels, num_classes))
    x = layers.Concatenate()([images, layers.Reshape((height, width, CODE))(planes)])
    verdicts = course_down(x, image_shape, filters)
    return keras.Model([images, labels], verdicts, name="discriminator")


@keras.saving.register_keras_serializable("ganzoo")
class CGAN(GAN):
    """Conditional GAN: Mirza and Osindero 2014, https://arxiv.org/abs/1411.1784.

    `fit` takes images and labels, class ids `(N,)` or one-hot rows; `generate(labels=...)` makes
    images of chosen classes.

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default
            `(28, 28, 1)`, the paper's MNIST, or that of the given networks.
        num_classes: how many classes there are. Default 10.
        latent_dim: length of the latent vector. Default 100, or that of the given generator.
        generator_filters: width of each transposed convolution. Default by image size, as `DCGAN`.
        discriminator_filters: width of each stride-2 convolution. Default by image size.
        generator: a network of your own, `[latents, labels]` to images in [-1, 1]; labels are int32
            `(N,)`.
        discriminator: a network of your own, `[images, labels]` to one logit.
        ema_decay: see `ganzoo.GAN`. Default 0.995 a step; None for no average, as in the paper.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size that cannot be made, `num_classes` below 1, or a given network of
            other shapes.
    """

    def __init__(
        self,
        image_shape=None,
        num_classes=10,
        latent_dim=None,
        generator_filters=None,
        discriminator_filters=None,
        generator=None,
        discriminator=None,
        ema_decay=0.995,
        **kwargs,
    ):
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, (28, 28, 1), 100
        )
        check_num_classes(num_classes)
        shapes.check_network(generator, "generator", [(latent_dim,), ()], image_shape)
        shapes.check_network(discriminator, "discriminator", [image_shape, ()])
        super().__init__(
            {
                "generator": generator
                or (
                    lambda: conditional_generator(
                        image_shape, latent_dim, num_classes, generator_filters
                    )
                ),
                "discriminator": discriminator
                or (
                    lambda: conditional_discriminator(
                        image_shape, num_classes, discriminator_filters
                    )
                ),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.latent_dim, self.num_classes = image_shape, latent_dim, num_classes
        self.generator_filters = generator_filters and tuple(generator_filters)
        self.discriminator_filters = discriminator_filters and tuple(discriminator_filters)

    def default_optimizer(self, player):
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

    def default_loss(self):
        return losses.NonSaturating()

    def train_step(self, data):
        for real, y in self.real_batches(data):
            n = ops.shape(real)[0]
            # 1. G makes a fake of the class of each real image
            with tf.GradientTape() as g_tape:
                fake = self.generator([self.latents(n), y], training=True)
            # 2. D learns whether an image is a real one of its class (equation 2)
            with tf.GradientTape() as d_tape:
                d_real = self.discriminator([self.see(real), y], training=True)
                seen = self.see(ops.stop_gradient(fake))
                d_fake = self.discriminator([seen, y], training=True)
                d_loss = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fake = self.generator([self.latents(n), y], training=True)
            # 3. G learns to have the same fakes called real ones of their class by the updated D
            with g_tape:
                verdict = self.discriminator([self.see(fake), y], training=True)
                g_loss = ops.mean(self.loss.generator(verdict))
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(d_loss=d_loss, g_loss=g_loss, real=(real, d_real), fake=(fake, d_fake))


def check_num_classes(num_classes):
    """Raises a ValueError unless `num_classes` is a whole number, 1 or more."""
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 1:
        raise ValueError(f"num_classes={num_classes!r}: want a whole number, 1 or more.")
