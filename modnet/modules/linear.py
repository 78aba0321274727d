"""Linear: every output is a weighted sum of all inputs.

x (batch, n), W (n, m), b (m,), out (batch, m), delta = dL/dout (batch, m).

(1)  out = x W + b                           out[i, j] = sum over q of x[i, q] W[q, j], plus b[j]
(2)  dL/dW = x^T delta                       W[q, j] is in out[i, j] for every i, with factor x[i, q]
     dL/db = sum over i of delta[i]          b[j] is in out[i, j] for every i, with factor 1
(3)  dL/dx = delta W^T                       x[i, q] is in out[i, j] for every j, with factor W[q, j]

With more axes, (batch, ..., n), each vector of the last axis is one row of x.

Reference: D. Rumelhart, G. Hinton and R. Williams, Learning representations by back-propagating errors, Nature 323 (1986).
"""

from __future__ import annotations

from typing import Any

from modnet.arrays import whole
from modnet.initializers import initialize
from modnet.kernels import in_rows, inline, kernel, matmul, matmul_nt, matmul_tn, matrix_at, vector_at
from modnet.module import KernelModule, Shape, ShapeError, View


@inline
def _split(params, n, m):
    return matrix_at(params, 0, n, m), vector_at(params, n * m, params.size - n * m)


@kernel("forward")
def forward(x, out, params, state, sizes, hyper):
    # x (batch, rows * n), out (batch, rows * m), params W (n, m) then b (m,) or nothing
    n, m = sizes[0], sizes[1]
    W, b = _split(params, n, m)
    x, out = in_rows(x, n), in_rows(out, m)
    for i in range(x.shape[0] if b.size else 0):
        for j in range(m):
            out[i, j] = b[j]
    matmul(x, W, out, b.size > 0)


@kernel("gradient")
def gradient(x, out, delta, grad, params, state, sizes, hyper):
    # out = x W + b
    n, m = sizes[0], sizes[1]
    dW, db = _split(grad, n, m)
    x, delta = in_rows(x, n), in_rows(delta, m)
    matmul_tn(x, delta, dW, True)
    for i in range(x.shape[0] if db.size else 0):
        for j in range(m):
            db[j] += delta[i, j]


@kernel("backward")
def backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = x W + b
    n, m = sizes[0], sizes[1]
    W, _ = _split(params, n, m)
    matmul_nt(in_rows(delta, m), W, in_rows(dx, n), False)


class Linear(KernelModule):
    """Every output a weighted sum of all inputs, plus a bias.

    Parameters
    ----------
    in_features, out_features : sizes of the last axis, before and after.
    bias : whether b is added.
    init : how the parameters are drawn: "uniform" is U(-1/sqrt(in), 1/sqrt(in)), weight and bias both. Others set the bias to
        zero: "xavier_uniform", "he_normal" and so on, a number or a function (shape, rng) -> array; see `modnet.initializers`.
    rng : int, numpy.random.Generator or None.

    Attributes
    ----------
    weight (in, out), bias (out,), weight_gradient, bias_gradient : views that can be written to.

    Shape
    -----
    (batch, ..., in) -> (batch, ..., out)

    Example
    -------
    >>> layer = Linear(3, 2, rng=0)
    >>> layer.forward([[1.0, 2.0, 3.0]]).shape
    (1, 2)
    """

    forward_kernel, gradient_kernel, backward_kernel = forward, gradient, backward
    weight, bias = View(), View()
    weight_gradient, bias_gradient = View("grad", "weight"), View("grad", "bias")

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, init: Any = "uniform", rng: Any = None
    ) -> None:
        n, m = whole(in_features, "Linear", "in_features"), whole(out_features, "Linear", "out_features")
        super().__init__({"weight": (n, m), **({"bias": (m,)} if bias else {})})
        self.in_features: int = n
        self.out_features: int = m
        initialize(self, init, rng, fan_in=n, fan_out=m)

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape or input_shape[-1] != self.in_features:
            leading = "batch, ..., " if len(input_shape) > 1 else "batch, "
            raise ShapeError(self, input_shape, f"({leading}{self.in_features})")
        return (*input_shape[:-1], self.out_features)

    def sizes(self, input_shape: Shape) -> Shape:
        return self.in_features, self.out_features

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [
            (cls(3, 2, rng=0), (4, 3)),
            (cls(5, 1, rng=1), (1, 5)),
            (cls(4, 3, bias=False, rng=2), (6, 4)),
            (cls(2, 3, rng=3), (2, 3, 4, 2)),
            (cls(17, 19, rng=4), (33, 17)),
        ]

    def __repr__(self) -> str:
        bias = "" if "bias" in self._pieces["params"] else ", bias=False"
        return f"Linear({self.in_features} -> {self.out_features}{bias})"
