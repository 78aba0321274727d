"""Cross-entropy over classes: the loss of a prediction is minus the logarithm of what it gives to the truth.

y labels (batch, ...) or probability rows t (batch, ..., classes); yhat (batch, ..., classes). A label y is the row t with
t[y] = 1. With more axes, the losses of the positions of an example add up.

NLL, yhat log-probabilities
(1)  loss = - sum over j of t[j] yhat[j]                    for a label: -yhat[y]
(2)  dloss/dyhat[j] = -t[j]

CrossEntropy, yhat = a scores, with p = softmax(a)
(1)  loss = - sum over j of t[j] log p[j] = sum over j of t[j] (lse - a[j])
     lse = top + log(sum over k of exp(a[k] - top)), top = max(a): no exponential exceeds 1
(2)  dloss/da[j] = p[j] sum(t) - t[j]                       dlse/da[j] = p[j]

0 log 0 is 0 in both: a class that has probability 0 in t adds nothing, whatever its score. Label smoothing s replaces t by
(1 - s) t + s / classes.

Reference: C. Szegedy and others, Rethinking the Inception architecture for computer vision, CVPR 2016 (smoothing).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.kernels import flat, in_rows, inline, inline_always, room
from modnet.kernels.mathfun import log
from modnet.kernels.softmax_rows import exp_rows, label_at, sum_row
from modnet.loss import ClassLoss, Setting, operation


@inline
def _truth(y, r, j, classes, labels):
    """t[j] of position r, from its label or its row."""
    if labels:
        return y.dtype.type(1.0) if y[r] == j else y.dtype.type(0.0)
    return y[r * classes + j]


@inline_always
def _counted(logp, t, zero):
    """A logarithm that is to be multiplied by t: 0 if t is 0 and it is infinite. A NaN stays NaN."""
    return zero if t == zero and np.isinf(logp) else logp


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

    @operation
    def forward(y, yhat, out, z, c):
        # y (batch, positions) or (batch, positions * classes), yhat (batch, positions * classes), out (batch,)
        classes, labels = z.classes, z.labels
        y, logp = flat(y), in_rows(yhat, classes)
        positions = logp.shape[0] // out.size
        for i in range(out.size):
            out[i] = c.zero
        for r in range(logp.shape[0]):
            if labels:
                truth = label_at(y, r, classes)
                total = logp[r, truth] if truth >= 0 else logp.dtype.type(np.nan)
            else:
                total = c.zero
                for j in range(classes):
                    t = y[r * classes + j]
                    total += t * _counted(logp[r, j], t, c.zero)
            out[r // positions] -= total                                              # (1)

    @operation
    def backward(y, delta, z):
        # out = - sum of t[j] yhat[j]
        classes, labels = z.classes, z.labels
        y, delta = flat(y), in_rows(delta, classes)
        for r in range(delta.shape[0]):
            for j in range(classes):
                delta[r, j] = -_truth(y, r, j, classes, labels)                       # (2)


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

    label_smoothing = Setting("from 0 up to 1", lambda v: 0 <= v < 1)

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    @operation
    def forward(y, yhat, out, c, z):
        # y (batch, positions) or (batch, positions * classes), yhat = a (batch, positions * classes), out (batch,)
        classes, labels = z.classes, z.labels
        keep, floor = c.one - c.label_smoothing, c.label_smoothing / yhat.dtype.type(classes)
        y, a = flat(y), in_rows(yhat, classes)
        rows = a.shape[0]
        positions = rows // out.size
        e, top, rest = in_rows(room(a.size, a), classes), room(rows, a), room(rows, a)
        exp_rows(a, e, top)
        for r in range(rows):
            rest[r] = sum_row(e, r)
        for r in range(rows):
            rest[r] = log(rest[r])                                                    # lse - top
        for i in range(out.size):
            out[i] = c.zero
        for r in range(rows):
            if labels and c.label_smoothing == c.zero:
                truth = label_at(y, r, classes)
                total = rest[r] - (a[r, truth] - top[r]) if truth >= 0 else a.dtype.type(np.nan)
            else:
                total = c.zero
                for j in range(classes):
                    t = keep * _truth(y, r, j, classes, labels) + floor
                    total += t * _counted(rest[r] - (a[r, j] - top[r]), t, c.zero)
            out[r // positions] += total                                              # (1)

    @operation
    def backward(y, yhat, delta, c, z):
        # out = sum of t[j] (lse - a[j])
        classes, labels = z.classes, z.labels
        keep, floor = c.one - c.label_smoothing, c.label_smoothing / yhat.dtype.type(classes)
        y, a, p = flat(y), in_rows(yhat, classes), in_rows(delta, classes)
        rows = a.shape[0]
        exp_rows(a, p, room(rows, a))
        for r in range(rows):
            share = c.one / sum_row(p, r)
            if labels and c.label_smoothing == c.zero:
                for j in range(classes):
                    p[r, j] *= share
                truth = label_at(y, r, classes)
                if truth >= 0:
                    p[r, truth] -= c.one                                              # (2)
                else:
                    for j in range(classes):
                        p[r, j] = a.dtype.type(np.nan)
            else:
                whole = c.zero
                for j in range(classes):
                    whole += keep * _truth(y, r, j, classes, labels) + floor
                for j in range(classes):
                    t = keep * _truth(y, r, j, classes, labels) + floor
                    p[r, j] = p[r, j] * share * whole - t                             # (2)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({f'label_smoothing={self.label_smoothing:g}' if self.label_smoothing else ''})"

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        found = super().examples()
        return found + [(cls(label_smoothing=0.1), y, yhat) for _, y, yhat in found[::2]]
