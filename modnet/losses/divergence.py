"""Kullback-Leibler divergence: how much dearer yhat makes a message than the true probabilities y would.

y, yhat (batch, ...), probabilities; sums run over all features of an example.

(1)  cost = sum over j of y[j] log(y[j] / yhat[j])          0 log 0 = 0; log yhat at least -100
(2)  dcost/dyhat[j] = -y[j] / yhat[j]                       the divisor at least 1e-12

It is cross-entropy minus the entropy of y, which does not depend on yhat: both have the same slope, and this one is 0 where
yhat = y.

Reference: S. Kullback and R. Leibler, On information and sufficiency, Annals of Mathematical Statistics 22 (1951).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.kernels import inline, kernel
from modnet.loss import KernelLoss
from modnet.mathfun import log


@inline
def _at_least(x, bound):  # a NaN stays NaN
    return bound if x < bound else x


@kernel("cost")
def cost(y, yhat, cost, sizes, hyper):
    # y, yhat (batch, features), cost (batch,)
    zero, one, bound = yhat.dtype.type(0.0), yhat.dtype.type(1.0), yhat.dtype.type(-100.0)
    for i in range(yhat.shape[0]):
        total = zero
        for j in range(yhat.shape[1]):
            own = log(y[i, j] if y[i, j] > zero else one)
            total += y[i, j] * (own - _at_least(log(yhat[i, j]), bound))
        cost[i] = total


@kernel("slope")
def slope(y, yhat, delta, sizes, hyper):
    # cost = sum of y log(y / yhat)
    bound = yhat.dtype.type(1e-12)
    for i in range(yhat.shape[0]):
        for j in range(yhat.shape[1]):
            delta[i, j] = -y[i, j] / _at_least(yhat[i, j], bound)


class KLDivergence(KernelLoss):
    """Kullback-Leibler divergence of the prediction from the true probabilities, summed over the features of an example.

    Shape
    -----
    y, yhat : probabilities, (batch,), (batch, features) or more axes, the same for both: those of `Softmax`, say. forward ->
        (batch,), backward -> like yhat.

    Example
    -------
    >>> float(KLDivergence().forward([[1.0, 0.0]], [[0.5, 0.5]])[0])  # log 2
    0.6931471805599453
    """

    cost_kernel, slope_kernel = cost, slope

    def check_values(self, y: np.ndarray) -> None:
        low, high = y.min(), y.max()
        if low < 0 or high > 1:
            raise ValueError(f"{self}: y holds {low if low < 0 else high:g}, expected probabilities from 0 to 1")

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(0)
        rows = rng.dirichlet(np.ones(3), 8)
        return [
            (cls(), rows[:4], rows[4:]),
            (cls(), np.array([[0.0, 1.0, 0.0]]), rows[:1]),
            (cls(), rng.random(4), rng.uniform(0.05, 1.0, 4)),
            (cls(), rows[:4].reshape(2, 2, 3), rows[4:].reshape(2, 2, 3)),
        ]
