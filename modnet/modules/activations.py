"""Elementwise activations: out = f(x), one number at a time.

x, out, delta, dx (batch, ...), all of one shape.

(1)  out = f(x)
(2)  no parameters
(3)  dL/dx = delta f'(x)          x[i] is in out[i] alone

Each is two lines of mathematics, f and f', and shares the operations of `Elementwise`. ``c`` has the module's settings, and
``c.zero`` and ``c.one``, as numbers of x's own type: a bare 1.0 would turn a float32 into a float64. If f' is shorter in
terms of the output, it is written so. At a kink, the derivative is PyTorch's choice. A NaN comes out as a NaN: every comparison
with it is false, and what follows `else` is x, or computed from x.
"""

from __future__ import annotations

import math
from typing import Any

from modnet.kernels import inline_always
from modnet.kernels.mathfun import erf, exp, expm1, log1p
from modnet.kernels.mathfun import sigmoid as sigmoid_function
from modnet.kernels.mathfun import tanh as tanh_function
from modnet.module import Setting
from modnet.modules.elementwise import Elementwise


def _constant(value: float, words: str) -> Any:
    """A setting that can have no other value: f and f' see it as a number of x's type."""
    return Setting(words, lambda v: v == value, default=value)


class Tanh(Elementwise):
    """out = tanh(x), between -1 and 1; the derivative is 1 - out^2.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Tanh().forward([[0.0]])
    array([[0.]])
    """

    @staticmethod
    def f(x, c):
        return tanh_function(x)

    @staticmethod
    def derivative(x, out, c):
        return c.one - out * out


class Sigmoid(Elementwise):
    """out = 1 / (1 + exp(-x)), between 0 and 1; the derivative is out (1 - out).

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Sigmoid().forward([[0.0]])
    array([[0.5]])
    """

    @staticmethod
    def f(x, c):
        return sigmoid_function(x)

    @staticmethod
    def derivative(x, out, c):
        return out * (c.one - out)


class ReLU(Elementwise):
    """out = x if x > 0, else 0; the derivative is 1 or 0, and 0 at 0.

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

    @staticmethod
    def f(x, c):
        return c.zero if x < c.zero else x

    @staticmethod
    def derivative(x, c):
        return c.zero if x <= c.zero else c.one


class LeakyReLU(Elementwise):
    """out = x if x > 0, else slope * x; at 0 the derivative is the slope.

    Parameters
    ----------
    slope : finite, usually small and positive. It may be changed at any time.

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

    slope = Setting()

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = slope

    @staticmethod
    def f(x, c):
        return x if x > c.zero else c.slope * x

    @staticmethod
    def derivative(x, c):
        return c.one if x > c.zero else c.slope

    tried = (), (0.3,), (0.0,)


class ELU(Elementwise):
    """out = x if x > 0, else alpha (exp(x) - 1); the derivative is 1 or alpha exp(x), and alpha at 0.

    Parameters
    ----------
    alpha : finite; the output is above -alpha. It may be changed at any time.

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

    alpha = Setting()

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    @staticmethod
    def f(x, c):
        return x if x > c.zero else c.alpha * expm1(x)

    @staticmethod
    def derivative(x, c):
        return c.one if x > c.zero else c.alpha * exp(x)

    tried = (), (0.3,), (2.0,)


class SELU(Elementwise):
    """out = scale x if x > 0, else scale alpha (exp(x) - 1); at 0 the derivative is scale alpha, the left one.

    With scale = 1.0507... and alpha = 1.6733..., numbers of mean 0 and variance 1 keep both through layers of suitable weights.

    Attributes
    ----------
    alpha, scale : the two constants.

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

    alpha = _constant(1.6732632423543772848170429916717, "1.6732632423543772, a constant of SELU")
    scale = _constant(1.0507009873554804934193349852946, "1.0507009873554805, a constant of SELU")

    @staticmethod
    def f(x, c):
        return c.scale * x if x > c.zero else c.scale * (c.alpha * expm1(x))

    @staticmethod
    def derivative(x, c):
        return c.scale if x > c.zero else c.scale * (c.alpha * exp(x))


@inline_always
def _normal_share(x, c):
    """The probability that a number of N(0, 1) is below x."""
    return (c.one + erf(x * c.root_half)) / (c.one + c.one)


