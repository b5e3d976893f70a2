"""Standing statistics: what batch normalisation needs to know of an averaged generator."""

import keras
import tensorflow as tf

# of how many images they are the mean, in batches that need no more memory than a step
BATCHES, IMAGES = 4, 64


class StandingStatistics(keras.callbacks.Callback):
    """Takes running statistics from the averaged generator itself, before its images are looked at.

    `GAN.average` copies those of the generator in training. They are of other weights: behind
    averaged ones activations are smaller, and images come out too bright. So at the end of an
    epoch, and before held-out losses, they are taken anew from images of fixed latents: the
    standing statistics of Brock et al. 2018, https://arxiv.org/abs/1809.11096. `fit` puts this
    callback first.
    """

    def on_train_begin(self, logs=None):
        self._updates, model = None, self.model
        self._take = None
        if model.makes_with == "generate":  # others would need photographs
            self._take = taker(model.sampling_networks()[0])

    def on_test_begin(self, logs=None):
        self._settle()

    def on_epoch_end(self, epoch, logs=None):
        self._settle()

    def _settle(self):
        updates = int(self.model.g_optimizer.iterations.numpy())
        if self._take is None or updates == self._updates:
            return
        self._updates = updates
        given = self.model.sampling_inputs(BATCHES * IMAGES, None, 0, None)
        for i in range(BATCHES):
            batch = [part[i * IMAGES : (i + 1) * IMAGES] for part in given]
            self._take(batch, tf.constant(i / (i + 1)))


def taker(network):
    """A compiled function of a batch of a network's inputs and the share of the running statistics
    to keep; None for a network without batch normalisation."""
    norms = [
        layer
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]

    @tf.function
    def take(batch, kept):
        before = [(norm.momentum, norm.trainable) for norm in norms]
        for norm in norms:
            norm.momentum, norm.trainable = kept, True
        network(batch if len(batch) > 1 else batch[0], training=True)
        for norm, (momentum, trainable) in zip(norms, before, strict=True):
            norm.momentum, norm.trainable = momentum, trainable

    return take if norms else None
