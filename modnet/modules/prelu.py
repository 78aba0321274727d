"""PReLU: a leaky ReLU that learns its slope.

x, out, delta, dx (batch, ...), all of one shape; a is one number, the parameter.

(1)  out = x where x > 0, else a x
(2)  dL/da = sum of delta x over all elements with x <= 0        a is in all of these, with factor x
(3)  dL/dx = delta where x > 0, else a delta

At 0 the derivative is the slope a.

Reference: K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.arrays import real
from modnet.kernels import kernel
from modnet.module import KernelModule, Shape, View


@kernel("forward")
def forward(x, out, params, state, sizes, hyper):
    # x, out (batch, features), params a
    zero, a = x.dtype.type(0.0), params[0]
    x, out = x.reshape(x.size), out.reshape(x.size)
    for i in range(x.size):
        out[i] = x[i] if x[i] > zero else a * x[i]


@kernel("gradient")
def gradient(x, out, delta, grad, params, state, sizes, hyper):
    # out = x if x > 0 else a x
    zero = x.dtype.type(0.0)
    x, delta = x.reshape(x.size), delta.reshape(x.size)
    total = 0.0
    for i in range(x.size):
        total += np.float64(zero if x[i] > zero else delta[i] * x[i])
    grad[0] += total


@kernel("backward")
def backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = x if x > 0 else a x
    zero, a = x.dtype.type(0.0), params[0]
    x, delta, dx = x.reshape(x.size), delta.reshape(x.size), dx.reshape(x.size)
    for i in range(x.size):
        dx[i] = delta[i] if x[i] > zero else a * delta[i]


class PReLU(KernelModule):
    """x where x > 0, else a x, with one slope a, which is learned.

    Parameters
    ----------
    init : the slope at first, finite.

    Attributes
    ----------
    weight (1,), the slope, weight_gradient (1,) : views that can be written to.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> PReLU(0.5).forward([[-1.0, 2.0]])
    array([[-0.5,  2. ]])
    """

    forward_kernel, gradient_kernel, backward_kernel = forward, gradient, backward
    weight, weight_gradient = View(), View("grad", "weight")
    keeps_features = True

    def __init__(self, init: float = 0.25) -> None:
        super().__init__({"weight": (1,)})
        self.weight = [real(init, "PReLU", "init")]

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(-0.5), (3, 2, 4)), (cls(1.5), (2, 20)), (cls(0.0), (1, 9))]

    def __repr__(self) -> str:
        return f"PReLU({self.weight[0]:g})"
