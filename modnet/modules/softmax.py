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

import numpy as np

from modnet.kernels import flat, in_rows, kernel
from modnet.mathfun import exp, log
from modnet.module import KernelModule, Shape, ShapeError
from modnet.rows import exp_rows, sum_row


@kernel("forward")
def softmax_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, rows * n)
    n = sizes[0]
    x, out = in_rows(x, n), in_rows(out, n)
    exp_rows(x, out, np.empty(x.shape[0], x.dtype))
    for i in range(x.shape[0]):
        share = x.dtype.type(1.0) / sum_row(out, i)
        for j in range(n):
            out[i, j] *= share


@kernel("backward")
def softmax_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out[j] = exp(x[j] - top) / sum of exp(x - top)
    n = sizes[0]
    out, delta, dx = in_rows(out, n), in_rows(delta, n), in_rows(dx, n)
    for i in range(out.shape[0]):
        mean = out.dtype.type(0.0)
        for j in range(n):
            mean += delta[i, j] * out[i, j]
        for j in range(n):
            dx[i, j] = out[i, j] * (delta[i, j] - mean)


@kernel("forward")
def log_softmax_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, rows * n)
    n = sizes[0]
    x, out = in_rows(x, n), in_rows(out, n)
    rows = x.shape[0]
    top, rest = np.empty(rows, x.dtype), np.empty(rows, x.dtype)
    exp_rows(x, out, top)
    for i in range(rows):
        rest[i] = sum_row(out, i)
    for i in range(rows):
        rest[i] = log(rest[i])
    for i in range(rows):
        for j in range(n):
            out[i, j] = (x[i, j] - top[i]) - rest[i]


@kernel("backward")
def log_softmax_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out[j] = x[j] - top - log(sum of exp(x - top))
    n = sizes[0]
    flat_out, flat_dx = flat(out), flat(dx)
    for i in range(flat_dx.size):
        flat_dx[i] = exp(flat_out[i])
    delta, dx = in_rows(delta, n), in_rows(dx, n)
    for i in range(dx.shape[0]):
        total = sum_row(delta, i)
        for j in range(n):
            dx[i, j] = delta[i, j] - dx[i, j] * total


class _OverLastAxis(KernelModule):
    keeps_features = True
    uses_output = True

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape:
            raise ShapeError(self, input_shape, "(batch, ..., classes)")
        return tuple(input_shape)

    def sizes(self, input_shape: Shape) -> Shape:
        return (input_shape[-1],)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(), (1, 5)), (cls(), (2, 3, 4)), (cls(), (3, 1))]

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Softmax(_OverLastAxis):
    """Probabilities from scores: positive, of sum 1 over the last axis, at any size of the scores.

    Before `CrossEntropy` it is one too many: that loss takes the scores.

    Shape
    -----
    (batch, ..., classes) -> the same

    Example
    -------
    >>> Softmax().forward([[1000.0, 1000.0]])
    array([[0.5, 0.5]])
    """

    forward_kernel, backward_kernel = softmax_forward, softmax_backward


class LogSoftmax(_OverLastAxis):
    """The logarithm of `Softmax`, exact where a probability is too small to be written. `NLL` takes it.

    Shape
    -----
    (batch, ..., classes) -> the same

    Example
    -------
    >>> LogSoftmax().forward([[0.0, 1000.0]])
    array([[-1000.,     0.]])
    """

    forward_kernel, backward_kernel = log_softmax_forward, log_softmax_backward
