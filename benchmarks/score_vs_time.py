"""Score against minutes of training: ganzoo's families and the loop of the Keras example.

    python benchmarks/score_vs_time.py [--out FOLDER]

28x28 Fashion-MNIST, the embedded 10,000 images, one contestant after the other on the same machine,
the example for eight minutes, ours for two; the clock stands still while fakes are scored. The
score is the Frechet distance of 10,000 fakes to the full test set in the features of the `fashion`
classifier (real against real: 0.38). Writes benchmarks/results/score_vs_time.json and .png.

The Keras example is "DCGAN to generate face images" at keras.io, written anew here from what it
does, at the size its author also gives for digits: no batch normalisation, global max pooling,
Adam 3e-4, batches of 64; D sees one batch of fakes and real images with labels made soft by
uniform noise, G draws fakes of its own.
"""

import argparse
import datetime
import json
import pathlib
import time

import keras
import matplotlib
import numpy as np
import tensorflow as tf
from keras import layers, ops

import ganzoo
from ganzoo import data, metrics, presets, runs, scores
from ganzoo.files import replacing

matplotlib.use("agg")
from matplotlib import pyplot

RESULTS = pathlib.Path(__file__).parent / "results"
SHAPE, LATENT = (28, 28, 1), 128
# minutes at which scores are taken: close in the beginning, where curves are steep
MARKS = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8)


class Example(keras.Model):
    """The loop of the Keras example."""

    def __init__(self):
        super().__init__()
        self.generator = keras.Sequential(
            [
                keras.Input((LATENT,)),
                layers.Dense(7 * 7 * 128),
                layers.LeakyReLU(0.2),
                layers.Reshape((7, 7, 128)),
                layers.Conv2DTranspose(128, 4, 2, "same"),
                layers.LeakyReLU(0.2),
                layers.Conv2DTranspose(128, 4, 2, "same"),
                layers.LeakyReLU(0.2),
                layers.Conv2D(1, 7, padding="same", activation="sigmoid"),
            ]
        )
        self.discriminator = keras.Sequential(
            [
                keras.Input(SHAPE),
                layers.Conv2D(64, 3, 2, "same"),
                layers.LeakyReLU(0.2),
                layers.Conv2D(128, 3, 2, "same"),
                layers.LeakyReLU(0.2),
                layers.GlobalMaxPooling2D(),
                layers.Dense(1),
            ]
        )

    def compile(self):
        super().compile()
        self.d_optimizer = keras.optimizers.Adam(3e-4)
        self.g_optimizer = keras.optimizers.Adam(3e-4)
        self.entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def train_step(self, real):
        real = ops.cast(real, "float32") / 255
        n = ops.shape(real)[0]
        fake = self.generator(tf.random.normal((n, LATENT)))
        both = ops.concatenate([fake, real])
        labels = ops.concatenate([ops.ones((n, 1)), ops.zeros((n, 1))])
        labels += 0.05 * tf.random.uniform(tf.shape(labels))
        with tf.GradientTape() as tape:
            d_loss = self.entropy(labels, self.discriminator(both))
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(d_loss, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            verdicts = self.discriminator(self.generator(tf.random.normal((n, LATENT))))
            g_loss = self.entropy(ops.zeros((n, 1)), verdicts)
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        return {"d_loss": d_loss, "g_loss": g_loss}

    def generate(self, n, seed):
        latents = keras.random.normal((n, LATENT), seed=seed)
        drawn = self.generator.predict(latents, batch_size=256, verbose=0)
        return np.round(255 * drawn).astype("uint8")


def example():
    model = Example()
    model.compile()
    return model


def family(cls, **arguments):
    def make():
        model = cls(image_shape=SHAPE, seed=0, dtype=runs.fastest_policy(), **arguments)
        model.compile()
        return model

    return make


#: name -> (function that makes a compiled model, images in a batch, minutes)
CONTESTANTS = {
    "the Keras example": (example, 64, 8),
    "ganzoo FCGAN": (family(ganzoo.FCGAN), 256, 2),
    "ganzoo DCGAN": (family(ganzoo.DCGAN), 64, 2),
    # the best of the preset recipes that see no labels
    "ganzoo InfoGAN": (
        family(
            ganzoo.InfoGAN,
            generator_filters=(64, 32),
            discriminator_filters=(32, 64),
            ema_decay=0.995,
        ),
        128,
        2,
    ),
}


class Halt(keras.callbacks.Callback):
    """Ends `fit` at the first batch after a moment."""

    def on_train_batch_end(self, batch, logs=None):
        if time.perf_counter() >= self.moment:
            self.model.stop_training = True


def race(make, batch, minutes, reference):
    """Scores at `MARKS`: a list of dicts of seconds of training, images seen and FD."""
    keras.utils.set_random_seed(0)
    model, halt = make(), Halt()
    images = data.load(batch_size=batch, labels=False).repeat()
    metric, points, seconds = metrics.FID("fashion"), [], 0.0
    model.fit(images, steps_per_epoch=1, epochs=1, verbose=0)  # traces
    for mark in (mark for mark in MARKS if mark <= minutes):
        start = time.perf_counter()
        halt.moment = start + 60 * mark - seconds
        model.fit(images, steps_per_epoch=10**6, epochs=1, verbose=0, callbacks=[halt])
        seconds += time.perf_counter() - start
        fakes = scores.Images(model.generate(scores.IMAGES, seed=0))
        ((*_, value, _),) = scores.measure([metric], reference, fakes)
        points.append({"seconds": round(seconds, 1), "FD": round(value, 2)})
        print(points[-1], flush=True)
    return points


def main(out):
    reference = scores.Reference(presets.home() / "references" / "fashion_mnist.npz")
    found = {}
    for name, (make, batch, minutes) in CONTESTANTS.items():
        file = out / f"{name}.json"
        if not file.exists():
            print(name, flush=True)
            points = race(make, batch, minutes, reference)
            with replacing(file) as path:
                path.write_text(json.dumps(points))
        found[name] = json.loads(file.read_text())
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": "two cores with AVX-512 and bfloat16, no GPU",
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        "floor": reference.floors["FD-fashion"][0],
        "points": found,
    }
    (RESULTS / "score_vs_time.json").write_text(json.dumps(result, indent=1) + "\n")
    figure, axes = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
    for name, points in found.items():
        axes.plot([p["seconds"] / 60 for p in points], [p["FD"] for p in points], "o-", label=name)
    axes.axhline(result["floor"], color="gray", linestyle=":", label="real images")
    axes.set(xlabel="minutes of training on two cores", ylabel="FD-fashion", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    figure.savefig(RESULTS / "score_vs_time.png", dpi=90)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/score_vs_time"))
    main(parser.parse_args().out)
