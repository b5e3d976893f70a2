"""The network of the `fashion` and `mnist` extractors: a small classifier of 28x28 images.

`benchmarks/train_classifiers.py` trains it on the complete real training sets.
"""

import keras
from keras import layers

#: length of the feature vector, and how many classes both sets have
FEATURES, CLASSES = 128, 10


def network():
    """Grey images `(N, 28, 28, 1)` in [0, 255] to features `(N, 128)` and logits `(N, 10)`."""
    images = keras.Input((28, 28, 1))
    x = layers.Rescaling(1 / 255)(images)
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        if filters < 128:
            x = layers.MaxPooling2D(2)(x)
    x = layers.SeparableConv2D(128, 3, 2, padding="valid", use_bias=False)(x)  # to 3x3
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Flatten()(x)
    features = layers.Dense(FEATURES, activation="relu", name="features")(x)
    logits = layers.Dense(CLASSES, name="logits")(layers.Dropout(0.3)(features))
    return keras.Model(images, [features, logits], name="classifier")
