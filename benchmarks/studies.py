"""The course notes' questions, answered on real images: three seeds, a table and a picture each.

    python benchmarks/studies.py fcgan_dcgan|smoothing|noise|steps|depth [--out FOLDER]

28x28 Fashion-MNIST, the embedded 10,000 images. Every model is scored four times on its way: the
Frechet distance of 10,000 fakes to the full test set in the features of the `fashion` classifier
(real against real: 0.38). Writes benchmarks/results/studies/NAME.json, .md and .png; what is done
of a study already lies in --out and is not done again, nor is the plain DCGAN that four of them
compare with.
"""

import argparse
import datetime
import json
import pathlib
import statistics
import time

import keras
import matplotlib
import numpy as np

import ganzoo
from ganzoo import LabelSmoothing, data, images, metrics, presets, runs, scores
from ganzoo.files import replacing

matplotlib.use("agg")
from matplotlib import pyplot

RESULTS = pathlib.Path(__file__).parent / "results" / "studies"
SEEDS = (0, 1, 2)
BATCH, PARTS = 64, 4
# small enough for three seeds of many variants on two cores
SMALL = {"generator_filters": (64, 32, 16), "discriminator_filters": (32, 64)}
EPOCHS = 8


def dcgan(**compiling):
    """A variant: class, arguments, arguments of `compile`, epochs."""
    return ganzoo.DCGAN, SMALL, compiling, EPOCHS


PLAIN = dcgan()

STUDIES = {
    "fcgan_dcgan": {
        "FCGAN, same images": (ganzoo.FCGAN, {}, {}, EPOCHS),
        # an image costs FCGAN about half of what it costs DCGAN
        "FCGAN, same time": (ganzoo.FCGAN, {}, {}, 2 * EPOCHS),
        "DCGAN": PLAIN,
    },
    "smoothing": {
        "none": PLAIN,
        "one-sided 0.9": dcgan(label_smoothing=0.1),
        "real 0.7 to 1.2, fake 0 to 0.3": dcgan(
            label_smoothing=LabelSmoothing(real=(0.7, 1.2), fake=(0.0, 0.3))
        ),
    },
    "noise": {
        "none": PLAIN,
        "labels 0.05": dcgan(label_noise=0.05),
        "labels 0.2": dcgan(label_noise=0.2),
        "labels 0.4": dcgan(label_noise=0.4),
        "input 0.1": dcgan(input_noise=0.1),
        "input 0.3": dcgan(input_noise=0.3),
        "input 1.0": dcgan(input_noise=1.0),
    },
    "steps": {
        "G 1, D 1": PLAIN,
        "G 2, D 1": dcgan(g_steps=2),
        "G 4, D 1": dcgan(g_steps=4),
        "G 1, D 2": dcgan(d_steps=2),
    },
    "depth": {
        f"G of depth {len(widths)}": (
            ganzoo.DCGAN,
            {"generator_filters": widths, "discriminator_filters": (64, 128)},
            {},
            EPOCHS,
        )
        for widths in ((32,), (64, 32), (64, 64, 32), (64, 64, 64, 32))
    },
}

#: studies whose runs were all made side by side, so that their minutes compare
TIMED = ("depth",)


def train(variant, seed):
    """Trains a variant and scores it on the way: a dict for the results, and 32 fakes."""
    cls, arguments, compiling, epochs = variant
    keras.utils.set_random_seed(seed)
    model = cls(image_shape=(28, 28, 1), seed=seed, dtype=runs.fastest_policy(), **arguments)
    model.compile(**compiling)
    # each update of D has a batch of its own
    images_a_step = BATCH * compiling.get("d_steps", 1)
    set_ = data.load(batch_size=images_a_step, seed=seed, labels=False)
    metric = metrics.FID("fashion")
    reference = scores.Reference(presets.home() / "references" / "fashion_mnist.npz")
    points, history, seconds = [], {}, 0.0
    for part in range(PARTS):
        first, last = (epochs * k // PARTS for k in (part, part + 1))
        start = time.perf_counter()
        logs = model.fit(set_, initial_epoch=first, epochs=last, verbose=0).history
        seconds += time.perf_counter() - start
        for name in ("d_loss", "g_loss", "d_real", "d_fake"):
            history.setdefault(name, []).extend(map(float, logs[name]))
        fakes = scores.draw(model, scores.IMAGES, seed=seed)
        ((*_, value, _),) = scores.measure([metric], reference, fakes)
        points.append({"images": last * 10_000, "seconds": round(seconds, 1), "FD": value})
    return {"points": points, "history": history}, fakes.array[:32]


def table(name, found):
    """The results as Markdown: mean and deviation over seeds after each part of the training."""
    heads = [f"after {part}/{PARTS}" for part in range(1, PARTS)] + ["at the end", "images"]
    heads += ["minutes"] * (name in TIMED)
    lines = [
        f"{datetime.date.today()}, keras {keras.__version__}, ganzoo {ganzoo.__version__}, "
        f"{len(SEEDS)} seeds; FD-fashion of 10,000 fakes, mean and standard deviation.",
        "",
        f"| {name} | {' | '.join(heads)} |",
        f"|{'---|' * (len(heads) + 1)}",
    ]
    for label, results in found.items():
        cells = []
        for part in range(PARTS):
            values = [result["points"][part]["FD"] for result in results]
            cells.append(f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}")
        cells.append(f"{results[0]['points'][-1]['images']:,}")
        if name in TIMED:
            seconds = statistics.mean(result["points"][-1]["seconds"] for result in results)
            cells.append(f"{seconds / 60:.1f}")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def picture(found, fakes, path):
    """Losses of the first seed and 16 fakes of each variant."""
    figure, rows = pyplot.subplots(
        len(found), 2, figsize=(11, 1.7 * len(found)), layout="constrained", squeeze=False
    )
    for (left, right), (label, results) in zip(rows, found.items(), strict=True):
        history = results[0]["history"]
        left.plot(history["d_loss"], label="D")
        left.plot(history["g_loss"], label="G")
        left.set_ylabel(label, fontsize=8)
        left.set_ylim(0, 5)
        right.imshow(images.tile(fakes[label], columns=16).squeeze(), cmap="gray")
        right.axis("off")
    rows[0][0].legend(fontsize=8)
    rows[0][0].set_title("losses over epochs", fontsize=9)
    figure.savefig(path, dpi=80)


def file_of(out, name, label, seed):
    """Where the result of a run lies; that of the plain DCGAN in one place for all studies."""
    folder, label = (out, "plain") if STUDIES[name][label] == PLAIN else (out / name, label)
    return folder / f"{label} {seed}.json"


def study(name, out):
    RESULTS.mkdir(parents=True, exist_ok=True)
    found, fakes = {}, {}
    for label, variant in STUDIES[name].items():
        found[label] = []
        for seed in SEEDS:
            file = file_of(out, name, label, seed)
            if not file.exists():
                result, drawn = train(variant, seed)
                file.parent.mkdir(parents=True, exist_ok=True)
                np.save(file.with_suffix(".npy"), drawn)
                with replacing(file) as path:
                    path.write_text(json.dumps(result))
            found[label].append(json.loads(file.read_text()))
            print(label, seed, [round(p["FD"], 1) for p in found[label][-1]["points"]], flush=True)
        fakes[label] = np.load(file_of(out, name, label, SEEDS[0]).with_suffix(".npy"))
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(table(name, found))
    picture(found, fakes, RESULTS / f"{name}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=STUDIES)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/studies"))
    arguments = parser.parse_args()
    study(arguments.name, arguments.out)
