"""Kernels that will be needed, compiled on several cores at once.

numba compiles under a lock, so threads gain nothing: another process compiles a part of the kernels into the cache, from
where this one loads them. Both take what comes next in one list. What that gains is in docs/speed.md.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from modnet.kernels import shipped
from modnet.kernels.cache import KernelCache, cache_folder
from modnet.kernels.compiled import Compiled, no_collection
from modnet.kernels.jit import JIT_DISABLED
from modnet.kernels.keys import is_of_library
from modnet.kernels.operation import Operation

_FEW = 3  # kernels that are missing: for fewer a second process is not worth its start, half a second
_MOST = 3  # processes beside this one: each takes 200 MB

_SERVE = "import json, sys; sys.path = json.loads(input()); from modnet.kernels.ahead import serve; serve()"


@dataclass(frozen=True)
class Kernel:
    """A kernel of the library by its names: of a class and its operation, or of a function that Python calls."""

    module: str
    name: str
    operation: str
    dtype: str

    def cached(self) -> KernelCache:
        """Where its code is kept."""
        found: Any = getattr(import_module(self.module), self.name)
        dtype = np.dtype(self.dtype)
        kept: KernelCache = getattr(found, self.operation).cached(found, dtype) if self.operation else found.cached(dtype)
        return kept

    def compile(self) -> None:
        """Compile it, or load it."""
        found: Any = getattr(import_module(self.module), self.name)
        dtype = np.dtype(self.dtype)
        if self.operation:
            getattr(found, self.operation).address(found, dtype)
        else:
            found.address(dtype)


def of_class(kind: type, operations: Iterable[Operation | None], dtype: Any) -> list[Kernel]:
    """These operations of a class; nothing for a class that another process would not find by its name in the library."""
    if not is_of_library(kind.__module__) or getattr(sys.modules[kind.__module__], kind.__name__, None) is not kind:
        return []
    return [Kernel(kind.__module__, kind.__name__, op.name, np.dtype(dtype).name) for op in operations if op is not None]


def of_functions(functions: Iterable[Compiled], dtype: Any) -> list[Kernel]:
    """Functions that Python calls."""
    found = []
    for function in functions:
        module = function.py_func.__module__
        name = next(name for name, value in vars(sys.modules[module]).items() if value is function)
        found.append(Kernel(module, name, "", np.dtype(dtype).name))
    return found


class Ahead:
    """Kernels that this process and others compile.

    Parameters
    ----------
    kernels : that are missing, the dearest first, those of one file together. processes : how many others.
    later : that may be needed once these have run: the others compile them when nothing else is left; nobody waits for them.

    Attributes
    ----------
    done, count : how many of the kernels are compiled, and of how many.
    """

    def __init__(self, kernels: list[Kernel], later: list[Kernel], processes: int) -> None:
        self._changed = threading.Condition()
        self._waiting, self._later = ({kernel.cached().path(): kernel for kernel in each} for each in (kernels, later))
        self._busy: dict[Any, bool] = {}  # what the other processes are at, by its path, and whether it is for later
        self._at: dict[Any, str] = {}  # the file that each process is at, this one under None
        self.done, self.count = 0, len(self._waiting)
        for number in range(processes):
            threading.Thread(target=self._feed, args=(number,), daemon=True).start()

    def _next(self, who: int | None) -> tuple[Any, Kernel] | None:
        """The next kernel for a process, by its number; this one is None.

        Kernels of one file share helpers, which each process compiles for itself: so each takes the dearest of the files that
        no other is at. Only this process, which waits for the end, takes from another's file when nothing else is left.
        """
        with self._changed:
            others = {file for other, file in self._at.items() if other != who}
            for waiting in (self._waiting, self._later)[: 1 if who is None else 2]:
                order = sorted(waiting, key=lambda path: waiting[path].module in others)
                path = next((path for path in order if who is None or waiting[path].module not in others), None)
                if path is not None:
                    self._at[who] = waiting[path].module
                    if who is not None:
                        self._busy[path] = waiting is self._later
                    return path, waiting.pop(path)
            self._at.pop(who, None)
            return None

    def _note_done(self, path: Any) -> None:
        with self._changed:
            self.done += not self._busy.pop(path, False)
            self._changed.notify_all()

    def _feed(self, number: int) -> None:
        """Give one process one kernel after the other."""
        import subprocess

        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                text=True, creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )  # fmt: skip
        except OSError:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        # If it ends before it is told to, what it was at is compiled by whoever asks for it.
        with contextlib.suppress(OSError), process:
            process.stdin.write(json.dumps([os.path.abspath(path) for path in sys.path]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            while answer and (found := self._next(number)) is not None:
                path, kernel = found
                try:
                    process.stdin.write(json.dumps(vars(kernel)) + "\n")
                    process.stdin.flush()
                    answer = process.stdout.readline()
                finally:
                    self._note_done(path)

    def wait_for(self, path: Any) -> bool:
        """Wait for the kernel of a file if another process is at it; whether one was. If none was, none will be."""
        with self._changed:
            if path in self._busy:
                self._changed.wait_for(lambda: path not in self._busy)
                return True
            if self._waiting.pop(path, None):
                self.done += 1
            self._later.pop(path, None)
            return False

    def cancel(self) -> None:
        """Let the others end with what they are at."""
        with self._changed:
            self._waiting.clear()
            self._later.clear()

    def finish(self, shown: Callable[[int], None]) -> None:
        """Compile what is left beside the others, and wait for them; `shown` is told how many are done."""
        with no_collection():
            while (found := self._next(None)) is not None:
                found[1].compile()
                self._note_done(found[0])
                shown(self.done)
        with self._changed:
            while not all(self._busy.values()):
                self._changed.wait()
                shown(self.done)


_begun: list[Ahead] = []  # the last one
_here: set[Kernel] = set()


def begin(kernels: Iterable[Kernel], later: Iterable[Kernel] = ()) -> Ahead | None:
    """Let other processes begin with those of some kernels that are missing; None if that would not help.

    It does not if few are missing, one core is all there is, there is no folder to keep them in, this is itself one of several
    processes that work together, or Python is part of another program. Ends what was begun before.
    """
    end()
    is_python = os.path.basename(sys.executable or "").lower().startswith("python") and not hasattr(sys, "frozen")
    several = sys.modules.get("multiprocessing.process")  # a process that was begun by it has imported it
    if JIT_DISABLED or not is_python or (several is not None and several.parent_process() is not None):
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    missing, missing_later = ([k for k in dict.fromkeys(each) if not _is_here(k)] for each in (kernels, later))
    if len(missing) < _FEW or cores < 2 or cache_folder() is None:
        return None
    _begun.append(Ahead(missing, missing_later, min(cores - 1, _MOST)))
    return _begun[0]


def begun() -> Ahead | None:
    """What was begun last, if its kernels are not all compiled."""
    return _begun[0] if _begun and _begun[0].done < _begun[0].count else None


def end() -> None:
    """Let nothing more be begun."""
    while _begun:
        _begun.pop().cancel()


def _is_here(kernel: Kernel) -> bool:
    if kernel not in _here and shipped.is_here(kernel.cached()):
        _here.add(kernel)
    return kernel in _here


def _wait(kept: KernelCache) -> bool:
    return bool(_begun) and _begun[0].wait_for(kept.path())


shipped.AT_WORK.append(_wait)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begun.clear)  # its threads are not there


def serve() -> None:
    """What the other process does: compile what it is told of, a line each, and answer a line each."""
    print(flush=True)
    with no_collection():
        for line in sys.stdin:
            try:
                Kernel(**json.loads(line)).compile()
            except Exception:  # the process that asked meets it, too, and says it
                print("!", flush=True)
            else:
                print(".", flush=True)
        gc.freeze()
