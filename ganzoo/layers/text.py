"""What a generator is told of a text."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("ganzoo")
class ConditioningAugmentation(keras.layers.Layer):
    """Draws what G is told from a normal distribution around what the text says.

    Zhang et al. 2017 (StackGAN), https://arxiv.org/abs/1612.03242, section 3.2: c = mu(t) +
    sigma(t) * noise. Few texts leave gaps between them; the draws fill them. Mean and logarithm of
    sigma are one dense layer with slope 0.2 after it, as in the authors' code.

    Call it with `[text, noise]`, `(N, D)` and standard normal `(N, dim)`; it returns `(N, dim)`.

    Args:
        dim: how many numbers G is told.
        **kwargs: of `keras.Layer`.
    """

    def __init__(self, dim, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim

    def build(self, input_shape):
        self.dense = keras.layers.Dense(2 * self.dim, dtype=self.dtype_policy, name="dense")
        self.dense.build(input_shape[0])

    def distribution(self, text):
        """Mean and logarithm of the deviation, each float32 `(N, dim)`."""
        x = ops.leaky_relu(self.dense(text), 0.2)
        return ops.split(ops.cast(x, "float32"), 2, axis=1)

    def call(self, inputs):
        text, noise = inputs
        mean, log_deviation = self.distribution(text)
        drawn = mean + ops.exp(log_deviation) * ops.cast(noise, "float32")
        return ops.cast(drawn, self.compute_dtype)

    def divergence(self, text):
        """KL(N(mu, sigma) || N(0, 1)) in nats, the mean over the `dim` numbers: `(N,)` float32."""
        mean, log_deviation = self.distribution(text)
        each = (mean**2 + ops.exp(2 * log_deviation) - 1) / 2 - log_deviation
        return ops.mean(each, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], self.dim)

    def get_config(self):
        return {**super().get_config(), "dim": self.dim}
