"""Schedules: learning rates that change while a network learns. Pass one to an optimizer as lr.

t counts the epochs that are done, from 0; with per="step" it counts the optimizer's steps.

StepDecay           lr * factor ** (t // every)
ExponentialDecay    lr * factor ** t
CosineDecay         lowest + (lr - lowest) (1 + cos(pi t / over)) / 2, and lowest from t = over on
Warmup              the first steps climb evenly from lr / steps to lr; the schedule that follows counts from the first step
ReduceOnPlateau     lr * factor each time the loss has not improved for more than `patience` epochs

`fit` counts epochs itself. In a loop of your own, `optimizer.step` counts the steps and ``optimizer.epoch_end(loss)`` the
epochs. A schedule has no memory: the optimizer keeps what it must remember, so several optimizers may share one schedule.

References: I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017 (cosine); P. Goyal and
others, Accurate, large minibatch SGD (2017), arXiv:1706.02677 (warm-up).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.hints import ARGUMENTS, Explained, call_of
from modnet.inputs import real, short_repr, whole


class Schedule(Explained):
    """A learning rate that changes.

    For a schedule of your own override `at`; if it depends on the loss, override `begin`, `rates` and `epoch_end`.

    Parameters
    ----------
    lr : the first rate, positive.
    per : "epoch" or "step": what t counts.

    Example
    -------
    >>> class Inverse(Schedule):
    ...     def at(self, t):
    ...         return self.lr / (1 + t)
    >>> float(Inverse(0.5).at(4))
    0.1
    """

    def __init__(self, lr: float, per: str = "epoch") -> None:
        who = type(self).__name__
        if per not in ("epoch", "step"):
            raise ValueError(f"{who}: per is {per!r}, expected 'epoch' or 'step'")
        if hasattr(lr, "attach"):
            raise TypeError(f"{who}: lr is {short_repr(lr)}, expected a positive number; {ARGUMENTS['optimizer']}")
        self.lr = real(lr, who, "lr", "a positive number", lambda v: v > 0)
        self.per = per

    def at(self, t: Any) -> Any:
        """The rate after t epochs or steps; t is a whole number or an array, and so is the result."""
        raise NotImplementedError(f"{type(self).__name__} has no at")

    def rates(self, epoch: int, steps: np.ndarray, memory: np.ndarray) -> np.ndarray:
        """The rates of some steps of one epoch.

        Parameters
        ----------
        epoch : the number of epochs that are done.
        steps : (n,), for each step the number of steps before it since the optimizer was attached.
        memory : what `begin` returned and `epoch_end` has changed since.

        Returns
        -------
        rates : (n,).
        """
        rates = np.empty(steps.shape)
        with np.errstate(over="ignore"):  # the optimizer refuses what is not finite
            rates[:] = self.at(np.int64(epoch) if self.per == "epoch" else steps)
        return rates

    def begin(self) -> np.ndarray:
        """The memory at the start: float64 numbers, which `epoch_end` may change and `rates` reads."""
        return np.empty(0)

    def epoch_end(self, loss: float | None, memory: np.ndarray) -> None:
        """Update the memory at the end of an epoch. loss: the validation loss if there is one, else the training loss."""

    def __repr__(self) -> str:
        return call_of(self)


class StepDecay(Schedule):
    """Multiply the rate by a factor every few epochs.

    Parameters
    ----------
    lr : the first rate, positive.
    every : the number of epochs, or steps, between two changes.
    factor : what the rate is multiplied by, positive.
    per : "epoch" or "step".

    Example
    -------
    >>> StepDecay(0.8, every=2, factor=0.5).at(np.arange(6))
    array([0.8, 0.8, 0.4, 0.4, 0.2, 0.2])
    """

    def __init__(self, lr: float, every: int, factor: float = 0.1, per: str = "epoch") -> None:
        super().__init__(lr, per)
        self.every = whole(every, "StepDecay", "every")
        self.factor = real(factor, "StepDecay", "factor", "a positive number", lambda v: v > 0)

    def at(self, t: Any) -> Any:
        return self.lr * self.factor ** (t // self.every)


class ExponentialDecay(Schedule):
    """Multiply the rate by a factor after every epoch.

    Parameters
    ----------
    lr : the first rate, positive.
    factor : what the rate is multiplied by, positive.
    per : "epoch" or "step".

    Example
    -------
    >>> ExponentialDecay(0.8, factor=0.5).at(np.arange(4))
    array([0.8, 0.4, 0.2, 0.1])
    """

    def __init__(self, lr: float, factor: float, per: str = "epoch") -> None:
        super().__init__(lr, per)
        self.factor = real(factor, "ExponentialDecay", "factor", "a positive number", lambda v: v > 0)

    def at(self, t: Any) -> Any:
        return self.lr * self.factor**t


class CosineDecay(Schedule):
    """Lower the rate along half a period of the cosine: slowly, quickly, slowly.

    Parameters
    ----------
    lr : the first rate, positive.
    over : the number of epochs, or steps, until the rate reaches `lowest`.
    lowest : the last rate, from 0 to lr.
    per : "epoch" or "step".

    Example
    -------
    >>> CosineDecay(1.0, over=2).at(np.arange(4)).round(12)
    array([1. , 0.5, 0. , 0. ])
    """

    def __init__(self, lr: float, over: int, lowest: float = 0.0, per: str = "epoch") -> None:
        super().__init__(lr, per)
        self.over = whole(over, "CosineDecay", "over")
        self.lowest = real(lowest, "CosineDecay", "lowest", f"from 0 to lr, {self.lr:g}", lambda v: 0 <= v <= self.lr)

    def at(self, t: Any) -> Any:
        share = np.minimum(t, self.over) / self.over
        return self.lowest + (self.lr - self.lowest) * (1 + np.cos(np.pi * share)) / 2


class Warmup(Schedule):
    """Begin with small steps and let them grow, while the optimizer's moments still rest on few gradients.

    Step k, counted from 1, has k / steps times the rate of `then`, and from k = steps on the rate of `then`.

    Parameters
    ----------
    steps : the length of the warm-up, always in steps of the optimizer.
    then : the rate, or the schedule. A schedule counts from the first step; the warm-up does not delay it.

    Example
    -------
    >>> Warmup(4, then=0.8).rates(0, np.arange(6), np.empty(0))
    array([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])
    """

    def __init__(self, steps: int, then: float | Schedule) -> None:
        if not isinstance(then, Schedule):
            then = real(then, "Warmup", "then", "a positive number or a schedule", lambda v: v > 0)
        super().__init__(then.lr if isinstance(then, Schedule) else then, "step")
        self.steps = whole(steps, "Warmup", "steps")
        self.then = then

    def rates(self, epoch: int, steps: np.ndarray, memory: np.ndarray) -> np.ndarray:
        full = self.then.rates(epoch, steps, memory) if isinstance(self.then, Schedule) else self.then
        rates: np.ndarray = full * np.minimum((steps + 1) / self.steps, 1.0)
        return rates

    def begin(self) -> np.ndarray:
        return self.then.begin() if isinstance(self.then, Schedule) else super().begin()

    def epoch_end(self, loss: float | None, memory: np.ndarray) -> None:
        if isinstance(self.then, Schedule):
            self.then.epoch_end(loss, memory)


class ReduceOnPlateau(Schedule):
    """Reduce the rate when the loss stops improving: the validation loss if there is one, else the training loss.

    Parameters
    ----------
    lr : the first rate, positive.
    factor : what the rate is multiplied by, between 0 and 1.
    patience : epochs without improvement before the rate is reduced; the next such epoch reduces it.
    threshold : the loss has improved if it is below best - threshold * |best|, best being the lowest loss so far.
    lowest : the rate is never reduced below it, from 0 to lr.

    Example
    -------
    >>> schedule = ReduceOnPlateau(0.8, factor=0.5, patience=1)
    >>> memory = schedule.begin()
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.epoch_end(loss, memory)
    >>> schedule.rates(4, np.arange(2), memory)
    array([0.4, 0.4])
    """

    def __init__(
        self, lr: float, factor: float = 0.1, patience: int = 10, threshold: float = 1e-4, lowest: float = 0.0
    ) -> None:
        who = "ReduceOnPlateau"
        super().__init__(lr)
        self.factor = real(factor, who, "factor", "a number between 0 and 1", lambda v: 0 < v < 1)
        self.patience = whole(patience, who, "patience", minimum=0)
        self.threshold = real(threshold, who, "threshold", "from 0 up to 1", lambda v: 0 <= v < 1)
        self.lowest = real(lowest, who, "lowest", f"from 0 to lr, {self.lr:g}", lambda v: 0 <= v <= self.lr)

    def rates(self, epoch: int, steps: np.ndarray, memory: np.ndarray) -> np.ndarray:
        return np.full(steps.shape, memory[0])

    def begin(self) -> np.ndarray:
        return np.array([self.lr, np.inf, 0.0])  # the rate, the lowest loss, epochs without improvement

    def epoch_end(self, loss: float | None, memory: np.ndarray) -> None:
        if loss is None:
            raise ValueError(f"{self}: epoch_end came without a loss, expected optimizer.epoch_end(loss)")
        best = memory[1]
        if loss < best * (1 - self.threshold * np.sign(best)):  # best - threshold |best|, right for an infinite best too
            memory[1:] = loss, 0
            return
        memory[2] += 1
        if memory[2] > self.patience:
            memory[0], memory[2] = max(memory[0] * self.factor, self.lowest), 0


__all__ = ["CosineDecay", "ExponentialDecay", "ReduceOnPlateau", "Schedule", "StepDecay", "Warmup"]
