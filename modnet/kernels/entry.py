"""How Python calls machine code: functions of Python's own kind, written in LLVM's language, that know numpy's arrays.

numba's wrappers would be compiled with each function, and need numba to run. These depend on the kinds of arguments alone, read
an array's place and shape where numpy keeps them (the layout is part of numpy's binary interface), release Python's lock and
call an address; a call of `Linear.forward` takes 2.7 us instead of 3.1. An argument has a letter:

    i int64    d float64    b bool    m, v matrix and vector of float32 or float64, all arrays of a call of one type
    I, U, D    vectors of int64, uint64, float64
    o, w       a new matrix, which the call returns; given is the number of its columns, and it has as many rows as the first m,
               which comes before it, and its type. With w Python gets it as a vector. The code says in a bool whether it did
               its work; if not, None is returned

Arrays are C-contiguous. What the code gives is a letter, too: i, d, b for a bool, or nothing.
"""

from __future__ import annotations

import ctypes
import pickle
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir

_BYTE, _INT32, _WORD, _REAL = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.DoubleType()
_POINTER = _BYTE.as_pointer()

#: Bytes of what every object of Python begins with; the type comes last.
_HEAD = object.__basicsize__
#: Where numpy keeps what, from there on: of an array, and of its element type.
_DATA, _NDIM, _SHAPE, _STRIDES, _DTYPE, _FLAGS = (_HEAD + at for at in (0, 8, 16, 24, 40, 48))
_BYTE_ORDER, _NUMBER = _HEAD + 10, _HEAD + 12
_CONTIGUOUS_AND_ALIGNED = 0x101

#: What an entry finds in its table: addresses of the code for float32 and float64, of the objects to call if it cannot go on
#: and if the code raises, of numpy's type of arrays, of None, of numpy's function that makes arrays.
_SINGLE, _DOUBLE, _OTHERWISE, _FAILED, _ARRAY_TYPE, _NONE, _EMPTY = range(7)

#: numpy's numbers of element types, by letter.
_NUMBERS: dict[str, list[int]] = {
    "m": [np.dtype("f").num, np.dtype("d").num],
    "I": [np.dtype(c).num for c in "lq" if np.dtype(c).itemsize == 8],
    "U": [np.dtype(c).num for c in "LQ" if np.dtype(c).itemsize == 8],
    "D": [np.dtype("d").num],
}  # fmt: skip
_NUMBERS["v"] = _NUMBERS["m"]

_METH_FASTCALL = 0x80

#: Where numpy's table of functions has its type of arrays, and ``PyArray_Empty(ndim, shape, dtype, is_fortran)``.
_TYPE_AT, _EMPTY_AT = 2, 184


@cache
def is_known_layout() -> bool:
    """Whether this numpy keeps its arrays as the entries read them. If not, Python calls compiled code by numba's wrappers."""
    if np.ndarray.__basicsize__ < _FLAGS + 4 or type(np.dtype("f")).__basicsize__ < _NUMBER + 4:
        return False
    sample = np.zeros((2, 3), np.float32)

    def read(kind: Any, address: int) -> Any:
        return kind.from_address(address).value

    place, size = id(sample), ctypes.c_ssize_t
    dtype = read(size, place + _DTYPE)
    return (
        (read(size, place + _HEAD - 8), read(size, place + _DATA)) == (id(np.ndarray), sample.ctypes.data)
        and read(ctypes.c_int, place + _NDIM) == 2
        # Before what they point to is read: numpy takes memory for both at once.
        and (dtype, read(size, place + _STRIDES)) == (id(sample.dtype), read(size, place + _SHAPE) + 16)
        and [read(size, read(size, place + _SHAPE) + 8 * d) for d in range(2)] == [2, 3]
        and [read(size, read(size, place + _STRIDES) + 8 * d) for d in range(2)] == [12, 4]
        and read(ctypes.c_int, place + _FLAGS) & _CONTIGUOUS_AND_ALIGNED == _CONTIGUOUS_AND_ALIGNED
        and (read(ctypes.c_char, dtype + _BYTE_ORDER), read(ctypes.c_int, dtype + _NUMBER)) == (b"=", sample.dtype.num)
        and _empty() != 0
    )


