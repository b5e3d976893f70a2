"""Histograms of D's verdicts for TensorBoard."""

import keras
import numpy as np
import tensorflow as tf

from ganzoo import inputs
from ganzoo.callbacks.checks import check_generates, layout, name_of, writer


class Verdicts(keras.callbacks.Callback):
    """Histograms of D's verdicts on held-out images and on fakes, for TensorBoard.

    Two humps that part say that D wins; a hump of the held-out images that moves over to the fakes'
    while `d_real` stays high says that D has learned its images by heart.

    Args:
        log_dir: the folder given to `keras.callbacks.TensorBoard` as `log_dir`.
        data: held-out images `(N, H, W, C)`, uint8 or float in [-1, 1], or `(images, labels)` with
            class ids `(N,)` for a conditional model. All are judged after every epoch, and as many
            fakes made: some 64 are enough.
        seed: int, which latents the N fakes are made of, the same at every epoch. Default 0.

    Raises:
        ValueError: images or labels that do not fit the model; before the first step.
        TypeError: a model without `generate` or `discriminator`; before the first step.
        OSError: a folder that cannot be written; before the first step.
    """

    def __init__(self, log_dir, data, seed=0):
        super().__init__()
        self.log_dir, self.data, self.seed = log_dir, data, seed

    def on_train_begin(self, logs=None):
        check_generates(self)
        if not isinstance(getattr(self.model, "discriminator", None), keras.Model):
            raise TypeError(f"Verdicts needs a `discriminator`, {name_of(self.model)} has none.")
        real, labels = self.data if isinstance(self.data, tuple) else (self.data, None)
        inputs.check_images(real, self.model.image_shape)
        if getattr(self.model, "num_classes", None) is not None:
            inputs.check_labels(labels, self.model.num_classes, len(real))
        self._real = np.asarray(real)
        self._labels, _ = layout(self.model, len(real), labels)
        self._writer = writer(self.log_dir, "verdicts")

    def on_epoch_end(self, epoch, logs=None):
        fake = self.model.generate(len(self._real), labels=self._labels, seed=self.seed)
        with self._writer.as_default():
            for name, shown in (("real", self._real), ("fake", fake)):
                verdicts = self._judge(shown, self._labels)
                finite = verdicts[np.isfinite(verdicts)]
                tf.summary.histogram(f"verdicts/{name}", finite, step=epoch)
        self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()

    def _judge(self, shown, labels):
        """All verdicts on images, as a vector; a patch discriminator gives many an image."""
        discriminator, verdicts = self.model.discriminator, []
        takes_labels = labels is not None and len(discriminator.inputs) > 1
        for i in range(0, len(shown), 64):
            batch = inputs.to_float(tf.convert_to_tensor(shown[i : i + 64]))
            if takes_labels:
                batch = [batch, tf.convert_to_tensor(labels[i : i + len(batch)])]
            output = discriminator(batch, training=False)
            # a list: the verdict first, then what else the family's D says (classes, codes)
            first = output[0] if isinstance(output, list | tuple) else output
            verdicts.append(np.asarray(keras.ops.cast(first, "float32")).ravel())
        return np.concatenate(verdicts)
