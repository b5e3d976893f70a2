"""The ring of eight Gaussians: does a family's algorithm find all modes of a known distribution?

    python benchmarks/ring.py [NAME ...]

Trains every family that makes images from latents on points of the plane, with the same small
networks, and writes `results/ring.json` and `results/ring.png`. A point is an image of shape
(1, 2, 1). The test `tests/test_ring.py` runs the same code.
"""

import datetime
import inspect
import json
import os
import pathlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import ganzoo
from ganzoo.files import replacing
from ganzoo.layers import SpectralNormalization

RESULTS = pathlib.Path(__file__).parent / "results"
# the ring in the square [-1, 1]^2: distance of the modes from the middle, their standard deviation
RADIUS, SIGMA, MODES = 0.75, 0.05, 8
LATENT, UNITS, BATCH, ROUNDS = 8, 64, 256, 3000
# A sample is good within 3 sigma of a mode (98.9 % of true samples are). A mode is found when it
# holds a quarter of its fair share of good samples.
SAMPLES = 4000

angles = 2 * np.pi * np.arange(MODES) / MODES
CENTRES = RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def real_points(n, seed=0):
    """Points of the ring as images `(n, 1, 2, 1)` float32, and their modes `(n,)` int32."""
    draw = np.random.default_rng(seed)
    modes = draw.integers(MODES, size=n).astype("int32")
    points = CENTRES[modes] + SIGMA * draw.normal(size=(n, 2))
    return np.clip(points, -1, 1).astype("float32").reshape(n, 1, 2, 1), modes


def score(images):
    """`{"modes": found, "good": share of good samples}` of points `(N, 1, 2, 1)`."""
    offsets = np.reshape(images, (-1, 1, 2)) - CENTRES
    distances = np.linalg.norm(offsets, axis=2)
    good = distances.min(axis=1) < 3 * SIGMA
    counts = np.bincount(distances.argmin(axis=1)[good], minlength=MODES)
    found = int((counts >= len(images) / MODES / 4).sum())
    return {"modes": found, "good": round(float(good.mean()), 3)}


def generator(latent=LATENT, labels=False):
    """Two hidden layers; with labels, `[latents, labels]`."""
    inputs = [keras.Input((latent,))]
    if labels:
        inputs.append(keras.Input((), dtype="int32"))
    x = inputs[0]
    if labels:
        x = layers.Concatenate()([x, layers.Embedding(MODES, UNITS)(inputs[1])])
    for _ in range(2):
        x = layers.Dense(UNITS, activation="relu")(x)
    x = layers.Reshape((1, 2, 1))(layers.Dense(2)(x))
    return keras.Model(inputs if labels else inputs[0], x)


def discriminator(labels=False, answers=0, wrap=lambda layer: layer):
    """Two hidden layers; `answers` is the width of a second head, `wrap` is put around layers."""
    inputs = [keras.Input((1, 2, 1))]
    x = layers.Flatten()(inputs[0])
    if labels:
        inputs.append(keras.Input((), dtype="int32"))
        x = layers.Concatenate()([x, layers.Embedding(MODES, UNITS)(inputs[1])])
    for _ in range(2):
        x = layers.LeakyReLU(0.2)(wrap(layers.Dense(UNITS))(x))
    heads = [wrap(layers.Dense(1))(x)]
    if answers:
        heads.append(layers.Dense(answers)(x))
    return keras.Model(inputs if labels else inputs[0], heads if answers else heads[0])


def spectral_discriminator():
    return discriminator(wrap=SpectralNormalization)


def adam(player, **changes):
    return keras.optimizers.Adam(**{"learning_rate": 1e-3, "beta_1": 0.5, **changes})


def two_scales(player):
    """Rates of one to four and no momentum, as in SAGAN's paper: a discriminator of slope one gives
    so little to learn from that a generator as fast as it runs from mode to mode."""
    return adam(player, learning_rate=5e-4 if player == "g" else 2e-3, beta_1=0.0)


SPECTRAL = {
    "networks": lambda: (generator(), spectral_discriminator()),
    "optimizer": two_scales,
}


