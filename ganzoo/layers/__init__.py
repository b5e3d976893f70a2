"""Layers that Keras lacks, or has in a form that GANs cannot use."""

from ganzoo.layers.attention import SelfAttention
from ganzoo.layers.convolution import GroupedConv2D
from ganzoo.layers.minibatch import MinibatchStddev
from ganzoo.layers.norm import ConditionalBatchNormalization, InstanceNormalization
from ganzoo.layers.padding import CropLike, ReflectionPadding2D
from ganzoo.layers.pool import ImagePool
from ganzoo.layers.resample import (
    EqualPixels,
    FIRDownsample,
    FIRUpsample,
    PixelShuffle,
    PixelUnshuffle,
)
from ganzoo.layers.spectral import SpectralNormalization
from ganzoo.layers.text import ConditioningAugmentation

__all__ = [
    "ConditionalBatchNormalization",
    "ConditioningAugmentation",
    "CropLike",
    "EqualPixels",
    "FIRDownsample",
    "FIRUpsample",
    "GroupedConv2D",
    "ImagePool",
    "InstanceNormalization",
    "MinibatchStddev",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReflectionPadding2D",
    "SelfAttention",
    "SpectralNormalization",
]
