"""What both ways of running an epoch have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.training.data import Data
from modnet.training.progress import Bar
from modnet.training.training import Training


class Runner:
    """One epoch of training on one of the two paths.

    Attributes
    ----------
    program : of the network, if its wiring says all of it; else None.
    batches : steps in an epoch. diverged : what went wrong, in words; empty while nothing did.
    totals : of the epoch: the sum of weighted losses, and of hits.
    """

    def __init__(self, training: Training, data: Data, held_out: Data | None, size: int) -> None:
        self.training, self.data, self.held_out, self.size = training, data, held_out, size
        self.program: Any = None
        self.batches = -(-data.n // size)
        self.diverged = ""
        self.totals = np.zeros(2)
        self.counts_hits = False

    def epoch(self, order: np.ndarray, bar: Bar) -> bool:
        """Train on all batches; False if a callback or divergence ended it before."""
        raise NotImplementedError

    def validate(self) -> np.ndarray:
        """Sums over the validation examples: weighted losses, hits."""
        raise NotImplementedError

    def take_back(self) -> None:
        """If parameters or statistics are NaN or infinite, put back the last that were not."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what the trainings after this one can use."""

    def require_unchanged(self) -> None:
        """A callback may have changed the network or the optimizer: addresses are used only if they still belong together."""
        training = self.training
        if training.optimizer.net is not training.net:
            raise ValueError(
                f"fit: a callback attached {training.optimizer} to another network; give that network an optimizer of its own"
            )
        training.optimizer.check_attached()
        if self.program is not None and not self.program.is_for(training.net.storage):
            raise ValueError("fit: a callback changed the network; call fit again after changing it")

    def figures(self) -> dict[str, float]:
        """The figures of the epoch that has just ended."""
        found = {"loss": float(self.totals[0]) / self.data.n}
        if self.counts_hits:
            found["accuracy"] = float(self.totals[1]) / self.data.n
        if self.held_out is not None:
            totals = self.validate()
            found["validation_loss"] = float(totals[0]) / self.held_out.n
            if self.counts_hits:
                found["validation_accuracy"] = float(totals[1]) / self.held_out.n
        return found

    def diverge(self, batch: int, value: float, what: str = "loss") -> None:
        """Note that a figure is not finite."""
        epoch, of = self.training.epoch, self.batches
        self.diverged = f"the {what} became {value} at epoch {epoch}, batch {batch + 1} of {of}"
