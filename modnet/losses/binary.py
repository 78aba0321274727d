"""Binary cross-entropy: the loss of saying probability p of something that is true with probability y.

y, yhat (batch, ...), y in [0, 1]; sums run over all features of an example, each a question of its own.

BCE, yhat = p a probability
(1)  loss = - sum of y log p + (1 - y) log(1 - p)           each logarithm at least -100
(2)  dloss/dp = (p - y) / (p (1 - p))                       the divisor at least 1e-12

BCEWithLogits, yhat = a a score, p = sigmoid(a)
(1)  loss = sum of max(a, 0) - a y + log(1 + exp(-|a|))     from log p = -log(1 + exp(-a)), log(1 - p) = -a + log p
(2)  dloss/da = sigmoid(a) - y                              (p - y) / (p (1 - p)) times dp/da = p (1 - p)

The second is exact at any size, infinity included; the first loses everything once p rounds to 0 or 1. The bounds of BCE are
PyTorch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.kernels import Shape, inline_always
from modnet.kernels.mathfun import exp, log, log1p, sigmoid
from modnet.loss import operation, require_probabilities
from modnet.losses.featurewise import Decided, at_least


@inline_always
def _linear(a, y, c):
    """max(a, 0) - a y; if a is infinite its limit, 0 if the answer is right, else infinity."""
    # A score of infinity for y is one of -infinity for 1 - y.
    turn = np.isinf(a) and a > c.zero
    wrong = c.one - y if turn else y
    score = c.zero if np.isinf(a) and wrong == c.zero else -a if turn else a
    return at_least(c.zero if turn else a, c.zero) - score * wrong


class _Binary(Decided):
    def check_values(self, y: np.ndarray) -> None:
        low, high = y.min(), y.max()
        if low < 0 or high > 1:
            advice = "; from -1 and 1, take (np.asarray(y) + 1) / 2" if np.isin(y, (-1, 1)).all() else ""
            raise ValueError(f"{self}: y holds {low if low < 0 else high:g}, expected labels 0 and 1, or between{advice}")


class BCE(_Binary):
    """Binary cross-entropy of probabilities, summed over the features of an example. Logarithms are clipped at -100.

    Predictions outside 0 to 1 are refused: they are scores, for which there is `BCEWithLogits`.

    Shape
    -----
    y, yhat : (batch,), (batch, features) or more axes, the same for both. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> float(BCE().forward([1.0], [0.5])[0])  # log 2
    0.6931471805599453
    """

    def check_prediction(self, yhat: np.ndarray) -> None:
        require_probabilities(self, yhat, "end the network with Sigmoid(), or take BCEWithLogits(), which takes scores")

    @staticmethod
    def f(y, yhat, c):
        lowest = type(yhat)(-100.0)
        return -(y * at_least(log(yhat), lowest) + (c.one - y) * at_least(log1p(-yhat), lowest))  # (1)

    @staticmethod
    def derivative(y, yhat, c):
        return (yhat - y) / at_least(yhat * (c.one - yhat), type(yhat)(1e-12))        # (2)

    @staticmethod
    def is_right(y, yhat, c):
        # both above 1/2, or neither
        return (yhat + yhat > c.one) == (y + y > c.one)

    def decoded(self, yhat: Any) -> np.ndarray:
        return (np.asarray(yhat) > 0.5).astype(np.int64)

    def probabilities(self, yhat: Any) -> np.ndarray:
        return np.asarray(yhat)

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        return (rng.random(shape) > 0.5) * 1.0, rng.uniform(0.05, 0.95, shape)


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

    @staticmethod
    def f(y, yhat, c):
        return _linear(yhat, y, c) + log1p(exp(-abs(yhat)))                           # (1)

    @staticmethod
    def derivative(y, yhat, c):
        return sigmoid(yhat) - y                                                      # (2)

    @staticmethod
    def is_right(y, yhat, c):
        # a score above 0 is a probability above 1/2
        return (yhat > c.zero) == (y + y > c.one)

    @operation
    def at_once(y, yhat, out, right, delta, c):
        # forward, hits and backward in one pass: e = exp(-|a|) is what all logarithms and sigmoids are made of
        half = yhat.dtype.type(0.5)
        for i in range(yhat.shape[0]):
            for j in range(yhat.shape[1]):
                delta[i, j] = exp(-abs(yhat[i, j]))
            total, wrong = c.zero, 0
            for j in range(yhat.shape[1]):
                total += _linear(yhat[i, j], y[i, j], c) + log1p(delta[i, j])         # (1)
            for j in range(yhat.shape[1]):
                e = delta[i, j]
                delta[i, j] = (e if yhat[i, j] < c.zero else c.one) / (c.one + e) - y[i, j]  # (2)
            for j in range(yhat.shape[1]):
                wrong += (yhat[i, j] > c.zero) != (y[i, j] > half)
            out[i], right[i] = total, wrong == 0

    def decoded(self, yhat: Any) -> np.ndarray:
        return (np.asarray(yhat) > 0).astype(np.int64)

    def probabilities(self, yhat: Any) -> np.ndarray:
        scores = np.asarray(yhat)
        e = np.exp(-np.abs(scores))  # no exponential of a large number
        return np.where(scores >= 0, 1 / (1 + e), e / (1 + e))

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        return rng.random(shape), 3 * rng.normal(size=shape)