@cache
def _empty() -> int:
    """Where numpy's function lies that makes arrays; 0 if its table of functions is not as its headers say."""
    found = getattr(sys.modules.get("numpy._core._multiarray_umath"), "_ARRAY_API", None)
    if found is None:
        return 0
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
    functions = ctypes.cast(pointer(found, None), ctypes.POINTER(ctypes.c_ssize_t))
    return functions[_EMPTY_AT] if functions[_TYPE_AT] == id(np.ndarray) else 0


class _Writer:
    """Writes one entry.

    Parameters
    ----------
    module : to write into. name : of the function. letters : of the arguments. returns : the letter of the result.
    by_address : whether the address to call is the first argument; otherwise it is in the table.
    """

    def __init__(self, module: ir.Module, name: str, letters: str, returns: str, by_address: bool) -> None:
        self.module, self.letters, self.returns, self.by_address = module, letters, returns, by_address
        kind = ir.FunctionType(_POINTER, [_POINTER, _POINTER.as_pointer(), _WORD])
        self.function = ir.Function(module, kind, name)
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.otherwise = self.function.append_basic_block("otherwise")
        self.forget = self.function.append_basic_block("forget")
        self.write()

    def outside(self, name: str, result: Any, *arguments: Any, varies: bool = False) -> Any:
        found = self.module.globals.get(name)
        return found or ir.Function(self.module, ir.FunctionType(result, arguments, var_arg=varies), name)

    def read(self, address: Any, at: int, kind: Any) -> Any:
        place = self.b.gep(address, [_WORD(at)])
        return self.b.load(self.b.bitcast(place, kind.as_pointer()))

    def require(self, condition: Any, or_else: Any = None) -> None:
        """Go on if the condition holds."""
        block = self.function.append_basic_block()
        self.b.cbranch(condition, block, or_else or self.otherwise)
        self.b.position_at_end(block)

    def write(self) -> None:
        b, (own, given, count) = self.b, self.function.args
        table = self.read(own, _DATA, _POINTER)
        letters = "i" * self.by_address + self.letters
        self.require(b.icmp_signed("==", count, _WORD(len(letters))))
        single, values, first, made = None, [], None, None
        for i, letter in enumerate(letters):
            one = b.load(b.gep(given, [_WORD(i)]))
            if letter in "idbow":
                values.append([self.number(one, "i" if letter in "ow" else letter)])
                continue
            if letter == "m" and first is None:
                first = one
            number = self.element_type(one, 2 if letter == "m" else 1, table)
            if letter in "mv":
                if single is None:
                    single = number
                    self.is_one_of(number, _NUMBERS["m"])
                else:
                    self.require(b.icmp_signed("==", number, single))
            else:
                self.is_one_of(number, _NUMBERS[letter])
            values.append(self.array(one, letter, number))
        if self.by_address:
            (address,), *values = values
        else:
            places = [self.read(table, 8 * at, _WORD) for at in (_SINGLE, _DOUBLE)]
            is_double = ir.IntType(1)(0) if single is None else b.icmp_signed("==", single, _INT32(np.dtype("d").num))
            address = b.select(is_double, places[1], places[0])
            self.require(b.icmp_signed("!=", address, _WORD(0)))
        at = is_filled(self.letters)
        if at is not None:
            made, values[at] = self.new(first, values[at][0], single, table, self.letters[at] == "o")
        self.call(address, [value for each in values for value in each], table, made)
        self.escape(table, given, count)

    def number(self, one: Any, letter: str) -> Any:
        b = self.b
        name, kind = {
            "i": ("PyLong_AsLongLong", _WORD), "d": ("PyFloat_AsDouble", _REAL), "b": ("PyObject_IsTrue", _INT32)
        }[letter]  # fmt: skip
        value = b.call(self.outside(name, kind, _POINTER), [one])
        is_odd = b.fcmp_ordered("==", value, kind(-1.0)) if letter == "d" else b.icmp_signed("==", value, kind(-1))
        check, block = self.function.append_basic_block(), self.function.append_basic_block()
        b.cbranch(is_odd, check, block)
        b.position_at_end(check)
        error = b.call(self.outside("PyErr_Occurred", _POINTER), [])
        b.cbranch(b.icmp_unsigned("==", error, _POINTER(None)), block, self.forget)
        b.position_at_end(block)
        return b.trunc(value, ir.IntType(1)) if letter == "b" else value

    def is_one_of(self, number: Any, numbers: list[int]) -> None:
        found = [self.b.icmp_signed("==", number, _INT32(n)) for n in numbers]
        self.require(found[0] if len(found) == 1 else self.b.or_(*found))

    def element_type(self, one: Any, ndim: int, table: Any) -> Any:
        """Go on if it is an array of so many axes, contiguous and in the processor's byte order; its type's number."""
        b = self.b
        kind, wanted = self.read(one, _HEAD - 8, _POINTER), self.read(table, 8 * _ARRAY_TYPE, _POINTER)
        self.require(b.icmp_unsigned("==", kind, wanted))
        flags = b.and_(self.read(one, _FLAGS, _INT32), _INT32(_CONTIGUOUS_AND_ALIGNED))
        dtype = self.read(one, _DTYPE, _POINTER)
        is_fine = b.and_(
            b.icmp_signed("==", flags, _INT32(_CONTIGUOUS_AND_ALIGNED)),
            b.icmp_signed("==", self.read(one, _NDIM, _INT32), _INT32(ndim)),
        )
        self.require(b.and_(is_fine, b.icmp_signed("==", self.read(dtype, _BYTE_ORDER, _BYTE), _BYTE(ord("=")))))
        return self.read(dtype, _NUMBER, _INT32)

    def array(self, one: Any, letter: str, number: Any) -> list[Any]:
        """An array as compiled code takes it: no owner, its size, that of an element, its place, its shape and strides.

        Kernels, which are called by address, take the place and the shape alone.
        """
        b, axes = self.b, range(2 if letter == "m" else 1)
        shape, strides = self.read(one, _SHAPE, _POINTER), self.read(one, _STRIDES, _POINTER)
        sizes = [self.read(shape, 8 * d, _WORD) for d in axes]
        if self.by_address:
            return [self.read(one, _DATA, _WORD), *sizes]
        steps = [self.read(strides, 8 * d, _WORD) for d in axes]
        is_single = b.icmp_signed("==", number, _INT32(np.dtype("f").num))
        size = sizes[0] if letter != "m" else b.mul(*sizes)
        nobody = _POINTER(None)
        itemsize = b.select(is_single, _WORD(4), _WORD(8))
        return [nobody, nobody, size, itemsize, self.read(one, _DATA, _POINTER), *sizes, *steps]

    def new(self, like: Any, columns: Any, number: Any, table: Any, is_matrix: bool) -> tuple[Any, list[Any]]:
        """A new matrix with the rows and the type of another that has some: the object, and as compiled code takes it."""
        b = self.b
        rows = self.read(self.read(like, _SHAPE, _POINTER), 0, _WORD)
        self.require(b.icmp_signed(">", rows, _WORD(0)))
        self.require(b.icmp_signed(">=", columns, _WORD(0)))
        with b.goto_entry_block():
            shape = b.alloca(_WORD, 2)
        b.store(rows if is_matrix else b.mul(rows, columns), shape)
        b.store(columns, b.gep(shape, [_WORD(1)]))
        dtype = self.read(like, _DTYPE, _POINTER)
        b.call(self.outside("Py_IncRef", ir.VoidType(), _POINTER), [dtype])  # the function takes one
        kind = ir.FunctionType(_POINTER, [_INT32, _WORD.as_pointer(), _POINTER, _INT32])
        function = b.inttoptr(self.read(table, 8 * _EMPTY, _WORD), kind.as_pointer())
        made = b.call(function, [_INT32(2 if is_matrix else 1), shape, dtype, _INT32(0)])
        no_memory = self.function.append_basic_block("no_memory")
        self.require(b.icmp_unsigned("!=", made, _POINTER(None)), no_memory)
        with b.goto_block(no_memory):
            b.ret(_POINTER(None))
        if is_matrix:
            return made, self.array(made, "m", number)
        *alike, _, size = self.array(made, "v", number)
        return made, [*alike, rows, columns, b.mul(columns, size), size]

    def call(self, address: Any, values: list[Any], table: Any, made: Any) -> None:
        b = self.b
        with b.goto_entry_block():
            result, error = b.alloca(_WORD), b.alloca(_POINTER)
        b.store(_WORD(0), result)
        b.store(_POINTER(None), error)
        kind = ir.FunctionType(_INT32, [_POINTER, _POINTER.as_pointer(), *(value.type for value in values)])
        state = b.call(self.outside("PyEval_SaveThread", _POINTER), [])
        function = b.inttoptr(address, kind.as_pointer())
        status = b.call(function, [b.bitcast(result, _POINTER), error, *values])
        b.call(self.outside("PyEval_RestoreThread", ir.VoidType(), _POINTER), [state])
        failed = self.function.append_basic_block("failed")
        self.require(b.icmp_signed("==", status, _INT32(0)), failed)
        if made is None:
            self.give(result, table)
        else:
            undone = self.function.append_basic_block("undone")
            self.require(b.icmp_signed("!=", b.load(b.bitcast(result, _BYTE.as_pointer())), _BYTE(0)), undone)
            b.ret(made)
            b.position_at_end(undone)
            b.call(self.outside("Py_DecRef", ir.VoidType(), _POINTER), [made])
            self.give_none(table)
        b.position_at_end(failed)
        if made is not None:
            b.call(self.outside("Py_DecRef", ir.VoidType(), _POINTER), [made])
        report = self.outside("PyObject_CallFunction", _POINTER, _POINTER, _POINTER, varies=True)
        text = ir.ArrayType(_BYTE, 3)
        letters = b.alloca(text)
        b.store(text(bytearray(b"LL\0")), letters)
        where = self.read(table, 8 * _FAILED, _POINTER)
        told = [b.sext(status, _WORD), b.ptrtoint(b.load(error), _WORD)]
        b.ret(b.call(report, [where, b.bitcast(letters, _POINTER), *told]))

    def give(self, result: Any, table: Any) -> None:
        b = self.b
        if self.returns == "":
            self.give_none(table)
            return
        name, kind, own = {
            "i": ("PyLong_FromLongLong", _WORD, _WORD),
            "b": ("PyBool_FromLong", _WORD, _BYTE),
            "d": ("PyFloat_FromDouble", _REAL, _REAL),
        }[self.returns]
        value = b.load(b.bitcast(result, own.as_pointer()))
        b.ret(b.call(self.outside(name, _POINTER, kind), [b.zext(value, kind) if self.returns == "b" else value]))

    def give_none(self, table: Any) -> None:
        none = self.read(table, 8 * _NONE, _POINTER)
        self.b.call(self.outside("Py_IncRef", ir.VoidType(), _POINTER), [none])
        self.b.ret(none)

    def escape(self, table: Any, given: Any, count: Any) -> None:
        """What does not fit is left to Python, with no error pending."""
        b = self.b
        b.position_at_end(self.forget)
        b.call(self.outside("PyErr_Clear", ir.VoidType()), [])
        b.branch(self.otherwise)
        b.position_at_end(self.otherwise)
        (own, *_) = self.function.args
        table = self.read(own, _DATA, _POINTER)
        otherwise = self.read(table, 8 * _OTHERWISE, _POINTER)
        call = self.outside("PyObject_Vectorcall", _POINTER, _POINTER, _POINTER.as_pointer(), _WORD, _POINTER)
        b.ret(b.call(call, [otherwise, given, count, _POINTER(None)]))


