"""The network of an estimator, from hidden_layer_sizes, activation, dropout and batch_norm."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from modnet import modules
from modnet.hints import public
from modnet.inputs import real, short_repr
from modnet.module import Module
from modnet.modules import (
    BatchNorm,
    Dropout,
    Embedding,
    Identity,
    Linear,
    LogSoftmax,
    PReLU,
    RidgeLinear,
    Sequential,
    Sigmoid,
    Softmax,
)
from modnet.modules.elementwise import Elementwise


def activations() -> dict[str, type[Module]]:
    """The elementwise activations by name: scikit-learn's four, and the library's in lower case."""
    named = {name.lower(): getattr(modules, name) for name in public(vars(modules))}
    found = {n: kind for n, kind in named.items() if isinstance(kind, type) and issubclass(kind, Elementwise)}
    return {**found, "identity": Identity, "prelu": PReLU, "logistic": Sigmoid}


def hidden_sizes(value: Any, who: str) -> list[int]:
    """The sizes of the hidden layers from a whole number or a sequence of them."""
    sizes = list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    for size in sizes:
        if isinstance(size, bool | np.bool_) or not isinstance(size, int | np.integer):
            raise TypeError(f"{who}: hidden_layer_sizes is {short_repr(value)}, expected whole numbers such as (100,) or 100")
        if size <= 0:
            raise ValueError(f"{who}: hidden_layer_sizes must be > 0, got {sizes}")
    return [int(size) for size in sizes]


def per_layer(value: Any, count: int, who: str, name: str) -> list[Any]:
    """One value a hidden layer, from one for all of them or a list with one each."""
    if not isinstance(value, list | tuple | np.ndarray):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{who}: {name} has {len(value)} values for {count} hidden layers, expected one for all, or one each")
    return list(value)


def activation_of(value: Any, who: str) -> Module:
    """A new activation from its name, its class or a module to copy."""
    known = activations()
    if isinstance(value, str):
        kind = known.get(value.lower().replace("_", "").replace("-", ""))
        if kind is None:
            raise ValueError(f"{who}: activation is {value!r}, expected one of {', '.join(map(repr, sorted(known)))}")
        return kind()
    made = value() if isinstance(value, type) and issubclass(value, Module) else copy.deepcopy(value)
    if not callable(getattr(made, "forward", None)):
        raise TypeError(f"{who}: activation is {short_repr(value)}, expected a name such as 'relu', or a module such as GELU()")
    return made


def layers(
    sizes: list[int], activation: Any, *, alpha: float, dropout: Any, batch_norm: bool, random: np.random.RandomState, who: str
) -> list[Module]:
    """Linear layers from sizes[0] inputs to sizes[-1] outputs, with what stands between them.

    A hidden layer is Linear, BatchNorm, activation, Dropout; the last one is Linear alone. Parameters are drawn from `random`
    as scikit-learn's MLPClassifier draws them: U(-a, a) with a^2 = 6 / (fan_in + fan_out), or 2 for the logistic function,
    weights then biases, layer by layer. So the same random_state begins with the same parameters.
    """
    hidden = len(sizes) - 2
    kinds = per_layer(activation, hidden, who, "activation")
    shares = [
        real(p, who, "dropout", "from 0 up to 1", lambda v: 0 <= v < 1) for p in per_layer(dropout, hidden, who, "dropout")
    ]
    found: list[Module] = []
    for k, (n, m) in enumerate(pairwise(sizes)):
        function = activation_of(kinds[min(k, hidden - 1)], who) if hidden else Identity()
        found.append(_drawn(n, m, alpha, 2.0 if isinstance(function, Sigmoid) else 6.0, random))
        if k == hidden:
            break
        if batch_norm:
            found.append(BatchNorm(m))
        if not isinstance(function, Identity):
            found.append(function)
        if shares[k]:
            found.append(Dropout(shares[k], rng=int(random.randint(2**31 - 1))))
    return found


def _drawn(n: int, m: int, alpha: float, factor: float, random: np.random.RandomState) -> Module:
    bound = np.sqrt(factor / (n + m))
    layer = RidgeLinear(n, m, init=lambda shape, rng: random.uniform(-bound, bound, shape), alpha=alpha)
    layer.bias[...] = random.uniform(-bound, bound, m)
    return layer


def from_function(function: Callable[[int, int], Any], n_inputs: int, n_outputs: int, who: str) -> Any:
    """The network that the caller's function makes, which must end in scores."""
    if not callable(function) or hasattr(function, "forward"):
        raise TypeError(f"{who}: net is {short_repr(function)}, expected a function (n_inputs, n_outputs) -> module")
    made = function(n_inputs, n_outputs)
    if isinstance(made, type) or not callable(getattr(made, "forward", None)):
        raise TypeError(f"{who}: net returned {short_repr(made)}, expected a network such as Sequential(...)")
    last = made[-1] if isinstance(made, Sequential) and len(made) else made
    if isinstance(last, Softmax | LogSoftmax | Sigmoid):
        raise ValueError(
            f"{who}: the network of net ends in {type(last).__name__}, expected scores; leave it out, the loss has it"
        )
    return made


def linears(net: Any) -> list[Linear]:
    """The Linear layers of a network, from its input to its output."""
    return [leaf for leaf in leaves_of(net) if isinstance(leaf, Linear)]


def leaves_of(net: Any) -> list[Any]:
    """The leaves of a network, or the module itself."""
    return list(net.leaves()) if callable(getattr(net, "leaves", None)) else [net]


def is_of_library(net: Any) -> bool:
    """Whether a network has none but the library's modules."""
    parts = [net, *getattr(net, "containers", list)(), *leaves_of(net)]
    return all(type(part).__module__.partition(".")[0] == "modnet" for part in parts)


def takes_whole_numbers(net: Any) -> bool:
    """Whether the network's first module looks its input up, so that a scale would destroy it."""
    first = next(iter(leaves_of(net)), None)
    return isinstance(first, Embedding)


def without_single(n: int, size: int) -> int:
    """A batch size, at most `size`, that does not leave one example alone for the last batch: BatchNorm cannot take one."""
    while size > 2 and n % size == 1:
        size -= 1
    return size


__all__ = [
    "activations", "from_function", "hidden_sizes", "is_of_library", "layers", "leaves_of", "linears", "per_layer",
    "takes_whole_numbers", "without_single",
]  # fmt: skip
