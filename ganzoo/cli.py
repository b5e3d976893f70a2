"""The command line: a thin shell over the public API. TensorFlow is imported by the commands that
need it, so that `--help` and `list` answer at once."""

import ast
import contextlib
import difflib
import json
import os
import pathlib
import sys

import click

import ganzoo

MODELS_FOLDER = pathlib.Path(__file__).parent / "models"


def families():
    """Name -> first line of the docstring of every model file, read without importing it."""
    found = {}
    for path in sorted(MODELS_FOLDER.glob("[a-z]*.py")):
        tree = ast.parse(path.read_text())
        title = (ast.get_docstring(tree) or "").splitlines()[0]
        found[title.split(":")[0]] = title.split(":", 1)[-1].strip()
    return found


class OneLineErrors(click.Group):
    """Turns what users can mend into one line and exit status 1; `--debug` keeps the traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:  # a RuntimeError to click, and no error
            raise
        except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
            if ctx.params.get("debug"):
                raise
            line = " ".join(str(error).split()) or type(error).__name__
            click.echo(f"ganzoo: {line}", err=True)
            ctx.exit(1)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(ganzoo.__version__, prog_name="ganzoo")
def main(debug):
    """The GAN zoo for Keras 3: train, load and look at generative adversarial networks."""


@contextlib.contextmanager
def quietly():
    """Drops what native code says on stderr: TensorFlow greets with six lines that no setting
    silences, and they would be the first thing a user sees."""
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
        if "tensorflow" in sys.modules:  # looks for devices at first use, and speaks again
            sys.modules["tensorflow"].config.list_logical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


@main.command("list")
def list_():
    """List the model families and the pretrained presets."""
    from ganzoo import presets

    click.echo("Families (ganzoo train NAME):")
    for name, title in families().items():
        click.echo(f"  {name.lower():<10} {title}")
    rows = presets.list_presets()
    click.echo("\nPresets (ganzoo generate NAME):")
    for row in rows:
        shape = "x".join(map(str, row["image_shape"]))
        facts = (f"{row['parameters']:,} parameters", row["training"], row["licence"])
        click.echo(f"  {row['name']:<24} {shape:<10} {', '.join(filter(None, facts))}")
        for line in filter(None, (row["data"], *row["scores"])):
            click.echo(f"      {line}")
    if not rows:
        click.echo("  none yet: train one, its run folder holds preset/")


def model_class(name):
    """The class of a family by name, whatever the case; hyphens are left out."""
    known = {family.lower(): family for family in families()}
    key = name.lower().replace("-", "").replace("_", "")
    if key not in known:
        near = difflib.get_close_matches(key, known, n=3, cutoff=0.4)
        hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(known)}"
        raise click.UsageError(f"no model {name!r}; {hint}.")
    with quietly():
        return getattr(ganzoo, known[key])


def parse(assignments):
    """`option=value` strings as a dict; values are JSON, else plain text."""
    options = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set {text}: want option=value.")
        with contextlib.suppress(ValueError):
            value = json.loads(value)
        options[name.replace("-", "_")] = tuple(value) if isinstance(value, list) else value
    return options


@main.command()
@click.argument("model")
@click.option(
    "--data",
    "spec",
    default="fashion_mnist_10k",
    show_default=True,
    metavar="SPEC",
    help="A folder of images, an .npz, tfds:NAME or fashion_mnist_10k.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the data.")
@click.option("--out", type=click.Path(path_type=pathlib.Path), help="Run folder [runs/MODEL].")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder.")
@click.option("--force", is_flag=True, help="Empty an existing folder first.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="OPTION=VALUE",
    help="Any argument of the class or of its compile, batch_size or seed; repeatable.",
)
@click.option("--split", help="Which part of the data to train on [train].")
@click.option("--data-dir", type=click.Path(), help="Where TensorFlow Datasets keeps its sets.")
def train(model, spec, epochs, out, resume, force, assignments, split, data_dir):
    """Train MODEL; with nothing else said, on the images that ship with the package."""
    cls = model_class(model)
    out = out or pathlib.Path("runs") / cls.__name__.lower()
    options = parse(assignments)
    if resume and (force or assignments):
        raise click.UsageError("--resume goes on as the run began: leave --set and --force out.")
    from ganzoo import runs

    try:
        if resume:
            runs.resume(out, epochs)
        else:
            given = {"split": split, "data_dir": data_dir}
            more = {name: value for name, value in given.items() if value}
            runs.start(cls, spec, out, epochs, options, force, **more)
    except runs.Interrupted as stop:
        click.echo(f"\nstopped by {stop}; go on with: ganzoo train {model} --out {out} --resume")
        sys.exit(130 if str(stop) == "SIGINT" else 143)
    photos = "" if cls.makes_with == "generate" else " PHOTO.jpg"
    click.echo(
        f"\ndone: {out / 'samples.gif'}, {out / 'losses.png'}\n"
        f"new images:  ganzoo {cls.makes_with} {out / 'preset'}{photos}\n"
        f"curves:      tensorboard --logdir {out / 'logs'}"
    )


@main.command()
@click.argument("name_or_dir")
@click.option(
    "-n", "--n", type=click.IntRange(min=1), default=64, show_default=True, help="How many images."
)
@click.option("--seed", type=int, help="The same seed gives the same images.")
@click.option("--labels", help="Class ids for conditional models, such as 3 or 0,1,2.")
@click.option(
    "--caption",
    "captions",
    multiple=True,
    metavar="TEXT",
    help="What to draw, for models that read; repeatable, the images take turns.",
)
@click.option("--truncation", type=float, help="Cut latents off at this many deviations.")
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    default="samples.png",
    show_default=True,
    help="A picture for a grid, or a folder for single images.",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
def generate(name_or_dir, n, seed, labels, captions, truncation, out, force):
    """Draw new images from a preset: one grid, or a folder of single images."""
    if out.exists() and not force and not (out.is_dir() and not any(out.iterdir())):
        raise click.UsageError(f"{out} exists: give another --out, or --force.")
    from ganzoo import images, presets

    presets.find(name_or_dir)
    with quietly():
        import tensorflow  # noqa: F401
    model = presets.from_preset(name_or_dir)
    if labels is not None:
        try:
            ids = [int(label) for label in labels.split(",")]
        except ValueError:
            raise click.UsageError(
                f"--labels {labels}: want class ids such as 3 or 0,1,2."
            ) from None
        labels = [ids[i % len(ids)] for i in range(n)]
    told = {"labels": labels}
    if captions:
        if model.data_form != "captions":
            raise click.UsageError(
                f"--caption: {name_or_dir} is a {type(model).__name__}, which does not read; use "
                "a preset of TextGAN."
            )
        told["captions"] = captions
    made = model.generate(n, seed=seed, truncation=truncation, **told)
    if out.suffix:
        images.save(out, images.tile(made))
    else:
        for i, image in enumerate(made):
            folder = out if labels is None else out / str(labels[i])
            images.save(folder / f"{i:05d}.png", image)
    click.echo(f"{n} images in {out}")


@main.command()
@click.argument("name_or_dir")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    default="upscaled",
    show_default=True,
    help="The folder for the results, PNGs of the photos' names; or a picture, for one photo.",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
def upscale(name_or_dir, photos, out, force):
    """Enlarge PHOTOS, files or folders of any size, with a preset of SRGAN or ESRGAN."""
    targets = targets_of(photos, out, force)
    model = model_that_makes("upscale", name_or_dir)
    sys.exit(change_files(targets, model.upscale, None))


def model_that_makes(how, name_or_dir):
    """The model of a preset, of a family that makes images in this way."""
    from ganzoo import presets

    presets.find(name_or_dir)
    with quietly():
        import tensorflow  # noqa: F401
    model = presets.from_preset(name_or_dir)
    if model.makes_with != how:
        raise click.UsageError(
            f"{name_or_dir} is a {type(model).__name__}: use `ganzoo {model.makes_with}`."
        )
    return model


@main.command()
@click.argument("name_or_dir")
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    default="translated",
    show_default=True,
    help="The folder for the results, PNGs of the photos' names.",
)
@click.option(
    "--direction", type=click.Choice(["ab", "ba"]), help="A to B or B to A [ab, or the only one]."
)
@click.option("--compare", is_flag=True, help="Put each photo to the left of its result.")
@click.option("--force", is_flag=True, help="Replace existing files.")
def translate(name_or_dir, photos, out, direction, compare, force):
    """Turn PHOTOS, files or folders of any size, into the other kind with a preset."""
    targets = targets_of(photos, out, force)
    model = model_that_makes("translate", name_or_dir)
    import numpy as np

    options = {"direction": direction} if direction else {}

    def change(image):
        made = model.translate(image, **options)
        if not compare:
            return made
        from ganzoo.translation import with_channels

        channels = max(image.shape[-1], made.shape[-1])
        return np.concatenate([with_channels(part, channels) for part in (image, made)], axis=1)

    channels = getattr(model, "source_channels", model.image_shape[-1])
    sys.exit(change_files(targets, change, channels))


def targets_of(photos, out, force):
    """Image file -> the file its result goes to, for files and all images in folders; `out` is a
    folder, or a picture when there is one photo."""
    from ganzoo.data.images import ENDINGS

    files = []
    for path in photos:
        if not path.exists():
            raise click.UsageError(f"no such file or folder: {path}")
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in ENDINGS)
        if path.is_dir() and not inside:
            raise click.UsageError(f"{path} holds no image.")
        files += inside if path.is_dir() else [path]
    targets = {}
    for path in files:
        target = out if out.suffix else out / f"{path.stem}.png"
        if target in targets.values():
            named = f"{len(files)} photos go" if out.suffix else f"two photos named {path.stem} go"
            raise click.UsageError(f"{named} into {target}: give a folder, or one by one.")
        if target.exists() and not force:
            raise click.UsageError(f"{target} exists: give another --out, or --force.")
        targets[path] = target
    return targets


def change_files(targets, change, channels):
    """Writes what `change` makes of each image, uint8 `(H, W, C)` to uint8 `(h, w, D)`; photos are
    turned upright as the camera noted, and have these channels, or None for those of the file.
    Returns the exit status: 1 when a file was no image."""
    from ganzoo import images
    from ganzoo.data import images as decoding

    failed = 0
    for path, target in targets.items():
        try:
            picture = decoding.decode(path)
            own = len(picture.getbands())
            image = decoding.to_array(picture, channels=channels or own)
        except decoding.FAILURES as error:
            failed += 1
            click.echo(f"ganzoo: {path} is no image: {' '.join(str(error).split())}", err=True)
            continue
        images.save(target, change(image))
        click.echo(str(target))
    return int(failed > 0)


@main.command("import")
@click.argument("kind")
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(path_type=pathlib.Path))
@click.option(
    "--out",
    type=click.Path(path_type=pathlib.Path),
    required=True,
    help="The preset folder to write.",
)
@click.option(
    "--set", "assignments", multiple=True, metavar="OPTION=VALUE", help="Any argument of the class."
)
@click.option("--licence", default="unknown", show_default=True, help="Of the weights.")
def import_(kind, checkpoints, out, assignments, licence):
    """Make a preset of official CHECKPOINTS (.pth, .safetensors, .npz) of a KIND: pix2pix, srgan or
    esrgan (one), or cyclegan (two: A to B, then B to A). No code in them is run."""
    if out.exists() and any(out.iterdir()):
        raise click.UsageError(f"{out} exists: give another --out.")
    options = parse(assignments)
    with quietly():
        from ganzoo import importers
    model = importers.load(kind, list(checkpoints), **options)
    model.save_to_preset(out, licence=licence, origin=[path.name for path in checkpoints])
    click.echo(f"a {type(model).__name__} in {out}: ganzoo {model.makes_with} {out} PHOTO.jpg")


@main.command()
@click.argument("spec")
@click.option("--data-dir", type=click.Path(), help="Where TensorFlow Datasets keeps its sets.")
def inspect(spec, data_dir):
    """Report on a data set before any training: counts, sizes, bad files."""
    with quietly():
        from ganzoo import data

    click.echo(str(data.inspect(spec, **({"data_dir": data_dir} if data_dir else {}))))


@main.command()
@click.argument("name_or_dir")
@click.option("--data", "spec", metavar="SPEC", help="Real images [what it was trained on].")
@click.option("--split", help='Which part of them ["test", else "train"].')
@click.option(
    "--metrics",
    "names",
    multiple=True,
    metavar="NAMES",
    help="Of fid, kid, precision_recall, density_coverage, inception_score, label_fidelity; for "
    "models of pairs psnr, ssim, msssim; with commas, or repeated [what suits the model].",
)
@click.option(
    "-n", "--n", type=click.IntRange(min=1), help="Images of each set [all real ones, to 10,000]."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the fakes.")
@click.option(
    "--extractor", help="fashion, mnist, lite0 or inception_2015 [the one that suits the data]."
)
@click.option("--data-dir", type=click.Path(), help="Where TensorFlow Datasets keeps its sets.")
def evaluate(name_or_dir, spec, split, names, n, seed, extractor, data_dir):
    """Score a preset or a run, and what real images score in its place (the floor)."""
    with quietly():
        from ganzoo import evaluation, presets, scores

    names = [name for text in names for name in text.split(",")]
    with click.progressbar(length=1000, label="images", file=sys.stderr) as bar:
        made = evaluation.evaluate(
            name_or_dir,
            spec,
            split,
            names or None,
            n,
            seed,
            extractor,
            data_dir,
            lambda done, total: bar.update(done * 1000 // total - bar.pos),
        )
    for score in made.values():
        click.echo(str(score))
    _, file = evaluation.locate(name_or_dir)
    if not file.is_relative_to(presets.home()):  # those that ship with the package stay as they are
        scores.append(file, made.values())


@main.command()
@click.argument("a")
@click.argument("b")
def compare(a, b):
    """Compare the newest scores of two runs, presets or scores.jsonl files, if they may be."""
    with quietly():
        from ganzoo import evaluation

    for line in evaluation.compare(a, b):
        click.echo(line)


if __name__ == "__main__":
    main()
