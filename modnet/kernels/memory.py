"""Arrays over flat memory: how kernels see pieces of the blocks that a network's numbers lie in.

Nothing here copies, counts references or checks a place; the memory must outlive the view. Each function has a twin in
Python, for NUMBA_DISABLE_JIT=1, which reads the same memory.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir

from modnet.kernels import jit
from modnet.kernels.compiled import inline_always
from modnet.kernels.jit import JIT_DISABLED, cgutils, intrinsic, types

#: Every block begins at a multiple of it: Adam takes twice as long on moments that lie 16 bytes off.
ALIGNMENT = 64


def aligned(size: int, dtype: Any) -> np.ndarray:
    """A vector of zeros that begins at a multiple of `ALIGNMENT` bytes; numpy promises 16."""
    dtype = np.dtype(dtype)
    memory = np.zeros(size * dtype.itemsize + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    found: np.ndarray = memory[start : start + size * dtype.itemsize].view(dtype)
    return found


def aligned_copy(array: np.ndarray, dtype: Any = None) -> np.ndarray:
    """A copy that begins at a multiple of `ALIGNMENT` bytes, of another type if one is given."""
    found = aligned(array.size, array.dtype if dtype is None else dtype)
    found[:] = array.reshape(-1)
    return found.reshape(array.shape)


# --- seen from compiled code -----------------------------------------------------------------------------------------


def borrowed(context, builder, kind, data, shape, owner=None):
    """An array structure over memory that somebody else keeps: without an owner it counts no references, and costs nothing."""
    from numba.np.arrayobj import populate_array  # 50 ms, and only compiling needs it

    word = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [word]
    for size in reversed(shape[1:]):
        strides.insert(0, builder.mul(size, strides[0]))
    array = context.make_array(kind)(context, builder)
    populate_array(
        array,
        data=builder.bitcast(data, array.data.type),
        shape=shape,
        strides=strides,
        itemsize=word,
        meminfo=owner,
    )
    return array._getvalue()


def _at_address(kind, *others):
    """What an intrinsic of (address, sizes..., others...) gives: the array of this kind that lies there."""

    def codegen(context, builder, _, values):
        data = builder.inttoptr(values[0], context.get_data_type(kind.dtype).as_pointer())
        return borrowed(context, builder, kind, data, list(values[1 : 1 + kind.ndim]))

    return kind(types.int64, *[types.int64] * kind.ndim, *others), codegen


@intrinsic
def vector_like(typingctx, address, size, like):
    """The vector at an address, of the element type of the array `like`."""
    return _at_address(like.dtype[::1], like)


@intrinsic
def matrix_like(typingctx, address, rows, columns, like):
    """The matrix (rows, columns) at an address, of the element type of the array `like`."""
    return _at_address(like.dtype[:, ::1], like)


def typed_matrix(dtype):
    """Make ``matrix(address, rows, columns)`` for one element type."""

    @intrinsic
    def matrix(typingctx, address, rows, columns):
        return _at_address(jit.numba().from_dtype(np.dtype(dtype))[:, ::1])

    return matrix


def typed_vector(dtype):
    """Make ``vector(address, size)`` for one type of elements, which may be records."""

    @intrinsic
    def vector(typingctx, address, size):
        return _at_address(jit.numba().from_dtype(np.dtype(dtype))[::1])

    if JIT_DISABLED:
        return lambda address, size: at_address(address, size, dtype)
    return vector


def record_reader(dtype):
    """Make ``read(address)``, which gives the record of this type that lies at an address."""

    @intrinsic
    def read(typingctx, address):
        kind = jit.numba().from_dtype(dtype)

        def codegen(context, builder, _, values):
            return builder.inttoptr(values[0], context.get_value_type(kind))

        return kind(types.int64), codegen

    if JIT_DISABLED:
        return lambda address: Fields(at_address(address, 1, dtype)[0])
    return read


#: Bytes up to which `room` is on the stack, whose least size, that of a thread on Windows, is a megabyte.
_ON_STACK = 1 << 17


def _make_room(context, builder, kind, size):
    element = context.get_data_type(kind.dtype)
    bytes_each = context.get_abi_sizeof(element)
    is_small = builder.icmp_signed("<=", size, context.get_constant(types.int64, _ON_STACK // bytes_each))
    found = cgutils.alloca_once(builder, context.get_value_type(kind))
    with builder.if_else(is_small) as (small, large):
        with small:
            memory = builder.alloca(element, size=size)
            memory.align = ALIGNMENT
            builder.store(borrowed(context, builder, kind, memory, [size]), found)
        with large:
            count = builder.mul(size, size.type(bytes_each))
            owner = context.nrt.meminfo_alloc_aligned(builder, count, context.get_constant(types.uint32, ALIGNMENT))
            memory = context.nrt.meminfo_data(builder, owner)
            builder.store(borrowed(context, builder, kind, memory, [size], owner), found)
    return builder.load(found)


@intrinsic
def room(typingctx, size, like):
    """A vector of so many numbers of the element type of `like`, not set, for this call of the function that asks.

    It lies on the stack unless it is large. What numpy allocates takes a lock, and is given back to the system again and again
    by threads other than the main one: a convolution on two threads then takes twice the time of one.
    """
    kind = like.dtype[::1]
    return kind(types.int64, like), lambda context, builder, _, values: _make_room(context, builder, kind, values[0])


@intrinsic
def integer_room(typingctx, size):
    """The same for whole numbers."""
    kind = types.int64[::1]
    return kind(types.int64), lambda context, builder, _, values: _make_room(context, builder, kind, values[0])


#: Up to so many numbers there are in a `small_room`.
SMALL = 1 << 12


@intrinsic
def small_room(typingctx, size, like):
    """The same, on the stack for certain, for a size that the caller has compared: it needs nothing of numba's runtime."""
    kind = like.dtype[::1]

    def codegen(context, builder, _, values):
        memory = builder.alloca(context.get_data_type(kind.dtype), size=values[0])
        memory.align = ALIGNMENT
        return borrowed(context, builder, kind, memory, [values[0]])

    return kind(types.int64, like), codegen


