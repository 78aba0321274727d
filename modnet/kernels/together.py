"""Threads that work on one thing meet: a barrier in compiled code.

It is a counter that each thread adds one to, and waits until all have. A thread that waits looks for some tenths of a
millisecond, then sleeps between one look and the next. It must look for longer than a sleeper takes to wake, 70 us or so: else
one that slept is late at the next meeting, the others sleep there in turn, and from then on every meeting costs a waking. One
that only gave way to others (`sched_yield`) would lose its turn for milliseconds if another process is busy.
"""

from __future__ import annotations

import ctypes
import os
import platform
from functools import cache
from typing import Any

from llvmlite import ir

from modnet.kernels.compiled import inline
from modnet.kernels.jit import JIT_DISABLED, cgutils, intrinsic, types
from modnet.kernels.simd import INT, INT32, place_of

LOOKS, FEW_LOOKS = 20_000, 100  # before a thread sleeps, each after a pause of 15 to 50 ns
HURRY = 200  # meetings
#: The instruction by which a processor spares what it shares with another thread, as LLVM names it, and its argument.
_PAUSES = {
    "x86_64": ("llvm.x86.sse2.pause",), "amd64": ("llvm.x86.sse2.pause",),
    "aarch64": ("llvm.aarch64.isb", 15), "arm64": ("llvm.aarch64.isb", 15),
}  # fmt: skip
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
def _pause(typingctx):
    def codegen(context, builder, signature, values):
        name, *numbers = _PAUSES.get(platform.machine().lower(), ("",))
        if name:
            kind = ir.FunctionType(ir.VoidType(), [INT32] * len(numbers))
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [INT32(number) for number in numbers])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def _sleep(typingctx, address):
    def codegen(context, builder, signature, values):
        function = ir.FunctionType(ir.IntType(32), [INT32]).as_pointer()
        builder.call(builder.inttoptr(values[0], function), [INT32(_SLEEP)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@inline
def meet(counter, count, sleep, hurry):
    """Wait until all of so many threads are here; return the `hurry` of this thread's next meeting, 0 for its first.

    counter: int64, zero at first; each thread calls it equally often. hurry: at how many meetings to look for a short time
    only, since one took long: where threads have to share a core, whoever looks keeps the others from coming.
    """
    goal = (add_one(counter, 0) // count + 1) * count
    looks, most = 0, LOOKS if hurry == 0 else FEW_LOOKS
    while read(counter, 0) < goal:
        looks += 1
        _pause()
        if looks > most and sleep != 0:
            _sleep(sleep)
    return hurry - 1 if hurry > 0 else HURRY if looks > most else 0


def _alone(counter, count, sleep, hurry):
    """Nobody else comes."""
    return 0


if JIT_DISABLED:
    meet = _alone
