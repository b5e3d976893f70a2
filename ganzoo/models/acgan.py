"""ACGAN: D also says which class it sees, and G is rewarded for images of a clear class.

Odena, Olah and Shlens 2016, "Conditional Image Synthesis with Auxiliary Classifier GANs",
https://arxiv.org/abs/1610.09585. D is told no label: it has a second head that names the class, and
both players minimise its cross-entropy (equations 2 and 3), on real images and on fakes.

The networks are the paper's for CIFAR-10 (table 2), widened or shortened for other image sizes.
Differences from the paper: 100 latents and the class as a one-hot vector make its 110 inputs;
Adam's rate is 2e-4, the middle of the three it tried; no noise on activations, which `input_noise`
of `compile` can replace; G's adversarial loss is the non-saturating one; batch normalisation has
momentum 0.9 and epsilon 1e-5. The averaged generator is not in the paper.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from ganzoo import inputs, losses, shapes
from ganzoo.gan import GAN
from ganzoo.models.cgan import check_num_classes
from ganzoo.models.dcgan import batch_norm


def weights(bias=True):
    """The paper's draw of weights, N(0, 0.02)."""
    draw = keras.initializers.RandomNormal(0.0, 0.02)
    return {"kernel_initializer": draw, "use_bias": bias}


def generator_network(image_shape, latent_dim, num_classes, filters):
    """Latents `(N, latent_dim)` and labels `(N,)` to images `(N, *image_shape)` in [-1, 1]."""
    grid, doublings = shapes.plan(image_shape)
    filters = filters or [min(384, 96 * 2**i) for i in range(doublings - 1, -1, -1)]
    latents = keras.Input((latent_dim,), name="latents")
    labels = keras.Input((), dtype="int32", name="labels")
    one_hot = layers.CategoryEncoding(num_classes, "one_hot", name="one_hot")(labels)
    x = layers.Concatenate()([latents, one_hot])
    x = layers.Dense(grid[0] * grid[1] * filters[0], activation="relu", **weights())(x)
    x = layers.Reshape((*grid, filters[0]))(x)
    widths = [*filters[1:], image_shape[-1]]
    for i, stride in enumerate(shapes.strides(doublings, len(widths))):
        if i:
            x = layers.ReLU()(batch_norm()(x))
        last = i == len(widths) - 1
        x = layers.Conv2DTranspose(widths[i], 5, stride, "same", **weights(bias=last))(x)
    cut = shapes.crop(image_shape, grid, doublings)
    x = cut(x) if cut else x
    images = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model([latents, labels], images, name="generator")


def discriminator_network(image_shape, num_classes, filters, dropout):
    """Images `(N, *image_shape)` in [-1, 1] to a logit `(N, 1)` and logits of the classes
    `(N, num_classes)`."""
    _, doublings = shapes.plan(image_shape)
    filters = filters or [min(512, 16 * 2**i) for i in range(2 * doublings)]
    x = images = keras.Input(image_shape, name="images")
    for i, width in enumerate(filters):
        # every second convolution keeps the size
        x = layers.Conv2D(width, 3, 1 if i % 2 else 2, "same", **weights(bias=i == 0))(x)
        x = batch_norm()(x) if i else x
        x = layers.LeakyReLU(0.2)(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    verdict = layers.Dense(1, dtype="float32", name="verdict", **weights())(x)
    classes = layers.Dense(num_classes, dtype="float32", name="classes", **weights())(x)
    return keras.Model(images, [verdict, classes], name="discriminator")


def class_loss(logits, labels):
    """Cross-entropy `(N,)` of labels `(N,)` under logits `(N, num_classes)`: minus equation 3."""
    logits = ops.cast(logits, "float32")
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)


def accuracy(logits, labels):
    """The share of rows whose largest logit is that of the label."""
    right = ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), labels)
    return ops.mean(ops.cast(right, "float32"))


