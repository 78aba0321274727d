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
from modnet.kernels import flat, in_rows, inline, kernel
from modnet.loss import ClassLoss
from modnet.mathfun import log
from modnet.rows import exp_rows, sum_row


@inline
def _truth(y, r, j, classes, labels):
    """t[j] of position r, from its label or its row."""
    if labels:
        return y.dtype.type(1.0) if y[r] == j else y.dtype.type(0.0)
    return y[r * classes + j]


@kernel("cost")
def nll_cost(y, yhat, cost, sizes, hyper):
    # y (batch, positions) or (batch, positions * classes), yhat (batch, positions * classes), cost (batch,)
    classes, labels = sizes[0], sizes[1]
    y, logp = flat(y), in_rows(yhat, classes)
    positions = logp.shape[0] // cost.size
    cost[:] = 0
    for r in range(logp.shape[0]):
        if labels:
            total = logp[r, int(y[r])]
        else:
            total = logp.dtype.type(0.0)
            for j in range(classes):
                total += y[r * classes + j] * logp[r, j]
        cost[r // positions] -= total


@kernel("slope")
def nll_slope(y, yhat, delta, sizes, hyper):
    # cost = - sum of t[j] yhat[j]
    classes, labels = sizes[0], sizes[1]
    y, delta = flat(y), in_rows(delta, classes)
    for r in range(delta.shape[0]):
        for j in range(classes):
            delta[r, j] = -_truth(y, r, j, classes, labels)


@kernel("cost")
def cross_entropy_cost(y, z, cost, sizes, hyper):
    # y (batch, positions) or (batch, positions * classes), z (batch, positions * classes), cost (batch,)
    classes, labels = sizes[0], sizes[1]
    smoothing = z.dtype.type(hyper[0])
    keep, floor = z.dtype.type(1.0) - smoothing, smoothing / z.dtype.type(classes)
    y, z = flat(y), in_rows(z, classes)
    rows = z.shape[0]
    positions = rows // cost.size
    e, top, rest = np.empty_like(z), np.empty(rows, z.dtype), np.empty(rows, z.dtype)
    exp_rows(z, e, top)
    for r in range(rows):
        rest[r] = sum_row(e, r)
    for r in range(rows):
        rest[r] = log(rest[r])  # lse - top
    cost[:] = 0
    for r in range(rows):
        if labels and smoothing == 0:
            total = rest[r] - (z[r, int(y[r])] - top[r])
        else:
            total = z.dtype.type(0.0)
            for j in range(classes):
                t = keep * _truth(y, r, j, classes, labels) + floor
                total += t * (rest[r] - (z[r, j] - top[r]))
        cost[r // positions] += total


@kernel("slope")
def cross_entropy_slope(y, z, delta, sizes, hyper):
    # cost = sum of t[j] (lse - z[j])
    classes, labels = sizes[0], sizes[1]
    smoothing, one = z.dtype.type(hyper[0]), z.dtype.type(1.0)
    keep, floor = one - smoothing, smoothing / z.dtype.type(classes)
    y, z, p = flat(y), in_rows(z, classes), in_rows(delta, classes)
    rows = z.shape[0]
    exp_rows(z, p, np.empty(rows, z.dtype))
    for r in range(rows):
        share = one / sum_row(p, r)
        if labels and smoothing == 0:
            for j in range(classes):
                p[r, j] *= share
            p[r, int(y[r])] -= one
        else:
            whole = z.dtype.type(0.0)
            for j in range(classes):
                whole += keep * _truth(y, r, j, classes, labels) + floor
            for j in range(classes):
                t = keep * _truth(y, r, j, classes, labels) + floor
                p[r, j] = p[r, j] * share * whole - t


@inline
def _first_largest(rows, r):
    best = 0
    for j in range(1, rows.shape[1]):
        if rows[r, j] > rows[r, best]:
            best = j
    return best


@kernel("hits")
def class_hits(y, yhat, hit, sizes, hyper):
    # right where yhat is largest, at its first largest, where the truth is; the share of positions that are
    classes, labels = sizes[0], sizes[1]
    y, z = flat(y), in_rows(yhat, classes)
    positions = z.shape[0] // hit.size
    hit[:] = 0
    for r in range(z.shape[0]):
        truth = int(y[r]) if labels else _first_largest(in_rows(y, classes), r)
        ahead = 0
        for j in range(truth):
            ahead += not z[r, j] < z[r, truth]
        for j in range(truth + 1, classes):
            ahead += not z[r, j] <= z[r, truth]
        hit[r // positions] += ahead == 0
    for i in range(hit.size):
        hit[i] /= positions


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
