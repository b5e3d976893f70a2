"""Do the images of a GAN help a classifier that has few real ones? Three seeds, a table, a picture.

    python benchmarks/augmentation.py [--out FOLDER]

500 images of the embedded Fashion-MNIST, 50 a class. A CGAN with DiffAugment learns from these 500
alone; `ganzoo generate --labels` writes class folders of its images. A classifier (the network of
the `fashion` extractor, fresh) then learns from the real images, from batches half real and half
made, and from made ones only, in the same number of steps. It is tested on the other 9,500 embedded
images, which neither network has seen. Moving the real images by up to two pixels is there to
compare with: it costs nothing. Writes benchmarks/results/studies/augmentation.json, .md and .png;
what is done already lies in --out and is not done again.
"""

import argparse
import datetime
import json
import pathlib
import shutil
import statistics

import keras
import numpy as np
import tensorflow as tf

import ganzoo
from ganzoo import augment, cli, data, images, runs
from ganzoo.files import replacing
from ganzoo.metrics import classifiers

RESULTS = pathlib.Path(__file__).parent / "results" / "studies"
SEEDS, CLASSES, PER_CLASS, MADE = (0, 1, 2), 10, 50, 5_000
GAN_EPOCHS, GAN_BATCH = 300, 50
STEPS, BATCH, SHIFT = 500, 100, 2


def split(seed):
    """(images, labels) of 50 a class, and those of the rest."""
    x, y = next(data.load(batch_size=10_000, shuffle=False).as_numpy_iterator())
    order = np.random.default_rng(seed).permutation(len(x))
    few = np.concatenate([order[y[order] == c][:PER_CLASS] for c in range(CLASSES)])
    rest = np.setdiff1d(order, few)
    return (x[few], y[few]), (x[rest], y[rest])


def make_images(real, seed, out):
    """Trains a CGAN on the few, and has the command line write class folders of its images."""
    keras.utils.set_random_seed(seed)
    model = ganzoo.CGAN(
        image_shape=(28, 28, 1),
        augment=augment.DiffAugment(("translation", "cutout")),
        seed=seed,
        dtype=runs.fastest_policy(),
    )
    model.compile()
    model.fit(data.load(real, batch_size=GAN_BATCH, seed=seed), epochs=GAN_EPOCHS, verbose=0)
    model.save_to_preset(out / "preset")
    half_done = out / "half_done"
    shutil.rmtree(half_done, ignore_errors=True)  # of a run that was stopped
    order = ["generate", str(out / "preset"), "--n", str(MADE), "--seed", str(seed)]
    order += ["--labels", ",".join(map(str, range(CLASSES))), "--out", str(half_done)]
    cli.main(order, standalone_mode=False)
    half_done.rename(out / "made")


def endless(x, y, batch, shift=0):
    """Shuffled batches without end, each image moved by up to `shift` pixels either way."""

    def moved(image, label):
        padded = tf.pad(image, [[shift, shift], [shift, shift], [0, 0]])
        return tf.image.random_crop(padded, image.shape), label

    set_ = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).repeat()
    return (set_.map(moved) if shift else set_).batch(batch)


def accuracy(train, test, seed):
    """Of a classifier trained on endless batches, on test images: a share."""
    keras.utils.set_random_seed(seed)
    network = classifiers.network()
    head = keras.Model(network.input, network.output[1])
    for layer in head.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.9  # the usual 0.99 lags behind a training this short
    head.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(2e-3, STEPS), 1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    head.fit(train.prefetch(2), steps_per_epoch=STEPS, epochs=1, verbose=0)
    return float(head.evaluate(*test, batch_size=500, verbose=0)[1])


def mixed(one, other):
    return tf.data.Dataset.zip(one, other).map(
        lambda a, b: tuple(tf.concat(both, 0) for both in zip(a, b, strict=True))
    )


def trial(seed, out):
    """Accuracy by variant, of one seed."""
    few, rest = split(seed)
    if not (out / "made").exists():
        make_images(few, seed, out)
    batches = data.load(out / "made", image_shape=(28, 28, 1), batch_size=500, shuffle=False)
    made = [np.concatenate(part) for part in zip(*batches.as_numpy_iterator(), strict=True)]
    half = BATCH // 2
    variants = {
        "500 real": endless(*few, BATCH),
        "500 real, moved by up to 2 pixels": endless(*few, BATCH, SHIFT),
        f"500 real and {MADE:,} made": mixed(endless(*few, half), endless(*made, half)),
        f"500 real, moved, and {MADE:,} made": mixed(
            endless(*few, half, SHIFT), endless(*made, half)
        ),
        f"{MADE:,} made": endless(*made, BATCH),
    }
    found = {name: accuracy(train, rest, seed) for name, train in variants.items()}
    print(seed, {name: round(share, 4) for name, share in found.items()}, flush=True)
    real = few[0].reshape(CLASSES, PER_CLASS, *few[0].shape[1:])[:, :8]
    fake = np.stack([made[0][made[1] == c][:8] for c in range(CLASSES)])
    rows = np.concatenate([real, fake], axis=1)
    images.save(out / "grid.png", images.tile(rows.reshape(-1, *rows.shape[2:]), columns=16))
    return found


def table(found):
    lines = [
        f"{datetime.date.today()}, keras {keras.__version__}, ganzoo {ganzoo.__version__}; accuracy"
        f" on {10_000 - CLASSES * PER_CLASS:,} test images, mean and standard deviation of "
        f"{len(found)} seeds; gain over the first row, paired.",
        "",
        "| the classifier learns from | accuracy | gain |",
        "|---|---|---|",
    ]
    plain = [row["500 real"] for row in found]
    for name in found[0]:
        shares = [100 * row[name] for row in found]
        gains = [share - 100 * base for share, base in zip(shares, plain, strict=True)]
        lines.append(
            f"| {name} | {statistics.mean(shares):.2f} ± {statistics.stdev(shares):.2f} % "
            f"| {statistics.mean(gains):+.2f} ± {statistics.stdev(gains):.2f} |"
        )
    return "\n".join(lines) + "\n"


def main(out):
    found = []
    for seed in SEEDS:
        file = out / f"{seed}.json"
        if not file.exists():
            result = trial(seed, out / str(seed))
            with replacing(file) as path:
                path.write_text(json.dumps(result))
        found.append(json.loads(file.read_text()))
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "augmentation.json").write_text(json.dumps(found, indent=1) + "\n")
    (RESULTS / "augmentation.md").write_text(table(found))
    shutil.copy(out / "0" / "grid.png", RESULTS / "augmentation.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/augmentation"))
    main(parser.parse_args().out)
