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

from modnet.initializers import initialize
from modnet.kernels import add_rows, affine, begin, matmul_nt, matmul_tn
from modnet.module import Module, Parameter, Shape, Size, operation


class Linear(Module):
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

    in_features = Size("input")
    out_features = Size("output")
    weight = Parameter("in_features", "out_features")
    bias = Parameter("out_features", optional=True)

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, init: Any = "uniform", rng: Any = None
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        super().__init__(bias=bias)
        initialize(self, init, rng, fan_in=in_features, fan_out=out_features)

    @operation
    def forward(x, out, p):
        # x (rows, n), out (rows, m), p.weight (n, m), p.bias (m,) or (0,)
        affine(x, p.weight, p.bias, out)               # (1)

    @operation
    def backward_update_gradient(x, delta, g, add):
        # out = x W + b
        matmul_tn(x, delta, g.weight, add != 0)        # (2)
        begin(g.bias, add)
        add_rows(delta, g.bias)                        # nothing without a bias

    @operation
    def backward_delta(delta, dx, p):
        # out = x W + b
        matmul_nt(delta, p.weight, dx, False)          # (3)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [
            (cls(3, 2, rng=0), (4, 3)),
            (cls(5, 1, rng=1), (1, 5)),
            (cls(4, 3, bias=False, rng=2), (6, 4)),
            (cls(2, 3, rng=3), (2, 3, 4, 2)),
            (cls(17, 19, rng=4), (33, 17)),
        ]
