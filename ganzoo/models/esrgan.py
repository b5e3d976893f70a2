"""ESRGAN: SRGAN with a deeper generator without batch normalisation and a relative discriminator.

Wang et al. 2018, "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks",
https://arxiv.org/abs/1809.00219. The generator is made of residual-in-residual dense blocks (RRDB);
D judges how much more real a photograph is than the average fake, and the reverse; the features of
the content loss are those before the activation, compared by their absolute difference.

The networks are those of the authors' BasicSR: RRDB with 23 blocks (6 for the drawings of
Real-ESRGAN), the VGG-style discriminator, and the U-Net with spectral normalisation of Real-ESRGAN
(https://arxiv.org/abs/2107.10833), which answers for every pixel. The generator takes and makes
images in [0, 1], as published checkpoints do. Differences:

* D sees images in [-1, 1], as everywhere in ganzoo, and not in [0, 1];
* the content network is EfficientNet-Lite0, beside the pixels, which needs no download, unless
  `content="vgg19"` asks for the paper's; see `ganzoo.content`;
* the learning rate is 1e-4 all the time; the authors halve it four times. Adam's epsilon is 1e-7;
* the running variance is the biased one (Keras's).

The first `pretraining_steps` updates move the generator alone down the absolute error, which the
authors call the PSNR-oriented model (1,000,000 in the paper); then D joins (400,000).
"""

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import content as contents
from ganzoo import losses
from ganzoo.layers import FIRUpsample, PixelUnshuffle, SpectralNormalization
from ganzoo.models.srgan import batch_norm, convolution
from ganzoo.super_resolution import SuperResolution, check_networks

SCALES = (1, 2, 4)


def leaky(x):
    return layers.LeakyReLU(0.2)(x)


def dense_block(x, filters, growth, name):
    """Five convolutions, each of which sees the outputs of all before it; a fifth of the last is
    added to what came in."""
    # a tenth of He's deviation (section 3.1): residuals that start small
    draw = keras.initializers.VarianceScaling(0.02, "fan_in", "untruncated_normal")
    seen = x
    for i in range(1, 5):
        new = leaky(convolution(growth, 3, f"{name}_conv{i}", kernel_initializer=draw)(seen))
        seen = layers.Concatenate(name=f"{name}_seen{i}")([seen, new])
    new = convolution(filters, 3, f"{name}_conv5", kernel_initializer=draw)(seen)
    return layers.Add(name=f"{name}_sum")([x, layers.Rescaling(0.2)(new)])


