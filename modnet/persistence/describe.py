"""A network as a tree of numbers and text, and the network that such a tree describes.

A module is described by its class, the arguments of its constructor, its settings and its arrays. The arguments are read from
the module's attributes of the same names, so a new module needs nothing of its own to be saved. To rebuild it the constructor
is called, which checks what it is given; nothing else of the file is believed.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from modnet.discovery import all_modules
from modnet.engine.foreign import Foreign
from modnet.engine.modes import modes_of, restore_modes
from modnet.engine.state import load_state_arrays, state_arrays
from modnet.engine.storage import Storage, has_storage
from modnet.persistence.archive import FileError

#: Arguments that draw the first numbers, which the file replaces.
_FIRST_DRAWS = ("rng", "init")


def describe(net: Any) -> dict[str, Any]:
    """A network as a tree, as `build` takes it.

    Raises
    ------
    TypeError : if a class does not keep an argument of its constructor, so that it cannot be made again.
    """
    modules: list[dict[str, Any]] = []
    numbers: dict[int, int] = {}

    def visit(module: Any) -> int:
        if id(module) in numbers:
            return numbers[id(module)]
        kind = type(module)
        found: dict[str, Any] = {"class": kind.__name__, "library": _is_of_library(kind)}
        arguments = _arguments(module)
        found["arguments"] = {name: _argument(value, visit, module) for name, value in arguments.items()}
        if hasattr(module, "wire"):
            found["modules"] = [visit(part) for part in module]
        else:
            found["arrays"] = {name: np.array(array) for name, array in state_arrays(module).items()}
        if has_storage(module) and not hasattr(module, "wire"):
            found["dtype"] = str(module.dtype)
            found["settings"] = {name: getattr(module, name) for name in kind.layout.settings}
            found["draws"] = list(module.draws)
        modules.append(found)
        numbers[id(module)] = len(modules) - 1
        return numbers[id(module)]

    root = visit(net)
    dtype = str(net.dtype) if has_storage(net) else None
    return {"modules": modules, "root": root, "dtype": dtype, "modes": [had for _, had in modes_of(net)]}


def _is_of_library(kind: type) -> bool:
    return kind.__module__.split(".")[0] == "modnet"


def _arguments(module: Any) -> dict[str, Any]:
    """The arguments of a module's constructor, except modules of a container, from its attributes."""
    kind, found = type(module), {}
    layout = kind.layout if has_storage(module) and not hasattr(module, "wire") else None
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if hasattr(module, "wire") and not _is_plain(getattr(module, name, module)):
            continue
        if layout is not None and name in layout.parameters and layout.parameters[name].optional:
            found[name] = name in module.pieces("parameters")
        elif name in _FIRST_DRAWS and parameter.default is not parameter.empty:
            continue
        elif name in getattr(module, "__dict__", {}) or hasattr(kind, name):
            found[name] = getattr(module, name)
        else:
            raise TypeError(
                f"save: {kind.__name__} takes {name}, but keeps no attribute {name}, so it cannot be made again; write "
                f"self.{name} = {name} in its __init__, or save net.state_dict() with numpy.savez"
            )
    return found


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | np.number)


def _argument(value: Any, visit: Any, module: Any) -> Any:
    if _is_plain(value):
        return value
    if isinstance(value, tuple | list):
        return [_argument(item, visit, module) for item in value]
    if callable(getattr(value, "forward", None)):
        return {"module": visit(value)}
    if isinstance(value, np.ndarray):
        return {"array": value}
    raise TypeError(f"save: {type(module).__name__} was made with a {type(value).__name__}, expected numbers, text or modules")


def build(tree: Any, classes: Iterable[type], who: str) -> Any:
    """The network that a tree of `describe` describes.

    Parameters
    ----------
    tree : from a file; nothing in it is believed. classes : those beside modnet's own that may be made.

    Raises
    ------
    FileError : if the tree describes no network, or one of a class that is not among them.
    """
    known = {kind.__name__: kind for kind in all_modules()}
    others = {kind.__name__: kind for kind in classes}
    made: list[Any] = []
    try:
        for k, described in enumerate(tree["modules"]):
            table, name = known if described["library"] else others, described["class"]
            if name not in table:
                advice = "this modnet has none" if described["library"] else f"if you trust it, load(path, classes=[{name}])"
                raise FileError(f"{who}: holds a module of the class {name!r}; {advice}")
            made.append(_made(table[name], described, made, f"{who}: module {k}, {name}"))
        net = _earlier(made, tree["root"])
        if has_storage(net) and str(net.dtype) != tree["dtype"]:
            net.astype(tree["dtype"])
        modes = modes_of(net)
        if len(tree["modes"]) != len(modes):
            raise FileError(f"{who}: holds the modes of {len(tree['modes'])} modules, expected {len(modes)}")
        restore_modes([(module, _mode(had, kept)) for (module, had), kept in zip(modes, tree["modes"])])
    except FileError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError, RecursionError) as error:
        raise FileError(f"{who}: describes no network that can be built ({type(error).__name__}: {error})") from error
    return net


def _made(kind: type, described: Mapping[str, Any], made: list[Any], who: str) -> Any:
    given = {str(name): _given(value, made) for name, value in described["arguments"].items()}
    several, named = (), {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in given and parameter.kind is parameter.VAR_POSITIONAL:
            several = tuple(given[name])
        elif name in given:
            named[name] = given[name]
    if set(given) - set(inspect.signature(kind).parameters):
        raise FileError(f"{who}: has arguments that its constructor does not take")
    if "modules" in described:
        if not hasattr(kind, "wire"):
            raise FileError(f"{who}: is no network of modules")
        return kind(*[_earlier(made, k) for k in described["modules"]], **named)
    arrays = described["arrays"]
    # What is allocated is bounded by what is there.
    with Storage.at_most(sum(np.size(array) for array in arrays.values())):
        module = kind(*several, **named)
    if has_storage(module):
        if described["dtype"] != str(module.dtype):
            module.astype(described["dtype"])
        layout, settings = kind.layout, described["settings"]  # type: ignore[attr-defined]
        if set(settings) != set(layout.settings):
            raise FileError(f"{who}: has the settings {sorted(settings)}, expected {sorted(layout.settings)}")
        for name, value in settings.items():
            layout.settings[name].write(module, value)
        module.draws = tuple(described["draws"])
    elif arrays and not Foreign(module).named():
        raise FileError(f"{who}: its constructor made no arrays, but the file holds some")
    load_state_arrays(module, arrays, who)
    return module


def _given(value: Any, made: list[Any]) -> Any:
    if isinstance(value, list):
        return tuple(_given(item, made) for item in value)
    if isinstance(value, dict):
        return value["array"] if "array" in value else _earlier(made, value["module"])
    return value


def _earlier(made: list[Any], k: Any) -> Any:
    if not isinstance(k, int) or isinstance(k, bool) or not 0 <= k < len(made):
        raise ValueError(f"a module refers to number {k!r}, expected an earlier one")
    return made[k]


def _mode(had: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, bool]:
    """The modes in a file, of those that a module has."""
    return {name: bool(kept.get(name, value)) for name, value in had.items()}
