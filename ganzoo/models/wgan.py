"""WGAN: a critic of clipped weights measures the distance between real and fake images.

Arjovsky, Chintala and Bottou 2017, "Wasserstein GAN", https://arxiv.org/abs/1701.07875. The critic
answers with any number instead of a probability; weights clipped to [-c, c] keep its slopes
bounded, and five updates of it for one of the generator keep its estimate near the distance.

The networks are the paper's, DCGAN's at 64 pixels with batch normalisation in both. As in the
authors' code the clipping covers all that the critic trains, the scales of batch normalisation
included. Differences from that code:

* weights are clipped when the model is made and after every update, as algorithm 1 has it; the
  code clips before every update, so that G there learns from a critic just past its limits;
* five critic updates always; the code makes 100 in the first 25 rounds and every 500th;
* G learns from the fakes of the critic's last update, not from new ones;
* the critic rates real images higher, as in equation 2; in the code it is lower;
* the running variance is the biased one (Keras's).
"""

import keras
import tensorflow as tf
from keras import ops

from ganzoo import losses, shapes
from ganzoo.gan import GAN
from ganzoo.models.dcgan import radford_discriminator, radford_generator


@keras.saving.register_keras_serializable("ganzoo")
class ClipWeights(keras.constraints.Constraint):
    """Keeps a weight within [-limit, limit]; the optimizer applies it after every update.

    Args:
        limit: the largest absolute value. Default 0.01, the paper's c.

    Raises:
        ValueError: for a limit that is not above 0.
    """

    def __init__(self, limit=0.01):
        if not limit > 0:
            raise ValueError(f"limit={limit}: want a number above 0; the paper's is 0.01.")
        self.limit = limit

    def __call__(self, weight):
        return ops.clip(weight, -self.limit, self.limit)

    def get_config(self):
        return {"limit": self.limit}


@keras.saving.register_keras_serializable("ganzoo")
class WGAN(GAN):
    """Wasserstein GAN with weight clipping: Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875.

    `WGAN()` has generator weights of 3,576,704 parameters and a critic of 2,765,568. Its logs hold
    `wasserstein`, the critic's mean rating of real images less that of fakes: up to an unknown
    factor the distance between the two, and the curve to watch (figure 3 of the paper).

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default
            `(64, 64, 3)`, or that of the given networks.
        latent_dim: length of the latent vector. Default 100.
        clip: the largest absolute value of the critic's trainable weights. Default 0.01.
        generator_filters: width of each transposed convolution but the last. Default by image size.
        discriminator_filters: width of each stride-2 convolution. Default by image size.
        generator: a network of your own, latents to images in [-1, 1].
        discriminator: a critic of your own, images to one linear rating. Its trainable weights are
            clipped at once, and constraints they had are replaced.
        ema_decay: see `ganzoo.GAN`. Default 0.995 a step; None for no average, as in the paper.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size that cannot be made, a given network of other shapes, or a clip that
            is not above 0.
    """

    reports = (*GAN.reports, "wasserstein")
    recipe = {"batch_size": 64, "epochs": 100, "d_steps": 5, "g_steps": 1}

    def __init__(
        self,
        image_shape=None,
        latent_dim=None,
        clip=0.01,
        generator_filters=None,
        discriminator_filters=None,
        generator=None,
        discriminator=None,
        ema_decay=0.995,
        **kwargs,
    ):
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, (64, 64, 3), 100
        )
        shapes.check_network(generator, "generator", [(latent_dim,)], image_shape)
        shapes.check_network(discriminator, "discriminator", [image_shape])
        within = ClipWeights(clip)
        super().__init__(
            {
                "generator": generator
                or (lambda: radford_generator(image_shape, latent_dim, generator_filters, 0.0)),
                "discriminator": discriminator
                or (lambda: radford_discriminator(image_shape, discriminator_filters)),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.latent_dim, self.clip = image_shape, latent_dim, clip
        self.generator_filters = generator_filters and tuple(generator_filters)
        self.discriminator_filters = discriminator_filters and tuple(discriminator_filters)
        # set on the variables, so that a user's critic is clipped like our own
        for weight in self.discriminator.trainable_variables:
            weight.constraint = within
            weight.assign(within(weight))

    def default_optimizer(self, player):
        # the authors' is PyTorch's RMSprop; Keras adds epsilon inside the root, where the square of
        # PyTorch's 1e-8 belongs; its own 1e-7 would hold back weights with gradients below 3e-4
        return keras.optimizers.RMSprop(5e-5, rho=0.99, epsilon=1e-16)

    def default_loss(self):
        return losses.Wasserstein()

    def train_step(self, data):
        for real in self.real_batches(data):
            n = ops.shape(real)[0]
            # 1. G makes as many fakes as there are real images
            with tf.GradientTape() as g_tape:
                fake = self.generator(self.latents(n), training=True)
            # 2. the critic drives its ratings of real images and of fakes apart; its optimizer then
            #    clips its weights
            with tf.GradientTape() as d_tape:
                d_real = self.discriminator(self.see(real), training=True)
                d_fake = self.discriminator(self.see(ops.stop_gradient(fake)), training=True)
                d_loss = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fake = self.generator(self.latents(n), training=True)
            # 3. G learns to have the same fakes rated higher by the updated critic
            with g_tape:
                rating = self.discriminator(self.see(fake), training=True)
                g_loss = ops.mean(self.loss.generator(rating))
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(
            d_loss=d_loss,
            g_loss=g_loss,
            real=(real, d_real),
            fake=(fake, d_fake),
            wasserstein=ops.mean(d_real) - ops.mean(d_fake),
        )
