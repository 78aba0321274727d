"""What a network holds, written down as numbers and text, and given back to a network made alike.

The library's modules keep their numbers in a storage. An object of somebody else's class keeps them anywhere: in attributes,
lists, dicts, in objects that it holds. `held` writes all of it down, `give_back` writes it into an object that the same
constructor has made: into the same arrays and lists, so that views stay views.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from modnet.engine.foreign import BOOKKEEPING, Foreign
from modnet.engine.modes import modes_of, restore_kept_modes
from modnet.engine.state import load_state_arrays, state_arrays
from modnet.engine.storage import has_storage, library_leaves, parts

#: What attributes of the library's modules and containers have a place of their own: where numbers lie, and modes.
_KEPT_APART = BOOKKEEPING | {"_training", "training", "_put_into_evaluation"}

_NOTHING: Any = object()
_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


# --- a network -------------------------------------------------------------------------------------------------------


def numbers_of(net: Any) -> dict[str, Any]:
    """All that a network's next answers depend on, in training too: arrays, settings, draws, others' attributes. Copies."""
    library = library_leaves(net)
    return {
        "arrays": {name: np.array(array) for name, array in state_arrays(net).items()},
        "settings": [{name: getattr(m, name) for name in type(m).layout.settings} for m in library],
        "draws": [m.draws for m in library],
        "held": [held(m)[0] for m in others_of(net)],
    }


def restore_numbers(net: Any, kept: Mapping[str, Any], who: str) -> None:
    """Write back what `numbers_of` gave for a network built alike. Settings are checked as if they were assigned."""
    library, others = library_leaves(net), others_of(net)
    settings, draws, trees = kept["settings"], kept["draws"], kept.get("held")
    if len(settings) != len(library) or len(draws) != len(library):
        raise ValueError(f"{who}: holds the settings of {len(settings)} modules, expected {len(library)}")
    if trees is not None and len(trees) != len(others):
        raise ValueError(f"{who}: holds the attributes of {len(trees)} modules, expected {len(others)}")
    for module, values, drawn in zip(library, settings, draws):
        if set(values) != set(type(module).layout.settings) or len(drawn) != 2:
            raise ValueError(f"{who}: holds the settings {sorted(values)}, expected the settings of {module}")
    load_state_arrays(net, kept["arrays"], who)
    for module, values, drawn in zip(library, settings, draws):
        for name, value in values.items():
            type(module).layout.settings[name].write(module, value)
        module.draws = drawn
    for module, tree in zip(others, trees or []):
        give_back(module, tree, f"{who}: {Foreign.name_of(module)}")


def is_of_library(kind: type) -> bool:
    """Whether a class is modnet's own."""
    return kind.__module__.split(".")[0] == "modnet"


def others_of(net: Any) -> list[Any]:
    """The modules and containers of a network whose classes are somebody else's, each once."""
    return [m for m in parts(net) if not is_of_library(type(m))]


# --- an object -------------------------------------------------------------------------------------------------------


def attributes(thing: Any) -> dict[str, Any]:
    """The attributes of an object that are its author's: not the library's own, and no gradients."""
    found = dict(getattr(thing, "__dict__", {}))
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(thing, name):
                found[name] = getattr(thing, name)
    found.pop("_gradient", None)
    if has_storage(thing) or hasattr(thing, "wire"):
        return {name: value for name, value in found.items() if name not in _KEPT_APART and not _is_declared(thing, name)}
    return found


def _is_declared(thing: Any, name: str) -> bool:
    """Whether assigning an attribute is a class's affair, as of a Size: those of the library are kept by their layout."""
    return hasattr(type(inspect.getattr_static(type(thing), name, None)), "__set__")


