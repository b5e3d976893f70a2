"""Spectral normalisation as an expression of the weight: the weight itself is never touched."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("ganzoo")
class SpectralNormalization(keras.layers.Wrapper):
    """Runs a layer with W / sigma(W) for its weight W, sigma being W's largest singular value.

    Miyato et al. 2018, https://arxiv.org/abs/1802.05957, algorithm 1: sigma = u^T W v, where u and
    v come from power iteration and count as constants, so the gradient flows through W / sigma
    (equation 11 of the paper). `keras.layers.SpectralNormalization` does otherwise: it overwrites
    the kernel and leaves sigma out of the gradient.

    W is seen as a matrix (outputs, everything else); for a transposed convolution the outputs are
    the third axis, for a depthwise one the last two, for an embedding the classes. Power iteration
    runs in the weight's own precision, float32 under a mixed policy.

    Each forward pass with `training=True` does `power_iterations` steps from the stored `u` and
    stores the result: as in the reference code, G's pass through D moves `u` too. Any other pass
    leaves `u` alone.

    Args:
        layer: `Dense`, a convolution (transposed, depthwise, grouped too), `Embedding`, or another
            layer with one `kernel` whose last axis is its outputs.
        power_iterations: steps per training pass. Default 1, as in the paper.
        inference_iterations: steps of a pass outside training, whose result is not stored. 1, the
            default, is what the authors' code does; 0 takes the stored u and v, as PyTorch does
            (the layer then keeps `v` as a weight too).
        epsilon: added to the norms of u and v. Default 1e-12.
        **kwargs: of `keras.Layer`; the data type is that of the wrapped layer's weights.

    Raises:
        ValueError: the layer has no weight that could be normalised.
    """

    def __init__(self, layer, power_iterations=1, inference_iterations=1, epsilon=1e-12, **kwargs):
        # the inner layer casts its own inputs and weights; sigma must see the weights uncast
        kwargs.update(dtype=layer.variable_dtype, autocast=False)
        super().__init__(layer, **kwargs)
        self.power_iterations = power_iterations
        self.inference_iterations = inference_iterations
        self.epsilon = epsilon

    def build(self, input_shape=None):
        super().build(input_shape)
        self.weight_name, self.output_axes = weight_of(self.layer)
        rest, outputs = self.matrix(self.weight).shape
        self.u = self.add_weight(
            shape=(outputs,), initializer=self.random_direction, trainable=False, name="u"
        )
        if not self.inference_iterations:
            self.v = self.add_weight(
                shape=(rest,), initializer=self.matching_direction, trainable=False, name="v"
            )

    @property
    def weight(self):
        """The wrapped layer's variable; a property, as Keras would count an attribute twice."""
        return getattr(self.layer, self.weight_name)

    def random_direction(self, shape, dtype=None):
        return self.normalize(keras.initializers.RandomNormal(0.0, 1.0)(shape, dtype))

    def matching_direction(self, shape, dtype=None):
        """v for the first u, so that a pass before any training has a positive sigma."""
        return self.normalize(ops.matmul(self.matrix(self.weight), self.u))

    def matrix(self, weight):
        """The weight as (everything else, outputs), which is W transposed."""
        axes = [a % len(weight.shape) for a in self.output_axes]
        others = [a for a in range(len(weight.shape)) if a not in axes]
        columns = 1
        for axis in axes:
            columns *= weight.shape[axis]
        weight = ops.convert_to_tensor(weight)
        if others + axes != list(range(len(weight.shape))):
            weight = ops.transpose(weight, others + axes)
        return ops.reshape(weight, (-1, columns))

    def normalize(self, vector):
        return vector / (ops.sqrt(ops.sum(ops.square(vector))) + self.epsilon)

    def call(self, inputs, training=False):
        matrix = self.matrix(self.weight)
        constant = ops.stop_gradient(matrix)
        iterations = self.power_iterations if training else self.inference_iterations
        u = ops.convert_to_tensor(self.u)
        v = None if iterations else ops.convert_to_tensor(self.v)
        for _ in range(iterations):
            v = self.normalize(ops.matmul(constant, u))
            u = self.normalize(ops.matmul(v, constant))
        if training:
            self.u.assign(u)
            if not self.inference_iterations:
                self.v.assign(v)
        sigma = ops.sum(v * ops.matmul(matrix, u))
        # the scope lends the layer other values for its variables: nothing is written
        values = [(variable, variable.value) for variable in self.layer.variables]
        values.append((self.weight, ops.convert_to_tensor(self.weight) / sigma))
        with keras.StatelessScope(values):
            return self.layer(inputs)

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)

    def get_config(self):
        config = {
            **super().get_config(),
            "power_iterations": self.power_iterations,
            "inference_iterations": self.inference_iterations,
            "epsilon": self.epsilon,
        }
        del config["dtype"]  # it is the inner layer's
        return config


def weight_of(layer):
    """Name of the layer's weight, and which of its axes are the layer's outputs."""
    if isinstance(layer, keras.layers.Embedding):
        return "embeddings", (0,)
    if not hasattr(layer, "kernel"):
        raise ValueError(
            f"SpectralNormalization wants a layer with one kernel or an Embedding; got "
            f"{type(layer).__name__} '{layer.name}'. Wrap the layers inside it instead."
        )
    if isinstance(layer, (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)):
        return "kernel", (-2, -1)
    transposed = (
        keras.layers.Conv1DTranspose,
        keras.layers.Conv2DTranspose,
        keras.layers.Conv3DTranspose,
    )
    return "kernel", (-2,) if isinstance(layer, transposed) else (-1,)
