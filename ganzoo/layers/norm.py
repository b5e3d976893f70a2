"""Normalisations by class, and by image."""

import keras
import tensorflow as tf
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


@keras.saving.register_keras_serializable("ganzoo")
class InstanceNormalization(keras.layers.Layer):
    """Takes mean and variance over the positions of each image and channel out of feature maps.

    Ulyanov et al. 2016, https://arxiv.org/abs/1607.08022, equation 3, without scale and shift, as
    in the code of CycleGAN and pix2pix. It is the same in training and inference.

    Call it with `(N, H, W, C)`; it returns the same shape.

    Args:
        epsilon: added to the variance. Default 1e-5.
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs):
        if inputs.shape[0] == 1:
            # batch normalisation of one image is the same, and fused on all devices
            ones = tf.ones(inputs.shape[-1:])
            return tf.compat.v1.nn.fused_batch_norm(
                inputs, ones, ones - 1.0, epsilon=self.epsilon, is_training=True
            )[0]
        x = ops.cast(inputs, "float32")
        x = x - ops.mean(x, axis=(1, 2), keepdims=True)
        variance = ops.mean(ops.square(x), axis=(1, 2), keepdims=True)
        return ops.cast(x * ops.rsqrt(variance + self.epsilon), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
