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
_ALIASES = {
    "tangente": "tanh",
    "tangentehyperbolique": "tanh",
    "tanhyperbolique": "tanh",
    "hyperbolictangent": "tanh",
    "tanhlayer": "tanh",
    "sigmoide": "sigmoid",
    "sigmoïde": "sigmoid",
    "logistic": "sigmoid",
    "logistique": "sigmoid",
    "rectifiedlinearunit": "relu",
    "logsoftmaxlayer": "logsoftmax",
    "aplatir": "flatten",
    "swish": "silu",
    "identite": "identity",
    "lineaire": "linear",
    "dense": "linear",
    "fullyconnected": "linear",
    "affine": "linear",
    "fc": "linear",
    "conv1": "conv1d",
    "convolution1d": "conv1d",
    "maxpooling1d": "maxpool1d",
    "avgpooling1d": "avgpool1d",
    "averagepool1d": "avgpool1d",
    "averagepooling1d": "avgpool1d",
    "meanpool1d": "avgpool1d",
    "moypool1d": "avgpool1d",
    "convolution2d": "conv2d",
    "maxpooling2d": "maxpool2d",
    "avgpooling2d": "avgpool2d",
    "leaky": "leakyrelu",
}
_WINDOWED = ("conv1d", "conv2d", "maxpool1d", "maxpool2d", "avgpool1d", "avgpool2d")
_NAMES = {*FUNCTIONS, *_WINDOWED, "linear", "leakyrelu", "elu", "prelu", "dropout", "batchnorm", "layernorm"}


def plain_name(kind: type | str) -> str:
    """The course's name for a class, such as "tanh" for MyTanH2; empty if it has none."""
    name = kind if isinstance(kind, str) else kind.__name__
    word = re.sub(r"[^a-zïé0-9]", "", name.lower().replace("é", "e"))
    for text in (word, re.sub(r"^(my|mon|ma|our)|(layer|module|couche|activation|v?\d+)$", "", word)):
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
        if name == "silu":
            yield from (x * _sigmoid(b * x) for b in numbers)
    elif name == "leakyrelu":
        yield from (np.where(x > 0, x, slope * x) for slope in [*numbers, 0.01, 0.1, 0.2])
    elif name == "elu":
        yield from (np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))) for alpha in [*numbers, 1.0])
    elif name == "linear":
        yield from _linear(x, out, held)
    elif name in _WINDOWED:
        yield from _windowed(name, x, out, held, options)


def _linear(x: np.ndarray, out: np.ndarray, held: dict[str, np.ndarray]) -> Candidates:
    n, m = x.shape[-1], out.shape[-1]
    for name, W in held.items():
        others = [b.reshape(m) for other, b in held.items() if other != name and b.size == m and b.ndim <= 2]
        forms = [W] if W.shape == (n, m) else []
        if W.shape == (m, n):
            forms.append(W.T)
        for form in forms:
            for b in [*others, np.zeros(m)]:
                yield x @ form + b
        if W.shape == (n + 1, m):
            yield x @ W[:-1] + W[-1]
            yield x @ W[1:] + W[0]
        if W.ndim == 1 and W.size in (n * m, n * m + m):
            yield x @ W[: n * m].reshape(n, m) + (W[n * m :] if W.size > n * m else 0)


