"""Elementwise: what modules that compute out = f(x), one number at a time, have in common.

x, out, delta, dx (batch, ...), all of one shape.

(1)  out = f(x)
(2)  no parameters
(3)  dL/dx = delta f'(x)          x[i] is in out[i] alone

A subclass states the two functions; the operations are here, and are compiled for each class:

    class Cube(Elementwise):
        @staticmethod
        def f(x, c):
            return x * x * x

        @staticmethod
        def derivative(x, c):                       # or derivative(x, out, c), if it is shorter in terms of out = f(x)
            return c.three * x * x

        three = Setting(default=3.0)

``c`` has the module's settings by name, with ``c.zero`` and ``c.one``, as numbers of x's own type, float32 or float64: a bare
1.0 in a formula would turn a float32 into a float64.
"""

from __future__ import annotations

from inspect import signature
from typing import Any

from modnet.kernels import flat
from modnet.module import Module, operation


class Elementwise(Module):
    """Any shape in, the same shape out. Base class of the activations.

    A subclass has two static functions, ``f(x, c)`` and ``derivative(x, c)`` or ``derivative(x, out, c)``.
    """

    keeps_features = True

    def __init_subclass__(cls, **options: Any) -> None:
        if "derivative" in vars(cls) and "backward_delta" not in vars(cls):
            cls.backward_delta = _backward_for(cls)  # type: ignore[method-assign]
        super().__init_subclass__(**options)

    @operation
    def forward(x, out, f, c):
        # x, out (batch, features)
        x, out = flat(x), flat(out)
        for i in range(x.size):
            out[i] = f(x[i], c)                                        # (1)

    @operation
    def backward_delta(x, delta, dx, derivative, c):
        # out = f(x)
        x, delta, dx = flat(x), flat(delta), flat(dx)
        for i in range(x.size):
            dx[i] = delta[i] * derivative(x[i], c)                     # (3)


class _OfOutput(Elementwise):
    """The same, with a derivative that reads out = f(x), too."""

    @operation
    def backward_delta(x, out, delta, dx, derivative, c):
        # out = f(x)
        x, out, delta, dx = flat(x), flat(out), flat(delta), flat(dx)
        for i in range(x.size):
            dx[i] = delta[i] * derivative(x[i], out[i], c)             # (3)


def _backward_for(kind: type[Any]) -> Any:
    """The operation for a class's derivative. One that reads the output, called by hand, computes forward again first."""
    names = tuple(signature(kind.derivative).parameters)
    if names not in (("x", "c"), ("x", "out", "c")):
        raise TypeError(f"{kind.__name__}: derivative takes ({', '.join(names)}), expected (x, c) or (x, out, c)")
    return (_OfOutput if "out" in names else Elementwise).backward_delta
