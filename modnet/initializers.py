"""How parameters are drawn before training.

A layer whose outputs are sums of n products keeps the size of its signal when the products are of size 1/sqrt(n): every
scheme is a way to say so. n is fan_in, the inputs that an output sums over, on the way forward, and fan_out, the outputs that
an input is in, on the way back.

    name              weights                                       made for
    uniform           U(-a, a), a = 1 / sqrt(fan_in)                the default; biases are drawn alike
    xavier_uniform    U(-a, a), a = sqrt(6 / (fan_in + fan_out))    tanh: keeps the variance both ways, or nearly
    xavier_normal     N(0, s), s = sqrt(2 / (fan_in + fan_out))
    he_uniform        U(-a, a), a = sqrt(6 / fan_in)                ReLU, which halves the mean square
    he_normal         N(0, s), s = sqrt(2 / fan_in)
    orthogonal        orthonormal columns, or rows                  deep and linear: keeps lengths
    zeros             0
    a number          that number
    a function        f(shape, rng) -> array of that shape

All but "uniform" set biases to zero.

References: Y. LeCun and others, Efficient BackProp (1998); X. Glorot and Y. Bengio, Understanding the difficulty of training
deep feedforward neural networks, AISTATS 2010; K. He and others, Delving deep into rectifiers, ICCV 2015; A. Saxe and others,
Exact solutions to the nonlinear dynamics of learning in deep linear neural networks, ICLR 2014.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.inputs import generator
from modnet.warning import warn

Shape = tuple[int, ...]
Scheme = Callable[[Shape, int, int, np.random.Generator], np.ndarray]


class SymmetryWarning(UserWarning):
    """All weights of a layer are equal at the start, so that its units compute the same and go on doing so."""


def uniform(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)): the default."""
    bound = fan_in**-0.5
    return rng.uniform(-bound, bound, shape)


def xavier_uniform(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """U(-a, a) with the variance 2 / (fan_in + fan_out)."""
    bound = (6 / (fan_in + fan_out)) ** 0.5
    return rng.uniform(-bound, bound, shape)


def xavier_normal(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Normal with the variance 2 / (fan_in + fan_out)."""
    return rng.normal(0.0, (2 / (fan_in + fan_out)) ** 0.5, shape)


def he_uniform(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """U(-a, a) with the variance 2 / fan_in."""
    bound = (6 / fan_in) ** 0.5
    return rng.uniform(-bound, bound, shape)


def he_normal(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Normal with the variance 2 / fan_in."""
    return rng.normal(0.0, (2 / fan_in) ** 0.5, shape)


def orthogonal(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Orthonormal columns of the matrix (all but the last axis, last axis), or rows if there are fewer of them."""
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))  # or Q would lean towards one side of the group
    return (q if rows >= columns else q.T).reshape(shape)


def zeros(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Zero."""
    return np.zeros(shape)


SCHEMES: dict[str, Scheme] = {
    scheme.__name__: scheme
    for scheme in (uniform, xavier_uniform, xavier_normal, he_uniform, he_normal, orthogonal, zeros)
}


def initialize(module: Any, init: Any, rng: Any, fan_in: int, fan_out: int) -> None:
    """Fill the parameters of a new module: those called "bias" with zeros, except by "uniform", and the others as asked.

    Parameters
    ----------
    module : with `named_parameters`.
    init : a name or a function of `SCHEMES`, a number, or a function (shape, rng) -> array of that shape.
    rng : int, numpy.random.Generator or None.
    fan_in, fan_out : how many inputs an output sums over, and how many outputs an input is in.

    Warns
    -----
    SymmetryWarning : if there is more than one weight and all are equal.
    """
    who = type(module).__name__
    init = next((name for name, scheme in SCHEMES.items() if scheme is init), init)
    is_number = isinstance(init, int | float | np.integer | np.floating) and not isinstance(init, bool)
    is_name = isinstance(init, str) and init in SCHEMES
    if not (is_name or is_number or (callable(init) and not isinstance(init, type))):
        names = ", ".join(map(repr, SCHEMES))
        came = type(init).__name__ if "\n" in repr(init) else repr(init)
        ours = str(init).lower().replace("glorot", "xavier").replace("kaiming", "he").rstrip("_")
        advice = f"; here it is {ours!r}" if ours in SCHEMES else ""
        raise ValueError(
            f"{who}: init is {came}, expected one of {names}, a number, or a function (shape, rng) -> array{advice}"
        )
    if is_number and not np.isfinite(init):
        raise ValueError(f"{who}: init is {init}, expected a finite number")
    source = generator(rng, who)
    for name, array in module.named_parameters().items():
        if name == "bias" and init != "uniform":
            array[...] = 0
        elif is_name:
            array[...] = SCHEMES[init](array.shape, fan_in, fan_out, source)
        elif is_number:
            array[...] = init
        else:
            array[...] = _from_function(who, init, array.shape, source)
        if name != "bias" and array.size > 1 and (array == array.flat[0]).all():
            _warn_of_symmetry(module, float(array.flat[0]), getattr(module, "out_features", None) or array.shape[-1])


def _from_function(who: str, init: Any, shape: Shape, rng: np.random.Generator) -> np.ndarray:
    found = np.asarray(init(shape, rng))
    if found.shape != shape or found.dtype.kind not in "fiub":
        came = f"shape {found.shape}" if found.dtype.kind in "fiub" else f"{found.dtype}"
        raise ValueError(f"{who}: init returned {came}, expected numbers of shape {shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{who}: init returned {found[~np.isfinite(found)][0]}, expected finite numbers")
    return found


def _warn_of_symmetry(module: Any, value: float, units: int) -> None:
    if units > 1:
        meaning = f"its {units} units compute the same, get the same gradient and stay equal, so they are worth one"
    else:
        meaning = "equal units of the layer before it stay equal; without a layer before it, it does no harm"
    warn(
        f"{module}: all weights are {value:g} at the start; {meaning}. A random init such as 'uniform' makes them differ",
        SymmetryWarning,
    )


__all__ = ["SCHEMES", "SymmetryWarning", "initialize"]