room.takes_memory = integer_room.takes_memory = True

if JIT_DISABLED:

    def room(size, like):
        """The same, made by numpy."""
        return np.empty(size, like.dtype)

    def integer_room(size):
        """The same, made by numpy."""
        return np.empty(size, np.int64)

    small_room = room


def _within(flat, kind):
    """What an intrinsic of (flat, start, sizes...) gives: the array of this kind that begins there."""
    if flat.layout != "C":
        from numba.core.errors import TypingError

        raise TypingError(f"a kernel is given {flat}, expected a C-contiguous array")

    def codegen(context, builder, _, values):
        data = context.make_array(flat)(context, builder, values[0]).data
        return borrowed(context, builder, kind, builder.gep(data, [values[1]]), list(values[2 : 2 + kind.ndim]))

    return kind(flat, types.int64, *[types.int64] * kind.ndim), codegen


@intrinsic
def vector_at(typingctx, flat, start, size):
    """``flat[start : start + size]`` without the bookkeeping of a slice."""
    return _within(flat, flat.dtype[::1])


@intrinsic
def matrix_at(typingctx, flat, start, rows, columns):
    """``flat[start : start + rows * columns].reshape(rows, columns)``, in the same way."""
    return _within(flat, flat.dtype[:, ::1])


@intrinsic
def views(typingctx, flat, z, names):
    """The named pieces of a flat vector, as a named tuple of arrays.

    names is the class of the tuple. The record z says where a piece lies and what its sizes are, in fields ``weight_at``,
    ``weight_0``, ``weight_1`` and so on.
    """
    kind, fields = names.instance_class, dict(z.fields)
    sizes = {name: [f"{name}_{d}" for d in range(8) if f"{name}_{d}" in fields] for name in kind._fields}
    arrays = [types.Array(flat.dtype, len(sizes[name]), "C") for name in kind._fields]
    result = types.NamedTuple(arrays, kind)

    def codegen(context, builder, _, values):
        data = context.make_array(flat)(context, builder, values[0]).data

        def field(name):
            return builder.load(cgutils.get_record_member(builder, values[1], z.offset(name), ir.IntType(64)))

        pieces = [
            borrowed(context, builder, array, builder.gep(data, [field(f"{name}_at")]), [field(size) for size in sizes[name]])
            for name, array in zip(kind._fields, arrays)
        ]
        return context.make_tuple(builder, result, pieces)

    return result(flat, z, names), codegen


