"""Huber's loss: a square near the truth, a straight line far from it.

y, yhat (batch, ...), e = yhat - y; d > 0 is the size of error at which the one becomes the other. Sums run over all features of
an example.

(1)  loss = sum of e^2 / 2 if |e| <= d, else d (|e| - d / 2)
(2)  dloss/dyhat = e if |e| <= d, else d sign(e): e held between -d and d

Both pieces and their slopes meet at |e| = d. With a large d this is half of the squared error, with a small one d times the
absolute error.

Reference: P. Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35 (1964).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.loss import Setting
from modnet.losses.featurewise import Featurewise


class Huber(Featurewise):
    """Squared if the error is small, absolute if it is large, summed over the features of an example.

    Parameters
    ----------
    delta : positive: the error beyond which the loss is a straight line.

    Shape
    -----
    y, yhat : (batch,), (batch, features) or more axes, the same for both. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> Huber(delta=1.0).forward([0.0, 0.0], [0.5, 3.0])
    array([0.125, 2.5  ])
    """

    delta = Setting("a positive number", lambda v: v > 0, default=1.0)

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = delta

    @staticmethod
    def f(y, yhat, c):
        d, e, half = c.delta, abs(yhat - y), c.one / (c.one + c.one)
        return d * (e - half * d) if e > d else half * e * e           # (1)

    @staticmethod
    def derivative(y, yhat, c):
        d, e = c.delta, yhat - y
        return d if e > d else -d if e < -d else e                     # (2)

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        found = super().examples()
        return found + [(cls(delta=0.3), y, yhat) for _, y, yhat in found[::2]]
