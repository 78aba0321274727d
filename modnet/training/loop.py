"""The epochs of a training, one after the other, whatever takes the steps."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from modnet.engine.held import numbers_of
from modnet.engine.modes import are_training, modes_of, restore_modes, set_training
from modnet.engine.snapshot import Kept
from modnet.engine.storage import parts
from modnet.engine.walk import shuffle as shuffle_order
from modnet.optim.optimizer import Optimizer
from modnet.training import advice
from modnet.training.checkpoint import Checkpoint
from modnet.training.evaluating import Measured
from modnet.training.progress import Bar
from modnet.training.runner import Runner
from modnet.training.training import Callback, Training


class Loop:
    """A training from its first epoch, or from where a checkpoint was made, to its end.

    Parameters
    ----------
    training, runner : what is trained, and what takes the steps.
    seed : of the order of examples, which moves on with each epoch; None if they come as they are.
    patience : epochs without a lower validation loss before training stops, or None.
    measured : metrics of each epoch, or None. checkpoint : where the training is kept, or None.

    Attributes
    ----------
    start : the epochs that are done already. order : (n,), of the examples, shuffled from epoch to epoch.
    best, best_at, kept, best_numbers : the lowest validation loss, its epoch, and the network's numbers then.
    moved : whether the learning rate was above 0 in some step.
    """

    def __init__(
        self, training: Training, runner: Runner, watchers: list[Callback], seed: np.ndarray | None, patience: int | None,
        bar: Bar, measured: Measured | None, checkpoint: Checkpoint | None,
    ) -> None:  # fmt: skip
        self.training, self.runner, self.watchers, self.seed = training, runner, watchers, seed
        self.patience, self.bar, self.measured, self.checkpoint = patience, bar, measured, checkpoint
        self.order = np.arange(runner.data.n or 0)
        self.parts = parts(training.net)
        self.start, self.moved = 0, False
        self.best, self.best_at = np.inf, 0
        self.kept: Kept | None = None
        self.best_numbers: Any = None
        self.held_out_rows: np.ndarray | None = None
        self.augment_seed: int | None = None

    def run(self) -> None:
        """Train; put the best parameters back; warn if training ended before its time."""
        training, runner, net = self.training, self.runner, self.training.net
        history, recorded = training.history, self.start
        modes = modes_of(net)
        try:
            set_training(net, True)
            for watcher in self.watchers:
                watcher.on_fit_begin(training)
            training.epoch = self.start
            self._stop_without_patience(self.start)
            while training.epoch < training.epochs and not training.stop_reason:
                training.epoch += 1
                if not self._epoch():
                    break
                recorded = training.epoch
                for watcher in self.watchers:
                    watcher.on_epoch_end(training)
                if self.watchers:
                    runner.require_unchanged()
                self.bar.epoch_done()
                if self.checkpoint is not None:
                    self.checkpoint.epoch_done(self)
            history.stopped_because = training.stop_reason or f"all {training.epochs} epochs done"
        except KeyboardInterrupt:
            history.stopped_because = f"interrupted in epoch {training.epoch}"
            history.cut(max(recorded, training.epoch - 1))
            runner.take_back()
        finally:
            try:
                self.bar.close()
            finally:
                runner.close()
                restore_modes(modes)
        if runner.diverged:
            history.stopped_because = "diverged: " + runner.diverged
            training.optimizer.forget()
        if self.kept is not None:
            self.kept.restore()
            history.best_epoch = self.best_at
        for watcher in self.watchers:
            watcher.on_fit_end(training)
        advice.after(training, runner.data, bool(runner.diverged), self.kept is not None, self.moved or not recorded)

    def _epoch(self) -> bool:
        """One epoch and its figures; False if it ended early."""
        training, runner, history = self.training, self.runner, self.training.history
        if self.watchers and not are_training(training.net, self.parts):  # a callback may have called eval()
            set_training(training.net, True)
        seed = None if runner.whole else self.seed
        if seed is not None:
            shuffle_order.call(self.order, seed)
        rate = training.optimizer.lr
        self.moved = self.moved or rate > 0 or bool(training.optimizer.rates(runner.batches or 1).any())
        done = runner.epoch(self.order, self.bar, seed, self._unwatched_epochs())
        if runner.diverged or not done:
            return False
        figures = runner.figures()
        for name in ("loss", "validation_loss"):
            if not isfinite(figures.get(name, 0.0)):
                runner.diverged = f"{name.replace('_', ' ')} became {figures[name]} at epoch {training.epoch}"
                return False
        if self.measured is not None:
            figures = {**figures, **self.measured.figures(), **figures}
        history.note({name: [value] for name, value in figures.items()}, rate)
        training.optimizer.epoch_end((history.validation_loss or history.loss)[-1])
        if self.patience is not None:
            if history.validation_loss[-1] < self.best:
                self.best, self.best_at, self.kept = history.validation_loss[-1], training.epoch, Kept(training.net)
                self.best_numbers = None if self.checkpoint is None else numbers_of(training.net)
            self._stop_without_patience(training.epoch)
        return True

    def _unwatched_epochs(self) -> int:
        """How many epochs may follow each other from this one on before anybody looks at the figures of one, or at the rate."""
        training, optimizer = self.training, self.training.optimizer
        watching = self.measured, self.checkpoint, self.runner.held_out, optimizer.schedule
        if self.watchers or watching != (None,) * 4 or not _follows_rate(type(optimizer)):
            return 1
        return training.epochs + 1 - training.epoch

    def _stop_without_patience(self, epoch: int) -> None:
        if self.patience is not None and epoch and epoch - self.best_at >= self.patience:
            self.training.stop(f"no lower validation loss in {self.patience} epochs")


def _follows_rate(kind: type[Optimizer]) -> bool:
    """Whether nothing but a schedule changes the learning rate of such an optimizer."""
    return kind.rates is Optimizer.rates and kind.epoch_end is Optimizer.epoch_end
