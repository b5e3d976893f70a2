"""TextGAN: draws what a sentence says; D also sees real images with the wrong text.

Reed, Akata, Yan, Logeswaran, Schiele and Lee 2016, "Generative Adversarial Text to Image
Synthesis", https://arxiv.org/abs/1605.05396, with the conditioning augmentation and the second
stage of StackGAN, Zhang et al. 2017, https://arxiv.org/abs/1612.03242. D tells (real image, its
text) from (fake, its text) and from (real image, another text): without the last it never learns to
look at the text (GAN-CLS, algorithm 1). G also learns from texts half way between two, for which
there is no image (GAN-INT, equation 5).

The text encoder is learned beside the GAN: words and their places, a layer of self-attention and
the mean over the words; and a convolutional network for images, brought together with it by the
cross-entropy of finding the right text for an image, and the right image for a text, within the
batch. The losses of G and D do not reach it.

Differences from the papers: they take a text encoder trained before. G's and D's convolutions are
DCGAN's of the course notes; text joins D's features at the last grid, as in Reed. Between two texts
every image of the batch is trained on, not every second one. The divergence of the augmentation is
the mean over its numbers with weight 2, as in StackGAN's code. StackGAN trains its stages one after
the other and quadruples the size; here the second doubles it, works on the first one's image
without shrinking it, and both are trained at once, as in StackGAN++
(https://arxiv.org/abs/1710.10916).
"""

import json

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from ganzoo import captions as texts
from ganzoo import inputs, losses, random, sampling, shapes
from ganzoo.gan import GAN
from ganzoo.layers.text import ConditioningAugmentation
from ganzoo.models.dcgan import batch_norm, convolution, course_up

# numbers that D reduces a text to before it joins the image, as in Reed 2016
TEXT_FEATURES = 128
# of cosines in the matching loss
TEMPERATURE = 0.1
# captions kept with the model, for `generate` without captions
EXAMPLES = 64


