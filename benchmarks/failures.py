"""Recorded runs of healthy games and of each way to lose one: what `HealthMonitor` is tested on.

    python benchmarks/failures.py            # records what tests/histories/ lacks
    python benchmarks/failures.py NAME ...   # records these again

Every run trains small networks on the embedded 28x28 images. Its logs, a dict an epoch, go into
tests/histories/NAME.json, with what was done to the game and the state that the monitor must name.
At the end benchmarks/results/health.md is written from all records.
"""

import collections
import dataclasses
import json
import math
import pathlib
import sys
import time

import keras
import tensorflow as tf
from keras import layers

import ganzoo
from ganzoo.callbacks import health

ROOT = pathlib.Path(__file__).resolve().parents[1]
RECORDS = ROOT / "tests" / "histories"
TABLE = ROOT / "benchmarks" / "results" / "health.md"
SHAPE = (28, 28, 1)
# one word for each class of the embedded set
GARMENTS = [
    *("top", "trousers", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "boot"),
]
CONVOLUTIONS = {
    "image_shape": SHAPE,
    "latent_dim": 16,
    "generator_filters": (32, 16, 8),
    "discriminator_filters": (16, 32),
}
PERCEPTRONS = {
    "image_shape": SHAPE,
    "latent_dim": 16,
    "generator_units": (64, 128),
    "discriminator_units": (128, 64),
}
RESIDUAL = {"image_shape": SHAPE, "latent_dim": 16, "filters": 16}
SIZES = {
    "FCGAN": PERCEPTRONS,
    "DCGAN": CONVOLUTIONS,
    "CGAN": {**CONVOLUTIONS, "num_classes": 10},
    "ACGAN": {**CONVOLUTIONS, "num_classes": 10},
    "InfoGAN": {**CONVOLUTIONS, "latent_dim": 28},
    "LSGAN": CONVOLUTIONS,
    "WGAN": CONVOLUTIONS,
    "WGANGP": CONVOLUTIONS,
    "SNGAN": RESIDUAL,
    "SAGAN": {**RESIDUAL, "num_classes": 10},
    "R3GAN": {
        **RESIDUAL,
        "filters": (32, 16, 8),
        "blocks": (1, 1, 1),
        "group_size": 8,
        "gamma": 1.0,
    },
    "Pix2Pix": {"image_shape": SHAPE, "filters": 8},
    "CycleGAN": {"image_shape": SHAPE, "filters": 8, "blocks": 1},
    "SRGAN": {
        "image_shape": SHAPE,
        "scale": 2,
        "filters": 16,
        "blocks": 2,
        "discriminator_filters": 8,
        "discriminator_units": 32,
        "content": "pixels",
    },
    "ESRGAN": {
        "image_shape": SHAPE,
        "scale": 2,
        "filters": 16,
        "growth": 8,
        "blocks": 1,
        "discriminator_filters": 8,
        "content": "pixels",
    },
    "TextGAN": {
        "image_shape": SHAPE,
        "text_dim": 16,
        "condition_dim": 16,
        "vocabulary": tuple(sorted(GARMENTS)),
        "caption_length": 4,
        "generator_filters": (32, 16, 8),
        "discriminator_filters": (16, 32),
    },
}


@dataclasses.dataclass
class Run:
    """One game.

    Args:
        family: name of a class of `ganzoo.MODELS`.
        state: what the monitor must say of it; "healthy": after every epoch.
        done: what is done to the game, in words.
        model: function that gives the arguments of the class that are not `SIZES`'.
        compiling: function that gives the arguments of `compile`.
        epochs, steps: how many epochs, and rounds in each.
    """

    family: str
    state: str = "healthy"
    done: str = "the family's own settings"
    model: object = dict
    compiling: object = dict
    epochs: int = 8
    steps: int = 40


def deaf():
    """A generator that hears nothing of its latents."""
    z = keras.Input((16,))
    x = layers.Dense(7 * 7 * 16)(layers.Rescaling(0.0, 1.0)(z))
    x = layers.Reshape((7, 7, 16))(layers.LeakyReLU(0.2)(x))
    x = layers.LeakyReLU(0.2)(layers.Conv2DTranspose(16, 4, 2, "same")(x))
    x = layers.Conv2DTranspose(1, 4, 2, "same", activation="tanh")(x)
    return {"generator": keras.Model(z, x), "generator_filters": None}


def adam(beta_1=0.5, loss="auto", **rates):
    """Arguments of `compile`: Adam at these rates for the players named."""
    optimizers = {f"{p}_optimizer": keras.optimizers.Adam(r, beta_1) for p, r in rates.items()}
    return {"loss": loss, **optimizers}


