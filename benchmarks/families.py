"""The README's table of families: paper, parameters, and the error against the source, measured.

    python benchmarks/families.py

Builds every family at its default size, runs the comparisons of tests/parity/, writes
benchmarks/results/families.md and puts it into the README between its markers.
"""

import ast
import pathlib
import re
import sys

import numpy as np

import ganzoo

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "parity"))


def paper(cls):
    """The first arXiv address of the class's module, and the year beside it."""
    text = ast.get_docstring(
        ast.parse(pathlib.Path(sys.modules[cls.__module__].__file__).read_text())
    )
    address = re.search(r"https://arxiv\.org/abs/[\d.]+\d", text).group()
    year = re.search(r"\b20[12]\d\b", text).group()
    return f"[{year}]({address})"


def adds(cls):
    """What the family adds: the first line of its module."""
    return sys.modules[cls.__module__].__doc__.splitlines()[0].split(":", 1)[1].strip()


def measured():
    """Class name -> a source, and the largest errors of outputs and of gradients of all cases."""
    import report
    import test_dcgan_official

    cases = [("DCGAN, official PyTorch example", *test_dcgan_official.errors()), *report.table()]
    found = {}
    for name, *errors in cases:
        case, source = name.split(", ", 1)
        source, *before = found.get(case.split()[0], (source, [], []))
        found[case.split()[0]] = (
            source,
            *(old + list(new.values()) for old, new in zip(before, errors, strict=True)),
        )
    return found


def trainable(network):
    return sum(int(np.prod(w.shape)) for w in network.trainable_weights)


def main():
    errors = measured()
    lines = [
        "| family | paper | adds | image | G | D | largest error against the source |",
        "|---|---|---|---|---|---|---|",
    ]
    for cls in ganzoo.MODELS:
        model = cls()
        error = "the step, written out by hand in the tests"
        if cls.__name__ in errors:
            source, outputs, gradients = errors[cls.__name__]
            error = f"{source}: outputs {max(outputs):.0e}"
            if gradients:
                error += f", gradients {max(gradients):.0e}"
        shape = "x".join(map(str, model.image_shape))
        # of CycleGAN's two of a kind the first, of TextGAN's those that are no encoders
        networks = (getattr(model, model.players[player][0]) for player in "gd")
        counts = " | ".join(f"{trainable(network):,}" for network in networks)
        lines.append(
            f"| `{cls.__name__}` | {paper(cls)} | {adds(cls)} | {shape} | {counts} | {error} |"
        )
    table = "\n".join(lines) + "\n"
    (ROOT / "benchmarks" / "results" / "families.md").write_text(table)
    readme = ROOT / "README.md"
    start, end = "<!-- families: benchmarks/families.py -->\n", "<!-- end of families -->"
    text = readme.read_text()
    before, rest = text.split(start)
    readme.write_text(before + start + table + end + rest.split(end)[1])


if __name__ == "__main__":
    main()
