"""A table of all logs, a row an epoch."""

import csv
import io
import pathlib

import keras
import numpy as np

from ganzoo import images
from ganzoo.callbacks.checks import check_file


class CSVHistory(keras.callbacks.Callback):
    """Writes `epoch` (from 1), all logs and each player's learning rate as a table, a row an epoch.

    `keras.callbacks.CSVLogger` with `append=True` repeats the epochs that a run, killed between a
    row and its backup, goes through again. Here rows from the epoch where `fit` begins are
    replaced; the file is written whole, in one step. A log that comes later (`val_d_loss` with
    `validation_freq=5`) gets a column at the end, empty above.

    Args:
        path: the `.csv` to write.

    Raises:
        ValueError: a file that has no column `epoch`; before the first step.
        OSError: as for `ImageGrid`.
    """

    def __init__(self, path):
        super().__init__()
        self.path = pathlib.Path(path)

    def on_train_begin(self, logs=None):
        check_file(self.path)
        self._rows = []
        if self.path.exists():
            with open(self.path, newline="", encoding="utf-8") as file:
                self._rows = list(csv.DictReader(file))
        if not all((row.get("epoch") or "").isdecimal() for row in self._rows):
            raise ValueError(
                f"{str(self.path)!r} is not a history: want a column `epoch` of whole numbers. "
                "Move the file, or choose another path."
            )

    def on_epoch_begin(self, epoch, logs=None):
        self._rows = [row for row in self._rows if int(row["epoch"]) <= epoch]

    def on_epoch_end(self, epoch, logs=None):
        numbers = dict(logs or {})
        for player in getattr(self.model, "players", ()):
            optimizer = getattr(self.model, f"{player}_optimizer")
            rate = keras.ops.convert_to_numpy(optimizer.learning_rate)
            numbers[f"{player}_learning_rate"] = rate
        # as float32, which they are: 0.0002 instead of 0.00019999999494757503
        row = {name: str(np.float32(value)) for name, value in numbers.items()}
        self._rows.append({"epoch": str(epoch + 1), **row})
        columns = list(dict.fromkeys(name for row in self._rows for name in row))
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        images.write(self.path, table.getvalue().encode())
