"""Products by tiles that kernels call by address: compiled once for all of them, when the first product asks for them.

Tiles in each kernel that multiplies would make its compilation longer by a second and a half, and most networks have no
product that gains by them. So a kernel reads a table for the address; if it is not there yet, it calls back into Python, which
compiles the tiles or loads them.
"""

from __future__ import annotations

import _thread
import ctypes
from functools import cache
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir

from modnet.kernels.compiled import Compiled, types_of
from modnet.kernels.jit import cgutils, intrinsic, types
from modnet.kernels.loading import BEFORE_LOADING
from modnet.kernels.memory import matrix_like, room, vector_like
from modnet.kernels.threads import table
from modnet.kernels.tiles import DEPTH, PANEL, product_by_steps, turn_over

STEPS, TURNED = 0, 1  # which product

# Arrays go by their addresses, since each array that is handed over takes ten words. A start of 0 stands for zeros.


def _by_steps(a, row_step, column_step, n, k, b, b_step, m, out, out_step, start, start_step, like):
    """out (n, m) = start + a @ b (k, m), see `product_by_steps`."""
    product_by_steps(
        vector_like(a, n * k, like), row_step, column_step, n, k, vector_like(b, k * b_step, like), b_step, m,
        vector_like(out, n * out_step, like), out_step, vector_like(start, 0 if start == 0 else m, like), start_step,
    )  # fmt: skip


def _turned(a, row_step, column_step, n, k, b, b_step, m, out, out_step, start, start_step, like):
    """out (n, m) = start + a @ b.T, with b (m, k): panels of b.T are made, and `by_steps` multiplies by them."""
    size, wide = like.itemsize, PANEL // like.itemsize
    panel = room(DEPTH * wide, like)
    for j in range(0, m, wide):
        width = min(wide, m - j)
        for q in range(0, max(k, 1), DEPTH):
            depth = min(k - q, DEPTH)
            turn_over(matrix_like(b, m, k, like), j, width, q, depth, panel)
            before, before_step = (start, start_step) if q == 0 else (out, out_step)
            call(
                address_of(STEPS, like), a + size * q * column_step, row_step, column_step, n, depth, address(panel), wide,
                width, out + size * j, out_step, before + size * j if before else 0, before_step, like,
            )  # fmt: skip


_LETTERS = "iiiiiiiiiiiiv"
by_steps, turned = Compiled(_by_steps, _LETTERS), Compiled(_turned, _LETTERS)
_ALL = [(function, dtype) for function in (by_steps, turned) for dtype in (np.float32, np.float64)]
_CALLBACK = len(_ALL)

#: For each product and element type the address of its code: 0 before it is asked for, -1 if it cannot be compiled. Then that
#: of what compiles it.
_TABLE = np.zeros(_CALLBACK + 1, np.int64)


@ctypes.CFUNCTYPE(None, ctypes.c_int64)
def _make(which: int) -> None:
    function, dtype = _ALL[which]
    try:
        _TABLE[which] = function.address(dtype)
    except KeyboardInterrupt:  # nothing can be raised through machine code
        _thread.interrupt_main()
    except Exception:
        _TABLE[which] = -1


_TABLE[_CALLBACK] = ctypes.cast(_make, ctypes.c_void_p).value or 0


@cache
def _provide() -> None:
    """Make known to compiled code where the tables lie."""
    llvmlite.binding.add_symbol("modnet_products", _TABLE.ctypes.data)
    llvmlite.binding.add_symbol("modnet_threads", table().ctypes.data)


def _word(context: Any, builder: Any, symbol: str, place: int) -> Any:
    """A place in a table."""
    integer = ir.IntType(64)
    table = context.get_c_value(builder, integer, symbol)
    return builder.gep(table, [integer(place)])


@intrinsic
def address_of(typingctx, which, like):
    """Where the code of a product lies, for the element type of `like`; not above 0 if there is none."""
    if not isinstance(which, types.IntegerLiteral):
        return None
    index = 2 * which.literal_value + (like.dtype == types.float64)

    def codegen(context, builder, _, values):
        _provide()
        integer = ir.IntType(64)
        place = _word(context, builder, "modnet_products", index)
        with cgutils.if_unlikely(builder, builder.icmp_signed("==", builder.load(place), integer(0))):
            make = builder.load(_word(context, builder, "modnet_products", _CALLBACK))
            kind = ir.FunctionType(ir.VoidType(), [integer])
            builder.call(builder.inttoptr(make, kind.as_pointer()), [integer(index)])
        return builder.load(place)

    return types.int64(which, like), codegen


@intrinsic
def address(typingctx, array):
    """Where an array lies."""

    def codegen(context, builder, signature, values):
        return builder.ptrtoint(context.make_array(array)(context, builder, values[0]).data, ir.IntType(64))

    return types.int64(array), codegen


@intrinsic
def call(typingctx, function, a, row_step, column_step, n, k, b, b_step, m, out, out_step, start, start_step, like):
    """Call one of the products."""
    wanted = types_of(_LETTERS, like.dtype)

    def codegen(context, builder, signature, values):
        function = context.call_conv.get_function_type(types.void, wanted)
        pointer = builder.inttoptr(values[0], function.as_pointer())
        context.call_conv.call_function(builder, pointer, types.void, wanted, values[1:])  # it raises nothing
        return context.get_dummy_value()

    return types.void(*[types.int64] * 13, like), codegen


@intrinsic
def has_one_thread(typingctx):
    """Whether this process gives BLAS one thread: by its own choice, not for the time of a walk."""

    def codegen(context, builder, _, values):
        _provide()
        integer, count = ir.IntType(64), ir.IntType(32)
        switched, get = (builder.load(_word(context, builder, "modnet_threads", place)) for place in (0, 1))
        found = cgutils.alloca_once_value(builder, ir.Constant(ir.IntType(1), 0))
        own = builder.and_(builder.icmp_signed("==", switched, integer(0)), builder.icmp_signed("!=", get, integer(0)))
        with builder.if_then(own):
            threads = builder.call(builder.inttoptr(get, ir.FunctionType(count, []).as_pointer()), [])
            builder.store(builder.icmp_signed("==", threads, count(1)), found)
        return builder.load(found)

    return types.boolean(), codegen


BEFORE_LOADING.append(_provide)  # machine code that has the tables finds them by name
