"""SNGAN: a residual GAN whose discriminator has weights of spectral norm one.

Miyato, Kataoka, Koyama and Yoshida 2018, "Spectral Normalization for Generative Adversarial
Networks", https://arxiv.org/abs/1802.05957; with classes the projection discriminator of Miyato and
Koyama 2018, "cGANs with Projection Discriminator", https://arxiv.org/abs/1802.05637.

The networks are those of the authors' Chainer code (pfnet-research/sngan_projection): nearest
upsampling, sum pooling, Glorot weights with gain sqrt(2) in the 3x3 convolutions, batch
normalisation with epsilon 2e-5. Differences from that code:

* 1x1 convolutions of shortcuts run before upsampling and after pooling, not the other way round:
  the result is the same to rounding, at a quarter of the cost;
* the running variance is the biased one (Keras's); Adam's epsilon is 1e-7;
* D judges real images and fakes in one pass, so `u` takes one step of power iteration an update and
  not two (a discriminator of your own with batch normalisation judges them apart);
* G learns from as many fakes as D does, those of D's last update; the authors draw new ones, twice
  as many. With classes, fakes are of random ones, as there;
* learning rates stay constant; the authors let them fall to 0 over the training. Give
  `Adam(keras.optimizers.schedules.PolynomialDecay(...), 0.0, 0.9)` for theirs.

`mimicry=True` gives the networks of the PyTorch library kwotsin/mimicry instead, so that its
checkpoints can be taken over. It differs in bilinear upsampling, epsilon 1e-5, a bias in D's last
layer at 32 pixels too, shortcuts in D that see the input after the ReLU (which works in place
there), and inference with the stored u and v.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import losses, shapes
from ganzoo.gan import GAN
from ganzoo.layers import ConditionalBatchNormalization, FIRUpsample, SpectralNormalization
from ganzoo.models.cgan import check_num_classes

# architecture -> (default image shape, channels of G at full size, are widths constant?)
ARCHITECTURES = {
    "resnet32": ((32, 32, 3), 256, True),  # the paper's table 3
    "resnet64": ((64, 64, 3), 64, False),  # table 5
    "resnet128": ((128, 128, 3), 64, False),  # table 6
}


def generator_widths(doublings, filters, constant):
    """Channels of the grid and after each doubling: 256, 256, ...; or 1024, 512, ... 64."""
    if constant:
        return [filters] * (doublings + 1)
    return [filters * min(16, 2**i) for i in range(doublings, -1, -1)]


def discriminator_widths(doublings, filters, constant):
    """`(channels of each block, how many of the blocks halve the size)`.

    At 32 pixels two of four blocks halve; otherwise all of five do, and from 128 pixels on one more
    block does not.
    """
    if constant:
        return [filters // 2] * (max(doublings - 1, 1) + 2), max(doublings - 1, 1)
    widths = [filters * min(16, 2**i) for i in range(doublings + 1)]
    return widths, len(widths) - (doublings > 4)


class Parts:
    """What a residual block is made of; the families differ in these.

    Args:
        spectral: arguments of `SpectralNormalization` around every weight; None for bare layers.
        num_classes: of conditional batch normalisation.
        epsilon: of batch normalisation.
        bilinear: upsampling is bilinear, not nearest.
        relu_shortcut: D's shortcuts see their input after the ReLU.
    """

    def __init__(
        self, spectral=None, num_classes=None, epsilon=2e-5, bilinear=False, relu_shortcut=False
    ):
        self.spectral, self.num_classes, self.epsilon = spectral, num_classes, epsilon
        self.bilinear, self.relu_shortcut = bilinear, relu_shortcut

    def normalized(self, layer):
        if self.spectral is None:
            return layer
        return SpectralNormalization(layer, name=layer.name, **self.spectral)

    def convolution(self, filters, kernel, name, gain=1.0):
        """gain: of Glorot's uniform distribution; sqrt(2) inside blocks."""
        draw = keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform")
        layer = layers.Conv2D(filters, kernel, padding="same", kernel_initializer=draw, name=name)
        return self.normalized(layer)

    def norm(self, features, labels, name):
        if labels is None:
            norm = layers.BatchNormalization(momentum=0.9, epsilon=self.epsilon, name=name)
            return norm(features)
        norm = ConditionalBatchNormalization(
            self.num_classes, momentum=0.9, epsilon=self.epsilon, name=name
        )
        return norm([features, labels])

    def upsample(self, features):
        up = FIRUpsample(edges="repeat") if self.bilinear else layers.UpSampling2D(2)
        return up(features)


def relu(x):
    """A ReLU that passes NaN on. TensorFlow fuses its own with the convolution before it into one
    that makes 0 of NaN, and a broken network would look sound."""
    return layers.LeakyReLU(0.0)(x)


