"""Presets: a trained generator in a folder that loads in two lines.

A preset folder holds `config.json` (class and constructor arguments), `generator.weights.h5` (the
averaged generator if there is one), `metadata.json` (hash, data, licence, recipe, score, versions),
`README.md` (the model card) and `samples.png`. Named presets lie in `pretrained/` and are listed in
its `index.json`, with the hash of their weights. Loading runs no code from a folder: classes are
looked up in `ganzoo.MODELS`.
"""

import difflib
import hashlib
import json
import pathlib
import shutil
import tempfile

from ganzoo import __version__

FORMAT = 1
HUB, WEB = "hf://", ("https://", "http://")
WEIGHTS = "generator.weights.h5"
# numbers in an array above which it is packed: that saves 7 % of a large one and costs a small one
PACKED = 4096
HERE = pathlib.Path(__file__).resolve().parent


def home():
    """The folder of the presets that ship with the package."""
    installed = HERE / "pretrained"
    return installed if installed.is_dir() else HERE.parent / "pretrained"


def list_presets():
    """The named presets, as a list of dicts: name, class, data, image_shape, parameters, licence,
    sha256 of the weights, training (minutes, and on how many cores), score (a line: the figure, and
    behind " | " its protocol) and scores (all such lines)."""
    index = home() / "index.json"
    return json.loads(index.read_text())["presets"] if index.exists() else []


def write_index():
    """Makes `index.json` anew from the folders beside it; for those who add a preset."""
    from ganzoo.files import replacing

    rows = []
    for config in sorted(home().glob("*/config.json")):
        card = json.loads((config.parent / "metadata.json").read_text())
        keys = ("class", "data", "image_shape", "parameters", "licence", "sha256")
        rows.append({"name": config.parent.name, **{key: card.get(key) for key in keys}})
        times = (key for key in card if key.startswith("minutes_on_"))
        rows[-1]["training"] = next((f"{card[k]} {k.replace('_', ' ')}" for k in times), None)
        rows[-1]["scores"] = card.get("score", [])
        rows[-1]["score"] = next(iter(rows[-1]["scores"]), None)
    with replacing(home() / "index.json") as path:
        path.write_text(json.dumps({"format": FORMAT, "presets": rows}, indent=1) + "\n")


def find(name_or_dir, sha256=None):
    """The folder of a preset, by name, path or address; what has an address is downloaded once.

    Args:
        name_or_dir: see `load`. sha256: see `load`.

    Raises:
        ValueError: for an unknown name, with the nearest, or a folder that is no preset.
        ImportError: for "hf://" without `huggingface_hub`.
    """
    if str(name_or_dir).startswith((HUB, *WEB)):
        return _fetched(str(name_or_dir), sha256)
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


def _fetched(address, sha256):
    """The folder of a preset at an address, downloaded unless it was before."""
    if address.startswith(HUB):
        try:
            import huggingface_hub
        except ImportError:
            raise ImportError(
                f"{address} needs huggingface_hub: pip install 'keras-ganzoo[hub]'."
            ) from None
        repository, _, revision = address.removeprefix(HUB).partition("@")
        return pathlib.Path(
            huggingface_hub.snapshot_download(repository, revision=revision or None)
        )
    if sha256 is None:
        raise ValueError(
            f"{address}: give its sha256= too, so that what is downloaded is what you expect."
        )
    import keras

    name = f"{sha256[:16]}-{address.rstrip('/').rpartition('/')[2]}"
    extracted = pathlib.Path(
        keras.utils.get_file(
            name, address, file_hash=sha256, extract=True, cache_subdir="ganzoo_presets"
        )
    )
    found = sorted(extracted.rglob("config.json"), key=lambda path: len(path.parts))
    if not found:
        raise ValueError(f"{address} is no archive of a preset: it has no config.json.")
    return found[0].parent


