"""Random numbers: saved with the model, different in each replica, the same with XLA."""

import keras
import tensorflow as tf


def whole(seed, shape):
    """Whole numbers in [0, 2**23) as float32, a pure function of `seed`, two whole numbers.

    Taken from Philox's bits, because the float draws of TensorFlow use other ones under XLA.
    """
    bits = tf.random.stateless_uniform(shape, seed, None, None, tf.uint32, alg="philox")
    return tf.cast(tf.bitwise.right_shift(bits, 9), tf.float32)


def uniform(seed, shape, low=0.0, high=1.0):
    """float32 numbers uniform in [low, high), a pure function of `seed`."""
    return low + (high - low) * whole(seed, shape) * 2.0**-23


def normal(seed, shape):
    """Standard normal float32 numbers, a pure function of `seed`; the largest is 5.2."""
    return to_normal(whole(seed, shape))


def to_normal(whole):
    """The inverse of the normal's distribution function at the middle of each of 2**23 cells, which
    a float32 holds exactly, so that neither end becomes infinite."""
    return tf.sqrt(2.0) * tf.math.erfinv((2.0 * whole + 1.0) * 2.0**-23 - 1.0)


class Noise(keras.random.SeedGenerator):
    """A seeded source of noise for train steps and layers.

    Keras's own draws have three faults inside a GAN's step: all replicas of a `tf.distribute`
    strategy get the same numbers, XLA changes them, and `save_weights` forgets the state. Here the
    replica is folded into the seed and the bits are always Philox's; `ganzoo.GAN` saves the state.

    Args:
        seed: int, or None for one drawn from Python's generator (`keras.utils.set_random_seed`).
    """

    def draw(self):
        """The next seed, `(2,)` int32, different in every replica."""
        seed = tf.cast(self.next(), tf.int32)
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            replica = tf.cast(context.replica_id_in_sync_group, tf.int32)
            seed += tf.stack([replica * 2**20, 0])
        return seed

    def normal(self, shape):
        """Standard normal float32 numbers of this shape."""
        return normal(self.draw(), shape)

    def uniform(self, shape, low=0.0, high=1.0):
        """float32 numbers of this shape, uniform in [low, high)."""
        return uniform(self.draw(), shape, low, high)
