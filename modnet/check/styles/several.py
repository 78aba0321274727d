"""Layers of several inputs and outputs, such as a recurrent cell: (x, h, c) -> (h, c), and (dh, dc) -> (dx, dh, dc).

What forward gives beside its first output is put beside it, so the layer is one of a longer output, and what comes from above
is cut into the pieces that backward is given. Names tell which piece, and which gradient, belongs to what, if they can.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from modnet.check.asking.arrays import arrays_within
from modnet.check.reading.gradients import is_gradient_of
from modnet.check.reading.lines import returned

Shape = tuple[int, ...]
_FROM_ABOVE = re.compile(r"^(d|delta|grad\w*|err\w*|up\w*)_?[a-z]|_(grad|delta)$", re.I)
_NOT_FROM_ABOVE = re.compile(r"^data|cache|ctx|context|rate|decay|input", re.I)
#: What is given beside the input and has no gradient: truth values, most of them true, or places.
_MASK, _PLACES = re.compile("mask", re.I), re.compile(r"(^|_)(idx|ind(ex|ices)|ids?|labels?|targets?|tokens?)(_|$|\d)", re.I)


def from_above(names: Sequence[str]) -> list[str]:
    """Of the arguments of backward those that come from above, if there are several."""
    found = [n for n in names if _FROM_ABOVE.search(n) and not _NOT_FROM_ABOVE.search(n)]
    return found if len(found) > 1 else []


def joined(parts: Sequence[np.ndarray], batched: bool) -> np.ndarray:
    """Several outputs as one, side by side in every example, or one after the other if there is no batch."""
    return np.concatenate([p.reshape(len(p), -1) if batched else p.ravel() for p in parts], axis=-1)


def cut(delta: np.ndarray, shapes: Sequence[Shape], batched: bool) -> list[np.ndarray]:
    """What comes from above for each output, out of what comes for all."""
    sizes = [int(np.prod(shape[1:] if batched else shape)) for shape in shapes]
    pieces = np.split(delta, np.cumsum(sizes)[:-1], axis=-1)
    return [piece.reshape(shape).copy() for piece, shape in zip(pieces, shapes, strict=True)]


def names_returned(function: Any) -> list[str]:
    """The names of what a function returns as a tuple, an attribute's without self; "" for what has no name."""
    found = returned(function)
    names = found.elts if isinstance(found, ast.Tuple | ast.List) else []
    return [n.id if isinstance(n, ast.Name) else n.attr if isinstance(n, ast.Attribute) else "" for n in names]


def order(names: Sequence[str], of: Sequence[str]) -> list[int]:
    """For each argument from above, the place of its output: by names, as dc_next of c_next; else as they come."""
    places = [[i for i, output in enumerate(of) if is_gradient_of(name, output)] for name in names]
    by_name = [found[0] for found in places if found]
    return by_name if len(set(by_name)) == len(names) else list(range(len(names)))


def shapes_beside(x: np.ndarray, module: Any, widths: Sequence[int]) -> list[Shape]:
    """Shapes that a further input may have, the likeliest first: that of the input, or as many numbers as a hidden state."""
    held = [a.shape for _, a in arrays_within(module) if a.ndim == 2]
    sizes = [*widths, *(s[0] for s in held if s[0] == s[1]), *(n for s in held for n in s)]
    batch = x.shape[:1]
    found = [x.shape, *((*batch, n) for n in sizes), x.shape[:-1], (*batch, x.shape[-1])]
    return list(dict.fromkeys(found))


def drawn_beside(names: Sequence[str], shapes: Sequence[Shape]) -> Iterator[dict[str, np.ndarray]]:
    """Arrays for the further inputs: all of one shape, then each of its own if there are two or three."""
    rng = np.random.default_rng(12)

    def draw(name: str, shape: Shape) -> np.ndarray:
        numbers = np.arange(int(np.prod(shape))).reshape(shape)
        if _MASK.search(name) or _PLACES.search(name):
            return numbers % 4 != 2 if _MASK.search(name) else numbers % 2
        found: np.ndarray = rng.uniform(0.3, 1.3, shape) * rng.choice([-1, 1], shape)
        return found

    same = [(shape,) * len(names) for shape in shapes]
    mixed = [each for each in product(shapes[:5], repeat=len(names)) if len(set(each)) > 1] if len(names) in (2, 3) else []
    for chosen in [*same, *mixed[:40]]:
        yield {name: draw(name, shape) for name, shape in zip(names, chosen, strict=True)}


def ways_beside(names: Sequence[str], shapes: Sequence[Shape]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """What the further inputs may be: arrays by their names; or two in a tuple, and the name of that, if it is a state."""
    if names:
        yield from (("", arrays) for arrays in drawn_beside(names, shapes))
    if len(names) == 1 and re.search("state|hidden|hc|hx|prev", names[0], re.I):
        pair = [f"{names[0]}[{i}]" for i in (0, 1)]
        yield from ((names[0], next(drawn_beside(pair, [shape]))) for shape in shapes)


def first_and_rest(
    out: Sequence[Any], names: Sequence[str], of_input: Callable[[str], bool], shape: Shape
) -> tuple[Any, dict[str, Any]]:
    """dL/dinput among several things that backward returned, and the others by their names, or places.

    It comes first as a rule. If that has another shape, it is what has the name, or what alone has the input's shape.
    """
    named = dict(enumerate(names)) if len(names) == len(out) else {}
    place = 0
    if np.shape(out[0]) != shape:
        fitting = [i for i, v in enumerate(out) if isinstance(v, np.ndarray) and v.shape == shape]
        place = next((i for i in fitting if of_input(named.get(i, ""))), fitting[0] if len(fitting) == 1 else 0)
    return out[place], {named.get(i) or f"[{i}]": v for i, v in enumerate(out) if i != place}