def generator_network(channels, scale, filters, growth, blocks):
    """Small images `(N, h, w, channels)` in [0, 1], any size, to `(N, scale h, scale w, channels)`
    in [0, 1] (a linear output, so it may leave that a little).

    The trunk always enlarges four times: for a smaller scale its input is folded into channels
    first, and h and w must be even, or multiples of 4 for scale 1.
    """
    x = small = keras.Input((None, None, channels), name="small_images")
    if scale < 4:
        x = PixelUnshuffle(4 // scale, name="fold")(x)
    x = first = convolution(filters, 3, "first_conv")(x)
    for i in range(blocks):
        skip = x
        for j in range(1, 4):
            x = dense_block(x, filters, growth, f"block{i}_{j}")
        x = layers.Add(name=f"block{i}_sum")([skip, layers.Rescaling(0.2)(x)])
    x = layers.Add(name="trunk_sum")([first, convolution(filters, 3, "trunk_conv")(x)])
    for i in (1, 2):
        x = leaky(convolution(filters, 3, f"up{i}_conv")(layers.UpSampling2D(2)(x)))
    x = leaky(convolution(filters, 3, "large_conv")(x))
    # in bfloat16 the last layer would round to half a grey level
    x = convolution(channels, 3, "to_image", dtype="float32")(x)
    return keras.Model(small, x, name="generator")


def vgg_discriminator(image_shape, filters):
    """Images `(N, *image_shape)` in [-1, 1] to logits `(N, 1)`: five halvings, six from 256 pixels
    on."""
    x = images = keras.Input(image_shape, name="images")
    for i in range(5 if min(image_shape[:2]) < 256 else 6):
        width = filters * min(8, 2**i)
        x = convolution(width, 3, f"conv{i}_0", use_bias=i == 0)(x)
        x = leaky(batch_norm(f"norm{i}_0")(x) if i else x)
        x = convolution(width, 4, f"conv{i}_1", strides=2, use_bias=False)(x)
        x = leaky(batch_norm(f"norm{i}_1")(x))
    x = leaky(layers.Dense(100, name="dense")(layers.Flatten(name="flat")(x)))
    x = layers.Dense(1, dtype="float32", name="head")(x)
    return keras.Model(images, x, name="discriminator")


def unet_discriminator(image_shape, filters):
    """Images `(N, *image_shape)` in [-1, 1], sides multiples of 8, to a logit a pixel `(N, H, W,
    1)`."""
    off = [side for side in image_shape[:2] if side % 8]
    if off:
        nearest = [max(8, round(side / 8) * 8) for side in image_shape[:2]]
        raise ValueError(
            f"image_shape={image_shape}: the U-Net discriminator halves three times and wants "
            f"multiples of 8; the nearest is {(*nearest, image_shape[2])}."
        )

    def spectral(width, kernel, name, stride=1):
        layer = convolution(width, kernel, name, strides=stride, use_bias=False)
        return SpectralNormalization(layer, inference_iterations=0, name=name)

    images = keras.Input(image_shape, name="images")
    down = [leaky(convolution(filters, 3, "conv0")(images))]
    for i in (1, 2, 3):
        down.append(leaky(spectral(filters * 2**i, 4, f"conv{i}", 2)(down[-1])))
    x = down.pop()
    for i in (4, 5, 6):
        up = FIRUpsample(edges="repeat", name=f"up{i}")(x)  # which is bilinear
        x = leaky(spectral(filters * 2 ** (6 - i), 3, f"conv{i}")(up))
        x = layers.Add(name=f"sum{i}")([x, down.pop()])
    for i in (7, 8):
        x = leaky(spectral(filters, 3, f"conv{i}")(x))
    x = convolution(1, 3, "head", dtype="float32")(x)
    return keras.Model(images, x, name="discriminator")


ARCHITECTURES = {"vgg": vgg_discriminator, "unet": unet_discriminator}


@keras.saving.register_keras_serializable("ganzoo")
class ESRGAN(SuperResolution):
    """Enhanced super-resolution GAN: Wang et al. 2018, https://arxiv.org/abs/1809.00219.

    `ESRGAN()` enlarges four times with the paper's networks (16,697,987 parameters; discriminator
    14,499,401 at 128 px); `ESRGAN(blocks=6)` is the smaller generator of Real-ESRGAN (4,467,779).

    Args:
        image_shape: `(H, W, C)` of the large images of the training, with 1, 3 or 4 channels and
            sides that `scale` divides; enlarging takes any size. Default `(128, 128, 3)`.
        scale: how many times larger, 1, 2 or 4. Default 4. With 1, for pairs of a bad and a good
            image of one size, and with 2, the sides must be multiples of 4.
        filters: channels of the generator. Default 64.
        growth: channels that each convolution of a dense block adds. Default 32.
        blocks: residual-in-residual blocks, of three dense blocks each. Default 23.
        architecture: of the discriminator: "vgg" (default), one verdict an image; or "unet", one a
            pixel, with spectral normalisation, for sides that are multiples of 8.
        discriminator_filters: channels of D's first convolution. Default 64.
        content: what the content loss compares: "lite0" (default), "vgg19", "pixels", or a network
            of your own; see `ganzoo.content.Content`.
        adversarial_weight: weight of the adversarial loss in G's (equation 3). Default 5e-3. With 0
            only the generator learns, from the absolute error.
        pixel_weight: weight of the absolute error of the pixels beside it. Default 1e-2.
        pretraining_steps: updates of G, from the first one on, that are made as with an adversarial
            weight of 0. Default 0.
        generator: a network of your own, small images in [0, 1] to large ones in [0, 1].
        discriminator: a network of your own, large images in [-1, 1] to logits.
        ema_decay: see `ganzoo.GAN`. Default None.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a scale, size or architecture that cannot be made, with the nearest, or a
            given network of other shapes.
    """

    recipe = {**SuperResolution.recipe, "epochs": 100}

    def __init__(
        self,
        image_shape=(128, 128, 3),
        scale=4,
        filters=64,
        growth=32,
        blocks=23,
        architecture="vgg",
        discriminator_filters=64,
        content="lite0",
        adversarial_weight=5e-3,
        pixel_weight=1e-2,
        pretraining_steps=0,
        generator=None,
        discriminator=None,
        ema_decay=None,
        **kwargs,
    ):
        if architecture not in ARCHITECTURES:
            raise ValueError(f"architecture={architecture!r}: want one of {list(ARCHITECTURES)}.")
        image_shape = check_networks(
            image_shape, scale, SCALES, generator, discriminator, multiple=1 if generator else 4
        )
        super().__init__(
            {
                "generator": generator
                or (lambda: generator_network(image_shape[-1], scale, filters, growth, blocks)),
                "discriminator": discriminator
                or (lambda: ARCHITECTURES[architecture](image_shape, discriminator_filters)),
            },
            image_shape,
            scale,
            content,
            adversarial_weight,
            pretraining_steps,
            ema_decay=ema_decay,
            **kwargs,
        )
        self.filters, self.growth, self.blocks = filters, growth, blocks
        self.architecture, self.discriminator_filters = architecture, discriminator_filters
        self.pixel_weight = pixel_weight

    def make_content(self):
        return contents.Content(self.content, power=1, activated=False)

    def default_optimizer(self, player):
        return keras.optimizers.Adam(1e-4, beta_1=0.9)

    def default_loss(self):
        return losses.RelativisticAverage()

    def pixel_loss(self, real, fake):
        return losses.per_example(ops.abs(real - fake))

    def train_step(self, data):
        for low, real in self.real_batches(data):
            n = ops.shape(real)[0]
            # 1. G enlarges the small versions of the real images
            with tf.GradientTape() as g_tape:
                fake = self.enlarge(low, training=True)
            # 2. D learns that originals are more real than the average fake, and the reverse
            #    (equation 1)
            with tf.GradientTape() as d_tape:
                d_real = self.discriminator(self.see(real), training=True)
                d_fake = self.discriminator(self.see(ops.stop_gradient(fake)), training=True)
                d_loss = ops.mean(self.loss.discriminator(d_real, d_fake, **self.targets(n)))
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fake = self.enlarge(low, training=True)
            # 3. G keeps the content and has fakes called more real than originals (equations 2, 3)
            known = ops.stop_gradient(self.discriminator(self.see(real), training=True))
            with g_tape:
                verdict = self.discriminator(self.see(fake), training=True)
                content_loss = ops.mean(self.distance(real, fake))
                adversarial_loss = ops.mean(self.loss.generator(verdict, known))
                pixel_loss = ops.mean(self.pixel_loss(real, fake))
                g_loss = (
                    content_loss
                    + self.adversarial_weight * adversarial_loss
                    + self.pixel_weight * pixel_loss
                )
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(
            d_loss=d_loss,
            g_loss=g_loss,
            content_loss=content_loss,
            real=(real, d_real),
            fake=(fake, d_fake),
        )
