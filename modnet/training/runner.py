"""What both ways of running an epoch have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.loss import PredictionError, counts_hits
from modnet.training.data import Source
from modnet.training.evaluating import answers_of, sums_of
from modnet.training.progress import Bar
from modnet.training.training import Training

_AT_ONCE = 1 << 17  # numbers of the network's values for so many validation examples that they are walked through at once


class Runner:
    """One epoch of training on one of the two paths.

    Attributes
    ----------
    program : of the network, if its wiring says all of it; else None.
    batches : steps in an epoch, if that is known. diverged : what went wrong, in words; empty while nothing did.
    whole : whether every step takes all examples, so that their order means nothing.
    totals : of the epoch: the sum of weighted losses, and of hits. seen, counted : the examples that the sums are over.
    """

    def __init__(self, training: Training, data: Source, held_out: Source | None, size: int) -> None:
        self.training, self.data, self.held_out, self.size = training, data, held_out, size
        self.program: Any = None
        self.batches = data.batches(size)
        self.whole = self.batches == 1 and data.has_rows
        self.diverged = ""
        self.totals = np.zeros(2)
        self.seen = self.counted = 0.0
        self.counts_hits = counts_hits(training.loss)
        self.draw = 0  # the number of the last forward in training, if any module draws

    def epoch(self, order: np.ndarray, bar: Bar, seed: np.ndarray | None = None, most: int = 1) -> bool:
        """Train on all batches; False if a callback or divergence ended it before.

        It may be several epochs, up to `most`, with the order shuffled by the seed between two of them. All but the last are
        noted in the history then.
        """
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
        found = {"loss": float(self.totals[0]) / self.seen}
        if self.counts_hits:
            found["accuracy"] = share(self.totals[1], self.counted)
        if self.held_out is not None:
            found |= self._validation_figures(self.held_out)
        return found

    def _validation_figures(self, held_out: Source) -> dict[str, float]:
        loss = self.training.loss
        columns = 1 if self.program is None else self.program.columns
        data, yhat = answers_of(self.training.net, held_out, max(self.size, _AT_ONCE // columns))
        try:
            total, hits = sums_of(loss, data, yhat)
        except PredictionError:  # a prediction that has left what the loss takes
            total, hits = float("nan"), 0.0
        found = {"validation_loss": total / data.n}
        if self.counts_hits:
            found["validation_accuracy"] = share(hits, data.count())
        return found

    def diverge(self, batch: int, value: float, what: str = "loss") -> None:
        """Note that a figure is not finite."""
        of = "" if self.batches is None else f" of {self.batches}"
        self.diverged = f"the {what} became {value} at epoch {self.training.epoch}, batch {batch + 1}{of}"


def share(hits: float, counted: float) -> float:
    """The share of hits among the examples that count; NaN if none does."""
    return float(hits) / counted if counted else float("nan")