def generator_block(x, labels, filters, parts, name):
    """Doubles the size: norm, ReLU, up, 3x3, norm, ReLU, 3x3; beside it 1x1, up."""
    root = 2**0.5
    h = relu(parts.norm(x, labels, f"{name}_norm1"))
    h = parts.convolution(filters, 3, f"{name}_conv1", root)(parts.upsample(h))
    h = relu(parts.norm(h, labels, f"{name}_norm2"))
    h = parts.convolution(filters, 3, f"{name}_conv2", root)(h)
    return layers.Add()([h, parts.upsample(parts.convolution(filters, 1, f"{name}_shortcut")(x))])


def discriminator_block(x, filters, parts, name, halve, first=False):
    """ReLU, 3x3, ReLU, 3x3, perhaps mean pooling; beside it the shortcut. `first` has no ReLU at
    its start, where it sees an image."""
    root, before = 2**0.5, x.shape[-1]
    # with "same" an odd row or column is a pool of its own
    pool = layers.AveragePooling2D(2, padding="same") if halve else (lambda h: h)
    h = x if first else relu(x)
    x = h if parts.relu_shortcut else x
    h = parts.convolution(filters if first else before, 3, f"{name}_conv1", root)(h)
    h = parts.convolution(filters, 3, f"{name}_conv2", root)(relu(h))
    shortcut = pool(x)
    if halve or before != filters:
        shortcut = parts.convolution(filters, 1, f"{name}_shortcut")(shortcut)
    return layers.Add()([pool(h), shortcut])


def generator_inputs(latent_dim, num_classes):
    """The inputs `(latents, labels)`; labels are None without classes."""
    latents = keras.Input((latent_dim,), name="latents")
    return latents, num_classes and keras.Input((), dtype="int32", name="labels")


def seed_grid(latents, grid, channels, parts):
    """The dense layer that makes the first feature map `(N, *grid, channels)`."""
    x = parts.normalized(layers.Dense(grid[0] * grid[1] * channels, name="dense"))(latents)
    return layers.Reshape((*grid, channels), name="grid")(x)


def to_image(x, image_shape, grid, doublings, parts):
    """The end of a generator: norm, ReLU, 3x3 convolution, cropping where needed, tanh."""
    x = relu(parts.norm(x, None, "norm"))
    x = parts.convolution(image_shape[-1], 3, "to_image")(x)
    cut = shapes.crop(image_shape, grid, doublings)
    return layers.Activation("tanh", dtype="float32")(cut(x) if cut else x)


def verdict(x, labels, num_classes, parts, bias=True):
    """The end of a discriminator: sum over positions, a logit, and the projection on the class."""
    x = ops.sum(ops.cast(relu(x), "float32"), axis=(1, 2))
    head = layers.Dense(1, use_bias=bias, dtype="float32", name="head")
    logits = parts.normalized(head)(x)
    if labels is None:
        return logits
    embedding = layers.Embedding(
        num_classes, x.shape[-1], "glorot_uniform", dtype="float32", name="class_embedding"
    )
    return layers.Add()([logits, layers.Dot(1)([parts.normalized(embedding)(labels), x])])


def generator_network(
    image_shape, latent_dim=128, filters=256, constant=True, num_classes=None, mimicry=False
):
    """Latents `(N, latent_dim)`, with classes also labels `(N,)`, to images in [-1, 1].

    Args:
        image_shape: `(H, W, C)`.
        latent_dim: length of the latent vector.
        filters: channels at full size.
        constant: the same width at all sizes, or halved with each doubling.
        num_classes: for conditional batch normalisation; None for none.
        mimicry: as in that library.
    """
    grid, doublings = shapes.plan(image_shape)
    epsilon = 1e-5 if mimicry else 2e-5
    parts = Parts(num_classes=num_classes, epsilon=epsilon, bilinear=mimicry)
    latents, labels = generator_inputs(latent_dim, num_classes)
    first, *widths = generator_widths(doublings, filters, constant)
    x = seed_grid(latents, grid, first, parts)
    for i, width in enumerate(widths, 1):
        x = generator_block(x, labels, width, parts, f"block{i}")
    images = to_image(x, image_shape, grid, doublings, parts)
    inputs = latents if labels is None else [latents, labels]
    return keras.Model(inputs, images, name="generator")


