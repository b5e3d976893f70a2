"""Keras callbacks that show how a GAN trains: pictures, curves, verdicts, a table, a
diagnosis.

They act at the end of epochs, never of batches (with `steps_per_execution` batch indices jump), and
draw nothing from the model's own random numbers: a run is the same with and without them.
"""

from ganzoo.callbacks.curves import LossCurves
from ganzoo.callbacks.evaluate import Evaluate
from ganzoo.callbacks.grids import CodeTraversal, ImageGrid, Interpolation
from ganzoo.callbacks.health import HealthMonitor
from ganzoo.callbacks.history import CSVHistory
from ganzoo.callbacks.neighbours import NearestNeighbours
from ganzoo.callbacks.scalars import TensorBoardEpochs
from ganzoo.callbacks.verdicts import Verdicts

__all__ = [
    "CSVHistory",
    "CodeTraversal",
    "Evaluate",
    "HealthMonitor",
    "ImageGrid",
    "Interpolation",
    "LossCurves",
    "NearestNeighbours",
    "TensorBoardEpochs",
    "Verdicts",
]
