"""The same epochs step by step, for plain classes and callbacks that watch batches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from modnet.engine.modes import set_training
from modnet.engine.run import Passes
from modnet.engine.snapshot import Kept, is_finite, parts_of
from modnet.engine.walk import scale
from modnet.loss import PredictionError
from modnet.optim.optimizer import GradientNotFinite
from modnet.training.data import Data, Source
from modnet.training.progress import Bar
from modnet.training.runner import Runner
from modnet.training.training import Callback, Training


class PythonRunner(Runner):
    """Every step is the calls of the contract: forward, the loss, zero_grad, backward_update_gradient, the optimizer's step."""

    def __init__(
        self, training: Training, data: Source, held_out: Source | None, size: int, batch_watchers: list[Callback]
    ) -> None:
        super().__init__(training, data, held_out, size)
        self.batch_watchers = batch_watchers
        operations = getattr(type(training.loss), "operations", ())
        self.hits: Any = training.loss.hits if operations and operations[2] is not None else None
        self.counts_hits = self.hits is not None
        one_pass = getattr(type(training.loss), "in_one_pass", None) is not None and not training.optimizer.needs_loss
        self.at_once: Any = training.loss.at_once if one_pass else None
        self.passes = Passes(training.net, data.shape, data.dtype, size)
        self.program = self.passes.program
        if self.program is not None:
            self.draw = int(self.program.storage.draws[0])
        self.begun: Kept | None = None
        self.previous: Kept | None = None
        self.burst = False  # whether the last step made numbers of a plain class NaN or infinite, wherever it keeps them

    def epoch(self, order: np.ndarray, bar: Bar, seed: np.ndarray | None = None, most: int = 1) -> bool:
        training, net = self.training, self.training.net
        self.require_unchanged()
        draws = self.program is not None and bool(self.program.mode_rows) and self.passes.workspace.set_modes()
        self.totals[:] = 0
        self.seen = self.counted = 0.0
        self.begun = Kept(net)
        b = 0
        for data, rows, size in self.data.chunks(order, self.size, training.epoch):
            for at in range(0, len(rows), size):
                if not self._batch(b, data, rows[at : at + size], draws):
                    return False
                b += 1
                bar.moved(b, time.perf_counter())
                if training.stop_reason:
                    break
            if training.stop_reason:
                break
        if self.burst or not is_finite(net):
            self.take_back()
            self.diverge(b - 1, np.nan)
            return False
        return True

    def _batch(self, b: int, data: Data, examples: np.ndarray, draws: bool) -> bool:
        """One step, on some examples of a block; False if it diverged."""
        training = self.training
        self.draw += draws
        draw = self.draw if draws else 0
        total, hits, seen, counted = self._gradient(data, examples, draw)
        if draws:
            self.program.note_draw(draw)
        if not np.isfinite(total):
            self.take_back()
            self.diverge(b, total)
            return False
        self.totals += total, hits
        self.seen += seen
        self.counted += counted
        self.previous = Kept(training.net)  # what the step may spoil
        before = _count_not_finite(training.net)
        try:
            training.optimizer.step(lambda: self._loss(data, examples, -draw))
        except GradientNotFinite as error:
            self.take_back()
            self.diverge(b, error.norm, "gradient's norm")
            return False
        self.burst = _count_not_finite(training.net) > before
        training.step += 1
        for watcher in self.batch_watchers:
            watcher.on_batch_end(training)
        if self.batch_watchers:
            self.require_unchanged()
        return True

    def _gradient(self, data: Data, examples: np.ndarray, draw: int) -> tuple[float, ...]:
        """Compute the gradient of a batch, unless its loss is not finite.

        Returns the sum of weighted losses and that of hits, how many examples they are over, and how many count.
        """
        x, y, weights = self._taken(data, examples)
        yhat = self.passes.forward(x, draw)
        losses, right, delta = self._in_one_pass(data, y, yhat)
        total = self._total(data, y, yhat, weights, losses)
        if not np.isfinite(total):
            return total, 0.0, 0.0, 0.0
        if not self.training.optimizer.needs_loss:
            self._backward(data, x, y, yhat, examples, draw, delta)
        return total, self._hits(data, y, yhat, weights, right), len(x), data.count_of(examples)

    def _loss(self, data: Data, examples: np.ndarray, draw: int) -> float:
        """The mean loss of a batch at the parameters as they are now."""
        x, y, weights = self._taken(data, examples)
        return self._total(data, y, self.passes.forward(x, draw), weights) / len(x)

    def _taken(self, data: Data, examples: np.ndarray) -> tuple[Any, Any, np.ndarray]:
        """Inputs, targets with a row for each position, and weights of some examples."""
        return data.X[examples], data.by_position(data.y[examples]), data.weights_of(examples)

    def take_back(self) -> None:
        if self.previous is not None and (self.burst or not is_finite(self.training.net)):
            self.previous.restore(("parameters", "state"))
        if self.begun is not None and not is_finite(self.training.net):  # statistics may have burst before the loss did
            self.begun.restore_what_is_not_finite()

    def close(self) -> None:
        self.passes.close()

    def _in_one_pass(self, data: Data, y: Any, yhat: Any) -> tuple[Any, Any, Any]:
        """Losses, hits and delta, if the loss computes them together, as the compiled walk has it; else None for each."""
        return (None, None, None) if self.at_once is None else self.at_once(y, data.by_position(yhat))

    def _backward(self, data: Data, x: Any, y: Any, yhat: Any, examples: np.ndarray, draw: int, delta: Any) -> None:
        loss, predicted = self.training.loss, data.by_position(yhat)
        if delta is None:
            delta = np.array(loss.backward(y, predicted), order="C")
        if delta.shape != np.shape(predicted):
            name = type(loss).__name__
            raise ValueError(f"{name}: backward returned shape {delta.shape}, expected {np.shape(predicted)}, that of yhat")
        if delta.dtype not in (np.float32, np.float64):
            delta = delta.astype(np.float64)
        scale.call(delta.reshape(len(delta), -1), data.weights, examples, data.positions)
        self.passes.backward(x, delta.reshape(np.shape(yhat)), draw)

    def _total(self, data: Data, y: Any, yhat: Any, weights: np.ndarray, losses: Any = None) -> float:
        """The sum of weighted losses of some examples; y has a row for each position."""
        try:
            array = np.asarray(self.training.loss.forward(y, data.by_position(yhat)) if losses is None else losses)
        except PredictionError:  # as the compiled walk has it, for a prediction that has left what the loss takes
            return float("nan")
        if array.shape != (len(y),):
            name = type(self.training.loss).__name__
            raise ValueError(f"{name}: forward returned shape {array.shape}, expected ({len(y)},), the loss of each example")
        with np.errstate(all="ignore"):
            return float(np.sum(array * weights if weights.size else array, dtype=np.float64))

    def _hits(self, data: Data, y: Any, yhat: Any, weights: np.ndarray, right: Any = None) -> float:
        if self.hits is None:
            return 0.0
        found = np.asarray(self.hits(y, data.by_position(yhat)) if right is None else right)
        return float(np.sum(found[weights > 0] if weights.size else found))

    def validate(self) -> tuple[np.ndarray, float, float]:
        assert self.held_out is not None
        net, totals, seen, counted = self.training.net, np.zeros(2), 0, 0.0
        moded = self.program is None or bool(self.program.foreign)  # for the others it is a matter of the call
        if moded:
            set_training(net, False)
        for data, rows, size in self.held_out.all_chunks(self.size):
            for at in range(0, len(rows), size):
                x, y, weights = self._taken(data, rows[at : at + size])
                yhat = self.passes.forward(x)
                losses, right, _ = self._in_one_pass(data, y, yhat)
                totals[0] += self._total(data, y, yhat, weights, losses)
                totals[1] += self._hits(data, y, yhat, weights, right)
            seen, counted = seen + len(rows), counted + data.count_of(rows)
        if moded:
            set_training(net, True)
        return totals, seen, counted


def _count_not_finite(net: Any) -> int:
    return sum(foreign.count_not_finite() for foreign in parts_of(net)[1])
