"""Gradients that a way back returns or leaves, for others to move the parameters by: here a step is taken by them.

Each belongs to the parameter of the same name: ``dW1`` to ``W1``, ``grads["weight"]`` to ``params["weight"]``, ``w.grad`` to
``w.value``, ``dws[0]`` to ``ws[0]``. Those that are returned without names have the order of the parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from modnet.check.networks.flow import ALL_UPDATES, InFunctions, named_by, numbers_within, stages_of, within
from modnet.check.reading.arguments import asks
from modnet.check.reading.gradients import partner_of
from modnet.check.reading.vocabulary import BACKWARDS, TRAINS, first_method, meaning_of

_GIVEN = ("X", "y", "yhat", "outputs", "delta", "rate", "batch")


def gives_gradients(net: Any) -> bool:
    """Whether a network goes back from what is known, and moves nothing: it neither trains nor updates."""
    back = first_method(net, BACKWARDS)
    if isinstance(net, InFunctions) or first_method(net, (*TRAINS, *ALL_UPDATES)) or list(stages_of(type(net))) != [(back,)]:
        return False
    needed = [p.name for p in asks(getattr(net, back), by_name=True) if p.default is p.empty]
    return all(meaning_of(n, _GIVEN) or n in vars(net) for n in needed)


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
    """Of each parameter, the array of its size that its name says; empty if one has none, or two the same."""
    every = {n: a for n, a in numbers_within(net) if n not in held}
    for name, value in named_by(getattr(net, method), found):
        every |= {place: a for place, a in within(value, f"grads[{name!r}]") if isinstance(a, np.ndarray)}
    pairs = {n: own for n in held if (own := partner_of(n, every)) is not None and every[own].size == held[n].size}
    own_each = len(pairs) == len(held) == len(set(pairs.values()))
    return {n: every[own].reshape(held[n].shape) for n, own in pairs.items()} if own_each else {}


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
