"""How networks and optimizers of other people's are put together and called.

A constructor or a method says by the names of its arguments what it wants (`filled`): modules as a list or one by one, a loss
or the class of one, the input, the targets, delta, a rate. Methods have several names; a network's own is the one written
nearest to its class.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.networks.layers import last_output
from modnet.check.reading.lines import does_nothing, text_of
from modnet.check.reading.vocabulary import CONTRACT_BACKWARDS, DELTA, FORWARDS, GRADIENT, core, meaning_of

_ROLES = ("yhat", "outputs", "X", "y", "delta", "loss", "rate", "step", "eps", "net", "modules", "encoder", "decoder")
_SAME = {"outputs": "yhat", "step": "rate", "eps": "rate"}  # in a course in French eps is a rate


def role(name: str) -> str:
    """What an argument of this name is to a network or an optimizer; empty if that is not known."""
    found = meaning_of(re.sub(r"_?(valid|val|test)$", "", name), _ROLES)
    return _SAME.get(found, found)


def filled(
    function: Callable[..., Any], roles: dict[str, Any], positions: tuple[tuple[str, ...], ...] = ()
) -> list[Any] | None:
    """Positional arguments for a function by the roles of their names, or by their number; None if one is not known.

    Arguments with a default are left at it, except those whose role is given on purpose: a rate, a loss, a network.
    """
    try:
        every = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    given = [p for p in every if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if not given and any(p.kind is p.VAR_POSITIONAL for p in every):
        return [roles[r] for r in positions[-1]] if positions and all(r in roles for r in positions[-1]) else []
    required, kinds = [p.name for p in given if p.default is p.empty], {p.name: role(p.name) for p in given}
    if any(kinds[name] not in roles for name in required):
        order = next((o for o in positions if len(o) == len(required) and all(r in roles for r in o)), None)
        return None if order is None else [roles[r] for r in order]
    found: list[Any] = []
    for p in given:
        kind, left = kinds[p.name], p.name not in required
        value = p.default if left and kind not in ("rate", "loss", "net") else roles.get(kind, p.default)
        as_class = kind == "loss" and left and isinstance(p.default, type) and not isinstance(value, type)
        found.append(type(value) if as_class else value)
    return found


def aliased(cls: type) -> type:
    """The class with a forward, if it has one under another name; else the class itself."""
    there = [n for n in FORWARDS if callable(getattr(cls, n, None))]
    name = next((n for n in there if not does_nothing(getattr(cls, n))), "forward")
    if name == "forward":
        return cls
    return type(cls.__name__, (cls,), {"forward": getattr(cls, name), "__module__": cls.__module__})


def own_method(net: Any, names: Collection[str], layers: Sequence[Any]) -> str:
    """The name of a network's method, of these in any spelling: that written nearest to its own class.

    Empty if it has one from a base of its layers' classes alone: a network that inherits it may have another of its own.
    """
    words = {core(name) for name in names}
    for kind in type(net).__mro__[:-1]:
        if kind is not type(net) and any(isinstance(layer, kind) for layer in layers):
            return ""
        for name in vars(kind):
            if core(name) in words and callable(getattr(net, name)):
                return name
    return ""


def backward_method(net: Any) -> str:
    """The method by which a network goes back: one of its own that does something, the statement's first."""
    there = [name for name in CONTRACT_BACKWARDS if callable(getattr(net, name, None))]
    doing = [name for name in there if not does_nothing(getattr(net, name), or_raises=True)]
    if DELTA in doing and GRADIENT not in doing and "backward" not in doing:
        return DELTA
    return next(iter(doing or there), "")


def backward(
    net: Any, X: np.ndarray, y: Any, raw: Any, delta: np.ndarray, loss: Any, rate: float = 1e-2, method: str = ""
) -> Any:
    """Let a network do its backward, in the ways people write it; by a method of this name, or the one it has."""
    name = type(net).__name__
    method = method or backward_method(net)
    if not method:
        raise Misbehaviour("not-implemented", f"{name} has no {GRADIENT}(input, delta)")
    meant = set(map(role, inspect.signature(getattr(net, method)).parameters))
    itself = "loss" in meant and bool(re.search(r"self(\.forward)?\(", text_of(getattr(net, method))))  # it goes forward again
    listed = isinstance(raw, list | tuple) and not itself  # the outputs of all layers, which backward is given again
    roles = {"X": raw if listed else X, "y": y, "yhat": last_output(raw, X), "delta": delta, "loss": loss, "rate": rate}
    if "y" not in meant:  # whoever goes forward itself has its own output: it is given the truth, under whatever name
        roles["yhat"] = y if itself else raw if listed else roles["yhat"]
    arguments = filled(getattr(net, method), roles, (("delta",), ("X", "delta"), ("y", "yhat", "loss")))
    if arguments is None:
        asked = ", ".join(inspect.signature(getattr(net, method)).parameters)
        raise Misbehaviour("unknown", f"{name}.{method}({asked}): what to give it is not known")
    return call(f"{name}.{method}", getattr(net, method), *[a.copy() if isinstance(a, np.ndarray) else a for a in arguments])


def held_loss(net: Any) -> Any:
    """The loss that a network holds and that its backward, which is not given delta, takes delta from; else None."""
    method = getattr(net, backward_method(net), None)
    if method is None or "delta" in map(role, inspect.signature(method).parameters):
        return None
    held = getattr(net, "__dict__", {}).items()
    return next((v for n, v in held if role(n) == "loss" and callable(getattr(v, "backward", None))), None)


def give(method: Callable[..., Any], x: np.ndarray, delta: np.ndarray) -> Any:
    """Call a layer's backward method as it asks: with its input and delta, or with delta alone."""
    arguments = filled(method, {"X": x, "delta": delta}, (("delta",), ("X", "delta")))
    return method(*(arguments if arguments is not None and len(arguments) else (x, delta)))


def backward_of(net: Any, X: np.ndarray, delta: np.ndarray) -> Any:
    """Let a network do its backward from delta alone."""
    return backward(net, X, None, delta, delta, None)
