"""What fit and evaluate ask of examples before they use them: whether the network and the loss take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.engine import run
from modnet.engine.program import Program, is_ours, is_wired
from modnet.hints import such_as
from modnet.inputs import short_repr
from modnet.module import ShapeError
from modnet.training.data import Data, Source, is_mapped
from modnet.training.predicting import predict
from modnet.training.sources import Mapped


class Intake:
    """Examples on their way to a network and a loss.

    Parameters
    ----------
    net, loss : who they are for. size : of a batch; None for all examples at once.
    frozen : whether modules that an optimizer has frozen will stay so.
    """

    def __init__(self, net: Any, loss: Any, size: int | None, frozen: bool = True) -> None:
        self.net, self.loss, self.size, self.frozen = net, loss, size, frozen
        self._output: tuple[Any, Any, Any] | None = None

    def take(self, who: str, X: Any, y: Any, weight: Any, training: bool = False) -> Source:
        """Arrays as a source: checked now, or block by block if X is mapped into memory. A share is not prepared yet."""
        if is_mapped(X):
            return Mapped(who, self.net, X, y, weight, self.maker(who, training))
        return Data(who, self.net, X, y, weight)

    def maker(self, who: str, training: bool) -> Any:
        """A function of X, y and weights that makes a block of examples ready."""

        def make(X: Any, y: Any, weight: Any) -> Data:
            data = Data(who, self.net, X, y, weight, part=True)
            self.prepare(data, data.n, training)
            return data

        return make

    def prepare(self, data: Source, count: int, training: bool) -> None:
        """Refuse what the network or the loss does not take, before anything is computed, and make targets for kernels.

        count : how many of the examples will come, in batches, the last of which may be short.
        """
        if isinstance(data, Mapped):  # its blocks follow, one by one
            data = data.first
        if not isinstance(data, Data):
            return
        self.require_taken(data, count, training)
        shape, dtype = self.output(data)
        data.prepare(self.loss, shape, dtype)

    def require_taken(self, data: Data, count: int, training: bool) -> None:
        """Refuse examples, or batches of them, that a module will not take."""
        if not (is_ours(self.net) or is_wired(self.net)):
            return
        size = data.n if self.size is None else self.size
        program = self._program(data, size)
        if program.checks:
            data.X = data.X.copy()  # what was checked is what is read, whatever a callback does to the array that was given
            least = count % size or min(size, count)
            run.refuse(program, data.X.reshape(data.n, -1), least, training, f"{data.who}: ", self.frozen)

    def output(self, data: Data) -> tuple[Any, Any]:
        """Shape of one example's output, and its type."""
        size = data.n if self.size is None else self.size
        if is_ours(self.net) or (is_wired(self.net) and not self.net._strangers):
            program = self._program(data, size)
            return program.output.shape, program.dtype
        if self._output is None or self._output[0] != data.shape:
            # Only a forward tells what a plain class gives: one batch, in evaluation mode, which leaves statistics alone.
            yhat = predict(self.net, data.X[:size], size)
            self._output = data.shape, yhat.shape[1:], np.dtype(np.float32 if yhat.dtype == np.float32 else np.float64)
        return self._output[1:]

    def _program(self, data: Data, size: int) -> Program:
        try:
            return run.program_of(self.net, data.X.shape[1:], data.X.dtype, min(size, data.n))
        except ShapeError as error:
            error.batch = data.n
            raise error from None


def require_loss(loss: Any, who: str = "fit") -> None:
    """TypeError unless it is a loss."""
    if isinstance(loss, type) or not (callable(getattr(loss, "forward", None)) and callable(getattr(loss, "backward", None))):
        name = loss.__name__ if isinstance(loss, type) else short_repr(loss)
        such = such_as(loss, "modnet.losses", "", "CrossEntropy()")
        raise TypeError(f"{who}: loss is {name}, expected a loss object such as {such}")
