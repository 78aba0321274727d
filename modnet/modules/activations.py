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

import math
from collections.abc import Callable
from typing import Any

from modnet.arrays import real
from modnet.kernels import Compiled, flat, inline_always, kernel
from modnet.mathfun import erf, exp, expm1, log1p
from modnet.mathfun import sigmoid as sigmoid_function
from modnet.mathfun import tanh as tanh_function
from modnet.module import KernelModule, Setting, Shape


def elementwise(f: Callable[..., Any], slope: Callable[..., Any]) -> tuple[Compiled, Compiled]:
    """The forward and backward kernels of out = f(x, zero, one, a, b), with f' = slope(x, out, zero, one, a, b)."""
    f, slope = inline_always(f), inline_always(slope)

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

    uses_output = True
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

    uses_output = True
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


class ELU(Activation):
    """out = x where x > 0, else alpha (exp(x) - 1); the derivative is 1 or alpha exp(x), and alpha at 0.

    Parameters
    ----------
    alpha : finite; the output is above -alpha.

    Shape
    -----
    any -> the same

    Reference
    ---------
    D. Clevert, T. Unterthiner and S. Hochreiter, Fast and accurate deep network learning by ELUs, ICLR 2016.

    Example
    -------
    >>> ELU().forward([[-100.0, 2.0]])
    array([[-1.,  2.]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: x if x > zero else a * expm1(x),
        lambda x, out, zero, one, a, b: one if x > zero else a * exp(x),
    )
    alpha = Setting(0)

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(hyper=[real(alpha, "ELU", "alpha")])

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(0.3), (2, 3, 2)), (cls(2.0), (1, 5))]

    def __repr__(self) -> str:
        return f"ELU({self.alpha:g})"


class SELU(Activation):
    """out = s x where x > 0, else s alpha (exp(x) - 1); at 0 the derivative is s alpha, the left one.

    With s = 1.0507... and alpha = 1.6733..., numbers of mean 0 and variance 1 keep both through layers of suitable weights.

    Shape
    -----
    any -> the same

    Reference
    ---------
    G. Klambauer, T. Unterthiner, A. Mayr and S. Hochreiter, Self-normalizing neural networks, NeurIPS 2017.

    Example
    -------
    >>> SELU().forward([[-100.0, 1.0]]).round(4)
    array([[-1.7581,  1.0507]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: b * x if x > zero else b * (a * expm1(x)),
        lambda x, out, zero, one, a, b: b if x > zero else b * (a * exp(x)),
    )

    def __init__(self) -> None:
        super().__init__(hyper=[1.6732632423543772848170429916717, 1.0507009873554804934193349852946])


@inline_always
def _normal_share(x, one, a):
    """The probability that a number of N(0, 1) is below x; a is 1 / sqrt(2)."""
    return (one + erf(x * a)) / (one + one)


class GELU(Activation):
    """out = x P(x), with P(x) = (1 + erf(x / sqrt 2)) / 2, the share of N(0, 1) below x. The exact form, not one of tanh's.

    The derivative is P(x) + x p(x), with p(x) = exp(-x^2 / 2) / sqrt(2 pi).

    Shape
    -----
    any -> the same

    Reference
    ---------
    D. Hendrycks and K. Gimpel, Gaussian error linear units (2016), arXiv:1606.08415.

    Example
    -------
    >>> GELU().forward([[-1.0, 1.0]]).round(4)
    array([[-0.1587,  0.8413]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: x * _normal_share(x, one, a),
        lambda x, out, zero, one, a, b: _normal_share(x, one, a) + x * (b * exp(-x * x / (one + one))),
    )

    def __init__(self) -> None:
        super().__init__(hyper=[1 / math.sqrt(2), 1 / math.sqrt(2 * math.pi)])


class SiLU(Activation):
    """out = x s(x), with s the sigmoid; the derivative is s (1 + x (1 - s)), written s + out s(-x).

    Shape
    -----
    any -> the same

    Reference
    ---------
    S. Elfwing, E. Uchibe and K. Doya, Sigmoid-weighted linear units, Neural Networks 107 (2018).

    Example
    -------
    >>> SiLU().forward([[0.0, 1.0]]).round(4)
    array([[0.    , 0.7311]])
    """

    uses_output = True
    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: x * sigmoid_function(x),
        lambda x, out, zero, one, a, b: sigmoid_function(x) + out * sigmoid_function(-x),
    )


@inline_always
def _softplus(x, zero, beta):
    """log(1 + exp(beta x)) / beta = max(x, 0) + log(1 + exp(-beta |x|)) / beta: no exponential exceeds 1."""
    return (zero if x < zero else x) + log1p(exp(-beta * abs(x))) / beta


class Softplus(Activation):
    """out = log(1 + exp(beta x)) / beta, a smooth ReLU, exact at any size of x; the derivative is sigmoid(beta x).

    Parameters
    ----------
    beta : positive and finite. The larger, the nearer to ReLU.

    Shape
    -----
    any -> the same

    Reference
    ---------
    C. Dugas and others, Incorporating second-order functional knowledge, NeurIPS 2000.

    Example
    -------
    >>> Softplus().forward([[0.0, 1000.0]]).round(4)
    array([[6.931e-01, 1.000e+03]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: _softplus(x, zero, a),
        lambda x, out, zero, one, a, b: sigmoid_function(a * x),
    )
    beta = Setting(0)

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__(hyper=[real(beta, "Softplus", "beta", "a positive number", lambda v: v > 0)])

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(0.3), (2, 3, 2)), (cls(4.0), (1, 5))]

    def __repr__(self) -> str:
        return f"Softplus({self.beta:g})"


