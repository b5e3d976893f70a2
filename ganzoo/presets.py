"""Presets: a trained generator in a folder that loads in two lines.

A preset folder holds `config.json` (class and constructor arguments), `generator.weights.h5` (the
averaged generator if there is one), `metadata.json` (hash, data, licence, recipe, score, versions),
`README.md` (the model card) and `samples.png`. Named presets lie in `pretrained/` and are listed in
its `index.json`. Loading runs no code from a folder: classes are looked up in `ganzoo.MODELS`.
"""

import difflib
import hashlib
import json
import pathlib
import shutil
import tempfile

from ganzoo import __version__

FORMAT = 1
WEIGHTS = "generator.weights.h5"
HERE = pathlib.Path(__file__).resolve().parent


def home():
    """The folder of the presets that ship with the package."""
    installed = HERE / "pretrained"
    return installed if installed.is_dir() else HERE.parent / "pretrained"


def list_presets():
    """The named presets, as a list of dicts: name, class, data, image shape, parameters, licence,
    score and its protocol."""
    index = home() / "index.json"
    return json.loads(index.read_text())["presets"] if index.exists() else []


def find(name_or_dir):
    """The folder of a preset, by name or path.

    Raises:
        ValueError: for an unknown name, with the nearest, or a folder that is no preset.
    """
    folder = pathlib.Path(name_or_dir)
    names = [row["name"] for row in list_presets()]
    if str(name_or_dir) in names:
        folder = home() / str(name_or_dir)
    if not folder.exists():
        near = difflib.get_close_matches(str(name_or_dir), names, n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(near)}" if near else "`ganzoo list` shows the names"
        raise ValueError(f"no preset or folder {str(name_or_dir)!r}; {hint}.")
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} is no preset: it has no config.json.")
    return folder


def save(model, path, examples=None, **metadata):
    """Writes the model's generator as a preset folder, all of it or nothing.

    Args:
        model: a `ganzoo.GAN`.
        path: the folder; an older preset there is replaced, anything else is left alone.
        examples: held-out data as `fit` takes them, `x` or `(x, y)` of arrays, for the picture of a
            family that starts from images; without them its card has none.
        **metadata: added to `metadata.json`: data, licence, recipe, score, ...

    Raises:
        FileExistsError: when `path` holds something that is no preset.
    """
    path = pathlib.Path(path)
    free = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    if not free and not (path / "config.json").is_file():
        raise FileExistsError(f"{path} exists and is no preset: choose another folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    new = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        _write(model, new, path.name, examples, metadata)
        new.chmod(0o755)
        if path.exists():
            old = new.with_name(new.name + "-old")
            path.rename(old)
            new.rename(path)
            shutil.rmtree(old)
        else:
            new.rename(path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write(model, folder, name, examples, metadata):
    import keras
    import tensorflow as tf

    from ganzoo import images

    network = model.sampling_networks()[0]
    network.save_weights(folder / WEIGHTS)
    config = {"format": FORMAT, "class": type(model).__name__, "config": model.get_config()}
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    pictured = model.makes_with == "generate" or examples is not None
    if pictured:
        images.save(folder / "samples.png", images.tile(*model.preview(64, examples=examples)))
    card = {
        "name": name,
        "class": type(model).__name__,
        "image_shape": list(model.image_shape),
        "parameters": int(network.count_params()),
        "averaged": model.has_average,
        **metadata,
        "sha256": _sha256(folder / WEIGHTS),
        "versions": {
            "ganzoo": __version__,
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
        },
    }
    (folder / "metadata.json").write_text(json.dumps(card, indent=1))
    (folder / "README.md").write_text(_card(card, model, pictured))


def _card(card, model, pictured):
    """The model card, in the form of the Hugging Face hub."""
    task, call = "image-to-image", f"{model.makes_with}(images)"
    if model.makes_with == "generate":
        task, call = "unconditional-image-generation", "generate(16, seed=0)"
    if model.data_form == "captions":
        task, call = "text-to-image", "generate(16, captions=[...], seed=0)"
    rows = [
        f"| {key} | {json.dumps(value) if isinstance(value, dict | list) else value} |"
        for key, value in card.items()
        if key != "name"
    ]
    head = [
        "---",
        "library_name: keras",
        f"pipeline_tag: {task}",
        f"license: {card.get('licence', 'other')}",
        f"tags: [gan, {card['class'].lower()}, ganzoo]",
        "---",
    ]
    use = [
        f"# {card['name']}",
        "",
        *(["![samples](samples.png)", ""] if pictured else []),
        "```python",
        "import ganzoo",
        f'images = ganzoo.from_preset("{card["name"]}").{call}',
        "```",
        "",
        "| | |",
        "|---|---|",
    ]
    return "\n".join([*head, *use, *rows, ""])


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(name_or_dir, expected=None):
    """A model with a preset's generator.

    Args:
        name_or_dir: a name from `list_presets()` or a preset folder.
        expected: the class wanted, or None for any.

    Returns:
        A `ganzoo.GAN`: generator and average hold the preset's weights, the discriminator is new.

    Raises:
        ValueError: for an unknown name, a folder that is no preset, a newer format, a class that is
            not ours or not the expected one, or weights that do not match their hash.
    """
    from ganzoo.models import MODELS

    folder = find(name_or_dir)
    try:
        config = json.loads((folder / "config.json").read_text())
        metadata = json.loads((folder / "metadata.json").read_text())
        version, name, arguments = config["format"], config["class"], config["config"]
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{folder} is no whole preset: {error!r}.") from error
    if version > FORMAT:
        raise ValueError(
            f"{folder} has format {version}, this ganzoo reads up to {FORMAT}: update ganzoo."
        )
    classes = {cls.__name__: cls for cls in MODELS}
    if name not in classes:
        raise ValueError(f"{folder} holds a {name!r}, which is none of {', '.join(classes)}.")
    if expected is not None and not issubclass(classes[name], expected):
        raise ValueError(
            f"{folder} holds a {name}, not a {expected.__name__}: use ganzoo.{name}.from_preset."
        )
    weights = folder / WEIGHTS
    if not weights.exists() or _sha256(weights) != metadata.get("sha256"):
        raise ValueError(f"{weights} is missing, truncated or altered: its hash does not match.")
    model = classes[name].from_config(arguments)
    for network in model.sampling_networks():
        network.load_weights(weights)
    return model


def from_preset(name_or_dir):
    """The model of a preset, of whatever family: `from_preset("dcgan.mnist").generate(16)`."""
    return load(name_or_dir)


def load_generator(name_or_dir):
    """A preset's generator alone, a plain `keras.Model`: latents (of families that start from
    images: images, float in [-1, 1]) to images in [-1, 1]. Those of SRGAN and ESRGAN take and make
    images in [0, 1]."""
    return load(name_or_dir).sampling_networks()[-1]
