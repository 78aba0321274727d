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

from modnet.kernels import inline, inline_always
from modnet.kernels.mathfun import exp, log, log1p, sigmoid
from modnet.loss import Loss, operation, require_probabilities


@inline
def _at_least(x, bound):  # a NaN stays NaN
    return bound if x < bound else x


@inline_always
def _linear(a, y, c):
    """max(a, 0) - a y; if a is infinite its limit, 0 if the answer is right, else infinity."""
    # A score of infinity for y is one of -infinity for 1 - y.
    turn = np.isinf(a) and a > c.zero
    wrong = c.one - y if turn else y
    score = c.zero if np.isinf(a) and wrong == c.zero else -a if turn else a
    return _at_least(c.zero if turn else a, c.zero) - score * wrong


class _Binary(Loss):
    def check_values(self, y: np.ndarray) -> None:
        low, high = y.min(), y.max()
        if low < 0 or high > 1:
            raise ValueError(f"{self}: y holds {low if low < 0 else high:g}, expected labels 0 and 1, or between")


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

    @operation
    def forward(y, yhat, out, c):
        # y, yhat = p (batch, features), out (batch,)
        bound = yhat.dtype.type(-100.0)
        for i in range(yhat.shape[0]):
            total = c.zero
            for j in range(yhat.shape[1]):
                yes, no = _at_least(log(yhat[i, j]), bound), _at_least(log1p(-yhat[i, j]), bound)
                total -= y[i, j] * yes + (c.one - y[i, j]) * no                       # (1)
            out[i] = total

    @operation
    def backward(y, yhat, delta, c):
        # out = - sum of y log p + (1 - y) log(1 - p)
        bound = yhat.dtype.type(1e-12)
        for i in range(yhat.shape[0]):
            for j in range(yhat.shape[1]):
                p = yhat[i, j]
                delta[i, j] = (p - y[i, j]) / _at_least(p * (c.one - p), bound)       # (2)

    def decoded(self, yhat: Any) -> np.ndarray:
        return (np.asarray(yhat) > 0.5).astype(np.int64)

    def probabilities(self, yhat: Any) -> np.ndarray:
        return np.asarray(yhat)

    @operation
    def hits(y, yhat, out):
        # right if every feature is on the same side of 1/2 as the truth
        half = yhat.dtype.type(0.5)
        for i in range(yhat.shape[0]):
            wrong = 0
            for j in range(yhat.shape[1]):
                wrong += (yhat[i, j] > half) != (y[i, j] > half)
            out[i] = wrong == 0

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

    @operation
    def forward(y, yhat, out, c):
        # y, yhat = a (batch, features), out (batch,)
        for i in range(yhat.shape[0]):
            total = c.zero
            for j in range(yhat.shape[1]):
                total += _linear(yhat[i, j], y[i, j], c) + log1p(exp(-abs(yhat[i, j])))  # (1)
            out[i] = total

    @operation
    def backward(y, yhat, delta):
        # out = - sum of y log sigmoid(a) + (1 - y) log(1 - sigmoid(a))
        for i in range(yhat.shape[0]):
            for j in range(yhat.shape[1]):
                delta[i, j] = sigmoid(yhat[i, j]) - y[i, j]                           # (2)

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

    @operation
    def hits(y, yhat, out, c):
        # a score above 0 is a probability above 1/2
        half = yhat.dtype.type(0.5)
        for i in range(yhat.shape[0]):
            wrong = 0
            for j in range(yhat.shape[1]):
                wrong += (yhat[i, j] > c.zero) != (y[i, j] > half)
            out[i] = wrong == 0

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(0)
        shapes = ((4,), (1, 3), (5, 2), (3, 2, 2))
        return [(cls(), rng.random(s), 3 * rng.normal(size=s)) for s in shapes]
