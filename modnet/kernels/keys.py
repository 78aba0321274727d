"""What machine code is made of: keys of the sources and of all that a kernel reads, as they were when they were imported."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from modnet.kernels.jit import Later

_BEGAN = time.time() - 0.02  # files keep the time of the system's last tick

_KERNELS = __name__.rpartition(".")[0]  # the package whose files are in every key


def _spec(module: str) -> Any:
    return getattr(sys.modules.get(module), "__spec__", None) or find_spec(module)


@cache
def version_of(package: str) -> str:
    """The version of an installed package, empty if there is none.

    It is in the name of a folder beside the package; to import `importlib.metadata` and to ask it takes 20 ms.
    """
    spec = _spec(package)
    origin = getattr(spec, "origin", None)
    if origin is not None:
        begin, end = f"{package}-", ".dist-info"
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(Path(origin).parents[1]) if name.startswith(begin) and name.endswith(end)]
            if len(names) == 1:
                return names[0][len(begin) : -len(end)]
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@cache
def source_of(module: str) -> bytes:
    """What a module was imported from: its source, in a folder or a zip; without a source the file of its code.

    It is asked for while the module is imported: its file may have changed by the time the first kernel is compiled.
    """
    spec = _spec(module)
    loader: Any = getattr(spec, "loader", None)
    with contextlib.suppress(Exception):
        source = loader.get_source(module)
        if source is not None:
            return hashlib.sha256(source.encode()).digest()
    with contextlib.suppress(Exception):
        return hashlib.sha256(loader.get_data(spec.origin)).digest()
    return os.urandom(16)  # nothing is known of it: a key that no other process has


@cache
def kernels() -> tuple[bytes, frozenset[str]]:
    """A hash of the files of `modnet.kernels`, which every kernel is made with, and the names of these modules."""
    loaded = {n for n in sys.modules if n == _KERNELS or n.startswith(_KERNELS + ".")}
    names = sorted({*loaded, f"{_KERNELS}.compiling"})  # which is imported with numba
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + source_of(name))
    return digest.digest(), frozenset(names)


def kernels_key() -> str | None:
    """A key of the files of `modnet.kernels`; None if they may have changed since they were imported."""
    digest, names = kernels()
    return digest.hex() if all(certain_source(name) for name in names) else None


@cache
def certain_source(module: str) -> bytes | None:
    """The source of a module if it is certain that this is what was imported: its file has not been written to since."""
    found, origin = source_of(module), getattr(_spec(module), "origin", None) or ""
    with contextlib.suppress(OSError):  # it is in an archive, or gone
        if origin.endswith(".py") and os.stat(origin).st_ctime < _BEGAN:
            return found
    return None


def read_sources() -> None:
    """Take the key of `modnet.kernels` now, when all of it has been imported."""
    kernels()


def is_of_library(module: str) -> bool:
    """Whether a module, by its name, is one of this library's."""
    return module.startswith("modnet.")


def content(function: Callable[..., Any], seen: dict[int, str], by_code: bool = True) -> Iterator[str]:
    """All that makes a compiled function what it is, apart from the files of `modnet.kernels`.

    That is its code, and the functions and constants that it reads, wherever they come from; outside the library also its file.
    seen gathers the modules of all functions that are part of it. Without `by_code`, code counts by the file that it is in.
    """
    if id(function) in seen:
        return
    seen[id(function)] = function.__module__
    code = function.__code__
    yield f"{function.__module__} {function.__qualname__}"
    for cell in function.__closure__ or ():
        yield from _value(cell.cell_contents, seen, by_code)
    if function.__module__ in kernels()[1]:
        return
    if by_code:
        yield repr((code.co_firstlineno, code.co_linetable, *_instructions(code)))
    if by_code and not is_of_library(function.__module__):
        with contextlib.suppress(OSError, UnicodeDecodeError):  # a console has no file
            yield Path(code.co_filename).read_text(encoding="utf-8")
    names = sorted(_names(code))
    for name in names:
        value = function.__globals__.get(name)
        for part in [getattr(value, n, None) for n in names] if isinstance(value, ModuleType) else [value]:
            if not isinstance(part, FunctionType):  # compiled code calls compiled functions only
                yield from _value(part, seen, by_code)


def _value(value: Any, seen: dict[int, str], by_code: bool) -> Iterator[str]:
    """What a function may have compiled in: another function, an array, a constant."""
    if isinstance(value, Later):
        return
    function = getattr(value, "py_func", getattr(value, "_defn", value))  # of what is compiled, and of an intrinsic
    if isinstance(function, FunctionType):
        yield repr(getattr(value, "options", None))
        yield from content(function, seen, by_code)
    elif isinstance(value, np.ndarray):
        yield repr((value.shape, value.dtype, value.tobytes()))
    elif isinstance(value, tuple):
        for item in value:
            yield from _value(item, seen, by_code)
    elif isinstance(value, bool | int | float | complex | str | bytes | None | np.generic | np.dtype | type) or _is_type(value):
        yield repr(value)


def _is_type(value: Any) -> bool:
    """Whether it is a type of numba's, which nobody has before numba is imported."""
    return "numba" in sys.modules and isinstance(value, sys.modules["numba"].types.Type)


def _names(code: Any) -> set[str]:
    inner = [_names(c) for c in code.co_consts if hasattr(c, "co_code")]
    return set(code.co_names).union(*inner)


def _instructions(code: Any) -> tuple[Any, ...]:
    constants = [_instructions(c) if hasattr(c, "co_code") else repr(c) for c in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, constants
