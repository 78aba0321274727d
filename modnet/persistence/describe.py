"""A network as a tree of numbers and text, and the network that such a tree describes.

A module is described by its class, the arguments of its constructor, its settings and its arrays. The arguments are read from
the module's attributes of the same names, so a new module needs nothing of its own to be saved. To rebuild it the constructor
is called, which checks what it is given; nothing else of the file is believed. An object of somebody else's class has, beside
that, all that its attributes hold (`modnet.engine.held`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from modnet.discovery import all_modules
from modnet.engine.foreign import Foreign, global_draws_unmoved
from modnet.engine.held import differences, give_back, held, is_of_library
from modnet.engine.modes import modes_of, restore_kept_modes
from modnet.engine.state import load_state_arrays, state_arrays
from modnet.engine.storage import Storage, has_storage
from modnet.module import Module
from modnet.persistence.archive import FileError

#: Arguments that draw the first numbers, which the file replaces.
_FIRST_DRAWS = ("rng", "init")


def describe(net: Any) -> dict[str, Any]:
    """A network as a tree, as `build` takes it. One with classes of somebody else is built from it once, to see that it can be.

    Raises
    ------
    TypeError : if a class does not keep an argument of its constructor, or holds what a file cannot, so that it cannot be made
        again as it is.
    """
    modules: list[dict[str, Any]] = []
    numbers: dict[int, int] = {}
    visited: list[Any] = []

    def visit(module: Any) -> int:
        if id(module) in numbers:
            return numbers[id(module)]
        kind = type(module)
        found: dict[str, Any] = {"class": _name_of(kind), "library": is_of_library(kind)}
        arguments = constructor_arguments(module)
        found["arguments"] = {name: _argument(value, visit, module) for name, value in arguments.items()}
        if hasattr(module, "wire"):
            found["modules"] = [visit(part) for part in module]
        else:
            found["arrays"] = state_arrays(module)
        if has_storage(module) and not hasattr(module, "wire"):
            found["dtype"] = str(module.dtype)
            found["settings"] = {name: getattr(module, name) for name in kind.layout.settings}
            found["draws"] = list(module.draws)
        if not found["library"]:
            found["held"] = held(module, visited, copies=False)[0]
        modules.append(found)
        visited.append(module)
        numbers[id(module)] = len(modules) - 1
        return numbers[id(module)]

    try:
        root = visit(net)
    except RecursionError:
        raise TypeError(f"save: {type(net).__name__} holds itself, by way of an attribute of one of its modules") from None
    dtype = str(net.dtype) if has_storage(net) else None
    tree = {"modules": modules, "root": root, "dtype": dtype, "modes": [had for _, had in modes_of(net)]}
    if not all(found["library"] for found in modules):
        _rehearse(tree, visited)
    return tree


def _rehearse(tree: dict[str, Any], modules: list[Any]) -> None:
    """Build the network of a tree and see that it holds what `modules` hold. TypeError with what is missing otherwise."""
    made: list[Any] = []
    try:
        build(tree, {type(m) for m in modules if not is_of_library(type(m))}, "save", made)
    except FileError as error:
        raise TypeError(f"{error}; save net.state_dict() with numpy.savez instead") from error
    for k, (module, twin) in enumerate(zip(modules, made)):
        if is_of_library(type(module)):
            continue
        who = f"save: {Foreign.name_of(module)}"
        if type(module) is not type(twin):
            raise TypeError(f"{who}: the network has two classes of this name; rename one")
        (ours, left), (theirs, lost) = held(module, modules[:k]), held(twin, made[:k])
        differing = next(differences(ours, theirs), None)
        if differing is None:
            differing = next((at for (at, a), (_, b) in zip(left, lost) if not _are_equal(a, b)), None)
        if differing is not None:
            raise TypeError(
                f"{who} would not come back as it is: {differing!r} differs in one that is made anew; keep numbers in arrays, "
                "lists or dicts, and anything else as the constructor made it"
            )


def _are_equal(a: Any, b: Any) -> bool:
    try:
        return a is b or bool(np.all(a == b)) or getattr(a, "__qualname__", "a") == getattr(b, "__qualname__", "b")
    except Exception:  # whatever a stranger's comparison raises
        return False


def library_classes() -> dict[str, type]:
    """The classes of modules that are modnet's own, by the names that files have for them."""
    from modnet import handout

    found: dict[str, type] = {kind.__name__: kind for kind in all_modules()}
    own = [kind for kind in vars(handout).values() if isinstance(kind, type) and issubclass(kind, Module)]
    return found | {_name_of(kind): kind for kind in own if kind.__module__.startswith(handout.__name__)}


def _name_of(kind: type) -> str:
    """The name of a class in a file: those of the course's statement have names of the library's own."""
    return f"handout.{kind.__name__}" if kind.__module__.startswith("modnet.handout.") else kind.__name__


def constructor_arguments(module: Any) -> dict[str, Any]:
    """The arguments of a module's constructor, except modules of a container, from its attributes."""
    kind, found = type(module), {}
    layout = kind.layout if has_storage(module) and not hasattr(module, "wire") else None
    aliases = getattr(kind, "argument_attributes", {})
    for name, parameter in inspect.signature(kind).parameters.items():
        kept_as = aliases.get(name, name)
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if hasattr(module, "wire") and not _is_plain(getattr(module, name, module)):
            continue
        if layout is not None and name in layout.parameters and layout.parameters[name].optional:
            found[name] = name in module.pieces("parameters")
        elif name in _FIRST_DRAWS and parameter.default is not parameter.empty:
            continue
        elif kept_as in getattr(module, "__dict__", {}) or hasattr(kind, kept_as):
            found[name] = getattr(module, kept_as)
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


def build(tree: Any, classes: Iterable[type], who: str, made: list[Any] | None = None) -> Any:
    """The network that a tree of `describe` describes.

    Parameters
    ----------
    tree : from a file; nothing in it is believed. classes : those beside modnet's own that may be made.
    made : gets the modules, in the order in which the tree has them.

    Raises
    ------
    FileError : if the tree describes no network, or one of a class that is not among them.
    """
    known = library_classes()
    others = {kind.__name__: kind for kind in classes}
    made, at = [] if made is None else made, who
    try:
        for k, described in enumerate(tree["modules"]):
            table, name = known if described["library"] else others, described["class"]
            at = f"{who}: module {k}, {name}"
            if name not in table:
                advice = "this modnet has none" if described["library"] else f"if you trust it, load(path, classes=[{name}])"
                raise FileError(f"{who}: holds a module of the class {name!r}; {advice}")
            with global_draws_unmoved():
                made.append(_made(table[name], described, made, at))
            if "held" in described and not described["library"]:
                give_back(made[-1], described["held"], at)
        at = who
        net = _earlier(made, tree["root"])
        if has_storage(net) and str(net.dtype) != tree["dtype"]:
            net.astype(tree["dtype"])
        restore_kept_modes(net, tree["modes"], who)
    except FileError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError, RecursionError) as error:
        told = str(error) if at in str(error) else f"{type(error).__name__}: {error}"
        raise FileError(f"{at}: describes no network that can be built ({told.removeprefix(at + ': ')})") from error
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
    with Storage.at_most(_count(described)):
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


def _count(tree: Any) -> int:
    """How many numbers the arrays of a tree have."""
    if isinstance(tree, Mapping | list | tuple):
        return sum(map(_count, tree.values() if isinstance(tree, Mapping) else tree))
    return int(np.size(tree)) if isinstance(tree, np.ndarray) else 0


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
