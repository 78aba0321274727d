"""How parameters are drawn before training.

A layer whose outputs are sums of n products keeps the size of its signal when the products are of size 1/sqrt(n): every
scheme is a way to say so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.arrays import generator


def uniform(shape: tuple[int, ...], fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)): the default (LeCun et al., Efficient BackProp, 1998)."""
    bound = fan_in**-0.5
    return rng.uniform(-bound, bound, shape)


SCHEMES = {"uniform": uniform}


def initialize(module: Any, init: Any, rng: Any, fan_in: int, fan_out: int) -> None:
    """Fill the parameters of a new module.

    Parameters
    ----------
    module : with `named_parameters`.
    init : a name of `SCHEMES`.
    rng : int, numpy.random.Generator or None.
    fan_in, fan_out : how many inputs an output sums over, and how many outputs an input is in.
    """
    who = type(module).__name__
    if init not in SCHEMES:
        raise ValueError(f"{who}: init is {init!r}, expected one of {', '.join(map(repr, SCHEMES))}")
    source = generator(rng, who)
    for array in module.named_parameters().values():
        array[...] = SCHEMES[init](array.shape, fan_in, fan_out, source)
