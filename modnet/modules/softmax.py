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

from modnet.kernels import kernel
from modnet.mathfun import exp, log
from modnet.module import KernelModule, Shape, ShapeError


@kernel("forward")
def softmax_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, rows * n)
    n = sizes[0]
    x, out = x.reshape(x.size // n, n), out.reshape(x.size // n, n)
    for i in range(x.shape[0]):
        top = x[i].max()
        total = x.dtype.type(0.0)
        for j in range(n):
            out[i, j] = exp(x[i, j] - top)
            total += out[i, j]
        for j in range(n):
            out[i, j] /= total


@kernel("backward")
def softmax_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out[j] = exp(x[j] - top) / sum of exp(x - top)
    n = sizes[0]
    rows = x.size // n
    out, delta, dx = out.reshape(rows, n), delta.reshape(rows, n), dx.reshape(rows, n)
    for i in range(rows):
        mean = x.dtype.type(0.0)
        for j in range(n):
            mean += delta[i, j] * out[i, j]
        for j in range(n):
            dx[i, j] = out[i, j] * (delta[i, j] - mean)


@kernel("forward")
def log_softmax_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, rows * n)
    n = sizes[0]
    x, out = x.reshape(x.size // n, n), out.reshape(x.size // n, n)
    for i in range(x.shape[0]):
        top = x[i].max()
        total = x.dtype.type(0.0)
        for j in range(n):
            total += exp(x[i, j] - top)
        normaliser = log(total)
        for j in range(n):
            out[i, j] = (x[i, j] - top) - normaliser


@kernel("backward")
def log_softmax_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out[j] = x[j] - top - log(sum of exp(x - top))
    n = sizes[0]
    rows = x.size // n
    out, delta, dx = out.reshape(rows, n), delta.reshape(rows, n), dx.reshape(rows, n)
    for i in range(rows):
        total = x.dtype.type(0.0)
        for j in range(n):
            total += delta[i, j]
        for j in range(n):
            dx[i, j] = delta[i, j] - exp(out[i, j]) * total


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
