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

from modnet.kernels import Shape
from modnet.losses.featurewise import Decided, at_least


class _Sides(Decided):
    def check_values(self, y: np.ndarray) -> None:
        wrong = y[np.abs(y) != 1]
        if wrong.size:
            advice = "; from 0 and 1, take np.where(np.asarray(y) == 1, 1, -1)" if np.isin(y, (0, 1)).all() else ""
            raise ValueError(f"{self}: y holds {wrong.flat[0]:g}, expected labels -1 and 1{advice}")

    def decoded(self, yhat: Any) -> np.ndarray:
        return np.where(np.asarray(yhat) > 0, 1, -1)

    @staticmethod
    def is_right(y, yhat, c):
        return y * yhat > c.zero

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        return np.where(rng.random(shape) > 0.5, 1.0, -1.0), 2 * rng.normal(size=shape)


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

    @staticmethod
    def f(y, yhat, c):
        return at_least(-y * yhat, c.zero)                             # (1)

    @staticmethod
    def derivative(y, yhat, c):
        return c.zero if y * yhat > c.zero else -y                     # (2)


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

    @staticmethod
    def f(y, yhat, c):
        return at_least(c.one - y * yhat, c.zero)                      # (1)

    @staticmethod
    def derivative(y, yhat, c):
        return c.zero if y * yhat >= c.one else -y                     # (2)
