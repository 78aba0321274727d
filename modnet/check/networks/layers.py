"""The layers of a network, whoever wrote it: in which order, what each was given, and what the network takes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, call, tried
from modnet.engine.program import is_ours, is_wired


def layers_of(net: Any) -> list[Any]:
    """The layers of a network: by iteration, by indexing, in a list attribute, else in attributes; a lone module is its own."""
    found = next(_parts(net), None)
    return [net] if found is None else [leaf for layer in found for leaf in (layers_of(layer) if layer is not net else [layer])]


def containers_of(net: Any, seen: set[int]) -> Iterator[Any]:
    """The library's containers that a student's network holds: what it calls as one, though their layers are many."""
    for layer in itertools.chain.from_iterable(_parts(net)):
        if id(layer) not in seen:
            seen.add(id(layer))
            if is_wired(layer):
                yield layer
            else:
                yield from containers_of(layer, seen)


def _parts(net: Any) -> Iterator[list[Any]]:
    """What may be the layers within a network, the likeliest first: nothing but layers."""
    if is_ours(net):
        return
    held = getattr(net, "__dict__", {})
    lists = [v.values() if isinstance(v, dict) else v for v in held.values() if isinstance(v, list | tuple | dict)]
    ways: list[Callable[[], list[Any]]] = [
        lambda: [*net] if hasattr(net, "__iter__") else [],
        lambda: [net[i] for i in range(len(net))],
        *(partial(list, each) for each in lists),
    ]
    for way in ways:
        try:
            found = way()
        except Exception:  # a stranger's container, or none
            continue
        if found and all(map(_is_layer, found)):
            yield found
    neighbours = re.compile("_*(prev|next|parent|input)", re.I)
    values = [v for n, v in held.items() if v is not net and not neighbours.match(n)]
    found = [v for v in values if _is_layer(v) and (callable(getattr(v, "backward_delta", None)) or _has_layers(v))]
    if found:
        yield found


def _is_layer(value: Any) -> bool:
    return callable(getattr(value, "forward", None)) and not isinstance(value, type)


def _has_layers(part: Any) -> bool:
    return callable(getattr(part, "backward", None)) and layers_of(part) != [part]


def label_of(i: int, layer: Any) -> str:
    """A layer in words."""
    return f"layer {i} {type(layer).__name__}"


def last_output(raw: Any, X: np.ndarray, layers: int = 0) -> np.ndarray:
    """The network's output from what its forward returned: the array, or the last of the outputs of all layers.

    The outputs may begin with the input, or end with it if they are in the order of backward.
    """
    if not isinstance(raw, list | tuple) or not raw or not isinstance(raw[-1], np.ndarray):
        return np.asarray(raw)
    reversed_ = len(raw) > 1 and raw[-1].shape == X.shape and np.array_equal(raw[-1], X)
    last = raw[0] if reversed_ else raw[-1]
    listed = len(raw) in (layers, layers + 1) or any(np.shape(a) != np.shape(last) for a in raw)
    return np.asarray(last) if listed and np.ndim(last) and len(last) == len(X) else np.asarray(raw)


def needs_integers(net: Any, X: np.ndarray) -> bool:
    """Whether a network takes these integers, but not the same numbers as floats: it begins with an embedding."""
    if any(getattr(layer, "reads_whole_numbers", False) for layer in layers_of(net)):
        return True
    return _takes(net, X) and not _takes(net, X.astype(np.float64))


def _takes(net: Any, X: np.ndarray) -> bool:
    return tried(lambda: [call("forward", copied(net).forward, X.copy())]) is not None


def hint_for(problem: Misbehaviour) -> str:
    """What to look at if a network could not be asked."""
    return {
        "crash": "print the shapes of what that line is given, and compare them with what each layer takes",
        "not-implemented": "write it; the handout's skeleton has its name and arguments",
        "shape": "the first axis counts examples",
    }.get(problem.kind, "")
