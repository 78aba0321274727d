"""Kullback-Leibler divergence: how much longer yhat makes a message than the true probabilities y would.

y, yhat (batch, ...), probabilities; sums run over all features of an example.

(1)  loss = sum over j of y[j] log(y[j] / yhat[j])          0 log 0 = 0; log yhat at least -100
(2)  dloss/dyhat[j] = -y[j] / yhat[j]                       the divisor at least 1e-12

It is cross-entropy minus the entropy of y, which does not depend on yhat: both have the same slope, and this one is 0 if
yhat = y.

Reference: S. Kullback and R. Leibler, On information and sufficiency, Annals of Mathematical Statistics 22 (1951).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.kernels.mathfun import log
from modnet.loss import require_probabilities
from modnet.losses.featurewise import Featurewise, at_least


class KLDivergence(Featurewise):
    """Kullback-Leibler divergence of the prediction from the true probabilities, summed over the features of an example.

    Shape
    -----
    y, yhat : probabilities, such as the output of `Softmax`: (batch,), (batch, features) or more axes, the same for both.
        forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> float(KLDivergence().forward([[1.0, 0.0]], [[0.5, 0.5]])[0])  # log 2
    0.6931471805599453
    """

    @staticmethod
    def f(y, yhat, c):
        own = log(y if y > c.zero else c.one)
        return y * (own - at_least(log(yhat), type(yhat)(-100.0)))     # (1)

    @staticmethod
    def derivative(y, yhat, c):
        return -y / at_least(yhat, type(yhat)(1e-12))                  # (2)

    def check_prediction(self, yhat: np.ndarray) -> None:
        require_probabilities(self, yhat, "end the network with Softmax(); of log-probabilities take np.exp")

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
