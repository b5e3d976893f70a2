"""Normalisations that depend on the class."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("ganzoo")
class ConditionalBatchNormalization(keras.layers.Layer):
    """Batch normalisation whose scale and shift are looked up by class.

    Dumoulin et al. 2016, https://arxiv.org/abs/1610.07629, equation 5, as used for GANs by Miyato
    and Koyama 2018, https://arxiv.org/abs/1802.05637. Every class starts at scale 1 and shift 0.

    Call it with `[features (N, H, W, C), labels (N,) of integers]`; it returns `(N, H, W, C)`.

    Args:
        num_classes: number of classes.
        momentum: of the running mean and variance. Default 0.9, as in the GAN papers' code.
        epsilon: added to the variance. Default 1e-5.
        synchronized: as in `keras.layers.BatchNormalization`. Default False.
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, num_classes, momentum=0.9, epsilon=1e-5, synchronized=False, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.momentum = momentum
        self.epsilon = epsilon
        self.synchronized = synchronized
        self.norm = keras.layers.BatchNormalization(
            momentum=momentum,
            epsilon=epsilon,
            center=False,
            scale=False,
            synchronized=synchronized,
            dtype=self.dtype_policy,
            name="norm",
        )

    def build(self, input_shape):
        shape = (self.num_classes, input_shape[0][-1])
        self.norm.build(input_shape[0])
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")

    def call(self, inputs, training=False):
        features, labels = inputs
        features = self.norm(features, training=training)
        labels = ops.cast(labels, "int32")
        gamma = ops.take(self.gamma, labels, axis=0)  # (N, C)
        beta = ops.take(self.beta, labels, axis=0)
        return features * gamma[:, None, None, :] + beta[:, None, None, :]

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "synchronized": self.synchronized,
        }
