"""`load`: from a spec to batches."""

import warnings

import numpy as np
import tensorflow as tf

from ganzoo.data.columns import column
from ganzoo.data.order import Order
from ganzoo.data.sources import open_source


def load(
    spec="fashion_mnist_10k",
    split="train",
    image_shape=None,
    batch_size=64,
    shuffle=True,
    seed=0,
    drop_remainder=None,
    labels=True,
    strict=False,
    data_dir=None,
    pairs=None,
    flip=False,
    turn=False,
    crop=None,
    cache_bytes=2**30,
):
    """Loads images as batches for `fit`.

    The order of the examples, and every random flip and crop, is a pure function of the seed, the
    epoch and the position: `ganzoo.data.order_of(dataset).epoch = e` makes the next pass over the
    dataset the one an uninterrupted run would see as its epoch `e`. Without that, the first pass is
    epoch 0, the second epoch 1, and so on.

    All images are decoded once before this returns, so what cannot be read is known before training
    starts. Decoded images up to `cache_bytes` stay in memory as `uint8`; of larger sets only the
    files' bytes (`.npz`) or names (folders) do, and each batch is decoded as it is needed.

    Args:
        spec: what to load:

            * `"fashion_mnist_10k"`: the embedded set, 10,000 images to train and 2,000 to test;
            * `"tfds:NAME"` or `"tfds:NAME/CONFIG"`: a TensorFlow Datasets set with images;
            * a folder of images. Folders in it are classes. Folders `train`, `test`, `val` are
              splits. `trainA` and `trainB` (`testA`, `testB`) are unpaired sets; `A` and `B` hold
              pairs of equal file names. With a `captions.txt`, `.tsv` or `.csv` of lines
              `file<TAB or comma>caption`, images and captions (the path of that file will do, too);
            * a path ending in `.npz`: arrays `x_train`, `y_train`, ..., or JPEG or PNG files end to
              end in `train_jpeg` or `train_png` with `train_offsets`, and labels in `train_y` or
              `y_train`; `trainA_jpeg` and `trainB_jpeg` are unpaired sets;
            * an array of images `(N, H, W)` or `(N, H, W, C)`, or a tuple of it and labels `(N,)`,
              captions `(N,)`, embeddings `(N, D)` or other images. uint8 in 0..255, or floats in
              [-1, 1].
        split: which part to load; arrays ignore it.
        image_shape: `(H, W, C)` with C of 1, 3 or 4. Images of another aspect ratio are cut to it
            around the centre, then resized with antialiasing; grey and colour are converted, and
            transparent images laid on white where C is not 4. None: what the images have.
        batch_size: int, images per batch. A set with fewer images makes one batch of all.
        shuffle: bool, whether every epoch has an order of its own.
        seed: int, not negative: of the order, flips and crops.
        drop_remainder: bool, whether a last smaller batch is left out. None: yes in a split whose
            name has "train" in it, so that all training steps see batches of one size.
        labels: True for the set's labels where it has any, False for none, or the name of another
            array of an `.npz` or feature of a TFDS set (`"hair"`, `"caption"`).
        strict: bool, whether an image that cannot be used is an error instead of a warning.
        data_dir: folder of prepared TFDS sets; None is TFDS's own.
        pairs: `"side_by_side"` for images that are pairs, left and right half; False for two sets
            of images that are unpaired although they look like pairs; None for what the set holds.
        flip: bool, whether images are mirrored left to right at random; the two of a pair alike.
        turn: bool, whether square images are turned by a random number of quarters; the two of a
            pair alike.
        crop: `(h, w)`: a random window of that size is cut from each image (the same in the two of
            a pair); with it and without `image_shape`, images may differ in size.
        cache_bytes: int, bytes of decoded images to keep in memory.

    Returns:
        A `tf.data.Dataset` of known cardinality. Elements are images `(B, H, W, C)`, uint8 in
        0..255 (float32 in [-1, 1] only where given so); or (images, labels) with int32 `(B,)`,
        (images, captions) with strings `(B,)`, or two batches of images (pairs, unpaired sets). An
        epoch of unpaired sets is as long as the larger; the smaller is shuffled anew and repeated.

    Raises:
        FileNotFoundError: the path does not exist.
        ConnectionError: a TFDS set would have to be downloaded and there is no network.
        ValueError: the set, split or labels are unknown, no image can be used, sizes differ without
            `image_shape`, an `.npz` needs pickle; with `strict`, an image cannot be used.
    """
    image_shape, crop = _checked(image_shape, crop, batch_size, seed)
    source = open_source(spec, split, labels, pairs, data_dir)
    share = cache_bytes // len(source.sets)
    columns = [
        column(pictures, image_shape, source.side_by_side, crop, share) for pictures in source.sets
    ]
    keeps = [np.flatnonzero(one.good) for one in columns]
    if not source.unpaired:
        keeps = [np.flatnonzero(np.all([one.good for one in columns], axis=0))] * len(columns)
    sizes = [len(keep) for keep in keeps] if source.unpaired else [len(keeps[0])]
    _judge(source, columns, min(sizes), strict)
    if drop_remainder is None:
        drop_remainder = "train" in split
    order = Order(sizes, min(batch_size, max(sizes)), shuffle, seed, drop_remainder)
    batches = _Batches(source, columns, keeps, order, flip, turn, crop)
    # one batch ahead is decoded while the step runs on another
    dataset = order.dataset().map(batches.tensors).prefetch(2)
    # there is nothing to tune, and Keras, which drops its iterator before the end of an epoch,
    # would wait for the tuner to wake up: as long as the epoch took, at most a minute
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _checked(image_shape, crop, batch_size, seed):
    if image_shape is not None:
        image_shape = tuple(int(side) for side in image_shape)
        if len(image_shape) != 3 or min(image_shape) < 1 or image_shape[2] not in (1, 3, 4):
            raise ValueError(f"image_shape={image_shape}: give (H, W, C) with C of 1, 3 or 4")
    if crop is not None:
        crop = tuple(int(side) for side in crop)
        if len(crop) != 2 or min(crop) < 1:
            raise ValueError(f"crop={crop}: give (height, width) in pixels")
        if image_shape and (crop[0] > image_shape[0] or crop[1] > image_shape[1]):
            raise ValueError(f"crop={crop} is larger than image_shape={image_shape}")
    if int(batch_size) != batch_size or batch_size < 1:
        raise ValueError(f"batch_size={batch_size}: give a whole number of images, 1 or more")
    if int(seed) != seed or seed < 0:
        raise ValueError(f"seed={seed}: give a whole number, 0 or more")
    return image_shape, crop


