"""Packages from outside a hand-in: imported when they are first used, and stood in for if they are not installed.

A file that draws its results with a package that is absent can be checked all the same, if its layers do without it. What it
gets for such a name can be called, indexed, derived from and used as a decorator, and gives more of itself; it is no number.
Every use of an absent one during a check is noted: what is found then is not said of the student's class.
"""

from __future__ import annotations

import builtins
import importlib.util
import operator
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from modnet.check.asking.older import NUMPY, Cupy, Numba, note

#: Imported at once: everything computes with them, and their types must be themselves.
AT_ONCE = {*sys.stdlib_module_names, "numpy", "scipy", "modnet"}
#: Packages that were needed and are not there, and those of them that were used, since the sets were last cleared.
absent: dict[str, str] = {}
used: set[str] = set()
#: Names that code has read in vain, though its author sets or imports them: why they are not there.
unset: dict[str, str] = {}
NOT_FOUND = "not found"
_cupy, _numba = Cupy(), Numba("numba")


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    try:
        return package in sys.modules or importlib.util.find_spec(package) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def real_import(name: str, fromlist: tuple[str, ...], strict: bool) -> Any:
    """What ``import name`` or ``from name import ...`` gives to a file of a hand-in.

    With strict, an import that fails raises as Python does: a file that asks for ImportError has another way.
    """
    top = name.split(".")[0]
    if name == "numpy" or (top == "numpy" and not fromlist):
        return NUMPY
    if name == "cupy" and not is_installed("cupy"):
        return _cupy
    if top == "numba":
        return _numba
    if strict or top in AT_ONCE or "*" in fromlist:
        try:
            found = builtins.__import__(name, {}, {}, fromlist, 0)
        except Exception as error:
            if strict:
                raise
            absent.setdefault(top, f"{type(error).__name__}: {error}" if is_installed(top) else NOT_FOUND)
            if "*" in fromlist or not is_installed(top):
                return Outside(name if fromlist else top)
            return _Partly(name if fromlist else top)
        missing = [n for n in fromlist if n != "*" and not _has(found, n)]
        if missing and not strict:
            absent.setdefault(f"{name}.{missing[0]}", f"{name} has no {missing[0]}")
            return _Partly(name)
        return found
    if not is_installed(top):
        absent.setdefault(top, NOT_FOUND)
    return Outside(name if fromlist else top)


def _has(module: Any, name: str) -> bool:
    try:
        getattr(module, name)
    except Exception:  # some raise ImportError with a long text about what replaced the name
        return False
    return True


@contextmanager
def unnoticed() -> Iterator[None]:
    """Within it, what is used is not noted: another class than the one that is asked about is looked at."""
    before = set(used)
    try:
        yield
    finally:
        used.intersection_update(before)


class _Base:
    """What a class derives from in place of a class that is absent."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass


class _Unfound(_Base):
    """What a class derives from in place of one that the hand-in should define."""


class Outside:
    """A name of a package from outside, such as ``pandas.DataFrame``: the real thing when used, or what stands in for it."""

    _base: type = _Base

    def __init__(self, path: str) -> None:
        self.__dict__.update(_path=path, _real=None)

    def _resolve(self) -> Any:
        """The real object; None if there is none."""
        if self._real is None:
            parts = self._path.split(".")
            if is_installed(parts[0]):
                try:
                    self.__dict__["_real"] = pkgutil.resolve_name(self._path)
                    return self._real
                except Exception as error:
                    absent.setdefault(self._path, f"{type(error).__name__}: {error}")
            else:
                absent.setdefault(parts[0], NOT_FOUND)
            used.add(parts[0])
        return self._real

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self._more(f"{self._path}.{name}")

    def _more(self, path: str) -> Outside:
        return Outside(path)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        real = self._resolve()
        return (real if isinstance(real, type) else self._base,)

    def __or__(self, other: Any) -> Any:
        return Any

    __ror__ = __or__

    def _why(self) -> str:
        return f"{self._path.split('.')[0]} is not installed"

    def __repr__(self) -> str:
        return f"<{self._path}, from outside>"


def _call(name: Outside, /, *given: Any, **named: Any) -> Any:
    """What calling a stand-in gives: as a decorator it leaves a function as it is."""
    decorates = len(given) == 1 and not named and callable(given[0])
    return given[0] if decorates else name._more(name._path)


def _never(what: str) -> Callable[..., Any]:
    """What cannot be done to a stand-in."""

    def refused(name: Outside, /, *_: Any, **__: Any) -> Any:
        raise ImportError(f"{name._why()}, and {name._path} cannot be {what}")

    return refused


#: What can be done to a name from outside: how it is done to the real thing, and what a stand-in answers.
_USES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "__setattr__": (setattr, lambda name, *_: None),
    "__call__": (lambda real, /, *given, **named: real(*given, **named), _call),
    "__getitem__": (operator.getitem, lambda name, _: name._more(name._path)),
    "__setitem__": (operator.setitem, lambda name, *_: None),
    "__iter__": (iter, _never("iterated over")),
    "__len__": (len, _never("measured")),
    "__array__": (lambda real, dtype=None, copy=None: np.asarray(real, dtype), _never("an array")),
    "__bool__": (bool, lambda name: False),
    "__enter__": (lambda real: real.__enter__(), lambda name: name),
    "__exit__": (lambda real, *raised: real.__exit__(*raised), lambda name, *_: None),
    "__instancecheck__": (lambda real, value: isinstance(value, real), lambda name, _: False),
}


def _use(real_use: Callable[..., Any], stand_in: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Outside, /, *given: Any, **named: Any) -> Any:
        real = self._resolve()
        return stand_in(self, *given, **named) if real is None else real_use(real, *given, **named)

    return method


for _name, _ways in _USES.items():
    setattr(Outside, _name, _use(*_ways))


class Unfound(Outside):
    """A name that a file of the hand-in imports and that the other file, `owner`, does not define, or not yet."""

    _base = _Unfound

    def __init__(self, path: str, owner: Any = None) -> None:
        super().__init__(path)
        self.__dict__["_owner"] = owner

    def _resolve(self) -> Any:
        found = vars(self._owner).get(self._path.split(".")[-1]) if self._owner is not None else None
        if found is None:
            used.add(self._path)
        return found

    def _more(self, path: str) -> Outside:
        return Unfound(path)

    def _why(self) -> str:
        return "no file defines it"

    @property
    def defined(self) -> bool:
        """Whether the other file defines it by now."""
        return self._owner is not None and self._path.split(".")[-1] in vars(self._owner)


def derives_from_unfound(cls: type) -> bool:
    """Whether a class derives from one that its hand-in imports and does not define: half of it is not there."""
    return _Unfound in cls.__mro__


def derives_from_outside(cls: type) -> bool:
    """Whether a class derives from one that is absent, or from another framework's: its backward is not written by hand."""
    return any(k is _Base or k.__module__.split(".")[0] in ("torch", "tensorflow", "keras") for k in cls.__mro__)


class _Partly(Outside):
    """A package that is installed and lacks a name: the name is stood in for, the others are what they are."""

    def __getattr__(self, name: str) -> Any:
        real = self._resolve()
        return getattr(real, name) if real is not None and _has(real, name) else super().__getattr__(name)


class NotImported(_Partly):
    """A name that a file uses and does not import, such as np: what it means all the same, and each use is noted."""

    def __init__(self, name: str, value: Any, how: str) -> None:
        self.__dict__.update(_path=name, _value=value, _how=how)

    def _resolve(self) -> Any:
        note(self._path, self._how)
        return self._value
