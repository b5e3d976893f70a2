"""`HealthMonitor`: after each epoch it names the state of the game, and the option that helps."""

import itertools
import json
import math
import pathlib
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ganzoo import images, losses
from ganzoo.callbacks.checks import check_file, name_of, whole, writer

# in the order of the numbers that TensorBoard plots
STATES = ("healthy", "D too strong", "saturated", "G collapsed", "oscillating", "diverged")
READS = (
    *("d_loss", "g_loss", "d_real_accuracy", "d_fake_accuracy"),
    *("diversity", "d_gradient", "g_gradient"),
)

# Where the states begin, from the recorded runs of benchmarks/failures.py (tests/histories/); their
# margins are in benchmarks/results/health.md.
SURE = 0.985  # D's accuracy on each side, the mean of two epochs
GAIN = 0.1  # G's loss above its best epoch, in units of the range of its epochs
FADED = 0.2  # G's gradient in units of its largest epoch mean so far, D being sure
ALIKE = 0.07  # diversity, for two epochs in a row in which it does not grow
SWINGS = 0.33  # mean step of both losses from epoch to epoch, in units of their mean size
WINDOW = 6  # epochs in which swings are looked for
HUGE = 1e5  # any loss


class Finding(NamedTuple):
    """A state of the game, one of `STATES`, and the numbers that say so."""

    state: str
    why: str


def judge(rows, compares=False, taught=False):
    """The state of the game after the last of these epochs.

    Args:
        rows: the logs of all epochs so far, a dict each, the last one last.
        compares: whether D's loss only compares verdicts (`loss.boundary` is None). Such a D may be
            as sure as it likes, for its gradient does not fade (Arjovsky et al. 2017,
            https://arxiv.org/abs/1701.07875, section 3): then neither "D too strong" nor
            "saturated" is said.
        taught: whether G also learns from images that its own should equal (`makes_with` is not
            "generate"). Then both are said only while its loss is not about as low as it ever was.

    Returns:
        A `Finding`.
    """
    now = rows[-1]
    lost = [name for name in READS if name != "diversity" and not math.isfinite(now[name])]
    lost = lost or [name for name in ("d_loss", "g_loss") if abs(now[name]) > HUGE]
    if lost:
        return Finding("diverged", f"{lost[0]} is {now[lost[0]]:.3g}")

    before = rows[-2] if len(rows) > 1 else None
    # NaN, of batches of one image, is neither above nor below
    if before and now["diversity"] <= before["diversity"] < ALIKE:
        why = f"two fakes differ by {now['diversity']:.1%} of what two real images do"
        return Finding("G collapsed", why)

    if (
        before
        and not compares
        and lower_accuracy(before, now) > SURE
        and not (taught and gains(rows))
    ):
        why = (
            f"D is right about {now['d_real_accuracy']:.1%} of the real images and "
            f"{now['d_fake_accuracy']:.1%} of the fakes"
        )
        largest = max(row["g_gradient"] for row in rows)
        if now["g_gradient"] < FADED * largest:
            share = now["g_gradient"] / largest
            return Finding("saturated", f"{why}, and G's gradient has faded to {share:.1%}")
        return Finding("D too strong", why)

    swings = [swing([row[name] for row in rows[-WINDOW:]]) for name in ("d_loss", "g_loss")]
    if len(rows) >= WINDOW and min(swings) > SWINGS:
        why = f"the losses change by {min(swings):.0%} of their size from epoch to epoch"
        return Finding("oscillating", f"{why}, up and down")
    size = now["diversity"]
    return Finding("healthy", f"diversity {size:.2f}" if math.isfinite(size) else "no sign of ill")


def lower_accuracy(*rows):
    """D's mean accuracy in some epochs, on the side where it is lower."""
    sides = ("d_real_accuracy", "d_fake_accuracy")
    return min(float(np.mean([row[side] for row in rows])) for side in sides)


def gains(rows):
    """Whether G's loss is about as low as it ever was."""
    values = [row["g_loss"] for row in rows]
    return values[-1] <= min(values) + GAIN * (max(values) - min(values))


def swing(values):
    """The mean step from one value to the next, in units of their mean size; 0 if they only rise or
    only fall."""
    steps = np.diff(values)
    if not (steps[1:] * steps[:-1] < 0).any():
        return 0.0
    return float(np.abs(steps).mean() / np.abs(values).mean())


