"""Object code made known to this process, by llvmlite alone.

Whatever the code calls is looked up first: LLVM ends the process at a name that it does not find.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import llvmlite.binding as llvm

#: What makes names known that machine code refers to; called before any is loaded.
BEFORE_LOADING: list[Callable[[], None]] = []

_LOCK = threading.RLock()
_ENGINES: list[Any] = []  # code lives as long as its engine


class Refused(Exception):
    """The code calls something that this process does not have."""


@cache
def _prepare() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for provide in BEFORE_LOADING:
        provide()


#: Functions of the C library that compilers call by themselves, and those that kernels call.
C = frozenset(("malloc", "free", "memset", "memcpy", "memmove", "pow", "powf"))


@cache
def _c_library() -> list[Any]:
    found = []
    for name in (None, "libm.so.6"):
        with contextlib.suppress(OSError, TypeError):
            found.append(ctypes.CDLL(name))
    return found


def _is_here(name: str) -> bool:
    """Whether machine code that calls this name will find it."""
    if llvm.address_of_symbol(name) is None and name in C:
        function = next((getattr(library, name) for library in _c_library() if hasattr(library, name)), None)
        if function is not None:
            llvm.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
    return llvm.address_of_symbol(name) is not None


def machine(**options: Any) -> Any:
    """LLVM's view of this processor, for code that is run at once."""
    _prepare()
    return llvm.Target.from_default_triple().create_target_machine(jit=True, **options)


def load(code: bytes, symbols: Iterable[str], calls: Iterable[str]) -> list[int]:
    """Load one object; return the addresses of these symbols.

    Parameters
    ----------
    code : the object, as a compiler writes it. symbols : names of functions that it defines. calls : all that it refers to.
    """
    with _LOCK:
        _require(calls)
        # An engine of its own: what numba calls a kernel may be what it called another in another process.
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        return [_address(engine, name) for name in symbols]


def _require(calls: Iterable[str]) -> None:
    _prepare()
    missing = [name for name in calls if not _is_here(name)]
    if missing:
        raise Refused(f"machine code calls {', '.join(missing)}, which is not here")


def _address(engine: Any, name: str) -> int:
    engine.finalize_object()
    found: int = engine.get_function_address(name)
    if not found:
        raise Refused(f"machine code lacks {name}")
    _ENGINES.append(engine)
    return found


def assembled(text: str) -> bytes:
    """Object code of a module in LLVM's language, for any processor of this one's kind."""
    with _LOCK:
        module = llvm.parse_assembly(text)
        module.verify()
        made: bytes = machine(opt=1).emit_object(module)
        return made


# A fork waits until no other thread loads code. In the child that thread is gone: nobody would release the lock, and LLVM would
# be in the middle of its work. If the wait is long, that thread may be waiting for this one; the child then gets a new lock.

_LONGEST_WAIT = 5.0  # seconds
_held = False


def _before_fork() -> None:
    global _held
    held = _LOCK.acquire(timeout=_LONGEST_WAIT)
    _held = held


def _after_fork() -> None:
    if _held:
        _LOCK.release()


def _in_child() -> None:
    global _LOCK
    if _held:
        _LOCK.release()
    else:
        _LOCK = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
