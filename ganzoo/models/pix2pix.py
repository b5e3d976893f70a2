"""Pix2Pix: one kind of image into another, learned from pairs.

Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
https://arxiv.org/abs/1611.07004. D sees source and result together, so that G must answer the
source it was given; an L1 term keeps it near the target; D judges patches, not the whole image; and
G is a U-Net, whose skips carry what source and target have in common past the bottleneck.

The networks are those of the authors' PyTorch code: `unet_256`, `unet_128` and their like, and
`PatchGAN`s. Differences from it: the running variance is the biased one (Keras's); no decay of the
learning rate, as in the paper; the noise, which is dropout alone, is off when translating unless
asked for, and batch normalisation then takes its running statistics. With batches of one image,
where these differ most from those of the training, use `norm="instance"`.
"""

import math
import random

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import inputs, losses, shapes, translation
from ganzoo.gan import GAN
from ganzoo.layers import CropLike, InstanceNormalization
from ganzoo.models.dcgan import batch_norm

# pixels of the patch that one verdict is about -> convolutions of stride 2 in D
PATCHES = {16: 1, 34: 2, 70: 3, 142: 4, 286: 5}


def convolution(kind, filters, kernel, stride, bias, padding="same", **kwargs):
    """A convolution, or a transposed one, drawn from N(0, 0.02)."""
    draw = keras.initializers.RandomNormal(0.0, 0.02)
    return kind(filters, kernel, stride, padding, use_bias=bias, kernel_initializer=draw, **kwargs)


def normalization(norm, name):
    """The layer "batch" or "instance"."""
    return InstanceNormalization(name=name) if norm == "instance" else batch_norm(name)


def unet(source_shape, channels, filters, norm, dropout):
    """Images `(N, *source_shape)` in [-1, 1] to images `(N, H, W, channels)` in [-1, 1].

    Halves the smaller side down to one pixel, but eight times at most, and doubles back. Sides that
    are no powers of two are rounded up where they are halved, and cut back after the doubling.
    """
    bias = norm == "instance"  # batch normalisation has one of its own
    x = source = keras.Input(source_shape, name="source")
    halvings = min(8, int(math.log2(min(source_shape[:2]))))
    widths = [filters * min(8, 2**i) for i in range(halvings)]
    skips = []
    for i, width in enumerate(widths):
        skips.append(x)
        x = layers.LeakyReLU(0.2)(x) if i else x
        x = convolution(layers.Conv2D, width, 4, 2, bias, name=f"down{i}")(x)
        x = normalization(norm, f"down{i}_norm")(x) if 0 < i < halvings - 1 else x
    for i, skip in reversed(list(enumerate(skips))):
        width = widths[i - 1] if i else channels
        x = layers.ReLU()(x)
        x = convolution(layers.Conv2DTranspose, width, 4, 2, bias or not i, name=f"up{i}")(x)
        x = x if x.shape[1:3] == skip.shape[1:3] else CropLike()([x, skip])
        if i:
            x = normalization(norm, f"up{i}_norm")(x)
            x = layers.Dropout(dropout)(x) if 3 < i < halvings - 1 else x
            x = layers.Concatenate()([skip, x])
    return keras.Model(source, layers.Activation("tanh", dtype="float32")(x), name="generator")


def patch_discriminator(input_shapes, filters, patch, norm, name="discriminator"):
    """Images, together, to a logit for each of their patches, `(N, h, w, 1)`.

    Args:
        input_shapes: a list of `(H, W, C)`: of the source and the target, or of one image.
        patch: see `Pix2Pix`; a number.
    """
    bias = norm == "instance"
    images = [keras.Input(shape) for shape in input_shapes]
    x = layers.Concatenate()(images) if len(images) > 1 else images[0]
    if patch == 1:
        plan, kernel = [(filters, 1), (2 * filters, 1)], 1
    else:
        n = PATCHES[patch]
        plan, kernel = [(filters * min(8, 2**i), 2 if i < n else 1) for i in range(n + 1)], 4
    for i, (width, stride) in enumerate(plan):
        x = down(x, width, kernel, stride, bias or not i, name=f"conv{i}")
        x = normalization(norm, f"norm{i}")(x) if i else x
        x = layers.LeakyReLU(0.2)(x)
    x = down(x, 1, kernel, 1, bias or kernel > 1, name="head", dtype="float32")
    return keras.Model(images if len(images) > 1 else images[0], x, name=name)


def down(x, filters, kernel, stride, bias, **kwargs):
    """A convolution with one pixel of zeros on every side, where the kernel is larger than 1."""
    even = all(side % 2 == 0 for side in x.shape[1:3])
    if kernel == 1 or (stride == 2 and even):  # the same as Keras's own padding
        return convolution(layers.Conv2D, filters, kernel, stride, bias, **kwargs)(x)
    x = layers.ZeroPadding2D(1)(x)
    return convolution(layers.Conv2D, filters, kernel, stride, bias, "valid", **kwargs)(x)