def _judge(source, columns, usable, strict):
    """Says which images are left out: an error if they all are, or if `strict`; else a warning."""
    skipped = source.skipped + [problem for one in columns for problem in one.problems]
    if not skipped:
        return
    count = f"{len(skipped):,} file{'s' if len(skipped) > 1 else ''}"
    listed = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
    listed += f"; and {len(skipped) - 3:,} more" if len(skipped) > 3 else ""
    if not usable:
        raise ValueError(f"{source.name} holds no usable image ({listed})")
    if strict:
        raise ValueError(f"{source.name}: {count} cannot be used ({listed})")
    warnings.warn(f"{source.name}: {count} skipped ({listed})", stacklevel=3)


class _Batches:
    """Makes a batch from (epoch, indices): gathers, flips, turns, crops, splits halves."""

    def __init__(self, source, columns, keeps, order, flip, turn, crop):
        self.columns, self.keeps, self.order = columns, keeps, order
        self.flip, self.turn, self.crop = flip, turn, crop
        self.halves = 2 if source.side_by_side else 1
        self.values = source.values
        self.draws = {}
        self.signature = []
        for one in columns:
            height, width, channels = one.shape
            if crop:
                self._check_crop(one.shape)
                height, width = crop
            else:
                width //= self.halves
            if turn and height != width:
                raise ValueError(f"turn=True wants square images, and these are {height}x{width}")
            self.signature += [(one.dtype, (height, width, channels))] * self.halves
        if self.values is not None:
            dtype = tf.string if self.values.dtype == object else self.values.dtype
            self.signature.append((dtype, self.values.shape[1:]))

    def _check_crop(self, shape):
        height, width, _ = shape
        if height and (self.crop[0] > height or self.crop[1] > width // self.halves):
            raise ValueError(f"crop={self.crop} is larger than the images, {height}x{width}")

    def tensors(self, epoch, indices):
        """The tf.data side: (epoch, indices) tensors to a batch of known shapes."""
        parts = tf.numpy_function(
            self.batch, [epoch, indices], [dtype for dtype, _ in self.signature]
        )
        for part, (_, shape) in zip(parts, self.signature, strict=True):
            part.set_shape((indices.shape[0], *shape))
        return tuple(parts) if len(parts) > 1 else parts[0]

    def batch(self, epoch, indices):
        """The NumPy side: the arrays of one batch."""
        parts = []
        for number, (one, keep) in enumerate(zip(self.columns, self.keeps, strict=True)):
            which = min(number, indices.shape[1] - 1)  # the two of a pair share one index
            own = indices[:, which]
            images = one.take(keep[own])
            drawn = self.flip or self.turn or self.crop
            draws = self._drawn(epoch, which)[own] if drawn else None
            parts += self.augmented(images, draws)
        if self.values is not None:
            parts.append(self.values[self.keeps[0][indices[:, 0]]])
        return parts

    def _drawn(self, epoch, which):
        """Three numbers in [0, 1) for each image in this epoch: top, left, mirrored and turned."""
        key = (self.order.seed, int(epoch), 1 + which)
        if self.draws.get(which, (None,))[0] != key:
            numbers = np.random.default_rng(key).random((self.order.sizes[which], 3))
            self.draws[which] = key, numbers
        return self.draws[which][1]

    def augmented(self, images, draws):
        """Cuts, mirrors and turns images, each half alike: a list of one or two `(B, h, w, C)`
        arrays."""
        parts = []
        for half in range(self.halves):
            if self.crop:
                part = np.stack(
                    [self._window(*one, half) for one in zip(images, draws, strict=True)]
                )
            else:
                width = images[0].shape[1] // self.halves
                part = np.asarray(images)[:, :, half * width : (half + 1) * width]
            if self.flip:
                mirrored = draws[:, 2] < 0.5
                part[mirrored] = part[mirrored, :, ::-1]
            if self.turn:
                quarters = (8 * draws[:, 2]).astype(int) % 4  # half of each are mirrored
                part = np.stack([np.rot90(*one) for one in zip(part, quarters, strict=True)])
            parts.append(part)
        return parts

    def _window(self, image, draw, half):
        height, width = self.crop
        whole = image.shape[1] // self.halves
        top = int(draw[0] * (image.shape[0] - height + 1))
        left = half * whole + int(draw[1] * (whole - width + 1))
        return image[top : top + height, left : left + width]
