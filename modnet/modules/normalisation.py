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

Sums are made in float64 whatever the type of x, and var from the differences to the mean.

References: S. Ioffe and C. Szegedy, Batch normalization, ICML 2015; J. Ba, J. Kiros and G. Hinton, Layer normalization (2016),
arXiv:1607.06450.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from modnet.kernels import inline
from modnet.module import Module, Parameter, Setting, Shape, Size, State, operation, with_drawn_parameters

# --- over the rows ---------------------------------------------------------------------------------------------------


@inline
def _over_rows(x, st, eps, draw, mean, var, r):
    """Fill mean, var and r (n,) from the rows of x, or in evaluation from the running statistics."""
    rows, n = x.shape
    if draw == 0:
        for j in range(n):
            mean[j], var[j] = st.running_mean[j], st.running_var[j]
    else:
        for j in range(n):
            mean[j] = var[j] = 0.0
        for i in range(rows):
            for j in range(n):
                mean[j] += x[i, j]
        for j in range(n):
            mean[j] /= rows
        for i in range(rows):
            for j in range(n):
                d = x[i, j] - mean[j]
                var[j] += d * d
        for j in range(n):
            var[j] /= rows
    for j in range(n):
        r[j] = 1.0 / math.sqrt(var[j] + eps)


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
        mean, var, r = np.empty(n), np.empty(n), np.empty(n)
        _over_rows(x, st, s.eps, draw, mean, var, r)
        for i in range(rows):
            for j in range(n):
                out[i, j] = (x[i, j] - mean[j]) * r[j] * p.weight[j] + p.bias[j]                  # (1)
        if draw > 0:
            for j in range(n):
                st.running_mean[j] += s.momentum * (mean[j] - st.running_mean[j])
                st.running_var[j] += s.momentum * (var[j] * rows / (rows - 1) - st.running_var[j])

    @operation
    def backward_update_gradient(x, delta, g, st, s, draw):
        # out = h w + b, h = (x - mean) r
        rows, n = x.shape
        mean, var, r = np.empty(n), np.empty(n), np.empty(n)
        _over_rows(x, st, s.eps, draw, mean, var, r)
        dw, db = np.zeros(n), np.zeros(n)
        for i in range(rows):
            for j in range(n):
                dw[j] += delta[i, j] * (x[i, j] - mean[j])
                db[j] += delta[i, j]
        for j in range(n):
            g.weight[j] += dw[j] * r[j]                                                          # (2)
            g.bias[j] += db[j]

    @operation
    def backward_delta(x, delta, dx, p, st, s, draw):
        # out = h w + b, h = (x - mean) r
        rows, n = x.shape
        mean, var, r = np.empty(n), np.empty(n), np.empty(n)
        _over_rows(x, st, s.eps, draw, mean, var, r)
        mean_d, mean_dh = np.zeros(n), np.zeros(n)  # of delta and delta h; g is w times delta
        if draw != 0:
            for i in range(rows):
                for j in range(n):
                    mean_d[j] += delta[i, j]
                    mean_dh[j] += delta[i, j] * (x[i, j] - mean[j])
            for j in range(n):
                mean_d[j] /= rows
                mean_dh[j] *= r[j] / rows
        for i in range(rows):
            for j in range(n):
                h = (x[i, j] - mean[j]) * r[j]
                dx[i, j] = p.weight[j] * r[j] * (delta[i, j] - mean_d[j] - h * mean_dh[j])       # (3)

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
def _over_features(x, i, eps):
    """mean and r of row i of x (rows, n)."""
    n = x.shape[1]
    mean = 0.0
    for j in range(n):
        mean += np.float64(x[i, j])
    mean /= n
    var = 0.0
    for j in range(n):
        d = x[i, j] - mean
        var += d * d
    return mean, 1.0 / math.sqrt(var / n + eps)


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
            mean, r = _over_features(x, i, s.eps)
            for j in range(x.shape[1]):
                out[i, j] = (x[i, j] - mean) * r * p.weight[j] + p.bias[j]                       # (1)

    @operation
    def backward_update_gradient(x, delta, g, s):
        # out = h w + b, h = (x - mean) r
        n = x.shape[1]
        dw, db = np.zeros(n), np.zeros(n)
        for i in range(x.shape[0]):
            mean, r = _over_features(x, i, s.eps)
            for j in range(n):
                dw[j] += delta[i, j] * ((x[i, j] - mean) * r)
                db[j] += delta[i, j]
        for j in range(n):
            g.weight[j] += dw[j]                                                                 # (2)
            g.bias[j] += db[j]

    @operation
    def backward_delta(x, delta, dx, p, s):
        # out = h w + b, h = (x - mean) r
        n = x.shape[1]
        for i in range(x.shape[0]):
            mean, r = _over_features(x, i, s.eps)
            mean_g = mean_gh = 0.0
            for j in range(n):
                gj = delta[i, j] * np.float64(p.weight[j])
                mean_g += gj
                mean_gh += gj * ((x[i, j] - mean) * r)
            mean_g /= n
            mean_gh /= n
            for j in range(n):
                h = (x[i, j] - mean) * r
                dx[i, j] = r * (delta[i, j] * np.float64(p.weight[j]) - mean_g - h * mean_gh)    # (3)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return with_drawn_parameters([
            (cls(3), (4, 3)),
            (cls(5, eps=1e-2), (1, 5)),
            (cls(4), (3, 2, 4)),
            (cls(19), (33, 19)),
        ])  # fmt: skip
