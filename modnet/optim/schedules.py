"""Schedules: learning rates that change while a network learns. One is given to an optimizer in the place of lr.

t counts what is done already, from 0: epochs, or with per="step" steps of the optimizer.

StepDecay           lr * factor ** (t // every)
ExponentialDecay    lr * factor ** t
CosineDecay         lowest + (lr - lowest) (1 + cos(pi t / over)) / 2, and lowest from t = over on
Warmup              the first steps climb evenly from lr / steps to lr; what comes then runs from the start all the same
ReduceOnPlateau     lr * factor each time that the loss has not fallen for more than `patience` epochs

In `fit` epochs end by themselves. By hand, `optimizer.step` counts the steps and ``optimizer.epoch_end(loss)`` the epochs.
A schedule keeps nothing: what it needs to remember lies in the optimizer, so one schedule may serve several.

References: I. Loshchilov and F. Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017 (cosine); P. Goyal and
others, Accurate, large minibatch SGD (2017), arXiv:1706.02677 (warm-up).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.arrays import real, whole


class Schedule:
    """A learning rate that changes. For one of your own override `at`; to look at the loss, `rates` and `epoch_end`.

    Parameters
    ----------
    lr : the rate that it is made from, positive.
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
        self.lr = real(lr, who, "lr", "a positive number", lambda v: v > 0)
        self.per = per

    def at(self, t: Any) -> Any:
        """The rate after t epochs or steps: t is a whole number or an array of them, and the answer is alike."""
        raise NotImplementedError(f"{type(self).__name__} has no at")

    def rates(self, epoch: int, steps: np.ndarray, memory: np.ndarray) -> np.ndarray:
        """The rates of some steps of one epoch.

        Parameters
        ----------
        epoch : how many epochs are done.
        steps : (n,), for each step how many came before it since the optimizer was attached.
        memory : what `begin` returned, as `epoch_end` has left it.

        Returns
        -------
        rates : (n,).
        """
        rates = np.empty(steps.shape)
        rates[:] = self.at(epoch if self.per == "epoch" else steps)
        return rates

    def begin(self) -> np.ndarray:
        """What is to be remembered from epoch to epoch, as it is at the start: float64 numbers."""
        return np.empty(0)

    def epoch_end(self, loss: float | None, memory: np.ndarray) -> None:
        """Note the end of an epoch in memory. loss: of validation if there is one, else of training."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._text()})"

    def _text(self) -> str:
        values = {name: value for name, value in vars(self).items() if name != "per" or value != "epoch"}
        texts = (f"{value:g}" if isinstance(value, float) else repr(value) for value in values.values())
        return ", ".join(f"{name}={text}" for name, text in zip(values, texts))


class StepDecay(Schedule):
    """The rate falls at once, every so many epochs.

    Parameters
    ----------
    lr : the first rate, positive.
    every : epochs, or steps, between two falls.
    factor : by what the rate is multiplied, positive.
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
    """The rate is multiplied by the same factor after every epoch.

    Parameters
    ----------
    lr : the first rate, positive.
    factor : by what the rate is multiplied, positive.
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
    """The rate falls along half a wave of the cosine: slowly, quickly, slowly.

    Parameters
    ----------
    lr : the first rate, positive.
    over : after how many epochs, or steps, the fall is over.
    lowest : the rate from there on, from 0 to lr.
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
    """The first steps are small, and grow: many moments know little at the start.

    Step k of the first `steps`, from 1, has k / steps of the rate it would have without them.

    Parameters
    ----------
    steps : how many, always steps of the optimizer.
    then : the rate, or the schedule. It runs from the first step on, and so is not put off by the warm-up.

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

    def _text(self) -> str:
        return f"{self.steps}, then={self.then!r}"


class ReduceOnPlateau(Schedule):
    """The rate falls when the loss no longer does: that of validation if there is one, else that of training.

    Parameters
    ----------
    lr : the first rate, positive.
    factor : by what the rate is multiplied, between 0 and 1.
    patience : how many epochs without a lower loss are borne; the rate falls after the next.
    threshold : a loss is lower if it is below (1 - threshold) times the lowest so far.
    lowest : the rate falls no further, from 0 to lr.

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
        return np.array([self.lr, np.inf, 0.0])  # the rate, the lowest loss, epochs since

    def epoch_end(self, loss: float | None, memory: np.ndarray) -> None:
        if loss is None:
            raise ValueError(f"{self}: epoch_end came without a loss, expected optimizer.epoch_end(loss)")
        if loss < memory[1] * (1 - self.threshold):
            memory[1:] = loss, 0
            return
        memory[2] += 1
        if memory[2] > self.patience:
            memory[0], memory[2] = max(memory[0] * self.factor, self.lowest), 0


__all__ = ["CosineDecay", "ExponentialDecay", "ReduceOnPlateau", "Schedule", "StepDecay", "Warmup"]
