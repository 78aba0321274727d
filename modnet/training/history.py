"""History: what a training went through, epoch by epoch."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from typing import Any

from modnet.hints import HISTORY, missing_attribute
from modnet.inputs import whole


class History:
    """What a training went through, epoch by epoch. Printed, it shows the last epoch, or the one that was kept.

    Attributes
    ----------
    loss : the mean of weight * loss over the training examples, as they were met during the epoch.
    validation_loss : the same over the validation examples at the end of the epoch; empty without them.
    metrics : lists by name. "accuracy" and "validation_accuracy", shares from 0 to 1, if the loss is one of classes; those
        that `fit` was asked for, and over the validation examples "validation_<name>"; "lr", the learning rate at the start of
        each epoch.
    epochs : how many epochs were completed.
    best_epoch : with patience, the epoch, from 1, whose parameters the network has now; else None.
    stopped_because : why training ended, in words.
    notes : what `fit` noticed, in words: each was a `TrainingWarning` as well.
    """

    def __init__(self) -> None:
        self.loss: list[float] = []
        self.validation_loss: list[float] = []
        self.metrics: dict[str, list[float]] = {}
        self.best_epoch: int | None = None
        self.stopped_because = ""
        self.notes: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return missing_attribute(self, name, HISTORY)

    def __getitem__(self, name: Any) -> Any:
        raise TypeError(f"History: write history.loss or history.metrics['accuracy'] instead of history[{name!r}]")

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return len(self.loss)

    def plot(self, path: Any = None, *, ax: Any = None, title: str | None = None) -> Any:
        """Draw the curves of loss and accuracy, and return the figure: see `modnet.plotting.history`."""
        from modnet.plotting import history

        return history(self, path, ax=ax, title=title)

    def note(self, figures: Mapping[str, list[float]], rate: float) -> None:
        """Note the figures of some epochs, which all began with this learning rate."""
        own = {"loss": self.loss, "validation_loss": self.validation_loss}
        for name, values in {**figures, "lr": [rate] * len(figures["loss"])}.items():
            (own[name] if name in own else self.metrics.setdefault(name, [])).extend(values)

    def cut(self, epochs: int) -> None:
        """Forget what was written of an epoch that was interrupted."""
        for values in (self.loss, self.validation_loss, *self.metrics.values()):
            del values[epochs:]

    def columns(self) -> dict[str, list[float]]:
        """All figures by name, a list with a value for each epoch."""
        found = {"loss": self.loss, "validation_loss": self.validation_loss, **self.metrics}
        return {name: values for name, values in found.items() if values}

    def shown(self) -> dict[str, list[float]]:
        """Of all figures those that are worth showing: not a learning rate that stayed as it was."""
        return {name: values for name, values in self.columns().items() if name != "lr" or len(set(values)) > 1}

    def curves(self) -> dict[str, tuple[list[float], list[float]]]:
        """What is worth a picture each: by name the values in training, and those of validation, which may be none."""
        shown = self.shown()
        return {n: (v, shown.get(f"validation_{n}", [])) for n, v in shown.items() if not n.startswith("validation_")}

    def at(self, epoch: int) -> dict[str, float]:
        """The figures of one epoch, from 1, by name."""
        if whole(epoch, "History.at", "epoch") > self.epochs:
            raise IndexError(f"History.at: epoch is {epoch}, expected 1 to {self.epochs}")
        return {name: values[epoch - 1] for name, values in self.columns().items()}

    def last(self) -> dict[str, float]:
        """The figures of the last epoch, by name."""
        return {name: values[-1] for name, values in self.columns().items()}

    # Beyond the screen.

    def to_dict(self) -> dict[str, Any]:
        """All of it, as numbers, lists and text."""
        return {
            "loss": list(self.loss), "validation_loss": list(self.validation_loss),
            "metrics": {name: list(values) for name, values in self.metrics.items()},
            "best_epoch": self.best_epoch, "stopped_because": self.stopped_because, "notes": list(self.notes),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> History:
        """The history that `to_dict` gave; a ValueError if it is none."""
        found = cls()
        try:
            lists = {name: [float(v) for v in kept[name]] for name in ("loss", "validation_loss")}
            metrics = {str(name): [float(v) for v in values] for name, values in kept["metrics"].items()}
            best = kept["best_epoch"] if kept["best_epoch"] is None else int(kept["best_epoch"])
            found.stopped_because = str(kept["stopped_because"])
            found.notes = [str(note) for note in kept.get("notes", ())]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"History: this is none that to_dict() gave ({type(error).__name__}: {error})") from None
        found.loss, found.validation_loss = lists["loss"], lists["validation_loss"]
        found.metrics, found.best_epoch = metrics, best
        return found

    def to_frame(self) -> Any:
        """A pandas DataFrame with a row for each epoch, numbered from 1, and a column for each figure. It needs pandas."""
        try:
            import pandas
        except ImportError:
            raise ImportError("History: to_frame needs pandas: pip install pandas; to_csv and to_json do not") from None
        return pandas.DataFrame(self.columns(), index=pandas.RangeIndex(1, self.epochs + 1, name="epoch"))

    def to_csv(self, path: Any) -> None:
        """Write a table: a line for each epoch, from 1, and a column for each figure, to the last digit."""
        columns = self.columns()
        with open(os.fspath(path), "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["epoch", *columns])
            table.writerows(zip(range(1, self.epochs + 1), *columns.values()))

    def to_json(self, path: Any = None) -> str:
        """All of it as JSON, also written to a file if a path is given. What is no number is null."""
        text = json.dumps(_finite(self.to_dict()), indent=1)
        if path is not None:
            with open(os.fspath(path), "w", encoding="utf-8") as file:
                file.write(text + "\n")
        return text

    def __repr__(self) -> str:
        at = (self.best_epoch or 0) - 1
        figures = ", ".join(f"{name.replace('_', ' ')} {values[at]:.4g}" for name, values in self.shown().items())
        notes = "".join(f"; {note}" for note in self.notes)
        kept = "" if self.best_epoch is None else f"kept epoch {self.best_epoch} with "
        return f"History({self.epochs} epochs: {kept}{figures or 'nothing yet'}; {self.stopped_because or 'running'}{notes})"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
