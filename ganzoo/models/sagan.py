"""SAGAN: residual networks that look at the whole image at once.

Zhang, Goodfellow, Metaxas and Odena 2018, "Self-Attention Generative Adversarial Networks",
https://arxiv.org/abs/1805.08318. It adds to SNGAN self-attention in both networks, spectral
normalisation in G too, and two learning rates (Heusel et al. 2017,
https://arxiv.org/abs/1706.08500) with one update of D for each of G.

The networks are those of the PyTorch library kwotsin/mimicry, which has the paper's widths:
bilinear upsampling, D's shortcuts after the ReLU, a projection discriminator, batch normalisation
with epsilon 1e-5, PyTorch's spectral normalisation (inference takes the stored u and v).
Differences from it: G learns from the fakes that D saw; D judges real images and fakes in one pass,
so `u` takes one step of power iteration an update and not two; the running variance is the biased
one (Keras's); Adam's epsilon is 1e-7. Loss, betas (0, 0.9) and learning rates, 1e-4 for G and 4e-4
for D, are the paper's.
"""

import keras
import tensorflow as tf
from keras import ops

from ganzoo import losses, shapes
from ganzoo.gan import GAN
from ganzoo.layers import SelfAttention
from ganzoo.models import sngan
from ganzoo.models.cgan import check_num_classes
from ganzoo.models.sngan import given, judge

# PyTorch's spectral normalisation: no iteration at inference
SPECTRAL = {"inference_iterations": 0}
# architecture -> (default image shape, channels of G at full size, are widths constant?)
ARCHITECTURES = {
    "resnet32": ((32, 32, 3), 256, True),
    "resnet128": ((128, 128, 3), 64, False),
}
# the largest map that attention looks at, in pixels: 32x32 at 128 pixels, as in the paper
LARGEST_MAP = 32


def attended(image_shape, doublings):
    """How often the map that attention looks at is halved from the image: at least once."""
    halvings = 1
    while max(image_shape[:2]) > LARGEST_MAP * 2**halvings and halvings < doublings:
        halvings += 1
    return halvings


def attention(features):
    return SelfAttention(spectral=SPECTRAL, name="attention")(features)


def generator_network(image_shape, latent_dim=128, filters=64, constant=False, num_classes=None):
    """Latents `(N, latent_dim)`, with classes also labels `(N,)`, to images in [-1, 1].

    Args:
        image_shape: `(H, W, C)`.
        latent_dim: length of the latent vector.
        filters: channels at full size.
        constant: the same width at all sizes, or halved with each doubling.
        num_classes: for conditional batch normalisation; None for none.
    """
    grid, doublings = shapes.plan(image_shape)
    parts = sngan.Parts(SPECTRAL, num_classes, 1e-5, bilinear=True)
    latents, labels = sngan.generator_inputs(latent_dim, num_classes)
    first, *widths = sngan.generator_widths(doublings, filters, constant)
    x = sngan.seed_grid(latents, grid, first, parts)
    at = doublings - attended(image_shape, doublings)
    x = x if at else attention(x)
    for i, width in enumerate(widths, 1):
        x = sngan.generator_block(x, labels, width, parts, f"block{i}")
        x = attention(x) if i == at else x
    images = sngan.to_image(x, image_shape, grid, doublings, parts)
    inputs = latents if labels is None else [latents, labels]
    return keras.Model(inputs, images, name="generator")


def discriminator_network(image_shape, filters=64, constant=False, num_classes=None):
    """Images `(N, H, W, C)` in [-1, 1], with classes also labels `(N,)`, to logits `(N, 1)`.

    Args:
        image_shape: `(H, W, C)`.
        filters: channels of the generator at full size.
        constant: the same width in all blocks, half of `filters`; or doubled with each.
        num_classes: for the projection; None for none.
    """
    _, doublings = shapes.plan(image_shape)
    parts = sngan.Parts(SPECTRAL, relu_shortcut=True)
    x = images = keras.Input(image_shape, name="images")
    labels = num_classes and keras.Input((), dtype="int32", name="labels")
    widths, halvings = sngan.discriminator_widths(doublings, filters, constant)
    # of constant width (32 pixels), mimicry's D attends one block further in than its G
    at = attended(image_shape, doublings) + constant
    for i, width in enumerate(widths, 1):
        x = sngan.discriminator_block(x, width, parts, f"block{i}", i <= halvings, first=i == 1)
        x = attention(x) if i == at else x
    logits = sngan.verdict(x, labels, num_classes, parts)
    inputs = images if labels is None else [images, labels]
    return keras.Model(inputs, logits, name="discriminator")


