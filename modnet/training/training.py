"""A training under way, as callbacks see it, and what a callback is."""

from __future__ import annotations

from typing import Any

from modnet.inputs import short_repr
from modnet.optim.optimizer import Optimizer
from modnet.training.history import History


class TrainingWarning(UserWarning):
    """`fit` ended early, by Ctrl-C or a loss that is NaN or infinite; or something is certainly wrong with the training."""


class Callback:
    """A watcher of a training. Override any of the methods; each is given the `Training`.

    One with `on_batch_end` makes `fit` take the path in Python.
    """

    def on_fit_begin(self, training: Training) -> None:
        """Before the first epoch."""

    def on_batch_end(self, training: Training) -> None:
        """After each step of the optimizer."""

    def on_epoch_end(self, training: Training) -> None:
        """After each epoch, when its figures are in the history."""

    def on_fit_end(self, training: Training) -> None:
        """After the last epoch."""

    @property
    def watches_batches(self) -> bool:
        """Whether it has an `on_batch_end` of its own."""
        return getattr(self.on_batch_end, "__func__", None) is not Callback.on_batch_end


def as_callback(value: Any) -> Callback:
    """A callback; a function becomes one that is called at the end of each epoch."""
    if isinstance(value, Callback):
        return value
    if isinstance(value, type) or not callable(value):
        raise TypeError(f"fit: a callback is {short_repr(value)}, expected a function of the training, or a Callback object")
    callback = Callback()
    callback.on_epoch_end = value  # type: ignore[method-assign]
    return callback


class Training:
    """A training under way.

    Attributes
    ----------
    net, loss, optimizer, history : those of the `fit`. They stay what they are; the optimizer's ``lr`` may be set.
    epoch : the number of the epoch, from 1. step : how many steps were taken in this `fit`.
    """

    net: Any
    loss: Any
    optimizer: Optimizer

    def __init__(self, net: Any, loss: Any, optimizer: Optimizer, epochs: int) -> None:
        self.__dict__.update(net=net, loss=loss, optimizer=optimizer)
        self.epochs = epochs
        self.history = History()
        self.epoch = 0
        self.step = 0
        self.stop_reason = ""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("net", "loss", "optimizer") and value is not self.__dict__[name]:
            raise AttributeError(
                f"Training: {name} cannot be replaced while fit is running; stop with training.stop() and call fit again"
                + (", or set training.optimizer.lr" if name == "optimizer" else "")
            )
        self.__dict__[name] = value

    def stop(self, reason: str = "a callback stopped it") -> None:
        """End the training after this epoch; after this batch if called at its end; before any in `on_fit_begin`."""
        self.stop_reason = str(reason) or "a callback stopped it"
