"""The README's table of presets, and its pictures: benchmarks/results/gallery/NAME.png.

    python benchmarks/gallery.py

Every picture is what `ganzoo generate NAME --n 16 --out NAME.png` draws; those of presets that
start from images were drawn by the benchmark that trained them.
"""

import pathlib
import subprocess
import sys

import ganzoo
from ganzoo import presets

ROOT = pathlib.Path(__file__).resolve().parents[1]
GALLERY = ROOT / "benchmarks" / "results" / "gallery"
START, END = "<!-- presets: benchmarks/gallery.py -->\n", "<!-- end of presets -->"


def picture(preset):
    """Draws a preset's picture and gives its path."""
    name = preset["name"]
    path = GALLERY / f"{name}.png"
    if getattr(ganzoo, preset["class"]).makes_with != "generate":
        if not path.exists():
            raise SystemExit(f"{path} is missing: the benchmark that trained {name} draws it.")
        return path
    command = [sys.executable, "-m", "ganzoo", "generate", name, "--n", "16"]
    command += ["--out", str(path), "--force"]
    subprocess.run(command, check=True, capture_output=True)
    return path


def row(preset):
    name, shown = preset["name"], picture(preset).relative_to(ROOT)
    score = "<br>".join(line.partition(" | ")[0] for line in preset["scores"])
    return (
        f"| ![{name}]({shown}) | `{name}`<br>{preset['data']} | {score} | "
        f"{preset['parameters']:,} | {preset['training']} | {preset['licence']} |"
    )


def main():
    GALLERY.mkdir(parents=True, exist_ok=True)
    lines = [
        "| `ganzoo generate NAME --n 16` | preset | score | parameters | training | licence |",
        "|---|---|---|---|---|---|",
        *(row(preset) for preset in presets.list_presets()),
    ]
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(START)
    readme.write_text(before + START + "\n".join(lines) + "\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
