"""RandomSearch: a random nearby weight vector, kept if it lowers the loss. The naive method, without a gradient.

p parameters, s the size of a move, z normal numbers.

(1)  q = p + s z
(2)  p = q if loss(q) < loss(p), else p stays as it was

In n dimensions about half of the moves lower the loss as long as s is small, but a random direction has only 1 / sqrt(n) of
its length along the gradient: a move gains that much less than a move of the same length against the gradient. That is what
backpropagation buys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from modnet.engine.storage import writing
from modnet.inputs import generator, short_repr
from modnet.optim.arguments import Count
from modnet.optim.optimizer import Optimizer
from modnet.optim.schedules import Schedule


class RandomSearch(Optimizer):
    """Random moves, kept if they lower the loss.

    `fit` gives it the loss of each batch, and runs no backward. Use all examples at once, batch_size=None: a move that is good
    for one batch may be bad for the next. By hand, `step` needs the loss as a function::

        optimizer.attach(net)
        optimizer.step(lambda: loss(y, net.forward(X)))

    Parameters
    ----------
    sigma : the standard deviation of a move, for each parameter; positive, or a schedule.
    rng : int, numpy.random.Generator or None.
    clip_norm : the largest norm of a move, or None.

    Attributes
    ----------
    kept : how many moves were kept since `attach`.
    """

    needs_loss = True
    kept = Count()

    def __init__(
        self, sigma: float | Schedule, rng: int | np.random.Generator | None = None, clip_norm: float | None = None
    ) -> None:
        super().__init__(sigma, clip_norm)
        self.rng = rng
        self._generator = generator(rng, "RandomSearch")

    @property
    def sigma(self) -> float:
        """The standard deviation of the next move."""
        return self.lr

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "generator": self._generator.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self._generator.bit_generator.state = state["generator"]

    def step(self, loss: Callable[[], float] | None = None) -> None:
        if not callable(loss):
            raise TypeError(f"{self}: step got {short_repr(loss)}, expected step(loss), a function that returns the loss")
        self.check_attached()
        with writing(self.net, self):
            self.count_step(kept=self._move(loss))

    def _move(self, loss: Callable[[], float]) -> bool:
        """Make a random move and keep it if the loss falls; whether it was kept."""
        arrays = self.moving()
        before = loss()
        sigma, limit = self.sigma, self.clip_norm
        moves = [self._generator.normal(0.0, sigma * factor, array.shape) for array, factor in arrays]
        length = np.sqrt(sum(float(np.vdot(move, move)) for move in moves))
        if limit is not None and limit < length:
            moves = [move * (limit / length) for move in moves]
        old = [array.copy() for array, _ in arrays]
        lower = False
        try:
            for (array, _), move in zip(arrays, moves):
                array += move.astype(array.dtype)
            lower = bool(loss() < before)
        finally:
            if not lower:
                for (array, _), numbers in zip(arrays, old):
                    array[...] = numbers
        return lower

    tried = {"sigma": 0.05, "rng": 0}, {"sigma": 0.5, "rng": 1, "clip_norm": 0.1}
