"""The progress bar: one line, drawn at most ten times a second."""

from __future__ import annotations

import sys
from typing import Any

_REDRAW = 0.1  # seconds between two drawings


class Bar:
    """The progress bar: tqdm, drawn at most ten times a second."""

    def __init__(self, training: Any, batches: int, wanted: bool | None) -> None:
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
                bar_format="epoch {n:.0f}/{total} |{bar:24}| {elapsed} < {remaining}{postfix}",
            )

    def moved(self, batch: int, now: float) -> None:
        if self.bar is not None and now - self.drawn > _REDRAW:
            self.drawn = now
            self._draw(self.training.epoch - 1 + batch / self.batches)

    def epoch_done(self) -> None:
        if self.bar is not None and self.training.epoch == self.training.epochs:
            self._draw(self.training.epoch)

    def _draw(self, at: float) -> None:
        names = {"loss": "loss", "accuracy": "acc", "validation_loss": "val loss", "validation_accuracy": "val acc"}
        figures = self.training.history.last()
        self.bar.set_postfix_str(
            "  ".join(f"{short} {figures[name]:.4g}" for name, short in names.items() if name in figures), refresh=False
        )
        self.bar.n = at
        self.bar.refresh()

    def close(self) -> None:
        if self.bar is not None:
            self._draw(self.training.history.epochs)
            self.bar.close()


def _watched() -> bool:
    """Whether somebody looks at the output as it comes: a terminal or a notebook."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """Whether the program runs in a Jupyter kernel."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None