# family -> what differs from a plain pair of networks and Adam(1e-3, 0.5) for both players
SETTINGS = {
    "CGAN": {
        "networks": lambda: (generator(labels=True), discriminator(labels=True)),
        "arguments": {"num_classes": MODES},
    },
    "ACGAN": {
        "networks": lambda: (generator(labels=True), discriminator(answers=MODES)),
        "arguments": {"num_classes": MODES},
    },
    "InfoGAN": {
        "networks": lambda: (generator(LATENT + MODES), discriminator(answers=MODES)),
        "arguments": {"categories": MODES, "continuous": 0},
    },
    "WGAN": {
        # the paper's 0.01 is for wide layers: here two of 64 would leave slopes near 1e-3
        "arguments": {"clip": 0.1},
        "optimizer": lambda player: keras.optimizers.RMSprop(1e-3, rho=0.99),
    },
    # the authors, too, take 0.1 for toys (gan_toy.py)
    "WGANGP": {
        "arguments": {"gp_weight": 0.1},
        "optimizer": lambda player: adam(player, beta_1=0.0, beta_2=0.9),
    },
    "SNGAN": SPECTRAL,
    "SAGAN": SPECTRAL,
}


def families():
    """The classes that make images from latents and take networks of one's own; not those that
    read."""
    wanted = {"generator", "discriminator", "latent_dim"}
    return [
        cls
        for cls in ganzoo.MODELS
        if cls.data_form == "images" and wanted <= set(inspect.signature(cls.__init__).parameters)
    ]


def train(cls, rounds=ROUNDS, seed=0):
    """A trained model of the family, on `rounds` batches for each of D's updates."""
    settings = {
        "networks": lambda: (generator(), discriminator()),
        "arguments": {},
        "optimizer": adam,
        **SETTINGS.get(cls.__name__, {}),
    }
    keras.utils.set_random_seed(seed)
    networks = dict(zip(("generator", "discriminator"), settings["networks"](), strict=True))
    model = cls(seed=seed, **networks, **settings["arguments"])
    optimizers = {f"{player}_optimizer": settings["optimizer"](player) for player in model.players}
    model.compile(**optimizers, steps_per_execution=50)
    points, modes = real_points(50 * BATCH * model.d_steps, seed)
    model.fit(points, modes, batch_size=BATCH, epochs=rounds // 50, verbose=0)
    return model


def samples(model, n=SAMPLES):
    """n points `(n, 1, 2, 1)`, floats: `generate` would round them to 256 steps."""
    inputs = model.sampling_inputs(n, None, 1, None)
    return np.asarray(model(inputs if len(inputs) > 1 else inputs[0], training=False))


def machine():
    """The machine in words."""
    cores = len(os.sched_getaffinity(0))
    path = pathlib.Path("/proc/cpuinfo")
    flags = path.read_text() if path.exists() else ""
    vectors = next((name for name in ("avx512", "avx2") if name in flags), "no AVX")
    devices = "GPU" if tf.config.list_physical_devices("GPU") else "CPU only"
    return f"{cores} cores, {vectors.upper().replace('AVX5', 'AVX-5')}, {devices}"


def draw(panels, path):
    """One panel a family: its samples, and circles of 3 sigma around the modes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = 4
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(3 * columns, 3.2 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, points) in zip(axes.flat, panels.items(), strict=False):
        for centre in CENTRES:
            axis.add_patch(pyplot.Circle(centre, 3 * SIGMA, fill=False, color="tab:orange"))
        axis.scatter(*np.reshape(points, (-1, 2)).T, s=1, alpha=0.4, color="tab:blue")
        axis.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
        axis.set_title(title, fontsize=9)
    figure.tight_layout()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
    pyplot.close(figure)


def main(names):
    chosen = [cls for cls in families() if not names or cls.__name__ in names]
    panels, table = {"real points": real_points(SAMPLES)[0]}, {}
    for cls in chosen:
        start = time.monotonic()
        model = train(cls)
        seconds = time.monotonic() - start
        points = samples(model)
        row = table[cls.__name__] = {**score(points), "seconds": round(seconds, 1)}
        panels[f"{cls.__name__}: {row['modes']} of 8 modes, {row['good']:.0%} good"] = points
        print(f"{cls.__name__:<12} {row}", flush=True)
    report = {
        "date": datetime.date.today().isoformat(),
        "versions": {
            "ganzoo": ganzoo.__version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
        "machine": machine(),
        "rounds": ROUNDS,
        "batch_size": BATCH,
        "real points": score(panels["real points"]),
        "families": table,
    }
    RESULTS.mkdir(exist_ok=True)
    with replacing(RESULTS / "ring.json") as path:
        path.write_text(json.dumps(report, indent=1) + "\n")
    draw(panels, RESULTS / "ring.png")


if __name__ == "__main__":
    main(sys.argv[1:])
