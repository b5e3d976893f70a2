"""Pix2Pix on facades and CycleGAN on horses and zebras at 128 px, trained and scored.

    python benchmarks/train_translation.py train facades facades.npz runs/facades
    python benchmarks/train_translation.py train facades_l1 facades.npz runs/facades_l1
    python benchmarks/train_translation.py train horses horse2zebra128.npz runs/horses
    python benchmarks/train_translation.py score facades facades.npz runs/facades/preset \\
        --l1 runs/facades_l1
    python benchmarks/train_translation.py score horses horse2zebra128.npz pretrained/NAME
    python benchmarks/train_translation.py shelve horses horse2zebra128.npz runs/horses

`train` goes on where an earlier one stopped. `shelve` scores a run and puts it into pretrained/.
`facades_l1` is the same U-Net, averaged likewise, with the L1 distance alone. Scores are of the
test split, at 128 px, from 8-bit images:

* facades: mean absolute difference to the photo, in [0, 255], and SSIM, of the model, of L1 alone
  and of the mean photo of the training split, the same for every drawing. L1 rewards blur: a model
  may lose to the mean photo there and still look like a facade.
* horses: the mean absolute difference of a photo to itself there and back; and the share of results
  that a classifier takes for the other animal, beside the same share of the sources. The classifier
  is a small network trained here on the training photos; its accuracy on test photos is told.
"""

import argparse
import datetime
import itertools
import json
import pathlib

import keras
import numpy as np
from PIL import Image, ImageDraw
from shelf import minutes, shelve

import ganzoo
from ganzoo import data, images, runs
from ganzoo.metrics.pairs import SSIM

SIDE = (128, 128, 3)
# batches of 4 and not 1: a step of 4 takes little longer on two cores, and instance normalisation
# sees no batch; a width of which the preset stays under 12 MB
FACADES = {
    "image_shape": SIDE,
    "direction": "ba",
    "filters": 24,
    "norm": "instance",
    "ema_decay": 0.999,
    "batch_size": 4,
}
# windows of 96 from photos of 128: the generators are convolutions, and translate whole photos
HORSES = {
    "image_shape": (96, 96, 3),
    "enlarge": 4 / 3,
    "filters": 32,
    "blocks": 6,
    "ema_decay": 0.999,
}
RECIPES = {"facades": ("Pix2Pix", FACADES, 80), "horses": ("CycleGAN", HORSES, 12)}
#: its preset, and what the card says of the data
PRESETS = {
    "facades": ("pix2pix.facades_128", "CMP facades, 400 pairs; research data, no free licence"),
    "horses": (
        "cyclegan.horse2zebra_128",
        "1,067 horses and 1,334 zebras of ImageNet at 128 px; for non-commercial research",
    ),
}
RESULTS = pathlib.Path(__file__).parent / "results"


def train(name, path, out, epochs):
    if name == "facades_l1":
        return train_l1(path, out, epochs or RECIPES["facades"][2])
    family, options, usual = RECIPES[name]
    if (out / "config.json").exists():
        return runs.resume(out, epochs)
    return runs.start(getattr(ganzoo, family), path, out, epochs or usual, dict(options))


def unet():
    options = {k: v for k, v in FACADES.items() if k != "batch_size"}
    return ganzoo.Pix2Pix(**options, dtype=runs.fastest_policy(), seed=0).generator


def train_l1(path, out, epochs):
    keras.utils.set_random_seed(0)
    network = unet()
    average = {"use_ema": True, "ema_momentum": FACADES["ema_decay"]}
    network.compile(keras.optimizers.Adam(2e-4, beta_1=0.5, **average), "mae")
    larger = round(SIDE[0] * 286 / 256)
    pairs = data.load(
        path,
        image_shape=(larger, larger, 3),
        crop=SIDE[:2],
        flip=True,
        pairs="side_by_side",
        batch_size=FACADES["batch_size"],
    )
    order = data.order_of(pairs)
    out.mkdir(parents=True, exist_ok=True)

    def scaled(photo, drawing):
        return tuple(keras.ops.cast(part, "float32") / 127.5 - 1 for part in (drawing, photo))

    network.fit(
        pairs.map(scaled),
        epochs=epochs,
        verbose=2,
        callbacks=[
            keras.callbacks.BackupAndRestore(out / "backup", delete_checkpoint=False),
            keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: setattr(order, "epoch", epoch)
            ),
        ],
    )
    network.save_weights(out / "l1.weights.h5")
    return network


