"""SRGAN: photographs enlarged with details that a discriminator believes.

Ledig et al. 2017, "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
Network", https://arxiv.org/abs/1609.04802. The mean squared error rewards the average of all
sharp images that a small one may come from, which is blurred; here the error is taken between
features of a content network, and D adds that the result should look like a photograph.

The networks are those of the paper as in Lornatang/SRGAN-PyTorch: SRResNet with 16 blocks, PReLU of
one slope a layer and pixel shuffling; a discriminator of eight convolutions and two dense layers.
The generator takes and makes images in [0, 1], as published checkpoints do. `fit`, `predict` and D
see [-1, 1] as everywhere in ganzoo, which is the paper's range of the large images. Differences:

* the content network is EfficientNet-Lite0, beside the pixels, which needs no download, unless
  `content="vgg19"` asks for the paper's; see `ganzoo.content`;
* a convolution before pixel shuffling starts with equal pixels, see `ganzoo.layers.EqualPixels`;
* the learning rate is 1e-4 all the time; the paper lowers it to 1e-5 for the second half of the
  adversarial stage. Adam's epsilon is 1e-7;
* the running variance is the biased one (Keras's).

The paper trains in two stages, and so does one `fit`: the first `pretraining_steps` updates move
the generator alone down the mean squared error, which makes it SRResNet (1,000,000 in the paper);
then the discriminator joins (200,000).
"""

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import content as contents
from ganzoo import losses
from ganzoo.layers import EqualPixels, PixelShuffle
from ganzoo.super_resolution import SuperResolution, check_networks

SCALES = (2, 3, 4, 8)