class GELU(Elementwise):
    """out = x P(x), with P(x) = (1 + erf(x / sqrt 2)) / 2, the share of N(0, 1) below x. The exact form, not one of tanh's.

    The derivative is P(x) + x p(x), with p(x) = exp(-x^2 / 2) / sqrt(2 pi).

    Attributes
    ----------
    root_half, peak : the constants 1 / sqrt(2) and p(0) = 1 / sqrt(2 pi).

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

    root_half = _constant(1 / math.sqrt(2), "1 / sqrt(2)")
    peak = _constant(1 / math.sqrt(2 * math.pi), "1 / sqrt(2 pi)")

    @staticmethod
    def f(x, c):
        return x * _normal_share(x, c)

    @staticmethod
    def derivative(x, c):
        return _normal_share(x, c) + x * (c.peak * exp(-x * x / (c.one + c.one)))


class SiLU(Elementwise):
    """out = x s(x), with s the sigmoid; the derivative is s (1 + x (1 - s)), written s + x s(x) s(-x).

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

    @staticmethod
    def f(x, c):
        return x * sigmoid_function(x)

    @staticmethod
    def derivative(x, c):
        return sigmoid_function(x) + x * sigmoid_function(x) * sigmoid_function(-x)


@inline_always
def _softplus(x, beta, c):
    """log(1 + exp(beta x)) / beta = max(x, 0) + log(1 + exp(-beta |x|)) / beta: no exponential exceeds 1."""
    return (c.zero if x < c.zero else x) + log1p(exp(-beta * abs(x))) / beta


class Softplus(Elementwise):
    """out = log(1 + exp(beta x)) / beta, a smooth ReLU, exact at any size of x; the derivative is sigmoid(beta x).

    Parameters
    ----------
    beta : positive and finite. The larger, the nearer to ReLU. It may be changed at any time.

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

    beta = Setting("a positive number", lambda v: v > 0, default=1.0)

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    @staticmethod
    def f(x, c):
        return _softplus(x, c.beta, c)

    @staticmethod
    def derivative(x, c):
        return sigmoid_function(c.beta * x)

    tried = (), (0.3,), (4.0,)


class Softsign(Elementwise):
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

    @staticmethod
    def f(x, c):
        return x / (c.one + abs(x))

    @staticmethod
    def derivative(x, c):
        return c.one / ((c.one + abs(x)) * (c.one + abs(x)))


@inline_always
def _mish_derivative(x, c):
    """t + x (1 - t^2) s(x): the derivative of softplus is the sigmoid s."""
    t = tanh_function(_softplus(x, c.one, c))
    return t + x * ((c.one - t * t) * sigmoid_function(x))


class Mish(Elementwise):
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

    @staticmethod
    def f(x, c):
        return x * tanh_function(_softplus(x, c.one, c))

    @staticmethod
    def derivative(x, c):
        return _mish_derivative(x, c)


class Threshold(Elementwise):
    """out = x if x is above the threshold, else the value; the derivative is 1 or 0, and 0 at the threshold.

    Parameters
    ----------
    threshold, value : finite. They may be changed at any time.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Threshold(1.0, -5.0).forward([[1.0, 2.0]])
    array([[-5.,  2.]])
    """

    threshold = Setting()
    value = Setting()

    def __init__(self, threshold: float = 0.0, value: float = 0.0) -> None:
        super().__init__()
        self.threshold, self.value = threshold, value

    @staticmethod
    def f(x, c):
        return c.value if x <= c.threshold else x

    @staticmethod
    def derivative(x, c):
        return c.zero if x <= c.threshold else c.one

    tried = (), (0.3, -1.0), (-0.5, 2.0)


class Ramp(Elementwise):
    """out = x between low and high, and the nearer of the two outside; the derivative is 1 or 0, and 0 at both ends.

    Parameters
    ----------
    low, high : finite, low below high. They may be changed at any time; to move both, change first the one that makes room.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Ramp().forward([[-3.0, 0.5, 3.0]])
    array([[-1. ,  0.5,  1. ]])
    """

    # As far apart as can be at first, so that the constructor may set either before the other.
    low = Setting("a finite number below high", lambda v, ramp: v < ramp.high, default=-3e38)
    high = Setting("a finite number above low", lambda v, ramp: v > ramp.low, default=3e38)

    def __init__(self, low: float = -1.0, high: float = 1.0) -> None:
        super().__init__()
        self.low, self.high = low, high

    @staticmethod
    def f(x, c):
        return c.low if x < c.low else (c.high if x > c.high else x)

    @staticmethod
    def derivative(x, c):
        return c.zero if x <= c.low or x >= c.high else c.one

    tried = (), (-0.2, 0.7), (0.1, 5.0)


class Radial(Elementwise):
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

    @staticmethod
    def f(x, c):
        return exp(-x * x)

    @staticmethod
    def derivative(x, out, c):
        return -(x + x) * out
