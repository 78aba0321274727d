"""Changing a copy of a network in one place: another activation, a bias, other weights, more units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.engine.storage import has_storage
from modnet.initializers import SCHEMES
from modnet.module import Module
from modnet.modules import Dropout, Flatten, GaussianNoise, Identity, Linear, Sequential, Tanh
from modnet.modules.container import Container
from modnet.training.advice import PASSIVE

BENDING = ("ReLU", "LeakyReLU", "PReLU", "ELU", "SELU", "GELU", "SiLU", "Mish", "Softplus")
SATURATING = ("Sigmoid", "Tanh", "Softsign")
_ACTIVATIONS = (*BENDING, *SATURATING, "Ramp", "Radial", "Threshold", "Softmax", "LogSoftmax")


class Place(NamedTuple):
    """A leaf of a network, and where it stands."""

    container: Any
    at: int
    module: Any
    name: str  # as in code: net[1][0]


def name_of(module: Any) -> str:
    """The name of the library's class that a module is, or is made from."""
    for kind in type(module).__mro__:
        if kind.__module__.startswith("modnet.modules"):
            return kind.__name__
    return type(module).__name__


def places(net: Any, name: str = "net") -> list[Place]:
    """The leaves of a network in order."""
    if not isinstance(net, Container):
        return [Place(None, 0, net, name)]
    found = []
    for i, module in enumerate(net):
        if isinstance(module, Container):
            found += places(module, f"{name}[{i}]")
        else:
            found.append(Place(net, i, module, f"{name}[{i}]"))
    return found


def edited(net: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of a network, changed; or another network, if that is what the change returns."""
    twin = copied(net)
    twin = twin if isinstance(twin, Container) else Sequential(twin)
    other = change(twin)
    return twin if other is None else other


def put(place: Place, module: Any) -> None:
    """Put another module in a place, with numbers of the network's type."""
    if has_storage(module) and module.counts.parameters:
        module.astype(place.container.dtype)
    place.container[place.at] = module


def is_activation(module: Any) -> bool:
    """Whether a module is a function of its input alone, of those that stand between layers."""
    return name_of(module) in _ACTIVATIONS


def end_of(net: Any) -> Place:
    """The last module that has a say in what numbers come out."""
    found = places(net)
    return next((p for p in reversed(found) if not isinstance(p.module, PASSIVE)), found[-1])


def hidden_activations(net: Any, names: tuple[str, ...]) -> list[Place]:
    """The activations of some names, but for one that the network ends with."""
    end = end_of(net)
    return [p for p in places(net) if name_of(p.module) in names and p.module is not end.module]


def is_weighted(module: Any) -> bool:
    """Whether a module has a weight of two axes or more."""
    return isinstance(module, Module) and getattr(_weight(module), "ndim", 0) >= 2


def weighted(net: Any) -> list[Place]:
    """The modules with a weight of two axes or more."""
    return [p for p in places(net) if is_weighted(p.module)]


def _weight(module: Any) -> Any:
    return module.named_parameters().get("weight") if hasattr(module, "named_parameters") else None


def fan_in(module: Any) -> int:
    """The number of inputs that an output sums over."""
    return 1 if name_of(module) == "Embedding" else int(np.prod(_weight(module).shape[:-1]))


def scheme_after(net: Any, place: Place) -> str:
    """How to draw the weights of a layer, by the activation that comes after it."""
    found = places(net)
    at = next(i for i, p in enumerate(found) if p.module is place.module)
    after = next((name_of(p.module) for p in found[at + 1 :] if is_activation(p.module)), "")
    return "he_uniform" if after in BENDING else "xavier_uniform"


def redraw(net: Any, which: list[int], rng: np.random.Generator) -> None:
    """Draw the weights of some of the weighted modules anew, by the usual scheme; biases become 0."""
    layers = weighted(net)
    for i in which:
        module = layers[i].module
        scheme = SCHEMES[scheme_after(net, layers[i])]
        weight = _weight(module)
        weight[...] = scheme(weight.shape, fan_in(module), weight.shape[-1], rng)
        for name, array in module.named_parameters().items():
            if name == "bias":
                array[...] = 0


def drop_end(net: Any) -> None:
    """Take the activation at the end away."""
    place = end_of(net)
    place.container.pop(place.at)


def put_end(net: Any, module: Any) -> None:
    """Give the network another activation at the end, or one if it has none."""
    place = end_of(net)
    if is_activation(place.module):
        put(place, module)
    else:
        place.container.insert(place.at + 1, module)


def is_chain(net: Any) -> bool:
    """Whether a network is dense layers and activations one after the other, so that layers can be made wider."""
    if isinstance(net, Linear):
        return True
    if not isinstance(net, Sequential) or any(not isinstance(c, Sequential) for c in net.containers()):
        return False
    kinds = [p.module for p in places(net)]
    keep_columns = (Linear, Identity, Flatten, Dropout, GaussianNoise)
    return len({id(m) for m in kinds}) == len(kinds) and all(isinstance(m, keep_columns) or is_activation(m) for m in kinds)


def dense(net: Any) -> list[Place]:
    """The dense layers."""
    return [p for p in places(net) if isinstance(p.module, Linear)]


def widths(net: Any) -> list[int]:
    """How many units the hidden layers have."""
    return [p.module.out_features for p in dense(net)[:-1]]


def widen(net: Any, units: int) -> Any:
    """A chain with so many units in every hidden layer; a linear one gets a hidden layer."""
    rng = np.random.default_rng(7)
    layers = [p.module for p in dense(net)]
    bias = all(layer.bias is not None for layer in layers)
    if len(layers) == 1 or not hidden_activations(net, _ACTIVATIONS):
        end = [p.module for p in places(net) if p.module is end_of(net).module and is_activation(p.module)]
        first = [Linear(layers[0].in_features, units, rng=rng), Tanh()]
        return Sequential(*first, Linear(units, layers[-1].out_features, rng=rng), *end).astype(net.dtype)
    into, made = layers[0].in_features, []
    for module in (p.module for p in places(net)):
        if isinstance(module, Linear):
            out = module.out_features if module is layers[-1] else max(units, module.out_features)
            module = Linear(into, out, bias=bias, rng=rng)
            into = out
        made.append(module)
    return Sequential(*made).astype(net.dtype)


def add_biases(net: Any) -> None:
    """Give every dense layer without a bias one."""
    for place in dense(net):
        if place.module.bias is None:
            old = place.module
            new = Linear(old.in_features, old.out_features, rng=3)
            new.weight[...] = old.weight
            put(place, new)


def outputs_to(net: Any, count: int) -> None:
    """Give the last dense layer another number of outputs, and nothing after it."""
    place = end_of(net)
    while is_activation(place.module):
        place.container.pop(place.at)
        place = end_of(net)
    old = place.module
    put(place, Linear(old.in_features, count, rng=5))
