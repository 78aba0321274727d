"""A change of a network as lines of code that can be pasted: `net.pop()`, `net[0] = Linear(64, 32, init="he_uniform")`.

The lines are read off the network before the change and after it, so that they say what was measured.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np

from modnet.check.asking.arrays import parameters
from modnet.check.networks.layers import layers_of
from modnet.check.training.edit import places, scheme_after
from modnet.engine.program import is_ours
from modnet.modules.container import Container
from modnet.persistence.describe import constructor_arguments

_MOST = 4  # lines; if there are more, the whole network is shorter
_DEEP = 3  # attributes of attributes, in a student's network


def difference(before: Any, after: Any, origin: Any = None) -> str:
    """The lines that make one network of another; weights are drawn anew where they differ.

    Parameters
    ----------
    origin : the student's network that the first was made from, layer by layer; the lines are then those for it.

    Raises
    ------
    TypeError : if the change can't be written down.
    """
    if origin is not None:
        return "; ".join(_in_classes(before, after, origin))
    schemes = {id(place.module): scheme_after(after, place) for place in places(after)}
    lines = _lines("net", before, after, schemes)
    return "; ".join(lines) if len(lines) <= _MOST else f"net = {_construction(after, schemes)}"


def _construction(module: Any, schemes: dict[int, str]) -> str:
    """The call that makes a module like this one, with the schemes of the weights that are named."""
    kind = type(module)
    if isinstance(module, Container):
        return f"{kind.__name__}({', '.join(_construction(child, schemes) for child in module)})"
    given = []
    expected = inspect.signature(kind).parameters
    for name, value in constructor_arguments(module).items():
        if isinstance(value, tuple) and len(set(value)) == 1:  # a square window
            value = value[0]
        default = expected[name].default
        if expected[name].kind is inspect.Parameter.VAR_POSITIONAL:
            given += [repr(item) for item in value]
        elif default is inspect.Parameter.empty:
            given.append(_written(value))
        elif value != default:
            given.append(f"{name}={_written(value)}")
    if "init" in expected and schemes.get(id(module)):
        given.append(f'init="{schemes[id(module)]}"')
    return f"{kind.__name__}({', '.join(given)})"


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else repr(value)


def _lines(name: str, before: Any, after: Any, schemes: dict[int, str]) -> list[str]:
    """What to do to one module, or in it, so that it becomes the other."""
    if not isinstance(after, Container):
        return _of_leaf(name, before, after, schemes)
    if not isinstance(before, Container):
        if len(after) == 1:  # a layer alone, in a container of the search's own
            return _lines(name, before, after[0], schemes)
        return [f"{name} = {_construction(after, {})}"]
    old, new = list(before), list(after)
    lines = []
    if len(new) == len(old) - 1:
        at = _odd_one(old, new)
        lines = [f"{name}.pop({at if at < len(old) - 1 else ''})"]
        old.pop(at)
    elif len(new) == len(old) + 1:
        at = _odd_one(new, old)
        made = _construction(new[at], {})
        lines = [f"{name}.append({made})" if at == len(old) else f"{name}.insert({at}, {made})"]
        new.pop(at)
    if len(new) != len(old) or type(before) is not type(after) or _resized(old, new) > 1:
        return [f"{name} = {_construction(after, {})}"]
    for i, (one, other) in enumerate(zip(old, new, strict=True)):
        lines += _lines(f"{name}[{i}]", one, other, schemes)
    return lines


def _odd_one(longer: list[Any], shorter: list[Any]) -> int:
    """The last module of the longer list that can be left out so that the kinds are those of the shorter one."""
    kinds, others = [type(m) for m in longer], [type(m) for m in shorter]
    return next((i for i in reversed(range(len(kinds))) if kinds[:i] + kinds[i + 1 :] == others), len(kinds) - 1)


def _resized(old: list[Any], new: list[Any]) -> int:
    """How many layers take or give another number of features: one alone fits to those beside it, two only together."""
    return sum(bool(_others(a, b) - {"bias"}) for a, b in zip(old, new, strict=True))


def _others(before: Any, after: Any) -> set[str]:
    """The arguments that a module of the same class is made with otherwise, and that can't be set afterwards."""
    if type(before) is not type(after) or isinstance(after, Container) or not is_ours(after):
        return set()
    old, new = constructor_arguments(before), constructor_arguments(after)
    return {key for key in new if new[key] != old[key]} - type(after).layout.settings.keys()


