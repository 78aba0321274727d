"""Perceptron and hinge: losses by the side that a score falls on.

y labels -1 or 1, yhat scores, (batch, ...); sums run over all features of an example.

Perceptron
(1)  loss = sum of max(0, -y yhat)
(2)  dloss/dyhat = -y if y yhat <= 0, else 0          at 0 too, so that a network of zeros learns

Hinge
(1)  loss = sum of max(0, 1 - y yhat)
(2)  dloss/dyhat = -y if y yhat < 1, else 0

References: F. Rosenblatt, The perceptron, Psychological Review 65 (1958); C. Cortes and V. Vapnik, Support-vector networks,
Machine Learning 20 (1995).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.loss import Loss, operation


class _Sides(Loss):
    def check_values(self, y: np.ndarray) -> None:
        wrong = y[np.abs(y) != 1]
        if wrong.size:
            advice = "; from 0 and 1, take np.where(np.asarray(y) == 1, 1, -1)" if np.isin(y, (0, 1)).all() else ""
            raise ValueError(f"{self}: y holds {wrong.flat[0]:g}, expected labels -1 and 1{advice}")

    def decoded(self, yhat: Any) -> np.ndarray:
        return np.where(np.asarray(yhat) > 0, 1, -1)

    @operation
    def hits(y, yhat, out):
        # right if every score has the sign of its label
        for i in range(yhat.shape[0]):
            wrong = 0
            for j in range(yhat.shape[1]):
                wrong += not (y[i, j] * yhat[i, j] > 0)
            out[i] = wrong == 0

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(0)
        shapes = ((4,), (1, 3), (5, 2), (3, 2, 2))
        return [(cls(), np.where(rng.random(s) > 0.5, 1.0, -1.0), 2 * rng.normal(size=s)) for s in shapes]


class Perceptron(_Sides):
    """The perceptron's loss: how far a score lies on the wrong side.

    Shape
    -----
    y : labels -1 and 1. yhat : scores, of the same shape. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> Perceptron().forward([1, -1], [2.0, 2.0])
    array([0., 2.])
    """

    @operation
    def forward(y, yhat, out, c):
        # y, yhat (batch, features), out (batch,)
        for i in range(yhat.shape[0]):
            total = c.zero
            for j in range(yhat.shape[1]):
                behind = -y[i, j] * yhat[i, j]
                total += c.zero if behind < c.zero else behind
            out[i] = total                                                            # (1)

    @operation
    def backward(y, yhat, delta, c):
        # out = sum of max(0, -y yhat)
        for i in range(yhat.shape[0]):
            for j in range(yhat.shape[1]):
                delta[i, j] = c.zero if y[i, j] * yhat[i, j] > c.zero else -y[i, j]   # (2)


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

    @operation
    def forward(y, yhat, out, c):
        # y, yhat (batch, features), out (batch,)
        for i in range(yhat.shape[0]):
            total = c.zero
            for j in range(yhat.shape[1]):
                short = c.one - y[i, j] * yhat[i, j]
                total += c.zero if short < c.zero else short
            out[i] = total                                                            # (1)

    @operation
    def backward(y, yhat, delta, c):
        # out = sum of max(0, 1 - y yhat)
        for i in range(yhat.shape[0]):
            for j in range(yhat.shape[1]):
                delta[i, j] = c.zero if y[i, j] * yhat[i, j] >= c.one else -y[i, j]   # (2)
