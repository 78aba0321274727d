"""Perceptron and hinge: costs of the side a score falls on.

y labels -1 or 1, yhat scores, (batch, ...); sums run over all features of an example.

Perceptron
(1)  cost = sum of max(0, -y yhat)
(2)  dcost/dyhat = -y where y yhat <= 0, else 0       at 0 too, so that a network of zeros learns

Hinge
(1)  cost = sum of max(0, 1 - y yhat)
(2)  dcost/dyhat = -y where y yhat < 1, else 0

References: F. Rosenblatt, The perceptron, Psychological Review 65 (1958); C. Cortes and V. Vapnik, Support-vector networks,
Machine Learning 20 (1995).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.kernels import kernel
from modnet.loss import KernelLoss


@kernel("cost")
def perceptron_cost(y, yhat, cost, sizes, hyper):
    # y, yhat (batch, features), cost (batch,)
    zero = yhat.dtype.type(0.0)
    for i in range(yhat.shape[0]):
        total = zero
        for j in range(yhat.shape[1]):
            behind = -y[i, j] * yhat[i, j]
            total += zero if behind < zero else behind
        cost[i] = total


@kernel("slope")
def perceptron_slope(y, yhat, delta, sizes, hyper):
    # cost = sum of max(0, -y yhat)
    zero = yhat.dtype.type(0.0)
    for i in range(yhat.shape[0]):
        for j in range(yhat.shape[1]):
            delta[i, j] = zero if y[i, j] * yhat[i, j] > zero else -y[i, j]


@kernel("cost")
def hinge_cost(y, yhat, cost, sizes, hyper):
    # y, yhat (batch, features), cost (batch,)
    zero, one = yhat.dtype.type(0.0), yhat.dtype.type(1.0)
    for i in range(yhat.shape[0]):
        total = zero
        for j in range(yhat.shape[1]):
            short = one - y[i, j] * yhat[i, j]
            total += zero if short < zero else short
        cost[i] = total


@kernel("slope")
def hinge_slope(y, yhat, delta, sizes, hyper):
    # cost = sum of max(0, 1 - y yhat)
    zero, one = yhat.dtype.type(0.0), yhat.dtype.type(1.0)
    for i in range(yhat.shape[0]):
        for j in range(yhat.shape[1]):
            delta[i, j] = zero if y[i, j] * yhat[i, j] >= one else -y[i, j]


@kernel("hits")
def sign_hits(y, yhat, hit, sizes, hyper):
    # right where every score has the sign of its label
    for i in range(yhat.shape[0]):
        wrong = 0
        for j in range(yhat.shape[1]):
            wrong += not (y[i, j] * yhat[i, j] > 0)
        hit[i] = wrong == 0


class _Sides(KernelLoss):
    def check_values(self, y: np.ndarray) -> None:
        wrong = y[np.abs(y) != 1]
        if wrong.size:
            advice = "; from 0 and 1, take 2 * y - 1" if np.isin(y, (0, 1)).all() else ""
            raise ValueError(f"{self}: y holds {wrong.flat[0]:g}, expected labels -1 and 1{advice}")

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(0)
        shapes = ((4,), (1, 3), (5, 2), (3, 2, 2))
        return [(cls(), np.where(rng.random(s) > 0.5, 1.0, -1.0), 2 * rng.normal(size=s)) for s in shapes]


class Perceptron(_Sides):
    """The perceptron's cost: how far a score lies on the wrong side.

    Shape
    -----
    y : labels -1 and 1. yhat : scores, of the same shape. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> Perceptron().forward([1, -1], [2.0, 2.0])
    array([0., 2.])
    """

    cost_kernel, slope_kernel, hits_kernel = perceptron_cost, perceptron_slope, sign_hits


class Hinge(_Sides):
    """The hinge: how far a score falls short of 1 on its own side.

    Shape
    -----
    y : labels -1 and 1. yhat : scores, of the same shape. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> Hinge().forward([1, -1], [0.5, 2.0])
    array([0.5, 3. ])
    """

    cost_kernel, slope_kernel, hits_kernel = hinge_cost, hinge_slope, sign_hits
