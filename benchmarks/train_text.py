"""TextGAN trained, and whether the text matters: both measured by models that saw real images only.

    python benchmarks/train_text.py emoji_noto64.npz --out runs/textgan_emoji
    python benchmarks/train_text.py emoji_noto64.npz --out runs/textgan_emoji --shelve
    python benchmarks/train_text.py emoji_noto64.npz --score textgan.emoji_64
    python benchmarks/train_text.py anime_faces64.npz --out runs/textgan_anime --epochs 10 \\
        --judge-epochs 15

Trains as `ganzoo train textgan` does, with narrower networks and DiffAugment, unless the run folder
has a preset (a run that was stopped goes on); then scores the preset, writes
benchmarks/results/text_NAME.json, NAME being that of the data's file, and captions.png into the run
folder: a row is a held-back caption, the real image, then seven fakes. --shelve puts the emoji's
model into pretrained/, as `textgan.emoji_64`, and the picture beside the .json; the model and the
pictures of the faces may not be passed on. --score gives a preset's figures again.

R-precision: an image is right when, of the caption it was made for and 9 others of the held-back
captions, drawn at random, the judge ranks its own first; chance is 10 %. The judge is an image-text
model (TextGAN's two encoders, at 32 pixels) trained on the real training pairs alone, with weights,
vocabulary and draws of its own; its figure on the real held-back images is what can be reached.
Held-back captions of which the judge knows no word are left out. With the captions exchanged the
figure must fall to chance.

Hair colour, where the set has one: the share of images whose colour, as named by a classifier
trained on the real training images, is the one the caption asks for.
"""

import argparse
import datetime
import json
import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from shelf import minutes, shelve

import ganzoo
from ganzoo import captions as texts
from ganzoo import images, runs
from ganzoo.augment import DiffAugment
from ganzoo.models import textgan

RESULTS = pathlib.Path(__file__).parent / "results"
SIDE, WIDTH, LENGTH, FILTERS = 32, 64, 16, (32, 64, 128)
BATCH, CANDIDATES, ROUNDS = 64, 10, 10
# of TextGAN: what two cores train in three quarters of an hour
OPTIONS = {
    "batch_size": 32,
    "generator_filters": (128, 64, 32, 32),
    "discriminator_filters": (32, 64, 128, 256),
    "g_optimizer": {"class_name": "Adam", "config": {"learning_rate": 4e-4, "beta_1": 0.5}},
}
STEPS = 7500
# share of words that the judge does not get to see, so that it learns from the others
DROPPED = 0.15


def pairs(path, split):
    """uint8 images `(N, H, W, C)`, captions, and hair colours `(N,)` and their names, or None."""
    data = ganzoo.data.load(
        path, split, labels="caption", batch_size=100, shuffle=False, drop_remainder=False
    )
    x, captions = zip(*data.as_numpy_iterator(), strict=True)
    with np.load(path, allow_pickle=False) as file:
        hair = file[f"{split}_hair"] if f"{split}_hair" in file.files else None
        names = [str(name) for name in file["hair_names"]] if hair is not None else None
    captions = [caption.decode() for caption in np.concatenate(captions)]
    return np.concatenate(x), captions, hair, names


def shrunk(x):
    """float32 images in [-1, 1] of `SIDE` pixels, from uint8 ones of any size."""
    x = tf.cast(x, tf.float32) / 127.5 - 1.0
    return tf.image.resize(x, (SIDE, SIDE), antialias=True).numpy()


