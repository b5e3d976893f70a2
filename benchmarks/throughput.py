"""Speed of training: images a second for every family, and what `fit` costs over its bare step.

    python benchmarks/throughput.py [NAME ...]

28x28 grey real images, batches of 128, the defaults of each family. Three figures a family, all of
one run: images/s of the compiled step alone, FLOP/s of that step as a share of the highest rate
this machine reaches on one convolution, and `fit`'s overhead: an epoch with the pipeline, the
average, Keras's own loop and the callbacks of a `ganzoo train` run, over the same number of bare
steps, taken in turns. Writes benchmarks/results/throughput.json and .md.
"""

import datetime
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
from ganzoo import callbacks, data

RESULTS = pathlib.Path(__file__).parent / "results"
BATCH = 128
STEPS = 30


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
        x = tf.cast(tf.random.normal((BATCH, 28, 28, width)), dtype)
        kernel = tf.cast(tf.random.normal((3, 3, width, width)), dtype)
        run = tf.function(lambda x, kernel: tf.nn.conv2d(x, kernel, 1, "SAME"))
        run(x, kernel)
        times = []
        for _ in range(8):
            start = time.perf_counter()
            run(x, kernel)
            times.append(time.perf_counter() - start)
        best = max(best, 2 * BATCH * 28 * 28 * 9 * width * width / min(times))
    return best


def watchers(folder, images):
    """The callbacks of a `ganzoo train` run."""
    batch = next(iter(images))
    return [
        callbacks.ImageGrid(folder / "samples", tensorboard=folder / "logs"),
        callbacks.CSVHistory(folder / "history.csv"),
        callbacks.LossCurves(folder / "losses.png"),
        keras.callbacks.TensorBoard(folder / "logs"),
        callbacks.Verdicts(folder / "logs", tf.nest.map_structure(lambda part: part[:64], batch)),
    ]


def measure(cls, dtype, peak):
    """One family's row."""
    classes = {"num_classes": 10} if needs_classes(cls) else {}
    model = cls(image_shape=(28, 28, 1), seed=0, dtype=dtype, **classes)
    model.compile()
    images = data.load(batch_size=BATCH, labels=bool(classes))
    rounds = data.load(batch_size=BATCH * model.d_steps, labels=bool(classes))
    steps = rounds.cardinality().numpy()
    step = model.make_train_function()

    def bare():
        iterator = iter(rounds.take(STEPS).cache().repeat(2))
        for _ in range(min(STEPS, steps)):  # fills the cache, warms up
            step(iterator)
        start = time.perf_counter()
        for _ in range(min(STEPS, steps)):
            logs = step(iterator)
        float(logs["loss"])
        return (time.perf_counter() - start) / min(STEPS, steps)

    ratios, bares = [], []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        model.fit(images, epochs=1, verbose=0, callbacks=watchers(folder, images))
        for turn in range(3):
            bares.append(bare())
            start = time.perf_counter()
            model.fit(
                images,
                initial_epoch=turn + 1,
                epochs=turn + 2,
                verbose=0,
                callbacks=watchers(folder, images),
            )
            ratios.append((time.perf_counter() - start) / steps / bares[-1])
    element = tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), rounds.element_spec
    )
    counted = flops(tf.function(model.train_step), element)
    seconds = statistics.median(bares)
    return {
        "family": cls.__name__,
        "precision": dtype,
        "images_per_second": round(BATCH * model.d_steps / seconds),
        "gflop_per_image": round(counted / BATCH / model.d_steps / 1e9, 4),
        "share_of_peak": round(counted / seconds / peak, 3),
        "fit_over_bare_step": round(statistics.median(ratios), 3),
    }


def needs_classes(cls):
    import inspect

    return "num_classes" in inspect.signature(cls).parameters and cls.__name__ in ("CGAN", "ACGAN")


def main(names):
    rows = []
    for dtype in ("float32", "mixed_bfloat16"):
        peak = convolution_peak("bfloat16" if "bfloat16" in dtype else dtype)
        for cls in ganzoo.MODELS:
            wanted = not names or cls.__name__.lower() in names
            if wanted and cls.data_form == "images":
                rows.append({**measure(cls, dtype, peak), "peak_gflops": round(peak / 1e9)})
                print(rows[-1], flush=True)
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
        f"tensorflow {tf.__version__}; 28x28x1, batches of {BATCH}.",
        "",
        f"| {' | '.join(key.replace('_', ' ') for key in keys)} |",
        f"|{'---|' * len(keys)}",
        *(f"| {' | '.join(str(row[key]) for key in keys)} |" for row in rows),
    ]
    (RESULTS / "throughput.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main([name.lower() for name in sys.argv[1:]])
