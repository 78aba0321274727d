"""Threads that work on one thing meet: a barrier in compiled code.

It is a counter that each thread adds one to, and waits until all have. A thread that waits looks for some microseconds, then
sleeps between one look and the next. One that only gave way to others (`sched_yield`) would lose its turn for milliseconds
if another process is busy; one that sleeps is woken at once.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

from llvmlite import ir

from modnet.kernels.compiled import inline
from modnet.kernels.jit import JIT_DISABLED, intrinsic, types
from modnet.kernels.simd import INT, INT32, place_of

SPINS = 2000  # looks before a thread sleeps
_SLEEP = 0 if os.name == "nt" else 20  # Windows sleeps milliseconds or gives way, POSIX microseconds


@cache
def sleep_address() -> int:
    """Where the operating system's function lies that lets a thread sleep; 0 if there is none to be found."""
    try:
        library: Any = ctypes.WinDLL("kernel32") if os.name == "nt" else ctypes.CDLL(None)  # type: ignore[attr-defined]
        function = library.Sleep if os.name == "nt" else library.usleep
    except (OSError, AttributeError, TypeError):
        return 0
    return ctypes.cast(function, ctypes.c_void_p).value or 0


@intrinsic
def add_one(typingctx, array, at):
    """array[at] += 1, seen by all threads at once."""

    def codegen(context, builder, signature, values):
        place = place_of(context, builder, signature.args[0], *values)
        return builder.atomic_rmw("add", place, INT(1), "seq_cst")

    return types.int64(array, types.int64), codegen


@intrinsic
def read(typingctx, array, at):
    """array[at] as it is now."""

    def codegen(context, builder, signature, values):
        return builder.load_atomic(place_of(context, builder, signature.args[0], *values), "seq_cst", 8)

    return types.int64(array, types.int64), codegen


@intrinsic
def _sleep(typingctx, address):
    def codegen(context, builder, signature, values):
        function = ir.FunctionType(ir.IntType(32), [INT32]).as_pointer()
        builder.call(builder.inttoptr(values[0], function), [INT32(_SLEEP)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@inline
def meet(counter, count, sleep):
    """Wait until all of so many threads are here. counter: int64, zero at first; each thread calls it equally often."""
    goal = (add_one(counter, 0) // count + 1) * count
    looks = 0
    while read(counter, 0) < goal:
        looks += 1
        if looks > SPINS and sleep != 0:
            _sleep(sleep)


def _alone(counter, count, sleep):
    """Nobody else comes."""


if JIT_DISABLED:
    meet = _alone
