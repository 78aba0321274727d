"""Which array of a layer is the gradient of which: dW, dLdW, W_grad, grads[0], params["W"]["grad"]; in layers within layers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from modnet.check.vocabulary import core


def arrays_within(value: Any, place: str = "", depth: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Every float array within an object, in dicts, lists and layers too, by its place."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.size:
            yield place, value
    elif depth > 3:
        return
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from arrays_within(item, f"{place}[{key!r}]", depth + 1)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from arrays_within(item, f"{place}[{i}]", depth + 1)
    elif (
        hasattr(value, "__dict__") and not isinstance(value, type) and (not place or callable(getattr(value, "forward", None)))
    ):
        for name, item in vars(value).items():
            if not name.startswith("_given_"):
                yield from arrays_within(item, f"{place}.{name}" if place else name, depth + 1)


def is_gradient_name(last: str) -> bool:
    """Whether an array of this name is a gradient."""
    return bool(re.search("grad", last, re.I) or (re.match(r"^d_?(ld)?_?[A-Za-z]", last) and last[1:2] != "e"))


def partner_of(name: str, every: dict[str, np.ndarray]) -> str | None:
    """The place of the gradient of a parameter, by its name: dW, dLdW, W_grad, grads[0], params['W']['grad']."""
    *above, last = name.split(".")
    front = "".join(part + "." for part in above)
    swaps = [name.replace("value", "grad"), name.replace("params", "grads"), re.sub(r"^(\w+)\[", r"grads[", name)]
    swaps += [re.sub(r"^\w+\['(\w+)'\]$", r"grads['d\1']", name), re.sub("param(eter)?s", "gradients", name)]
    for other in swaps:
        if other != name and other in every:
            return other
    own = core(last)
    short = {"weights": "w", "weight": "w", "biases": "b", "bias": "b", "w": "weights", "b": "biases"}.get(own, own)
    for word in (own, short, own.rstrip("s")):
        wanted = {f"d{word}", f"dld{word}", f"grad{word}", f"{word}grad", f"{word}gradient", f"gradient{word}", f"{word}g"}
        wanted |= {f"dl{word}", f"{word}grads", f"grads{word}", f"gradients{word}", f"delta{word}"}
        for other in every:
            if other.startswith(front) and other != name and core(other[len(front) :]) in wanted:
                return other
    return None