def save(model, path, examples=None, half=False, **metadata):
    """Writes the model's generator as a preset folder, all of it or nothing.

    Args:
        model: a `ganzoo.GAN`.
        path: the folder; an older preset there is replaced, anything else is left alone.
        examples: held-out data as `fit` takes them, `x` or `(x, y)` of arrays, for the picture of a
            family that starts from images; without them its card has none.
        half: store weights in half precision, which halves the file; images then change by about
            the last bit.
        **metadata: added to `metadata.json`: data, licence, recipe, score, ...

    Raises:
        FileExistsError: when `path` holds something that is no preset.
        ValueError: with `half`, for weights above 65,504.
    """
    path = pathlib.Path(path)
    free = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    if not free and not (path / "config.json").is_file():
        raise FileExistsError(f"{path} exists and is no preset: choose another folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    new = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        _write(model, new, path.name, examples, half, metadata)
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


def _write(model, folder, name, examples, half, metadata):
    import keras
    import tensorflow as tf

    from ganzoo import images

    network = model.sampling_networks()[0]
    network.save_weights(folder / WEIGHTS)
    if half:
        _halve(folder / WEIGHTS)
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


def _halve(path):
    """Turns the float32 arrays of a weight file into float16 ones."""
    import h5py
    import numpy as np

    whole = path.with_name("whole.h5")
    path.rename(whole)
    with h5py.File(whole) as old, h5py.File(path, "w") as new:
        new.attrs.update(old.attrs)

        def copy(name, item):
            if isinstance(item, h5py.Group):
                new.require_group(name).attrs.update(item.attrs)
                return
            values = item[()]
            if values.dtype == np.float32:
                if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
                    raise ValueError(f"half=True: {name} holds {np.abs(values).max():.3g}.")
                values = values.astype(np.float16)
            packing = {"compression": "gzip", "shuffle": True} if values.size > PACKED else {}
            new.create_dataset(name, data=values, **packing).attrs.update(item.attrs)

        old.visititems(copy)
    whole.unlink()


def _card(card, model, pictured):
    """The model card, in the form of the Hugging Face hub."""
    task, call = "image-to-image", f"{model.makes_with}(images)"
    if model.makes_with == "generate":
        task, call = "unconditional-image-generation", "generate(16, seed=0)"
    if model.data_form == "captions":
        task, call = "text-to-image", "generate(16, captions=[...], seed=0)"
    rows = [f"| {key} | {_cell(value)} |" for key, value in card.items() if key != "name"]
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
        "",
        f'images = ganzoo.from_preset("{card["name"]}").{call}',
        "```",
        "",
        "| | |",
        "|---|---|",
    ]
    return "\n".join([*head, *use, *rows, ""])


def _cell(value):
    """A value of the metadata in a cell of a Markdown table: lists and dicts in lines."""
    if isinstance(value, dict):
        value = [f"{key}: {part}" for key, part in value.items()]
    elif not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        value = [value]
    return "<br>".join(str(part).replace("|", "\\|") for part in value)


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load(name_or_dir, expected=None, sha256=None):
    """A model with a preset's generator.

    Args:
        name_or_dir: a name from `list_presets()`, a preset folder, "hf://user/name" of the Hugging
            Face hub (with "@revision", if one is wanted), or the address of a .zip or .tar.gz that
            holds a preset folder.
        expected: the class wanted, or None for any.
        sha256: of the archive at an address; of other presets, of the weight file, if given.

    Returns:
        A `ganzoo.GAN`: generator and average hold the preset's weights, the discriminator is new.

    Raises:
        ValueError: for an unknown name, a folder that is no preset, a newer format, a class that is
            not ours or not the expected one, or weights that do not match their hash.
    """
    from ganzoo.models import MODELS

    folder = find(name_or_dir, sha256)
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
    weights, wanted = folder / WEIGHTS, {metadata.get("sha256")}
    wanted |= {row["sha256"] for row in list_presets() if row["name"] == str(name_or_dir)}
    if sha256 is not None and not str(name_or_dir).startswith(WEB):
        wanted.add(sha256)
    if not weights.exists() or {_sha256(weights)} != wanted:
        raise ValueError(f"{weights} is missing, truncated or altered: its hash does not match.")
    model = classes[name].from_config(arguments)
    for network in model.sampling_networks():
        network.load_weights(weights)
    return model


def from_preset(name_or_dir, sha256=None):
    """The model of a preset, of whatever family: `from_preset("dcgan.mnist").generate(16)`. See
    `load`."""
    return load(name_or_dir, sha256=sha256)


def load_generator(name_or_dir, sha256=None):
    """A preset's generator alone, a plain `keras.Model`: latents (of families that start from
    images: images, float in [-1, 1]) to images in [-1, 1]. Those of SRGAN and ESRGAN take and make
    images in [0, 1]. See `load`."""
    return load(name_or_dir, sha256=sha256).sampling_networks()[-1]