def whole(path, split, **options):
    """All images of a split at 128 px: a list of uint8 arrays, one for each of its sets."""
    batches = data.load(
        path, split, SIDE, batch_size=10_000, shuffle=False, drop_remainder=False, **options
    )
    parts = next(iter(batches))
    return [part.numpy() for part in (parts if isinstance(parts, tuple) else (parts,))]


def kinds(path, split):
    """Horses and zebras, each once: a set repeats photos of the smaller side."""
    for photos in whole(path, split):
        _, places = np.unique(photos, axis=0, return_index=True)
        yield photos[np.sort(places)]


def score_facades(path, model, l1):
    photos, drawings = whole(path, "test", pairs="side_by_side")
    known, _ = whole(path, "train", pairs="side_by_side")
    mean = np.round(known.mean(axis=0)).astype("uint8")
    made = {"model": model.translate(drawings), "mean photo": np.stack([mean] * len(photos))}
    if l1:
        twin = ganzoo.Pix2Pix.from_config({**model.get_config(), "ema_decay": None})
        twin.generator.load_weights(l1 / "l1.weights.h5")
        made["L1 alone"] = twin.translate(drawings)
    scores = {}
    for name, answers in made.items():
        likeness = SSIM()
        likeness.update_state(photos, answers)
        difference = np.abs(photos.astype(int) - answers).mean()
        scores[name] = {"L1": round(difference, 2), "SSIM": round(float(likeness.result()), 4)}
    return {"test pairs": len(photos), **scores}