def patch_for(patch, image_shape):
    """The patch as given, or the largest up to 70 that the image holds.

    Raises:
        ValueError: for a patch that D cannot have, or that needs larger images.
    """
    fitting = [1, *(p for p, n in PATCHES.items() if min(image_shape[:2]) // 2**n >= 3)]
    if patch is None:
        return max(p for p in fitting if p <= 70)
    if patch not in fitting:
        raise ValueError(
            f"patch={patch!r} with images of {image_shape}: want one of {fitting} pixels, or None."
        )
    return patch


def check_options(norm, direction="ab"):
    if norm not in ("batch", "instance"):
        raise ValueError(f'norm={norm!r}: want "batch" or "instance".')
    if direction not in ("ab", "ba"):
        raise ValueError(f'direction={direction!r}: want "ab" or "ba".')


@keras.saving.register_keras_serializable("ganzoo")
class Pix2Pix(GAN):
    """Image-to-image translation from pairs: Isola et al. 2017, https://arxiv.org/abs/1611.07004.

    `Pix2Pix()` is the paper's at 256 px (U-Net 54,413,955 parameters, PatchGAN 2,768,705). `fit`
    takes pairs, `(a, b)`; `translate` turns images of any size into the other kind.

    Args:
        image_shape: `(H, W, C)` of the targets; sides of 8 pixels or more, 1, 3 or 4 channels.
            Default `(256, 256, 3)`, or that of the given generator.
        source_channels: channels of the sources. Default: as many as `image_shape` has.
        direction: "ab": the first image of a pair is the source and the second the target; "ba":
            the reverse. Default "ab".
        filters: width of the first convolution of both networks. Default 64.
        norm: "batch" or "instance". Default "batch", as in the paper.
        patch: pixels of the patches that D judges: 1, 16, 34, 70, 142 or 286. Default: 70, or the
            largest that a smaller image holds.
        dropout: share dropped in the inner layers of G in training, from 64 pixels on: its noise.
            Default 0.5.
        l1_weight: weight of the L1 distance to the target. Default 100.
        generator: a network of your own, sources to targets in [-1, 1].
        discriminator: a network of your own, `[source, target]` to one logit or one a patch.
        ema_decay: see `ganzoo.GAN`. Default None, as in the paper.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size or option that cannot be, or a given network of other shapes.
    """

    makes_with = "translate"
    data_form = "pairs"
    reports = (*GAN.reports, "l1")
    # section 3.3 and appendix 6.2: batches of 1 for facades, 286 px images cut to 256, mirrored
    recipe = {**GAN.recipe, "batch_size": 1, "epochs": 200, "enlarge": 286 / 256, "flip": True}

    def __init__(
        self,
        image_shape=None,
        source_channels=None,
        direction="ab",
        filters=64,
        norm="batch",
        patch=None,
        dropout=0.5,
        l1_weight=100.0,
        generator=None,
        discriminator=None,
        ema_decay=None,
        **kwargs,
    ):
        check_options(norm, direction)
        if image_shape is None and generator is not None:
            image_shape = generator.output_shape[1:]
        image_shape, _ = shapes.resolve(image_shape or (256, 256, 3), 1, None, None, None, None)
        shapes.plan(image_shape)  # which refuses what is too small
        if source_channels is None and generator is not None:
            source_channels = generator.input_shape[-1]
        source_shape = (*image_shape[:2], source_channels or image_shape[-1])
        shapes.check_network(generator, "generator", [source_shape], image_shape)
        shapes.check_network(discriminator, "discriminator", [source_shape, image_shape])
        patch_size = patch_for(patch, image_shape)
        super().__init__(
            {
                "generator": generator
                or (lambda: unet(source_shape, image_shape[-1], filters, norm, dropout)),
                "discriminator": discriminator
                or (
                    lambda: patch_discriminator(
                        [source_shape, image_shape], filters, patch_size, norm
                    )
                ),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.source_channels = image_shape, source_shape[-1]
        self.direction, self.filters, self.norm, self.patch = direction, filters, norm, patch
        self.dropout, self.l1_weight = dropout, l1_weight
        self._translators = {}

    def default_optimizer(self, player):
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

    def default_loss(self):
        return losses.NonSaturating()

    def sides(self, x, y):
        """`(source, target)` of the two images of pairs."""
        return (x, y) if self.direction == "ab" else (y, x)

    def prepared(self, x, y):
        source, target = self.sides(x, y)
        return inputs.to_float(source), inputs.to_float(target)

    def check_batch(self, x, y):
        if y is None:
            raise ValueError(
                "Pix2Pix learns from pairs: fit((a, b)) or a data set of (a, b), two batches of "
                "images; ganzoo.data.load reads pairs from folders and files."
            )
        source, target = self.sides(x, y)
        inputs.check_images(source, (*self.image_shape[:2], self.source_channels))
        inputs.check_images(target, self.image_shape)

    def pair_seen(self, source, target):
        """What D looks at, `[source, target]`: the two are moved and coloured as one image."""
        both = self.see(ops.concatenate([source, target], axis=-1))
        return [both[..., : self.source_channels], both[..., self.source_channels :]]

    def train_step(self, data):
        for source, target in self.real_batches(data):
            n = ops.shape(source)[0]
            # 1. G translates
            with tf.GradientTape() as g_tape:
                fake = self.generator(source, training=True)
            # 2. D learns to tell the pair from the source with G's answer, at half the rate of G
            #    (section 3.3)
            with tf.GradientTape() as d_tape:
                d_real = self.discriminator(self.pair_seen(source, target), training=True)
                answer = self.pair_seen(source, ops.stop_gradient(fake))
                d_fake = self.discriminator(answer, training=True)
                d_loss = self.loss.discriminator(d_real, d_fake, **self.targets(n))
                d_loss = ops.mean(d_loss) / 2
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fake = self.generator(source, training=True)
            # 3. G learns to have its answer called real by the updated D, and to stay near the
            #    target (equation 4)
            with g_tape:
                verdict = self.discriminator(self.pair_seen(source, fake), training=True)
                l1 = ops.mean(ops.abs(target - fake))
                g_loss = ops.mean(self.loss.generator(verdict)) + self.l1_weight * l1
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(
            d_loss=d_loss, g_loss=g_loss, l1=l1, real=(target, d_real), fake=(fake, d_fake)
        )

    def test_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        source, target = self.prepared(x, y)
        fake = self(source, training=False)
        d_real = self.discriminator([source, target], training=False)
        d_fake = self.discriminator([source, fake], training=False)
        l1 = ops.mean(ops.abs(target - fake))
        return self.test_report(
            d_loss=ops.mean(self.loss.discriminator(d_real, d_fake)) / 2,
            g_loss=ops.mean(self.loss.generator(d_fake, d_real)) + self.l1_weight * l1,
            l1=l1,
            real=(target, d_real),
            fake=(fake, d_fake),
        )

    def translate(self, images, direction=None, noise=False, seed=None, overlap=None):
        """Turns sources of any size into targets.

        Smaller images than `image_shape` are continued by their mirror image and cut back, larger
        ones go through the network in overlapping tiles, so that the memory stays that of one.

        Args:
            images: uint8 `(N, H, W, C)`, one image `(H, W, C)`, or a list of images.
            direction: None, or that of the model: one network knows one way.
            noise: whether dropout is on, as in the paper's own results. Default False.
            seed: int, which noise; None for another at each call.
            overlap: pixels that neighbouring tiles share, at most half a tile. Default a quarter.

        Returns:
            uint8, in the form given.

        Raises:
            TypeError: images that are not uint8. ValueError: another rank or number of channels, or
                the other direction.
        """
        if direction not in (None, self.direction):
            raise ValueError(
                f"direction={direction!r}: this Pix2Pix was made for {self.direction!r}; train "
                f"another with direction={direction!r}, or take a CycleGAN, which knows both ways."
            )
        if noise not in self._translators:
            network = noisy(self.sampling_networks()[0]) if noise else self
            self._translators[noise] = translation.compiled(network)
        states = self._seeds() if noise else []
        before = [state.numpy() for state in states]
        for i, state in enumerate(states):
            state.assign([random.randrange(2**31) if seed is None else seed, i])
        try:
            return translation.run(
                self._translators[noise],
                images,
                self.source_channels,
                lambda size: self.image_shape[:2],
                overlap,
            )
        finally:  # training goes on as if nothing had been drawn
            for state, value in zip(states, before, strict=True):
                state.assign(value)

    def preview(self, n, labels=None, seed=0, examples=None):
        if examples is None:
            raise ValueError("Pix2Pix shows what it makes of examples: give pairs, (a, b).")
        few = translation.shown(n, 3)
        source, target = (translation.as_uint8(part)[:few] for part in self.sides(*examples))
        return translation.rows(n, source, self.translate(source), target)

    def exhibits(self, x, y, seed):
        source, target = map(translation.as_uint8, self.sides(x, y))
        judge = self.discriminator
        return {
            "real": (judge, [source, target]),
            "fake": (judge, [source, self.translate(source)]),
        }


def noisy(network):
    """The same network, sharing all layers, with dropout on in inference too."""

    def call(layer, *args, **kwargs):
        if isinstance(layer, layers.Dropout):
            kwargs["training"] = True
        return layer(*args, **kwargs)

    return keras.models.clone_model(network, clone_function=lambda layer: layer, call_function=call)
