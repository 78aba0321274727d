"""Dropout and GaussianNoise: noise in training, nothing in evaluation.

x, out, delta, dx (batch, ...), all of one shape.

Dropout, with k[i] = 1 with probability 1 - p, else 0
(1)  out[i] = x[i] k[i] / (1 - p)             the division keeps the mean of out at x, so that evaluation needs no factor
(3)  dL/dx[i] = delta[i] k[i] / (1 - p)       with the k of the forward

GaussianNoise, with z[i] from N(0, 1)
(1)  out[i] = x[i] + sigma z[i]
(3)  dL/dx = delta

No draw is stored. The random bits of element i are a function of i, of the number of the forward, of which use of the module
in the network this is, and of a key drawn from rng when the module is made (`modnet.kernels.random`). So backward computes the
draw of its forward again, and a forward can be repeated.

References: N. Srivastava and others, Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (2014);
G. Box and M. Muller, A note on the generation of random normal deviates (1958).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from modnet.inputs import generator
from modnet.kernels import copy, flat, inline, inline_always
from modnet.kernels.mathfun import log, polynomial
from modnet.kernels.random import STEP, bits, mix, stream
from modnet.module import Module, Setting, Shape, operation


@inline
def _apply_mask(x, out, p, start):
    """out[i] = x[i] k[i] / (1 - p), with the k of one stream of bits. A product: a NaN or an infinity must not vanish."""
    border = np.uint64(p * 2.0**53) << np.uint64(11)  # of 53 bits, as `bits` has them
    zero, scale = x.dtype.type(0.0), x.dtype.type(1.0 / (1.0 - p))
    x, out, place = flat(x), flat(out), np.uint64(start)
    for i in range(x.size):
        out[i] = x[i] * (scale if mix(place) >= border else zero)
        place += STEP  # a product for each place would make it 1.2 times as long


# The power series of sin(2 pi s), the highest power first. For |s| <= 1/4 the next term is below 2e-18.
_SINE = tuple((-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(10, -1, -1))


@inline_always
def _cosine(v):
    """cos(2 pi v) for v in [0, 1], as sin(2 pi s) with s from -1/4 to 1/4.

    A call of math.cos would keep the loop from being vectorised: 24 ns a number instead of 2.
    """
    s = abs(v - 0.5) - 0.25
    return s * polynomial(s * s, _SINE)


@inline_always
def _normal(a, b):
    """A number of N(0, 1) from two of 53 random bits: sqrt(-2 log u) cos(2 pi v), u in (0, 1], v in [0, 1)."""
    u, v = (np.float64(a) + 1.0) * 2.0**-53, np.float64(b) * 2.0**-53
    return math.sqrt(-2.0 * log(u)) * _cosine(v)


@inline
def _add_noise(x, out, sigma, start):
    """out[i] = x[i] + sigma z[i], with the z of one stream of bits."""
    x, out = flat(x), flat(out)
    for i in range(x.size):
        out[i] = x[i] + x.dtype.type(sigma * _normal(bits(start, 2 * i), bits(start, 2 * i + 1)))


class _Noise(Module):
    """A module that draws, by a key of its own."""

    keeps_features = True
    key = Setting(kind=np.uint64)

    def __init__(self, rng: Any) -> None:
        super().__init__()
        self.key = generator(rng, type(self).__name__).integers(0, 2**64, dtype=np.uint64)


class Dropout(_Noise):
    """In training each number is set to zero with probability p, and the others are divided by 1 - p.

    Parameters
    ----------
    p : from 0 up to 1, without 1. It may be changed at any time.
    rng : int, numpy.random.Generator or None. The same seed draws the same masks, compiled or not, in float32 and in float64.

    Attributes
    ----------
    key : the number drawn from rng that all masks depend on.

    Shape
    -----
    any -> the same

    State
    -----
    The number of the last forward in training mode, from which its mask is computed again: `backward_delta` uses the mask of
    the last forward, whatever its input was. In evaluation mode nothing is drawn and nothing changes. A mask depends on the
    position of an element in its batch, so the same examples in other batches get other masks.

    A Dropout used twice in a network draws a mask for each use, and the network's backward uses both. Called by hand, one
    forward after the other, it answers for the last: `backward` of a network that needs two masks of it is then a
    RuntimeError, and so is `backward_delta` of a Dropout alone that a network has just used twice.

    Example
    -------
    >>> drop = Dropout(0.5, rng=0)
    >>> sorted(set(drop.forward([[1.0] * 100])[0].tolist()))
    [0.0, 2.0]
    >>> drop.eval().forward([[1.0, 2.0]])
    array([[1., 2.]])
    """

    p = Setting("a probability from 0 up to 1, without 1", lambda v: 0 <= v < 1)

    def __init__(self, p: float = 0.5, rng: Any = None) -> None:
        super().__init__(rng)
        self.p = p

    @operation
    def forward(x, out, s, z, draw):
        # x, out (batch, features)
        if draw == 0:
            copy(x, out)
        else:
            _apply_mask(x, out, s.p, stream(s.key, z.use, draw))         # (1)

    @operation
    def backward_delta(delta, dx, s, z, draw):
        # out[i] = x[i] k[i] / (1 - p)
        if draw == 0:
            copy(delta, dx)
        else:
            _apply_mask(delta, dx, s.p, stream(s.key, z.use, draw))      # (3)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(rng=0), (4, 3)), (cls(0.0, rng=1), (1, 5)), (cls(0.2, rng=2), (3, 2, 4)), (cls(0.9, rng=3), (6, 7))]


class GaussianNoise(_Noise):
    """In training a number of N(0, sigma^2) is added to each.

    Normal numbers are made by Box and Muller's method in float64: exact to 1e-14 for the two uniform numbers each is made
    of. These are multiples of 2^-53, so none is larger than 8.6 sigma, which a true one exceeds once in 10^17.

    Parameters
    ----------
    sigma : the standard deviation, not negative. It may be changed at any time.
    rng : int, numpy.random.Generator or None. The same seed draws the same noise, to rounding: in float32 the noise of float64.

    Attributes
    ----------
    key : the number drawn from rng that all noise depends on.

    Shape
    -----
    any -> the same

    State
    -----
    The number of the last forward in training mode, as for `Dropout`; each use in a network draws noise of its own. The
    derivative does not depend on it.

    Example
    -------
    >>> noise = GaussianNoise(0.1, rng=0)
    >>> noise.eval().forward([[1.0, 2.0]])
    array([[1., 2.]])
    """

    sigma = Setting("a number that is not negative", lambda v: v >= 0)

    def __init__(self, sigma: float, rng: Any = None) -> None:
        super().__init__(rng)
        self.sigma = sigma

    @operation
    def forward(x, out, s, z, draw):
        # x, out (batch, features)
        if draw == 0:
            copy(x, out)
        else:
            _add_noise(x, out, s.sigma, stream(s.key, z.use, draw))      # (1)

    @operation
    def backward_delta(delta, dx):
        # out = x + sigma z
        copy(delta, dx)                                                  # (3)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(0.3, rng=0), (4, 3)), (cls(0.0, rng=1), (1, 5)), (cls(2.0, rng=2), (3, 2, 4))]
