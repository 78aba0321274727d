"""What a network does with its layers, call by call: they are watched, or are layers of ours that write it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import numpy as np

from modnet.check.asking.arrays import looks_trained, parameters
from modnet.check.networks.layers import label_of
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT, UPDATE


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
    for call in calls:
        if call.what == FORWARD:
            if now.back or now.slope or (now.there and call.layer == now.there[0].layer):
                yield now
                now = Way()
            now.there.append(call)
        elif call.what == "slope":
            now.slope = now.slope or call
        else:
            now.back.append(call)
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


def multiple(move: np.ndarray, gradient: np.ndarray) -> float | None:
    """How many times a gradient a move is; None if it is no multiple."""
    power = float((gradient**2).sum())
    factor = float((move * gradient).sum()) / power if power else 0.0
    return factor if np.allclose(move, factor * gradient, rtol=1e-6, atol=1e-12) else None


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
    """Layers whose calls are written down from now on; those of a copy that is handed over."""

    def __init__(self, layers: Sequence[Any], operations: Sequence[str]) -> None:
        self.layers, self.calls = list(layers), list[Call]()
        self._running: list[int] = []
        for i, layer in enumerate(self.layers):
            if not any(layer is other for other in self.layers[:i]):
                for operation in operations:
                    if callable(method := getattr(layer, operation, None)):
                        with suppress(AttributeError):  # one that takes no attributes
                            setattr(layer, operation, self._watched(operation, i, layer, method))

    def _watched(self, operation: str, i: int, layer: Any, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def watched(*given: Any, **named: Any) -> Any:
            if i in self._running:  # a layer that calls its own forward
                return method(*given, **named)
            arrays = [np.array(a) for a in (*given, *named.values()) if isinstance(a, np.ndarray)]
            halves = operation in (GRADIENT, DELTA)
            now = Call(operation, i, arrays[-1 if halves else 0] if arrays else None)
            now.x = arrays[0] if halves and len(arrays) == 2 else None
            if operation in (DELTA, UPDATE):
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

        return watched

    def label(self, i: int) -> str:
        """A layer in words."""
        return label_of(i, self.layers[i])
