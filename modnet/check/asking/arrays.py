"""The arrays of a stranger's module: copies that keep views views, what may be a parameter, what may be a gradient."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from modnet.check.reading.gradients import is_gradient_name
from modnet.engine.program import is_ours
from modnet.module import Module
from modnet.modules.container import Container

# --- copies ----------------------------------------------------------------------------------------------------------


def copied(value: Any) -> Any:
    """A deep copy in which arrays that shared memory still do; the object itself if it can't be copied."""
    memo: dict[int, Any] = {}
    roots: dict[int, np.ndarray] = {}
    for array in _all_arrays(value, set()):
        root = array
        while isinstance(root.base, np.ndarray):
            root = root.base
        if root is array or not root.flags.owndata or id(array) in memo:
            continue
        twin = roots.get(id(root))
        if twin is None:
            twin = roots[id(root)] = memo[id(root)] = root.copy(order="K")
            if twin.strides != root.strides:
                del roots[id(root)], memo[id(root)]
                continue
        offset = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
        memo[id(array)] = np.ndarray(array.shape, array.dtype, twin, offset, array.strides)
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # a stranger's object may hold what can't be copied, such as an open file
        return value


def _all_arrays(value: Any, seen: set[int], depth: int = 0) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif id(value) not in seen and depth < 6:
        seen.add(id(value))
        if isinstance(value, Container):  # it copies its own numbers; a student's modules may be in it
            yield from _all_arrays(list(value), seen, depth + 1)
        elif is_ours(value):
            return
        elif isinstance(value, dict):
            for item in value.values():
                yield from _all_arrays(item, seen, depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from _all_arrays(item, seen, depth + 1)
        elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(getattr(value, "__code__", None)):
            yield from _all_arrays(vars(value), seen, depth + 1)


def numbers_of_class(module: Any) -> dict[tuple[type, str], Any]:
    """The plain numbers that the classes of an object hold themselves: no copy of the object has them for itself."""
    kinds = [] if is_of_library(module) else [k for k in type(module).__mro__[:-1] if k.__module__.split(".")[0] != "modnet"]
    every = (((k, name), value) for k in kinds for name, value in vars(k).items() if name[:2] != "__")
    return {place: value for place, value in every if isinstance(value, int | float | np.number)}


def names_within(value: Any, depth: int = 0) -> Iterator[str]:
    """The names of the classes of the objects that an object holds, in lists and dicts too."""
    for item in getattr(value, "__dict__", {}).values() if depth < 4 else ():
        inner = list(item.values()) if isinstance(item, dict) else item if isinstance(item, list | tuple) else [item]
        for each in inner:
            if hasattr(each, "__dict__") and not isinstance(each, type | np.ndarray):
                yield type(each).__name__
                yield from names_within(each, depth + 1)


# --- parameters and gradients ----------------------------------------------------------------------------------------

PARAMETERS, GRADIENTS = "_parameters", "_gradient"
KEPT = re.compile(
    r"grad|last|cache|input|output|saved|mask|running|moving|mean|var|std|veloc|moment|^_?(x|z|y|out|d[a-z]?)$", re.I
)
_TRAINED = re.compile(r"bias|biais|weight|poids|param|theta|gamma|beta|filt|kernel|^_*[wb]\d*$|_[wb]$", re.I)


def arrays(module: Any, attribute: str) -> dict[str, np.ndarray]:
    """The float arrays in one attribute by name, through dicts, lists and modules within: ``_parameters['W']``."""
    if not hasattr(module, "__dict__"):
        return {}
    if is_of_library(module):
        return _flat_arrays(module, attribute)
    found = dict(arrays_within(getattr(module, attribute, None), attribute, objects=False))
    for name, value in vars(module).items():
        items = enumerate(value) if isinstance(value, list | tuple) else [(None, value)]
        for i, item in items:
            if _is_module(item):
                inner = arrays(item, attribute)
                found.update({f"{name}{'' if i is None else f'[{i}]'}.{key}": array for key, array in inner.items()})
    return found


def is_of_library(module: Any) -> bool:
    """Whether a module's numbers are the library's affair: one of its own, or a container."""
    return is_ours(module) or isinstance(module, Container)


def _flat_arrays(module: Any, attribute: str) -> dict[str, np.ndarray]:
    """The one flat vector of a module of the library; of a container with other modules in it, what each of them has."""
    leaves = list({id(leaf): leaf for leaf in module.leaves()}.values())
    if isinstance(module, Container) and not all(map(is_ours, leaves)):
        held = {f"{type(leaf).__name__} {i}": arrays(leaf, attribute) for i, leaf in enumerate(leaves)}
        return {f"{place}: {name}": array for place, found in held.items() for name, array in found.items()}
    flat = module.parameters if attribute == PARAMETERS else module.gradient
    return {attribute: flat} if flat is not None and flat.size else {}


def named(module: Any) -> dict[str, np.ndarray]:
    """The parameter arrays by the names that a class of the library declares, else `parameters`."""
    if isinstance(module, Module) and type(module).layout.parameters:
        return module.named_parameters()
    return parameters(module)


def parameters(module: Any) -> dict[str, np.ndarray]:
    """The arrays that may be parameters: `_parameters`, and what else forward may depend on."""
    found = arrays(module, PARAMETERS)
    if is_of_library(module) or not hasattr(module, "__dict__"):
        return found
    for name, value in vars(module).items():
        if name not in (PARAMETERS, GRADIENTS) and not KEPT.search(name.strip("_")) and not _is_module(value):
            # self.W may be another name, or a view, of what _parameters holds.
            extra = dict(arrays_within(value, name, objects=False))
            found.update({n: a for n, a in extra.items() if not any(np.shares_memory(a, b) for b in found.values())})
    return found


def gradients(module: Any) -> dict[str, np.ndarray]:
    """Copies of the arrays that may be gradients; the gradient of ``_parameters['W']`` has the same name."""
    found = {name.replace(GRADIENTS, PARAMETERS): array for name, array in arrays(module, GRADIENTS).items()}
    if not is_of_library(module) and hasattr(module, "__dict__"):
        for name, value in vars(module).items():
            if name not in (PARAMETERS, GRADIENTS) and not _is_module(value):
                held = np.asarray(value) if isinstance(value, np.floating) else value
                found.update(arrays_within(held, name, objects=False))
    return {name: np.array(array, np.float64) for name, array in found.items()}


def is_gradient(name: str) -> bool:
    """Whether an array that `gradients` gave may be a gradient: one in ``_gradient``, or of such a name."""
    if re.search(r"(^|\.|: )_parameters", name):
        return True
    # gradInput and gradOutput are what it gave back, or was given
    return "grad" in name.lower() and not re.search(r"grad_?(in|out)(puts?)?$", name, re.I)


def looks_trained(name: str) -> bool:
    """Whether an attribute of this name is meant to learn; others may be constants."""
    return "_parameters" in name or bool(_TRAINED.search(name.split("[")[0].strip("_")))


def _is_module(value: Any) -> bool:
    return callable(getattr(value, "forward", None)) and hasattr(value, "__dict__") and not isinstance(value, type)


def arrays_within(value: Any, place: str = "", depth: int = 0, objects: bool = True) -> Iterator[tuple[str, np.ndarray]]:
    """Every float array within a value, in dicts and lists, and in layers if objects are looked into, by its place."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.size:
            yield place, value
    elif depth > 3:
        return
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from arrays_within(item, f"{place}[{key!r}]", depth + 1, objects)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from arrays_within(item, f"{place}[{i}]", depth + 1, objects)
    elif objects and hasattr(value, "__dict__") and not isinstance(value, type) and (not place or _holds_numbers(value)):
        for name, item in vars(value).items():
            if not name.startswith("_given_"):
                yield from arrays_within(item, f"{place}.{name}" if place else name, depth + 1)


def _holds_numbers(value: Any) -> bool:
    """Whether an object within another is a layer, or a parameter: arrays, with a gradient among them, or a place for one."""
    held = {n: isinstance(v, np.ndarray) for n, v in vars(value).items() if isinstance(v, np.ndarray) or v is None}
    return callable(getattr(value, "forward", None)) or (any(held.values()) and any(map(is_gradient_name, held)))
