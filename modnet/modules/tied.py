"""Tied: the weight of another Linear, transposed, with a bias of its own.

W (n, m) the weight of the other Linear, x (batch, m), b (n,), out (batch, n), delta = dL/dout (batch, n).

(1)  out = x W^T + b                         out[i, q] = sum over j of x[i, j] W[q, j], plus b[q]
(2)  dL/dW = delta^T x                       W[q, j] is in out[i, q] for every i, with factor x[i, j]
     dL/db = sum over i of delta[i]          b[q] is in out[i, q] for every i, with factor 1
(3)  dL/dx = delta W                         x[i, j] is in out[i, q] for every q, with factor W[q, j]

dL/dW is added to the gradient of the other Linear, which adds its own: W is in the loss twice, and the two derivatives add up.
With more axes, (batch, ..., m), each vector of the last axis is one row of x.

Reference: P. Vincent and others, Stacked denoising autoencoders, JMLR 11 (2010), section 2.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from modnet.kernels import Fixed, Shared, add_rows, matmul, matmul_nt, matmul_tn, start
from modnet.module import Module, Parameter, Shape, Size, operation, with_drawn_parameters
from modnet.modules.linear import Linear


class Tied(Module):
    """The weight of another Linear, transposed, with a bias of its own: the decoder of an auto-encoder with shared weights.

    The other Linear must be in the same network, which zeroes its gradient and moves its weight. A network without it refuses
    to compute gradients; it can still run a forward. If neither module is in a network, use them by hand, each with its own
    `zero_grad` and `update_parameters`.

    Parameters
    ----------
    linear : the other `Linear`.

    Attributes
    ----------
    linear : the other Linear.
    weight (out, in), bias (in,), bias_gradient : views that can be written to; in and out are sizes of the other Linear. weight
        is the other's, transposed; bias is zero at first.

    Shape
    -----
    (batch, ..., out) -> (batch, ..., in), with the sizes of the other Linear

    Example
    -------
    >>> from modnet import Linear, Sequential, Sigmoid, Tanh, Tied
    >>> encoder = Linear(64, 16, rng=0)
    >>> net = Sequential(encoder, Tanh(), Tied(encoder), Sigmoid())
    >>> net.parameters.size
    1104
    """

    linear: Fixed[Linear] = Fixed()
    in_features = Size("input")
    out_features = Size("output")
    linear_weight = Shared("linear", "weight")
    bias = Parameter("out_features")

    def __init__(self, linear: Linear) -> None:
        if not isinstance(linear, Linear):
            raise TypeError(f"Tied: linear is {linear!r}, expected a Linear object")
        self.linear = linear
        self.in_features, self.out_features = linear.out_features, linear.in_features
        super().__init__()
        self._storage.convert(linear.dtype)

    @property
    def weight(self) -> np.ndarray:
        """The other's weight transposed, (out, in): a view of it, which can be written to."""
        return self.linear.weight.T

    def astype(self, dtype: Any) -> Any:
        """Convert the bias, and the other Linear if it is in no network. Returns the module."""
        super().astype(dtype)
        if self.linear.root() is None:
            self.linear.astype(dtype)
        return self

    @operation
    def forward(x, out, p):
        # x (rows, m), out (rows, n), p.linear_weight W (n, m), p.bias (n,)
        start(out, p.bias)                                   # each row of out: the bias
        matmul_nt(x, p.linear_weight, out, True)             # (1)

    @operation
    def backward_update_gradient(x, delta, g):
        # out = x W^T + b
        matmul_tn(delta, x, g.linear_weight, True)           # (2)
        add_rows(delta, g.bias)

    @operation
    def backward_delta(delta, dx, p):
        # out = x W^T + b
        matmul(delta, p.linear_weight, dx, False)            # (3)

    def __copy__(self) -> Any:
        return copy.deepcopy(self)  # with the other Linear: a copy shares nothing

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return with_drawn_parameters([
            (cls(Linear(3, 2, rng=0)), (4, 2)),
            (cls(Linear(5, 1, bias=False, rng=1)), (1, 1)),
            (cls(Linear(3, 4, rng=2)), (2, 3, 4)),
            (cls(Linear(19, 17, rng=3)), (33, 17)),
        ])  # fmt: skip