class Judge:
    """An image-text model trained on real pairs.

    Args:
        x: uint8 images. captions: one each. epochs: passes over them.
    """

    def __init__(self, x, captions, epochs):
        keras.utils.set_random_seed(1)
        words = texts.vocabulary(captions, 10_000)
        self.words = texts.Words(words, LENGTH)
        self.read = textgan.text_encoder_network(len(words), LENGTH, WIDTH)
        self.look = textgan.image_encoder_network((SIDE, SIDE, 3), WIDTH, FILTERS)
        move = DiffAugment("translation", seed=1)
        weights = self.read.trainable_variables + self.look.trainable_variables
        steps = len(x) // BATCH
        rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * steps)
        optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-2)
        optimizer.build(weights)

        @tf.function
        def step(images, words):
            hidden = tf.random.uniform(tf.shape(words)) < DROPPED
            seen = tf.where(hidden & (words > 0), texts.UNKNOWN, words)
            with tf.GradientTape() as tape:
                image, text = self.look(move(images), training=True), self.read(seen)
                loss, right = textgan.matching(image, text, textgan.alike(words))
                loss = tf.reduce_mean(loss)
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss, right

        numbers = self.words(texts.as_strings(captions)).numpy()
        x, rng = shrunk(x), np.random.default_rng(1)
        for epoch in range(epochs):
            order = rng.permutation(len(x))[: steps * BATCH].reshape(steps, BATCH)
            logs = np.mean([[float(v) for v in step(x[i], numbers[i])] for i in order], axis=0)
            if epoch % 10 == 9:
                print(f"judge, epoch {epoch + 1}: loss {logs[0]:.3f}, found {logs[1]:.1%}")

    def knows(self, captions):
        """bool `(N,)`: whether a word of it is known."""
        return (self.words(texts.as_strings(captions)).numpy() > texts.UNKNOWN).any(axis=1)

    def precision(self, x, captions, own):
        """R-precision of uint8 images, and its deviation over `ROUNDS` draws of the others.

        Args:
            captions: those that are drawn from. own: the place in them of each image's caption.
        """
        image = self.look.predict(shrunk(x), verbose=0)
        text = self.read.predict(self.words(texts.as_strings(captions)).numpy(), verbose=0)
        cosines = image @ text.T / WIDTH
        rng, shares = np.random.default_rng(0), []
        # two ways to say the same are no mistake of the image's
        same = np.array([[a == b for b in captions] for a in captions])
        for _ in range(ROUNDS):
            right = 0
            for i, place in enumerate(own):
                others = rng.choice(np.flatnonzero(~same[place]), CANDIDATES - 1, replace=False)
                right += cosines[i, place] > cosines[i, others].max()
            shares.append(right / len(own))
        return {"r_precision": float(np.mean(shares)), "deviation": float(np.std(shares))}


def classifier(x, classes, names, epochs):
    """A network that names the hair colour, trained on real images."""
    keras.utils.set_random_seed(2)
    body = [
        keras.Input((SIDE, SIDE, 3)),
        layers.RandomFlip("horizontal"),
        layers.Conv2D(32, 3, 2, activation="relu"),
        layers.Conv2D(64, 3, 2, activation="relu"),
        layers.Conv2D(64, 3, 2, activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(len(names)),
    ]
    network = keras.Sequential(body)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.Adam(1e-3), loss)
    network.fit(shrunk(x), classes, batch_size=BATCH, epochs=epochs, verbose=0)
    return lambda images: network.predict(shrunk(images), verbose=0).argmax(axis=1)


