"""Scores, as Keras metrics, and the extractors they look through.

Only scores of the extractor "inception_2015" may be called FID and be held against published ones;
others carry its name: "FD-fashion". `ganzoo.scores` makes records of them.
"""

from ganzoo.metrics.extractors import Extractor
from ganzoo.metrics.extractors import load as load_extractor
from ganzoo.metrics.extractors import names as list_extractors
from ganzoo.metrics.pairs import MSSSIM, PSNR, SSIM
from ganzoo.metrics.sets import (
    FID,
    KID,
    DensityCoverage,
    InceptionScore,
    LabelFidelity,
    PrecisionRecall,
)

__all__ = [
    "DensityCoverage",
    "Extractor",
    "FID",
    "InceptionScore",
    "KID",
    "LabelFidelity",
    "MSSSIM",
    "PSNR",
    "PrecisionRecall",
    "SSIM",
    "list_extractors",
    "load_extractor",
]