@intrinsic
def numbers(typingctx, s, like, names):
    """The settings of a record as a named tuple of numbers of the element type of `like`: zero, one, and its fields."""
    kind, element = names.instance_class, like.dtype
    result = types.NamedUniTuple(element, len(kind._fields), kind)
    fields = dict(s.fields)

    def codegen(context, builder, _, values):
        real = context.get_value_type(element)
        found = [ir.Constant(real, 0.0), ir.Constant(real, 1.0)]
        for name in kind._fields[2:]:
            own = fields[name].type
            place = cgutils.get_record_member(builder, values[0], s.offset(name), context.get_value_type(own))
            found.append(context.cast(builder, builder.load(place), own, element))
        return context.make_tuple(builder, result, found)

    return result(s, like, names), codegen


@inline_always
def flat(x):
    """All of a C-contiguous array as a vector; `x.reshape(-1)` would be a call into numba's runtime, of 40 ns."""
    return vector_at(x, 0, x.size)


@inline_always
def in_rows(x, n):
    """All of a C-contiguous array as a matrix of rows of n."""
    return matrix_at(x, 0, x.size // n, n)


# --- the same in Python ----------------------------------------------------------------------------------------------


def at_address(address: Any, size: Any, dtype: Any) -> np.ndarray:
    """The vector at an address, for Python. Whoever holds the address keeps the memory alive."""
    dtype = np.dtype(dtype)
    if size == 0:
        return np.empty(0, dtype)
    memory = (ctypes.c_char * (int(size) * dtype.itemsize)).from_address(int(address))
    return np.frombuffer(memory, dtype)


class Fields:
    """A record, for Python: every name is a field, also one that numpy's records have a method for: data, size, mean."""

    __slots__ = ("_record",)

    def __init__(self, record: np.void) -> None:
        object.__setattr__(self, "_record", record)

    def __getattr__(self, name: str) -> Any:
        return self._record[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._record[name] = value

    def __getitem__(self, name: str) -> Any:
        return self._record[name]


def _python_views(flat, z, names):
    found = []
    for name in names._fields:
        shape = [int(z[f"{name}_{d}"]) for d in range(8) if f"{name}_{d}" in z._record.dtype.names]
        start, size = int(z[f"{name}_at"]), int(np.prod(shape))
        inside = start >= 0 and start + size <= flat.size
        piece = flat[start : start + size] if inside else _beside(flat, start, size)
        found.append(piece.reshape(shape))
    return names(*found)


def _beside(flat, start, size):
    """A piece of another block, which z places by its distance from this one: the weight that a Tied shares."""
    return at_address(flat.ctypes.data + start * flat.itemsize, size, flat.dtype)


def _python_numbers(s, like, names):
    real = like.dtype.type
    return names(real(0.0), real(1.0), *(real(s[name]) for name in names._fields[2:]))


if JIT_DISABLED:
    vector_like = lambda address, size, like: at_address(address, size, like.dtype)
    matrix_like = lambda address, rows, columns, like: at_address(address, rows * columns, like.dtype).reshape(rows, columns)
    vector_at = lambda flat, start, size: flat.reshape(-1)[start : start + size]
    matrix_at = lambda flat, start, rows, columns: vector_at(flat, start, rows * columns).reshape(rows, columns)
    views, numbers = _python_views, _python_numbers

integers_at, words_at, bits_at = typed_vector(np.int64), typed_vector(np.float64), typed_vector(np.uint64)
