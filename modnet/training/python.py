"""The same epochs step by step, for plain classes and callbacks that watch batches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.engine import run
from modnet.engine.modes import set_training
from modnet.engine.program import is_ours, is_wired
from modnet.engine.snapshot import Kept, is_finite, parts_of
from modnet.engine.walk import scale
from modnet.inputs import as_batch
from modnet.optim.optimizer import GradientNotFinite
from modnet.training.data import Data
from modnet.training.progress import Bar
from modnet.training.runner import Runner
from modnet.training.training import Callback, Training


class PythonRunner(Runner):
    """Every step is the calls of the contract: forward, the loss, zero_grad, backward_update_gradient, the optimizer's step.

    A network that says by its wiring how it is connected runs in a workspace of this training's, with draws that are numbered
    here: so a forward beside it, in a callback or in another thread, changes nothing.
    """

    def __init__(
        self, training: Training, data: Data, held_out: Data | None, size: int, batch_watchers: list[Callback]
    ) -> None:
        super().__init__(training, data, held_out, size)
        self.batch_watchers = batch_watchers
        operations = getattr(type(training.loss), "operations", ())
        self.hits: Any = training.loss.hits if operations and operations[2] is not None else None
        self.counts_hits = self.hits is not None
        self.draw = 0
        net = training.net
        if is_wired(net) or is_ours(net):
            self.program = run.program_of(net, data.X.shape[1:], data.X.dtype, size)
            self.workspace = run.take(self.program, size)
            self.draw = int(self.program.storage.draws[0])
        self.begun: Kept | None = None
        self.previous: Kept | None = None
        self.burst = False  # whether the last step made numbers of a plain class NaN or infinite, wherever it keeps them

    def epoch(self, order: np.ndarray, bar: Bar) -> bool:
        training = self.training
        net, loss, optimizer = training.net, training.loss, training.optimizer
        self.require_unchanged()
        draws = self.program is not None and bool(self.program.mode_rows) and self.workspace.set_modes()
        self.totals[:] = 0
        self.begun = Kept(net)
        for b in range(self.batches):
            examples = order[b * self.size : (b + 1) * self.size]
            x, y = self.data.X[examples], self.data.y[examples]
            self.draw += draws
            draw = self.draw if draws else 0
            yhat = self._forward(x, draw)
            if draws:
                self._count_draws()
            weights = self.data.weights[examples] if self.data.weights.size else self.data.weights
            total = self._total(loss.forward(y, yhat), len(x), weights)
            if not np.isfinite(total):
                self.take_back()
                self.diverge(b, total)
                return False
            self.totals[0] += total
            if self.hits is not None:
                self.totals[1] += float(np.sum(self.hits(y, yhat)))
            if not optimizer.needs_loss:
                self._backward(x, y, yhat, examples, draw)
            self.previous, before = Kept(net), _count_not_finite(net)
            try:
                optimizer.step(self._loss_function(x, y, weights, draw))
            except GradientNotFinite as error:
                self.take_back()
                self.diverge(b, error.norm, "gradient's norm")
                return False
            self.burst = _count_not_finite(net) > before
            training.step += 1
            for watcher in self.batch_watchers:
                watcher.on_batch_end(training)
            if self.batch_watchers:
                self.require_unchanged()
            bar.moved(b + 1, time.perf_counter())
            if training.stop_reason:
                self.totals *= self.data.n / min((b + 1) * self.size, self.data.n)
                break
        if self.burst or not is_finite(net):
            self.take_back()
            self.diverge(self.batches - 1, np.nan)
            return False
        return True

    def take_back(self) -> None:
        if self.previous is not None and (self.burst or not is_finite(self.training.net)):
            self.previous.restore(("parameters", "state"))
        if self.begun is not None and not is_finite(self.training.net):  # statistics may have burst before the loss did
            self.begun.restore_what_is_not_finite()

    def close(self) -> None:
        if self.program is not None:
            run.give(self.workspace)

    def _forward(self, x: np.ndarray, draw: int) -> Any:
        program = self.program
        if program is None:
            return self.training.net.forward(x)
        out = run.forward(program, self.workspace, x.reshape(len(x), -1), draw, keep=program.is_compiled)
        return out.reshape(len(x), *program.output.shape)

    def _count_draws(self) -> None:
        storage = self.program.storage
        storage.draws[self.program.draw_places] = self.draw
        storage.draws[0] = max(int(storage.draws[0]), self.draw)

    def _backward(self, x: Any, y: Any, yhat: Any, examples: np.ndarray, draw: int) -> None:
        net, loss, program = self.training.net, self.training.loss, self.program
        delta = np.array(loss.backward(y, yhat), order="C")
        if delta.shape != np.shape(yhat):
            name = type(loss).__name__
            raise ValueError(f"{name}: backward returned shape {delta.shape}, expected {np.shape(yhat)}, that of yhat")
        if delta.dtype not in (np.float32, np.float64):
            delta = delta.astype(np.float64)
        scale.call(delta.reshape(len(x), -1), self.data.weights, examples)
        net.zero_grad()
        if program is None:
            net.backward_update_gradient(x, delta)
            return
        d = as_batch(delta.reshape(len(x), -1), program.dtype, program.root, "delta")
        run.backward(program, self.workspace, x.reshape(len(x), -1), d, draw, gradient=True, wants_dx=False, trusted=True)

    def _loss_function(self, x: Any, y: Any, weights: np.ndarray, draw: int) -> Callable[[], float]:
        """The loss of a batch as a function, for an optimizer that tries parameters out; modules draw what they have drawn."""
        loss = self.training.loss
        return lambda: self._total(loss.forward(y, self._forward(x, -draw)), len(x), weights) / len(x)

    def _total(self, losses: Any, count: int, weights: np.ndarray) -> float:
        array = np.asarray(losses)
        if array.shape != (count,):
            name = type(self.training.loss).__name__
            raise ValueError(f"{name}: forward returned shape {array.shape}, expected ({count},), the loss of each example")
        with np.errstate(all="ignore"):
            return float(np.sum(array * weights if weights.size else array, dtype=np.float64))

    def validate(self) -> np.ndarray:
        assert self.held_out is not None
        net, loss, held, totals = self.training.net, self.training.loss, self.held_out, np.zeros(2)
        moded = self.program is None or bool(self.program.foreign)  # for the others it is a matter of the call
        if moded:
            set_training(net, False)
        for at in range(0, held.n, self.size):
            part = slice(at, at + self.size)
            x, y = held.X[part], held.y[part]
            yhat = self._forward(x, 0)
            totals[0] += self._total(loss.forward(y, yhat), len(x), held.weights[part])
            if self.hits is not None:
                totals[1] += float(np.sum(self.hits(y, yhat)))
        if moded:
            set_training(net, True)
        return totals


def _count_not_finite(net: Any) -> int:
    return sum(foreign.count_not_finite() for foreign in parts_of(net)[1])
