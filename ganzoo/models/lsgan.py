"""LSGAN: least squares instead of cross-entropy, so that fakes far from the border still teach.

Mao, Li, Xie, Lau, Wang and Smolley 2016, "Least Squares Generative Adversarial Networks",
https://arxiv.org/abs/1611.04076. Cross-entropy is flat for fakes that D already takes for real,
wherever they lie; a squared distance pulls them to the data.

Differences from the paper: the networks are DCGAN's of the course notes, not figure 5's (latent
1024, 112x112, generator with extra convolutions of stride 1); Adam's rate is 2e-4, the paper's for
characters (it takes 1e-3 for scenes).
"""

import keras
import tensorflow as tf
from keras import ops

from ganzoo import losses, shapes
from ganzoo.gan import GAN
from ganzoo.models.dcgan import course_discriminator, course_generator


@keras.saving.register_keras_serializable("ganzoo")
class LSGAN(GAN):
    """Least squares GAN: Mao et al. 2016, https://arxiv.org/abs/1611.04076.

    D learns to say `a` of fakes and `b` of real images, G to have D say `c` of fakes (equation 2).
    The paper's experiments use 0, 1, 1; with its other choice -1, 1, 0 G minimises a Pearson
    chi-squared divergence.

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default
            `(96, 96, 3)`, or that of the given networks.
        latent_dim: length of the latent vector. Default 128.
        a: D's label of fakes. Default 0.
        b: D's label of real images. Default 1.
        c: what G wants D to say of fakes. Default 1.
        generator_filters: width of each transposed convolution. Default by image size, as `DCGAN`.
        discriminator_filters: width of each stride-2 convolution. Default by image size.
        generator: a network of your own, latents to images in [-1, 1].
        discriminator: a network of your own, images to one linear verdict.
        ema_decay: see `ganzoo.GAN`. Default 0.995 a step; None for no average, as in the paper.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size that cannot be made, or a given network of other shapes.
    """

    def __init__(
        self,
        image_shape=None,
        latent_dim=None,
        a=0.0,
        b=1.0,
        c=1.0,
        generator_filters=None,
        discriminator_filters=None,
        generator=None,
        discriminator=None,
        ema_decay=0.995,
        **kwargs,
    ):
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, (96, 96, 3), 128
        )
        shapes.check_network(generator, "generator", [(latent_dim,)], image_shape)
        shapes.check_network(discriminator, "discriminator", [image_shape])
        super().__init__(
            {
                "generator": generator
                or (lambda: course_generator(image_shape, latent_dim, generator_filters, 0.0)),
                "discriminator": discriminator
                or (lambda: course_discriminator(image_shape, discriminator_filters)),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.latent_dim = image_shape, latent_dim
        self.a, self.b, self.c = a, b, c
        self.generator_filters = generator_filters and tuple(generator_filters)
        self.discriminator_filters = discriminator_filters and tuple(discriminator_filters)

    def default_optimizer(self, player):
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

    def default_loss(self):
        return losses.LeastSquares(self.a, self.b, self.c)

    def train_step(self, data):
        for real in self.real_batches(data):
            n = ops.shape(real)[0]
            # 1. G makes as many fakes as there are real images
            with tf.GradientTape() as g_tape:
                fake = self.generator(self.latents(n), training=True)
            # 2. D moves its verdicts towards b on real images and a on fakes
            with tf.GradientTape() as d_tape:
                d_real = self.discriminator(self.see(real), training=True)
                d_fake = self.discriminator(self.see(ops.stop_gradient(fake)), training=True)
                d_loss = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fake = self.generator(self.latents(n), training=True)
            # 3. G moves the updated D's verdicts on the same fakes towards c
            with g_tape:
                verdict = self.discriminator(self.see(fake), training=True)
                g_loss = ops.mean(self.loss.generator(verdict))
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(d_loss=d_loss, g_loss=g_loss, real=(real, d_real), fake=(fake, d_fake))
