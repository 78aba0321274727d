"""How functions are compiled, and how Python and compiled code call a kernel.

A *kernel* is a numba function that does one operation of a module, a loss or an optimizer. All kernels of a kind have the
same machine signature, so their addresses can stand in a table and a compiled loop can call whatever comes next
(`modnet.engine.walk`). With T the element type, float32 or float64, and all arrays C-contiguous:

    forward                    (x, out,              parameters, state, z, s, draw)      out = f(x)
    backward_update_gradient   (x, out, delta, gradient, parameters, state, z, s, draw,
                                add)                                                     gradient += dL/dparameters
    backward_delta             (x, out, delta, dx,   parameters, state, z, s, draw)      dx = dL/dx
    loss_forward               (y, yhat, out, z, s)                                      out[i] = the loss of example i
    loss_backward              (y, yhat, delta, z, s)                                    delta = d(loss of an example)/dyhat
    hits                       (y, yhat, out, z, s)                                      out[i] = 1 if example i is right
    loss_at_once               (y, yhat, out, right, delta, z, s)                        the three above in one pass
    step                       (p, g, moments, z, s)                                     one move of an optimizer

    x, out, delta, dx, y, yhat            T matrices; what the rows are is said where a module declares its sizes
    parameters, gradient, state, moments  T vectors: whole blocks, of which z says where the pieces lie
    z, s                                  records: sizes and places of a row, and settings
    draw                                  0 in evaluation; n > 0 in the n-th forward in training; -n to repeat that forward
    add                                   1; 0 for a kernel that names it, if its gradient is still to be begun: it then writes
                                          what it would add to zeros, as in `fit`: 1.05 times as fast for a step of 64-100-10

A class shows kernels with names in place of blocks (`modnet.kernels.operation`). This file knows nothing of classes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from modnet.kernels import jit, objects, shipped
from modnet.kernels.cache import KernelCache, keep_object, load_object, path_of_entry
from modnet.kernels.entry import PYTHON, Entry, is_filled, is_known_layout, provide_python, symbol, written
from modnet.kernels.jit import JIT_DISABLED, at_first_compile, cached_property, cgutils, intrinsic, types
from modnet.kernels.loading import BEFORE_LOADING, assembled, load

# contract: multiply and add in one instruction; reassoc: sums may be reordered, so that they vectorise. The flags that let
# the compiler assume there is no NaN or infinity are never used: a NaN must come out. With the default error model a loop
# that divides checks every divisor and is five times slower.
JIT_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc"}}

# Nothing in Python calls kernels and helpers, so they get no wrappers for it, which takes a seventh off their compilation.
# Calling a dispatcher without wrappers ends the process: none is ever handed out, see `Inline` and `enter`.
LEAN: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class Inline:
    """A function that kernels call. From Python it is the plain function.

    Parameters
    ----------
    function : the Python function.
    options : of numba, beside those of every kernel.
    """

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        self.py_func = function
        self.options = options
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.__module__, self.__wrapped__ = function.__module__, function

    @cached_property
    def _dispatcher(self) -> Any:
        """What numba compiles; made when a kernel that calls it is."""
        return jit.numba().njit(**JIT_OPTIONS, **jit.helper(), **self.options)(self.py_func)

    def __call__(self, *arguments: Any) -> Any:
        return self.py_func(*arguments)


@at_first_compile
def _tell_inline() -> None:
    from numba.extending import typeof_impl

    typeof_impl.register(Inline)(lambda value, context: types.Dispatcher(value._dispatcher))


def inline(function: Callable[..., Any]) -> Any:
    """Decorator for functions that kernels call."""
    return function if JIT_DISABLED else Inline(function)


def inline_always(function: Callable[..., Any]) -> Any:
    """The same, for a loop that is to be vectorised: a call would prevent it, and LLVM leaves longer functions calls."""
    return function if JIT_DISABLED else Inline(function, forceinline=True)


# --- the machine signature of each kind ------------------------------------------------------------------------------

#: Letters: m matrix, v vector, z and s records, i integer.
ARGUMENTS: dict[str, dict[str, str]] = {
    "forward": {"x": "m", "out": "m", "parameters": "v", "state": "v", "z": "z", "s": "s", "draw": "i"},
    "backward_update_gradient": {
        "x": "m", "out": "m", "delta": "m", "gradient": "v", "parameters": "v", "state": "v", "z": "z", "s": "s", "draw": "i",
        "add": "i",
    },
    "backward_delta": {
        "x": "m", "out": "m", "delta": "m", "dx": "m", "parameters": "v", "state": "v", "z": "z", "s": "s", "draw": "i",
    },
    "loss_forward": {"y": "m", "yhat": "m", "out": "v", "z": "z", "s": "s"},
    "loss_backward": {"y": "m", "yhat": "m", "delta": "m", "z": "z", "s": "s"},
    "hits": {"y": "m", "yhat": "m", "out": "v", "z": "z", "s": "s"},
    "loss_at_once": {"y": "m", "yhat": "m", "out": "v", "right": "v", "delta": "m", "z": "z", "s": "s"},
    "step": {"p": "v", "g": "v", "moments": "v", "z": "z", "s": "s"},
}  # fmt: skip


@cache
def some_record() -> Any:
    """The type of a pointer to a record whose fields the caller does not know."""
    return jit.numba().from_dtype(np.dtype([("word", np.int64)]))


def signature(kind: str, element: Any, z: Any = None, s: Any = None) -> tuple[Any, ...]:
    """The types of a kernel's arguments, as a kernel of this kind is called: arrays by their addresses and shapes.

    An array as numba hands it over takes ten words, which go over the stack: a step of 2-16-16-2 then takes 1.04 times as long.
    Records of a type that is not known are some.
    """
    z, s = z or some_record(), s or some_record()
    letters = {"m": [types.int64] * 3, "v": [types.int64] * 2, "z": [z], "s": [s], "i": [types.int64]}
    return tuple(part for letter in ARGUMENTS[kind].values() for part in letters[letter])


python_kernels: list[Callable[..., None]] = []


def _caller(kind: str) -> Any:
    """Make ``call(address, arguments...)``: calls a kernel of this kind by address, z and s given as addresses too."""
    if JIT_DISABLED:
        return lambda address, *arguments: python_kernels[address - 1](*arguments)
    letters = list(ARGUMENTS[kind].values())

    @intrinsic
    def call(typingctx: Any, address: Any, *arguments: Any) -> Any:
        given = tuple(arguments[0]) if isinstance(arguments[0], types.BaseTuple) else arguments
        element = given[0].dtype
        known = {"m": element[:, ::1], "v": element[::1]}
        if given != tuple(known.get(letter, types.int64) for letter in letters):
            raise TypeError(f"a {kind} kernel takes {ARGUMENTS[kind]}, got {given}")
        wanted = signature(kind, element)

        def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
            function = context.call_conv.get_function_type(types.void, wanted)
            pointer = builder.inttoptr(values[0], function.as_pointer())
            record = context.get_value_type(some_record())
            parts: list[Any] = []
            for letter, kind_of, value in zip(letters, given, cgutils.unpack_tuple(builder, values[1])):
                if letter in "mv":
                    array = context.make_array(kind_of)(context, builder, value)
                    place = builder.ptrtoint(array.data, context.get_value_type(types.int64))
                    parts += [place, *cgutils.unpack_tuple(builder, array.shape)]
                else:
                    parts.append(builder.inttoptr(value, record) if letter in "zs" else value)
            status, _result = context.call_conv.call_function(builder, pointer, types.void, wanted, parts)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.void(types.int64, types.StarArgTuple(given)), codegen

    return call


call_forward, call_gradient, call_backward = map(_caller, ("forward", "backward_update_gradient", "backward_delta"))
call_loss, call_loss_backward, call_hits = map(_caller, ("loss_forward", "loss_backward", "hits"))
call_loss_at_once, call_step = _caller("loss_at_once"), _caller("step")


# --- functions that Python calls -------------------------------------------------------------------------------------


def types_of(letters: str, element: Any) -> tuple[Any, ...]:
    """numba's types of arguments, from their letters (`modnet.kernels.entry`)."""
    known = {
        "i": types.int64, "d": types.float64, "b": types.boolean, "m": element[:, ::1], "v": element[::1],
        "I": types.int64[::1], "U": types.uint64[::1], "D": types.float64[::1], "o": element[:, ::1],
        "w": element[:, ::1],
    }  # fmt: skip
    return tuple(known[letter] for letter in letters)


