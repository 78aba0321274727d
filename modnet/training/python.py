"""The same epochs step by step, for plain classes and callbacks that watch batches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from modnet.engine.run import Passes
from modnet.engine.snapshot import Kept, is_finite, parts_of
from modnet.engine.walk import scale
from modnet.loss import PredictionError
from modnet.optim.optimizer import GradientNotFinite
from modnet.training.data import Data, Source
from modnet.training.evaluating import judged
from modnet.training.progress import Bar
from modnet.training.runner import Runner
from modnet.training.training import Callback, Training

_MOVED = "parameters", "state"  # by a step


class PythonRunner(Runner):
    """Every step is the calls of the contract: forward, the loss, zero_grad, backward_update_gradient, the optimizer's step."""

    def __init__(
        self, training: Training, data: Source, held_out: Source | None, size: int, batch_watchers: list[Callback]
    ) -> None:
        super().__init__(training, data, held_out, size)
        self.batch_watchers = batch_watchers
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
        self.begun = Kept(net, _MOVED)
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
        self.previous = Kept(training.net, _MOVED)  # what the step may spoil
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
        x = data.X[examples]
        yhat = self.passes.forward(x, draw)
        total, hits, delta = self._judged(data, examples, yhat)
        if not np.isfinite(total):
            return total, 0.0, 0.0, 0.0
        if not self.training.optimizer.needs_loss:
            self._backward(data, x, yhat, examples, draw, delta)
        return total, hits, len(x), data.count_of(examples)

    def _loss(self, data: Data, examples: np.ndarray, draw: int) -> float:
        """The mean loss of a batch at the parameters as they are now."""
        return self._judged(data, examples, self.passes.forward(data.X[examples], draw))[0] / len(examples)

    def _judged(self, data: Data, examples: np.ndarray, yhat: Any) -> tuple[float, float, Any]:
        try:
            return judged(self.training.loss, data, examples, yhat)
        except PredictionError:  # as the compiled walk has it, for a prediction that has left what the loss takes
            return float("nan"), 0.0, None

    def take_back(self) -> None:
        if self.previous is not None and (self.burst or not is_finite(self.training.net)):
            self.previous.restore()
        if self.begun is not None and not is_finite(self.training.net):  # statistics may have burst before the loss did
            self.begun.restore_what_is_not_finite()

    def close(self) -> None:
        self.passes.close()

    def _backward(self, data: Data, x: Any, yhat: Any, examples: np.ndarray, draw: int, delta: Any) -> None:
        loss, predicted = self.training.loss, data.by_position(yhat)
        if delta is None:
            delta = np.array(loss.backward(data.by_position(data.y[examples]), predicted), order="C")
        if delta.shape != np.shape(predicted):
            name, expected = type(loss).__name__, np.shape(predicted)
            raise ValueError(f"{name}: backward returned shape {delta.shape}, expected the shape of yhat, {expected}")
        if delta.dtype not in (np.float32, np.float64):
            delta = delta.astype(np.float64)
        scale.call(delta.reshape(len(delta), -1), data.weights, examples, data.positions)
        self.passes.backward(x, delta.reshape(np.shape(yhat)), draw)


def _count_not_finite(net: Any) -> int:
    return sum(foreign.count_not_finite() for foreign in parts_of(net)[1])
