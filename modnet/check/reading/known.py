"""What the modules of the course compute, written once more and independently, in plain numpy.

A definition is a function (X, options) -> candidates: a student's layer may keep its weights in several layouts, and any
that gives what the layer gives is its definition. Names are the course's and their usual variants, in French and
English.
"""

from __future__ import annotations

import inspect
import itertools
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np

from modnet.check.reading.lines import unread
from modnet.check.reading.vocabulary import derivative_among, meanings
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
_WINDOWED = ("conv1d", "conv2d", "maxpool1d", "maxpool2d", "avgpool1d", "avgpool2d")
_NAMES = {*FUNCTIONS, *_WINDOWED, "linear", "leakyrelu", "elu", "prelu", "dropout", "batchnorm", "layernorm"}


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
    elif name in _WINDOWED:
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
    for each in _WINDOWED if not name else [name] if name in _WINDOWED else []:
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


# --- building --------------------------------------------------------------------------------------------------------

_ROLES = (
    "k_size", "volume", "chan_in", "chan_out", "stride", "padding", "input", "output", "features", "threshold", "slope", "drop",
    "eps", "seed", "shape", "activation", "derivative", "init", "optimizer", "out_shape", "classes", "range", "scale", "pair",
    "heads", "rows", "length", "longest",
)  # fmt: skip
VALUES: dict[str, Any] = {
    "k_size": 3, "chan_in": 2, "chan_out": 4, "stride": 2, "padding": 0, "input": 3, "output": 2, "features": 3,
    "threshold": 0.0, "slope": 0.2, "drop": 0.3, "eps": 1e-8, "seed": 0, "classes": 3, "range": (-1.0, 1.0), "scale": 1.0,
    "pair": (3, 2), "heads": 2, "rows": 5, "length": 4, "longest": 8,
}  # fmt: skip
#: With windows or without.
_ANYWHERE = (
    "eps", "seed", "threshold", "slope", "shape", "out_shape", "activation", "derivative", "init", "optimizer", "range",
    "scale",
)  # fmt: skip
_WINDOW = ("k_size", "volume", "chan_in", "chan_out", "stride", "padding")
#: The order of the statement, for names that say nothing.
_ORDERS = {
    "linear": ("input", "output"),
    "conv1d": ("k_size", "chan_in", "chan_out", "stride"),
    "conv2d": ("k_size", "chan_in", "chan_out", "stride"),
    **dict.fromkeys(("maxpool1d", "maxpool2d", "avgpool1d", "avgpool2d"), ("k_size", "stride")),
    **dict.fromkeys(("batchnorm", "layernorm"), ("features",)),
    "dropout": ("drop",),
    "leakyrelu": ("slope",),
    "elu": ("slope",),
}


def unmeant(make: Callable[..., Any], without: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """The required arguments of a constructor that mean nothing known: those that it never reads, and the others."""
    given = [p for p in inspect.signature(make).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    names = [p.name for p in given if p.default is p.empty and p.name not in without]
    pair = derivative_among(names)
    left = [n for n in names if n not in pair and not meanings(n, _ROLES)]
    idle = unread(getattr(make, "__init__", None)) if isinstance(make, type) and left else set()
    return [n for n in left if n in idle], [n for n in left if n not in idle]


def roles(make: Callable[..., Any], without: Collection[str] = ()) -> dict[str, str] | None:
    """From the roles of the handout (k_size, chan_in, chan_out, stride, input, output ...) to a constructor's own names.

    A role that two arguments have, such as a height and a width, is there twice, the second time with " 2" after it. None if an
    argument without a default has no role. `without` are arguments that somebody else fills.
    """
    try:
        given = [p for p in inspect.signature(make).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    except (TypeError, ValueError):
        return None
    given = [p for p in given if p.name not in {*without, *unmeant(make, without)[0]}]
    name = plain_name(make) if isinstance(make, type) else ""
    fitting = {p.name: meanings(p.name, _ROLES) for p in given}
    if any("stride" in f and len(n) > 1 for n, f in fitting.items()):
        fitting |= {n: ["k_size"] for n in fitting if n.lower() == "f"}  # f and stride, as in a course
    fitting |= {n: [role] for n, role in zip(derivative_among(fitting), ("activation", "derivative"), strict=False)}
    sure = any({"k_size", "stride"} & set(f) and len(n) > 1 and n.lower() != "size" for n, f in fitting.items())
    four = len(given) == 4 and any("k_size" in f for f in fitting.values())
    windowed = name in _WINDOWED or (not name and (sure or four))
    found: dict[str, str] = {}
    for p in given:
        wanted = [r for r in fitting[p.name] if (r in _WINDOW) == windowed or r in _ANYWHERE]
        for whole in {"shape", "out_shape"}.intersection(wanted):  # a picture's
            wanted = [whole] if windowed else [r for r in wanted if r != whole]
        wanted = wanted or (fitting[p.name] if not windowed else [])
        if windowed and not wanted and "features" in fitting[p.name] and p.default is p.empty:
            wanted = ["chan_in"]  # of a convolution that takes each channel by itself
        if "pair" in wanted:  # of a matrix
            wanted = ["pair"] if name == "linear" else [r for r in wanted if r != "pair"]
        role = next((r for r in wanted if r not in found), None) or next(
            (f"{r} 2" for r in wanted if f"{r} 2" not in found), None
        )
        if role is not None:
            found[role] = p.name
        elif p.default is p.empty:
            return _by_order(name, given, fitting)
    return found


def _by_order(name: str, given: list[inspect.Parameter], fitting: Mapping[str, list[str]]) -> dict[str, str] | None:
    """The roles of a class of this name by the order of its arguments, if there are as many as in the statement.

    None as well if a name says another one of these roles, such as (n_out, init).
    """
    order = _ORDERS.get(name, ())
    required = [p for p in given if p.default is p.empty]
    if not order or len(required) not in (len(order), len(order) - 1):
        return None
    found = {role: p.name for role, p in zip(order, given)}
    said = {n: set(order).intersection(fitting[n]) for n in found.values()}
    return None if any(said[n] and role not in said[n] for role, n in found.items()) else found


def options_of(module: Any) -> dict[str, Any]:
    """The numbers among a module's attributes, by name."""
    found = dict(getattr(module, "__dict__", {}))
    if isinstance(module, Declares):
        found.update({name: getattr(module, name) for name in type(module).layout.settings})
    return {k: v for k, v in found.items() if isinstance(v, int | float | np.number | tuple)}
