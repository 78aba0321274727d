"""Vector registers as values in kernels.

A loop over 6 channels is shorter than a register, and LLVM leaves it scalar; written with registers it is one masked
instruction. `Vec` is a register (16 float32 or 8 float64 with AVX-512, half as many with AVX2), `Mask` says which of its lanes
count. Both are ordinary local variables of a kernel:

    here = first(x, 6)                        the first 6 lanes, of registers of x's type
    most = load(x, at, here)                  x[at : at + 6]
    most = larger(value, most)
    store(most, out, to, here)                out[to : to + 6] = most

x and out are C-contiguous vectors; no place is checked. What each function does in plain numpy stands at the end: that is what
runs if nothing is compiled.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from modnet.kernels import jit
from modnet.kernels.compiled import inline
from modnet.kernels.jit import JIT_DISABLED, cgutils, intrinsic, types
from modnet.kernels.target import MASKED, WIDE

#: Bytes of a vector register.
VECTOR_BYTES = 64 if WIDE else 32

INT, INT32 = ir.IntType(64), ir.IntType(32)


@cache
def _kinds() -> tuple[Any, Any]:
    """The types of a register and of a choice of lanes, in numba."""
    jit.numba()
    from numba.core.datamodel import models
    from numba.extending import register_model

    class Vec(types.Type):
        """The type of a register: its element type, and how many lanes it has."""

        def __init__(self, dtype: Any, lanes: int) -> None:
            self.dtype, self.lanes = dtype, lanes
            super().__init__(f"Vec({dtype}x{lanes})")

    class Mask(types.Type):
        """The type of a choice of lanes."""

        def __init__(self, lanes: int) -> None:
            self.lanes = lanes
            super().__init__(f"Mask({lanes})")

    @register_model(Vec)
    class VecModel(models.PrimitiveModel):
        def __init__(self, manager: Any, kind: Any) -> None:
            element = ir.FloatType() if kind.dtype.bitwidth == 32 else ir.DoubleType()
            super().__init__(manager, kind, ir.VectorType(element, kind.lanes))

    @register_model(Mask)
    class MaskModel(models.PrimitiveModel):
        def __init__(self, manager: Any, kind: Any) -> None:
            super().__init__(manager, kind, ir.VectorType(ir.IntType(1), kind.lanes))

    return Vec, Mask


def Vec(dtype: Any, lanes: int) -> Any:
    """The type of a register."""
    return _kinds()[0](dtype, lanes)


def Mask(lanes: int) -> Any:
    """The type of a choice of lanes."""
    return _kinds()[1](lanes)


class Registers:
    """Emits instructions on registers of one element type.

    Parameters
    ----------
    context, builder : numba's, of the function that is being compiled.
    element : the numba type of a lane. size : bytes of the register.
    """

    def __init__(self, context: Any, builder: Any, element: Any, size: int = VECTOR_BYTES) -> None:
        self.builder, self.lanes = builder, size * 8 // element.bitwidth
        self.vector = ir.VectorType(context.get_value_type(element), self.lanes)
        self.zero = ir.Constant(self.vector, [0.0] * self.lanes)
        bits, pointer = ir.VectorType(ir.IntType(1), self.lanes), self.vector.as_pointer()
        name, self.bytes = f"v{self.lanes}f{element.bitwidth}", element.bitwidth // 8
        alignment = INT32
        self._load = self._function(f"llvm.masked.load.{name}.p0", self.vector, [pointer, alignment, bits, self.vector])
        self._store = self._function(f"llvm.masked.store.{name}.p0", ir.VoidType(), [self.vector, pointer, alignment, bits])
        self._fma = self._function(f"llvm.fmuladd.{name}", self.vector, [self.vector] * 3)

    def _function(self, name: str, result: Any, arguments: Any) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def spread(self, value: Any) -> Any:
        """The value in every lane."""
        kind = ir.VectorType(value.type, self.lanes)
        nothing = ir.Constant(kind, ir.Undefined)
        one = self.builder.insert_element(nothing, value, INT32(0))
        return self.builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(INT32, self.lanes), [0] * self.lanes))

    def below(self, count: Any) -> Any:
        """The mask of the lanes before `count`."""
        numbers = ir.Constant(ir.VectorType(INT, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", numbers, self.spread(count))

    def load(self, place: Any, mask: Any) -> Any:
        """A register from a place in memory, 0 where the mask is not set; a mask that is None is a full one."""
        whole = self.builder.bitcast(place, self.vector.as_pointer())
        if mask is None:
            return self.builder.load(whole, align=self.bytes)
        if MASKED:
            return self.builder.call(self._load, [whole, INT32(self.bytes), mask, self.zero])
        return self._load_pieces(place, whole, mask)

    def store(self, value: Any, place: Any, mask: Any) -> None:
        """A register to a place in memory, where the mask is set."""
        whole = self.builder.bitcast(place, self.vector.as_pointer())
        if mask is None:
            self.builder.store(value, whole, align=self.bytes)
        elif WIDE:
            self.builder.call(self._store, [value, whole, INT32(self.bytes), mask])
        else:
            self._store_pieces(value, place, whole, mask)

    # The first lanes in pieces of half a register, a quarter, ..: AVX2 has masked stores, but they are slow (a product of
    # 32 x 2 x 16 by tiles takes 0.20 us with them and 0.06 so), and without AVX2 a masked load is a branch for each lane.

    def _counted(self, place: Any, mask: Any) -> tuple[Any, Any, Any]:
        """Whether all lanes of a mask are set, how many are, and a place as one of numbers."""
        bits = ir.IntType(self.lanes)
        set_lanes = self.builder.bitcast(mask, bits)
        count = self.builder.call(self._function(f"llvm.ctpop.i{self.lanes}", bits, [bits]), [set_lanes])
        is_full = self.builder.icmp_signed("==", set_lanes, bits(-1))
        return is_full, self.builder.zext(count, INT), self.builder.bitcast(place, self.vector.element.as_pointer())

    def _has(self, count: Any, piece: int) -> Any:
        return self.builder.icmp_signed("!=", self.builder.and_(count, INT(piece)), INT(0))

    def _load_pieces(self, place: Any, whole: Any, mask: Any) -> Any:
        builder, lanes = self.builder, self.lanes
        is_full, count, at = self._counted(place, mask)
        with builder.if_else(is_full) as (full, part):
            with full:
                found, found_in = builder.load(whole, align=self.bytes), builder.block
            with part:
                at, value, piece = builder.gep(at, [count]), self.zero, 1
                while piece < lanes:  # from the last lanes to the first, each piece in front of those before
                    has, before = self._has(count, piece), builder.block
                    at = builder.select(has, builder.gep(at, [INT(-piece)]), at)
                    with builder.if_then(has):
                        few = ir.VectorType(self.vector.element, piece)
                        low = builder.load(builder.bitcast(at, few.as_pointer()), align=self.bytes)
                        low = self.shuffle(low, low, [min(lane, piece - 1) for lane in range(lanes)])
                        joined = self.shuffle(low, value, [*range(piece), *range(lanes, 2 * lanes - piece)])
                        joined_in = builder.block
                    value = either(builder, self.vector, (value, before), (joined, joined_in))
                    piece *= 2
                part_in = builder.block
        return either(builder, self.vector, (found, found_in), (value, part_in))

    def _store_pieces(self, value: Any, place: Any, whole: Any, mask: Any) -> None:
        builder, lanes = self.builder, self.lanes
        is_full, count, at = self._counted(place, mask)
        with builder.if_else(is_full) as (full, part):
            with full:
                builder.store(value, whole, align=self.bytes)
            with part:
                piece = lanes // 2
                while piece:
                    has, low = self._has(count, piece), self.shuffle(value, value, list(range(piece)))
                    with builder.if_then(has):
                        builder.store(low, builder.bitcast(at, low.type.as_pointer()), align=self.bytes)
                    rest = self.shuffle(value, value, [min(lane + piece, lanes - 1) for lane in range(lanes)])
                    value = builder.select(has, rest, value)
                    at = builder.select(has, builder.gep(at, [INT(piece)]), at)
                    piece //= 2

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        """A register of lanes of two, which are counted on from the first to the second."""
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(lanes)), lanes))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c."""
        return self.builder.call(self._fma, [a, b, c])


