"""How many threads a matrix product gets: the library decides by its size.

By default OpenBLAS gives every product of more than a quarter of a million multiply-adds all cores. A product of 50
microseconds then waits for the slowest thread: beside another busy process a training step takes ten to a hundred times as
long. From a hundred million operations on, all cores pay, unless several Python threads compute at once: then each takes one.

The setting is the process's own, not a thread's. So walks are counted under a lock: the first one in saves the number, whoever
needs one thread sets 1, the last one out puts the number back. Meanwhile products of other threads, numpy's too, may run on one
core.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from contextlib import nullcontext
from functools import cache
from typing import Any

import numpy as np

#: Below so many operations (two for each multiply-add) OpenBLAS takes one thread by itself; above so many, all pay.
FEW, MANY = 400_000, 100_000_000


_NO_FUNCTIONS = (lambda: 1), (lambda count: None)


@cache
def _functions() -> tuple[Any, Any]:
    """get and set of the BLAS that numpy has loaded; if it has no such functions, some that know one thread only."""
    try:
        library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
    except (KeyError, OSError, TypeError):
        return _NO_FUNCTIONS
    for name in ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads",
                 "openblas_{}_num_threads"):  # fmt: skip
        if hasattr(library, name.format("get")):
            return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return _NO_FUNCTIONS


@cache
def table() -> np.ndarray:
    """What compiled code reads: 1 while walks have set BLAS to one thread, and the address of the function that counts them."""
    functions = _functions()
    get = None if functions is _NO_FUNCTIONS else ctypes.cast(functions[0], ctypes.c_void_p).value
    return np.array([0, get or 0], np.int64)


class _Walks:
    """The walks that compute now, and the number of threads to go back to."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.lock, self.inside, self.saved, self.is_one = threading.Lock(), 0, 1, False

    def has_choice(self) -> bool:
        """Whether there is a number to choose: not if nobody is inside and the process has given BLAS one thread."""
        return self.inside > 0 or _functions()[0]() != 1

    def enter(self, one: bool) -> None:
        get, set_to = _functions()
        with self.lock:
            if self.inside == 0:
                self.saved, self.is_one = get(), False
            self.inside += 1
            if (one or self.inside > 1) and not self.is_one and self.saved != 1:
                set_to(1)
                self.is_one = True
                table()[0] = 1

    def leave(self) -> None:
        with self.lock:
            if self.inside == 1 and self.is_one:
                _functions()[1](self.saved)
                table()[0] = 0
            self.inside -= 1  # last, since has_choice reads the two without the lock

    def after_fork(self) -> None:
        """In a child, the threads that were inside are gone."""
        was_one, saved = self.inside and self.is_one, self.saved
        self.begin()
        if was_one:
            _functions()[1](saved)
            table()[0] = 0


class _Walk:
    """Context: a walk. May be entered by many threads at once, and again by the same."""

    def __init__(self, one: bool) -> None:
        self.one = one

    def __enter__(self) -> None:
        _WALKS.enter(self.one)

    def __exit__(self, *_: Any) -> None:
        _WALKS.leave()


_WALKS, _SMALL, _LARGE, _NOTHING = _Walks(), _Walk(True), _Walk(False), nullcontext()
#: Whether a walk of more than `FEW` operations needs `threads_for`: asking takes a tenth of its time.
has_choice = _WALKS.has_choice
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_WALKS.after_fork)


def thread_count() -> int:
    """How many threads this process gives BLAS: what a user has set, or the number of cores."""
    return int(_WALKS.saved if _WALKS.inside and _WALKS.is_one else _functions()[0]())


def one_thread() -> Any:
    """Context for a walk that brings threads of its own: BLAS takes one for each of them."""
    return _SMALL


def threads_for(operations: int) -> Any:
    """Context for a walk whose largest product takes so many operations."""
    if operations <= FEW or not has_choice():
        return _NOTHING
    return _SMALL if operations < MANY else _LARGE
