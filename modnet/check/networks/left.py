"""Gradients that a way back returns or leaves, for others to move the parameters by: here a step is taken by them.

Each belongs to the parameter of the same name: ``dW1`` to ``W1``, ``grads["weight"]`` to ``params["weight"]``, ``w.grad`` to
``w.value``, ``dws[0]`` to ``ws[0]``. Those that are returned without names have the order of the parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from modnet.check.networks.flow import ALL_UPDATES, InFunctions, numbers_within, stages_of, within
from modnet.check.reading.lines import returned
from modnet.check.reading.vocabulary import BACKWARDS, TRAINS, core, first_method

#: What holds parameters or gradients and is no name of one: layers[0].params["weight"], layers[0].grads["weight"], w.value.
_HOLDER = re.compile(r"params?|parameters?|weights(?=.)|value|data|grads?|gradients?|dparams?")
_OF_GRADIENT = re.compile(r"^_*(grads?|gradients?|d)_?(?=[a-z])|_?(grads?|gradients?)$|(?<=.)_d$", re.I)


def gives_gradients(cls: type) -> bool:
    """Whether a class goes back and does not move its parameters: it neither trains nor updates."""
    if issubclass(cls, InFunctions) or first_method(cls, (*TRAINS, *ALL_UPDATES)):
        return False
    return list(stages_of(cls)) == [(first_method(cls, BACKWARDS),)]


def go_down(net: Any, held: dict[str, np.ndarray], found: Any, method: str, rate: float) -> None:
    """Move the parameters of a network by the gradients of its way back, if each has one and none has moved.

    Parameters
    ----------
    held : the parameters before, by their places. found : what the method returned.
    """
    now = dict(numbers_within(net))
    if any(n not in now or not np.array_equal(now[n], a) for n, a in held.items()):
        return
    gradients = _by_name(net, held, found, method) or _in_order(held, found)
    for n, gradient in gradients.items():
        now[n] -= rate * gradient


def _by_name(net: Any, held: dict[str, np.ndarray], found: Any, method: str) -> dict[str, np.ndarray]:
    """Of each parameter, the array of its shape that has its name but for what makes it a gradient; empty if one has none."""
    known = {_key(place): array for place, array in within(_named(net, found, method)) if isinstance(array, np.ndarray)}
    known |= {_key(n): a for n, a in numbers_within(net) if n not in held and _is_gradient(n)}
    pairs = {n: known.get(_key(n)) for n in held}
    fitting = {n: g for n, g in pairs.items() if g is not None and g.size == held[n].size}
    return {n: g.reshape(held[n].shape) for n, g in fitting.items()} if len(fitting) == len(held) else {}


def _named(net: Any, found: Any, method: str) -> Any:
    """What was returned, by the names of the last line if it has several."""
    line: Any = returned(getattr(net, method))
    if not isinstance(found, tuple) or len(getattr(line, "elts", ())) != len(found):
        return found
    names = (getattr(node, "attr", getattr(node, "id", str(i))) for i, node in enumerate(line.elts))
    return dict(zip(names, found, strict=True))


def _words(place: str) -> list[str]:
    return re.findall(r"\w+", place)


def _is_gradient(place: str) -> bool:
    return any(_OF_GRADIENT.search(word) or (_HOLDER.fullmatch(word) and "grad" in word) for word in _words(place))


def _key(place: str) -> tuple[str, ...]:
    """The words of a place that say which parameter it is."""
    words = (core(_OF_GRADIENT.sub("", word)) for word in _words(place) if not _HOLDER.fullmatch(word.strip("_").lower()))
    return tuple(filter(None, words))


def _in_order(held: dict[str, np.ndarray], found: Any) -> dict[str, np.ndarray]:
    """Gradients without names, if they are as many as the parameters and of their shapes: in their order, or layer by layer."""
    arrays = [np.asarray(a) for _, a in within(found) if isinstance(a, np.ndarray | np.floating)]
    for names in _orders(held):
        if len(arrays) == len(names) and all(a.shape == held[n].shape for a, n in zip(arrays, names, strict=True)):
            return dict(zip(names, arrays, strict=True))
    return {}


def _orders(held: dict[str, np.ndarray]) -> Iterator[list[str]]:
    """The names of parameters as they are kept, and layer by layer if those of a kind are in a list."""
    names = list(held)
    yield names
    yield sorted(names, key=lambda n: [int(i) for i in re.findall(r"\d+", n)])