def either(builder: Any, kind: Any, *incoming: Any) -> Any:
    """The value that comes from the block that was left last."""
    found = builder.phi(kind)
    for value, block in incoming:
        found.add_incoming(value, block)
    return found


def place_of(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    """The address of element `at` of an array's flat memory."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


def _register(array: Any) -> Any:
    return Vec(array.dtype, VECTOR_BYTES * 8 // array.dtype.bitwidth)


@inline
def lanes(like):
    """How many numbers of its type a register holds."""
    return VECTOR_BYTES // like.itemsize


@intrinsic
def first(typingctx, like, n):
    """The mask of the first n lanes: all of them if n is larger."""
    v = _register(like)

    def codegen(context, builder, signature, values):
        return Registers(context, builder, v.dtype).below(values[1])

    return Mask(v.lanes)(like, types.int64), codegen


@intrinsic
def load(typingctx, array, at, mask):
    """array[at : at + lanes], 0 where the mask is not set: memory there is not touched."""
    v = Vec(array.dtype, mask.lanes)

    def codegen(context, builder, signature, values):
        place = place_of(context, builder, signature.args[0], values[0], values[1])
        return Registers(context, builder, v.dtype).load(place, values[2])

    return v(array, types.int64, mask), codegen


@intrinsic
def store(typingctx, value, array, at, mask):
    """array[at : at + lanes] = value, where the mask is set."""

    def codegen(context, builder, signature, values):
        place = place_of(context, builder, signature.args[1], values[1], values[2])
        Registers(context, builder, value.dtype).store(values[0], place, values[3])
        return context.get_dummy_value()

    return types.void(value, array, types.int64, mask), codegen


@intrinsic
def zeros(typingctx, like):
    """0 in every lane."""
    v = _register(like)
    return v(like), lambda context, builder, signature, values: Registers(context, builder, v.dtype).zero


@intrinsic
def spread(typingctx, like, value):
    """The value in every lane."""
    v = _register(like)

    def codegen(context, builder, signature, values):
        return Registers(context, builder, v.dtype).spread(values[1])

    return v(like, like.dtype), codegen


@intrinsic
def add(typingctx, a, b):
    """a + b."""
    return a(a, b), lambda context, builder, signature, values: builder.fadd(*values)


@intrinsic
def multiply(typingctx, a, b):
    """a b."""
    return a(a, b), lambda context, builder, signature, values: builder.fmul(*values)


@intrinsic
def larger(typingctx, a, b):
    """The larger of each two; b if they are equal, and where one of them is a NaN."""

    def codegen(context, builder, signature, values):
        return builder.select(builder.fcmp_ordered(">", *values), *values)

    return a(a, b), codegen


@intrinsic
def nan_or(typingctx, a, b):
    """a in the lanes in which it is a NaN, else b."""

    def codegen(context, builder, signature, values):
        return builder.select(builder.fcmp_unordered("uno", values[0], values[0]), *values)

    return a(a, b), codegen


@intrinsic
def same(typingctx, a, b):
    """The lanes in which a equals b, or is a NaN."""

    def codegen(context, builder, signature, values):
        one, other = values
        return builder.or_(builder.fcmp_ordered("==", one, other), builder.fcmp_unordered("uno", one, one))

    return Mask(a.lanes)(a, b), codegen


@intrinsic
def choose(typingctx, mask, a, b):
    """a where the mask is set, else b."""
    return a(mask, a, b), lambda context, builder, signature, values: builder.select(*values)


if JIT_DISABLED:  # a register is an array of the lanes that count, and a mask of the first n is n

    def _first(like, n):
        return min(n, VECTOR_BYTES // like.itemsize)

    def _load(array, at, mask):
        return array[at : at + mask].copy()

    def _store(value, array, at, mask):
        array[at : at + mask] = value

    first, load, store = _first, _load, _store
    zeros, spread = (lambda like: like.dtype.type(0.0)), (lambda like, value: like.dtype.type(value))
    add, multiply, choose = np.add, np.multiply, np.where
    larger, same = (lambda a, b: np.where(a > b, a, b)), (lambda a, b: (a == b) | (a != a))
    nan_or = lambda a, b: np.where(a != a, a, b)