class Compiled:
    """A function that Python calls, with one fixed signature for float32 and one for float64.

    Parameters
    ----------
    function : the Python function.
    letters : of its arguments, as in `modnet.kernels.entry`.
    returns : the letter of its result, empty for none.
    """

    def __init__(self, function: Callable[..., Any], letters: str, returns: str = "") -> None:
        self.py_func, self.letters, self.returns = function, letters, returns
        self.__doc__, self.__name__ = function.__doc__, function.__name__
        self._addresses: dict[Any, int] = {}
        self._attempts: dict[Any, Any] = {}

    def with_letters(self, letters: str) -> Compiled:
        """The same code, called with other arguments: a matrix that is there, a new one, or a new vector."""
        found = Compiled(self.py_func, letters, self.returns)
        found._addresses = self._addresses
        return found

    @cached_property
    def entry(self) -> Entry:
        return Entry(self.__name__, entry_code(self.letters, self.returns, False), self._otherwise)

    @cached_property
    def call(self) -> Any:
        """The function as Python calls it; made when first asked for, since most programs use few of them."""
        if JIT_DISABLED:
            return self._filled(quiet(self.py_func))
        return self.entry.call if is_known_layout() else self._filled(jit.numba().njit(**JIT_OPTIONS)(self.py_func))

    def _filled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as an entry calls it: if it fills a matrix, with one that is made here."""
        at = is_filled(self.letters)
        if at is None:
            return function
        like, is_vector = self.letters.index("m"), self.letters[at] == "w"

        def call(*arguments: Any) -> Any:
            first = arguments[like]
            made = np.empty((len(first), arguments[at]), first.dtype)
            if not function(*arguments[:at], made, *arguments[at + 1 :]):
                return None
            return made.reshape(-1) if is_vector else made

        return call

    def attempt(self, dtype: Any) -> Any:
        """The function for one element type, which gives None if an argument is not as it should be. None if there is no such.

        So whoever has only to look whether an array is as kernels take it may leave that to the machine. Compile it before.
        """
        found = np.dtype(dtype)
        if JIT_DISABLED or not is_known_layout():
            return None
        if found not in self._attempts:
            entry = Entry(self.__name__, entry_code(self.letters, self.returns, False), _unfit)
            entry.know(found, self.address(dtype))
            self._attempts[found] = entry.call
        return self._attempts[found]

    def __call__(self, *arguments: Any) -> Any:
        """Run it, compiled at the first call for each element type."""
        return self.call(*arguments)

    def element_type(self, dtype: Any) -> np.dtype[Any] | None:
        """What the code depends on: an element type, or None if no argument has it."""
        return np.dtype(dtype) if set("mv") & set(self.letters) else None

    def compile(self, dtype: Any) -> tuple[Any, ...]:
        """Compile for an element type, or load; return the name and what the code depends on. Does nothing the second time."""
        found = self.element_type(dtype)
        if not JIT_DISABLED and is_known_layout() and not self.entry.knows(found):
            self.entry.know(found, self.address(dtype))
        return self.__name__, found

    def address(self, dtype: Any) -> int:
        """Where the machine code for an element type lies, in this process."""
        found = self.element_type(dtype)
        if found not in self._addresses:
            kept = self.cached(dtype)
            self._addresses[found] = shipped.kernel(kept) or self._made(kept, found)
        return self._addresses[found]

    def cached(self, dtype: Any) -> KernelCache:
        """Where the machine code for an element type is kept."""
        letters = self.letters.replace("w", "m").replace("o", "m")  # the same code
        return KernelCache(self.py_func, kind=f"{letters} {self.returns}", dtype=self.element_type(dtype))

    def _made(self, kept: KernelCache, dtype: np.dtype[Any] | None) -> int:
        element = jit.element_types()[dtype or np.dtype(np.float64)]
        result = types_of(self.returns, element)[0] if self.returns else types.void
        return machine_code(self.py_func, kept, result(*types_of(self.letters, element)))

    def _otherwise(self, *arguments: Any) -> Any:
        """Compile what a call needs and call again; or say why it cannot be."""
        fits = len(arguments) == len(self.letters) and all(map(_fits, self.letters, arguments))
        elements = {a.dtype for a, letter in zip(arguments, self.letters) if fits and letter in "mv"}
        if not fits or len(elements) > 1:
            raise TypeError(f"{self.__name__}{tuple(map(_kind_of, arguments))}: expected {_expected(self.letters)}")
        dtype = elements.pop() if elements else np.dtype(np.float64)
        self.compile(dtype)
        return self.entry.call(*(_plain(letter, argument) for letter, argument in zip(self.letters, arguments)))


def _unfit(*arguments: Any) -> None:
    """What an attempt gives if something is not as it should be."""


def _fits(letter: str, argument: Any) -> bool:
    if letter in "iow":
        return hasattr(type(argument), "__index__")
    if letter in "db":
        return hasattr(type(argument), "__float__") and not isinstance(argument, np.ndarray)
    wanted = {"I": "int64", "U": "uint64", "D": "float64"}.get(letter)
    return (
        type(argument) is np.ndarray
        and argument.ndim == (2 if letter == "m" else 1)
        and argument.flags.carray | argument.flags.c_contiguous & argument.flags.aligned
        and argument.dtype.isnative
        and (argument.dtype == wanted if wanted else argument.dtype in (np.float32, np.float64))
    )


def _plain(letter: str, argument: Any) -> Any:
    """An argument that fits, in the one form that an entry takes: numpy has several names for some element types."""
    if letter in "idbow":
        return {"d": float, "b": bool}.get(letter, int)(argument)
    return argument.view({"I": np.int64, "U": np.uint64, "D": np.float64}.get(letter, f"f{argument.itemsize}"))


def _kind_of(argument: Any) -> str:
    if isinstance(argument, np.ndarray):
        return f"{type(argument).__name__} of {argument.dtype} {argument.shape}"
    return type(argument).__name__


def _expected(letters: str) -> str:
    names = {
        "i": "an integer", "d": "a number", "b": "a bool", "m": "a matrix", "v": "a vector", "I": "int64", "U": "uint64",
        "D": "float64", "o": "a number of columns",
        "w": "a number of columns",
    }  # fmt: skip
    return ", ".join(names[letter] for letter in letters) + "; arrays C-contiguous, matrices and vectors of one type of float"


def machine_code(function: Callable[..., Any], kept: KernelCache, signature: Any) -> int:
    """Compile a function, or load it in numba's form from the cache; return where its code lies, which stays there."""
    njit, made = jit.numba().njit, kept.load_numbas()
    with no_collection():
        if made is None and not shipped.checks_bounds():
            typed = _compiled(njit(**JIT_OPTIONS, **jit.helper())(function), signature)
            found = objects.alone(typed.library, typed.fndesc.llvm_func_name)
            if found is not None:
                code, calls = found
                COMPILED.append((kept, code))
                kept.save(code, objects.SYMBOL, calls)
                return load(code, [objects.SYMBOL], calls)[0]
        if made is None:
            made = _compiled(njit(**JIT_OPTIONS, **LEAN)(function), signature)
            kept.save_numbas(made)
    COMPILED.append((kept, made))
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


