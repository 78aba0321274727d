"""What fit and evaluate ask of examples before they use them: whether the network and the loss take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.engine import run
from modnet.engine.program import is_ours, is_wired
from modnet.training.advice import see_order
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
        see_order(who, X, y)
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
        program = run.program_for(self.net, data.X, self.size)
        if program.checks:
            data.X = data.X.copy()  # what was checked is what is read, whatever a callback does to the array that was given
            size = self.size or data.n
            least = count % size or min(size, count)
            run.refuse(program, data.X.reshape(data.n, -1), least, training, f"{data.who}: ", self.frozen)

    def output(self, data: Data) -> tuple[Any, Any]:
        """Shape of one example's output, and its type."""
        if is_ours(self.net) or (is_wired(self.net) and not self.net._strangers):
            program = run.program_for(self.net, data.X, self.size)
            return program.output.shape, program.dtype
        if self._output is None or self._output[0] != data.shape:
            # Only a forward tells what a plain class gives: one batch, in evaluation mode, which leaves statistics alone.
            yhat = predict(self.net, data.X[: self.size], self.size or data.n)
            self._output = data.shape, yhat.shape[1:], np.dtype(np.float32 if yhat.dtype == np.float32 else np.float64)
        return self._output[1:]
