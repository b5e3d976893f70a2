"""Scores of single images against the ones they should be: translation, super-resolution."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from ganzoo.metrics.extractors import CHUNK, levels

# Wang et al. 2003, table 1: weights of the five scales
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# side of the Gaussian window of SSIM, in pixels
WINDOW = 11


class PairMetric(keras.metrics.Metric):
    """The mean over pairs of a likeness of two images.

    Args:
        name: the key in logs.
    """

    at_end = True
    #: SSIM cannot look at smaller images, in pixels
    least_side = 1

    def __init__(self, name):
        super().__init__(name=name)
        self.total = self.add_variable((), "zeros", "float64", name="total")
        self.n = self.add_variable((), "zeros", "float64", name="n")

    @property
    def title(self):
        return type(self).__name__

    def likeness(self, real, fake):
        """`(N,)` of images `(N, H, W, C)` with values 0 to 255."""
        raise NotImplementedError

    def update_state(self, real, fake, labels=None):
        """Adds pairs.

        Args:
            real, fake: images `(N, H, W, C)` of the same shape, uint8 or float in [-1, 1]; floats
                are rounded to the 256 values of a picture.
            labels: not looked at.

        Raises:
            ValueError: images of different or other shapes, or too small.
        """
        real, fake = ops.convert_to_tensor(real), ops.convert_to_tensor(fake)
        if real.shape[1:] != fake.shape[1:] or len(real.shape) != 4:
            raise ValueError(
                f"{self.title} of images {tuple(real.shape)} and {tuple(fake.shape)}: want pairs "
                "(N, H, W, C) of one shape."
            )
        if min(real.shape[1:3]) < self.least_side:
            raise ValueError(
                f"{self.title} of images {tuple(real.shape)}: want {self.least_side} pixels or "
                "more a side."
            )
        step = CHUNK if tf.executing_eagerly() else ops.shape(real)[0]
        starts = range(0, len(real), CHUNK) if tf.executing_eagerly() else (0,)
        for i in starts:
            pair = levels(real[i : i + step]), levels(fake[i : i + step])
            values = ops.cast(self.likeness(*pair), "float64")
            self.total.assign_add(ops.sum(values))
            self.n.assign_add(ops.cast(ops.size(values), "float64"))

    def result(self):
        """The mean over the pairs since `reset_state`.

        Raises:
            ValueError: no pairs, or images with NaN.
        """
        n, total = float(np.asarray(self.n)), float(np.asarray(self.total))
        if not n:
            raise ValueError(f"{self.title} needs 1 pair of images or more, and got 0.")
        if np.isnan(total):
            raise ValueError(f"{self.title}: the images hold NaN: the generator has diverged.")
        return ops.convert_to_tensor(total / n, "float64")

    def interval(self):
        """None: the score has no interval."""

    def get_config(self):
        return {"name": self.name}


@keras.saving.register_keras_serializable(package="ganzoo")
class PSNR(PairMetric):
    """Peak signal to noise, decibels, of all channels; high is good, equal images give infinity.

    Super-resolution papers take it of the luma without a rim of pixels: cut and convert first to
    compare with them.
    """

    def __init__(self, name="psnr"):
        super().__init__(name)

    def likeness(self, real, fake):
        return tf.image.psnr(real, fake, 255.0)


@keras.saving.register_keras_serializable(package="ganzoo")
class SSIM(PairMetric):
    """Structural similarity (Wang et al. 2004), in [-1, 1], high is good; of 11 pixels or more."""

    least_side = WINDOW

    def __init__(self, name="ssim"):
        super().__init__(name)

    def likeness(self, real, fake):
        return tf.image.ssim(real, fake, 255.0, filter_size=WINDOW)


@keras.saving.register_keras_serializable(package="ganzoo")
class MSSSIM(PairMetric):
    """Multi-scale structural similarity (Wang et al. 2003), in [0, 1], of 11 pixels or more.

    Images below 176 pixels have no room for all five scales: then as many as fit are taken, with
    the paper's weights brought to a sum of 1. Of pairs that should be alike, high is good. As a
    measure of variety (Odena et al. 2017, https://arxiv.org/abs/1610.09585, section 4.2) give it
    two halves of the fakes of a class, `metric(fake[::2], fake[1::2])`: low is good.
    """

    least_side = WINDOW

    def __init__(self, name="msssim"):
        super().__init__(name)

    def likeness(self, real, fake):
        fit = sum(min(real.shape[1:3]) // 2**i >= WINDOW for i in range(len(SCALES)))
        weights = np.array(SCALES[:fit]) / sum(SCALES[:fit])
        return tf.image.ssim_multiscale(
            real, fake, 255.0, power_factors=weights.tolist(), filter_size=WINDOW
        )