def _compiled(kernel: Any, signature: Any) -> Any:
    kernel.compile(signature)
    (made,) = kernel.overloads.values()
    return made


@contextmanager
def no_collection() -> Iterator[None]:
    """The compiler makes many objects that all stay: to look for garbage among them takes a tenth of its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


#: What this process has compiled: an object, or numba's form, whose code lives as long as it is here.
COMPILED: list[tuple[KernelCache, Any]] = []


@cache
def entry_code(letters: str, returns: str, by_address: bool) -> int:
    """Where the code lies by which Python calls functions of these arguments."""
    name = symbol(letters, returns, by_address)
    if name in _shipped_entries():
        return _shipped_entries()[name]
    path = path_of_entry(name)
    found = load_object(path)
    if found is None:
        code = assembled(written([(letters, returns, by_address)]))
        keep_object(path, code, name, PYTHON)
        (found,) = load(code, [name], PYTHON)
    return found


@cache
def _shipped_entries() -> dict[str, int]:
    found, key = shipped.bundle(), shipped.entries_key()
    addresses = shipped.find(key)
    return {} if found is None or addresses is None else dict(zip(found.objects[key][4], addresses))


def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without compilation, overflow and division by zero are as silent as in compiled code."""

    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return call


class ByAddress:
    """The one function by which Python calls all kernels of a kind: ``enter(address, arguments...)``.

    Parameters
    ----------
    kind : of the kernels. call : what calls one in compiled code.
    """

    def __init__(self, kind: str, call: Any) -> None:
        self.kind, self._call = kind, call
        # Records are handed over by address.
        self.letters = "".join("i" if letter in "zs" else letter for letter in ARGUMENTS[kind].values())

    @cached_property
    def call(self) -> Any:
        """The function as Python calls it."""
        if JIT_DISABLED:
            return quiet(self._call)
        if not is_known_layout():
            call = self._call
            return jit.numba().njit(**JIT_OPTIONS)(lambda address, *arguments: call(address, *arguments))
        return Entry(f"enter_{self.kind}", entry_code(self.letters, "", True), self._otherwise).call

    def __call__(self, *arguments: Any) -> Any:
        return self.call(*arguments)

    def _otherwise(self, *arguments: Any) -> Any:
        raise TypeError(f"enter_{self.kind}{tuple(map(_kind_of, arguments))}: expected {_expected('i' + self.letters)}")


enter_forward, enter_gradient, enter_backward = (
    ByAddress("forward", call_forward),
    ByAddress("backward_update_gradient", call_gradient),
    ByAddress("backward_delta", call_backward),
)
enter_loss, enter_loss_backward = ByAddress("loss_forward", call_loss), ByAddress("loss_backward", call_loss_backward)
enter_hits, enter_step = ByAddress("hits", call_hits), ByAddress("step", call_step)
enter_loss_at_once = ByAddress("loss_at_once", call_loss_at_once)

BEFORE_LOADING.append(provide_python)
