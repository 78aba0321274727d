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

from modnet.arrays import real, whole
from modnet.kernels import inline, kernel
from modnet.module import KernelModule, ModeModule, Setting, Shape, ShapeError, View

# --- over the rows ---------------------------------------------------------------------------------------------------


@inline
def _over_rows(x, state, hyper, mean, var, r):
    """Fill mean, var and r (n,): those of the rows of x, or in evaluation the running ones."""
    rows, n = x.shape
    if hyper[0] == 0:
        for j in range(n):
            mean[j], var[j] = state[j], state[n + j]
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
        r[j] = 1.0 / math.sqrt(var[j] + hyper[2])


@kernel("forward")
def batch_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, lead * n), params w then b (n,), state the running mean and variance (n,), hyper mode, momentum, eps
    n = sizes[0]
    x, out = x.reshape(x.size // n, n), out.reshape(x.size // n, n)
    mean, var, r = np.empty(n), np.empty(n), np.empty(n)
    _over_rows(x, state, hyper, mean, var, r)
    for i in range(x.shape[0]):
        for j in range(n):
            out[i, j] = (x[i, j] - mean[j]) * r[j] * params[j] + params[n + j]
    if hyper[0] == 1:
        rows, momentum = x.shape[0], hyper[1]
        for j in range(n):
            state[j] += momentum * (mean[j] - state[j])
            state[n + j] += momentum * (var[j] * rows / (rows - 1) - state[n + j])


@kernel("gradient")
def batch_gradient(x, out, delta, grad, params, state, sizes, hyper):
    # out = h w + b, h = (x - mean) r
    n = sizes[0]
    x, delta = x.reshape(x.size // n, n), delta.reshape(x.size // n, n)
    mean, var, r = np.empty(n), np.empty(n), np.empty(n)
    _over_rows(x, state, hyper, mean, var, r)
    dw, db = np.zeros(n), np.zeros(n)
    for i in range(x.shape[0]):
        for j in range(n):
            dw[j] += delta[i, j] * (x[i, j] - mean[j])
            db[j] += delta[i, j]
    for j in range(n):
        grad[j] += dw[j] * r[j]
        grad[n + j] += db[j]


@kernel("backward")
def batch_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = h w + b, h = (x - mean) r
    n = sizes[0]
    rows = x.size // n
    x, delta, dx = x.reshape(rows, n), delta.reshape(rows, n), dx.reshape(rows, n)
    mean, var, r = np.empty(n), np.empty(n), np.empty(n)
    _over_rows(x, state, hyper, mean, var, r)
    mean_g, mean_gh = np.zeros(n), np.zeros(n)
    if hyper[0] != 0:
        for i in range(rows):
            for j in range(n):
                mean_g[j] += delta[i, j]
                mean_gh[j] += delta[i, j] * (x[i, j] - mean[j])
        for j in range(n):
            mean_g[j] /= rows
            mean_gh[j] *= r[j] / rows
    for i in range(rows):
        for j in range(n):
            h = (x[i, j] - mean[j]) * r[j]
            dx[i, j] = params[j] * r[j] * (delta[i, j] - mean_g[j] - h * mean_gh[j])


class BatchNorm(ModeModule):
    """Each feature scaled to mean 0 and variance 1 over the batch, then by a weight and a bias that are learned.

    In training it couples the examples of a batch: the output of one depends on the others, and so does its derivative. In
    evaluation it is a fixed scale and shift of each feature.

    Parameters
    ----------
    features : size of the last axis.
    momentum : from 0 to 1, how far the running statistics move to those of each batch.
    eps : added to the variance, inside the root; positive.

    Attributes
    ----------
    weight (features,), one at first, bias (features,), zero at first, weight_gradient, bias_gradient : views that can be
        written to.
    running_mean, running_var (features,) : moved by momentum at every forward in training; the variance is the unbiased one,
        divided by N - 1, though the one the batch is scaled by is divided by N. Views that can be written to.

    Shape
    -----
    (batch, ..., features) -> the same. In training at least two numbers a feature are needed, in all leading axes together.

    State
    -----
    The running statistics, which each forward in training mode moves. Backward in training mode takes the statistics of the
    input it is given; in evaluation mode it takes the running ones as they are then.

    Example
    -------
    >>> norm = BatchNorm(1)
    >>> norm.forward([[1.0], [3.0]]).round(3)
    array([[-1.],
           [ 1.]])
    >>> norm.running_mean, norm.running_var
    (array([0.2]), array([1.1]))
    """

    forward_kernel, gradient_kernel, backward_kernel = batch_forward, batch_gradient, batch_backward
    weight, bias = View(), View()
    weight_gradient, bias_gradient = View("grad", "weight"), View("grad", "bias")
    running_mean, running_var = View("state"), View("state")
    momentum, eps = Setting(1), Setting(2)
    keeps_features = True

    def __init__(self, features: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        n = whole(features, "BatchNorm", "features")
        share = real(momentum, "BatchNorm", "momentum", "a number from 0 to 1", lambda v: 0 <= v <= 1)
        super().__init__(
            {"weight": (n,), "bias": (n,)},
            {"running_mean": (n,), "running_var": (n,)},
            [share, real(eps, "BatchNorm", "eps", "a positive number", lambda v: v > 0)],
        )
        self.in_features: int = n
        self.out_features: int = n
        self.weight = np.ones(n)
        self.running_var = np.ones(n)

    def output_shape(self, input_shape: Shape) -> Shape:
        return _last_axis(self, self.in_features, input_shape)

    def sizes(self, input_shape: Shape) -> Shape:
        return (self.in_features,)

    def objection(self, x: np.ndarray, batch: int, input_shape: Shape, training: bool) -> str:
        if not training or batch * math.prod(input_shape[:-1]) > 1:
            return ""
        return (
            "a batch of one in training mode, expected at least two: one value has no variance; "
            "in fit choose a batch_size that leaves no single example over"
        )

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        found: list[tuple[Any, Shape]] = [
            (cls(3), (5, 3)),
            (cls(2, momentum=0.5, eps=1e-2), (2, 2)),
            (cls(4, momentum=0.0), (3, 2, 4)),
            (cls(1, momentum=1.0, eps=1e-3), (2, 3, 2, 1)),
            (cls(17), (33, 17)),
        ]
        for i, (module, _) in enumerate(found):
            _draw_parameters(module, i)
        return found

    def __repr__(self) -> str:
        momentum = "" if self.momentum == 0.1 else f", momentum={self.momentum:g}"
        return f"BatchNorm({self.in_features}{momentum}{_eps_text(self.eps)})"


# --- over the features -----------------------------------------------------------------------------------------------


@inline
def _over_features(x, eps):
    """mean and r of one row x (n,)."""
    mean = 0.0
    for j in range(x.size):
        mean += np.float64(x[j])
    mean /= x.size
    var = 0.0
    for j in range(x.size):
        d = x[j] - mean
        var += d * d
    return mean, 1.0 / math.sqrt(var / x.size + eps)


@kernel("forward")
def layer_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, lead * n), params w then b (n,), hyper eps
    n = sizes[0]
    x, out = x.reshape(x.size // n, n), out.reshape(x.size // n, n)
    for i in range(x.shape[0]):
        mean, r = _over_features(x[i], hyper[0])
        for j in range(n):
            out[i, j] = (x[i, j] - mean) * r * params[j] + params[n + j]


@kernel("gradient")
def layer_gradient(x, out, delta, grad, params, state, sizes, hyper):
    # out = h w + b, h = (x - mean) r
    n = sizes[0]
    x, delta = x.reshape(x.size // n, n), delta.reshape(x.size // n, n)
    dw, db = np.zeros(n), np.zeros(n)
    for i in range(x.shape[0]):
        mean, r = _over_features(x[i], hyper[0])
        for j in range(n):
            dw[j] += delta[i, j] * ((x[i, j] - mean) * r)
            db[j] += delta[i, j]
    for j in range(n):
        grad[j] += dw[j]
        grad[n + j] += db[j]


@kernel("backward")
def layer_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = h w + b, h = (x - mean) r
    n = sizes[0]
    rows = x.size // n
    x, delta, dx = x.reshape(rows, n), delta.reshape(rows, n), dx.reshape(rows, n)
    for i in range(rows):
        mean, r = _over_features(x[i], hyper[0])
        mean_g = mean_gh = 0.0
        for j in range(n):
            g = delta[i, j] * np.float64(params[j])
            mean_g += g
            mean_gh += g * ((x[i, j] - mean) * r)
        mean_g /= n
        mean_gh /= n
        for j in range(n):
            h = (x[i, j] - mean) * r
            dx[i, j] = r * (delta[i, j] * np.float64(params[j]) - mean_g - h * mean_gh)


class LayerNorm(KernelModule):
    """The features of each example scaled to mean 0 and variance 1, then by a weight and a bias that are learned.

    It does the same in training and in evaluation, and does not couple examples.

    Parameters
    ----------
    features : size of the last axis.
    eps : added to the variance, inside the root; positive.

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

    forward_kernel, gradient_kernel, backward_kernel = layer_forward, layer_gradient, layer_backward
    weight, bias = View(), View()
    weight_gradient, bias_gradient = View("grad", "weight"), View("grad", "bias")
    eps = Setting(0)
    keeps_features = True

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        n = whole(features, "LayerNorm", "features")
        super().__init__(
            {"weight": (n,), "bias": (n,)}, hyper=[real(eps, "LayerNorm", "eps", "a positive number", lambda v: v > 0)]
        )
        self.in_features: int = n
        self.out_features: int = n
        self.weight = np.ones(n)

    def output_shape(self, input_shape: Shape) -> Shape:
        return _last_axis(self, self.in_features, input_shape)

    def sizes(self, input_shape: Shape) -> Shape:
        return (self.in_features,)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        found: list[tuple[Any, Shape]] = [
            (cls(3), (4, 3)),
            (cls(5, eps=1e-2), (1, 5)),
            (cls(4), (3, 2, 4)),
            (cls(19), (33, 19)),
        ]
        for i, (module, _) in enumerate(found):
            _draw_parameters(module, i)
        return found

    def __repr__(self) -> str:
        return f"LayerNorm({self.in_features}{_eps_text(self.eps)})"


def _last_axis(module: KernelModule, features: int, input_shape: Shape) -> Shape:
    if not input_shape or input_shape[-1] != features:
        leading = "batch, ..., " if len(input_shape) > 1 else "batch, "
        raise ShapeError(module, input_shape, f"({leading}{features})")
    return tuple(input_shape)


def _eps_text(eps: float) -> str:
    return "" if eps == 1e-5 else f", eps={eps:g}"


def _draw_parameters(module: KernelModule, seed: int) -> None:
    """Parameters for examples: with a weight of one and a bias of zero, errors in either would not show."""
    module.parameters[:] = np.random.default_rng(seed).normal(size=module.parameters.size)
