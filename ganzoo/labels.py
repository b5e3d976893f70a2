"""What D is told and shown: smoothed labels, flipped labels, noise on its input.

The three remedies of the course notes for a discriminator that wins too early. `LabelSmoothing` is
the public option; `DiscriminatorOptions` holds all three for `ganzoo.GAN.compile`.
"""

import dataclasses

import keras
from keras import ops

Schedule = keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable("ganzoo")
@dataclasses.dataclass(frozen=True)
class LabelSmoothing:
    """Soft labels for D (Salimans et al. 2016, https://arxiv.org/abs/1606.03498, section 3.4; the
    ranges are the course notes').

    Args:
        real: D's label of real images: a number, or a range `(low, high)` from which one is drawn
            afresh for every image. Default 0.9.
        fake: the same for fakes. Default 0.
    """

    real: float | tuple[float, float] = 0.9
    fake: float | tuple[float, float] = 0.0

    def __post_init__(self):
        for name in ("real", "fake"):
            value = getattr(self, name)
            if isinstance(value, list | tuple):
                if len(value) != 2 or not value[0] <= value[1]:
                    raise ValueError(
                        f"LabelSmoothing({name}={value!r}): want a number or a range (low, high) "
                        "with low <= high."
                    )
                value = (float(value[0]), float(value[1]))
            elif isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(
                    f"LabelSmoothing({name}={value!r}): want a number or a range (low, high)."
                )
            object.__setattr__(self, name, value)

    def get_config(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


class DiscriminatorOptions:
    """Label smoothing, label noise and input noise of one compiled model.

    Args:
        smoothing: None, a share s in [0, 1) (real labels become 1 - s) or a `LabelSmoothing`.
        label_noise: the share of labels flipped, in [0, 1], or a schedule of it over D's steps.
        input_noise: standard deviation of the Gaussian noise on D's input, in units of the image
            range [-1, 1], or a schedule of it over D's steps.
        loss: the adversarial loss.

    Raises:
        ValueError: for a value out of range, or label options with a loss that has no labels.
    """

    def __init__(self, smoothing, label_noise, input_noise, loss):
        # LSGAN's b and a are the labels to smooth and to swap; elsewhere they are 1 and 0
        own = LabelSmoothing(getattr(loss, "b", 1.0), getattr(loss, "a", 0.0))
        if isinstance(smoothing, int | float) and not isinstance(smoothing, bool):
            if not 0 <= smoothing < 1:
                raise ValueError(f"label_smoothing={smoothing}: want a share in [0, 1).")
            smoothing = LabelSmoothing(own.real - smoothing, own.fake) if smoothing else None
        if smoothing is not None and not isinstance(smoothing, LabelSmoothing):
            raise ValueError(
                f"label_smoothing={smoothing!r}: want a number in [0, 1) or a LabelSmoothing."
            )
        for name, value, high in (("label_noise", label_noise, 1), ("input_noise", input_noise, 9)):
            if value is None or isinstance(value, Schedule):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name}={value!r}: want a number or a schedule over D's steps.")
            if not 0 <= value <= high:
                raise ValueError(f"{name}={value}: want a number in [0, {high}].")
        if (smoothing is not None or label_noise) and not loss.labelled:
            raise ValueError(
                f"label_smoothing and label_noise need a loss with labels; {type(loss).__name__} "
                "has none. Use NonSaturating, Minimax or LeastSquares, or leave them out."
            )
        self.smoothing, self.label_noise, self.input_noise = smoothing, label_noise, input_noise
        self.own = own

    def targets(self, noise, n, step):
        """D's labels for n real and n fake images: {} when they are the loss's own.

        Args:
            noise: the model's `ganzoo.random.Noise`.
            n: images in the batch.
            step: D's updates so far; what schedules are read at.
        """
        if self.smoothing is None and not self.label_noise:
            return {}
        smoothing = self.smoothing or self.own
        labels = [self._soft(value, noise, n) for value in (smoothing.real, smoothing.fake)]
        if self.label_noise:
            share = at(self.label_noise, step)
            flips = [noise.uniform((n,)) < share for _ in labels]
            labels = [
                ops.where(flip, other, own)
                for flip, own, other in zip(flips, labels, reversed(labels), strict=True)
            ]
        return dict(zip(("real_labels", "fake_labels"), labels, strict=True))

    @staticmethod
    def _soft(value, noise, n):
        return noise.uniform((n,), *value) if isinstance(value, tuple) else ops.full((n,), value)

    def noisy(self, noise, images, step):
        """`images` `(N, H, W, C)` with the input noise added."""
        if not self.input_noise:
            return images
        deviation = at(self.input_noise, step)
        return images + ops.cast(deviation * noise.normal(ops.shape(images)), images.dtype)


def at(value, step):
    """The value, or what its schedule says at this step."""
    return ops.cast(value(step) if isinstance(value, Schedule) else value, "float32")
