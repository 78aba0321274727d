"""What the modules and losses of the course compute, written once more and independently, in plain numpy.

A definition is a function (X, options) -> candidates: a student's layer may keep its weights in several layouts, and any
that gives what the layer gives is its definition. Names are the course's and their usual variants, in French and
English.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modnet.kernels.declare import Declares

Candidates = Iterator[np.ndarray]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _logsoftmax(x: np.ndarray) -> np.ndarray:
    low = x - x.max(axis=-1, keepdims=True)
    return low - np.log(np.exp(low).sum(axis=-1, keepdims=True))


def _erf(x: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf, otypes=[float])(x)


_SELU = (1.0507009873554805, 1.6732632423543772)
#: Functions without any parameter, by their plain names.
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "softmax": _softmax,
    "logsoftmax": _logsoftmax,
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "gelu": lambda x: x * 0.5 * (1 + _erf(x / math.sqrt(2))),
    "silu": lambda x: x * _sigmoid(x),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "selu": lambda x: _SELU[0] * np.where(x > 0, x, _SELU[1] * np.expm1(np.minimum(x, 0))),
    "radial": lambda x: np.exp(-(x**2)),
    "identity": lambda x: x.copy(),
    "flatten": lambda x: x.reshape(len(x), -1),
}


def function_like(x: np.ndarray, out: np.ndarray) -> str:
    """The name of the first of these functions that gives this for x; empty if none does."""
    with np.errstate(all="ignore"):
        given = ((name, function(x.astype(float))) for name, function in FUNCTIONS.items())
        fits = (name for name, z in given if z.shape == out.shape and np.allclose(z, out, rtol=1e-6, atol=1e-9))
        return next(fits, "")


#: What else people call them.
_OTHERS = {
    "linear": "modulelineaire modulelinear linearmultid lineaire dense fullyconnected affine fc",
    "tanh": "tangente tangentehyperbolique tanhyperbolique hyperbolictangent tanhlayer",
    "sigmoid": "sigmoide sigmoïde logistic logistique",
    "relu": "rectifiedlinearunit",
    "leakyrelu": "leaky",
    "logsoftmax": "logsoftmaxlayer",
    "silu": "swish",
    "identity": "identite",
    "flatten": "aplatir",
    "conv1d": "conv1 convolution1d",
    "conv2d": "convolution2d",
    "maxpool1d": "maxpooling1d",
    "maxpool2d": "maxpooling2d",
    "avgpool1d": "avgpooling1d averagepool1d averagepooling1d meanpool1d moypool1d",
    "avgpool2d": "avgpooling2d",
}
_ALIASES = {other: name for name, others in _OTHERS.items() for other in others.split()}
WINDOWED = ("conv1d", "conv2d", "maxpool1d", "maxpool2d", "avgpool1d", "avgpool2d")
_NAMES = {*FUNCTIONS, *WINDOWED, "linear", "leakyrelu", "elu", "prelu", "dropout", "batchnorm", "layernorm"}


def plain_name(kind: type | str, exact: bool = False) -> str:
    """The course's name for a class, such as "tanh" for MyTanH2; empty if it has none.

    `exact` without a number behind it: ReLU6 and SoftmaxTemperature mean something of their own.
    """
    name = kind if isinstance(kind, str) else kind.__name__
    word = re.sub(r"[^a-zï0-9]", "", name.lower().replace("é", "e"))
    number = "" if exact else r"|v?\d+"
    for text in (word, re.sub(rf"^(my|mon|ma|our)|(layer|module|couche|activation{number})$", "", word)):
        found = _ALIASES.get(text, text)
        if found in _NAMES:
            return found
    return ""


def definition(name: str, x: np.ndarray, out: np.ndarray, held: dict[str, np.ndarray], options: dict[str, Any]) -> Candidates:
    """What a module of this name may give for x, with these parameters and these numbers among its attributes."""
    numbers = [float(v) for v in options.values() if isinstance(v, int | float | np.number) and not isinstance(v, bool)]
    if name in FUNCTIONS:
        yield FUNCTIONS[name](x)
        if name == "gelu":
            yield 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        if name == "softplus":
            yield from (_softplus(b * x) / b for b in numbers if b > 0)
        if name == "relu":
            yield from (np.where(x > 0, x, slope * x) for slope in numbers if 0 < slope < 1)
        if name == "silu":
            yield from (x * _sigmoid(b * x) for b in numbers)
    elif name == "leakyrelu":
        yield from (np.where(x > 0, x, slope * x) for slope in [*numbers, 0.01, 0.1, 0.2])
    elif name == "elu":
        yield from (np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))) for alpha in [*numbers, 1.0])
    elif name == "linear":
        pairs = affine(x.shape[-1], out.shape[-1], held)
        yield from (x @ W if b is None else x @ W + b for W, b in pairs)
    elif name in WINDOWED:
        yield from (wanted for _, wanted in _windowed(name, x, out, held, options))


def affine(n: int, m: int, held: dict[str, np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """(W, b) of x W + b from n to m, as arrays may be meant: W as rows or columns, b beside it, inside it, or None."""
    for name, W in held.items():
        others = [b.reshape(m) for other, b in held.items() if other != name and b.size == m and b.ndim <= 2]
        for form in ([W] if W.shape == (n, m) else []) + ([W.T] if W.shape == (m, n) else []):
            yield from ((form, b) for b in (*others, None))
        if W.shape == (n + 1, m):
            yield from ((W[:-1], W[-1]), (W[1:], W[0]))


def _windowed(
    name: str, x: np.ndarray, out: np.ndarray, held: dict[str, np.ndarray], options: dict[str, Any]
) -> Iterator[tuple[bool, np.ndarray]]:
    """With channels last, then with channels first, and the axes of the weights in any order: (whether they are first, Z)."""
    dims = 1 if name.endswith("1d") else 2
    if x.ndim == dims + 1 and name.startswith("conv"):
        x = x[..., None]  # one channel, without an axis
    if x.ndim != dims + 2 or out.ndim != dims + 2:
        return
    for wanted in _channels_last(name, dims, x, out, held, options):
        yield False, wanted
    for wanted in _channels_last(name, dims, np.moveaxis(x, 1, -1), np.moveaxis(out, 1, -1), held, options):
        yield True, np.moveaxis(wanted, -1, 1)


def is_channels_first(name: str, x: np.ndarray, out: np.ndarray, held: dict[str, np.ndarray], options: dict[str, Any]) -> bool:
    """Whether a module with windows is what its name says on (batch, chan, ...), and not on (batch, ..., chan).

    If its name says nothing, whether it is any module with windows there.
    """
    for each in WINDOWED if not name else [name] if name in WINDOWED else []:
        for first, wanted in _windowed(each, x, out, held, options) if each.endswith(f"{x.ndim - 2}d") else ():
            if wanted.shape == out.shape and np.allclose(wanted, out, rtol=1e-6, atol=1e-9):
                if first:
                    return True
                break  # it is that with channels last
    return False


def _kernels(dims: int, chan_in: int, chan_out: int, held: dict[str, np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The weights as (window..., chan_in, chan_out), and as they are held, however they may be meant."""
    for array in held.values() if chan_in * chan_out else ():
        if array.ndim == dims + 2:
            for order in itertools.permutations(range(dims + 2)):
                turned = array.transpose(order)
                if list(order[:dims]) == sorted(order[:dims]) and turned.shape[-2:] == (chan_in, chan_out):
                    yield turned, array
        elif array.ndim == 2 and array.size % (chan_in * chan_out) == 0:
            size = array.size // (chan_in * chan_out)
            side = round(size ** (1 / dims))
            if side**dims == size and chan_out in array.shape:
                rows = array if array.shape[1] == chan_out else array.T
                yield rows.reshape(*(side,) * dims, chan_in, chan_out), array
                yield np.moveaxis(rows.reshape(chan_in, *(side,) * dims, chan_out), 0, -2), array


