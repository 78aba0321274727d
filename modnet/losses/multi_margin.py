"""Margin cost over classes: every other class should score a margin below the true one.

y labels c (batch, ...), yhat = s scores (batch, ..., classes), margin m. Positions, where there are more axes, add up.

(1)  cost = sum over j other than c of max(0, s[j] - (s[c] - m))
(2)  dcost/ds[j] = 1 where s[j] - s[c] + m > 0, else 0, for j other than c
     dcost/ds[c] = - the number of classes for which that is 1

With m = 0 a point may come to rest on the border between two classes; with m > 0 it is moved inside. The sum is not divided by
the number of classes.

Reference: J. Weston and C. Watkins, Support vector machines for multi-class pattern recognition, ESANN 1999.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.arrays import real
from modnet.kernels import kernel
from modnet.loss import ClassLoss, Shape


@kernel("cost")
def cost(y, s, cost, sizes, hyper):
    # y (batch, rows), s (batch, rows * classes), cost (batch,)
    classes, m, zero = sizes[0], s.dtype.type(hyper[0]), s.dtype.type(0.0)
    for i in range(s.shape[0]):
        total = zero
        for row in range(s.shape[1] // classes):
            c = int(y[i, row])
            bound = s[i, row * classes + c] - m
            for j in range(classes):
                above = s[i, row * classes + j] - bound
                if j != c:
                    total += zero if above < zero else above
        cost[i] = total


@kernel("slope")
def slope(y, s, delta, sizes, hyper):
    # cost = sum over j other than c of max(0, s[j] - (s[c] - m))
    classes, m = sizes[0], s.dtype.type(hyper[0])
    zero, one = s.dtype.type(0.0), s.dtype.type(1.0)
    for i in range(s.shape[0]):
        for row in range(s.shape[1] // classes):
            c = row * classes + int(y[i, row])
            bound = s[i, c] - m
            count = zero
            for j in range(row * classes, (row + 1) * classes):
                delta[i, j] = one if j != c and s[i, j] - bound > zero else zero
                count += delta[i, j]
            delta[i, c] = -count


@kernel("hits")
def hits(y, s, hit, sizes, hyper):
    # right where the largest score is the label's; the share of positions that are
    classes = sizes[0]
    rows = s.shape[1] // classes
    for i in range(s.shape[0]):
        right = 0
        for row in range(rows):
            right += np.argmax(s[i, row * classes : (row + 1) * classes]) == int(y[i, row])
        hit[i] = right / rows


class MultiMargin(ClassLoss):
    """How far the other classes' scores reach above that of the true class less a margin, summed over the other classes.

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

    cost_kernel, slope_kernel, hits_kernel = cost, slope, hits

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__([real(margin, "MultiMargin", "margin", "a number that is not negative", lambda v: v >= 0)])

    @property
    def margin(self) -> float:
        """By how much the true class should lead."""
        return float(self._hyper[0])

    def targets(self, y: Any, yhat_shape: Shape, dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
        found, sizes = super().targets(y, yhat_shape, dtype)
        if sizes[1]:
            return found, sizes
        rows = found.reshape(*yhat_shape)
        mixed = ((rows != 0) & (rows != 1)).any(-1) | (rows.sum(-1) != 1)
        if mixed.any():
            raise ValueError(f"{self}: y has the row {rows[mixed][0]}, expected labels, or rows with a single 1")
        return super().targets(rows.argmax(-1), yhat_shape, dtype)

    def __repr__(self) -> str:
        return f"MultiMargin(margin={self.margin:g})"

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        labels = [(cls(), y, yhat) for _, y, yhat in super().examples() if y.dtype.kind == "i"]
        return [*labels, (cls(margin=2.0), *labels[0][1:]), (cls(), np.eye(3)[[2, 0, 1]], 2 * np.eye(3)[[0, 2, 1]] - 0.3)]