def descent(rate):
    """Arguments of `compile`: gradient descent at this rate."""
    return {f"{p}_optimizer": keras.optimizers.SGD(rate) for p in "gd"}


def without_dropout():
    return {"dropout": 0.0}


STRONG, FADED, ALIKE, SWINGS, LOST = health.STATES[1:]
RUNS = {
    **{f"healthy_{cls.__name__.lower()}": Run(cls.__name__) for cls in ganzoo.MODELS},
    "strong_steps": Run(
        "DCGAN", STRONG, "D trained 20 steps to one", compiling=lambda: {"d_steps": 20}
    ),
    "strong_dcgan": Run(
        "DCGAN", STRONG, "rates: D 2e-3, G 2e-6", compiling=lambda: adam(g=2e-6, d=2e-3)
    ),
    "strong_fcgan": Run(
        "FCGAN", STRONG, "rates: D 2e-3, G 2e-6", compiling=lambda: adam(g=2e-6, d=2e-3)
    ),
    "strong_lsgan": Run(
        "LSGAN", STRONG, "rates: D 5e-4, G 1e-6", compiling=lambda: adam(g=1e-6, d=5e-4)
    ),
    "strong_sngan": Run(
        "SNGAN",
        STRONG,
        "rates: D 2e-3, G 1e-7; one step of D",
        compiling=lambda: {"d_steps": 1, **adam(g=1e-7, d=2e-3)},
    ),
    "saturated_minimax": Run(
        "DCGAN",
        FADED,
        "minimax loss; rates: D 2e-3, G 2e-5",
        compiling=lambda: adam(loss=ganzoo.losses.Minimax(), g=2e-5, d=2e-3),
    ),
    "saturated_rates": Run(
        "DCGAN",
        FADED,
        "rates of 2e-2, beta_1 0.9",
        compiling=lambda: adam(0.9, g=2e-2, d=2e-2),
    ),
    "deaf_dcgan": Run("DCGAN", ALIKE, "the latent ignored", deaf),
    "deaf_wgangp": Run("WGANGP", ALIKE, "the latent ignored", deaf),
    "collapse_dcgan": Run(
        "DCGAN",
        ALIKE,
        "G trained 3 steps to one at a rate of 1e-2",
        compiling=lambda: {"g_steps": 3, **adam(g=1e-2)},
    ),
    "swings_fcgan": Run(
        "FCGAN",
        SWINGS,
        "rates of 5e-3, beta_1 0.9",
        without_dropout,
        lambda: adam(0.9, g=5e-3, d=5e-3),
        epochs=12,
        steps=20,
    ),
    "swings_wasserstein": Run(
        "FCGAN",
        SWINGS,
        "Wasserstein loss without a bound on slopes; rates of 1e-3, beta_1 0.9",
        without_dropout,
        lambda: adam(0.9, ganzoo.losses.Wasserstein(), g=1e-3, d=1e-3),
        epochs=12,
        steps=20,
    ),
    "huge_rate_dcgan": Run(
        "DCGAN", LOST, "plain descent at a rate of 1e3", compiling=lambda: descent(1e3)
    ),
    "huge_rate_lsgan": Run(
        "LSGAN", LOST, "plain descent at a rate of 10", compiling=lambda: descent(10.0)
    ),
    "huge_rate_wgangp": Run(
        "WGANGP", LOST, "plain descent at a rate of 10", compiling=lambda: descent(10.0)
    ),
}


def examples(cls):
    """The embedded set without end, in the form that a family's `fit` takes."""
    batch_size = min(32, cls.recipe["batch_size"])
    data = ganzoo.data.load(batch_size=batch_size, seed=1).repeat()
    forms = {
        # silhouettes to garments; garments and negatives
        "pairs": lambda images, ids: (255 * tf.cast(images > 64, images.dtype), images),
        "unpaired": lambda images, ids: (images, 255 - tf.reverse(images, [0, 2])),
        "captions": lambda images, ids: (images, tf.gather(tf.constant(GARMENTS), ids)),
    }
    return data.map(forms[cls.data_form]) if cls.data_form in forms else data


def record(run):
    """Plays a game. Returns what is kept of it."""
    cls = getattr(ganzoo, run.family)
    keras.utils.set_random_seed(1)
    gan = cls(seed=1, **{**SIZES[run.family], **run.model()})
    gan.compile(**run.compiling())
    started = time.process_time()
    history = gan.fit(
        examples(cls), epochs=run.epochs, steps_per_epoch=run.steps, verbose=0
    ).history
    seconds = time.process_time() - started
    names = [name for name in history if name in cls.reports]
    return {
        "family": run.family,
        "state": run.state,
        "done": run.done,
        **health.kind(gan),
        "steps": run.steps,
        "seconds": round(seconds),
        "rows": [{name: kept(history[name][i]) for name in names} for i in range(run.epochs)],
    }