def is_filled(letters: str) -> int | None:
    """Which argument is a new matrix; None if none is."""
    return next((i for i, letter in enumerate(letters) if letter in "ow"), None)


def symbol(letters: str, returns: str, by_address: bool) -> str:
    """The name of the machine code of an entry."""
    return f"modnet_enter_{letters}_{returns}_{'at' if by_address else 'of'}"


def written(entries: list[tuple[str, str, bool]]) -> str:
    """Entries in LLVM's language, each told by the letters of its arguments and its result, and whether it gets an address."""
    module = ir.Module("modnet_entries")
    module.triple = llvmlite.binding.get_process_triple()
    for letters, returns, by_address in entries:
        _Writer(module, symbol(letters, returns, by_address), letters, returns, by_address)
    return str(module)


#: What machine code of entries calls.
PYTHON = (
    "PyLong_AsLongLong", "PyFloat_AsDouble", "PyObject_IsTrue", "PyErr_Occurred", "PyErr_Clear", "PyEval_SaveThread",
    "PyEval_RestoreThread", "PyObject_CallFunction", "PyObject_Vectorcall", "PyLong_FromLongLong", "PyBool_FromLong",
    "PyFloat_FromDouble", "Py_IncRef", "Py_DecRef",
)  # fmt: skip


@cache
def provide_python() -> None:
    """Give machine code, which knows them by name, the addresses of Python's functions."""
    for name in PYTHON:
        llvmlite.binding.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)


