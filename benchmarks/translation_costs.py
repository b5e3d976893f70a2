"""What translation costs: a training step over its necessary passes, memory, and time of one photo.

    python benchmarks/translation_costs.py

* Steps of Pix2Pix and CycleGAN, `filters=32` and 128 px as the presets are trained, float32: the
  compiled step against the sum of its passes, each compiled alone: every network forwards and
  backwards as often as the paper's algorithm needs it, and both optimizers. Rounds take turns; the
  median of the rounds' ratios is told.
* Peak resident memory of a process that does three CycleGAN steps at 256 px, the paper's networks,
  and of the same process before its first step.
* One 256 px image through a ResNet-9: the median of 20 calls of `translate`, and the least time its
  operations could take at the highest rate this machine reaches on one convolution.

Writes benchmarks/results/translation_costs.json.
"""

import datetime
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from throughput import convolution_peak, flops, machine

import ganzoo

RESULTS = pathlib.Path(__file__).parent / "results" / "translation_costs.json"
SIDE, ROUNDS = 128, 15


def images(n, side):
    return tf.constant(np.random.default_rng(0).integers(0, 256, (n, side, side, 3)), "uint8")


def there_and_back(network, image, weights=True, to_image=False):
    """A pass forwards, and backwards to the weights, the image or both: a compiled function."""
    seen = [image, image] if len(network.inputs) > 1 else image

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(image)
            loss = tf.reduce_mean(network(seen, training=True) ** 2)
        sources = (network.trainable_weights if weights else []) + ([image] if to_image else [])
        return [tf.reduce_sum(g) for g in tape.gradient(loss, sources)]

    return run


def update(optimizer, weights):
    """One step of an optimizer, with gradients of a thousandth: a compiled function."""
    gradients = [tf.fill(w.shape, 1e-3) for w in weights]

    @tf.function
    def run():
        optimizer.apply_gradients(zip(gradients, weights, strict=True))

    return run


def pix2pix(batch):
    """A model, its batch, and its passes with how often a step needs each."""
    model = ganzoo.Pix2Pix(image_shape=(SIDE, SIDE, 3), filters=32, norm="instance", seed=0)
    model.compile()
    x = images(batch, SIDE)
    real = tf.cast(x, "float32") / 127.5 - 1
    return (
        model,
        (x, x),
        [
            (there_and_back(model.generator, real), 1),
            (there_and_back(model.discriminator, real), 2),
            (there_and_back(model.discriminator, real, weights=False, to_image=True), 1),
            (update(model.g_optimizer, model.generator.trainable_weights), 1),
            (update(model.d_optimizer, model.discriminator.trainable_weights), 1),
        ],
    )


def cyclegan(batch):
    model = ganzoo.CycleGAN(image_shape=(SIDE, SIDE, 3), filters=32, seed=0)
    model.compile()
    x = images(batch, SIDE)
    real = tf.cast(x, "float32") / 127.5 - 1
    g, d = model.generator_ab, model.discriminator_a
    return (
        model,
        (x, x),
        [
            # there and its own kind, both ways; back, whose gradient also goes on to the image
            (there_and_back(g, real), 4),
            (there_and_back(g, real, to_image=True), 2),
            (there_and_back(d, real, weights=False, to_image=True), 2),
            (there_and_back(d, real), 4),
            (update(model.g_optimizer, model.weights_of("g")), 1),
            (update(model.d_optimizer, model.weights_of("d")), 1),
        ],
    )


def seconds(function):
    start = time.perf_counter()
    for value in tf.nest.flatten(function()):
        if value is not None:  # an update returns nothing
            value.numpy()
    return time.perf_counter() - start


def step_over_passes(make, batch):
    """The median ratio of the step to the sum of its passes, and the step's median seconds."""
    model, element, passes = make(batch)
    step = tf.function(lambda: model.train_step(element))
    for function in (step, *(one for one, _ in passes)):
        seconds(function)
        seconds(function)
    ratios, steps = [], []
    for _ in range(ROUNDS):
        steps.append(seconds(step))
        parts = sum(times * seconds(one) for one, times in passes)
        steps.append(seconds(step))
        ratios.append(statistics.mean(steps[-2:]) / parts)
    return {
        "batch": batch,
        "step_over_passes": round(statistics.median(ratios), 3),
        "step_seconds": round(statistics.median(steps), 3),
    }


def peak():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


def memory():
    """Peak MiB before and after three steps of the paper's CycleGAN at 256 px, one image each."""
    model = ganzoo.CycleGAN(seed=0)
    model.compile()
    before = peak()
    pair = images(3, 256).numpy()
    model.fit((pair, pair), batch_size=1, epochs=1, verbose=0)
    return {"before_MiB": before, "peak_MiB": peak()}


def latency():
    """Of `translate` of one 256 px image by the paper's ResNet-9, float32."""
    model = ganzoo.CycleGAN(seed=0)
    image = images(1, 256).numpy()
    network = tf.function(lambda x: model.generator_ab(x, training=False))
    counted = flops(network, tf.zeros((1, 256, 256, 3)))
    highest = convolution_peak("float32")
    model.translate(image)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        model.translate(image)
        times.append(time.perf_counter() - start)
    floor = counted / highest
    return {
        "seconds": round(statistics.median(times), 3),
        "gflop": round(counted / 1e9, 1),
        "peak_gflops": round(highest / 1e9),
        "floor_seconds": round(floor, 3),
        "over_floor": round(statistics.median(times) / floor, 2),
    }


MEASURES = {
    "Pix2Pix step": lambda: step_over_passes(pix2pix, 4),
    "CycleGAN step": lambda: step_over_passes(cyclegan, 1),
    "CycleGAN memory at 256 px": memory,
    "ResNet-9 latency at 256 px": latency,
}


def main():
    found = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
    }
    for name in MEASURES:  # each in a process of its own
        command = [sys.executable, __file__, name]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found[name] = json.loads(output.splitlines()[-1])
        print(name, found[name], flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 1:
        main()
    else:
        print(json.dumps(MEASURES[sys.argv[1]]()))
