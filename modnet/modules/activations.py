"""Elementwise activations: out = f(x), one number at a time.

x, out, delta, dx (batch, ...), all of one shape.

(1)  out = f(x)
(2)  no parameters
(3)  dL/dx = delta f'(x)          x[i] is in out[i] alone

Each is two lines of mathematics, f and f', and shares the two kernels that `elementwise` makes. ``a`` and ``b`` are the
module's settings; ``zero`` and ``one`` are constants of x's own type, since a bare 1 would turn a float32 into a float64. Where
f' is shorter in terms of the output, it is written so. At a kink, the derivative is PyTorch's choice. A NaN comes out as a
NaN: it fails every comparison, and where it fails, x is the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modnet.arrays import real
from modnet.kernels import Compiled, flat, inline, kernel
from modnet.mathfun import sigmoid as sigmoid_function
from modnet.mathfun import tanh as tanh_function
from modnet.module import KernelModule, Setting, Shape


def elementwise(f: Callable[..., Any], slope: Callable[..., Any]) -> tuple[Compiled, Compiled]:
    """The forward and backward kernels of out = f(x, zero, one, a, b), with f' = slope(x, out, zero, one, a, b)."""
    f, slope = inline(f), inline(slope)

    @kernel("forward")
    def forward(x, out, params, state, sizes, hyper):
        zero, one = x.dtype.type(0.0), x.dtype.type(1.0)
        a = x.dtype.type(hyper[0] if hyper.size > 0 else 0.0)
        b = x.dtype.type(hyper[1] if hyper.size > 1 else 0.0)
        x, out = flat(x), flat(out)
        for i in range(x.size):
            out[i] = f(x[i], zero, one, a, b)

    @kernel("backward")
    def backward(x, out, delta, dx, params, state, sizes, hyper):
        # out = f(x)
        zero, one = x.dtype.type(0.0), x.dtype.type(1.0)
        a = x.dtype.type(hyper[0] if hyper.size > 0 else 0.0)
        b = x.dtype.type(hyper[1] if hyper.size > 1 else 0.0)
        x, out, delta, dx = flat(x), flat(out), flat(delta), flat(dx)
        for i in range(x.size):
            dx[i] = delta[i] * slope(x[i], out[i], zero, one, a, b)

    return forward, backward


class Activation(KernelModule):
    """What elementwise modules share: any shape in, the same shape out."""

    keeps_features = True
    uses_output = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Tanh(Activation):
    """out = tanh(x), between -1 and 1; the derivative is 1 - out^2.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Tanh().forward([[0.0]])
    array([[0.]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: tanh_function(x),
        lambda x, out, zero, one, a, b: one - out * out,
    )


class Sigmoid(Activation):
    """out = 1 / (1 + exp(-x)), between 0 and 1; the derivative is out (1 - out).

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Sigmoid().forward([[0.0]])
    array([[0.5]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: sigmoid_function(x),
        lambda x, out, zero, one, a, b: out * (one - out),
    )


class ReLU(Activation):
    """out = x where x > 0, else 0; the derivative is 1 or 0, and 0 at 0.

    Shape
    -----
    any -> the same

    Reference
    ---------
    V. Nair and G. Hinton, Rectified linear units improve restricted Boltzmann machines, ICML 2010.

    Example
    -------
    >>> ReLU().forward([[-1.0, 2.0]])
    array([[0., 2.]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: zero if x < zero else x,
        lambda x, out, zero, one, a, b: zero if x <= zero else one,
    )


class LeakyReLU(Activation):
    """out = x where x > 0, else slope * x; at 0 the derivative is the slope.

    Parameters
    ----------
    slope : finite, usually small and positive.

    Shape
    -----
    any -> the same

    Reference
    ---------
    A. Maas, A. Hannun and A. Ng, Rectifier nonlinearities improve neural network acoustic models, ICML 2013.

    Example
    -------
    >>> LeakyReLU(0.1).forward([[-1.0, 2.0]])
    array([[-0.1,  2. ]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: x if x > zero else a * x,
        lambda x, out, zero, one, a, b: one if x > zero else a,
    )
    slope = Setting(0)

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__(hyper=[real(slope, "LeakyReLU", "slope")])

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(0.3), (2, 3, 2)), (cls(0.0), (1, 5))]

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope:g})"
