"""The order of the examples: a pure function of (seed, epoch, position).

`tf.data`'s own `shuffle` keeps its state in the iterator, so a resumed run would see its images in
another order than the uninterrupted one. Here an `Order` says which examples make up each batch of
each epoch; whoever resumes a run sets `order_of(dataset).epoch` and sees what would have been seen.
"""

import numpy as np
import tensorflow as tf


class Order:
    """Which examples make up each batch of each epoch.

    Every pass over the dataset (every iterator) takes the order of the current `epoch` and then
    moves `epoch` on by one.

    Args:
        sizes: int, number of examples; or a tuple of ints for unpaired sets. An epoch is as long as
            the largest set; a smaller one is shuffled again each time it is used up.
        batch_size: int, examples per batch.
        shuffle: bool, whether epoch `e` is `numpy.random.default_rng([seed, e]).permutation(n)`
            or simply `0 ... n - 1`.
        seed: int, not negative.
        drop_remainder: bool, whether a last batch of fewer than `batch_size` examples is left out.

    Attributes:
        epoch: int, the epoch that the next pass over the dataset will be; settable.
        n: int, examples in an epoch.
        steps: int, batches in an epoch.
    """

    def __init__(self, sizes, batch_size, shuffle=True, seed=0, drop_remainder=True):
        self.sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
        self.n = max(self.sizes)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_remainder = drop_remainder
        self.epoch = 0

    @property
    def steps(self):
        full, rest = divmod(self.n, self.batch_size)
        return full if self.drop_remainder or not rest else full + 1

    def indices(self, epoch):
        """The whole order of one epoch: int64 `(n, number of sets)`."""
        if not self.shuffle:
            return np.stack([np.arange(self.n) % size for size in self.sizes], axis=1)
        rng = np.random.default_rng([self.seed, epoch])
        columns = []
        for size in self.sizes:
            passes = [rng.permutation(size) for _ in range(-(-self.n // size))]
            columns.append(np.concatenate(passes)[: self.n])
        return np.stack(columns, axis=1)

    def begin(self):
        """Begins a pass: gives the current epoch and its `indices`, and moves `epoch` on by one."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        return np.int64(epoch), self.indices(epoch)

    def dataset(self):
        """A `tf.data.Dataset` of (epoch, indices of a batch), which `order_of` leads back here."""

        def one_pass(_):
            epoch, indices = tf.numpy_function(self.begin, [], (tf.int64, tf.int64))
            return tf.data.Dataset.range(self.steps).map(lambda step: batch(epoch, indices, step))

        def batch(epoch, indices, step):
            part = indices[step * self.batch_size : (step + 1) * self.batch_size]
            part.set_shape((self.batch_size if self.drop_remainder else None, len(self.sizes)))
            return epoch, part

        dataset = tf.data.Dataset.range(1).flat_map(one_pass)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps))
        dataset.ganzoo_order = self
        return dataset


def order_of(dataset):
    """The `Order` behind a dataset made by `ganzoo.data.load`, or None for any other data.

    It is found through `map`, `batch`, `skip`, `take`, `prefetch` and `zip` too.
    """
    if not isinstance(dataset, tf.data.Dataset):
        return None
    if hasattr(dataset, "ganzoo_order"):
        return dataset.ganzoo_order
    # tf.data's options would travel by themselves, but a name in them makes TensorFlow print errors
    found = (order_of(source) for source in dataset._inputs())
    return next((order for order in found if order is not None), None)