def kept(value):
    """A number with five digits; None for one that JSON does not have."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def read(name):
    """A record, with NaN for None."""
    entry = json.loads((RECORDS / f"{name}.json").read_text())
    entry["rows"] = [
        {k: math.nan if v is None else v for k, v in row.items()} for row in entry["rows"]
    ]
    return entry


def said(entry):
    """What the monitor says after each epoch of a record."""
    rows, kind = entry["rows"], {key: entry[key] for key in ("compares", "taught")}
    return [health.judge(rows[: i + 1], **kind).state for i in range(len(rows))]


def diagnosis(entry):
    """The illness said after most epochs of a record; "healthy" when there is none."""
    ill = [state for state in said(entry) if state != "healthy"]
    return collections.Counter(ill).most_common(1)[0][0] if ill else "healthy"


def table(records):
    """The page of results."""
    spoken = {name: said(entry) for name, entry in records.items()}
    counts = collections.Counter((e["state"], diagnosis(e)) for e in records.values())
    epochs = collections.Counter(
        s for n in records for s in spoken[n] if records[n]["state"] == "healthy"
    )
    healthy = [n for n in records if records[n]["state"] == "healthy"]
    lines = [
        "# What `HealthMonitor` says of recorded runs",
        "",
        "Written by `python benchmarks/failures.py`: small networks on the embedded 28x28 images, "
        f"{sum(e['seconds'] for e in records.values())} s of processor time in all. The bounds "
        "were set with these runs in view: the table says that one set of bounds tells them apart, "
        "not how often it errs on others.",
        "",
        "## Confusion table",
        "",
        "Runs, by what was done to them (rows) and by the illness that is said after most of their "
        'epochs, "healthy" if none is (columns).',
        "",
        "| | " + " | ".join(health.STATES) + " |",
        "|---|" + "---|" * len(health.STATES),
    ]
    for state in health.STATES:
        cells = [str(counts[state, other] or "") for other in health.STATES]
        lines.append(f"| **{state}** | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Of the {sum(epochs.values())} epochs of the {len(healthy)} healthy runs, "
        f"{epochs['healthy']} are called healthy.",
        "",
        "## Failures",
        "",
        "| run | family | done | state | first said after epoch | epochs | what else is said |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in records.items():
        if name in healthy:
            continue
        states = spoken[name]
        first = states.index(entry["state"]) + 1 if entry["state"] in states else "never"
        others = ", ".join(sorted({*states} - {"healthy", entry["state"]})) or "-"
        lines.append(
            f"| {name} | {entry['family']} | {entry['done']} | {entry['state']} | {first} | "
            f"{states.count(entry['state'])} of {len(states)} | {others} |"
        )
    lines += [
        "",
        "## Healthy runs: how near they come",
        "",
        f"The bounds are {health.SURE} for D's accuracy, the mean of two epochs on the side where "
        f"it is lower (of a loss with a boundary), "
        f"{health.ALIKE} for diversity while it does not grow, {health.SWINGS} for swings.",
        "",
        "| run | D's lower accuracy, highest | diversity, lowest | swings, largest |",
        "|---|---|---|---|",
    ]
    for name in healthy:
        entry = records[name]
        rows = entry["rows"]
        lower = max(health.lower_accuracy(*rows[i : i + 2]) for i in range(len(rows) - 1))
        least = min(r["diversity"] for r in rows)
        swings = max(
            min(
                health.swing([r[key] for r in rows[i - health.WINDOW : i]])
                for key in ("d_loss", "g_loss")
            )
            for i in range(health.WINDOW, len(rows) + 1)
        )
        pairs = " (pairs)" if entry["compares"] else ""
        least = f"{least:.2f}" if math.isfinite(least) else "batches of one"
        lines.append(f"| {name} | {lower:.3f}{pairs} | {least} | {swings:.2f} |")
    return "\n".join(lines) + "\n"


def main(names):
    unknown = [name for name in names if name not in RUNS]
    if unknown:
        sys.exit(f"no run {unknown[0]!r}; there are {', '.join(RUNS)}")
    RECORDS.mkdir(exist_ok=True)
    for name in names or [n for n in RUNS if not (RECORDS / f"{n}.json").exists()]:
        entry = record(RUNS[name])
        text = json.dumps(entry, indent=1).replace("\n   ", " ").replace("\n  }", "}")
        (RECORDS / f"{name}.json").write_text(text + "\n")
        print(f"{name}: {entry['seconds']} s, {said(read(name))}", flush=True)
    TABLE.write_text(table({name: read(name) for name in RUNS}))


if __name__ == "__main__":
    main(sys.argv[1:])
