"""Margin loss over classes: the true class should score a margin above every other one.

y labels k (batch, ...), yhat = a scores (batch, ..., classes), margin m. With more axes, the losses of the positions of an
example add up.

(1)  loss = sum over j other than k of max(0, a[j] - (a[k] - m))
(2)  dloss/da[j] = 1 if a[j] - (a[k] - m) > 0, else 0, for j other than k
     dloss/da[k] = - the number of classes for which that is 1

With m = 0 a point may come to rest on the border between two classes; with m > 0 it is moved inside. The sum is not divided by
the number of classes.

Reference: J. Weston and C. Watkins, Support vector machines for multi-class pattern recognition, ESANN 1999.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.kernels import Shape, flat, in_rows
from modnet.kernels.softmax_rows import label_at
from modnet.loss import ClassLoss, Setting, Z, operation


class MultiMargin(ClassLoss):
    """How far the scores of other classes exceed the score of the true class less a margin, summed over the other classes.

    Parameters
    ----------
    margin : by how much the true class should lead, not negative.

    Shape
    -----
    y : integer labels (batch, ...), 0 to classes - 1, or one-hot rows of yhat's shape.
    yhat : (batch, ..., classes), scores. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> MultiMargin(margin=1.0).forward([0], [[2.0, 1.5, -3.0]])
    array([0.5])
    """

    margin = Setting("a number that is not negative", lambda v: v >= 0, default=1.0)

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = margin

    @operation
    def forward(y, yhat, out, c, z):
        # y (batch, positions), yhat = a (batch, positions * classes), out (batch,)
        classes, m = z.classes, c.margin
        y, a = flat(y), in_rows(yhat, classes)
        positions = a.shape[0] // out.size
        for i in range(out.size):
            total = c.zero
            for r in range(i * positions, (i + 1) * positions):
                k = label_at(y, r, classes)
                bound = a[r, k] - m if k >= 0 else a.dtype.type(np.nan)
                for j in range(classes):
                    above = a[r, j] - bound
                    if j != k:
                        total += c.zero if above < c.zero else above
            out[i] = total                                                            # (1)

    @operation
    def backward(y, yhat, delta, c, z):
        # out = sum over j other than k of max(0, a[j] - (a[k] - m))
        classes, m = z.classes, c.margin
        y, a, da = flat(y), in_rows(yhat, classes), in_rows(delta, classes)
        for r in range(a.shape[0]):
            k = label_at(y, r, classes)
            if k < 0:
                for j in range(classes):
                    da[r, j] = a.dtype.type(np.nan)
                continue
            bound = a[r, k] - m
            count = c.zero
            for j in range(classes):
                da[r, j] = c.one if j != k and a[r, j] - bound > c.zero else c.zero
                count += da[r, j]
            da[r, k] = -count                                                         # (2)

    def targets(self, y: Any, yhat_shape: Shape, dtype: np.dtype[Any]) -> tuple[np.ndarray, Z]:
        found, z = super().targets(y, yhat_shape, dtype)
        if z.record["labels"][0]:
            return found, z
        rows = found.reshape(*yhat_shape)
        mixed = ((rows != 0) & (rows != 1)).any(-1) | (rows.sum(-1) != 1)
        if mixed.any():
            raise ValueError(f"{self}: y has the row {rows[mixed][0]}, expected labels, or rows with a single 1")
        return super().targets(rows.argmax(-1), yhat_shape, dtype)

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        labels = [(cls(), y, yhat) for _, y, yhat in super().examples() if y.dtype.kind == "i"]
        return [*labels, (cls(margin=2.0), *labels[0][1:]), (cls(), np.eye(3)[[2, 0, 1]], 2 * np.eye(3)[[0, 2, 1]] - 0.3)]
