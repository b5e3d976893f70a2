"""What SRGAN and ESRGAN share: small images, two stages, enlarging photographs of any size."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from ganzoo import bicubic, inputs, shapes, tiles
from ganzoo import content as contents
from ganzoo.gan import GAN


class SuperResolution(GAN):
    """The base of the families that enlarge images.

    The generator takes and makes images in [0, 1]; everything else sees [-1, 1].

    Args:
        networks: see `ganzoo.GAN`.
        image_shape: `(H, W, C)` of large images.
        scale: how many times larger.
        content: see `ganzoo.content.Content`.
        adversarial_weight: 0 or more; with 0 only G learns, from `pixel_loss`.
        pretraining_steps: that many first updates of G are made as with a weight of 0.
        **kwargs: of `ganzoo.GAN`.
    """

    reports = (*GAN.reports, "content_loss")
    recipe = {**GAN.recipe, "batch_size": 16, "flip": True, "turn": True}
    makes_with = "upscale"
    data_form = "photos"

    def __init__(
        self,
        networks,
        image_shape,
        scale,
        content,
        adversarial_weight,
        pretraining_steps,
        **kwargs,
    ):
        contents.check(content)
        if not adversarial_weight >= 0:
            raise ValueError(f"adversarial_weight={adversarial_weight}: want a number, 0 or more.")
        if not isinstance(pretraining_steps, int) or pretraining_steps < 0:
            raise ValueError(
                f"pretraining_steps={pretraining_steps!r}: want a whole number of updates, 0 or "
                "more."
            )
        super().__init__(networks, **kwargs)
        self.image_shape, self.scale, self.content = image_shape, scale, content
        self.adversarial_weight, self.pretraining_steps = adversarial_weight, pretraining_steps
        self.distance = self._enlarger = None

    # What a family defines

    def make_content(self):
        """The `ganzoo.content.Content` in the paper's form. It becomes `distance` at the first step
        that needs it: neither enlarging nor the first stage does."""
        raise NotImplementedError(f"{type(self).__name__} must define make_content()")

    def pixel_loss(self, real, fake):
        """What G minimises before D joins, `(N,)`, of images in [-1, 1]."""
        raise NotImplementedError(f"{type(self).__name__} must define pixel_loss(real, fake)")

    # Two stages

    @property
    def pretraining(self):
        """Whether the next step is one without D."""
        early = self.pretraining_steps and int(self.g_optimizer.iterations) < self.pretraining_steps
        return self.adversarial_weight == 0 or bool(early)

    def make_train_function(self, force=False):
        if force or self.train_function is None:
            self.train_function = self._staged(self.pretrain_step, self.train_step)
        return self.train_function

    def make_test_function(self, force=False):
        if force or self.test_function is None:
            self.test_function = self._staged(self.pretest_step, self.test_step)
        return self.test_function

    def _staged(self, first, then):
        """A function that runs one step or the other, by what the stage is at each call."""
        first, then = [self._make_function(inputs.after_data(step)) for step in (first, then)]

        def step(iterator):
            if self.pretraining:
                return first(iterator)
            if self.distance is None:
                with self.distribute_strategy.scope(), self._policy():
                    self.distance = self.make_content()
            return then(iterator)

        return step

    def pretrain_step(self, data):
        """One update of G alone down the pixel loss, on each real batch."""
        for low, real in self.real_batches(data):
            with tf.GradientTape() as tape:
                fake = self.enlarge(low, training=True)
                loss = ops.mean(self.pixel_loss(real, fake))
            self.descend("g", tape, loss)
        self.average()
        silence = ops.zeros((ops.shape(real)[0], 1))
        return self.report(
            d_loss=0.0,
            g_loss=loss,
            content_loss=loss,
            real=(real, silence),
            fake=(fake, silence),
        )

    def pretest_step(self, data):
        """The pixel loss of one held-out batch."""
        low, real = self.prepared(*keras.utils.unpack_x_y_sample_weight(data)[:2])
        fake = self(low, training=False)
        loss, silence = ops.mean(self.pixel_loss(real, fake)), ops.zeros((ops.shape(real)[0], 1))
        return self.test_report(
            d_loss=0.0,
            g_loss=loss,
            content_loss=loss,
            real=(real, silence),
            fake=(fake, silence),
        )

    def test_step(self, data):
        low, real = self.prepared(*keras.utils.unpack_x_y_sample_weight(data)[:2])
        fake = self(low, training=False)
        d_real = self.discriminator(real, training=False)
        d_fake = self.discriminator(fake, training=False)
        content_loss = ops.mean(self.distance(real, fake))
        adversarial_loss = ops.mean(self.loss.generator(d_fake, d_real))
        return self.test_report(
            d_loss=ops.mean(self.loss.discriminator(d_real, d_fake)),
            g_loss=content_loss + self.adversarial_weight * adversarial_loss,
            content_loss=content_loss,
            real=(real, d_real),
            fake=(fake, d_fake),
        )

    # Small and large images

    @property
    def small_shape(self):
        """`(h, w, C)` of the small images that belong to `image_shape`."""
        height, width, channels = self.image_shape
        return height // self.scale, width // self.scale, channels

    def prepared(self, x, y):
        """Small and large images, float32 in [-1, 1], of what `fit` is given: large images, of
        which small ones are made, or both."""
        if is_images(y):
            return inputs.to_float(x), inputs.to_float(y)
        large = inputs.to_float(x)
        return bicubic.downscale(large, self.scale), large

    def check_batch(self, x, y):
        if not is_images(y):  # labels, which are passed over
            inputs.check_images(x, self.image_shape)
            return
        shape = np.shape(x)
        if len(shape) == 4 and shape[1:] != self.small_shape:
            raise ValueError(
                f"small images of shape {shape}: want (N, *{self.small_shape}), 1/{self.scale} of "
                f"the large ones' {self.image_shape}; or give the large ones alone."
            )
        inputs.check_images(x, self.small_shape)
        inputs.check_images(y, self.image_shape)

    def enlarge(self, small, training=False):
        """Small images `(N, h, w, C)` in [-1, 1] to large ones, float32, which may leave [-1, 1] a
        little; from the average when not training."""
        made = super().call((small + 1.0) / 2.0, training=training)
        return 2.0 * ops.cast(made, "float32") - 1.0

    def call(self, inputs, training=False):
        """Small images `(N, h, w, C)` in [-1, 1] to large ones, float32 in [-1, 1]; from the
        average when not training."""
        return ops.clip(self.enlarge(inputs, training), -1.0, 1.0)

    def upscale(self, images, tile=128, overlap=32):
        """Enlarges photographs of any size.

        Grey images stay grey, whatever the network's channels, and transparency is kept: where the
        network has no fourth channel it is enlarged bicubically.

        Args:
            images: uint8 `(N, H, W, C)`, one image `(H, W, C)` or `(H, W)`, or a list of images of
                differing sizes; with 1, 3 or 4 channels.
            tile: pixels of the small image that the network sees at a time, which bounds the memory
                (about 1 GB at 128 and a scale of 4 with 64 channels). Default 128.
            overlap: pixels shared by neighbouring tiles, at most half a tile. Default 32.

        Returns:
            uint8, `scale` times as high and wide, in the form given.

        Raises:
            TypeError: images that are not uint8. ValueError: another rank or number of channels.
        """
        if isinstance(images, list | tuple):
            return [self.upscale(image, tile, overlap) for image in images]
        images = np.asarray(images)
        if images.dtype != np.uint8:
            raise TypeError(f"images of type {images.dtype}: want uint8 in [0, 255].")
        if images.ndim == 2:
            return self.upscale(images[..., None], tile, overlap)[..., 0]
        if images.ndim not in (3, 4) or images.shape[-1] not in (1, 3, 4) or not images.size:
            raise ValueError(
                f"images of shape {images.shape}: want (N, H, W, C), (H, W, C) or (H, W), with "
                "1, 3 or 4 channels."
            )
        if images.ndim == 4:
            return np.stack([self._upscaled(image, tile, overlap) for image in images])
        return self._upscaled(images, tile, overlap)

    def preview(self, n, labels=None, seed=0, examples=None):
        """Up to n large images, in columns: the small image as bicubic interpolation enlarges it,
        as the model does, and the original."""
        if examples is None:
            raise ValueError(
                f"{type(self).__name__} makes images from images: give held-out ones as data= or "
                "examples= to see it at work."
            )
        x, y = examples if isinstance(examples, tuple) else (examples, None)
        self.check_batch(x, y)
        count = min(max(1, n // 3), len(x))
        x, y = [None if part is None else tf.convert_to_tensor(part[:count]) for part in (x, y)]
        small, large = self.prepared(x, y)
        rows = bicubic.resize(small, *self.image_shape[:2]), self(small, training=False), large
        return np.concatenate([inputs.to_uint8(row) for row in rows]), count

    def exhibits(self, x, y, seed):
        small, large = self.prepared(*[y if y is None else tf.convert_to_tensor(y) for y in (x, y)])
        fake = self(small, training=False)
        return {"real": (self.discriminator, [large]), "fake": (self.discriminator, [fake])}

    def _upscaled(self, image, tile, overlap):
        """One image `(H, W, C)`, brought to the network's channels and back."""
        has, wants = image.shape[-1], self.image_shape[-1]
        if has == wants:
            return self._through_tiles(image, tile, overlap)
        if has == 4:
            size = [self.scale * side for side in image.shape[:2]]
            alpha = bicubic.resize(image[None, ..., 3:].astype("float32"), *size)[0]
            alpha = np.clip(np.round(alpha), 0, 255).astype("uint8")
            return np.concatenate([self._upscaled(image[..., :3], tile, overlap), alpha], -1)
        if wants == 1:  # one colour after the other
            planes = np.split(image, has, -1)
            return np.concatenate([self._through_tiles(p, tile, overlap) for p in planes], -1)
        if wants == 4:
            opaque = np.full_like(image[..., :1], 255)
            image = np.concatenate([np.broadcast_to(image, (*image.shape[:2], 3)), opaque], -1)
        else:
            image = np.repeat(image, 3, -1)
        made = self._through_tiles(image, tile, overlap)[..., :3]
        return made if has == 3 else np.round(made.mean(-1, keepdims=True)).astype("uint8")

    def _through_tiles(self, image, tile, overlap):
        if self._enlarger is None:
            self._enlarger = tf.function(
                lambda batch: self(inputs.to_float(batch), training=False), reduce_retracing=True
            )
        # in steps, so that few sizes are compiled, and a small image is not padded to a whole tile
        steps = [min(tile, -(-size // 16) * 16) for size in image.shape[:2]]
        fixed = self.generator.input_shape[1:3]  # None for any, but a network of one's own has its
        sides = [side or step for side, step in zip(fixed, steps, strict=True)]
        overlaps = [min(overlap, side // 2) for side in sides]
        return tiles.run(lambda batch: self._enlarger(batch), image, sides, overlaps, self.scale)


def is_images(y):
    """Whether what came beside `x` are large images, and not labels or nothing."""
    return y is not None and len(np.shape(y)) == 4


def check_networks(image_shape, scale, scales, generator, discriminator, multiple=1):
    """Refuses sizes and networks that do not fit.

    Args:
        image_shape: `(H, W, C)` of large images.
        scale, scales: the one wanted, and those that the family can do.
        generator, discriminator: the user's own networks, or None.
        multiple: the sides must be multiples of this and of `scale`.

    Returns:
        The image shape as a tuple.
    """
    image_shape, _ = shapes.resolve(image_shape, 1, None, None, None, None)
    if scale not in scales:
        near = min(scales, key=lambda s: abs(s - scale)) if isinstance(scale, int | float) else 4
        raise ValueError(f"scale={scale!r}: want one of {list(scales)}; the nearest is {near}.")
    multiple = max(multiple, scale)
    height, width, channels = image_shape
    sides = [max(multiple, round(side / multiple) * multiple) for side in (height, width)]
    nearest = (*sides, min(shapes.CHANNELS, key=lambda c: abs(c - channels)))
    if nearest != image_shape:
        raise ValueError(
            f"image_shape={image_shape} and scale={scale}: want sides that are multiples of "
            f"{multiple} and 1, 3 or 4 channels; the nearest is {nearest}."
        )
    small = (height // scale, width // scale, channels)
    shapes.check_network(generator, "generator", [small], image_shape)
    shapes.check_network(discriminator, "discriminator", [image_shape])
    return image_shape
