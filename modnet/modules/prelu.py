"""PReLU: a leaky ReLU that learns its slope.

x, out, delta, dx (batch, ...), all of one shape; a is one number, the parameter.

(1)  out = x if x > 0, else a x
(2)  dL/da = sum of delta x over all elements with x <= 0        a is in all of these, with factor x
(3)  dL/dx = delta if x > 0, else a delta

At 0 the derivative is the slope a.

Reference: K. He, X. Zhang, S. Ren and J. Sun, Delving deep into rectifiers, ICCV 2015.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.inputs import real
from modnet.kernels import flat
from modnet.module import Module, Parameter, Shape, operation


class PReLU(Module):
    """x if x > 0, else a x, with one slope a, which is learned.

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

    slopes = 1  # one for all features
    weight = Parameter("slopes")
    keeps_features = True

    def __init__(self, init: float = 0.25) -> None:
        super().__init__()
        self.weight = [real(init, "PReLU", "init")]

    @operation
    def forward(x, out, p, c):
        # x, out (batch, features), p.weight (1,)
        a = p.weight[0]
        x, out = flat(x), flat(out)
        for i in range(x.size):
            out[i] = x[i] if x[i] > c.zero else a * x[i]                                  # (1)

    @operation
    def backward_update_gradient(x, delta, g, c):
        # out = x if x > 0 else a x
        x, delta = flat(x), flat(delta)
        total = 0.0
        for i in range(x.size):
            total += np.float64(c.zero if x[i] > c.zero else delta[i] * x[i])             # (2)
        g.weight[0] += total

    @operation
    def backward_delta(x, delta, dx, p, c):
        # out = x if x > 0 else a x
        a = p.weight[0]
        x, delta, dx = flat(x), flat(delta), flat(dx)
        for i in range(x.size):
            dx[i] = delta[i] if x[i] > c.zero else a * delta[i]                           # (3)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(-0.5), (3, 2, 4)), (cls(1.5), (2, 20)), (cls(0.0), (1, 9))]

    def __repr__(self) -> str:
        return f"PReLU({self.weight[0]:g})"
