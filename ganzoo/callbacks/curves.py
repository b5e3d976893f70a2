"""One picture of losses and verdicts over epochs."""

import json
import pathlib

import keras
import numpy as np

from ganzoo import images
from ganzoo.callbacks.checks import check_file

# What `LossCurves` draws: title of a panel -> log -> name of its curve.
PANELS = {
    "loss": {"d_loss": "discriminator", "g_loss": "generator"},
    "mean verdict of D": {"d_real": "real images", "d_fake": "fakes"},
}


class LossCurves(keras.callbacks.Callback):
    """Redraws one picture after every epoch: the losses above, D's mean verdicts below.

    The picture carries its numbers (a PNG text field), so a resumed run goes on with the curves it
    finds in it; epochs from the one where it begins are replaced. Losses that are not finite leave
    a gap.

    Args:
        path: the `.png` to write.

    Raises:
        ValueError: another ending.
        OSError: as for `ImageGrid`.
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)
        if self.path.suffix.lower() != ".png":
            raise ValueError(f"LossCurves writes a .png, got {str(path)!r}")

    def on_train_begin(self, logs=None):
        check_file(self.path)
        self._rows = json.loads(images.read_text(self.path, "ganzoo_history") or "[]")
        self._curves = Curves()

    def on_epoch_begin(self, epoch, logs=None):
        self._rows = [row for row in self._rows if row["epoch"] <= epoch]

    def on_epoch_end(self, epoch, logs=None):
        numbers = {name: float(value) for name, value in (logs or {}).items()}
        self._rows.append({"epoch": epoch + 1, **numbers})
        picture, numbers = self._curves.draw(self._rows), json.dumps(self._rows)
        images.save(self.path, picture, text={"ganzoo_history": numbers})


class Curves:
    """The figure of `LossCurves`, kept between epochs: drawing again costs half of a new one."""

    def __init__(self):
        # imported here, because `import ganzoo` must be quick; no pyplot, which is the user's
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(8, 6.4), dpi=100)
        self.canvas = FigureCanvasAgg(figure)
        self.panels, self.lines = figure.subplots(2, sharex=True), {}
        for panel, (title, names) in zip(self.panels, PANELS.items(), strict=True):
            panel.set_ylabel(title)
            panel.grid(alpha=0.3)
            for color, (key, label) in zip(("C0", "C1"), names.items(), strict=True):
                self.lines[key] = panel.plot([], [], "-", color=color, label=label)[0]
                label += " (validation)"
                self.lines[f"val_{key}"] = panel.plot([], [], "--", color=color, label=label)[0]
        self.panels[1].set_xlabel("epoch")
        self.panels[1].xaxis.get_major_locator().set_params(integer=True)
        figure.subplots_adjust(left=0.1, right=0.98, top=0.95, bottom=0.08, hspace=0.15)

    def draw(self, rows):
        """A picture of losses and verdicts over epochs.

        Args:
            rows: a list of dicts with `epoch` (from 1) and any of `d_loss`, `g_loss`, `d_real`,
                `d_fake`, and the same with `val_`.

        Returns:
            uint8 `(640, 800, 3)`.
        """
        for key, line in self.lines.items():
            points = [(row["epoch"], row[key]) for row in rows if key in row]
            line.set_data(*np.reshape(points, (-1, 2)).T)
            line.set_marker("." if len(points) < 50 else "")  # one point alone makes no line
        for panel in self.panels:
            shown = [line for line in panel.lines if len(line.get_xdata())]
            # above the panel, where it hides no curve
            place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "ncols": 4}
            panel.legend(handles=shown, frameon=False, fontsize=9, columnspacing=1, **place)
            panel.relim()
            panel.autoscale_view()
        self.canvas.draw()
        return np.array(self.canvas.buffer_rgba())[..., :3]
