"""Poisson: half the deviance of counts, whose logarithm is predicted.

y counts or other numbers that are not negative, yhat = a their predicted logarithm, (batch, ...); sums run over all features of
an example.

(1)  loss = sum of exp(a) - y a + y log y - y          0 log 0 is 0; the last two make the least loss, at a = log y, zero
(2)  dloss/da = exp(a) - y

-log of the Poisson probability of y at the rate exp(a) is (1) up to what does not depend on a.

Reference: P. McCullagh and J. Nelder, Generalized linear models, 2nd edition, Chapman and Hall, 1989, section 2.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.kernels.mathfun import exp, log
from modnet.loss import Loss, operation


class Poisson(Loss):
    """Half the Poisson deviance, summed over the features of an example; the prediction is the logarithm of the rate.

    Shape
    -----
    y : not negative. yhat : the logarithm of the rate, of the same shape. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> Poisson().forward([1.0, 0.0], [0.0, 0.0])
    array([0., 1.])
    """

    def check_values(self, y: np.ndarray) -> None:
        if y.min() < 0:
            raise ValueError(f"{self}: y holds {y.min():g}, expected numbers that are not negative")

    @operation
    def forward(y, yhat, out, c):
        # y, yhat = a (batch, features), out (batch,)
        for i in range(yhat.shape[0]):
            total = c.zero
            for j in range(yhat.shape[1]):
                total += exp(yhat[i, j])
                if y[i, j] != c.zero:
                    total += y[i, j] * (log(y[i, j]) - yhat[i, j] - c.one)                # (1)
            out[i] = total

    @operation
    def backward(y, yhat, delta):
        # out = sum of exp(a) - y a + y log y - y
        for i in range(yhat.shape[0]):
            for j in range(yhat.shape[1]):
                delta[i, j] = exp(yhat[i, j]) - y[i, j]                                   # (2)

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(0)
        shapes = ((4,), (1, 3), (5, 2), (3, 2, 2))
        return [(cls(), rng.poisson(2.0, s) * 1.0, rng.normal(size=s)) for s in shapes]
