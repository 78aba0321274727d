"""Random bits as a function of where they are used: nothing is stored, and any draw can be made again.

bits(i) = mix(start + i g), with g odd, near 2^64 divided by the golden ratio. For one start these are the successive outputs of
SplitMix64, which passes the usual batteries of tests. Its `mix` sends all 64-bit numbers to all 64-bit numbers, one to one.

Reference: G. Steele, D. Lea and C. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels.compiled import inline, inline_always

STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@inline_always
def mix(z):
    """A number of 64 bits that depends on all bits of z."""
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@inline
def stream(key, use, draw):
    """Where the bits begin for a module with this key, at its use-th place in a walk, in the draw-th forward."""
    return mix(mix(mix(np.uint64(key)) + np.uint64(use) * STEP) + np.uint64(abs(draw)) * STEP)


@inline_always
def bits(start, i):
    """53 random bits for element i, as an integer."""
    return mix(start + np.uint64(i) * STEP) >> np.uint64(11)


@inline
def next_bits(seed):
    """The next 64 bits of the generator; seed (1,) moves on."""
    seed[0] += STEP
    return mix(seed[0])