def kind(model):
    """The arguments of `judge` that a compiled model answers."""
    return {"compares": model.loss.boundary is None, "taught": model.makes_with != "generate"}


def advice(state, model):
    """The options of ganzoo that act on a state, in the order to try them.

    Args:
        state: one of `STATES`. model: the compiled `ganzoo.GAN`.

    Returns:
        A list of strings, empty for a healthy game.
    """
    rates = ", ".join(
        f"{player}_optimizer: {rate_of(model, player):.2g}" for player in model.players
    )
    fewer = [f"{n}=1" for n in ("d_steps", "g_steps") if getattr(model, n) > 1]
    labels = ["label_smoothing=0.1", "label_noise=0.05"] if model.loss.labelled else []
    augment = [] if model.augment is not None else ["augment=ganzoo.augment.DiffAugment()"]
    averaged = [] if model.has_average else ["ema_decay=0.999"]
    if state == "D too strong":
        slower = [n for n in fewer if n == "d_steps=1"] or [f"g_steps={model.g_steps + 1}"]
        smaller = "a smaller discriminator, or a smaller generator, which learns faster"
        return [*labels, "input_noise=0.1", *slower, *augment, smaller]
    if state == "saturated":
        minimax = isinstance(model.loss, losses.Minimax)
        loss = ["loss=ganzoo.losses.NonSaturating()"] if minimax else []
        return [*loss, *labels, "input_noise=0.1", f"lower rates ({rates})"]
    if state == "G collapsed":
        slower = [n for n in fewer if n == "g_steps=1"]
        return [*slower, f"a lower rate of G ({rates})", *augment, "a smaller generator"]
    if state == "oscillating":
        return [f"lower rates ({rates})", "Adam's beta_1 at 0.5 or 0", *averaged]
    if state == "diverged":
        half = model.dtype_policy.name == "mixed_float16"
        wider = ['dtype="mixed_bfloat16"'] if half else []
        return [f"lower rates ({rates})", *wider, "an optimizer with clipnorm=1"]
    return []


def rate_of(model, player):
    optimizer = getattr(model, f"{player}_optimizer")
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


