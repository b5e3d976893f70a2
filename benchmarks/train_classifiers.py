"""Trains the classifiers behind the `fashion` and `mnist` extractors, and ships them.

    python benchmarks/train_classifiers.py NAME SOURCE.npz [EPOCHS]

NAME is `fashion` or `mnist`; SOURCE.npz holds the complete set as `x_train`, `y_train`, `x_test`,
`y_test`, as `keras.datasets` gives it. Writes ganzoo/metrics/weights/NAME.npz in half precision and
its row of ganzoo/metrics/weights/index.json; the accuracy there is that of the written file on the
complete test set, which training never looks at.
"""

import hashlib
import json
import pathlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from ganzoo.metrics import classifiers

FOLDER = pathlib.Path(classifiers.__file__).parent / "weights"
BATCH, RATE, SHIFT, SEED = 128, 2e-3, 2, 0
DATA = {
    "fashion": "Fashion-MNIST, 60,000 images (MIT)",
    "mnist": "MNIST, 60,000 images (CC BY-SA 3.0)",
}


def batches(images, labels):
    """Shuffled batches, each image moved by up to SHIFT pixels either way, black coming in."""

    def moved(image, label):
        padded = tf.pad(image, [[SHIFT, SHIFT], [SHIFT, SHIFT], [0, 0]])
        return tf.image.random_crop(padded, (28, 28, 1)), label

    data = tf.data.Dataset.from_tensor_slices((images, labels)).cache()
    data = data.shuffle(len(images), seed=SEED).map(moved, tf.data.AUTOTUNE)
    return data.batch(BATCH, drop_remainder=True).prefetch(2)


def main(name, source, epochs=8):
    keras.utils.set_random_seed(SEED)
    with np.load(source, allow_pickle=False) as file:
        x, y, x_test, y_test = (file[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    network = classifiers.network()
    head = keras.Model(network.input, network.output[1])
    steps = epochs * (len(x) // BATCH)
    head.compile(
        keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(RATE, steps), 1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    start = time.perf_counter()
    head.fit(batches(x[..., None], y), epochs=epochs, verbose=2)
    halves = [np.asarray(w, "float16") for w in network.get_weights()]
    network.set_weights(halves)
    logits = head.predict(x_test[..., None], batch_size=500, verbose=0)
    accuracy = float((logits.argmax(axis=1) == y_test).mean())
    path = FOLDER / f"{name}.npz"
    np.savez_compressed(path, **{f"{i:03d}": w for i, w in enumerate(halves)})
    index = FOLDER / "index.json"
    rows = json.loads(index.read_text()) if index.exists() else {}
    rows[name] = {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "test_accuracy": round(accuracy, 4),
        "data": DATA[name],
        "made_by": "benchmarks/train_classifiers.py",
    }
    index.write_text(json.dumps(dict(sorted(rows.items())), indent=1) + "\n")
    minutes = (time.perf_counter() - start) / 60
    print(
        f"{name}: {accuracy:.2%} of the test set, {path.stat().st_size:,} bytes, {minutes:.1f} min"
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
