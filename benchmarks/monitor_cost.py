"""What the logs of the game add to a train step: a step with them against one without.

    python benchmarks/monitor_cost.py [FAMILY ...]

Both are compiled functions of one model on one batch of the embedded set, called in turns in one
process, which of them first changing from round to round. Printed are the quartiles over rounds of
the ratio of their processor time, which other programs on the machine disturb less than the clock.
"""

import contextlib
import sys
import time
import unittest.mock

import numpy as np
import tensorflow as tf
from keras import ops

import ganzoo
from ganzoo import gan

ROUNDS = 200


def verdicts(loss, real, fake):
    """What the logs held before: mean verdicts."""
    sides = {"d_real": real, "d_fake": fake}
    return {name: ops.mean(ops.cast(side[1], "float32")) for name, side in sides.items()}


@contextlib.contextmanager
def without_logs():
    """Steps traced in here take no norms, accuracies or distances."""
    with (
        unittest.mock.patch.object(gan, "state_of_game", verdicts),
        unittest.mock.patch.object(gan.GAN, "_note_gradient", return_value=None),
    ):
        yield


def processor_time(step, batch):
    started = time.process_time()
    tf.nest.map_structure(np.asarray, step(batch))
    return time.process_time() - started


def measure(name):
    cls = getattr(ganzoo, name)
    model = cls(image_shape=(28, 28, 1), seed=1)
    model.compile()
    size = cls.recipe["batch_size"] * model.d_steps
    batch = next(iter(ganzoo.data.load(batch_size=size, seed=1)))[0]
    steps = {}
    for kind, context in (("without", without_logs), ("with", contextlib.nullcontext)):
        with context():
            # a function of its own, for the bound method would be traced once
            steps[kind] = tf.function(lambda data: model.train_step(data))
            for _ in range(3):
                steps[kind](batch)
    ratios = []
    for i in range(ROUNDS):
        order = ("with", "without") if i % 2 else ("without", "with")
        spent = {kind: processor_time(steps[kind], batch) for kind in order}
        ratios.append(spent["with"] / spent["without"])
    low, middle, high = np.percentile(ratios, (25, 50, 75)) - 1
    print(f"{name}: {middle:+.1%} (quartiles {low:+.1%}, {high:+.1%})", flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or ("FCGAN", "DCGAN", "WGANGP"):
        measure(name)