def held(thing: Any, known: Iterable[Any] = (), copies: bool = True) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """What an object holds at any depth, as a tree of numbers, text and arrays.

    Parameters
    ----------
    thing : the object. known : modules that are kept elsewhere. copies : whether arrays are copies, or the object's own.

    Returns
    -------
    tree : for `give_back`. left : what cannot be written down, such as a function or a lock, each with where it is.
    """
    writer = _Writer((thing, *known), copies)
    return writer.object(thing, ""), writer.left


class _Writer:
    def __init__(self, known: Iterable[Any], copies: bool) -> None:
        self.seen = {id(value): value for value in known}
        self.copies = copies
        self.left: list[tuple[str, Any]] = []

    def object(self, thing: Any, at: str) -> dict[str, Any]:
        found = {name: self.value(value, f"{at}.{name}".lstrip(".")) for name, value in attributes(thing).items()}
        return {"is": "object", "class": type(thing).__name__, "attributes": found}

    def value(self, value: Any, at: str) -> Any:
        if type(value) in (type(None), bool, int, float, str):
            return value
        if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
            if isinstance(value, np.generic):
                return {"is": "number", "array": np.array(value)}
            if type(value) in (np.ndarray, np.memmap):
                return {"is": "array", "array": np.array(value) if self.copies else value}
        if id(value) in self.seen:
            return {"is": "again"}
        self.seen[id(value)] = value
        if type(value) in (list, tuple):
            return {"is": type(value).__name__, "items": [self.value(item, f"{at}[{i}]") for i, item in enumerate(value)]}
        if isinstance(value, dict) and all(type(key) in (bool, int, float, str) for key in value):
            return {"is": "dict", "items": [[key, self.value(item, f"{at}[{key!r}]")] for key, item in value.items()]}
        if isinstance(value, np.random.Generator | np.random.RandomState):
            return {"is": "generator", "class": type(value).__name__, "state": self.value(_state_of(value), at)}
        if has_storage(value):
            modes = [had for _, had in modes_of(value)]
            return {"is": "network", "class": type(value).__name__, "numbers": numbers_of(value), "modes": modes}
        if _is_plain_object(value):
            return self.object(value, at)
        self.left.append((at, value))
        return {"is": "left", "class": type(value).__name__}


def _is_plain_object(value: Any) -> bool:
    """Whether all that an object is lies in its attributes: what `copy` thinks of it says so."""
    if isinstance(value, type):
        return False
    try:
        made, arguments, *rest = value.__reduce_ex__(2)
    except Exception:  # a lock, an open file, a module
        return False
    return getattr(made, "__name__", "") == "__newobj__" and arguments == (type(value),) and rest[1:] in ([], [None, None])


def _state_of(generator: Any) -> dict[str, Any]:
    if isinstance(generator, np.random.RandomState):
        return dict(generator.get_state(legacy=False))
    return dict(generator.bit_generator.state)


def give_back(thing: Any, tree: Mapping[str, Any], who: str) -> None:
    """Write what `held` gave into an object that was made alike. What could not be written down stays as it is there.

    Raises
    ------
    ValueError : if the object has no place for something.
    """
    if tree["is"] != "object":
        raise ValueError(f"{who}: holds {tree['is']}, expected the attributes of an object")
    _give_object(thing, tree, who)


def _give_object(thing: Any, tree: Mapping[str, Any], who: str) -> None:
    if type(thing).__name__ != tree["class"]:
        raise ValueError(f"{who}: is a {type(thing).__name__}, expected a {tree['class']}")
    own, given = attributes(thing), tree["attributes"]
    for name in [name for name in own if name not in given]:
        object.__delattr__(thing, name)
    for name, node in given.items():
        before = own.get(name, _NOTHING)
        value = _given(before, node, f"{who}.{name}")
        if value is before or (value is _NOTHING and before is _NOTHING):
            continue
        if before is _NOTHING and _is_taken(thing, name):
            raise ValueError(f"{who}: has no attribute {name} that could be set")
        object.__setattr__(thing, name, value)


