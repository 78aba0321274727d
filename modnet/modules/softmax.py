"""Softmax and LogSoftmax: scores to probabilities, or to their logarithms, over the last axis.

x, out, delta, dx (batch, ..., n). One row of the last axis at a time, with top = max(x):

Softmax
(1)  out[j] = exp(x[j] - top) / sum over k of exp(x[k] - top)
     Subtracting top changes nothing in the quotient, and no exponential exceeds 1.
(3)  dL/dx[j] = out[j] (delta[j] - sum over k of delta[k] out[k])
     Every output depends on every input: d out[k] / d x[j] = out[k] ([j = k] - out[j]), the full Jacobian. Summing
     delta[k] times it over k gives (3). Its diagonal alone, out[j] (1 - out[j]), is not the derivative.

LogSoftmax
(1)  out[j] = x[j] - top - log(sum over k of exp(x[k] - top))
(3)  dL/dx[j] = delta[j] - exp(out[j]) sum over k of delta[k]
     d out[k] / d x[j] = [j = k] - exp(out[j]), summed over k in the same way.

Neither has parameters.

Reference: J. Bridle, Probabilistic interpretation of feedforward classification network outputs, Neurocomputing (1990).
"""

from __future__ import annotations

from typing import Any

from modnet.kernels import flat, room
from modnet.kernels.mathfun import exp, log
from modnet.kernels.softmax_rows import exp_rows, sum_rows
from modnet.module import Module, Shape, ShapeError, operation


class _OverLastAxis(Module):
    over_last_axis = True
    keeps_features = True

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape or not input_shape[-1]:
            raise ShapeError(self, input_shape, "(batch, ..., classes)", (-1,))
        return tuple(input_shape)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(), (1, 5)), (cls(), (2, 3, 4)), (cls(), (3, 1))]


class Softmax(_OverLastAxis):
    """Probabilities from scores: positive, of sum 1 over the last axis, at any size of the scores.

    Do not put it before `CrossEntropy`: that loss takes the scores.

    Shape
    -----
    (batch, ..., classes) -> the same

    Example
    -------
    >>> Softmax().forward([[1000.0, 1000.0]])
    array([[0.5, 0.5]])
    """

    @operation
    def forward(x, out, c):
        # x, out (rows, n)
        total = room(x.shape[0], x)
        exp_rows(x, out, total)
        sum_rows(out, total)
        for i in range(x.shape[0]):
            share = c.one / total[i]
            for j in range(x.shape[1]):
                out[i, j] *= share                                     # (1)

    @operation
    def backward_delta(out, delta, dx, c):
        # out[j] = exp(x[j] - top) / sum of exp(x - top)
        for i in range(out.shape[0]):
            mean = c.zero
            for j in range(out.shape[1]):
                mean += delta[i, j] * out[i, j]
            for j in range(out.shape[1]):
                dx[i, j] = out[i, j] * (delta[i, j] - mean)            # (3)


class LogSoftmax(_OverLastAxis):
    """The logarithm of `Softmax`, exact even if a probability is too small to be written. `NLL` takes it.

    Shape
    -----
    (batch, ..., classes) -> the same

    Example
    -------
    >>> LogSoftmax().forward([[0.0, 1000.0]])
    array([[-1000.,     0.]])
    """

    @operation
    def forward(x, out):
        # x, out (rows, n)
        rows = x.shape[0]
        top, rest = room(rows, x), room(rows, x)
        exp_rows(x, out, top)
        sum_rows(out, rest)
        for i in range(rows):
            rest[i] = log(rest[i])
        for i in range(rows):
            for j in range(x.shape[1]):
                out[i, j] = (x[i, j] - top[i]) - rest[i]               # (1)

    @operation
    def backward_delta(out, delta, dx):
        # out[j] = x[j] - top - log(sum of exp(x - top))
        flat_out, flat_dx = flat(out), flat(dx)
        for i in range(flat_dx.size):
            flat_dx[i] = exp(flat_out[i])
        total = room(dx.shape[0], dx)
        sum_rows(delta, total)
        for i in range(dx.shape[0]):
            for j in range(dx.shape[1]):
                dx[i, j] = delta[i, j] - dx[i, j] * total[i]              # (3)
