"""One training run in one folder: what `ganzoo train` does, and how it resumes exactly.

A run folder holds `config.json`, `history.csv`, `health.jsonl`, `losses.png`, `samples/`,
`samples.gif`, `logs/` (TensorBoard), `checkpoint/` and, at the end, `preset/`.
"""

import contextlib
import inspect
import json
import pathlib
import re
import shutil
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

from ganzoo import __version__, callbacks, data
from ganzoo.augment import DiffAugment
from ganzoo.data import sources
from ganzoo.files import replacing
from ganzoo.labels import LabelSmoothing

#: options of a run that move and mirror images at random
JITTERS = ("enlarge", "flip", "turn")


class Interrupted(Exception):
    """A signal ended the run after a whole step, and its state is saved."""


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole state after each epoch, and in the middle of one when a signal asks.

    The weights are renamed into place first, then `state.json` that names them, then the older
    weights go: whenever the process dies, one whole state is on disk.

    Args:
        folder: where to save.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.epoch = self.skipped = 0
        self.signal = None
        self.means = {}

    def read(self):
        """Loads the newest state into the model.

        Returns:
            `(epoch, batch)`: where to go on; (0, 0) when nothing was saved yet.
        """
        path = self.folder / "state.json"
        if not path.exists():
            return 0, 0
        state = json.loads(path.read_text())
        self.model.load_weights(self.folder / state["weights"])
        self.means, self.skipped = state["means"], state["batch"]
        return state["epoch"], state["batch"]

    def save(self, epoch, batch):
        name = f"epoch_{epoch:04d}_batch_{batch:06d}.weights.h5"
        with replacing(self.folder / name) as path:
            self.model.save_weights(path)
        means = self.model.metrics if batch else []
        state = {
            "epoch": epoch,
            "batch": batch,
            "weights": name,
            "means": {m.name: [v.numpy().tolist() for v in m.variables] for m in means},
        }
        with replacing(self.folder / "state.json") as path:
            path.write_text(json.dumps(state))
        for old in self.folder.glob("*.weights.h5"):
            if old.name != name:
                old.unlink()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        for mean in self.model.metrics if self.means else []:
            for variable, value in zip(mean.variables, self.means[mean.name], strict=True):
                variable.assign(value)
        self.means = {}

    def on_train_batch_end(self, batch, logs=None):
        # after the last batch the epoch still has its row and its picture to write
        if self.signal is not None and batch + 1 != self.params["steps"]:
            self.save(self.epoch, self.skipped + batch + 1)
            raise Interrupted(signal.Signals(self.signal).name)

    def on_epoch_end(self, epoch, logs=None):
        self.skipped = 0
        self.save(epoch + 1, 0)
        if self.signal is not None and epoch + 1 < self.params["epochs"]:
            raise Interrupted(signal.Signals(self.signal).name)

    @contextlib.contextmanager
    def watching(self):
        """Lets Ctrl-C and SIGTERM wait for the end of the step."""

        def note(number, frame):
            self.signal = number

        before = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def start(cls, spec, out, epochs=None, options=None, force=False, **load):
    """Makes a run folder and trains in it.

    Args:
        cls: a class of `ganzoo.MODELS`.
        spec: see `ganzoo.data.load`.
        out: the run folder.
        epochs: passes over the data; None for the family's.
        options: dict of arguments of the class, of its `compile`, `batch_size`, `seed`, `flip`
            (mirror images at random), `turn` (by quarters) and `enlarge` (1.1 makes images 1.1
            times as large as the model's, and cuts a random window from each); the family's recipe
            says what they are when left out, and how wide the networks are unless `architecture`
            is given.
        force: empty an existing folder first.
        **load: more arguments of `ganzoo.data.load`.

    Raises:
        FileExistsError: when `out` exists and is not to be emptied.
        ValueError: for an unknown option or data the family cannot train on.
    """
    out = pathlib.Path(out)
    if not force and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(
            f"{out} exists: go on with --resume, empty it with --force, or give another --out."
        )
    options = dict(options or {})
    seed = options.pop("seed", 0)
    batch_size = options.pop("batch_size", cls.recipe["batch_size"])
    jitters = {name: options.pop(name, cls.recipe.get(name)) for name in JITTERS}
    arguments, compiling = sort_options(cls, options)
    if "architecture" not in arguments:  # one asked for by name is taken as it is
        arguments = {**cls.recipe.get("model", {}), **arguments}
    load = {"batch_size": batch_size, "seed": seed, **load}
    if "image_shape" in arguments:
        load["image_shape"] = arguments["image_shape"]
    keras.utils.set_random_seed(seed)
    load |= form_of(cls, spec, load)
    images = data.load(spec, **load)
    # of photographs, the large ones come last
    place = -1 if cls.data_form == "photos" else 0
    shape = tf.nest.flatten(images.element_spec)[place].shape[1:]
    arguments.setdefault("image_shape", tuple(shape))
    if augmentation := jitter(jitters, arguments["image_shape"]):
        load |= augmentation
        images = data.load(spec, **load)
    if needs_classes(cls):
        arguments.setdefault("num_classes", count_classes(cls, spec, load))
    arguments.setdefault("dtype", fastest_policy())
    values = opened(spec, load).values if cls.data_form == "captions" else None
    if values is not None and values.ndim == 2:
        arguments.setdefault("embedding_dim", values.shape[1])
    model = cls(seed=seed, **arguments)
    if values is not None and values.ndim == 1 and model.vocabulary is None:
        model.adapt(values)  # of all captions, now, so that config.json has the words
    model.compile(**compiling)
    if force and out.exists():
        shutil.rmtree(out)
    config = {
        "class": cls.__name__,
        "config": model.get_config(),
        "compile": model.get_compile_config(),
        "data": {"spec": str(spec), **load},
        "epochs": epochs or cls.recipe["epochs"],
        "seed": seed,
        "command": sys.argv[1:],
        "versions": {
            "ganzoo": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
    }
    write_config(out, config)
    return train(model, images, out, config)


def form_of(cls, spec, load):
    """How a set is to be read for a family: single images are pairs, side by side, for one that
    learns from pairs.

    Returns:
        Arguments of `ganzoo.data.load`.

    Raises:
        ValueError: for a set that cannot be what the family learns from.
    """
    if cls.data_form == "captions":
        return {"labels": caption_column(cls, spec, load)}
    if cls.data_form == "photos":
        return windows(cls, spec, load)
    if cls.data_form not in ("pairs", "unpaired"):
        return {}
    source = opened(spec, load)
    if cls.data_form == "unpaired":
        if len(source.sets) < 2:
            raise ValueError(
                f"{source.name} is one set of images, and {cls.__name__} learns from two: give a "
                "folder with trainA and trainB, or an .npz with trainA_jpeg and trainB_jpeg."
            )
        return {}
    if source.unpaired or source.values is not None:
        what = "two unrelated sets of images" if source.unpaired else "images with labels"
        raise ValueError(
            f"{source.name} holds {what}, and {cls.__name__} learns from pairs: give a folder with "
            "A and B, files of equal names in both, or images with the two halves side by side."
        )
    return {} if len(source.sets) == 2 or "pairs" in load else {"pairs": "side_by_side"}


def windows(cls, spec, load):
    """How photographs are to be read: random windows as large as the model's images, without
    labels; of pairs of small and large photographs, the whole.

    Where all photographs have one size, and it is less than that of the family's default, windows
    are as large as they can be with sides that every scale divides.
    """
    source = opened(spec, load)
    given = {"image_shape": None, "labels": False}
    if len(source.sets) == 2:
        return given
    crop = load.get("image_shape")
    if crop is None:
        crop = inspect.signature(cls.__init__).parameters["image_shape"].default
        raw = source.sets[0].raw
        if isinstance(raw, np.ndarray):
            crop = [
                min(side, size // 24 * 24) for side, size in zip(crop, raw.shape[1:3], strict=False)
            ]
    return {**given, "crop": tuple(crop[:2])}


def caption_column(cls, spec, load):
    """Which `labels` of a set are captions, or embeddings: those asked for, else the array called
    "caption" or "captions".

    Raises:
        ValueError: for a set with neither.
    """
    source = opened(spec, load)
    for name in (load.get("labels", True), "caption", "captions"):
        with contextlib.suppress(ValueError):  # a set without that array
            values = opened(spec, {**load, "labels": name}).values
            if values is not None and values.dtype != np.int32:
                return name
    raise ValueError(
        f"{source.name} has no captions, and {cls.__name__} learns from them: give a folder with "
        "images and a captions.txt of lines of file, tab, caption, or an .npz with x_train and "
        "caption_train."
    )


def opened(spec, load):
    """The undecoded source behind the arguments of a `ganzoo.data.load`."""
    names = ("split", "labels", "pairs", "data_dir")
    return sources.open_source(spec, **{k: load[k] for k in names if k in load})


def jitter(wanted, image_shape):
    """Arguments of `ganzoo.data.load` that move and mirror images at random.

    Args:
        wanted: dict, "enlarge": a number of 1 or more, or None; "flip": whether to mirror; "turn":
            whether to turn by quarters.
        image_shape: `(H, W, C)` of the model.
    """
    given = {name: True for name in ("flip", "turn") if wanted[name]}
    enlarge = 1.0 if wanted["enlarge"] is None else wanted["enlarge"]
    if not isinstance(enlarge, int | float) or enlarge < 1:
        raise ValueError(f"enlarge={enlarge!r}: want a number of 1 or more.")
    *sides, channels = image_shape
    larger = [round(side * enlarge) for side in sides]
    if larger != sides:
        given |= {"image_shape": (*larger, channels), "crop": tuple(sides)}
    return given


def needs_classes(cls):
    """Whether a family cannot do without classes: `num_classes` is an argument, and not None."""
    argument = inspect.signature(cls.__init__).parameters.get("num_classes")
    return argument is not None and argument.default is not None


def count_classes(cls, spec, load):
    """The number of classes of a data set.

    Raises:
        ValueError: for a set without class labels.
    """
    source = opened(spec, load)
    if source.values is None or source.values.dtype != np.int32:
        raise ValueError(
            f"{source.name} has no class labels, and {cls.__name__} needs them: give a folder with "
            "a folder for each class, or an .npz with y_train; or train another family."
        )
    return max(len(source.class_names), int(source.values.max()) + 1)


def resume(out, epochs=None):
    """Goes on with an interrupted run, or with a finished one for more epochs.

    Args:
        out: the run folder. epochs: the new total; None for what the run was started with.

    Raises:
        FileNotFoundError: when `out` is no run folder.
    """
    from ganzoo.models import MODELS

    out = pathlib.Path(out)
    path = out / "config.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"nothing to resume: {out} has no config.json. Start a run without --resume."
        )
    config = json.loads(path.read_text())
    if epochs is not None:
        config["epochs"] = epochs
        write_config(out, config)
    cls = {cls.__name__: cls for cls in MODELS}[config["class"]]
    keras.utils.set_random_seed(config["seed"])
    images = data.load(**config["data"])
    model = cls.from_config(config["config"])
    model.compile_from_config(config["compile"])
    return train(model, images, out, config)


def write_config(out, config):
    with replacing(out / "config.json") as path:
        path.write_text(json.dumps(config, indent=1))


def train(model, images, out, config):
    """Trains from the newest checkpoint to the end, then writes the preset."""
    checkpoint = Checkpoint(out / "checkpoint")
    checkpoint.set_model(model)
    epoch, batch = checkpoint.read()
    held = held_out(model, images, config)
    # the checkpoint comes last: it holds what the run goes on from after the monitor
    listed = [*watchers(model, out, config["epochs"], held), checkpoint]
    with checkpoint.watching():
        if batch:  # the rest of the epoch that a signal cut short
            rest = images.skip(batch * model.d_steps)
            model.fit(rest, initial_epoch=epoch, epochs=epoch + 1, callbacks=listed)
            epoch += 1
        if epoch < config["epochs"]:
            model.fit(images, initial_epoch=epoch, epochs=config["epochs"], callbacks=listed)
    recipe = {"command": "ganzoo " + " ".join(config["command"]), "epochs": config["epochs"]}
    model.save_to_preset(
        out / "preset",
        examples=held,
        data=config["data"]["spec"],
        seed=config["seed"],
        recipe=recipe,
    )
    return model


def watchers(model, out, epochs, held):
    """What writes a run folder while `fit` goes on, without the checkpoint.

    Args:
        model: the GAN. out: the run folder. epochs: of the whole run. held: examples not trained
            on, as `held_out` gives them.
    """
    return [
        *model.recipe_callbacks(epochs),
        callbacks.ImageGrid(out / "samples", tensorboard=out / "logs", data=held),
        callbacks.CSVHistory(out / "history.csv"),
        callbacks.LossCurves(out / "losses.png"),
        callbacks.TensorBoardEpochs(out / "logs"),
        callbacks.Verdicts(out / "logs", held),
        callbacks.HealthMonitor(out / "health.jsonl", tensorboard=out / "logs", restore=True),
    ]


def held_out(model, images, config):
    """64 examples (with labels, for a model with classes; both images, for one that learns from
    two sets) from the test split, where there is one, as arrays."""
    load = {**config["data"], "split": "test", "batch_size": 64}
    if "crop" in load and model.data_form != "photos":  # whole images, not windows of larger ones
        load |= {"image_shape": model.image_shape, "crop": None}
    try:
        images = data.load(**{**load, "flip": False, "turn": False})
    except (ValueError, FileNotFoundError):  # a set without a test split: training images then
        images = images.unbatch().batch(64)
    batch = tf.nest.map_structure(lambda part: part.numpy(), next(iter(images)))
    alone = isinstance(batch, tuple) and model.num_classes is None and model.data_form == "images"
    return batch[0] if alone else batch


def fastest_policy():
    """ "mixed_bfloat16" where the processor multiplies in bfloat16 itself, else "float32".

    There it shortens a step, since half the bytes are moved and more is multiplied at once.
    """
    flags = pathlib.Path("/proc/cpuinfo")
    native = flags.exists() and re.search(r"\b(amx_bf16|avx512_bf16)\b", flags.read_text())
    return "mixed_bfloat16" if native and not tf.config.list_physical_devices("GPU") else "float32"


def sort_options(cls, options):
    """Splits options into arguments of the class and of its `compile`.

    Raises:
        ValueError: for a name that neither has, with the nearest.
    """
    import difflib

    from ganzoo.gan import GAN

    def names(function):
        kinds = inspect.signature(function).parameters.values()
        return {p.name for p in kinds if p.kind is not p.VAR_KEYWORD} - {"self", "networks"}

    constructor = names(cls.__init__) | names(GAN.__init__) | {"dtype", "name"}
    compiling = names(cls.compile)
    unknown = [name for name in options if name not in constructor | compiling]
    if unknown:
        known = sorted(constructor | compiling | {"batch_size", *JITTERS})
        near = difflib.get_close_matches(unknown[0], known, n=3, cutoff=0.4)
        raise ValueError(
            f"{cls.__name__} has no option {unknown[0]!r}; "
            + (f"nearest: {', '.join(near)}." if near else f"it has {', '.join(known)}.")
        )
    for name, made_of in (("label_smoothing", LabelSmoothing), ("augment", DiffAugment)):
        if isinstance(options.get(name), dict):
            options = {**options, name: made_of(**options[name])}
    return (
        {name: value for name, value in options.items() if name in constructor},
        {name: value for name, value in options.items() if name in compiling},
    )
