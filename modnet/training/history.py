"""History: what a training went through, epoch by epoch."""

from __future__ import annotations

from typing import Any


class History:
    """What a training went through, epoch by epoch.

    Attributes
    ----------
    loss : the mean of weight * loss over the training examples, as they were met during the epoch.
    validation_loss : the same over the validation examples at the end of the epoch; empty without them.
    metrics : lists by name. "accuracy" and "validation_accuracy", shares from 0 to 1, if the loss is one of classes; "lr",
        the learning rate at the start of each epoch, once it has changed or follows a schedule.
    epochs : how many epochs were completed.
    best_epoch : with patience, the epoch, from 1, whose parameters the network has now; else None.
    stopped_because : why training ended, in words.
    """

    def __init__(self) -> None:
        self.loss: list[float] = []
        self.validation_loss: list[float] = []
        self.metrics: dict[str, list[float]] = {}
        self.best_epoch: int | None = None
        self.stopped_because = ""
        self._rates: list[float] = []

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return len(self.loss)

    def plot(self, *, ax: Any = None, path: Any = None) -> Any:
        """Draw the curves of loss and accuracy, and return the figure: see `modnet.plotting.history`."""
        from modnet.plotting import history

        return history(self, ax=ax, path=path)

    def note_rate(self, rate: float, scheduled: bool) -> None:
        """Note the learning rate at the start of an epoch. Once it is not always the same, every epoch has one in "lr"."""
        if "lr" in self.metrics:
            self.metrics["lr"].append(rate)
            return
        self._rates.append(rate)
        if scheduled or rate != self._rates[0]:
            self.metrics["lr"], self._rates = self._rates, []

    def cut(self, epochs: int) -> None:
        """Forget what was written of an epoch that was interrupted."""
        for values in (self.loss, self.validation_loss, self._rates, *self.metrics.values()):
            del values[epochs:]

    def last(self) -> dict[str, float]:
        """The figures of the last epoch, by name."""
        columns = {"loss": self.loss, "validation_loss": self.validation_loss, **self.metrics}
        return {name: values[-1] for name, values in columns.items() if values}

    def __repr__(self) -> str:
        figures = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in self.last().items())
        return f"History({self.epochs} epochs: {figures or 'nothing yet'}; {self.stopped_because or 'running'})"