def text_encoder_network(vocabulary_size, caption_length, width):
    """Numbers of words `(N, caption_length)` to embeddings `(N, width)` of length sqrt(width)."""
    words = keras.Input((caption_length,), dtype="int32", name="words")
    places = ops.cumsum(ops.ones_like(words), axis=1) - 1
    # Keras draws from [-0.05, 0.05], which the sphere would blow up, and its gradients with it
    draw = keras.initializers.RandomNormal(0.0, 1.0)
    word = layers.Embedding(vocabulary_size + 2, width, draw, name="word")(words)
    x = word + layers.Embedding(caption_length, width, name="place")(places)
    there_are = ops.cast(words > 0, "float32")
    attention = layers.MultiHeadAttention(4, -(-width // 4), name="attention")
    x = x + attention(x, x, attention_mask=there_are[:, None, :] > 0)
    # the mean over the words there are
    share = there_are / ops.maximum(ops.sum(there_are, axis=1, keepdims=True), 1.0)
    x = ops.sum(ops.cast(x, "float32") * share[:, :, None], axis=1)
    return keras.Model(words, on_sphere(x, width), name="text_encoder")


def image_encoder_network(image_shape, width, filters):
    """Images `(N, *image_shape)` in [-1, 1] to embeddings `(N, width)` of length sqrt(width)."""
    images = keras.Input(image_shape, name="images")
    x = layers.GlobalAveragePooling2D()(features(images, image_shape, filters))
    return keras.Model(images, on_sphere(x, width), name="image_encoder")


def on_sphere(x, width):
    """A dense layer to `width` numbers that are of the order of 1, whatever came."""
    x = layers.UnitNormalization(dtype="float32")(layers.Dense(width, dtype="float32")(x))
    return layers.Rescaling(width**0.5, dtype="float32")(x)


def features(x, image_shape, filters):
    """DCGAN's convolutions from images to the last grid `(N, h, w, filters[-1])`."""
    for i, width in enumerate(filters or down_widths(image_shape)):
        x = convolution(layers.Conv2D, width, 4, 2)(x)
        x = batch_norm()(x) if i else x
        x = layers.LeakyReLU(0.2)(x)
    return x


def down_widths(image_shape):
    """Doubling from 64, which from 64 pixels on stands twice, as in the course notes."""
    _, doublings = shapes.plan(image_shape)
    widths = [min(512, 64 * 2**i) for i in range(doublings)]
    return widths if doublings < 4 else [64, *widths[:-1]]


def spread_over(code, grid):
    """A code `(N, D)` at every place of a grid: `(N, h, w, D)`."""
    height, width = grid.shape[1:3]
    return layers.Reshape((height, width, code.shape[-1]))(
        layers.RepeatVector(height * width)(code)
    )


def generator_network(image_shape, latent_dim, text_dim, condition_dim, filters, second_filters):
    """Latents `(N, latent_dim)` and embeddings `(N, text_dim)` to images in [-1, 1]: one of
    `image_shape`, or, with `second_filters`, a list of it and of the first stage's."""
    latents = keras.Input((latent_dim,), name="latents")
    text = keras.Input((text_dim,), name="text")
    # the first latents are the noise of the augmentation
    part = [latents[:, :condition_dim], latents[:, condition_dim:]]
    told = ConditioningAugmentation(condition_dim, name="condition")([text, part[0]])
    x = layers.Concatenate()([told, part[1]])
    if not second_filters:
        return keras.Model([latents, text], course_up(x, image_shape, filters), name="generator")
    first = course_up(x, half(image_shape), filters)
    second = enlarge(first, told, image_shape, second_filters)
    return keras.Model([latents, text], [second, first], name="generator")


def enlarge(small, told, image_shape, filters):
    """The second stage: an image `(N, H / 2, W / 2, C)` and what G was told to `(N, H, W, C)`."""
    x = layers.LeakyReLU(0.2)(layers.Conv2D(filters, 3, padding="same")(small))
    x = layers.Concatenate()([x, spread_over(told, x)])
    x = layers.ReLU()(batch_norm()(convolution(layers.Conv2D, filters, 3, 1)(x)))
    for _ in range(2):
        y = layers.ReLU()(batch_norm()(convolution(layers.Conv2D, filters, 3, 1)(x)))
        y = batch_norm()(convolution(layers.Conv2D, filters, 3, 1)(y))
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.ReLU()(batch_norm()(convolution(layers.Conv2DTranspose, filters, 4, 2)(x)))
    x = layers.Conv2D(image_shape[-1], 3, padding="same")(x)
    return layers.Activation("tanh", dtype="float32")(x)


def half(image_shape):
    """The shape that doubles to this one."""
    height, width, channels = image_shape
    if height % 2 or width % 2 or min(height, width) < 16:
        nearest = *(max(16, side + side % 2) for side in (height, width)), channels
        raise ValueError(
            f"image_shape={image_shape} with stages=2: want even sides of at least 16 pixels; the "
            f"nearest is {nearest}."
        )
    return height // 2, width // 2, channels


def discriminator_network(image_shape, text_dim, filters, stages):
    """Images `(N, *image_shape)`, with two stages also the first one's, and embeddings
    `(N, text_dim)` to logits `(N, stages)`."""
    sizes = [image_shape, half(image_shape)] if stages == 2 else [image_shape]
    images = [keras.Input(shape) for shape in sizes]
    text = keras.Input((text_dim,), name="text")
    verdicts = [judge_pair(i, text, s, filters) for i, s in zip(images, sizes, strict=True)]
    verdicts = layers.Concatenate(dtype="float32")(verdicts) if stages == 2 else verdicts[0]
    return keras.Model([*images, text], verdicts, name="discriminator")


def judge_pair(images, text, image_shape, filters):
    """Images and embeddings to logits `(N, 1)`: Reed 2016, section 4.1."""
    grid = features(images, image_shape, filters)
    code = layers.LeakyReLU(0.2)(layers.Dense(TEXT_FEATURES)(text))
    x = layers.Concatenate()([grid, spread_over(code, grid)])
    x = convolution(layers.Conv2D, grid.shape[-1], 1, 1)(x)
    x = layers.LeakyReLU(0.2)(batch_norm()(x))
    return layers.Dense(1, dtype="float32")(layers.Flatten()(x))


def whole_batch(rows):
    """The rows `(n, ...)` of all replicas, `(N, ...)`, and the places `(n,)` of ours in them."""
    n, context = ops.shape(rows)[0], tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return rows, ops.arange(n)
    # the last batch of held-out data need not be of one size on all
    sizes = context.all_gather(ops.reshape(n, (1,)), axis=0)
    first = ops.sum(sizes[: context.replica_id_in_sync_group])
    return context.all_gather(rows, axis=0), first + ops.arange(n)


def alike(words):
    """Which texts of the whole batch, `(n, N)` bool, say the same as each of ours `(n, L)`."""
    everyone, _ = whole_batch(words)
    return ops.all(ops.equal(words[:, None], everyone[None]), axis=2)


def another(code, same):
    """For each text the next one of the whole batch that is another, round the corner.

    Args:
        code: embeddings `(n, D)`.
        same: from `alike`.

    Returns:
        Embeddings `(n, D)`, and bool `(n,)`: whether there is another at all.
    """
    everyone, here = whole_batch(code)
    total = ops.shape(everyone)[0]
    places = (here[:, None] + ops.arange(total)[None]) % total
    differs = ops.logical_not(ops.take_along_axis(same, places, axis=1))
    chosen = ops.argmax(ops.cast(differs, "int32"), axis=1)
    place = ops.take_along_axis(places, chosen[:, None], axis=1)[:, 0]
    return ops.take(everyone, place, axis=0), ops.any(differs, axis=1)


def matching(seen, read, same):
    """The cross-entropy of finding the text of an image, and the image of a text.

    Cosines over `TEMPERATURE` are the logits. Pairs of the same text are no mistakes: they are left
    out.

    Args:
        seen, read: embeddings of images and their texts, `(n, D)`, on the sphere.
        same: from `alike`.

    Returns:
        The loss `(n,)` float32, and the share of images whose own text is the nearest.
    """
    loss, right = 0.0, None
    for ours, theirs in ((seen, read), (read, seen)):
        everyone, here = whole_batch(theirs)
        own = ops.one_hot(here, ops.shape(everyone)[0], dtype="bool")
        cosines = ops.matmul(ours, ops.transpose(everyone)) / ours.shape[1]
        rivals = ops.logical_or(own, ops.logical_not(same))
        logits = ops.where(rivals, cosines / TEMPERATURE, -1e9)
        loss += ops.sparse_categorical_crossentropy(here, logits, from_logits=True) / 2
        if right is None:
            right = ops.cast(ops.argmax(logits, axis=1), "int32") == here
    return loss, ops.mean(ops.cast(right, "float32"))


@keras.saving.register_keras_serializable("ganzoo")
class TextGAN(GAN):
    """Text to image: Reed et al. 2016, https://arxiv.org/abs/1605.05396, and StackGAN, Zhang et al.
    2017, https://arxiv.org/abs/1612.03242.

    `fit` takes images and captions, strings `(N,)`; `generate(captions=["red heart"])` draws from
    them. With `embedding_dim` both take embeddings `(N, embedding_dim)` of an encoder of yours.

    The logs also hold `d_wrong`, the mean verdict on real images with the wrong text, `divergence`
    of the augmentation in nats, and, unless embeddings are given, `match_loss` (part of `d_loss`)
    and `match_accuracy`, the share of images whose text the encoders find in the batch.

    Args:
        image_shape: `(H, W, C)` with sides of 8 pixels or more and 1, 3 or 4 channels; with two
            stages even sides of 16 or more. Default `(64, 64, 3)`, or that of the given networks.
        latent_dim: length of the latent vector; the first `condition_dim` numbers are the noise of
            the augmentation. Default `condition_dim` and 100, 228; or that of the given generator.
        embedding_dim: length of the embeddings given to `fit`; None where captions are strings.
        vocabulary: the words that are known, lower case. Default: those of the captions that the
            first `fit`, or `adapt`, is given.
        vocabulary_size: how many words there is room for. Default the length of `vocabulary`, or
            2,000.
        examples: captions that `generate` without captions draws from. Default: some of those the
            vocabulary is from.
        caption_length: words read of a caption. Default 16.
        text_dim: length of the embeddings of the model's own encoder. Default 128.
        condition_dim: how many numbers G is told of the text. Default 128.
        divergence_weight: of the augmentation's divergence in G's loss. Default 2.
        interpolation_weight: in G's loss, of fakes from texts half way between two; 0 for none,
            which makes a step much shorter. Default 1.
        match_weight: of the matching loss. Default 1.
        stages: 2 for a second generator that doubles the image of the first, with a discriminator
            of its own. Default 1.
        generator_filters: width of each transposed convolution. Default by image size, as `DCGAN`.
        discriminator_filters: width of each stride-2 convolution, of the image encoder too. Default
            by image size.
        second_filters: width of the second stage. Default 64.
        generator: a network of your own, `[latents, embeddings]` to images in [-1, 1]; with two
            stages to a list of images and images of half the size.
        discriminator: a network of your own, `[images, embeddings]` to one logit; with two stages
            `[images, half the size, embeddings]`.
        ema_decay: see `ganzoo.GAN`. Default 0.995 a step.
        **kwargs: `augment`, `seed`, `name`, `dtype` of `ganzoo.GAN`.

    Raises:
        ValueError: for a size that cannot be made, a number out of range, or a given network of
            other shapes.
    """

    data_form = "captions"
    reports = (*GAN.reports, "d_wrong", "divergence", "match_loss", "match_accuracy")
    recipe = {**GAN.recipe, "batch_size": 64, "epochs": 200}

    def __init__(
        self,
        image_shape=None,
        latent_dim=None,
        embedding_dim=None,
        vocabulary=None,
        vocabulary_size=None,
        examples=None,
        caption_length=16,
        text_dim=128,
        condition_dim=128,
        divergence_weight=2.0,
        interpolation_weight=1.0,
        match_weight=1.0,
        stages=1,
        generator_filters=None,
        discriminator_filters=None,
        second_filters=64,
        generator=None,
        discriminator=None,
        ema_decay=0.995,
        **kwargs,
    ):
        image_shape, latent_dim = shapes.resolve(
            image_shape, latent_dim, generator, discriminator, (64, 64, 3), condition_dim + 100
        )
        if stages not in (1, 2):
            raise ValueError(f"stages={stages!r}: want 1 or 2.")
        if latent_dim <= condition_dim:
            raise ValueError(
                f"latent_dim={latent_dim}: the augmentation takes condition_dim={condition_dim} of "
                f"it, and noise the rest: want {condition_dim + 1} or more."
            )
        width = text_dim if embedding_dim is None else embedding_dim
        sizes = [image_shape, half(image_shape)] if stages == 2 else [image_shape]
        shapes.check_network(
            generator, "generator", [(latent_dim,), (width,)], image_shape, heads=sizes[1:]
        )
        shapes.check_network(discriminator, "discriminator", [*sizes, (width,)])
        if vocabulary is not None and vocabulary_size is None:
            vocabulary_size = len(vocabulary)
        vocabulary_size = vocabulary_size or 2000
        if vocabulary is not None and len(vocabulary) > vocabulary_size:
            raise ValueError(
                f"a vocabulary of {len(vocabulary)} words with vocabulary_size={vocabulary_size}: "
                "leave vocabulary_size out."
            )
        networks = {
            "generator": generator
            or (
                lambda: generator_network(
                    image_shape,
                    latent_dim,
                    width,
                    condition_dim,
                    generator_filters,
                    second_filters if stages == 2 else None,
                )
            ),
            "discriminator": discriminator
            or (lambda: discriminator_network(image_shape, width, discriminator_filters, stages)),
        }
        if embedding_dim is None:
            networks["text_encoder"] = lambda: text_encoder_network(
                vocabulary_size, caption_length, text_dim
            )
            networks["image_encoder"] = lambda: image_encoder_network(
                image_shape, text_dim, discriminator_filters
            )
            # D's optimizer moves the encoders, down a loss of their own
            self.players = {"g": ("generator",), "d": tuple(networks)[1:]}
        else:
            self.reports = tuple(r for r in self.reports if not r.startswith("match"))
        super().__init__(networks, ema_decay=ema_decay, **kwargs)
        self.image_shape, self.latent_dim, self.embedding_dim = (
            image_shape,
            latent_dim,
            embedding_dim,
        )
        self.vocabulary = vocabulary and tuple(vocabulary)
        self.examples = examples and tuple(examples)
        self.vocabulary_size, self.caption_length = vocabulary_size, caption_length
        self.text_dim, self.condition_dim, self.stages = text_dim, condition_dim, stages
        self.divergence_weight, self.match_weight = divergence_weight, match_weight
        self.interpolation_weight, self.second_filters = interpolation_weight, second_filters
        self.generator_filters = generator_filters and tuple(generator_filters)
        self.discriminator_filters = discriminator_filters and tuple(discriminator_filters)
        self._words = None

    def default_optimizer(self, player):
        return keras.optimizers.Adam(2e-4, beta_1=0.5)

    def default_loss(self):
        return losses.NonSaturating()

    def train_step(self, data):
        for real, words in self.real_batches(data):
            n, same = ops.shape(real)[0], alike(words)
            # 1. the encoders learn which text belongs to which image
            with tf.GradientTape() as d_tape:
                read = self.embed(words, training=True)
                match_loss, matched = self.match(real, read, same)
            text = ops.stop_gradient(read)
            wrong, there_is = another(text, same)
            # 2. G makes a fake for the text of each real image
            with tf.GradientTape() as g_tape:
                fakes = self.make(text)
            # 3. D learns to tell real images with their text from fakes and from real images with
            #    the wrong text (algorithm 1); where all say the same, the fake counts twice
            with d_tape:
                d_real = self.judge(self.all_sizes(real), text)
                d_wrong = self.judge(self.all_sizes(real), wrong)
                d_fake = self.judge([ops.stop_gradient(fake) for fake in fakes], text)
                labels = self.targets(n)
                on_fake = self.loss.discriminator(d_real, d_fake, **labels)
                on_wrong = self.loss.discriminator(d_real, d_wrong, **labels)
                on_wrong = ops.where(there_is, on_wrong, on_fake)
                d_loss = ops.mean((on_fake + on_wrong) / 2 + self.match_weight * match_loss)
            self.descend("d", d_tape, d_loss)
        for update in range(self.g_steps):
            if update:
                with tf.GradientTape() as g_tape:
                    fakes = self.make(text)
            # 4. G learns to have the same fakes called real with their text by the updated D, and
            #    others with a text half way to another one (equation 5)
            with g_tape:
                g_loss = ops.mean(self.loss.generator(self.judge(fakes, text), d_real))
                if self.interpolation_weight:
                    between = (text + wrong) / 2
                    verdict = self.judge(self.make(between), between)
                    middle = ops.mean(self.loss.generator(verdict, d_real))
                    g_loss += self.interpolation_weight * middle
                divergence = ops.mean(self.divergence(text))
                g_loss += self.divergence_weight * divergence
            self.descend("g", g_tape, g_loss)
        self.average()
        return self.report(
            real=(real, d_real),
            fake=(fakes[0], d_fake),
            d_loss=d_loss,
            g_loss=g_loss,
            d_wrong=ops.mean(d_wrong),
            divergence=divergence,
            **self.match_report(match_loss, matched),
        )

    def prepared(self, x, y):
        """Images `(N, H, W, C)` float32 in [-1, 1] and texts: numbers of words
        `(N, caption_length)` int32 or embeddings `(N, embedding_dim)` float32."""
        return inputs.to_float(x), ops.cast(y, "int32" if self.embedding_dim is None else "float32")

    def embed(self, words, training=False):
        """Embeddings `(N, D)` float32 of numbers of words; given embeddings as they are."""
        if self.embedding_dim is not None:
            return words
        return self.text_encoder(words, training=training)

    def match(self, real, read, same, training=True):
        """The matching loss `(n,)` and accuracy; 0 and None where embeddings are given."""
        if self.embedding_dim is not None:
            return 0.0, None
        shown = self.see(real) if training else real
        return matching(self.image_encoder(shown, training=training), read, same)

    def match_report(self, match_loss, matched):
        if self.embedding_dim is not None:
            return {}
        return {"match_loss": ops.mean(match_loss), "match_accuracy": matched}

    def make(self, text):
        """Fakes for embeddings `(N, D)`: a list of images, the full size first."""
        latents = self.latents(ops.shape(text)[0])
        return tf.nest.flatten(self.generator([latents, text], training=True))

    def all_sizes(self, images):
        """Real images at the size of each stage, the full size first."""
        if self.stages == 1:
            return [images]
        return [images, ops.average_pool(images, 2)]

    def judge(self, images, text, training=True):
        """D's logits on a list of images and their texts."""
        shown = [self.see(one) for one in images] if training else images
        return self.discriminator([*shown, text], training=training)

    def divergence(self, text):
        """The augmentation's `(N,)` in nats; a generator of yours may go without."""
        layer = [
            layer for layer in self.generator.layers if isinstance(layer, ConditioningAugmentation)
        ]
        return layer[0].divergence(text) if layer else ops.zeros((1,))

    def test_step(self, data):
        """The losses of one held-out batch, but for the fakes between two texts."""
        real, words = self.prepared(*keras.utils.unpack_x_y_sample_weight(data)[:2])
        same = alike(words)
        text = self.embed(words)
        match_loss, matched = self.match(real, text, same, training=False)
        wrong, there_is = another(text, same)
        z = self.test_noise.normal((ops.shape(real)[0], self.latent_dim))
        fakes = tf.nest.flatten(super().call([z, text], training=False))
        d_real = self.judge(self.all_sizes(real), text, training=False)
        d_wrong = self.judge(self.all_sizes(real), wrong, training=False)
        d_fake = self.judge(fakes, text, training=False)
        on_fake, on_wrong = (self.loss.discriminator(d_real, d) for d in (d_fake, d_wrong))
        on_wrong = ops.where(there_is, on_wrong, on_fake)
        d_loss = ops.mean((on_fake + on_wrong) / 2 + self.match_weight * match_loss)
        divergence = ops.mean(self.divergence(text))
        g_loss = ops.mean(self.loss.generator(d_fake, d_real)) + self.divergence_weight * divergence
        return self.test_report(
            real=(real, d_real),
            fake=(fakes[0], d_fake),
            d_loss=d_loss,
            g_loss=g_loss,
            d_wrong=ops.mean(d_wrong),
            divergence=divergence,
            **self.match_report(match_loss, matched),
        )

    def call(self, inputs, training=False):
        """Images float `(N, H, W, C)` in [-1, 1] from `[latents, texts]`; texts are what `tokens`
        makes of captions, or embeddings."""
        latents, words = inputs
        made = super().call([latents, self.embed(words)], training=training)
        return tf.nest.flatten(made)[0]

    # Captions

    def adapt(self, captions):
        """Takes the vocabulary, and some examples, from captions `(N,)`; `fit` does it by itself.

        Raises:
            ValueError: no caption, an empty one, or a model that has its vocabulary.
        """
        if self.embedding_dim is not None:
            raise ValueError(f"{self.name} reads embeddings, not captions: it has no vocabulary.")
        if self.vocabulary is not None:
            raise ValueError(
                f"this model knows {len(self.vocabulary):,} words, and what it learned is of them: "
                "make a new one."
            )
        texts.check_captions(captions, None)
        self.vocabulary = texts.vocabulary(captions, self.vocabulary_size)
        if not self.vocabulary:
            raise ValueError(f"no word in {len(captions)} captions: there is nothing to learn.")
        different = sorted({text.decode() for text in texts.as_strings(captions).numpy()})
        step = max(1, len(different) // EXAMPLES)
        self.examples = tuple(different[::step][:EXAMPLES])

    def tokens(self, captions):
        """int32 `(N, caption_length)` from captions `(N,)`: 0 after the end, 1 for unknown words,
        2 for the first word of the vocabulary, and so on."""
        return self._reader()(texts.as_strings(captions))

    def _reader(self):
        if self.vocabulary is None:
            raise ValueError("this model knows no word yet: fit it, or adapt(captions) first.")
        if self._words is None or self._words.vocabulary is not self.vocabulary:
            with tf.init_scope():
                self._words = texts.Words(self.vocabulary, self.caption_length)
        return self._words

    def check_batch(self, x, y):
        inputs.check_images(x, self.image_shape)
        self.check_texts(y, len(x))

    def check_texts(self, y, n):
        """Refuses what `fit`, `evaluate` and `generate` cannot read as n texts."""
        want = f"want {n} strings"
        if self.embedding_dim is not None:
            want = f"want float embeddings ({n}, {self.embedding_dim})"
        if y is None:
            raise ValueError(f"images without captions: {want}, as y or in (images, captions).")
        if self.embedding_dim is not None:
            if texts.is_strings(y):
                raise ValueError(
                    f"captions as strings: this model was built with embedding_dim="
                    f"{self.embedding_dim}, and {want[5:]} are wanted. Leave embedding_dim out."
                )
            texts.check_embeddings(y, self.embedding_dim, n)
        elif texts.is_strings(y):
            texts.check_captions(y, n, self.vocabulary and self._reader())
        elif np.shape(y) != (n, self.caption_length) or np.asarray(y).dtype.kind not in "iu":
            raise ValueError(
                f"captions of shape {np.shape(y)}, type {np.asarray(y).dtype}: {want}; for "
                "embeddings (N, D) build the model with embedding_dim=D."
            )

    def fit(self, x=None, y=None, *args, **kwargs):
        """Trains on images and captions; otherwise as `GAN.fit`.

        Args:
            x: images, or a tuple or data set of (images, captions).
            y: strings `(N,)`, or embeddings `(N, embedding_dim)`.

        Raises:
            ValueError: as `GAN.fit`, and for more or fewer captions than images, an empty caption,
                or embeddings of another width. A caption of which no word is known ends in a
                warning.
        """
        x, y = texts.split_pair(x, y)
        if hasattr(x, "shape"):
            self.check_texts(y, len(x))
        if self.vocabulary is None and self.embedding_dim is None:
            self.adapt(texts.all_captions(x) if y is None else y)
        if isinstance(kwargs.get("validation_data"), tuple):
            kwargs["validation_data"] = texts.split_pair(*kwargs["validation_data"])
        return super().fit(x, y, *args, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        return super().evaluate(*texts.split_pair(x, y), *args, **kwargs)

    def as_numbers(self, x, y=None):
        """Turns captions into numbers of words, outside of the step: XLA knows no strings."""
        if self.embedding_dim is not None:
            return x, y
        reader = self._reader()

        def read(batch):
            images, captions, _ = keras.utils.unpack_x_y_sample_weight(batch)
            strings = texts.is_strings(captions)
            return images, reader(texts.as_strings(captions)) if strings else captions

        if isinstance(x, tf.data.Dataset):
            return x.map(lambda *batch: read(batch)), None
        if isinstance(x, keras.utils.PyDataset):
            return texts.ReadBatches(x, read), None
        if y is None:
            return (read(batch) for batch in x), None
        return read((x, y))

    # Sampling

    def generate(
        self, n=None, labels=None, seed=None, truncation=None, batch_size=64, captions=None
    ):
        """New images of what captions say.

        Args:
            n: how many; the captions are gone through again and again until there are as many.
                Default one for each caption.
            labels: None; captions say what to draw.
            seed, truncation, batch_size: as in `GAN.generate`.
            captions: a string, strings, or embeddings `(k, embedding_dim)`. Default: captions drawn
                from `examples`; where embeddings are wanted, standard normal ones.

        Returns:
            uint8 `(n, H, W, C)`.

        Raises:
            ValueError: as `GAN.generate`, and for an empty caption or embeddings of another width.
                A caption of which no word is known ends in a warning.
        """
        if labels is not None:
            raise ValueError(f"{type(self).__name__} has no classes: give captions instead.")
        if isinstance(captions, str | bytes):
            captions = [captions]
        if captions is not None and not len(captions):
            raise ValueError("captions is empty: want one string or more.")
        if n is None:
            n = 1 if captions is None else len(captions)
        return super().generate(n, captions, seed, truncation, batch_size)

    def sampling_inputs(self, n, captions, seed, truncation):
        """The inputs of `call` for n images: latents and texts, arrays of length n."""
        latents = sampling.latents(n, self.latent_dim, seed, truncation)
        if captions is not None:
            self.check_texts(captions, len(captions))
            turns = np.arange(n) % len(captions)
            if self.embedding_dim is not None:
                given = ops.convert_to_tensor(captions, "float32")
                return [latents, ops.take(given, turns, axis=0)]
            given = self.tokens(captions) if texts.is_strings(captions) else captions
            return [latents, ops.take(ops.cast(given, "int32"), turns, axis=0)]
        if self.embedding_dim is not None:
            return [latents, random.normal([seed, 1], (n, self.embedding_dim))]
        known = self.examples or self.vocabulary
        if not known:  # an untrained model: no words
            return [latents, ops.zeros((n, self.caption_length), "int32")]
        drawn = np.asarray(random.uniform([seed, 1], (n,)) * len(known)).astype(int)
        return [latents, ops.take(self.tokens(known), drawn, axis=0)]

    def preview(self, n, labels=None, seed=0, examples=None):
        """Images of the captions of held-out `examples`, where there are any."""
        captions = None if examples is None else examples[1]
        return self.generate(n, labels, seed, captions=captions), None

    def exhibits(self, x, y, seed):
        """What `Verdicts` shows to D: also real images with the text of the one before."""
        fake = self.generate(captions=y, seed=seed)
        numbers = self.as_numbers(x, y)[1] if self.embedding_dim is None else y
        text = self.embed(ops.convert_to_tensor(numbers))
        real = self.all_sizes(inputs.to_float(tf.convert_to_tensor(x)))
        fake = self.all_sizes(inputs.to_float(tf.convert_to_tensor(fake)))
        return {
            "real": (self.discriminator, [*real, text]),
            "wrong": (self.discriminator, [*real, ops.roll(text, 1, axis=0)]),
            "fake": (self.discriminator, [*fake, text]),
        }

    def sampling_networks(self):
        """Latents and numbers of words (or embeddings) to images: the text encoder and G, the
        averaged one first."""
        latents = keras.Input((self.latent_dim,), name="latents")
        if self.embedding_dim is not None:
            words = text = keras.Input((self.embedding_dim,), name="text")
        else:
            words = keras.Input((self.caption_length,), dtype="int32", name="words")
            text = self.text_encoder(words)
        return [
            keras.Model([latents, words], tf.nest.flatten(network([latents, text]))[0])
            for network in (self.ema_generator, self.generator)
            if network is not None
        ]

    # Saving

    def save_own_variables(self, store):
        super().save_own_variables(store)
        # what the rows of the embedding stand for is as much a part of it as the numbers
        if self.vocabulary is not None:
            store["vocabulary"] = as_bytes([self.vocabulary, self.examples or ()])

    def load_own_variables(self, store):
        own = {key: store[key] for key in list(store.keys())}
        saved = own.pop("vocabulary", None)
        if saved is not None:
            words, examples = json.loads(np.asarray(saved).tobytes())
            self.vocabulary, self.examples = tuple(words), tuple(examples)
        super().load_own_variables(own)


def as_bytes(value):
    return np.frombuffer(json.dumps(value).encode(), "uint8")
