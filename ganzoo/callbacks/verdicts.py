"""Histograms of D's verdicts for TensorBoard."""

import keras
import numpy as np
import tensorflow as tf

from ganzoo import inputs
from ganzoo.callbacks.checks import check_generates, layout, writer


class Verdicts(keras.callbacks.Callback):
    """Histograms of D's verdicts on held-out images and on fakes, for TensorBoard.

    Two humps that part say that D wins; a hump of the held-out images that moves over to the fakes'
    while `d_real` stays high says that D has learned its images by heart.

    Args:
        log_dir: the folder given to `keras.callbacks.TensorBoard` as `log_dir`.
        data: held-out images `(N, H, W, C)`, uint8 or float in [-1, 1]; `(images, labels)` with
            class ids `(N,)` for a conditional model; `(x, y)` for one that starts from images. All
            are judged after every epoch, and as many fakes made: some 64 are enough.
        seed: int, which latents the N fakes are made of, the same at every epoch. Default 0.

    Raises:
        ValueError: images or labels that do not fit the model; before the first step.
        TypeError: a model without `generate`; before the first step.
        OSError: a folder that cannot be written; before the first step.
    """

    def __init__(self, log_dir, data, seed=0):
        super().__init__()
        self.log_dir, self.data, self.seed = log_dir, data, seed

    def on_train_begin(self, logs=None):
        check_generates(self)
        self._x, y = self.data if isinstance(self.data, tuple) else (self.data, None)
        self.model.check_batch(self._x, y)
        if self.model.data_form == "images":
            y, _ = layout(self.model, len(self._x), y)
        self._y = y
        self._writer = writer(self.log_dir, "verdicts")

    def on_epoch_end(self, epoch, logs=None):
        exhibits = self.model.exhibits(self._x, self._y, self.seed)
        with self._writer.as_default():
            for name, (discriminator, shown) in exhibits.items():
                verdicts = judge(discriminator, shown)
                finite = verdicts[np.isfinite(verdicts)]
                tf.summary.histogram(f"verdicts/{name}", finite, step=epoch)
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()


def judge(discriminator, shown):
    """All verdicts on N examples, as a vector; a patch discriminator gives many an image.

    Args:
        shown: the list of D's inputs, each of length N: images, uint8 or float in [-1, 1], labels.
    """
    verdicts = []
    for i in range(0, len(shown[0]), 64):
        batch = [tf.convert_to_tensor(part[i : i + 64]) for part in shown]
        batch = [inputs.to_float(part) if len(part.shape) == 4 else part for part in batch]
        output = discriminator(batch if len(batch) > 1 else batch[0], training=False)
        # a list: the verdict first, then what else the family's D says (classes, codes)
        first = output[0] if isinstance(output, list | tuple) else output
        verdicts.append(np.asarray(keras.ops.cast(first, "float32")).ravel())
    return np.concatenate(verdicts)
