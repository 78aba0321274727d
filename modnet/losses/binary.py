"""Binary cross-entropy: the cost of saying probability p of something that is true with probability y.

y, yhat (batch, ...), y in [0, 1]; sums run over all features of an example, each a question of its own.

BCE, yhat = p a probability
(1)  cost = - sum of y log p + (1 - y) log(1 - p)           each logarithm at least -100
(2)  dcost/dp = (p - y) / (p (1 - p))                       the divisor at least 1e-12

BCEWithLogits, yhat = z a score, p = sigmoid(z)
(1)  cost = sum of max(z, 0) - z y + log(1 + exp(-|z|))     from log p = -log(1 + exp(-z)), log(1 - p) = -z + log p
(2)  dcost/dz = sigmoid(z) - y                              (p - y) / (p (1 - p)) times dp/dz = p (1 - p)

The second is exact at any size; the first loses everything once p rounds to 0 or 1. The bounds of BCE are PyTorch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.kernels import inline, kernel
from modnet.loss import KernelLoss
from modnet.mathfun import exp, log, log1p, sigmoid


@inline
def _at_least(x, bound):  # a NaN stays NaN
    return bound if x < bound else x


@kernel("cost")
def bce_cost(y, p, cost, sizes, hyper):
    # y, p (batch, features), cost (batch,)
    bound, one = p.dtype.type(-100.0), p.dtype.type(1.0)
    for i in range(p.shape[0]):
        total = p.dtype.type(0.0)
        for j in range(p.shape[1]):
            yes, no = _at_least(log(p[i, j]), bound), _at_least(log1p(-p[i, j]), bound)
            total -= y[i, j] * yes + (one - y[i, j]) * no
        cost[i] = total


@kernel("slope")
def bce_slope(y, p, delta, sizes, hyper):
    # cost = - sum of y log p + (1 - y) log(1 - p)
    bound, one = p.dtype.type(1e-12), p.dtype.type(1.0)
    for i in range(p.shape[0]):
        for j in range(p.shape[1]):
            delta[i, j] = (p[i, j] - y[i, j]) / _at_least(p[i, j] * (one - p[i, j]), bound)


@kernel("hits")
def bce_hits(y, p, hit, sizes, hyper):
    # right where every feature is on the same side of 1/2 as the truth
    half = p.dtype.type(0.5)
    for i in range(p.shape[0]):
        wrong = 0
        for j in range(p.shape[1]):
            wrong += (p[i, j] > half) != (y[i, j] > half)
        hit[i] = wrong == 0


@kernel("cost")
def logits_cost(y, z, cost, sizes, hyper):
    # y, z (batch, features), cost (batch,)
    zero = z.dtype.type(0.0)
    for i in range(z.shape[0]):
        total = zero
        for j in range(z.shape[1]):
            total += _at_least(z[i, j], zero) - z[i, j] * y[i, j] + log1p(exp(-abs(z[i, j])))
        cost[i] = total


@kernel("slope")
def logits_slope(y, z, delta, sizes, hyper):
    # cost = - sum of y log sigmoid(z) + (1 - y) log(1 - sigmoid(z))
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            delta[i, j] = sigmoid(z[i, j]) - y[i, j]


@kernel("hits")
def logits_hits(y, z, hit, sizes, hyper):
    # a score above 0 is a probability above 1/2
    half, zero = z.dtype.type(0.5), z.dtype.type(0.0)
    for i in range(z.shape[0]):
        wrong = 0
        for j in range(z.shape[1]):
            wrong += (z[i, j] > zero) != (y[i, j] > half)
        hit[i] = wrong == 0


class _Binary(KernelLoss):
    def check_values(self, y: np.ndarray) -> None:
        low, high = y.min(), y.max()
        if low < 0 or high > 1:
            raise ValueError(f"{self}: y holds {low if low < 0 else high:g}, expected labels 0 and 1, or between")


class BCE(_Binary):
    """Binary cross-entropy of probabilities, summed over the features of an example. Logarithms are clipped at -100.

    Shape
    -----
    y, yhat : (batch,), (batch, features) or more axes, the same for both. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> float(BCE().forward([1.0], [0.5])[0])  # log 2
    0.6931471805599453
    """

    cost_kernel, slope_kernel, hits_kernel = bce_cost, bce_slope, bce_hits

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(0)
        shapes = ((4,), (1, 3), (5, 2), (3, 2, 2))
        return [(cls(), (rng.random(s) > 0.5) * 1.0, rng.uniform(0.05, 0.95, s)) for s in shapes]


class BCEWithLogits(_Binary):
    """Binary cross-entropy of scores, summed over the features of an example: a Sigmoid is part of it.

    Shape
    -----
    y, yhat : (batch,), (batch, features) or more axes, the same for both. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> BCEWithLogits().forward([1.0, 0.0], [1000.0, 1000.0])
    array([   0., 1000.])
    """

    cost_kernel, slope_kernel, hits_kernel = logits_cost, logits_slope, logits_hits

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(0)
        shapes = ((4,), (1, 3), (5, 2), (3, 2, 2))
        return [(cls(), rng.random(s), 3 * rng.normal(size=s)) for s in shapes]
