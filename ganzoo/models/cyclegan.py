"""CycleGAN: one kind of image into another and back, learned without pairs.

Zhu, Park, Isola and Efros 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks", https://arxiv.org/abs/1703.10593. Two generators, A to B and B to A, each
with a discriminator of its own; where there are no pairs to learn from, there is this: an image
taken to the other side and back must be itself again.

The networks and the step are those of the authors' PyTorch code: residual generators with
reflection padding and instance normalisation, `PatchGAN`s, least squares, a pool of 50 earlier
fakes, and an image of the target's kind should stay as it is. The learning rate falls to 0 over the
second half of the epochs: `ganzoo train` does it, and `linear_decay` is the schedule for `fit`.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from ganzoo import inputs, losses, shapes, translation
from ganzoo.gan import GAN
from ganzoo.layers import CropLike, ImagePool, ReflectionPadding2D
from ganzoo.models.pix2pix import (
    check_options,
    convolution,
    normalization,
    patch_discriminator,
    patch_for,
)

RATE = 2e-4
# pixels; translating a 512 px image with 64 filters takes about 1 GB
TILE = 512


def resnet(channels, filters, blocks, norm, name):
    """Images `(N, H, W, channels)` in [-1, 1], of 8 pixels or more, to others of the same size."""
    bias = norm == "instance"  # batch normalisation has one of its own
    conv, up = layers.Conv2D, layers.Conv2DTranspose
    x = images = keras.Input((None, None, channels), name="images")

    def normal(x, name, active=True):
        x = normalization(norm, f"{name}_norm")(x)
        return layers.ReLU()(x) if active else x

    x = ReflectionPadding2D(3)(x)
    x = normal(convolution(conv, filters, 7, 1, bias, "valid", name="first")(x), "first")
    for i in (1, 2):
        x = layers.ZeroPadding2D(1)(x)
        x = convolution(conv, filters * 2**i, 3, 2, bias, "valid", name=f"down{i}")(x)
        x = normal(x, f"down{i}")
    for i in range(blocks):
        skip = x
        for j in (1, 2):
            name_ = f"block{i}_conv{j}"
            x = ReflectionPadding2D(1)(x)
            x = convolution(conv, filters * 4, 3, 1, bias, "valid", name=name_)(x)
            x = normal(x, name_, active=j == 1)
        x = layers.Add()([skip, x])
    for i in (1, 2):
        x = convolution(up, filters * 4 // 2**i, 3, 2, bias, "valid", name=f"up{i}")(x)
        x = normal(layers.Cropping2D(((1, 0), (1, 0)))(x), f"up{i}")
    x = CropLike()([x, images])  # sides that 4 does not divide were rounded up
    x = ReflectionPadding2D(3)(x)
    x = convolution(conv, channels, 7, 1, True, "valid", name="last")(x)
    return keras.Model(images, layers.Activation("tanh", dtype="float32")(x), name=name)


def linear_decay(epochs, rate=RATE):
    """The learning rate of an epoch: constant, and from the middle on falling evenly to 0.

    A function of the epoch alone, so that a run resumed anywhere goes on at the right rate; for
    `keras.callbacks.LearningRateScheduler`.

    Args:
        epochs: of the whole training. rate: of the first half. Default 2e-4.
    """
    constant = -(-epochs // 2)

    def rate_of(epoch, _=None):
        return rate * (1.0 - max(0, epoch + 1 - constant) / (epochs - constant + 1))

    return rate_of


@keras.saving.register_keras_serializable("ganzoo")
class CycleGAN(GAN):
    """Unpaired image-to-image translation: Zhu et al. 2017, https://arxiv.org/abs/1703.10593.

    `CycleGAN()` is the paper's at 256 px (generators of 11,378,179 parameters, discriminators of
    2,764,737). `fit` takes two sets of images, `(a, b)`, of any numbers; `translate` turns images
    of any size into the other kind, either way.

    Args:
        image_shape: `(H, W, C)` of both kinds; sides of 8 pixels or more, 1, 3 or 4 channels.
            Default `(256, 256, 3)`.
        filters: width of the first convolution of all networks. Default 64.
        blocks: residual blocks of the generators. Default 9 from 256 pixels on, else 6.
        norm: "instance" or "batch". Default "instance".
        patch: pixels of the patches that the discriminators judge; see `Pix2Pix`.
        cycle_weight: weight of the L1 distance of an image to itself after going there and back.
            Default 10.
        identity_weight: weight of the L1 distance of an image to what the generator of its own kind
            makes of it, as a share of `cycle_weight`; 0 spares two passes. Default 0.5.
        pool_size: fakes of earlier steps kept for each discriminator; 0 for none. Default 50.
        generator_ab, generator_ba: networks of your own, with different names, images in [-1, 1] to
            images in [-1, 1].
        discriminator_a, discriminator_b: networks of your own, images to one logit or one a patch.
        ema_decay: see `ganzoo.GAN`. Default None, as in the paper.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size or option that cannot be, or a given network of other shapes.
    """

    players = {
        "g": ("generator_ab", "generator_ba"),
        "d": ("discriminator_a", "discriminator_b"),
    }
    makes_with = "translate"
    data_form = "unpaired"
    averaged = players["g"]
    ema_generator = None  # there are two, `ema_generator_ab` and `ema_generator_ba`
    reports = (*GAN.reports, "cycle", "identity")
    # section 4 and appendix 7.1; images are enlarged from 256 to 286 px, cut and mirrored
    recipe = {**GAN.recipe, "batch_size": 1, "epochs": 200, "enlarge": 286 / 256, "flip": True}

    def __init__(
        self,
        image_shape=None,
        filters=64,
        blocks=None,
        norm="instance",
        patch=None,
        cycle_weight=10.0,
        identity_weight=0.5,
        pool_size=50,
        generator_ab=None,
        generator_ba=None,
        discriminator_a=None,
        discriminator_b=None,
        ema_decay=None,
        **kwargs,
    ):
        check_options(norm)
        image_shape, _ = shapes.resolve(image_shape or (256, 256, 3), 1, None, None, None, None)
        shapes.plan(image_shape)  # which refuses what is too small
        given = {
            "generator_ab": generator_ab,
            "generator_ba": generator_ba,
            "discriminator_a": discriminator_a,
            "discriminator_b": discriminator_b,
        }
        for role, network in given.items():
            made = image_shape if role.startswith("generator") else None
            shapes.check_network(network, role, [image_shape], made)
        if generator_ab and generator_ba and generator_ab.name == generator_ba.name:
            raise ValueError(
                f"generator_ab and generator_ba are both named {generator_ab.name!r}: give each "
                "keras.Model a name of its own."
            )
        depth = (9 if min(image_shape[:2]) >= 256 else 6) if blocks is None else blocks
        patch_size = patch_for(patch, image_shape)

        def default(role):
            if role.startswith("generator"):
                return lambda: resnet(image_shape[-1], filters, depth, norm, role)
            return lambda: patch_discriminator([image_shape], filters, patch_size, norm, role)

        super().__init__(
            {role: network or default(role) for role, network in given.items()},
            ema_decay=ema_decay,
            **kwargs,
        )
        self.image_shape, self.filters, self.blocks = image_shape, filters, blocks
        self.norm, self.patch, self.pool_size = norm, patch, pool_size
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        for number, name in enumerate(("pool_a", "pool_b")):
            pool = ImagePool(pool_size, None if self.seed is None else self.seed + number)
            pool.build((None, *image_shape))
            setattr(self, name, pool)
        self._translators = {}

    def default_optimizer(self, player):
        return keras.optimizers.Adam(RATE, beta_1=0.5)

    def default_loss(self):
        return losses.LeastSquares(factor=1.0)

    def recipe_callbacks(self, epochs):
        return [keras.callbacks.LearningRateScheduler(linear_decay(epochs))]

    def prepared(self, x, y):
        return inputs.to_float(x), inputs.to_float(y)

    def check_batch(self, x, y):
        if y is None:
            raise ValueError(
                "CycleGAN learns from two sets of images: fit((a, b)) or a data set of (a, b), two "
                "batches of images; ganzoo.data.load reads folders trainA and trainB."
            )
        inputs.check_images(x, self.image_shape)
        inputs.check_images(y, self.image_shape)

    def train_step(self, data):
        batches = self.real_batches(data)
        a, b = batches[0]
        for _ in range(self.g_steps):
            with tf.GradientTape() as g_tape:
                # 1. both generators translate
                fake_b = self.generator_ab(a, training=True)
                fake_a = self.generator_ba(b, training=True)
                on_a = self.discriminator_a(self.see(fake_a), training=True)
                on_b = self.discriminator_b(self.see(fake_b), training=True)
                adversarial = self.loss.generator(on_a) + self.loss.generator(on_b)
                # 2. there and back must change nothing (equation 2)
                cycle = l1(a, self.generator_ba(fake_b, training=True))
                cycle += l1(b, self.generator_ab(fake_a, training=True))
                # 3. nor must a generator change what is of its own kind already (section 5.2)
                identity = self.keep(a, b, training=True)
                weights = self.cycle_weight, self.cycle_weight * self.identity_weight
                g_loss = ops.mean(adversarial) + weights[0] * cycle + weights[1] * identity
            self.descend("g", g_tape, g_loss)
        for number, (a, b) in enumerate(batches):
            if number:
                fake_b = self.generator_ab(a, training=True)
                fake_a = self.generator_ba(b, training=True)
            # 4. the discriminators learn from fakes of this step and of earlier ones, at half the
            #    rate of the generators (appendix 7.1)
            shown_a, shown_b = self.pool_a(fake_a), self.pool_b(fake_b)
            with tf.GradientTape() as d_tape:
                loss_a, real_a, judged_a = self.judge(self.discriminator_a, a, shown_a)
                loss_b, real_b, judged_b = self.judge(self.discriminator_b, b, shown_b)
                d_loss = ops.mean(loss_a + loss_b) / 2
            self.descend("d", d_tape, d_loss)
        self.average()
        return self.report(
            d_loss=d_loss,
            g_loss=g_loss,
            cycle=cycle / 2,
            identity=identity / 2,
            real=(ops.concatenate([a, b]), ops.concatenate([real_a, real_b])),
            fake=(ops.concatenate([shown_a, shown_b]), ops.concatenate([judged_a, judged_b])),
        )

    def keep(self, a, b, training):
        """How far each generator changes images of the kind it makes: the sum of both distances."""
        if not self.identity_weight:
            return 0.0
        return l1(b, self.generator_ab(b, training=training)) + l1(
            a, self.generator_ba(a, training=training)
        )

    def judge(self, discriminator, real, fake):
        """A discriminator's loss `(N,)`, and its verdicts on real images and on fakes."""
        d_real = discriminator(self.see(real), training=True)
        d_fake = discriminator(self.see(fake), training=True)
        targets = self.targets(ops.shape(real)[0])
        return self.loss.discriminator(d_real, d_fake, **targets), d_real, d_fake

    def test_step(self, data):
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        a, b = self.prepared(x, y)
        ab, ba = self.sampling_pairs()[0]
        fake_b, fake_a = ab(a, training=False), ba(b, training=False)
        real_a, real_b = self.discriminator_a(a), self.discriminator_b(b)
        on_a, on_b = self.discriminator_a(fake_a), self.discriminator_b(fake_b)
        cycle = l1(a, ba(fake_b)) + l1(b, ab(fake_a))
        identity = (l1(b, ab(b)) + l1(a, ba(a))) if self.identity_weight else 0.0
        adversarial = self.loss.generator(on_a) + self.loss.generator(on_b)
        d_loss = self.loss.discriminator(real_a, on_a) + self.loss.discriminator(real_b, on_b)
        weights = self.cycle_weight, self.cycle_weight * self.identity_weight
        return self.test_report(
            d_loss=ops.mean(d_loss) / 2,
            g_loss=ops.mean(adversarial) + weights[0] * cycle + weights[1] * identity,
            cycle=cycle / 2,
            identity=identity / 2,
            real=(ops.concatenate([a, b]), ops.concatenate([real_a, real_b])),
            fake=(ops.concatenate([fake_a, fake_b]), ops.concatenate([on_a, on_b])),
        )

    def sampling_pairs(self):
        """`(generator_ab, generator_ba)`, the averaged ones first, if there are any."""
        pairs = [(self.generator_ab, self.generator_ba)]
        if self.ema_decay is not None:
            pairs.insert(0, (self.ema_generator_ab, self.ema_generator_ba))
        return pairs

    def sampling_networks(self):
        """Both generators as one network each, `[a, b]` to `[a as b, b as a]`; the averaged ones
        first, if there are any."""
        networks = []
        for ab, ba in self.sampling_pairs():
            a, b = (keras.Input(network.input_shape[1:]) for network in (ab, ba))
            networks.append(keras.Model([a, b], [ab(a), ba(b)], name="generators"))
        return networks

    def side(self, direction):
        """The generator, averaged if there is an average, of a direction."""
        check_options(self.norm, direction)
        return self.sampling_pairs()[0][0 if direction == "ab" else 1]

    def call(self, inputs, training=False):
        """Images of A, `(N, H, W, C)` in [-1, 1], as images of B, float32 in [-1, 1]; from the
        average when not training."""
        network = self.generator_ab if training else self.side("ab")
        return network(inputs, training=training)

    def translate(self, images, direction="ab", overlap=None):
        """Turns images of any size into the other kind.

        Images of up to 512 pixels go through the network whole, larger ones in overlapping tiles,
        so that the memory stays that of one.

        Args:
            images: uint8 `(N, H, W, C)`, one image `(H, W, C)`, or a list of images.
            direction: "ab" for images of A, "ba" for images of B. Default "ab".
            overlap: pixels that neighbouring tiles share, at most half a tile. Default a quarter.

        Returns:
            uint8, in the form given.

        Raises:
            TypeError: images that are not uint8. ValueError: another rank or number of channels, or
                another direction.
        """
        network = self.side(direction)
        if direction not in self._translators:
            self._translators[direction] = translation.compiled(network)
        fixed = network.input_shape[1:3]

        def tile(size):
            return [side or max(8, min(TILE, s)) for side, s in zip(fixed, size, strict=True)]

        return translation.run(
            self._translators[direction], images, self.image_shape[-1], tile, overlap
        )

    def preview(self, n, labels=None, seed=0, examples=None):
        if examples is None:
            raise ValueError("CycleGAN shows what it makes of examples: give two sets, (a, b).")
        few = translation.shown(n, 6)
        kinds = []
        for images, ways in zip(examples, ("ab", "ba"), strict=True):
            there = self.translate(translation.as_uint8(images)[:few], ways)
            kinds += [translation.as_uint8(images)[:few], there, self.translate(there, ways[::-1])]
        few = min(map(len, kinds))
        return translation.rows(n, *(kind[:few] for kind in kinds))

    def exhibits(self, x, y, seed):
        a, b = translation.as_uint8(x), translation.as_uint8(y)
        return {
            "real_a": (self.discriminator_a, [a]),
            "fake_a": (self.discriminator_a, [self.translate(b, "ba")]),
            "real_b": (self.discriminator_b, [b]),
            "fake_b": (self.discriminator_b, [self.translate(a, "ab")]),
        }

    def export(self, filepath, *args, direction="ab", **kwargs):
        """Keras's export (SavedModel, ONNX, LiteRT) of the generator of one direction."""
        return self.side(direction).export(filepath, *args, **kwargs)


def l1(images, others):
    """The mean absolute difference of two batches of images, a float32 scalar."""
    return ops.mean(ops.abs(ops.cast(images, "float32") - ops.cast(others, "float32")))