@keras.saving.register_keras_serializable("ganzoo")
class ACGAN(GAN):
    """Auxiliary classifier GAN: Odena et al. 2016, https://arxiv.org/abs/1610.09585.

    `fit` takes images and labels, class ids `(N,)` or one-hot rows; `generate(labels=...)` makes
    images of chosen classes. The logs also hold `d_class_accuracy`, the share of real images whose
    class D names, and `class_accuracy`, the same of fakes and the class asked for.

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels. Default
            `(32, 32, 3)`, or that of the given networks.
        num_classes: how many classes there are. Default 10.
        latent_dim: length of the latent vector, without the class. Default 100, or that of the
            given generator.
        class_weight: of the class loss of both players. Default 1.
        generator_filters: width of the first grid and of each transposed convolution but the last.
            Default by image size: doubling from 96 downwards, at most 384.
        discriminator_filters: width of each convolution; those at odd places halve the size.
            Default two for each halving, doubling from 16, at most 512.
        dropout: share of D's units dropped in training. Default 0.5.
        generator: a network of your own, `[latents, labels]` to images in [-1, 1]; labels are int32
            `(N,)`.
        discriminator: a network of your own, images to a list of one logit and `num_classes` of
            them.
        ema_decay: see `ganzoo.GAN`. Default 0.995 a step; None for no average, as in the paper.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size that cannot be made, `num_classes` below 1, or a given network of
            other shapes.
    """

    reports = (*GAN.reports, "d_class_accuracy", "class_accuracy")
    recipe = {**GAN.recipe, "batch_size": 100}

    def __init__(
        self,
        image_shape=None,
        num_classes=10,
        latent_dim=None,
        class_weight=1.0,
        generator_filters=None,
        discriminator_filters=None,
        dropout=0.5,
        generator=None,
        discriminator=None,
        ema_decay=0.995,
        **kwargs,
    ):
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, (32, 32, 3), 100
        )
        check_num_classes(num_classes)
        shapes.check_network(generator, "generator", [(latent_dim,), ()], image_shape)
        shapes.check_network(discriminator, "discriminator", [image_shape], heads=[(num_classes,)])
        super().__init__(
            {
                "generator": generator
                or (
                    lambda: generator_network(
                        image_shape, latent_dim, num_classes, generator_filters
                    )
                ),
                "discriminator": discriminator
                or (
                    lambda: discriminator_network(
                        image_shape, num_classes, discriminator_filters, dropout
                    )
                ),
            },
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.latent_dim, self.num_classes = image_shape, latent_dim, num_classes
        self.class_weight, self.dropout = class_weight, dropout
        self.generator_filters = generator_filters and tuple(generator_filters)
        self.discriminator_filters = discriminator_filters and tuple(discriminator_filters)

    def default_optimizer(self, player):
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

    def default_loss(self):
        return losses.NonSaturating()

    def train_step(self, data):
        weight = self.class_weight
        for real, y in self.real_batches(data):
            n = ops.shape(real)[0]
            # 1. G makes fakes of classes drawn at random
            asked = self.classes(n)
            with tf.GradientTape() as g_tape:
                fake = self.generator([self.latents(n), asked], training=True)
            # 2. D learns to tell them apart (equation 2) and to name all classes (equation 3)
            with tf.GradientTape() as d_tape:
                d_real, named = self.discriminator(self.see(real), training=True)
                seen = self.see(ops.stop_gradient(fake))
                d_fake, fake_named = self.discriminator(seen, training=True)
                naming = class_loss(named, y) + class_loss(fake_named, asked)
                judging = self.loss.discriminator(d_real, d_fake, **self.targets(n))
                d_loss = ops.mean(judging + weight * naming)
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                asked = self.classes(n)
                with tf.GradientTape() as g_tape:
                    fake = self.generator([self.latents(n), asked], training=True)
            # 3. G learns to have the same fakes called real and of the class asked for
            with g_tape:
                verdict, fake_named = self.discriminator(self.see(fake), training=True)
                naming = class_loss(fake_named, asked)
                g_loss = ops.mean(self.loss.generator(verdict) + weight * naming)
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(
            d_loss=d_loss,
            g_loss=g_loss,
            real=(real, d_real),
            fake=(fake, d_fake),
            d_class_accuracy=accuracy(named, y),
            class_accuracy=accuracy(fake_named, asked),
        )

    def test_step(self, data):
        """The losses of one held-out batch, with fakes of its classes."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        real, labels = inputs.to_float(x), inputs.to_class_ids(y)
        z = self.test_noise.normal((ops.shape(real)[0], self.latent_dim))
        fake = self([z, labels], training=False)
        d_real, named = self.discriminator(real, training=False)
        d_fake, fake_named = self.discriminator(fake, training=False)
        on_real, on_fake = class_loss(named, labels), class_loss(fake_named, labels)
        d_loss = self.loss.discriminator(d_real, d_fake) + self.class_weight * (on_real + on_fake)
        g_loss = self.loss.generator(d_fake, d_real) + self.class_weight * on_fake
        return self.test_report(
            d_loss=ops.mean(d_loss),
            g_loss=ops.mean(g_loss),
            real=(real, d_real),
            fake=(fake, d_fake),
            labels=labels,
            d_class_accuracy=accuracy(named, labels),
            class_accuracy=accuracy(fake_named, labels),
        )

    def class_accuracies(self, n=100, seed=0):
        """Of n fakes of each class, the share whose class D's own head names.

        Args:
            n: fakes of each class.
            seed: int, which latents.

        Returns:
            float32 `(num_classes,)`.
        """
        shares = []
        for label in range(self.num_classes):
            fakes = self.generate(n, labels=np.full(n, label), seed=seed)
            _, named = self.discriminator.predict(fakes / np.float32(127.5) - 1, verbose=0)
            shares.append(np.mean(named.argmax(axis=1) == label))
        return np.array(shares, "float32")
