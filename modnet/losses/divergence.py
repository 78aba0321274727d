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

from modnet.kernels import inline
from modnet.kernels.mathfun import log
from modnet.loss import Loss, operation, require_probabilities


@inline
def _at_least(x, bound):  # a NaN stays NaN
    return bound if x < bound else x


class KLDivergence(Loss):
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

    @operation
    def forward(y, yhat, out, c):
        # y, yhat (batch, features), out (batch,)
        bound = yhat.dtype.type(-100.0)
        for i in range(yhat.shape[0]):
            total = c.zero
            for j in range(yhat.shape[1]):
                own = log(y[i, j] if y[i, j] > c.zero else c.one)
                total += y[i, j] * (own - _at_least(log(yhat[i, j]), bound))
            out[i] = total                                                            # (1)

    @operation
    def backward(y, yhat, delta):
        # out = sum of y log(y / yhat)
        bound = yhat.dtype.type(1e-12)
        for i in range(yhat.shape[0]):
            for j in range(yhat.shape[1]):
                delta[i, j] = -y[i, j] / _at_least(yhat[i, j], bound)                 # (2)

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