class Softsign(Activation):
    """out = x / (1 + |x|), between -1 and 1; the derivative is 1 / (1 + |x|)^2.

    Shape
    -----
    any -> the same

    Reference
    ---------
    J. Bergstra, G. Desjardins, P. Lamblin and Y. Bengio, Quadratic polynomials learn better image features (2009).

    Example
    -------
    >>> Softsign().forward([[-1.0, 3.0]])
    array([[-0.5 ,  0.75]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: x / (one + abs(x)),
        lambda x, out, zero, one, a, b: one / ((one + abs(x)) * (one + abs(x))),
    )


@inline_always
def _mish_slope(x, zero, one):
    """t + x (1 - t^2) s(x): the derivative of softplus is the sigmoid s."""
    t = tanh_function(_softplus(x, zero, one))
    return t + x * ((one - t * t) * sigmoid_function(x))


class Mish(Activation):
    """out = x t, with t = tanh(log(1 + exp(x))); the derivative is t + x (1 - t^2) sigmoid(x).

    Shape
    -----
    any -> the same

    Reference
    ---------
    D. Misra, Mish: a self regularized non-monotonic activation function, BMVC 2020.

    Example
    -------
    >>> Mish().forward([[0.0, 1.0]]).round(4)
    array([[0.    , 0.8651]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: x * tanh_function(_softplus(x, zero, one)),
        lambda x, out, zero, one, a, b: _mish_slope(x, zero, one),
    )


class Threshold(Activation):
    """out = x where x is above the threshold, else the value; the derivative is 1 or 0, and 0 at the threshold.

    Parameters
    ----------
    threshold, value : finite.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Threshold(1.0, -5.0).forward([[1.0, 2.0]])
    array([[-5.,  2.]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: b if x <= a else x,
        lambda x, out, zero, one, a, b: zero if x <= a else one,
    )
    threshold, value = Setting(0), Setting(1)

    def __init__(self, threshold: float = 0.0, value: float = 0.0) -> None:
        super().__init__(hyper=[real(threshold, "Threshold", "threshold"), real(value, "Threshold", "value")])

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(0.3, -1.0), (2, 3, 2)), (cls(-0.5, 2.0), (1, 5))]

    def __repr__(self) -> str:
        return f"Threshold({self.threshold:g}, {self.value:g})"


class Ramp(Activation):
    """out = x between low and high, and the nearer of the two outside; the derivative is 1 or 0, and 0 at both ends.

    Parameters
    ----------
    low, high : finite, low below high.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Ramp().forward([[-3.0, 0.5, 3.0]])
    array([[-1. ,  0.5,  1. ]])
    """

    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: a if x < a else (b if x > b else x),
        lambda x, out, zero, one, a, b: zero if x <= a or x >= b else one,
    )
    low, high = Setting(0), Setting(1)

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        ends = real(low, "Ramp", "low"), real(high, "Ramp", "high")
        if not ends[0] < ends[1]:
            raise ValueError(f"Ramp: low is {low} and high {high}, expected low below high")
        super().__init__(hyper=ends)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(-0.2, 0.7), (2, 3, 2)), (cls(0.1, 5.0), (1, 5))]

    def __repr__(self) -> str:
        return f"Ramp({self.low:g}, {self.high:g})"


class Radial(Activation):
    """out = exp(-x^2), a bump at 0; the derivative is -2 x out.

    Shape
    -----
    any -> the same

    Reference
    ---------
    D. Broomhead and D. Lowe, Multivariable functional interpolation and adaptive networks, Complex Systems 2 (1988).

    Example
    -------
    >>> Radial().forward([[0.0, 1.0]]).round(4)
    array([[1.    , 0.3679]])
    """

    uses_output = True
    forward_kernel, backward_kernel = elementwise(
        lambda x, zero, one, a, b: exp(-x * x),
        lambda x, out, zero, one, a, b: -(x + x) * out,
    )