def _windowed(name: str, x: np.ndarray, out: np.ndarray, held: dict[str, np.ndarray], options: dict[str, Any]) -> Candidates:
    dims = 1 if name.endswith("1d") else 2
    if x.ndim != dims + 2 or out.ndim != dims + 2:
        return
    W = None
    if name.startswith("conv"):
        W = next((a for a in held.values() if a.ndim == dims + 2 and a.shape[-2:] == (x.shape[-1], out.shape[-1])), None)
        if W is None:
            return
    biases = [b.reshape(-1) for b in held.values() if W is not None and b is not W and b.size == out.shape[-1]]
    whole = {int(v) for v in options.values() if isinstance(v, int) and not isinstance(v, bool) and v > 0}
    padding = next((v for key, v in options.items() if "pad" in key.lower() and isinstance(v, int | tuple)), 0)
    sides = padding if isinstance(padding, tuple) else (padding,) * dims
    empty = -np.inf if name.startswith("max") else 0.0
    padded = np.pad(x, [(0, 0), *[(p, p) for p in sides], (0, 0)], constant_values=empty)
    axes: list[list[tuple[int, int]]] = []
    for axis in range(dims):
        length, given = padded.shape[1 + axis], out.shape[1 + axis]
        sizes = [W.shape[axis]] if W is not None else [k for k in range(1, length + 1) if k in whole or not whole]
        axes.append([(k, s) for k in sizes for s in range(1, length + 1) if k <= length and (length - k) // s + 1 == given])
    inner = tuple(range(1 + dims, 1 + 2 * dims))
    for chosen in itertools.islice(itertools.product(*axes), 200):
        seen = np.lib.stride_tricks.sliding_window_view(padded, tuple(k for k, _ in chosen), tuple(range(1, 1 + dims)))
        seen = seen[(slice(None), *(slice(None, None, s) for _, s in chosen))]
        seen = np.moveaxis(seen, 1 + dims, -1)  # (batch, *positions, *window, chan)
        if W is not None:
            plain = np.tensordot(seen, W, (list(range(1 + dims, 2 + 2 * dims)), list(range(dims + 1))))
            yield plain
            yield from (plain + b for b in biases)
        else:
            yield seen.max(axis=inner) if name.startswith("max") else seen.mean(axis=inner)


# --- building --------------------------------------------------------------------------------------------------------

_ROLES = {
    "k_size": (
        "ksize",
        "kernelsize",
        "kernel",
        "k",
        "filtersize",
        "windowsize",
        "taille",
        "taillenoyau",
        "noyau",
        "poolsize",
        "size",
    ),
    "chan_in": ("chanin", "inchannels", "channelsin", "cin", "inchan", "canauxentree", "inchannel", "channelin", "nin"),
    "chan_out": (
        "chanout",
        "outchannels",
        "channelsout",
        "cout",
        "outchan",
        "canauxsortie",
        "outchannel",
        "channelout",
        "nbfilters",
        "nout",
    ),
    "stride": ("stride", "s", "pas", "strides", "step"),
    "input": (
        "input",
        "inputsize",
        "infeatures",
        "indim",
        "inputdim",
        "n",
        "nin",
        "entree",
        "dimin",
        "in",
        "d",
        "nbin",
        "i",
        "din",
    ),
    "output": (
        "output",
        "outputsize",
        "outfeatures",
        "outdim",
        "outputdim",
        "m",
        "nout",
        "sortie",
        "dimout",
        "out",
        "nbout",
        "o",
        "dout",
    ),
    "features": ("features", "dim", "nbfeatures", "numfeatures"),
}


def roles(make: Callable[..., Any]) -> dict[str, str] | None:
    """From the roles of the handout (k_size, chan_in, chan_out, stride, input, output) to a constructor's own names.

    None if an argument without a default has no role.
    """
    try:
        given = inspect.signature(make).parameters
    except (TypeError, ValueError):
        return None
    found: dict[str, str] = {}
    wanted = list(_ROLES)
    names = {re.sub(r"[^a-z]", "", name.lower()) for name in given}
    is_window = bool(names & {*_ROLES["k_size"][:4], *_ROLES["stride"][:1]}) or len(given) == 4
    if is_window:
        wanted = ["k_size", "chan_in", "chan_out", "stride"]
    for name, parameter in given.items():
        word = re.sub(r"[^a-z]", "", name.lower())
        role = next((r for r in wanted if word in _ROLES[r] and r not in found), None)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if role is not None:
            found[role] = name
        elif parameter.default is parameter.empty:
            return None
    return found


def options_of(module: Any) -> dict[str, Any]:
    """The numbers among a module's attributes, by name."""
    found = dict(getattr(module, "__dict__", {}))
    if isinstance(module, Declares):
        found.update({name: getattr(module, name) for name in type(module).layout.settings})
    return {k: v for k, v in found.items() if isinstance(v, int | float | np.number | tuple)}


def build(make: Callable[..., Any], **sizes: Any) -> Any:
    """The module with these sizes, given by role; an exception if the constructor does not take them."""
    names = roles(make)
    if names is None:
        raise TypeError("no known constructor")
    return make(**{names[role]: value for role, value in sizes.items() if role in names})
