"""Speed of training: images a second for every family, and what `fit` costs over its bare step.

    python benchmarks/throughput.py [NAME ...]

28x28 grey real images, the networks and batches `ganzoo train` takes (DCGAN also at 128 images).
Figures of one run: images/s of the compiled step alone, and FLOP/s of that step as a share of the
highest rate this machine reaches on one convolution. For FCGAN, the worst case, and DCGAN also what
`fit` costs: the median epoch of five (of 10,000 images) with the pipeline, the average, Keras's own
loop and the callbacks of a `ganzoo train` run, over bare steps of a model without an average; the
callbacks at the end of an epoch take the same seconds however long it is. Writes
benchmarks/results/throughput.json and .md, where rows of families not named stay.
"""

import datetime
import itertools
import json
import os
import pathlib
import platform
import statistics
import sys
import tempfile
import time

import keras
import tensorflow as tf

import ganzoo
from ganzoo import data, runs

RESULTS = pathlib.Path(__file__).parent / "results"
STEPS = 30
EPOCHS = 5


def machine():
    """The machine in words."""
    flags = pathlib.Path("/proc/cpuinfo")
    flags = flags.read_text() if flags.exists() else ""
    has = [name for name in ("avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    return f"{os.cpu_count()} cores, {platform.machine()}, {', '.join(has) or 'no AVX-512'}, no GPU"


def flops(function, *arguments):
    """Floating-point operations of one call, counted by TensorFlow's profiler."""
    from tensorflow.python.profiler.model_analyzer import profile
    from tensorflow.python.profiler.option_builder import ProfileOptionBuilder

    graph = function.get_concrete_function(*arguments).graph
    options = ProfileOptionBuilder(ProfileOptionBuilder.float_operation()).with_empty_output()
    return profile(graph, options=options.build()).total_float_ops


def convolution_peak(dtype):
    """The highest FLOP/s of 3x3 convolutions of several widths, in this precision."""
    best = 0
    for width in (64, 128, 256):
        x = tf.cast(tf.random.normal((128, 28, 28, width)), dtype)
        kernel = tf.cast(tf.random.normal((3, 3, width, width)), dtype)
        run = tf.function(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"))
        run(x, kernel)
        times = []
        for _ in range(8):
            start = time.perf_counter()
            run(x, kernel)
            times.append(time.perf_counter() - start)
        best = max(best, 2 * 128 * 28 * 28 * 9 * width * width / min(times))
    return best


def watchers(model, folder, images):
    """The callbacks of a `ganzoo train` run."""
    held = next(iter(images.unbatch().batch(64))).numpy()
    checkpoint = runs.Checkpoint(folder / "checkpoint")
    checkpoint.set_model(model)
    return [*runs.watchers(model, folder, EPOCHS, held), checkpoint]


class Clock(keras.callbacks.Callback):
    """The moments at which epochs end: before or after the callbacks between two of these."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())


def bare_seconds(model, rounds):
    """Seconds of one compiled step: the median of pieces that take 20 seconds together."""
    step = model.make_train_function()
    iterator = iter(rounds.take(STEPS).cache().repeat())
    for _ in range(min(STEPS, rounds.cardinality().numpy())):  # fills the cache, warms up
        step(iterator)
    pieces, began = [], time.perf_counter()
    while len(pieces) < 5 or time.perf_counter() - began < 20:
        start, done = time.perf_counter(), 0
        while not done or time.perf_counter() - start < 1:
            logs = step(iterator)
            done += 1
        float(logs["loss"])
        pieces.append((time.perf_counter() - start) / done)
    return statistics.median(pieces)


def fit_cost(model, images, rounds):
    """Seconds of a step in `fit` over those of a bare step of a model without an average, and
    seconds of the callbacks at the end of an epoch.

    Medians, since other programs on the machine may take a second here and there; the first epoch,
    in which TensorBoard writes the graph, is left out.
    """
    plain = type(model).from_config({**model.get_config(), "ema_decay": None})
    plain.compile()
    before, first, last = bare_seconds(plain, rounds), Clock(), Clock()
    with tempfile.TemporaryDirectory() as folder:
        listed = [first, *watchers(model, pathlib.Path(folder), images), last]
        model.fit(images, epochs=EPOCHS + 1, verbose=0, callbacks=listed)
    epochs = [b - a for a, b in itertools.pairwise(last.ends)]
    written = [b - a for a, b in zip(first.ends, last.ends, strict=True)][1:]
    after = bare_seconds(plain, rounds)
    fit = statistics.median(epochs) / rounds.cardinality().numpy()
    return fit / statistics.mean([before, after]), statistics.median(written)


def measure(cls, dtype, peak, batch):
    """One family's row."""
    classes = {"num_classes": 10} if cls.__name__ in ("CGAN", "ACGAN") else {}
    options = {**cls.recipe.get("model", {}), **classes}
    model = cls(image_shape=(28, 28, 1), seed=0, dtype=dtype, **options)
    model.compile()
    batch = batch or cls.recipe["batch_size"]
    images = data.load(batch_size=batch, labels=bool(classes))
    rounds = data.load(batch_size=batch * model.d_steps, labels=bool(classes))
    seconds = bare_seconds(model, rounds)
    element = tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), rounds.element_spec
    )
    counted = flops(tf.function(model.train_step), element)
    ratio = written = None
    if cls in (ganzoo.FCGAN, ganzoo.DCGAN):
        ratio, written = (round(float(x), 3) for x in fit_cost(model, images, rounds))
    return {
        "family": cls.__name__,
        "precision": dtype,
        "batch": batch,
        "images_per_second": round(batch * model.d_steps / seconds),
        "gflop_per_image": round(counted / batch / model.d_steps / 1e9, 4),
        "share_of_peak": round(counted / seconds / peak, 3),
        "fit_over_bare_step": ratio,
        "seconds_at_epoch_end": written,
    }


def main(names):
    rows = []
    for dtype in ("float32", "mixed_bfloat16"):
        peak = convolution_peak("bfloat16" if "bfloat16" in dtype else dtype)
        for cls in ganzoo.MODELS:
            wanted = not names or cls.__name__.lower() in names
            for batch in (None, 128) if cls is ganzoo.DCGAN else (None,):
                if wanted and cls.data_form == "images":
                    row = measure(cls, dtype, peak, batch)
                    rows.append({**row, "peak_gflops": round(peak / 1e9)})
                    print(rows[-1], flush=True)
    old = RESULTS / "throughput.json"
    if names and old.exists():  # of one machine and one set of versions, or not at all
        kept = json.loads(old.read_text())
        measured = {(row["family"], row["precision"], row["batch"]) for row in rows}
        rows += [
            {**dict.fromkeys(rows[0]), **row}
            for row in kept["rows"]
            if (row["family"], row["precision"], row["batch"]) not in measured
        ]
        order = [cls.__name__ for cls in ganzoo.MODELS]
        rows.sort(key=lambda row: (row["precision"], order.index(row["family"]), row["batch"]))
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
        "rows": rows,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "throughput.json").write_text(json.dumps(result, indent=1) + "\n")
    keys = list(rows[0])
    lines = [
        f"{result['date']}, {result['machine']}, keras {keras.__version__}, "
        f"tensorflow {tf.__version__}; 28x28x1.",
        "",
        f"| {' | '.join(key.replace('_', ' ') for key in keys)} |",
        f"|{'---|' * len(keys)}",
        *(
            f"| {' | '.join('' if row[key] is None else str(row[key]) for key in keys)} |"
            for row in rows
        ),
    ]
    (RESULTS / "throughput.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main([name.lower() for name in sys.argv[1:]])
