"""Tied: the weight of another Linear, transposed, with a bias of its own.

W (n, m) the weight of the other Linear, x (batch, m), b (n,), out (batch, n), delta = dL/dout (batch, n).

(1)  out = x W^T + b                         out[i, q] = sum over j of x[i, j] W[q, j], plus b[q]
(2)  dL/dW = delta^T x                       W[q, j] is in out[i, q] for every i, with factor x[i, j]
     dL/db = sum over i of delta[i]
(3)  dL/dx = delta W                         x[i, j] is in out[i, q] for every q, with factor W[q, j]

dL/dW is added to the gradient of the other Linear, where what comes from its own place is added too: W is in the cost twice,
and the two derivatives add up. With more axes, (batch, ..., m), each vector of the last axis is one row of x.

In a table these are two rows: the product, on the other Linear's slice of the parameters, and the bias, on its own.

Reference: P. Vincent and others, Stacked denoising autoencoders, JMLR 11 (2010), section 2.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from modnet.kernels import kernel, matmul, matmul_nt, matmul_tn
from modnet.module import KernelModule, Module, Shape, ShapeError, View
from modnet.modules.linear import Linear
from modnet.modules.wiring import copy_backward
from modnet.table import Program


@kernel("forward")
def product_forward(x, out, params, state, sizes, hyper):
    # x (batch, rows * m), out (batch, rows * n), params W (n, m) and what else the other Linear has
    n, m = sizes[0], sizes[1]
    rows = x.size // m
    matmul_nt(x.reshape(rows, m), params[: n * m].reshape(n, m), out.reshape(rows, n), False)


@kernel("gradient")
def product_gradient(x, out, delta, grad, params, state, sizes, hyper):
    # out = x W^T
    n, m = sizes[0], sizes[1]
    rows = x.size // m
    matmul_tn(delta.reshape(rows, n), x.reshape(rows, m), grad[: n * m].reshape(n, m), True)


@kernel("backward")
def product_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = x W^T
    n, m = sizes[0], sizes[1]
    rows = x.size // m
    matmul(delta.reshape(rows, n), params[: n * m].reshape(n, m), dx.reshape(rows, m), False)


@kernel("forward")
def bias_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, rows * n), params b (n,)
    n = params.size
    rows = x.size // n
    x, out = x.reshape(rows, n), out.reshape(rows, n)
    for i in range(rows):
        for j in range(n):
            out[i, j] = x[i, j] + params[j]


@kernel("gradient")
def bias_gradient(x, out, delta, grad, params, state, sizes, hyper):
    # out = x + b
    n = params.size
    rows = delta.size // n
    delta = delta.reshape(rows, n)
    for i in range(rows):
        for j in range(n):
            grad[j] += delta[i, j]


PRODUCT = (product_forward, product_gradient, product_backward)


class Tied(KernelModule):
    """The weight of another Linear, transposed, with a bias of its own: the decoder of an auto-encoder with shared weights.

    The other Linear must stand in the same network, where its gradient is zeroed and its weight moved. Computing gradients
    in a network without it is refused; a forward alone is not. Two modules that stand in no network are used by hand, each
    with its own `zero_grad` and `update_parameters`.

    Parameters
    ----------
    linear : the other `Linear`.

    Attributes
    ----------
    linear : the other Linear.
    weight (out, in), that of the other, transposed; bias (in,), zero at first; bias_gradient : views that can be written to.

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

    # Of the bias; those of the product are beside them in `PRODUCT`.
    forward_kernel, gradient_kernel, backward_kernel = bias_forward, bias_gradient, copy_backward
    bias = View()
    bias_gradient = View("grad", "bias")

    def __init__(self, linear: Linear) -> None:
        if not isinstance(linear, Linear):
            raise TypeError(f"Tied: linear is {linear!r}, expected a Linear object")
        super().__init__({"bias": (linear.in_features,)})
        self.linear = linear
        self.in_features: int = linear.out_features
        self.out_features: int = linear.in_features
        self._storage.convert(linear.dtype)

    @property
    def weight(self) -> np.ndarray:
        """The other's weight transposed, (out, in): a view of it, which can be written to."""
        return self.linear.weight.T

    @property
    def companions(self) -> tuple[KernelModule, ...]:
        return (self.linear,)

    def output_shape(self, input_shape: Shape) -> Shape:
        if not input_shape or input_shape[-1] != self.in_features:
            leading = "batch, ..., " if len(input_shape) > 1 else "batch, "
            raise ShapeError(self, input_shape, f"({leading}{self.in_features})")
        return (*input_shape[:-1], self.out_features)

    def sizes(self, input_shape: Shape) -> Shape:
        return self.out_features, self.in_features

    def add_rows(self, program: Program, slot: int, input_shape: Shape) -> tuple[int, Shape]:
        shape = self.output_shape(input_shape)
        middle, output = program.slot(prod(shape)), program.slot(prod(shape))
        program.row(self.linear, slot, middle, self.sizes(input_shape), PRODUCT)
        program.row(self, middle, output, ())
        return output, shape

    def astype(self, dtype: Any) -> KernelModule:
        """Convert the bias, and the other Linear where it stands alone. Returns the module."""
        super().astype(dtype)
        if self.linear.root() is None:
            self.linear.astype(dtype)
        return self

    # The two rows by hand.

    def _forward(self, x: np.ndarray, plan: Any) -> np.ndarray:
        product = np.empty((len(x), plan.output_features), x.dtype)
        product_forward.call(x, product, *self._other(x.dtype), plan.sizes, self._hyper)
        return super()._forward(product, plan)

    def _add_gradient(self, x: np.ndarray, out: np.ndarray, delta: np.ndarray, plan: Any) -> None:
        other = self._other(x.dtype)
        product_gradient.call(x, delta, delta, self.linear.gradient, *other, plan.sizes, self._hyper)
        super()._add_gradient(x, out, delta, plan)

    def _backward(self, x: np.ndarray, out: np.ndarray, delta: np.ndarray, plan: Any) -> np.ndarray:
        dx = np.empty_like(x)
        product_backward.call(x, delta, delta, dx, *self._other(x.dtype), plan.sizes, self._hyper)
        return dx

    def _other(self, dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
        """The parameters and the state, none, of the other Linear."""
        if self.linear.dtype != dtype:
            raise ValueError(f"{self}: it holds {dtype}, but {self.linear} {self.linear.dtype}, expected one type; use astype")
        return self.linear._flat(dtype)

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        found: list[tuple[Module, Shape]] = [
            (cls(Linear(3, 2, rng=0)), (4, 2)),
            (cls(Linear(5, 1, bias=False, rng=1)), (1, 1)),
            (cls(Linear(3, 4, rng=2)), (2, 3, 4)),
            (cls(Linear(19, 17, rng=3)), (33, 17)),
        ]
        for i, (module, _) in enumerate(found):
            module.parameters[:] = np.random.default_rng(i).normal(size=module.parameters.size)
        return found

    def __repr__(self) -> str:
        return f"Tied({self.in_features} -> {self.out_features})"