def _of_leaf(name: str, before: Any, after: Any, schemes: dict[int, str]) -> list[str]:
    if type(before) is not type(after) or _others(before, after):
        return [f"{name} = {_construction(after, {} if type(before) is type(after) else schemes)}"]
    if not is_ours(after):
        return []
    old, new = constructor_arguments(before), constructor_arguments(after)
    lines = [f"{name}.{key} = {_written(value)}" for key, value in new.items() if value != old[key]]
    arrays = before.named_parameters()
    if any(not np.array_equal(arrays[key], array) for key, array in after.named_parameters().items()):
        lines.append(f"{name} = {_construction(after, schemes)}")
    return lines


# --- networks of a student's classes ----------------------------------------------------------------------------------


def paths(net: Any) -> list[str]:
    """How code reaches each of the layers of a student's network: net.layers[0]; empty for one that is not found."""
    found: dict[int, str] = {}

    def walk(name: str, value: Any, depth: int) -> None:
        found.setdefault(id(value), name)
        if depth == _DEEP or is_ours(value):
            return
        for key, part in getattr(value, "__dict__", {}).items():
            for i, item in enumerate(part) if isinstance(part, list | tuple) else [(None, part)]:
                if callable(getattr(item, "forward", None)):
                    walk(f"{name}.{key}" if i is None else f"{name}.{key}[{i}]", item, depth + 1)

    walk("net", net, 0)
    return [found.get(id(layer), "") for layer in layers_of(net)]


def renamed(words: str, origin: Any) -> str:
    """Words about net[2] of the network that was made from a student's, about the student's."""
    names = paths(origin)
    return re.sub(r"\bnet\[(\d+)\]", lambda m: (names[int(m[1])] if int(m[1]) < len(names) else "") or m[0], words)


def _in_classes(before: Any, after: Any, origin: Any) -> list[str]:
    names, layers = paths(origin), layers_of(origin)
    old, new = ([place.module for place in places(net)] for net in (before, after))
    if len(old) != len(layers) or not all(names):
        raise TypeError("layers that can't be named")
    if len(new) == len(old) - 1 and _odd_one(old, new) == len(new):
        held, _, at = names[-1].rpartition("[")
        if not held:
            raise TypeError("the last layer is an attribute")
        return [f"{held} = {held}[:{at[:-1]}]"]
    if len(new) != len(old):
        raise TypeError("other layers")
    lines = []
    for name, layer, one, other in zip(names, layers, old, new, strict=True):
        lines += _lines(name, one, other, {}) if is_ours(layer) else _in_layer(name, layer, one, other)
    return lines


def _in_layer(name: str, layer: Any, before: Any, after: Any) -> list[str]:
    """The lines that give a student's layer other numbers."""
    if type(before) is not type(after) or _others(before, after):
        raise TypeError("another layer")
    lines, arrays = [], parameters(layer)
    for key, array in after.named_parameters().items():
        old = before.named_parameters()[key]
        if np.array_equal(old, array):
            continue
        held = _holding(arrays, old)
        if not re.fullmatch(r"[A-Za-z_]\w*(\[[^\]]+\])?", held):
            raise TypeError("an array that can't be named")
        drawn = f"np.random.normal(0, {array.std():.2g}, {arrays[held].shape})" if array.any() else "0"
        lines.append(f"{name}.{held}[...] = {drawn}")
    return lines


def _holding(arrays: dict[str, np.ndarray], numbers: np.ndarray) -> str:
    """The name of the array that holds these numbers, turned over perhaps, or as a row; empty if there is none."""
    for name, array in arrays.items():
        if any(form.shape == numbers.shape and np.array_equal(form, numbers) for form in (array, array.T, array.reshape(-1))):
            return name
    return ""