@keras.saving.register_keras_serializable("ganzoo")
class SAGAN(GAN):
    """Self-attention GAN: Zhang et al. 2018, https://arxiv.org/abs/1805.08318.

    `SAGAN()` makes 128x128 images, the paper's size; with `num_classes=1000`, its setting, the
    networks have 42,078,852 and 30,062,338 trainable parameters.
    `SAGAN(architecture="resnet32", num_classes=10)`: 4,386,308 and 1,075,586.

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default that
            of the architecture, or of the given networks.
        num_classes: how many classes there are; `fit` then takes labels. Default None, for none.
        latent_dim: length of the latent vector. Default 128.
        architecture: "resnet128", widths that halve with each doubling; "resnet32", all of one
            width. Each makes any size; what differs is the default size. Default "resnet128".
        filters: channels of the generator at full size. Default 64, or 256 ("resnet32").
        generator: a network of your own, latents (with classes `[latents, labels]`) to images in
            [-1, 1].
        discriminator: a network of your own, images (or `[images, labels]`) to one logit.
        ema_decay: see `ganzoo.GAN`. Default None.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size or architecture that cannot be made, `num_classes` below 1, or a
            given network of other shapes.
    """

    recipe = {
        "batch_size": 64,
        "epochs": 30,
        "d_steps": 1,
        "g_steps": 1,
        "model": {"filters": 16},  # a quarter of the paper's width, for processors
    }

    def __init__(
        self,
        image_shape=None,
        num_classes=None,
        latent_dim=None,
        architecture="resnet128",
        filters=None,
        generator=None,
        discriminator=None,
        ema_decay=None,
        **kwargs,
    ):
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture={architecture!r}: want one of {list(ARCHITECTURES)}.")
        default_shape, width, constant = ARCHITECTURES[architecture]
        filters = filters or width
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, default_shape, 128
        )
        if num_classes is not None:
            check_num_classes(num_classes)
        sngan.check_networks(generator, discriminator, image_shape, latent_dim, num_classes)
        options = (filters, constant, num_classes)
        super().__init__(
            {
                "generator": generator
                or (lambda: generator_network(image_shape, latent_dim, *options)),
                "discriminator": discriminator
                or (lambda: discriminator_network(image_shape, *options)),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.latent_dim, self.num_classes = image_shape, latent_dim, num_classes
        self.architecture, self.filters = architecture, filters

    def default_optimizer(self, player):
        # two time scales: D learns four times as fast
        return keras.optimizers.Adam({"g": 1e-4, "d": 4e-4}[player], beta_1=0.0, beta_2=0.9)

    def default_loss(self):
        return losses.Hinge()

    def train_step(self, data):
        for batch in self.real_batches(data):
            real, labels = (batch, None) if self.num_classes is None else batch
            n = ops.shape(real)[0]
            # 1. G makes as many fakes as there are real images, of classes of its own
            fake_labels = self.classes(n)
            with tf.GradientTape() as g_tape:
                fake = self.generator(given(self.latents(n), fake_labels), training=True)
            # 2. D pushes verdicts on real images above 1 and on fakes below -1 (equation 4)
            with tf.GradientTape() as d_tape:
                fixed = ops.stop_gradient(fake)
                d_real, d_fake = judge(self, real, fixed, labels, fake_labels)
                d_loss = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                fake_labels = self.classes(n)
                with tf.GradientTape() as g_tape:
                    fake = self.generator(given(self.latents(n), fake_labels), training=True)
            # 3. G raises the updated D's verdicts on the same fakes
            with g_tape:
                verdict = self.discriminator(given(self.see(fake), fake_labels), training=True)
                g_loss = ops.mean(self.loss.generator(verdict))
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(d_loss=d_loss, g_loss=g_loss, real=(real, d_real), fake=(fake, d_fake))
