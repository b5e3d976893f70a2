"""The logs of a model: epoch means of what its steps report."""

import keras
import tensorflow as tf
from keras import ops


class Reports:
    """Epoch means of a model's logs. Not a Keras object, so that it is no part of saved files."""

    def __init__(self, names):
        self.means = {name: keras.metrics.Mean(name=name) for name in names}
        self.metrics = []  # those given to `compile`, for `evaluate`

    def update(self, values):
        """Adds one step's values, a dict of scalars; returns the means so far of the same names,
        and `loss`, the sum of the players' losses: TerminateOnNaN and EarlyStopping look for it."""
        for name, value in values.items():
            self.means[name].update_state(ops.cast(value, "float32"))
        results = {name: self.means[name].result() for name in values}
        results["loss"] = results["d_loss"] + results["g_loss"]
        if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
            # Keras reduces the logs of several workers over axis 0, which a scalar has not
            results = {name: ops.reshape(value, (1,)) for name, value in results.items()}
        return results
