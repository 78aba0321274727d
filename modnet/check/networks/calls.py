"""What a network does with its layers, call by call: they are watched, or are layers of ours that write it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import update_wrapper
from types import MethodType
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied, looks_trained, parameters
from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.asking.numeric import factor_of
from modnet.check.networks.layers import containers_of, label_of, last_output, layers_of
from modnet.check.reading.vocabulary import BACKWARD, DELTA, FORWARD, GRADIENT, UPDATE
from modnet.engine.program import is_ours, is_wired
from modnet.watch import activations


@dataclass(eq=False)
class Call:
    """One call.

    Attributes
    ----------
    what : "forward"; "slope", the derivative of the loss; "backward", or one of its halves; "update_parameters".
    layer : which layer, counted from 0; the number of layers for the loss.
    given, result : the array it was given, delta on the way back, and the one it returned; None without one. x : the input, if
        it was given along with delta. held : the layer's parameters at the call, or the truth of the loss.
    gradient : by the parameters. training : what it was told of the mode, if anything.
    """

    what: str
    layer: int
    given: Any
    result: Any = None
    x: np.ndarray | None = None
    held: tuple[np.ndarray, ...] = ()
    gradient: tuple[np.ndarray, ...] = ()
    training: bool | None = None


@dataclass
class Way:
    """The calls of one way there and back."""

    there: list[Call] = field(default_factory=list)
    slope: Call | None = None
    back: list[Call] = field(default_factory=list)

    def apart(self) -> Call | None:
        """The first call on the way there that is not given what the one before it returned; None if each is."""
        pairs = zip(self.there, self.there[1:], strict=False)
        return next((after for one, after in pairs if not same(one.result, after.given, 0.0)), None)

    def of(self, layer: int, *operations: str) -> list[Call]:
        """The calls of a layer on the way back, of these operations or of all but updates."""
        return [c for c in self.back if c.layer == layer and (c.what in operations if operations else c.what != UPDATE)]


def ways(calls: Iterable[Call]) -> Iterator[Way]:
    """Calls, from one way there and back to the next."""
    now = Way()
    for one in calls:
        if one.what == FORWARD:
            if now.back or now.slope or (now.there and one.layer == now.there[0].layer):
                yield now
                now = Way()
            now.there.append(one)
        elif one.what == "slope":
            now.slope = now.slope or one
        else:
            now.back.append(one)
    yield now


def same(one: np.ndarray | None, other: np.ndarray | None, tolerance: float = 1e-6) -> bool:
    """Whether two arrays hold the same numbers, in whatever shape."""
    if one is None or other is None or one.size != other.size:
        return False
    one, other = one.ravel(), other.ravel()
    if not tolerance:
        return np.array_equal(one, other, equal_nan=one.dtype.kind == other.dtype.kind == "f")
    return bool(np.allclose(one, other, rtol=tolerance, atol=1e-12))


def rows_of(array: np.ndarray, known: np.ndarray) -> list[int] | None:
    """Which rows of `known` an array holds, in their order; None if something else is in it."""
    width = known.shape[-1]
    for flat in (array, array.T):
        if flat.size % width or not flat.size:
            return None
        rows = flat.reshape(-1, width)
        near = np.abs(rows[:, None] - known[None]).max(axis=2) < 1e-12
        if near.any(axis=1).all():
            return [int(i) for i in near.argmax(axis=1)]
    return None


def multiple(move: np.ndarray, gradient: np.ndarray, tolerance: float = 1e-6) -> float | None:
    """How many times a gradient a move is; None if it is no multiple."""
    factor = factor_of(move, gradient)
    return factor if np.allclose(move, factor * gradient, rtol=tolerance, atol=1e-12) else None


def rates(held: list[np.ndarray], gradients: list[np.ndarray]) -> float | None:
    """How far a parameter moves in training, in multiples of minus its gradient; None for no multiple.

    Parameters
    ----------
    held : the parameter at each gradient, and perhaps at the end. It may move by several at once, or by the last of them.
    """
    found: list[float | None] = []
    summed = np.zeros(1)
    for start, now, gradient in zip(held, held[1:], gradients, strict=False):
        summed = summed + gradient
        if not np.array_equal(start, now):
            found.append(next((r for g in (summed, gradient) if (r := multiple(start - now, g)) is not None), None))
            summed = np.zeros(1)
    known = [r for r in found if r is not None]
    # They may differ: a rate decays, the last batch is smaller. Of one sign they are.
    alike = len(known) == len(found) and bool(known) and (min(known) > 0 or max(known) < 0)
    return known[0] if alike else None if found else 0.0


def layers_within(net: Any) -> list[Any]:
    """The objects with forward and backward that a network holds, in lists and dicts too, once each and in their order."""
    waiting, found, seen = [(value, 0) for value in vars(net).values()][::-1], list[Any](), set[int]()
    while waiting:
        value, depth = waiting.pop()
        if id(value) in seen or depth > 2:
            continue
        seen.add(id(value))
        if isinstance(value, dict | list | tuple):
            items = value.values() if isinstance(value, dict) else value
            waiting += [(item, depth + 1) for item in items][::-1]
        elif not isinstance(value, type) and all(callable(getattr(value, n, None)) for n in ("forward", "backward")):
            found.append(value)
    return found


class Watched:
    """Layers whose calls are written down from now on; those of a copy that is handed over.

    Parameters
    ----------
    copies : whether what copies of them are asked is asked of them, too; else a copy has its own methods again.
    """

    def __init__(self, layers: Sequence[Any], operations: Sequence[str], copies: bool = True) -> None:
        self.layers, self.calls, self.copies = list(layers), list[Call](), copies
        self._running: list[int] = []
        for i, layer in enumerate(self.layers):
            if not any(layer is other for other in self.layers[:i]):
                for operation in operations:
                    whole = operation == BACKWARD and DELTA in operations and hasattr(layer, DELTA)  # it is asked in halves
                    if callable(method := getattr(layer, operation, None)) and not whole:
                        with suppress(AttributeError):  # one that takes no attributes
                            setattr(layer, operation, _Watch(self, operation, i, method))

    def ask(self, operation: str, i: int, method: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Let a layer do something, and write it down."""
        if i in self._running:  # a layer that calls its own forward
            return method(*given, **named)
        layer, back = self.layers[i], operation in (GRADIENT, DELTA, BACKWARD)
        arrays = [np.array(a) for a in (*given, *named.values()) if isinstance(a, np.ndarray)]
        now = Call(operation, i, arrays[-1 if back else 0] if arrays else None)
        now.x = arrays[0] if back and len(arrays) == 2 else None
        if operation in (DELTA, UPDATE, BACKWARD):
            now.held = tuple(a.copy() for n, a in parameters(layer).items() if looks_trained(n))
        self.calls.append(now)
        self._running.append(i)
        try:
            out = result = method(*given, **named)
        finally:
            self._running.pop()
        if out is None:  # some keep what they would return
            names = ("output",) if operation == FORWARD else ("dinputs", "dx", "dX")
            result = next((v for n in names if isinstance(v := getattr(layer, n, None), np.ndarray)), None)
        now.result = np.array(result) if isinstance(result, np.ndarray) else None
        return out

    def label(self, i: int) -> str:
        """A layer in words."""
        return label_of(i, self.layers[i])


