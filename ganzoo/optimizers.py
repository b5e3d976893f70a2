"""Several optimizers in one model: one face for Keras's callbacks, one verdict for all devices."""

import tensorflow as tf
from keras import ops


class Optimizers:
    """`model.optimizer` of a model with several: all that stock callbacks ask of it."""

    built = True

    def __init__(self, optimizers):
        # learning-rate schedules, ReduceLROnPlateau and TensorBoard go through this list
        self.optimizers = list(optimizers)

    @property
    def iterations(self):
        """The step count TensorBoard plots against: D's updates."""
        return self.optimizers[-1].iterations

    def build(self, variables):
        """Nothing to do: `GAN.compile` built each optimizer on its own networks."""


def agree_on_finite(gradients):
    """Gradients that are all NaN when those of any replica are not finite.

    Keras's loss scaler asks the first replica only, whether to skip a step; NaN on another one
    would go into the weights. Call it in a replica's context.
    """
    bad = [ops.any(ops.logical_not(ops.isfinite(g))) for g in gradients if g is not None]
    count = ops.sum(ops.cast(ops.stack(bad), "float32"))
    count = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, count)
    poison = ops.where(count > 0, float("nan"), 0.0)
    return [g if g is None else g + ops.cast(poison, g.dtype) for g in gradients]