def discriminator_network(image_shape, filters=256, constant=True, num_classes=None, mimicry=False):
    """Images `(N, H, W, C)` in [-1, 1], with classes also labels `(N,)`, to logits `(N, 1)`.

    Args:
        image_shape: `(H, W, C)`.
        filters: channels of the generator at full size.
        constant: the same width in all blocks, half of `filters`; or doubled with each.
        num_classes: for the projection; None for none.
        mimicry: as in that library.
    """
    _, doublings = shapes.plan(image_shape)
    parts = Parts({"inference_iterations": 0} if mimicry else {}, relu_shortcut=mimicry)
    x = images = keras.Input(image_shape, name="images")
    labels = num_classes and keras.Input((), dtype="int32", name="labels")
    widths, halvings = discriminator_widths(doublings, filters, constant)
    for i, width in enumerate(widths, 1):
        x = discriminator_block(x, width, parts, f"block{i}", i <= halvings, first=i == 1)
    # mimicry's class-conditional head has a spectral norm of its own, like the authors'
    parts = Parts({}) if num_classes else parts
    # the authors' last layer has a bias except at 32 pixels
    logits = verdict(x, labels, num_classes, parts, bias=mimicry or not constant)
    inputs = images if labels is None else [images, labels]
    return keras.Model(inputs, logits, name="discriminator")


def given(x, labels):
    """What a network is called with: `x`, or `[x, labels]` with classes."""
    return x if labels is None else [x, labels]


def judge(model, real, fake, labels=None, fake_labels=None):
    """D's verdicts `(N, 1)` on real images and on fakes, in one pass unless it mixes a batch."""
    both = model.see(ops.concatenate([real, fake]))
    labels = labels if labels is None else ops.concatenate([labels, fake_labels])
    if not has_batch_norm(model.discriminator):
        return ops.split(model.discriminator(given(both, labels), training=True), 2)
    labels = [None, None] if labels is None else ops.split(labels, 2)
    halves = zip(ops.split(both, 2), labels, strict=True)
    return [model.discriminator(given(*half), training=True) for half in halves]


def has_batch_norm(network):
    return any(isinstance(x, layers.BatchNormalization) for x in network._flatten_layers())


def check_networks(generator, discriminator, image_shape, latent_dim, num_classes):
    """Refuses given networks of other shapes, with the labels' input where there are classes."""
    labels = [] if num_classes is None else [()]
    shapes.check_network(generator, "generator", [(latent_dim,), *labels], image_shape)
    shapes.check_network(discriminator, "discriminator", [image_shape, *labels])


@keras.saving.register_keras_serializable("ganzoo")
class SNGAN(GAN):
    """Spectral normalisation for GANs: Miyato et al. 2018, https://arxiv.org/abs/1802.05957.

    `SNGAN()` is the authors' network for 32x32 images, of 4,276,739 and 1,053,824 trainable
    parameters; with `num_classes=10` it has conditional batch normalisation and a projection
    discriminator (https://arxiv.org/abs/1802.05637): 4,304,387 and 1,055,104.
    `SNGAN(architecture="resnet64")`: 12,220,675 and 10,141,441; "resnet128": 32,150,787 and
    29,017,857.

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default that
            of the architecture, or of the given networks.
        num_classes: how many classes there are; `fit` then takes labels. Default None, for none.
        latent_dim: length of the latent vector. Default 128.
        architecture: "resnet32", all blocks of one width; "resnet64" or "resnet128", widths that
            halve with each doubling. Each makes any size; what differs is the default size.
        filters: channels of the generator at full size. Default 256 ("resnet32") or 64. The
            discriminator has half of it ("resnet32"), or as many in its first block.
        mimicry: the networks of that library; see the module. Default False.
        generator: a network of your own, latents (with classes `[latents, labels]`) to images in
            [-1, 1].
        discriminator: a network of your own, images (or `[images, labels]`) to one logit. Wrap its
            layers in `ganzoo.layers.SpectralNormalization`.
        ema_decay: see `ganzoo.GAN`. Default None.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size or architecture that cannot be made, `num_classes` below 1, or a
            given network of other shapes.
    """

    recipe = {
        "batch_size": 64,
        "epochs": 50,
        "d_steps": 5,
        "g_steps": 1,
        "model": {"filters": 64},  # a quarter of the paper's width, for processors
    }

    def __init__(
        self,
        image_shape=None,
        num_classes=None,
        latent_dim=None,
        architecture="resnet32",
        filters=None,
        mimicry=False,
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
        check_networks(generator, discriminator, image_shape, latent_dim, num_classes)
        options = (filters, constant, num_classes, mimicry)
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
        self.architecture, self.filters, self.mimicry = architecture, filters, mimicry

    def default_optimizer(self, player):
        return keras.optimizers.Adam(2e-4, beta_1=0.0, beta_2=0.9)

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
            # 2. D pushes verdicts on real images above 1 and on fakes below -1 (equation 16)
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
            # 3. G raises the updated D's verdicts on the same fakes (equation 17)
            with g_tape:
                verdict = self.discriminator(given(self.see(fake), fake_labels), training=True)
                g_loss = ops.mean(self.loss.generator(verdict))
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(d_loss=d_loss, g_loss=g_loss, real=(real, d_real), fake=(fake, d_fake))