def _is_taken(thing: Any, name: str) -> bool:
    """Whether a name is a method of an object, or the library's."""
    found = inspect.getattr_static(type(thing), name, None)
    slot = inspect.ismemberdescriptor(found)
    ours = (has_storage(thing) or hasattr(thing, "wire")) and name in _KEPT_APART
    return ours or name == "_gradient" or name[:2] == "__" or ((callable(found) or _is_declared(thing, name)) and not slot)


def _given(target: Any, node: Any, who: str) -> Any:
    """A value for a place that holds `target` now: the same object with other contents if there is one that can have them."""
    if not isinstance(node, Mapping):
        return node
    match node["is"]:
        case "number":
            return node["array"][()]
        case "array":
            array = node["array"]
            alike = isinstance(target, np.ndarray) and (target.shape, target.dtype) == (array.shape, array.dtype)
            if alike and target.flags.writeable:
                target[...] = array
                return target
            return array.copy()
        case "list" | "tuple":
            before = dict(enumerate(target)) if isinstance(target, list | tuple) else {}
            items = [_given(before.get(i, _NOTHING), item, f"{who}[{i}]") for i, item in enumerate(node["items"])]
            return _refilled(target, items) if node["is"] == "list" else tuple(items)
        case "dict":
            before = target if isinstance(target, dict) else {}
            return _refilled(target, {k: _given(before.get(k, _NOTHING), item, f"{who}[{k!r}]") for k, item in node["items"]})
        case "generator":
            return _given_generator(target, node, who)
        case "again" | "left":
            if target is _NOTHING:
                raise ValueError(f"{who}: the constructor has not made it")
            return target
        case "network":
            if not has_storage(target) or type(target).__name__ != node["class"]:
                raise ValueError(f"{who}: the constructor has made no {node['class']}")
            restore_numbers(target, node["numbers"], who)
            restore_kept_modes(target, node["modes"], who)
            return target
        case "object":
            if target is _NOTHING or isinstance(target, type) or type(target).__module__ == "builtins":
                raise ValueError(f"{who}: the constructor has made no {node['class']}")
            _give_object(target, node, who)
            return target
    raise ValueError(f"{who}: holds {node['is']!r}, which is unknown")


def _refilled(target: Any, contents: Any) -> Any:
    """The list or dict `target` with other contents, or new contents if it is none."""
    if type(target) is list and isinstance(contents, list):
        target[:] = contents
    elif isinstance(target, dict) and isinstance(contents, dict):
        target.clear()
        target.update(contents)
    else:
        return contents
    return target


def _given_generator(target: Any, node: Mapping[str, Any], who: str) -> Any:
    state, kind = _given(_NOTHING, node["state"], who), node["class"]
    name = state["bit_generator"]
    if type(target).__name__ != kind or _state_of(target)["bit_generator"] != name:
        if name not in _GENERATORS or kind not in ("Generator", "RandomState"):
            raise ValueError(f"{who}: draws from {name!r}, which is unknown")
        target = getattr(np.random, kind)(getattr(np.random, name)())
    if kind == "RandomState":
        target.set_state(state)
    else:
        target.bit_generator.state = state
    return target


def differences(a: Any, b: Any, at: str = "") -> Iterator[str]:
    """The attributes in which two trees of `held` differ, such as "running_mean" or "layer.weight"."""
    objects = [tree for tree in (a, b) if isinstance(tree, Mapping) and tree["is"] == "object"]
    if len(objects) == 2 and a["class"] == b["class"]:
        first, second = (tree["attributes"] for tree in objects)
        for name in dict.fromkeys([*first, *second]):
            yield from differences(first.get(name, _NOTHING), second.get(name, _NOTHING), f"{at}.{name}".lstrip("."))
    elif not _same(a, b):
        yield at


def _same(a: Any, b: Any) -> bool:
    """Whether two values of a tree are equal to the bit and of one type."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and (a == b or (a != a and b != b))
