"""RandomSearch: a random nearby weight vector, kept if it lowers the cost. The naive method, and no gradient.

p parameters, s the size of a move, z normal numbers.

(1)  q = p + s z
(2)  p = q where cost(q) < cost(p), else as it was

In n dimensions about half of the moves lower the cost as long as s is small, but a random direction has only 1 / sqrt(n) of
its length along the gradient: a move gains that much less than one of the same length against the gradient. That is what
backpropagation buys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from modnet.arrays import generator
from modnet.optim.optimizer import CLIP, STEPS, Optimizer
from modnet.optim.schedules import Schedule


class RandomSearch(Optimizer):
    """Random moves, kept where they lower the cost.

    `fit` gives it the cost of each batch, and runs no backward; take all examples at once, batch_size=None, or one batch
    undoes what the other found. By hand it wants the cost as a function::

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

    needs_cost = True

    def __init__(
        self, sigma: float | Schedule, rng: int | np.random.Generator | None = None, clip_norm: float | None = None
    ) -> None:
        super().__init__(sigma, (), clip_norm)
        self.rng = rng
        self._generator = generator(rng, "RandomSearch")
        self.kept = 0

    @property
    def sigma(self) -> float:
        """The standard deviation of the next move."""
        return self.lr

    def attach(self, net: Any, rates: Mapping[Any, float] | None = None) -> Optimizer:
        super().attach(net, rates)
        self.kept = 0
        return self

    def step(self, cost: Callable[[], float] | None = None) -> None:
        if not callable(cost):
            raise TypeError(f"{self}: step came with {cost!r}, expected step(cost), a function that returns the present cost")
        self._check()
        arrays = [pair for group in self._groups for pair in group.moving()]
        before = cost()
        sigma, limit = self.sigma, self._initial[CLIP]
        moves = [self._generator.normal(0.0, sigma * factor, array.shape) for array, factor in arrays]
        length = np.sqrt(sum(float(np.vdot(move, move)) for move in moves))
        if 0 < limit < length:
            moves = [move * (limit / length) for move in moves]
        old = [array.copy() for array, _ in arrays]
        lower = False
        try:
            for (array, _), move in zip(arrays, moves):
                array += move.astype(array.dtype)
            lower = bool(cost() < before)
        finally:
            if not lower:
                for (array, _), numbers in zip(arrays, old):
                    array[...] = numbers
        self.kept += lower
        for group in self._groups:
            group.settings[..., STEPS] += 1

    @classmethod
    def examples(cls) -> list[Optimizer]:
        return [cls(0.05, rng=0), cls(0.5, rng=1, clip_norm=0.1)]
