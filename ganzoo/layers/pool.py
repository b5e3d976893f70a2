"""The memory of a discriminator: fakes of earlier steps."""

import keras
import tensorflow as tf
from keras import ops

from ganzoo.random import uniform


@keras.saving.register_keras_serializable("ganzoo")
class ImagePool(keras.layers.Layer):
    """Hands out some earlier fakes in place of new ones, so that D does not forget them.

    Shrivastava et al. 2016, https://arxiv.org/abs/1612.07828, section 2.3, in the form of the code
    of CycleGAN: images come one by one. The first `size` are stored and returned; from then on each
    is, by the toss of a coin, either returned, or stored in the place of one drawn evenly, which is
    returned instead.

    The pool is a weight, so it is saved, restored and resumed. Under a `tf.distribute` strategy all
    replicas hold the same pool, and the images of a step pass through it in the order of the
    batch, as on one device.

    Call it with images `(N, H, W, C)`; it returns as many.

    Args:
        size: images kept; 0 for none. Default 50.
        seed: int, or None for a random one.
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, size=50, seed=None, **kwargs):
        super().__init__(**kwargs)
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ValueError(f"size={size!r}: want a whole number of images, 0 or more.")
        self.size, self.seed = size, seed
        self.draws = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        if not self.size:
            return
        # all replicas assign the same, so that the first may speak for all
        kept = {"trainable": False, "aggregation": "only_first_replica", "dtype": "float32"}
        shape = (self.size, *input_shape[1:])
        self.images = self.add_weight(shape, "zeros", name="images", **kept)
        self.filled = self.add_weight((), "zeros", name="filled", **{**kept, "dtype": "int32"})

    def call(self, images):
        if not self.size:
            return images
        context = tf.distribute.get_replica_context()
        n, replicas = ops.shape(images)[0], context.num_replicas_in_sync
        everyone = ops.cast(images, "float32")
        if replicas > 1:
            everyone = context.all_gather(everyone, axis=0)
        # not `Noise`: these draws must be the same in all replicas
        chances = uniform(tf.cast(self.draws.next(), "int32"), (2, n * replicas))
        places = ops.cast(ops.floor(chances[1] * self.size), "int32")
        returned = self.exchange(everyone, chances[0] > 0.5, places)
        first = tf.cast(context.replica_id_in_sync_group, "int32") * n if replicas > 1 else 0
        return ops.cast(returned[first : first + n], images.dtype)

    def exchange(self, images, tosses, places):
        """Passes images through the pool by given draws.

        Args:
            images: float32 `(N, H, W, C)`.
            tosses: bool `(N,)`, whether an image that finds the pool full goes into it.
            places: int32 `(N,)` in [0, size), in whose place.

        Returns:
            float32 `(N, H, W, C)`.
        """

        def one(state, draw):
            # `holds`: which image each place holds, counted through the pool and then the batch
            filled, holds, _ = state
            number, toss, place = draw
            full = filled >= self.size
            place = tf.where(full, place, filled)
            stores = tf.logical_or(toss, tf.logical_not(full))
            given = tf.where(full & toss, holds[tf.minimum(place, self.size - 1)], number)
            here = (tf.range(self.size) == place) & stores
            return filled + tf.cast(~full, "int32"), tf.where(here, number, holds), given

        numbers = self.size + tf.range(tf.shape(images)[0])
        start = (self.filled.value, tf.range(self.size), tf.constant(0))
        filled, holds, given = tf.scan(one, (numbers, tosses, places), start)
        everything = tf.concat([self.images.value, images], axis=0)
        self.images.assign(tf.gather(everything, holds[-1]))
        self.filled.assign(filled[-1])
        return tf.gather(everything, given)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "size": self.size, "seed": self.seed}