def batch_norm(name):
    """As PyTorch's defaults; on several devices its statistics are those of the whole batch."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, synchronized=replicas > 1, name=name
    )


def prelu(name):
    """One slope for the whole layer, 0.25 at first."""
    start = keras.initializers.Constant(0.25)
    return layers.PReLU(alpha_initializer=start, shared_axes=[1, 2, 3], name=name)


def convolution(filters, kernel, name, **kwargs):
    return layers.Conv2D(filters, kernel, padding="same", name=name, **kwargs)


def generator_network(channels, scale, filters, blocks):
    """Small images `(N, h, w, channels)` in [0, 1], any size, to `(N, scale h, scale w, channels)`
    in [0, 1] (a linear output, so it may leave that a little)."""
    small = keras.Input((None, None, channels), name="small_images")
    first = prelu("first_prelu")(convolution(filters, 9, "first_conv")(small))
    x = first
    for i in range(blocks):
        name, skip = f"block{i}", x
        x = convolution(filters, 3, f"{name}_conv1", use_bias=False)(x)
        x = prelu(f"{name}_prelu")(batch_norm(f"{name}_norm1")(x))
        x = convolution(filters, 3, f"{name}_conv2", use_bias=False)(x)
        x = layers.Add(name=f"{name}_sum")([skip, batch_norm(f"{name}_norm2")(x)])
    x = convolution(filters, 3, "trunk_conv", use_bias=False)(x)
    x = layers.Add(name="trunk_sum")([first, batch_norm("trunk_norm")(x)])
    for i, factor in enumerate([3] if scale == 3 else [2] * (scale.bit_length() - 1)):
        start = EqualPixels(factor)
        x = convolution(filters * factor**2, 3, f"up{i}_conv", kernel_initializer=start)(x)
        x = prelu(f"up{i}_prelu")(PixelShuffle(factor, name=f"up{i}_shuffle")(x))
    # in bfloat16 the last layer would round to half a grey level
    x = convolution(channels, 9, "to_image", dtype="float32")(x)
    return keras.Model(small, x, name="generator")


def discriminator_network(image_shape, filters, units):
    """Images `(N, *image_shape)` in [-1, 1] to logits `(N, 1)`."""
    x = images = keras.Input(image_shape, name="images")
    for i in range(8):
        width, stride = filters * 2 ** (i // 2), 1 + i % 2
        # PyTorch pads both sides of an even image; "same" would pad the end alone
        x = layers.ZeroPadding2D(1)(x)
        x = layers.Conv2D(width, 3, stride, use_bias=i == 0, name=f"conv{i}")(x)
        x = batch_norm(f"norm{i}")(x) if i else x
        x = layers.LeakyReLU(0.2)(x)
    x = layers.Dense(units, name="dense")(layers.Flatten(name="flat")(x))
    x = layers.Dense(1, dtype="float32", name="head")(layers.LeakyReLU(0.2)(x))
    return keras.Model(images, x, name="discriminator")


@keras.saving.register_keras_serializable("ganzoo")
class SRGAN(SuperResolution):
    """Super-resolution GAN: Ledig et al. 2017, https://arxiv.org/abs/1609.04802.

    `SRGAN()` enlarges four times with the paper's networks (1,547,350 parameters; discriminator
    23,563,649). Two stages in one call::

        gan = ganzoo.SRGAN(pretraining_steps=20_000)
        gan.fit(ganzoo.data.load("photos/", crop=(96, 96), batch_size=16), epochs=200)
        large = gan.upscale(small)

    Args:
        image_shape: `(H, W, C)` of the large images of the training, with 1, 3 or 4 channels and
            sides that `scale` divides; enlarging takes any size. Default `(96, 96, 3)`.
        scale: how many times larger, 2, 3, 4 or 8. Default 4.
        filters: channels of the generator. Default 64.
        blocks: residual blocks of the generator. Default 16.
        discriminator_filters: channels of D's first convolution; the others have up to 8 times as
            many. Default 64.
        discriminator_units: of D's dense layer. Default 1024.
        content: what the content loss compares: "lite0" (default), "vgg19", "pixels", or a network
            of your own; see `ganzoo.content.Content`.
        adversarial_weight: weight of the adversarial loss in G's (equation 3). Default 1e-3. With 0
            only the generator learns, from the mean squared error: SRResNet.
        pretraining_steps: updates of G, from the first one on, that are made as with a weight of 0.
            Default 0.
        generator: a network of your own, small images in [0, 1] to large ones in [0, 1].
        discriminator: a network of your own, large images in [-1, 1] to logits.
        ema_decay: see `ganzoo.GAN`. Default None.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a scale or size that cannot be made, with the nearest, or a given network of
            other shapes.
    """

    recipe = {**SuperResolution.recipe, "epochs": 100}

    def __init__(
        self,
        image_shape=(96, 96, 3),
        scale=4,
        filters=64,
        blocks=16,
        discriminator_filters=64,
        discriminator_units=1024,
        content="lite0",
        adversarial_weight=1e-3,
        pretraining_steps=0,
        generator=None,
        discriminator=None,
        ema_decay=None,
        **kwargs,
    ):
        image_shape = check_networks(image_shape, scale, SCALES, generator, discriminator)
        super().__init__(
            {
                "generator": generator
                or (lambda: generator_network(image_shape[-1], scale, filters, blocks)),
                "discriminator": discriminator
                or (
                    lambda: discriminator_network(
                        image_shape, discriminator_filters, discriminator_units
                    )
                ),
            },
            image_shape,
            scale,
            content,
            adversarial_weight,
            pretraining_steps,
            ema_decay=ema_decay,
            **kwargs,
        )
        self.filters, self.blocks = filters, blocks
        self.discriminator_filters = discriminator_filters
        self.discriminator_units = discriminator_units

    def make_content(self):
        return contents.Content(self.content, power=2, activated=True)

    def default_optimizer(self, player):
        return keras.optimizers.Adam(1e-4, beta_1=0.9)

    def default_loss(self):
        return losses.NonSaturating()

    def pixel_loss(self, real, fake):
        return losses.per_example((real - fake) ** 2)

    def train_step(self, data):
        for low, real in self.real_batches(data):
            n = ops.shape(real)[0]
            # 1. G enlarges the small versions of the real images
            with tf.GradientTape() as g_tape:
                fake = self.enlarge(low, training=True)
            # 2. D learns to tell the large originals from what G made of the small ones
            with tf.GradientTape() as d_tape:
                d_real = self.discriminator(self.see(real), training=True)
                d_fake = self.discriminator(self.see(ops.stop_gradient(fake)), training=True)
                d_loss = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fake = self.enlarge(low, training=True)
            # 3. G keeps the content of the original and has the updated D believe it (equation 3)
            with g_tape:
                verdict = self.discriminator(self.see(fake), training=True)
                content_loss = ops.mean(self.distance(real, fake))
                adversarial_loss = ops.mean(self.loss.generator(verdict))
                g_loss = content_loss + self.adversarial_weight * adversarial_loss
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(
            d_loss=d_loss,
            g_loss=g_loss,
            content_loss=content_loss,
            real=(real, d_real),
            fake=(fake, d_fake),
        )