class _Method(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("code", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


class Entry:
    """A function that Python calls.

    Parameters
    ----------
    name : of the function. code : the address of the entry for its arguments.
    otherwise : what is called with arguments that are others, and before the address of the code they need is known.
    """

    def __init__(self, name: str, code: int, otherwise: Callable[..., Any]) -> None:
        self.table = np.zeros(7, np.int64)
        self.otherwise, self._name = otherwise, name.encode()
        self.table[_OTHERWISE:] = id(otherwise), id(failed), id(np.ndarray), id(None), _empty()
        self._method = _Method(self._name, code, _METH_FASTCALL, None)
        make = ctypes.pythonapi.PyCFunction_NewEx
        make.argtypes, make.restype = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p], ctypes.py_object
        self.call = make(ctypes.addressof(self._method), self.table, None)
        _KEPT.append(self)  # Python's function does not keep what it points to

    def know(self, dtype: np.dtype[Any] | None, address: int) -> None:
        """Note where the code for an element type lies; None: for a function that has none."""
        self.table[_DOUBLE if dtype == np.float64 else _SINGLE] = address

    def knows(self, dtype: np.dtype[Any] | None) -> bool:
        return bool(self.table[_DOUBLE if dtype == np.float64 else _SINGLE])


_KEPT: list[Entry] = []


class _Raised(ctypes.Structure):
    """What compiled code leaves when it raises: a pickle, or a pickle and what makes a tuple of values of the moment."""

    _fields_ = (
        ("pickle", ctypes.c_void_p), ("size", ctypes.c_int32), ("values", ctypes.c_void_p), ("unwrap", ctypes.c_void_p),
        ("count", ctypes.c_int32),
    )  # fmt: skip


def failed(status: int, address: int) -> None:
    """Raise what compiled code raised."""
    if not address:
        raise SystemError(f"compiled code ended with status {status}")
    found = _Raised.from_address(address)
    data = ctypes.string_at(found.pickle, found.size)
    if found.count > 0:
        from numba.core.serialize import runtime_build_excinfo_struct

        values = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(found.unwrap)(found.values)
        kind, arguments, _ = runtime_build_excinfo_struct(data, values)
    else:
        kind, arguments, _ = pickle.loads(data)
    raise kind(*(arguments or ()))
