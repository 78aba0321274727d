"""Cross-entropy over classes: the cost of a prediction is minus the logarithm of what it gives to the truth.

y labels (batch, ...) or probability rows t (batch, ..., classes); yhat (batch, ..., classes). A label y is the row t with
t[y] = 1. Positions, where there are more axes, add up.

NLL, yhat log-probabilities
(1)  cost = - sum over j of t[j] yhat[j]                    for a label: -yhat[y]
(2)  dcost/dyhat[j] = -t[j]

CrossEntropy, yhat = z scores, with p = softmax(z)
(1)  cost = - sum over j of t[j] log p[j] = sum over j of t[j] (lse - z[j])
     lse = top + log(sum over k of exp(z[k] - top)), top = max(z): no exponential exceeds 1
(2)  dcost/dz[j] = p[j] sum(t) - t[j]                       dlse/dz[j] = p[j]

Label smoothing s replaces t by (1 - s) t + s / classes.

Reference: C. Szegedy and others, Rethinking the Inception architecture for computer vision, CVPR 2016 (smoothing).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.arrays import real
from modnet.kernels import inline, kernel
from modnet.loss import ClassLoss
from modnet.mathfun import exp, log


@inline
def _truth(y, i, row, j, classes, labels):
    """t[j] of a position: from its label or its row."""
    if labels:
        return y.dtype.type(1.0) if y[i, row] == j else y.dtype.type(0.0)
    return y[i, row * classes + j]


@kernel("cost")
def nll_cost(y, yhat, cost, sizes, hyper):
    # y (batch, rows) or (batch, rows * classes), yhat (batch, rows * classes), cost (batch,)
    classes, labels = sizes[0], sizes[1]
    for i in range(yhat.shape[0]):
        total = yhat.dtype.type(0.0)
        for row in range(yhat.shape[1] // classes):
            if labels:
                total -= yhat[i, row * classes + int(y[i, row])]
            else:
                for j in range(classes):
                    total -= y[i, row * classes + j] * yhat[i, row * classes + j]
        cost[i] = total


@kernel("slope")
def nll_slope(y, yhat, delta, sizes, hyper):
    # cost = - sum of t[j] yhat[j]
    classes, labels = sizes[0], sizes[1]
    for i in range(yhat.shape[0]):
        for row in range(yhat.shape[1] // classes):
            for j in range(classes):
                delta[i, row * classes + j] = -_truth(y, i, row, j, classes, labels)


@kernel("cost")
def cross_entropy_cost(y, z, cost, sizes, hyper):
    # y (batch, rows) or (batch, rows * classes), z (batch, rows * classes), cost (batch,)
    classes, labels = sizes[0], sizes[1]
    smoothing = z.dtype.type(hyper[0])
    keep, floor = z.dtype.type(1.0) - smoothing, smoothing / z.dtype.type(classes)
    for i in range(z.shape[0]):
        cost[i] = 0
        for row in range(z.shape[1] // classes):
            scores = z[i, row * classes : (row + 1) * classes]
            top = scores.max()
            total = z.dtype.type(0.0)
            for j in range(classes):
                total += exp(scores[j] - top)
            rest = log(total)
            if labels and smoothing == 0:
                cost[i] += rest - (scores[int(y[i, row])] - top)
            else:
                for j in range(classes):
                    t = keep * _truth(y, i, row, j, classes, labels) + floor
                    cost[i] += t * (rest - (scores[j] - top))


@kernel("slope")
def cross_entropy_slope(y, z, delta, sizes, hyper):
    # cost = sum of t[j] (lse - z[j])
    classes, labels = sizes[0], sizes[1]
    smoothing = z.dtype.type(hyper[0])
    keep, floor = z.dtype.type(1.0) - smoothing, smoothing / z.dtype.type(classes)
    for i in range(z.shape[0]):
        for row in range(z.shape[1] // classes):
            scores = z[i, row * classes : (row + 1) * classes]
            p = delta[i, row * classes : (row + 1) * classes]
            top = scores.max()
            total = z.dtype.type(0.0)
            for j in range(classes):
                p[j] = exp(scores[j] - top)
            # A loop that also stored would be vectorised or not by where z and delta lie, and so add up in another order.
            for j in range(classes):
                total += p[j]
            if labels and smoothing == 0:
                for j in range(classes):
                    p[j] /= total
                p[int(y[i, row])] -= z.dtype.type(1.0)
            else:
                whole = z.dtype.type(0.0)
                for j in range(classes):
                    whole += keep * _truth(y, i, row, j, classes, labels) + floor
                for j in range(classes):
                    t = keep * _truth(y, i, row, j, classes, labels) + floor
                    p[j] = p[j] / total * whole - t


@kernel("hits")
def class_hits(y, yhat, hit, sizes, hyper):
    # right where the largest of yhat is at the label, or at the largest of the row; the share of positions that are
    classes, labels = sizes[0], sizes[1]
    rows = yhat.shape[1] // classes
    for i in range(yhat.shape[0]):
        right = 0
        for row in range(rows):
            guess = np.argmax(yhat[i, row * classes : (row + 1) * classes])
            truth = int(y[i, row]) if labels else np.argmax(y[i, row * classes : (row + 1) * classes])
            right += guess == truth
        hit[i] = right / rows


class NLL(ClassLoss):
    """Negative log-likelihood: minus the log-probability given to the true class. It goes after `LogSoftmax`.

    Shape
    -----
    y : integer labels (batch, ...), 0 to classes - 1, or probability rows of yhat's shape.
    yhat : (batch, ..., classes), log-probabilities. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> float(NLL().forward([1], np.log([[0.5, 0.5]]))[0])  # log 2
    0.6931471805599453
    """

    cost_kernel, slope_kernel, hits_kernel = nll_cost, nll_slope, class_hits


class CrossEntropy(ClassLoss):
    """Cross-entropy of scores (logits): the softmax is part of it, so it is exact at any size.

    Parameters
    ----------
    label_smoothing : from 0 up to 1: how much of the truth is spread evenly over all classes.

    Shape
    -----
    y : integer labels (batch, ...), 0 to classes - 1, or probability rows of yhat's shape.
    yhat : (batch, ..., classes), scores. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> CrossEntropy().forward([0], [[1000.0, 0.0]])
    array([0.])
    """

    cost_kernel, slope_kernel, hits_kernel = cross_entropy_cost, cross_entropy_slope, class_hits

    def __init__(self, label_smoothing: float = 0.0) -> None:
        value = real(label_smoothing, "CrossEntropy", "label_smoothing", "from 0 up to 1", lambda v: 0 <= v < 1)
        super().__init__([value])

    @property
    def label_smoothing(self) -> float:
        """The share of the truth that is spread over all classes."""
        return float(self._hyper[0])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({f'label_smoothing={self.label_smoothing:g}' if self.label_smoothing else ''})"

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        found = super().examples()
        return found + [(cls(label_smoothing=0.1), y, yhat) for _, y, yhat in found[::2]]
