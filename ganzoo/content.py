"""The content loss of super-resolution: how far two images are apart in a fixed network's eyes."""

import keras
from keras import layers, ops

from ganzoo import losses
from ganzoo.metrics import extractors
from ganzoo.metrics import lite0 as network

# Stages of EfficientNet-Lite0, and what scales each: so that the bicubic enlargement of a
# photograph from a quarter of its size is as far from it in all stages together, each counting the
# same, as in the pixels (mean squares, 50 photographs of BSDS200)
LITE0 = {"stage1": 0.0149, "stage2": 0.0099, "stage3": 0.0118, "stage4": 0.0141}
# blocks of the VGG19 trunk: (channels, convolutions); a pooling stands between them
VGG19 = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))


class Content:
    """The distance between features of two batches of images. Not a Keras object, so that the
    network is no part of saved files; one of your own is, as an attribute of the model.

    Args:
        kind: what is compared:

            * "lite0": four stages of EfficientNet-Lite0, which comes with the package, and the
              pixels, because those stages hardly see when all colours fade;
            * "vgg19": VGG19's last convolution, as the papers do. `keras.applications` downloads
              80 MB of weights the first time;
            * "pixels": the images themselves;
            * a `keras.Model` of your own: images `(N, H, W, 3)` in [-1, 1] to a feature map or a
              list of them.
        power: of the differences, 1 or 2.
        activated: for "vgg19", whether features are taken after the activation.

    Raises:
        ValueError: for an unknown kind. ConnectionError: when weights cannot be downloaded.
    """

    def __init__(self, kind, power, activated):
        self.power, self.pixels = power, kind in ("lite0", "pixels")
        if isinstance(kind, keras.Model):
            self.network = kind
        elif kind == "lite0":
            self.network = lite0()
        elif kind == "vgg19":
            self.network = vgg19(["relu5_4" if activated else "conv5_4"])
        else:
            check(kind)
            self.network = None

    def __call__(self, real, fake):
        """Distances `(N,)`, float32, of images `(N, H, W, C)` in [-1, 1]: means over the elements
        of a feature map, summed over the maps."""
        pairs = [self.features(real), self.features(fake)]
        return sum(
            losses.per_example(ops.abs(a - b) ** self.power) for a, b in zip(*pairs, strict=True)
        )

    def features(self, images):
        """A list of float32 maps; the network sees grey images as grey RGB, and of RGBA the
        colours."""
        maps = [images] if self.pixels else []
        if self.network is not None:
            images = ops.repeat(images, 3, -1) if images.shape[-1] == 1 else images[..., :3]
            maps += keras.tree.flatten(self.network(images, training=False))
        return [ops.cast(each, "float32") for each in maps]


def check(kind):
    """Refuses what is no kind of content loss."""
    kinds = ("lite0", "vgg19", "pixels")
    if not isinstance(kind, keras.Model) and kind not in kinds:
        raise ValueError(f"content={kind!r}: want one of {list(kinds)}, or a keras.Model.")


def lite0():
    """The first stages of EfficientNet-Lite0, Tan and Le 2019, https://arxiv.org/abs/1905.11946,
    as `ganzoo.metrics` has it, scaled by `LITE0`.

    Returns:
        A `keras.Model`, images `(N, H, W, 3)` RGB in [-1, 1] to a list of float maps of 1/2, 1/4,
        1/8 and 1/16 of the size. It is not trainable.
    """
    whole = network.network((None, None, 3))
    extractors.fill(whole, "lite0")
    trunk = keras.Model(whole.input, [whole.get_layer(name).output for name in LITE0])
    images = keras.Input((None, None, 3), name="images")
    maps = trunk(layers.Rescaling(127.5, 127.5)(images))
    maps = [layers.Rescaling(s)(m) for s, m in zip(LITE0.values(), maps, strict=True)]
    model = keras.Model(images, maps, name="lite0_stages")
    model.trainable = False
    return model


def vgg19(names=("conv5_4",), weights="imagenet"):
    """The trunk of VGG19, Simonyan and Zisserman 2015, https://arxiv.org/abs/1409.1556.

    Args:
        names: the feature maps to give, "conv1_1" to "conv5_4" before the activation and "relu1_1"
            to "relu5_4" after it; layers behind the last one are left out.
        weights: "imagenet" for those of `keras.applications`, downloaded once; or the path of a
            file of them. They are the authors': the network then takes the mean of ImageNet off
            values in 0..255, and features are scaled by 1/12.75 (Ledig et al. 2017, section 3.2),
            to the size of pixel errors.
            None for random ones to be replaced by `importers.assign(network, state_dict,
            "vgg19.torchvision")`: the network then normalises [0, 1] by mean and deviation, as
            torchvision's was trained, and features are not scaled.

    Returns:
        A `keras.Model`, images `(N, H, W, 3)` RGB in [-1, 1] to a list of float maps. It is not
        trainable.

    Raises:
        ValueError: an unknown name. ConnectionError: the weights cannot be downloaded.
    """
    images = keras.Input((None, None, 3), name="images")
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    if weights is None:
        scale = [0.5 / d for d in deviation]
        offset = [(0.5 - m) / d for m, d in zip(mean, deviation, strict=True)]
    else:
        scale, offset = 127.5, [127.5 - m for m in (123.68, 116.779, 103.939)]
    x, maps = layers.Rescaling(scale, offset, name="preprocessing")(images), {}
    for block, (width, count) in enumerate(VGG19, 1):
        for i in range(1, count + 1):
            x = maps[f"conv{block}_{i}"] = layers.Conv2D(
                width, 3, padding="same", name=f"conv{block}_{i}"
            )(x)
            x = maps[f"relu{block}_{i}"] = layers.ReLU(name=f"relu{block}_{i}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
    unknown = [name for name in names if name not in maps]
    if unknown:
        raise ValueError(f"VGG19 has no {unknown[0]!r}: want conv1_1 to conv5_4 or relu1_1 to ...")
    outputs = [maps[name] for name in names]
    if weights is not None:
        outputs = [layers.Rescaling(1 / 12.75)(output) for output in outputs]
    network = keras.Model(images, outputs, name="vgg19")
    network.trainable = False
    if weights is not None:
        copy_applications(network, applications_vgg19(weights))
    return network


def applications_vgg19(weights):
    """`keras.applications.VGG19` without its dense layers; a failed download is one line."""
    try:
        return keras.applications.VGG19(include_top=False, weights=weights)
    except Exception as error:  # Keras raises a bare Exception
        if "URL fetch failure" not in str(error):
            raise
        raise ConnectionError(
            "VGG19's weights cannot be downloaded from Keras's server; content='lite0' and "
            "content='pixels' need no network."
        ) from error


def copy_applications(network, source):
    """Copies the convolutions of `keras.applications.VGG19`, which takes BGR, to our trunk."""
    for layer in network.layers:
        if not isinstance(layer, layers.Conv2D):
            continue
        name = "block{}_conv{}".format(*layer.name.removeprefix("conv").split("_"))
        kernel, bias = source.get_layer(name).get_weights()
        layer.set_weights([kernel[:, :, ::-1] if layer.name == "conv1_1" else kernel, bias])