class _Watch:
    """In the place of a layer's method."""

    def __init__(self, watched: Watched, operation: str, i: int, method: Callable[..., Any]) -> None:
        update_wrapper(self, method)
        self.watched, self.operation, self.i, self.method = watched, operation, i, method

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self.watched.ask(self.operation, self.i, self.method, given, named)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = memo.get(id(self.watched.layers[self.i]))
        own = getattr(type(twin), self.operation, None)
        return self if self.watched.copies or own is None else MethodType(own, twin)


def recorded(net: Any, X: np.ndarray) -> tuple[np.ndarray, list[np.ndarray | None]]:
    """The network's output, and the input each layer gets; one that is used at several places gets the next at each."""
    twin = copied(net)
    layers = layers_of(twin)
    containers = [] if is_wired(twin) else list(containers_of(twin, set()))
    watched = Watched([*layers, *containers], (FORWARD,), copies=False)
    given: dict[int, list[Any]] = {}
    if is_wired(twin):
        out, given = _activations(twin, X)
    else:
        out = call(f"{type(net).__name__}.forward", twin.forward, X.copy())
    if out is None:
        raise Misbehaviour("not-implemented", f"{type(net).__name__}.forward returns None")
    for called in watched.calls:
        given.setdefault(id(watched.layers[called.layer]), []).append(called.given)
    for container in containers:
        for x in given.get(id(container), [])[:1]:
            for module, inputs in _activations(container, x)[1].items():
                given.setdefault(module, []).extend(inputs)
    seen = []
    for layer in layers:
        inputs = given.get(id(layer), [None])
        seen.append(inputs.pop(0) if len(inputs) > 1 else inputs[0])
    return last_output(out, X, len(layers)), seen


def _activations(container: Any, X: np.ndarray) -> tuple[np.ndarray, dict[int, list[Any]]]:
    """What one of the library's containers gives, and what its own modules are given, which run as rows: nobody calls them."""
    steps, given = call(f"{type(container).__name__}.forward", activations, container, X), dict[int, list[Any]]()
    for step in steps:
        if is_ours(step.module):
            whole = getattr(step.module, "reads_whole_numbers", False)
            given.setdefault(id(step.module), []).append(step.input.astype(np.int64) if whole else np.array(step.input))
    return steps.output, given
