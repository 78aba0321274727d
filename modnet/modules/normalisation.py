"""BatchNorm and LayerNorm: mean 0 and variance 1, then a scale and a shift that are learned.

x, out, delta, dx (batch, ..., n), w and b (n,). All leading axes together make rows, x (rows, n). mean and var are over the
rows for each feature (BatchNorm in training), or over the features of each row (LayerNorm); N is how many numbers that is.

(1)  h = (x - mean) r,  r = 1 / sqrt(var + eps),  var = sum of (x - mean)^2 / N
     out = h w + b
(2)  dL/dw = sum over the rows of delta h
     dL/db = sum over the rows of delta
(3)  with g = delta w, and both means over the N numbers that mean and var are of:
     dL/dx = r (g - mean(g) - h mean(g h))
     x is in h by itself, in mean with factor 1/N, and in var with factor 2 (x - mean) / N: the three terms.

BatchNorm in evaluation: mean and var are the running ones, constants. (3) is then dL/dx = r g.

Sums are of differences to a number near the mean, a few at a time in x's type, and go on in float64. Of float32 numbers
sixteen are then one instruction, which halves the time of 256 x 1000; h is 5e-7 off at most, 2e-7 by float64 throughout.

References: S. Ioffe and C. Szegedy, Batch normalization, ICML 2015; J. Ba, J. Kiros and G. Hinton, Layer normalization (2016),
arXiv:1607.06450.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from modnet.kernels import inline, inline_always, vector_at
from modnet.module import Module, Parameter, Setting, Shape, Size, State, operation, with_drawn_parameters

#: So many numbers, or rows, are added up in x's type, in many short sums at once, before their sum goes on in float64.
_BLOCK, _ROWS = 256, 8

#: Rows of fewer numbers than this times the bytes of one gain nothing by it.
_SHORT = 12


@inline_always
def _is_lost(squares, count, eps):
    """Whether squares of float32 may have been too large, or too small, for their sum to be true."""
    return (not squares < np.inf) | ((squares < 1e-33 * count) & (eps < 1e-25))


@inline_always
def _moments(total, squares, count):
    """The mean and the variance of numbers, from their sum and that of their squares."""
    mean = total / count
    var = squares / count - mean * mean
    return mean, 0.0 if var < 0.0 else var


# --- over the rows ---------------------------------------------------------------------------------------------------


@inline_always
def _add_rows(x, near, delta, wants_delta, first, count, sums):
    """Add some rows to the sums of `_sums`. If their number is known where this is compiled, sixteen columns go at once."""
    for j in range(x.shape[1]):
        differences = squares = deltas = products = x.dtype.type(0.0)
        for i in range(first, first + count):
            d = x[i, j] - near[j]
            differences += d
            squares += d * d
            if wants_delta:
                deltas += delta[i, j]
                products += delta[i, j] * d
        sums[0, j] += differences
        sums[1, j] += squares
        if wants_delta:
            sums[2, j] += deltas
            sums[3, j] += products


@inline
def _sums(x, near, delta, wants_delta, eps):
    """Of each column, with d = x - near, the sums of d, d^2, delta and delta d; the last two only if they are wanted."""
    rows, n = x.shape
    whole, sums, lost = rows - rows % _ROWS, np.zeros((4, n)), 0
    for first in range(0, whole, _ROWS):
        _add_rows(x, near, delta, wants_delta, first, _ROWS, sums)
    _add_rows(x, near, delta, wants_delta, whole, rows - whole, sums)
    for j in range(n):
        lost += _is_lost(sums[1, j], rows, eps)
    if lost:
        sums[1] = 0.0
        for i in range(rows):
            for j in range(n):
                d = np.float64(x[i, j]) - near[j]
                sums[1, j] += d * d
    return sums


@inline
def _over_rows(x, delta, wants_delta, st, eps, draw):
    """near, missing, var, r (n,) and `_sums`, from the rows of x, or in evaluation from the running statistics.

    near + missing is the mean. near, of x's type, is that of some of the rows, so that x - near loses nothing.
    """
    rows, n = x.shape
    near, missing, var, r = np.empty(n, x.dtype), np.zeros(n), np.empty(n), np.empty(n)
    for j in range(n):
        near[j], var[j] = st.running_mean[j], st.running_var[j]
    if draw != 0:
        step = max(1, rows // _ROWS)
        for i in range(0, rows, step):
            for j in range(n):
                missing[j] += x[i, j]
        for j in range(n):
            near[j], missing[j] = missing[j] / ((rows - 1) // step + 1), 0.0
    sums = _sums(x, near, delta, wants_delta, eps) if draw != 0 or wants_delta else np.zeros((4, n))
    for j in range(n):
        if draw != 0:
            missing[j], var[j] = _moments(sums[0, j], sums[1, j], rows)
        r[j] = 1.0 / math.sqrt(var[j] + eps)
    return near, missing, var, r, sums


class BatchNorm(Module):
    """Each feature scaled to mean 0 and variance 1 over the batch, then by a weight and a bias that are learned.

    In training it couples the examples of a batch: the output of one depends on the others, and so does its derivative. In
    evaluation it is a fixed scale and shift of each feature.

    Parameters
    ----------
    features : size of the last axis.
    momentum : from 0 to 1, how far the running statistics move to those of each batch. It may be changed at any time.
    eps : added to the variance, inside the root; positive. It may be changed at any time.

    Attributes
    ----------
    weight (features,), one at first, bias (features,), zero at first, weight_gradient, bias_gradient : views that can be
        written to.
    running_mean, running_var (features,) : zero and one at first. Each forward in training moves them by momentum. The variance
        is the unbiased one, divided by N - 1, though the one the batch is scaled by is divided by N. Views that can be written
        to.

    Shape
    -----
    (batch, ..., features) -> the same. In training at least two numbers a feature are needed, in all leading axes together.

    State
    -----
    The running statistics. Each forward in training mode moves them; a forward in evaluation mode, or one that is repeated for
    backward, leaves them as they are. Backward in training mode uses the statistics of the input it is given, backward in
    evaluation mode the running ones as they are then.

    Example
    -------
    >>> norm = BatchNorm(1)
    >>> norm.forward([[1.0], [3.0]]).round(3)
    array([[-1.],
           [ 1.]])
    >>> norm.running_mean, norm.running_var
    (array([0.2]), array([1.1]))
    """

    features = Size("input", "output")
    weight = Parameter("features")
    bias = Parameter("features")
    running_mean = State("features")
    running_var = State("features", initial=1.0)
    momentum = Setting("a number from 0 to 1", lambda v: 0 <= v <= 1)
    eps = Setting("a positive number", lambda v: v > 0, default=1e-5)

    def __init__(self, features: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        self.features = features
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = np.ones(features)

    def why_refused(self, x: np.ndarray, batch: int, input_shape: Shape, training: bool) -> str:
        if not training or batch * math.prod(input_shape[:-1]) > 1:
            return ""
        return (
            "a batch of one in training mode, expected at least two: one value has no variance; "
            "in fit choose a batch_size that leaves no single example over"
        )

    @operation
    def forward(x, out, p, st, s, draw):
        # x, out (rows, n), p.weight, p.bias, st.running_mean, st.running_var (n,)
        rows, n = x.shape
        near, missing, var, r, _ = _over_rows(x, x, False, st, s.eps, draw)
        scale, rest = np.empty(n, x.dtype), np.empty(n, x.dtype)
        for j in range(n):
            scale[j], rest[j] = r[j], -missing[j] * r[j]
        for i in range(rows):
            for j in range(n):
                out[i, j] = ((x[i, j] - near[j]) * scale[j] + rest[j]) * p.weight[j] + p.bias[j]  # (1)
        if draw > 0:
            for j in range(n):
                st.running_mean[j] += s.momentum * (near[j] + missing[j] - st.running_mean[j])
                st.running_var[j] += s.momentum * (var[j] * rows / (rows - 1) - st.running_var[j])

    @operation
    def backward_update_gradient(x, delta, g, st, s, draw):
        # out = h w + b, h = (x - near - missing) r
        _, missing, _, r, sums = _over_rows(x, delta, True, st, s.eps, draw)
        for j in range(x.shape[1]):
            g.weight[j] += (sums[3, j] - sums[2, j] * missing[j]) * r[j]                         # (2)
            g.bias[j] += sums[2, j]

    @operation
    def backward_delta(x, delta, dx, p, st, s, draw):
        # out = h w + b, h = (x - near - missing) r
        rows, n = x.shape
        near, missing, _, r, sums = _over_rows(x, delta, draw != 0, st, s.eps, draw)
        first, second, scale = np.empty(n, x.dtype), np.empty(n, x.dtype), np.empty(n, x.dtype)
        for j in range(n):
            mean_d = sums[2, j] / rows  # of delta, and of delta h; g is w times delta
            mean_dh = (sums[3, j] / rows - mean_d * missing[j]) * r[j]
            first[j], second[j] = mean_d - mean_dh * r[j] * missing[j], mean_dh * r[j]
            scale[j] = p.weight[j] * r[j]
        for i in range(rows):
            for j in range(n):
                # delta - mean_d - h mean_dh
                dx[i, j] = scale[j] * (delta[i, j] - first[j] - (x[i, j] - near[j]) * second[j])  # (3)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return with_drawn_parameters([
            (cls(3), (5, 3)),
            (cls(2, momentum=0.5, eps=1e-2), (2, 2)),
            (cls(4, momentum=0.0), (3, 2, 4)),
            (cls(1, momentum=1.0, eps=1e-3), (2, 3, 2, 1)),
            (cls(17), (33, 17)),
        ])  # fmt: skip


# --- over the features -----------------------------------------------------------------------------------------------


@inline
def _about(x, i, near):
    """The sums of x - near and of (x - near)^2 over row i of x (rows, n)."""
    n, total, squares = x.shape[1], np.float64(0.0), np.float64(0.0)
    for a in range(0, n, _BLOCK):
        some = vector_at(x, i * n + a, min(_BLOCK, n - a))
        part, part_squares = x.dtype.type(0.0), x.dtype.type(0.0)
        for j in range(some.size):
            d = some[j] - near
            part += d
            part_squares += d * d
        total += part
        squares += part_squares
    return total, squares


@inline
def _over_features(x, i, eps):
    """Of row i of x (rows, n): near, r and rest, of x's type, with h = (x - near) r + rest.

    near is about the mean, so that x - near loses nothing, and rest puts in what is missing.
    """
    n, real = x.shape[1], x.dtype.type
    near, missing, var, is_plain = x[i, 0], 0.0, 0.0, n < _SHORT * x.itemsize
    if not is_plain:
        total, _ = _about(x, i, near)
        near += real(total / n)
        total, squares = _about(x, i, near)
        missing, var = _moments(total, squares, n)
        is_plain = _is_lost(squares, n, eps)
    if is_plain:  # in float64, number by number
        mean = var = np.float64(0.0)
        for j in range(n):
            mean += x[i, j]
        mean /= n
        for j in range(n):
            var += (x[i, j] - mean) * (x[i, j] - mean)
        near, var = real(mean), var / n
        missing = mean - near
    r = 1.0 / math.sqrt(var + eps)
    return near, real(r), real(-missing * r)


@inline_always
def _add_products(x, delta, first, count, h, dw, db):
    """Add some rows to dw and db. If their number is known where this is compiled, sixteen columns go at once."""
    for j in range(x.shape[1]):
        products = deltas = x.dtype.type(0.0)
        for i in range(count):
            near, r, rest = h[i, 0], h[i, 1], h[i, 2]
            products += delta[first + i, j] * ((x[first + i, j] - near) * r + rest)
            deltas += delta[first + i, j]
        dw[j] += products
        db[j] += deltas


class LayerNorm(Module):
    """The features of each example scaled to mean 0 and variance 1, then by a weight and a bias that are learned.

    It does the same in training and in evaluation, and does not couple examples.

    Parameters
    ----------
    features : size of the last axis.
    eps : added to the variance, inside the root; positive. It may be changed at any time.

    Attributes
    ----------
    weight (features,), one at first, bias (features,), zero at first, weight_gradient, bias_gradient : views that can be
        written to.

    Shape
    -----
    (batch, ..., features) -> the same; each vector of the last axis by itself

    Example
    -------
    >>> LayerNorm(2).forward([[1.0, 3.0]]).round(3)
    array([[-1.,  1.]])
    """

    features = Size("input", "output")
    weight = Parameter("features")
    bias = Parameter("features")
    eps = Setting("a positive number", lambda v: v > 0, default=1e-5)

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        self.features = features
        super().__init__()
        self.eps = eps
        self.weight = np.ones(features)

    @operation
    def forward(x, out, p, s):
        # x, out (rows, n), p.weight, p.bias (n,)
        for i in range(x.shape[0]):
            near, r, rest = _over_features(x, i, s.eps)
            for j in range(x.shape[1]):
                out[i, j] = ((x[i, j] - near) * r + rest) * p.weight[j] + p.bias[j]              # (1)

    @operation
    def backward_update_gradient(x, delta, g, s):
        # out = h w + b, h = (x - near) r + rest
        rows, n = x.shape
        whole, dw, db, h = rows - rows % _ROWS, np.zeros(n), np.zeros(n), np.empty((_ROWS, 3), x.dtype)
        for first in range(0, rows, _ROWS):
            for i in range(min(_ROWS, rows - first)):
                h[i, 0], h[i, 1], h[i, 2] = _over_features(x, first + i, s.eps)
            if first < whole:
                _add_products(x, delta, first, _ROWS, h, dw, db)
            else:
                _add_products(x, delta, first, rows - whole, h, dw, db)
        for j in range(n):
            g.weight[j] += dw[j]                                                                 # (2)
            g.bias[j] += db[j]

    @operation
    def backward_delta(x, delta, dx, p, s, c):
        # out = h w + b, h = (x - near) r + rest
        n = x.shape[1]
        for i in range(x.shape[0]):
            near, r, rest = _over_features(x, i, s.eps)
            mean_g = mean_gh = np.float64(0.0)
            for a in range(0, n, _BLOCK):
                size = min(_BLOCK, n - a)
                xs, deltas, w = vector_at(x, i * n + a, size), vector_at(delta, i * n + a, size), vector_at(p.weight, a, size)
                part_g = part_gh = c.zero
                for j in range(size):
                    gj = deltas[j] * w[j]
                    part_g += gj
                    part_gh += gj * ((xs[j] - near) * r + rest)
                mean_g += part_g
                mean_gh += part_gh
            g, gh = x.dtype.type(mean_g / n), x.dtype.type(mean_gh / n)
            for j in range(n):
                h = (x[i, j] - near) * r + rest
                dx[i, j] = r * (delta[i, j] * p.weight[j] - g - h * gh)                          # (3)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return with_drawn_parameters([
            (cls(3), (4, 3)),
            (cls(5, eps=1e-2), (1, 5)),
            (cls(4), (3, 2, 4)),
            (cls(19), (33, 19)),
        ])  # fmt: skip
