"""Dropout and GaussianNoise: noise in training, nothing in evaluation.

x, out, delta, dx (batch, ...), all of one shape.

Dropout, with k[i] = 1 with probability 1 - p, else 0
(1)  out[i] = x[i] k[i] / (1 - p)             the division keeps the mean of out at x, so that evaluation needs no factor
(3)  dL/dx[i] = delta[i] k[i] / (1 - p)       with the k of the forward

GaussianNoise, with z[i] from N(0, 1)
(1)  out[i] = x[i] + sigma z[i]
(3)  dL/dx = delta

No draw is stored. The random bits of element i are a function of i, of the number of the forward, and of a key drawn from
rng when the module is made: backward computes the draw of the last forward again, and a forward may be repeated with it.

    bits(i) = mix(start + i g)     start = mix(mix(key) + number g), g odd, near 2^64 divided by the golden ratio

For one start these are the successive outputs of SplitMix64, which passes the usual batteries of tests. Its `mix` sends all
64-bit numbers to all 64-bit numbers, one to one.

References: N. Srivastava and others, Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (2014);
G. Steele, D. Lea and C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014; G. Box and M. Muller, A note on
the generation of random normal deviates (1958).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from modnet.arrays import generator, real
from modnet.kernels import inline, inline_always, kernel
from modnet.mathfun import _polynomial, log
from modnet.module import ModeModule, Shape
from modnet.modules.wiring import copy, copy_backward

MODE, AMOUNT, KEY_HIGH, KEY_LOW, NUMBER = range(5)  # places in hyper
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@inline_always
def _mix(z):
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@inline
def _start(hyper):
    """Where the stream of the last forward begins."""
    key = (np.uint64(hyper[KEY_HIGH]) << np.uint64(32)) + np.uint64(hyper[KEY_LOW])
    return _mix(_mix(key) + np.uint64(hyper[NUMBER]) * _STEP)


@inline_always
def _bits(start, i):
    """53 random bits for element i, as an integer."""
    return _mix(start + np.uint64(i) * _STEP) >> np.uint64(11)


@inline
def _next(hyper):
    """Move on to a draw of its own, but for a forward that repeats the last."""
    if hyper[MODE] == 1:
        hyper[NUMBER] += 1


@inline
def _apply_mask(x, out, hyper):
    # out[i] = x[i] k[i] / (1 - p); a product, since a NaN or an infinity must not vanish
    start, border = _start(hyper), np.uint64(hyper[AMOUNT] * 2.0**53)
    zero, scale = x.dtype.type(0.0), x.dtype.type(1.0 / (1.0 - hyper[AMOUNT]))
    x, out = x.reshape(x.size), out.reshape(x.size)
    for i in range(x.size):
        out[i] = x[i] * (scale if _bits(start, i) >= border else zero)


@kernel("forward")
def dropout_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, features)
    if hyper[MODE] == 0:
        copy(x, out)
    else:
        _next(hyper)
        _apply_mask(x, out, hyper)


@kernel("backward")
def dropout_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out[i] = x[i] k[i] / (1 - p)
    if hyper[MODE] == 0:
        copy(delta, dx)
    else:
        _apply_mask(delta, dx, hyper)


# The power series of sin(2 pi s), the highest power first. For |s| <= 1/4 the next term is below 2e-18.
_SINE = tuple((-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(10, -1, -1))


@inline_always
def _cosine(v):
    """cos(2 pi v) for v in [0, 1], as sin(2 pi s) with s from -1/4 to 1/4.

    A call of math.cos would keep the loop from being vectorised, 24 ns a number in place of 2.
    """
    s = abs(v - 0.5) - 0.25
    return s * _polynomial(s * s, _SINE)


@inline_always
def _normal(a, b):
    """A number of N(0, 1) from two of 53 random bits: sqrt(-2 log u) cos(2 pi v), u in (0, 1], v in [0, 1)."""
    u, v = (np.float64(a) + 1.0) * 2.0**-53, np.float64(b) * 2.0**-53
    return math.sqrt(-2.0 * log(u)) * _cosine(v)


@kernel("forward")
def noise_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, features)
    if hyper[MODE] == 0:
        copy(x, out)
        return
    _next(hyper)
    start, sigma = _start(hyper), hyper[AMOUNT]
    x, out = x.reshape(x.size), out.reshape(x.size)
    for i in range(x.size):
        out[i] = x[i] + x.dtype.type(sigma * _normal(_bits(start, 2 * i), _bits(start, 2 * i + 1)))


class _Noise(ModeModule):
    """A module that draws.

    Parameters
    ----------
    amount : its one setting. rng : int, numpy.random.Generator or None.
    """

    keeps_features = True
    stands_once = True

    def __init__(self, amount: float, rng: Any) -> None:
        # Two whole numbers of 32 bits and a count: a float64 holds each exactly, and none is ever NaN.
        key = generator(rng, type(self).__name__).integers(0, 2**32, 2)
        super().__init__(hyper=[amount, *key, 0])


class Dropout(_Noise):
    """In training each number is set to zero with probability p, and the others are divided by 1 - p.

    Parameters
    ----------
    p : from 0 up to 1, without 1. It may be changed at any time.
    rng : int, numpy.random.Generator or None. The same seed draws the same masks, in a compiled and in a Python walk, in
        float32 and in float64.

    Shape
    -----
    any -> the same

    State
    -----
    The number of the last forward in training mode, which is that of its mask: `backward_delta` has the mask of the last
    forward, whatever its input was. A mask depends on the place of an element in its batch, so the same examples in other
    batches get other masks. One module keeps one number and so stands at one place of one network.

    Example
    -------
    >>> drop = Dropout(0.5, rng=0)
    >>> sorted(set(drop.forward([[1.0] * 100])[0].tolist()))
    [0.0, 2.0]
    >>> drop.eval().forward([[1.0, 2.0]])
    array([[1., 2.]])
    """

    forward_kernel, backward_kernel = dropout_forward, dropout_backward

    def __init__(self, p: float = 0.5, rng: Any = None) -> None:
        super().__init__(_share(p), rng)

    @property
    def p(self) -> float:
        """The probability of a zero."""
        return float(self._hyper[AMOUNT])

    @p.setter
    def p(self, value: float) -> None:
        self._hyper[AMOUNT] = _share(value)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(rng=0), (4, 3)), (cls(0.0, rng=1), (1, 5)), (cls(0.2, rng=2), (3, 2, 4)), (cls(0.9, rng=3), (6, 7))]

    def __repr__(self) -> str:
        return f"Dropout({self.p:g})"


class GaussianNoise(_Noise):
    """In training a number of N(0, sigma^2) is added to each.

    Normal numbers are made by Box and Muller's method in float64: exact to 1e-14 for the two uniform numbers each is made
    of. These are multiples of 2^-53, so none is larger than 8.6 sigma, which a true one exceeds once in 10^17.

    Parameters
    ----------
    sigma : the standard deviation, not negative. It may be changed at any time.
    rng : int, numpy.random.Generator or None. The same seed draws the same noise, in a compiled and in a Python walk; in
        float32 it is that of float64, rounded.

    Shape
    -----
    any -> the same

    State
    -----
    The number of the last forward in training mode, as for `Dropout`. The derivative does not depend on it.

    Example
    -------
    >>> noise = GaussianNoise(0.1, rng=0)
    >>> noise.eval().forward([[1.0, 2.0]])
    array([[1., 2.]])
    """

    forward_kernel, backward_kernel = noise_forward, copy_backward

    def __init__(self, sigma: float, rng: Any = None) -> None:
        super().__init__(_deviation(sigma), rng)

    @property
    def sigma(self) -> float:
        """The standard deviation."""
        return float(self._hyper[AMOUNT])

    @sigma.setter
    def sigma(self, value: float) -> None:
        self._hyper[AMOUNT] = _deviation(value)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(0.3, rng=0), (4, 3)), (cls(0.0, rng=1), (1, 5)), (cls(2.0, rng=2), (3, 2, 4))]

    def __repr__(self) -> str:
        return f"GaussianNoise({self.sigma:g})"


def _share(p: Any) -> float:
    return real(p, "Dropout", "p", "a probability from 0 up to 1, without 1", lambda v: 0 <= v < 1)


def _deviation(sigma: Any) -> float:
    return real(sigma, "GaussianNoise", "sigma", "a number that is not negative", lambda v: v >= 0)