def score(gan, path, judge_epochs, each):
    """The figures of a trained model on one set, and a picture of held-back captions."""
    x, captions, hair, names = pairs(path, "train")
    x_test, held_back, hair_test, _ = pairs(path, "test")
    judge = Judge(x, captions, judge_epochs)
    known = np.flatnonzero(judge.knows(held_back))
    told = [held_back[i] for i in known]
    own = np.arange(each * len(told)) % len(told)
    made = gan.generate(len(own), seed=0, captions=told)
    shifted = (own + len(told) // 2) % len(told)
    found = {
        "held_back_captions": len(held_back),
        "with_known_words": len(told),
        "images": len(own),
        "chance": 1 / CANDIDATES,
        "real": judge.precision(x_test[known], told, np.arange(len(told))),
        "generated": judge.precision(made, told, own),
        "generated_exchanged": judge.precision(made, told, shifted),
    }
    some = np.random.default_rng(0).choice(len(captions), min(len(told), len(captions)), False)
    seen = [captions[i] for i in some]
    found["generated_training_captions"] = judge.precision(
        gan.generate(len(seen), seed=0, captions=seen), seen, np.arange(len(seen))
    )
    if hair is not None:
        name = classifier(x, hair, names, 15)
        asked = hair_test[known][own]
        found["hair"] = {
            "colours": len(names),
            "commonest_share": float(np.bincount(hair_test).max() / len(hair_test)),
            "real": float(np.mean(name(x_test) == hair_test)),
            "generated": float(np.mean(name(made) == asked)),
            "generated_exchanged": float(np.mean(name(made) == hair_test[known][shifted])),
        }
    rows = told[:8]
    picture = [x_test[known[:8]]] + [gan.generate(8, seed=s, captions=rows) for s in range(7)]
    grid = np.stack(picture, axis=1).reshape(-1, *x.shape[1:])
    return found, grid, rows


def put_on_shelf(gan, found, out):
    """`textgan.emoji_64`, with its R-precision on the card."""
    config = json.loads((out / "config.json").read_text())
    score = (
        f"R-precision {found['generated']['r_precision']:.1%} of 10, real images "
        f"{found['real']['r_precision']:.1%}, captions exchanged "
        f"{found['generated_exchanged']['r_precision']:.1%} | {found['images']:,} fakes of "
        f"{found['with_known_words']} held-back captions, a judge that saw real images only"
    )
    shelve(
        "textgan.emoji_64",
        gan,
        [score],
        data="Noto Emoji on white and their Unicode names, 1,706 training images",
        licence="apache-2.0",
        recipe={
            "command": "python benchmarks/train_text.py emoji_noto64.npz --out FOLDER"
            f" --epochs {config['epochs']}",
            "epochs": config["epochs"],
        },
        seed=config["seed"],
        batch_size=config["data"]["batch_size"],
        minutes_on_two_cores=minutes(out, config["epochs"]),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--out", type=pathlib.Path, help="run folder")
    where.add_argument("--score", metavar="NAME", help="only give the figures of a preset again")
    parser.add_argument("--epochs", type=int, help=f"of TextGAN; default {STEPS} steps")
    parser.add_argument("--judge-epochs", type=int, default=60)
    parser.add_argument("--shelve", action="store_true", help="put it into pretrained/")
    parser.add_argument("--each", type=int, default=5, help="images of each held-back caption")
    given = parser.parse_args()
    if given.shelve and given.data.stem != "emoji_noto64":
        parser.error(f"--shelve: weights of {given.data.name} may not be passed on.")
    if given.score:
        gan = ganzoo.from_preset(given.score)
        print(json.dumps(score(gan, given.data, given.judge_epochs, given.each)[0], indent=1))
        return
    preset = given.out / "preset"
    if not preset.exists():
        if (given.out / "config.json").exists():
            runs.resume(given.out, given.epochs)
        else:
            _, captions, _, _ = pairs(given.data, "train")
            steps = len(captions) // OPTIONS["batch_size"]
            epochs = given.epochs or -(-STEPS // steps)
            options = {**OPTIONS, "augment": DiffAugment(seed=0)}
            runs.start(ganzoo.TextGAN, given.data, given.out, epochs, options)
    gan = ganzoo.from_preset(preset)
    found, grid, rows = score(gan, given.data, given.judge_epochs, given.each)
    card = json.loads((preset / "metadata.json").read_text())
    about = {"date": datetime.date.today().isoformat(), "machine": "two cores, no GPU"}
    about |= {"versions": card["versions"], "epochs": card["recipe"]["epochs"]}
    found = {**about, "judge_epochs": given.judge_epochs, **found}
    print(json.dumps(found, indent=1))
    print("rows of the picture, a real image first:", "; ".join(rows))
    name = RESULTS / f"text_{given.data.stem}"
    name.with_suffix(".json").write_text(json.dumps({**found, "rows": rows}, indent=1) + "\n")
    images.save(given.out / "captions.png", images.tile(grid, 8))
    if given.shelve:
        shutil.copy(given.out / "captions.png", name.with_suffix(".png"))
        put_on_shelf(gan, found, given.out)


if __name__ == "__main__":
    main()