class HealthMonitor(keras.callbacks.Callback):
    """Names the state of the game after every epoch, and what acts on it.

    The states are "healthy"; "D too strong"; "saturated", where besides G's gradient fades; "G
    collapsed", where all fakes are alike; "oscillating"; "diverged", where a loss or a gradient is
    not finite or beyond bounds. A state but the first is printed in one line, with the options to
    try; so is the return to health. It reads the logs only and changes nothing, unless told to.

    Args:
        path: a `.jsonl` to write a line an epoch into (`epoch` from 1, `state`, `why`, `advice`,
            `action`, `logs`), or None. A resumed run goes on with what it finds there.
        tensorboard: the folder given to `keras.callbacks.TensorBoard` as `log_dir`, to have the
            states there too, as text and as number (place in `ganzoo.callbacks.health.STATES`);
            None for not.
        stop: epochs in a row that the game may be ill before the training ends, a diverged one at
            once; None, the default, for no end.
        restore: whether to go back to the weights and optimizers of the last healthy epoch, or of
            the start, and on with all rates halved, where `stop` would end the training, and where
            the game has diverged. Once: a second time the training ends, with the healthy weights.
            They are held in memory. A rate that follows a schedule is left to it. Default False.

    Raises:
        ValueError: another ending, `stop` below 1, a file that is no such record, or a model that
            does not report what is read; the last two before the first step.
        OSError: as for `ImageGrid`.
    """

    def __init__(self, path=None, tensorboard=None, stop=None, restore=False):
        super().__init__()
        self.path = path if path is None else pathlib.Path(path)
        if self.path is not None and self.path.suffix != ".jsonl":
            raise ValueError(f"HealthMonitor writes a .jsonl, got {str(path)!r}")
        self.tensorboard, self.restore = tensorboard, restore
        self.stop = stop if stop is None else whole("stop", stop)

    def on_train_begin(self, logs=None):
        missing = [name for name in READS if name not in getattr(self.model, "reports", ())]
        if missing:
            raise ValueError(
                f"HealthMonitor reads {', '.join(missing)}, which {name_of(self.model)} does not "
                "report: want a ganzoo.GAN with the base's `reports` among its own."
            )
        self._lines = []
        if self.path is not None:
            check_file(self.path)
            self._lines = read(self.path)
        self._writer = self.tensorboard and writer(self.tensorboard, "health")
        self._good = self._state() if self.restore else None

    def on_epoch_begin(self, epoch, logs=None):
        self._lines = [line for line in self._lines if line["epoch"] <= epoch]

    def on_epoch_end(self, epoch, logs=None):
        # as float32, which they are: 0.9 instead of 0.8999999761581421
        line = {"epoch": epoch + 1, "logs": {n: float(str(np.float32(logs[n]))) for n in READS}}
        rows = [*(past["logs"] for past in self._since_restored()), line["logs"]]
        finding = judge(rows, **kind(self.model))
        line |= {**finding._asdict(), "advice": advice(finding.state, self.model), "action": None}
        was = self._lines[-1]["state"] if self._lines else "healthy"
        self._lines.append(line)
        line["action"] = self._act()
        self._tell(line, was)
        if self.path is not None:
            text = "".join(json.dumps(finite(line)) + "\n" for line in self._lines)
            images.write(self.path, text.encode())

    def on_train_end(self, logs=None):
        if self._writer:
            self._writer.close()

    def _since_restored(self):
        """The epochs of the game that is on: those before it went back belong to another."""
        starts = [i for i, line in enumerate(self._lines) if line["action"] == "restored"]
        return self._lines[starts[-1] + 1 :] if starts else self._lines

    def _act(self):
        """Keeps a healthy state; ends an ill game, or takes it back. Returns which."""
        game = self._since_restored()
        state = game[-1]["state"]
        if state == "healthy":
            self._good = self._state() if self.restore else None
            return None
        ill = len(list(itertools.takewhile(lambda g: g["state"] != "healthy", reversed(game))))
        hopeless = state == "diverged" and (self.restore or self.stop is not None)
        if not hopeless and (self.stop is None or ill < self.stop):
            return None
        if self.restore:
            self._go_back()
            if not any(line["action"] == "restored" for line in self._lines):
                return "restored"
        self.model.stop_training = True
        return "stopped"

    def _variables(self):
        optimizers = [getattr(self.model, f"{player}_optimizer") for player in self.model.players]
        return [*self.model.weights, *(v for o in optimizers for v in o.variables)]

    def _state(self):
        return [variable.numpy() for variable in self._variables()]

    def _go_back(self):
        for variable, value in zip(self._variables(), self._good, strict=True):
            variable.assign(value)
        for player in self.model.players:
            optimizer = getattr(self.model, f"{player}_optimizer")
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            if isinstance(inner.learning_rate, keras.Variable):  # else a schedule's
                inner.learning_rate = rate_of(self.model, player) / 2

    def _tell(self, line, was):
        state, action = line["state"], line["action"]
        text = f"{state}: {line['why']}"
        if line["advice"]:
            text += f". Try {'; '.join(line['advice'])}"
        if action == "restored":
            text += ". Went back to the last healthy weights, with half the rates"
        elif action == "stopped":
            text += ". Training ends here"
        if state != "healthy" or was != "healthy":
            print(f"\nEpoch {line['epoch']}: {text}.", flush=True)
        if self._writer:
            with self._writer.as_default():
                tf.summary.scalar("health/state", STATES.index(state), step=line["epoch"] - 1)
                tf.summary.text("health", text, step=line["epoch"] - 1)
            self._writer.flush()


def read(path):
    """The lines of a record, [] when there is none; None in its logs is NaN."""
    if not path.exists():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for line in lines:
            line["epoch"], line["action"], line["state"]
            line["logs"] = {k: math.nan if v is None else v for k, v in line["logs"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"{str(path)!r} is not a record of health: want a line of JSON an epoch. Move the "
            "file, or choose another path."
        ) from None
    return lines


def finite(line):
    """A line with None for numbers that JSON does not have."""
    logs = {k: v if math.isfinite(v) else None for k, v in line["logs"].items()}
    return {**line, "logs": logs}
