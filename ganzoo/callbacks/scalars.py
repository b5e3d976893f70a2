"""Keras's TensorBoard callback without its cost a step."""

import keras


class TensorBoardEpochs(keras.callbacks.TensorBoard):
    """`keras.callbacks.TensorBoard` with `update_freq="epoch"`, which then leaves batches alone.

    Keras's own converts every log to a number after every batch, and throws it away: 2 ms a step
    with the logs of a GAN.

    Args:
        log_dir: the folder. **kwargs: of `keras.callbacks.TensorBoard`, but `update_freq`.
    """

    def __init__(self, log_dir, **kwargs):
        super().__init__(log_dir, update_freq="epoch", **kwargs)

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, None)