def classifier(horses, zebras):
    """A small network trained on 64 px versions: uint8 photos to the share of zebra, `(N,)`."""
    steps = [keras.layers.Rescaling(1 / 127.5, -1), keras.layers.AveragePooling2D(2)]
    for filters in (32, 64, 128, 128):
        steps += [
            keras.layers.Conv2D(filters, 3, 2, "same", use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        ]
    steps += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.5)]
    network = keras.Sequential([keras.Input(SIDE), *steps, keras.layers.Dense(1, "sigmoid")])
    updates = 20 * (2 * (len(horses) + len(zebras)) // 32)
    rates = keras.optimizers.schedules.CosineDecay(2e-3, updates)
    network.compile(keras.optimizers.AdamW(rates, weight_decay=1e-2), "binary_crossentropy")
    photos = np.concatenate([horses, zebras, horses[:, :, ::-1], zebras[:, :, ::-1]])
    labels = np.tile(np.repeat([0, 1], [len(horses), len(zebras)]), 2)
    network.fit(photos, labels, batch_size=32, epochs=20, verbose=2)
    return lambda images: network.predict(images, verbose=0)[:, 0]


def score_horses(path, model):
    keras.utils.set_random_seed(0)
    zebra = classifier(*kinds(path, "train"))
    scores = {}
    for photos, direction, name in zip(
        kinds(path, "test"), ("ab", "ba"), ("horse to zebra", "zebra to horse"), strict=True
    ):
        made = model.translate(photos, direction)
        back = model.translate(made, direction[::-1])
        other = (lambda p: p > 0.5) if direction == "ab" else (lambda p: p <= 0.5)
        scores[name] = {
            "test photos": len(photos),
            "taken for the other": round(float(other(zebra(made)).mean()), 3),
            "sources taken for the other": round(float(other(zebra(photos)).mean()), 3),
            "there and back": round(float(np.abs(photos.astype(int) - back).mean()), 2),
            "changed by": round(float(np.abs(photos.astype(int) - made).mean()), 2),
        }
    return scores


def lines_of(name, scores):
    """Scores as lines for the card: figures, and behind " | " their protocol."""
    if name == "facades":
        n = scores.pop("test pairs")
        figures = (f"{key} L1 {s['L1']:.1f}, SSIM {s['SSIM']:.3f}" for key, s in scores.items())
        return [f"{'; '.join(figures)} | {n} test pairs, 128 px, 8 bits"]
    return [
        f"{way}: {s['taken for the other']:.0%} taken for the other, of the sources "
        f"{s['sources taken for the other']:.0%}; there and back {s['there and back']:.1f} | "
        f"{s['test photos']} test photos, 128 px, 8 bits, a classifier of the training photos"
        for way, s in scores.items()
    ]


def picture(name, path, model):
    """Four test images a row: drawings, results, photos; or sources and results of each way."""
    if name == "facades":
        photos, drawn = (part[:64:16] for part in whole(path, "test", pairs="side_by_side"))
        rows = [drawn, model.translate(drawn), photos]
    else:
        rows = []
        for photos, way in zip(kinds(path, "test"), ("ab", "ba"), strict=True):
            rows += [photos[4:64:16], model.translate(photos[4:64:16], way)]
    shown = images.tile(np.concatenate(rows), columns=4)
    images.save(RESULTS / "gallery" / f"{PRESETS[name][0]}.png", shown)


# the dataset's colours
GROUND, WALL, WINDOW = (0, 0, 221), (0, 50, 255), (0, 119, 255)
DOOR, SILL, CORNICE, SHOP = (0, 204, 255), (51, 255, 204), (255, 80, 0), (170, 0, 0)


def drawings():
    """Eight drawings of houses, uint8 `(8, 128, 128, 3)`, made here."""
    made = []
    for floors, columns in itertools.product((3, 4), (3, 4, 5, 6)):
        house = Image.new("RGB", SIDE[:2], GROUND)
        draw = ImageDraw.Draw(house)
        left, right, top, ground = 6, 121, 8 + 4 * columns, 124
        draw.rectangle((left, top, right, ground), WALL)
        draw.rectangle((left, top, right, top + 5), CORNICE)
        height, width = (ground - top - 8) / floors, (right - left) / columns
        for floor, column in itertools.product(range(floors), range(columns)):
            x, y = left + (column + 0.25) * width, top + 10 + floor * height
            shape = (x, y, x + width / 2, y + 0.6 * height)
            if floor < floors - 1:
                draw.rectangle(shape, WINDOW)
                draw.rectangle((x - 1, y + 0.6 * height, x + width / 2 + 1, y + 0.7 * height), SILL)
            else:
                draw.rectangle((*shape[:3], ground), DOOR if column == columns // 2 else SHOP)
        made.append(np.asarray(house))
    return np.stack(made)


def animals():
    """Horses, a donkey, a cow, a llama, a zebra and a unicorn, uint8 `(8, 128, 128, 3)`: Noto
    Emoji, Apache-2.0, (c) Google."""
    strip = Image.open(pathlib.Path(__file__).with_name("animals.png")).convert("RGB")
    large = strip.resize((2 * strip.width, 2 * strip.height), Image.Resampling.BICUBIC)
    return np.stack(np.split(np.asarray(large), 8, axis=1))


def card_picture(name, sources, model):
    """What lies beside the weights: eight sources and what is made of them, and for horses also
    what the other way makes."""
    rows = [sources, model.translate(sources)]
    if name == "horses":
        rows += [model.translate(sources, "ba")]
    return np.concatenate(rows)


def put_on_shelf(name, path, run, model, scores):
    preset, about_data = PRESETS[name]
    family, _, _ = RECIPES[name]
    config = json.loads((run / "config.json").read_text())
    epochs = config["epochs"]
    record = {
        "date": datetime.date.today().isoformat(),
        "keras": keras.__version__,
        "class": family,
        "epochs": epochs,
        "scores": scores,
    }
    (RESULTS / f"{preset}.json").write_text(json.dumps(record, indent=1) + "\n")
    picture(name, path, model)
    command = (
        f"python benchmarks/train_translation.py train {name} {pathlib.Path(path).name} FOLDER"
    )
    # these may be passed on, but are no pairs: the card's own picture gives way to another
    sources = drawings() if name == "facades" else animals()
    folder = shelve(
        preset,
        model,
        lines_of(name, dict(scores)),
        (sources, sources),
        data=about_data,
        licence="other",
        recipe={"command": f"{command} --epochs {epochs}", "epochs": epochs},
        seed=0,
        batch_size=config["data"]["batch_size"],
        minutes_on_two_cores=minutes(run, epochs),
    )
    images.save(folder / "samples.png", images.tile(card_picture(name, sources, model), 8))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["train", "score", "shelve"])
    parser.add_argument("name", choices=[*RECIPES, "facades_l1"])
    parser.add_argument("data")
    parser.add_argument("path", type=pathlib.Path, help="run folder, or a preset to score")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--l1", type=pathlib.Path, help="the folder of facades_l1")
    given = parser.parse_args()
    if given.action == "train":
        train(given.name, given.data, given.path, given.epochs)
        return
    shelving = given.action == "shelve"
    model = ganzoo.from_preset(given.path / "preset" if shelving else given.path)
    if given.name == "facades":
        scores = score_facades(given.data, model, given.l1)
    else:
        scores = score_horses(given.data, model)
    if shelving:
        put_on_shelf(given.name, given.data, given.path, model, scores)
    print(json.dumps(scores, indent=1))


if __name__ == "__main__":
    main()
