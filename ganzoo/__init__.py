"""ganzoo: the GAN zoo for Keras 3 on TensorFlow."""

import importlib
import importlib.machinery
import json
import os
import pathlib
import sys

__version__ = "0.1.0"

# Public name -> the module it lives in. Imported at first use, so that the command line answers
# `--help` and `list` without waiting for TensorFlow.
_HOMES = {
    "MODELS": "ganzoo.models",
    "FCGAN": "ganzoo.models.fcgan",
    "DCGAN": "ganzoo.models.dcgan",
    "CGAN": "ganzoo.models.cgan",
    "ACGAN": "ganzoo.models.acgan",
    "InfoGAN": "ganzoo.models.infogan",
    "LSGAN": "ganzoo.models.lsgan",
    "WGAN": "ganzoo.models.wgan",
    "WGANGP": "ganzoo.models.wgan_gp",
    "SNGAN": "ganzoo.models.sngan",
    "SAGAN": "ganzoo.models.sagan",
    "R3GAN": "ganzoo.models.r3gan",
    "Pix2Pix": "ganzoo.models.pix2pix",
    "CycleGAN": "ganzoo.models.cyclegan",
    "SRGAN": "ganzoo.models.srgan",
    "ESRGAN": "ganzoo.models.esrgan",
    "TextGAN": "ganzoo.models.textgan",
    "GAN": "ganzoo.gan",
    "LabelSmoothing": "ganzoo.labels",
    "from_preset": "ganzoo.presets",
    "load_generator": "ganzoo.presets",
    "list_presets": "ganzoo.presets",
}
_ROOMS = (
    "augment",
    "callbacks",
    "data",
    "importers",
    "layers",
    "losses",
    "metrics",
    "models",
    "penalties",
    "presets",
    "scores",
)

__all__ = [*_HOMES, *_ROOMS, "__version__"]


def _backend():
    """The backend Keras has or will take, found out without importing it."""
    if "keras" in sys.modules:
        return sys.modules["keras"].config.backend()
    home = pathlib.Path(os.environ.get("KERAS_HOME", pathlib.Path.home() / ".keras"))
    try:
        saved = json.loads((home / "keras.json").read_text()).get("backend", "tensorflow")
    except (OSError, ValueError):
        saved = "tensorflow"
    return os.environ.get("KERAS_BACKEND") or saved


if _backend() != "tensorflow":
    raise ImportError(
        f"ganzoo trains on TensorFlow, and Keras is set to {_backend()!r}: set "
        "KERAS_BACKEND=tensorflow before importing keras."
    )


class _AfterKeras:
    """Imports the models right after Keras, whoever imports it, so that their classes are
    registered and `keras.saving.load_model` finds them; until then `import ganzoo` costs nothing.
    """

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = name == "keras" and importlib.machinery.PathFinder.find_spec(name, path)
        if not spec:
            return None
        run_keras = spec.loader.exec_module

        def exec_module(module):
            run_keras(module)
            sys.meta_path.remove(cls)
            ours = [m for name, m in sys.modules.items() if name.startswith("ganzoo.")]
            # a room of ours that is half imported asked for Keras: the models would find it empty
            if not any(getattr(m.__spec__, "_initializing", False) for m in ours):
                importlib.import_module("ganzoo.models")

        spec.loader.exec_module = exec_module
        return spec


if "keras" in sys.modules:
    importlib.import_module("ganzoo.models")
else:
    sys.meta_path.insert(0, _AfterKeras)


def __getattr__(name):
    if name not in _HOMES and name not in _ROOMS:
        raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")
    home = _HOMES.get(name, f"ganzoo.{name}")
    if home != "ganzoo.presets":  # which lists presets without it
        importlib.import_module("ganzoo.models")
    module = importlib.import_module(home)
    return getattr(module, name) if name in _HOMES else module


def __dir__():
    return __all__
