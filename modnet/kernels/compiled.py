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

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np

from modnet.kernels import jit
from modnet.kernels.cache import KernelCache
from modnet.kernels.jit import JIT_DISABLED, at_first_compile, cgutils, intrinsic, types

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
        return jit.numba().njit(**JIT_OPTIONS, **LEAN, **self.options)(self.py_func)

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
    """The types of a kernel's arguments; records of a type that is not known are some."""
    z, s = z or some_record(), s or some_record()
    letters = {"m": element[:, ::1], "v": element[::1], "z": z, "s": s, "i": types.int64}
    return tuple(letters[letter] for letter in ARGUMENTS[kind].values())


python_kernels: list[Callable[..., None]] = []


def _caller(kind: str) -> Any:
    """Make ``call(address, arguments...)``: calls a kernel of this kind by address, z and s given as addresses too."""
    if JIT_DISABLED:
        return lambda address, *arguments: python_kernels[address - 1](*arguments)
    letters = list(ARGUMENTS[kind].values())

    @intrinsic
    def call(typingctx: Any, address: Any, *arguments: Any) -> Any:
        given = tuple(arguments[0]) if isinstance(arguments[0], types.BaseTuple) else arguments
        wanted = signature(kind, given[0].dtype)
        if given != tuple(types.int64 if letter in "zs" else kind for letter, kind in zip(letters, wanted)):
            raise TypeError(f"a {kind} kernel takes {wanted}, got {given}")

        def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
            function = context.call_conv.get_function_type(types.void, wanted)
            pointer = builder.inttoptr(values[0], function.as_pointer())
            record = context.get_value_type(some_record())
            given = [
                builder.inttoptr(value, record) if letter in "zs" else value
                for letter, value in zip(letters, cgutils.unpack_tuple(builder, values[1]))
            ]
            status, _result = context.call_conv.call_function(builder, pointer, types.void, wanted, given)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.void(types.int64, types.StarArgTuple(given)), codegen

    return call


call_forward, call_gradient, call_backward = map(_caller, ("forward", "backward_update_gradient", "backward_delta"))
call_loss, call_loss_backward, call_hits = map(_caller, ("loss_forward", "loss_backward", "hits"))
call_loss_at_once, call_step = _caller("loss_at_once"), _caller("step")


# --- functions that Python calls -------------------------------------------------------------------------------------


class Compiled:
    """A function that Python calls, with one fixed signature for float32 and one for float64, kept in the cache.

    Parameters
    ----------
    function : the Python function.
    arguments : from a numba element type to the types of the arguments.
    """

    def __init__(self, function: Callable[..., Any], arguments: Callable[[Any], tuple[Any, ...]]) -> None:
        self.py_func = function
        self._arguments = arguments
        self.__doc__, self.__name__ = function.__doc__, function.__name__

    @cached_property
    def call(self) -> Any:
        """The function as Python calls it; made when first asked for, since most programs use few of them."""
        if JIT_DISABLED:
            return quiet(self.py_func)
        found = jit.numba().njit(**JIT_OPTIONS)(self.py_func)
        found._cache = KernelCache(self.py_func)
        return found

    def __call__(self, *arguments: Any) -> Any:
        """Run it, compiled at the first call for each element type."""
        return self.call(*arguments)

    def compile(self, dtype: Any) -> tuple[Any, ...]:
        """Compile for an element type, or load from the cache; return the name and the types. Does nothing the second time."""
        arguments = self._arguments(jit.element_types()[np.dtype(dtype)])
        if not JIT_DISABLED:
            self.call.compile(arguments)
        return self.__name__, arguments

    def address(self, dtype: Any) -> int:
        """Where the machine code for an element type lies, in this process."""
        _, arguments = self.compile(dtype)
        made = self.call.overloads[arguments]
        return int(made.library.get_pointer_to_function(made.fndesc.llvm_func_name))


def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without compilation, overflow and division by zero are as silent as in compiled code."""

    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return call


def _entry(kind: str, call: Any) -> Compiled:
    """The one function by which Python calls all kernels of a kind: ``enter(address, arguments...)``."""
    letters = {"m": lambda e: e[:, ::1], "v": lambda e: e[::1]}

    def arguments(element: Any) -> tuple[Any, ...]:
        given = (letters.get(letter, lambda e: types.int64)(element) for letter in ARGUMENTS[kind].values())
        return (types.int64, *given)

    # One text with the arguments counted out: a function of *arguments compiles to a tuple that is built and taken apart.
    names = ", ".join(("address", *ARGUMENTS[kind]))
    space = {"call": call}
    exec(f"def enter({names}):\n    call({names})\n", space)
    enter: Any = space["enter"]
    enter.__name__ = enter.__qualname__ = f"enter_{kind}"
    enter.__module__ = __name__
    return Compiled(enter, arguments)


enter_forward, enter_gradient, enter_backward = (
    _entry("forward", call_forward),
    _entry("backward_update_gradient", call_gradient),
    _entry("backward_delta", call_backward),
)
enter_loss, enter_loss_backward = _entry("loss_forward", call_loss), _entry("loss_backward", call_loss_backward)
enter_hits, enter_step = _entry("hits", call_hits), _entry("step", call_step)
enter_loss_at_once = _entry("loss_at_once", call_loss_at_once)
