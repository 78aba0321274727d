"""How a layer of another course or book is called: which method goes forward, which goes back, and what that one gives.

``forward`` and ``backward`` as a rule; ``__call__``, ``compute`` or ``activate`` and ``derivative``, ``gradient`` or ``prime``
for activations, as methods or as functions of a file (`modnet.check.functions.found`). What a derivative is given, the input
or what forward made of it, and whether it is multiplied by what comes from above, cannot be told from names alone: it is tried
(`modnet.check.styles.adapters`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from modnet.check.reading.arguments import required
from modnet.check.reading.lines import left_empty
from modnet.check.reading.vocabulary import BACKWARDS, DERIVATIVES, FORWARDS, VALUES, is_rate, written
from modnet.check.styles.loss_calls import is_truth, longer
from modnet.check.styles.modes import is_mode

_ABOVE = re.compile(r"^(d_?(out|val|y|z|a|l|x)\w*|dL\w*|delta\w*|up\w*|\w*grad\w*|error\w*|err|g|ds)$", re.I)

class Methods(NamedTuple):
    """The methods of one class: their names, and whether the second gives the derivative alone, or may."""

    value: str
    back: str
    slopes: bool


def methods_of(cls: Any) -> Methods | None:
    """The methods of a layer's class that go forward and back; None if it has no such two."""
    if isinstance(known := getattr(cls, "layer_methods", None), Methods):
        return known
    kind = cls if isinstance(cls, type) else type(cls)
    usual = None
    if callable(getattr(cls, "backward", None)) and callable(getattr(cls, "forward", None)):
        asked = required(kind, "backward")  # given what forward is given, it may be the derivative alone
        usual = Methods("forward", "backward", len(asked or ()) == 1 and asked == required(kind, "forward"))
        if not (left_empty(kind, "forward") or left_empty(kind, "backward")):
            return usual
    value = next((n for n in (*written(kind, (*FORWARDS, *VALUES)), *longer(kind, "for")) if _takes_one(kind, n)), None)
    backs, slopes = ((*written(kind, BACKWARDS), *longer(kind, "back")), written(kind, DERIVATIVES))
    goes_back = [n for n in (*backs, *slopes) if value and n != value and required(kind, n) is not None]
    last = next((n for n in goes_back if not left_empty(kind, n)), None)
    if value is None or last is None or len([n for n in required(kind, last) or () if not is_rate(n)]) > 2:
        return usual
    return Methods(value, last, last not in backs)


def _takes_one(kind: type, name: str) -> bool:
    """Whether a method is given one thing, by a name that is not one for something else."""
    asked = [n for n in required(kind, name) or () if not is_mode(n)]
    if not asked or left_empty(kind, name) or (name == "__call__" and left_empty(kind, "forward")):
        return False
    return len(asked) == 1 or (name.strip("_").rstrip("s") in FORWARDS and not any(map(is_truth, asked)))


def one_by_one(cls: Any) -> Any:
    """The same layer of two functions, which are asked for each number of an array by itself."""

    def each(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def asked(*given: Any, **named: Any) -> Any:
            return np.vectorize(function, otypes=[float])(*given, **named)

        return asked

    known: Methods = cls.layer_methods
    return type(cls.__name__, (cls,), {n: staticmethod(each(getattr(cls, n))) for n in (known.value, known.back)})


def is_above(name: str) -> bool:
    """Whether an argument of this name is what comes from above, dL/doutput."""
    return bool(_ABOVE.match(name))


def times_above(slopes: Any, delta: np.ndarray) -> np.ndarray | None:
    """A derivative alone times what comes from above: of each number, or a Jacobian of each example; None if it is neither."""
    if isinstance(slopes, int | float | np.number):
        return float(slopes) * delta
    if not isinstance(slopes, np.ndarray):
        return None
    if slopes.shape == delta.shape or delta.ndim == 0:
        return slopes * delta
    if delta.ndim in (1, 2) and slopes.shape == (*delta.shape, delta.shape[-1]):
        return np.einsum("...ij,...i->...j", slopes, delta)
    return None


def beside(name: str, module: Any, x: np.ndarray, cell: bool) -> Any:
    """What an argument of backward is that is not the gradient: a further input of forward, the input, or the output again.

    Parameters
    ----------
    cell : whether it is a recurrent cell's: h_prev_l comes from the layer below, which is its input, h_prev_t from the step
        before, and h is what forward gave.
    """
    more = getattr(module, "_given_more", {})
    found: Any = more.get(name)
    if cell and more:
        known = {"h_prev_l": x, "h_prev_t": next(iter(more.values()))}
        found = getattr(module, "_given_out", None) if name in ("h", "h_t") else known.get(name, found)
    return None if found is None else np.array(found)
