"""The layers of a network, whoever wrote it: in which order, what each was given, and what the network takes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from types import MethodType
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, call, tried
from modnet.engine.program import is_ours, is_wired
from modnet.watch import activations


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


def recorded(net: Any, X: np.ndarray) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """The network's output, and the input each layer gets."""
    twin = copied(net)
    layers, seen = layers_of(twin), _Inputs()
    for layer in {id(layer): layer for layer in layers}.values():
        seen.record(layer)
    if is_wired(twin):
        out = seen.look_into(twin, X)
    else:
        containers = list(containers_of(twin, set()))
        for container in containers:
            seen.record(container)
        out = call(f"{type(net).__name__}.forward", twin.forward, X.copy())
        if out is None:
            raise Misbehaviour("not-implemented", f"{type(net).__name__}.forward returns None")
        for container in containers:
            given = seen.of(container)
            if given is not None:
                seen.look_into(container, given)
    return last_output(out, X, len(layers)), [seen.of(layer) for layer in layers]


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


class _Inputs:
    """What each module was given, call by call. One that is used at several places is asked about as often."""

    def __init__(self) -> None:
        self.given: dict[int, list[np.ndarray]] = {}
        self.asked: dict[int, int] = {}

    def record(self, module: Any) -> None:
        """Note what forward of this module is given from now on, when Python calls it."""
        with suppress(AttributeError):  # one that takes no attributes
            module.forward = _Recorder(self, module, module.forward)

    def note(self, module: Any, x: Any) -> None:
        self.given.setdefault(id(module), []).append(np.array(x))

    def look_into(self, container: Any, X: np.ndarray) -> Any:
        """Note what the library's modules in one of its containers are given: they run as rows, and nobody calls them."""
        steps = call(f"{type(container).__name__}.forward", activations, container, X)
        for step in steps:
            if is_ours(step.module):
                whole = getattr(step.module, "reads_whole_numbers", False)
                self.note(step.module, step.input.astype(np.int64) if whole else step.input)
        return steps.output

    def of(self, module: Any) -> np.ndarray | None:
        """The input of a module's next place; None if it was never called."""
        given, k = self.given.get(id(module), []), self.asked.get(id(module), 0)
        self.asked[id(module)] = k + 1
        return given[min(k, len(given) - 1)] if given else None


class _Recorder:
    """In the place of a module's forward: notes its input. A deep copy of the module has its own forward again."""

    def __init__(self, inputs: _Inputs, module: Any, forward: Any) -> None:
        self.inputs, self.module, self.forward = inputs, module, forward

    def __call__(self, x: Any) -> Any:
        self.inputs.note(self.module, x)
        return self.forward(x)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = memo.get(id(self.module))
        return self.forward if twin is None else MethodType(type(twin).forward, twin)


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
