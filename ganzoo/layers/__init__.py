"""Layers that Keras lacks, or has in a form that GANs cannot use."""

from ganzoo.layers.attention import SelfAttention
from ganzoo.layers.convolution import GroupedConv2D
from ganzoo.layers.minibatch import MinibatchStddev
from ganzoo.layers.norm import ConditionalBatchNormalization
from ganzoo.layers.resample import FIRDownsample, FIRUpsample, PixelShuffle
from ganzoo.layers.spectral import SpectralNormalization

__all__ = [
    "ConditionalBatchNormalization",
    "FIRDownsample",
    "FIRUpsample",
    "GroupedConv2D",
    "MinibatchStddev",
    "PixelShuffle",
    "SelfAttention",
    "SpectralNormalization",
]