def _channels_last(
    name: str, dims: int, x: np.ndarray, out: np.ndarray, held: dict[str, np.ndarray], options: dict[str, Any]
) -> Candidates:
    if not name.startswith("conv"):
        yield from _slid(name, dims, x, out, None, options)
        return
    for W, array in itertools.islice(_kernels(dims, x.shape[-1], out.shape[-1], held), 12):
        biases = [b.reshape(-1) for b in held.values() if b is not array and b.size == out.shape[-1]]
        for plain in _slid(name, dims, x, out, W, options):
            yield plain
            yield from (plain + b for b in biases)


def _sides(padding: Any, dims: int) -> list[tuple[int, int]]:
    """What is added before and after each axis of a picture: of one number, one an axis, or pairs, as np.pad takes them."""
    given = padding if isinstance(padding, tuple) else (padding,) * dims
    pairs = [p if isinstance(p, tuple) else (p, p) for p in given]
    if len(pairs) == dims + 2:  # with the batch and the channels
        pairs = pairs[1:-1] if pairs[-1] == (0, 0) else pairs[2:]
    whole = all(len(p) == 2 and all(isinstance(n, int) and n >= 0 for n in p) for p in pairs)
    return pairs if whole and len(pairs) == dims else []


def _slid(name: str, dims: int, x: np.ndarray, out: np.ndarray, W: np.ndarray | None, options: dict[str, Any]) -> Candidates:
    whole = {int(v) for v in options.values() if isinstance(v, int) and not isinstance(v, bool) and v > 0}
    sides = next(filter(None, (_sides(v, dims) for key, v in options.items() if "pad" in key.lower())), [(0, 0)] * dims)
    empty = -np.inf if name.startswith("max") else 0.0
    padded = np.pad(x, [(0, 0), *sides, (0, 0)], constant_values=empty)
    axes: list[list[tuple[int, int]]] = []
    for axis in range(dims):
        length, given = padded.shape[1 + axis], out.shape[1 + axis]
        sizes = [W.shape[axis]] if W is not None else [k for k in range(1, length + 1) if k in whole or not whole]
        axes.append([(k, s) for k in sizes for s in range(1, length + 1) if k <= length and (length - k) // s + 1 == given])
    inner = tuple(range(1 + dims, 1 + 2 * dims))
    for chosen in itertools.islice(itertools.product(*axes), 40 if W is not None else 200):
        seen = np.lib.stride_tricks.sliding_window_view(padded, tuple(k for k, _ in chosen), tuple(range(1, 1 + dims)))
        seen = seen[(slice(None), *(slice(None, None, s) for _, s in chosen))]
        seen = np.moveaxis(seen, 1 + dims, -1)  # (batch, *positions, *window, chan)
        if W is not None:
            yield np.tensordot(seen, W, (list(range(1 + dims, 2 + 2 * dims)), list(range(dims + 1))))
        else:
            yield seen.max(axis=inner) if name.startswith("max") else seen.mean(axis=inner)


def options_of(module: Any) -> dict[str, Any]:
    """The numbers among a module's attributes, by name."""
    found = dict(getattr(module, "__dict__", {}))
    if isinstance(module, Declares):
        found.update({name: getattr(module, name) for name in type(module).layout.settings})
    return {k: v for k, v in found.items() if isinstance(v, int | float | np.number | tuple)}


def _rows(terms: np.ndarray) -> np.ndarray:
    return terms.reshape(len(terms), -1).sum(axis=1)


def loss_definition(name: str, t: np.ndarray, z: np.ndarray) -> Iterator[np.ndarray]:
    """What a loss of this name may give, by definition; several if the course has several of that name."""
    word = re.sub(
        r"(sparse|loss|cost|cout|erreur|error|function|fonction|criterion|\d)", "", re.sub(r"[^a-z0-9]", "", name.lower())
    )
    if word in ("mse", "meansquared", "squared", "quadratic", "quadratique", "moindrescarres"):
        yield _rows((t - z) ** 2)
    elif word in ("mae", "l", "absolute", "meanabsolute"):
        yield _rows(np.abs(t - z))
    elif word in ("bce", "binarycrossentropy", "binarycrossentropie", "crossentropybinaire", "bcewithlogits"):
        yield _rows(-(t * np.maximum(np.log(z), -100) + (1 - t) * np.maximum(np.log1p(-z), -100)))
        yield _rows(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    elif re.fullmatch("c?ce|(categorical)?crossentrop(y|ie)|entropiecroisee|nll", word) or {"softmax", "ce"} == set(
        re.findall("softmax|ce$|^ce", word)
    ):
        yield _rows(-t * z)
        yield _rows(1 - t * z) if z.ndim == 1 else 1 - _rows(t * z)
        yield _rows(-t * FUNCTIONS["logsoftmax"](z))
        with np.errstate(all="ignore"):
            yield _rows(np.where(t != 0, -t * np.log(z), 0))
    elif word == "perceptron":
        yield _rows(np.maximum(0, -t * z))
    elif word == "hinge":
        yield _rows(np.maximum(0, 1 - t * z))
