"""The progress bar: one line, drawn at most ten times a second, as wide as there is room."""

from __future__ import annotations

import sys
from typing import Any

_REDRAW = 0.1  # seconds between two drawings
_WIDEST, _NARROWEST = 24, 4  # of the bar itself

#: The figures that are drawn, the most wanted first, and how each is called.
_NAMES = {"loss": "loss", "validation_loss": "val loss", "accuracy": "acc", "validation_accuracy": "val acc"}


class Bar:
    """The progress bar: tqdm, drawn at most ten times a second."""

    def __init__(self, training: Any, batches: int | None, wanted: bool | None) -> None:
        self.training, self.batches = training, batches
        self.bar: Any = None
        self.drawn = 0.0
        if wanted or (wanted is None and _watched()):
            from tqdm import tqdm

            # In a notebook the error stream is shown in red.
            self.bar = tqdm(
                file=sys.stdout if in_notebook() else sys.stderr,
                total=training.epochs,
                desc="epoch",
                bar_format=_format(_WIDEST),
                dynamic_ncols=True,
            )

    def moved(self, batch: int, now: float) -> None:
        if self.bar is not None and now - self.drawn > _REDRAW:
            self.drawn = now
            self._draw(self.training.epoch - 1 + (batch / self.batches if self.batches else 0))

    def epoch_done(self) -> None:
        if self.bar is not None and self.training.epoch == self.training.epochs:
            self._draw(self.training.epoch)

    def _draw(self, at: float) -> None:
        columns = self.bar.dynamic_ncols(self.bar.fp)[0] if self.bar.dynamic_ncols else None
        figures = self.training.history.last()
        of_metrics = {name: name.replace("validation_", "val ") for name in figures if name not in (*_NAMES, "lr")}
        parts = [f"{short} {figures[name]:.4g}" for name, short in (_NAMES | of_metrics).items() if name in figures]
        # Without its bar a line has "epoch 12/100 || 00:00 < 00:00, ".
        room = (columns or 1000) - len(f"epoch {at:.0f}/{self.training.epochs} || 00:00 < 00:00, ") - 1
        while parts and len("  ".join(parts)) > room - _NARROWEST:
            parts.pop()
        text = "  ".join(parts)
        self.bar.bar_format = _format(max(_NARROWEST, min(_WIDEST, room - len(text))))
        self.bar.set_postfix_str(text, refresh=False)
        self.bar.n = at
        self.bar.refresh()

    def close(self) -> None:
        if self.bar is not None:
            self._draw(self.training.history.epochs)
            self.bar.close()


def _format(width: int) -> str:
    return "epoch {n:.0f}/{total} |{bar:" + str(width) + "}| {elapsed} < {remaining}{postfix}"


def _watched() -> bool:
    """Whether somebody looks at the output as it comes: a terminal or a notebook."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """Whether the program runs in a Jupyter kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None
