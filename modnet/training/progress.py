"""The progress bar: one line, drawn at most ten times a second, as wide as there is room."""

from __future__ import annotations

import os
import sys
from typing import Any

_REDRAW = 0.1  # seconds between two drawings
_WIDEST, _NARROWEST = 24, 3  # of the bar itself
_SPACE = "  "  # between two figures

#: The figures that are drawn, the most wanted first, and how each is called.
_NAMES = {"loss": "loss", "validation_loss": "val loss", "accuracy": "acc", "validation_accuracy": "val acc"}


class Bar:
    """The progress bar: tqdm, drawn at most ten times a second."""

    def __init__(self, training: Any, batches: int | None, wanted: bool | None) -> None:
        self.training, self.batches = training, batches
        self.bar: Any = None
        self.drawn = 0.0
        if wanted or (wanted is None and is_watched()):
            from tqdm import tqdm

            # In a notebook the error stream is shown in red.
            columns = _columns()
            self.bar = tqdm(
                file=sys.stdout if in_notebook() else sys.stderr,
                total=training.epochs,
                desc="epoch",
                ncols=columns,
                bar_format=_layout(f"epoch 0/{training.epochs}", [], columns)[0],
            )

    def moved(self, batch: int, now: float) -> None:
        if self.bar is not None and now - self.drawn > _REDRAW:
            self.drawn = now
            self._draw(self.training.epoch - 1 + (batch / self.batches if self.batches else 0))

    def epoch_done(self) -> None:
        if self.bar is not None and self.training.epoch == self.training.epochs:
            self._draw(self.training.epoch)

    def _draw(self, at: float) -> None:
        self.bar.ncols = columns = _columns()
        figures = self.training.history.last()
        of_metrics = {name: name.replace("validation_", "val ") for name in figures if name not in (*_NAMES, "lr")}
        parts = [f"{short} {figures[name]:.4g}" for name, short in (_NAMES | of_metrics).items() if name in figures]
        self.bar.bar_format, text = _layout(f"epoch {at:.0f}/{self.training.epochs}", parts, columns)
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.n = at
        self.bar.refresh()

    def close(self) -> None:
        if self.bar is not None:
            self._draw(self.training.history.epochs)
            self.bar.close()


def _columns() -> int | None:
    """How wide the terminal is now; None if there is none and nobody says."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError, AttributeError):
        told = os.environ.get("COLUMNS", "")
        return int(told) if told.isdecimal() and int(told) else None


def _layout(counter: str, parts: list[str], columns: int | None) -> tuple[str, str]:
    """What a line has room for: its format, and the figures.

    In a narrow terminal the time goes before the two losses do, and other figures before the time.
    """
    for times in (" {elapsed} < {remaining}", " {elapsed}", ""):
        taken = len(counter) + len(" ||") + len(times.format(elapsed="00:00", remaining="00:00")) + 1
        room = (columns or 1000) - taken - (len(", ") if parts else 0)
        if len(_SPACE.join(parts[:2])) <= room - _NARROWEST:
            break
    shown = next((k for k in range(len(parts), 0, -1) if len(_SPACE.join(parts[:k])) <= room - _NARROWEST), 0)
    text = _SPACE.join(parts[:shown])
    width = max(1, min(_WIDEST, room - len(text)))
    return "epoch {n:.0f}/{total} |{bar:" + str(width) + "}|" + times + "{postfix}", text


def is_watched() -> bool:
    """Whether somebody looks at the output as it comes: a terminal or a notebook."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """Whether the program runs in a Jupyter kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None
