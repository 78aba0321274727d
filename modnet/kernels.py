"""What a kernel is: the signatures all modules, losses and optimizers share, how one is compiled, kept and called by address.

A *kernel* is a numba function that does one operation of one module. All kernels of a kind have the same signature, so
their addresses can stand in an array and a compiled loop can call whatever module comes next (`modnet.table`). With T the
element type, float32 or float64, vectors and matrices C-contiguous:

    forward   (x, out,                params, state, sizes, hyper)      out = f(x)
    gradient  (x, out, delta, grad,   params, state, sizes, hyper)      grad += dL/dparams
    backward  (x, out, delta, dx,     params, state, sizes, hyper)      dx = dL/dx
    cost      (y, yhat, cost,         sizes, hyper)                     cost[i] = the loss of example i
    slope     (y, yhat, delta,        sizes, hyper)                     delta = dcost/dyhat
    hits      (y, yhat, hit,          sizes, hyper)                     hit[i] = 1 where the prediction is right, else 0
    step      (params, grad, state, hyper)                              one move of an optimizer

    x, out, delta, dx, y, yhat   T (batch, features)     one row an example, whatever its shape outside
    params, grad                 T (n,)                  the module's slice of the network's flat vectors
    state                        T (n,)                  what a module or an optimizer keeps: running means, moments
    cost, hit                    T (batch,)
    sizes                        int64 (n,)              sizes of the input and whole-number settings
    hyper                        float64 (n,)            other settings, read at each call; they may be changed between calls

Python reaches all kernels of a kind through one compiled function, which takes the kernel's address before the arguments:
`enter_forward` and so on. Kernels themselves are machine code alone, without the wrapper that unpacks Python's arguments: it
would take longer to compile than most of them.

Outside the kernels the folder of compiled code is the other subject of this file: see `cache_folder`.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, config, serialize
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.errors import TypingError
from numba.core.registry import CPUDispatcher
from numba.core.runtime import rtsys
from numba.extending import get_cython_function_address, intrinsic

JIT_DISABLED = bool(config.DISABLE_JIT)

# contract: multiply and add in one instruction; reassoc: sums may be reordered, so that they vectorise. The flags that let
# the compiler assume there is no NaN or infinity are never used: a NaN must come out. With the default error model a loop
# that divides checks every divisor and is five times slower.
JIT_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "reassoc"}}

# What only compiled code calls needs no wrapper that takes Python's arguments, nor one for C. Each would be compiled too.
_NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


class _WithoutWrappers(CPUDispatcher):
    """A numba function that only compiled code can call compiled; a call from Python runs the text in Python."""

    def __call__(self, *arguments: Any) -> Any:
        return self.py_func(*arguments)  # numba would jump to the wrapper, which is not there


def _for_compiled_code(function: Callable[..., Any], **options: Any) -> Any:
    """The numba function of `function`, without wrappers."""
    found = numba.njit(**JIT_OPTIONS, **_NO_WRAPPERS, **options)(function)
    if not JIT_DISABLED:
        found.__class__ = _WithoutWrappers
    return found


def inline(function: Callable[..., Any]) -> Any:
    """Decorator, for functions called from kernels: compiled into their caller."""
    return _for_compiled_code(function)


def inline_always(function: Callable[..., Any]) -> Any:
    """The same, for a loop that is to be vectorised: a call would prevent it, and LLVM leaves longer functions calls."""
    return _for_compiled_code(function, forceinline=True)


def _signatures(element: types.Float) -> dict[str, types.Type]:
    vector, matrix = element[::1], element[:, ::1]
    sizes, hyper = types.int64[::1], types.float64[::1]
    module = (vector, vector, sizes, hyper)
    return {
        "forward": types.void(matrix, matrix, *module),
        "gradient": types.void(matrix, matrix, matrix, vector, *module),
        "backward": types.void(matrix, matrix, matrix, matrix, *module),
        "cost": types.void(matrix, matrix, vector, sizes, hyper),
        "slope": types.void(matrix, matrix, matrix, sizes, hyper),
        "hits": types.void(matrix, matrix, vector, sizes, hyper),
        "step": types.void(vector, vector, vector, hyper),
    }


_ELEMENTS = {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}
SIGNATURES = {dtype: _signatures(element) for dtype, element in _ELEMENTS.items()}
_python_kernels: list[Callable[..., None]] = []


class Compiled:
    """A numba function with one fixed signature for float32 and one for float64, kept in the cache.

    Parameters
    ----------
    function : the Python function.
    signature : from a numba element type to the signature.
    """

    def __init__(self, function: Callable[..., Any], signature: Callable[[types.Type], Any]) -> None:
        self.function = function
        self._signature = signature
        self._addresses: dict[np.dtype[Any], int] = {}
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__

    @cached_property
    def dispatcher(self) -> Any:
        """numba's function; made when first asked for, since most programs use few of the kernels."""
        found = self._jit(self.function)
        found._cache = _KernelCache(self.function)
        return found

    _jit = staticmethod(numba.njit(**JIT_OPTIONS))

    @cached_property
    def call(self) -> Any:
        """The function as Python calls it."""
        return _quiet(self.function) if JIT_DISABLED else self._call()

    def _call(self) -> Any:
        return self.dispatcher

    def __call__(self, *arguments: Any) -> Any:
        """Run it from Python, compiled at the first call for each element type."""
        return self.call(*arguments)

    def __repr__(self) -> str:
        return f"<kernel {self.function.__module__}.{self.function.__qualname__}>"

    def compile(self, dtype: Any) -> None:
        """Compile for an element type, or load from the cache. Nothing is done where that has happened already."""
        if not JIT_DISABLED:
            self.dispatcher.compile(self._signature(_ELEMENTS[np.dtype(dtype)]).args)

    def address(self, dtype: Any) -> int:
        """Where the machine code for this element type lies, in this process."""
        dtype = np.dtype(dtype)
        found = self._addresses.get(dtype)
        if found is None:
            if JIT_DISABLED:
                _python_kernels.append(self.function)
                found = len(_python_kernels)
            else:
                self.compile(dtype)
                arguments = self._signature(_ELEMENTS[dtype]).args
                compiled = self.dispatcher.overloads[arguments]
                found = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
            self._addresses[dtype] = found
        return found

    # A kernel is found again by its name, like any function.
    def __reduce__(self) -> Any:
        return _find, (self.function.__module__, self.function.__qualname__)


class Kernel(Compiled):
    """A kernel: compiled code calls it by its address, and so does Python, through the entry of its kind.

    Parameters
    ----------
    function : the Python function.
    kind : "forward", "gradient", "backward", "cost", "slope", "hits" or "step".
    """

    _jit = staticmethod(_for_compiled_code)

    def __init__(self, function: Callable[..., None], kind: str) -> None:
        super().__init__(function, lambda element: SIGNATURES[np.dtype(str(element))][kind])
        self.kind = kind

    def _call(self) -> Any:
        enter, addresses = ENTRIES[self.kind].dispatcher, self._addresses

        # The entry has the types of its arguments checked, so they are those of the code at the address.
        def call(first: np.ndarray, *others: Any) -> None:
            address = addresses.get(first.dtype)
            enter(self.address(first.dtype) if address is None else address, first, *others)

        return call


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """Without compilation, overflow and division by zero are as silent as in compiled code."""

    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return call


def _find(module: str, qualname: str) -> Any:
    found: Any = sys.modules[module] if module in sys.modules else __import__(module, fromlist=["_"])
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def kernel(kind: str) -> Callable[[Callable[..., None]], Kernel]:
    """Decorator: make a function the kernel of one operation.

    Parameters
    ----------
    kind : "forward", "gradient", "backward", "cost", "slope", "hits" or "step".
    """
    if kind not in SIGNATURES[np.dtype(np.float64)]:
        raise ValueError(f"kernel: kind is {kind!r}, expected one of {', '.join(SIGNATURES[np.dtype(np.float64)])}")
    return lambda function: Kernel(function, kind)


def _caller(kind: str) -> Any:
    """Make ``call(address, arguments...)``: calls a kernel of this kind by address, from compiled code."""
    if JIT_DISABLED:
        return lambda address, *arguments: _python_kernels[address - 1](*arguments)

    @intrinsic
    def call(typingctx: Any, address: Any, *arguments: Any) -> Any:
        element = arguments[0][0].dtype if isinstance(arguments[0], types.BaseTuple) else arguments[0].dtype
        given = tuple(arguments[0]) if isinstance(arguments[0], types.BaseTuple) else arguments
        signature = SIGNATURES[np.dtype(str(element))][kind]
        if given != signature.args:
            raise TypeError(f"a {kind} kernel takes {signature.args}, got {given}")

        def codegen(context: Any, builder: Any, _: Any, values: Any) -> Any:
            function = context.call_conv.get_function_type(types.void, signature.args)
            pointer = builder.inttoptr(values[0], function.as_pointer())
            status, _result = context.call_conv.call_function(
                builder, pointer, types.void, signature.args, cgutils.unpack_tuple(builder, values[1])
            )
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return context.get_dummy_value()

        return types.void(types.int64, types.StarArgTuple(given)), codegen

    return call


call_forward, call_gradient, call_backward = _caller("forward"), _caller("gradient"), _caller("backward")
call_cost, call_slope, call_hits = _caller("cost"), _caller("slope"), _caller("hits")
call_step = _caller("step")


def _entry(kind: str) -> Callable[[Callable[..., None]], Compiled]:
    """Decorator: a function that Python calls with the address of a kernel of this kind and the kernel's arguments."""

    def signature(element: types.Float) -> types.Type:
        return types.void(types.int64, *SIGNATURES[np.dtype(str(element))][kind].args)

    return lambda function: Compiled(function, signature)


@_entry("forward")
def enter_forward(address, x, out, params, state, sizes, hyper):
    """Call the forward kernel at an address."""
    call_forward(address, x, out, params, state, sizes, hyper)


@_entry("gradient")
def enter_gradient(address, x, out, delta, grad, params, state, sizes, hyper):
    """Call the gradient kernel at an address."""
    call_gradient(address, x, out, delta, grad, params, state, sizes, hyper)


@_entry("backward")
def enter_backward(address, x, out, delta, dx, params, state, sizes, hyper):
    """Call the backward kernel at an address."""
    call_backward(address, x, out, delta, dx, params, state, sizes, hyper)


@_entry("cost")
def enter_cost(address, y, yhat, cost, sizes, hyper):
    """Call the cost kernel at an address."""
    call_cost(address, y, yhat, cost, sizes, hyper)


@_entry("slope")
def enter_slope(address, y, yhat, delta, sizes, hyper):
    """Call the slope kernel at an address."""
    call_slope(address, y, yhat, delta, sizes, hyper)


@_entry("hits")
def enter_hits(address, y, yhat, hit, sizes, hyper):
    """Call the hits kernel at an address."""
    call_hits(address, y, yhat, hit, sizes, hyper)


@_entry("step")
def enter_step(address, params, grad, state, hyper):
    """Call the step kernel at an address."""
    call_step(address, params, grad, state, hyper)


ENTRIES = {
    "forward": enter_forward, "gradient": enter_gradient, "backward": enter_backward,
    "cost": enter_cost, "slope": enter_slope, "hits": enter_hits, "step": enter_step,
}  # fmt: skip


_python_arrays: dict[int, np.ndarray] = {}


def address_of(array: np.ndarray) -> int:
    """Where a float64 vector lies. Whoever keeps the address keeps the array alive."""
    if JIT_DISABLED:
        _python_arrays[array.ctypes.data] = array
    return array.ctypes.data


def borrowed(context, builder, kind, data, shape):
    """An array structure over memory that somebody else keeps: it counts no references, and costs nothing to make."""
    from numba.np.arrayobj import populate_array  # 50 ms, and only compiling needs it

    word = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [word] if len(shape) == 1 else [builder.mul(shape[1], word), word]
    array = context.make_array(kind)(context, builder)
    populate_array(
        array,
        data=builder.bitcast(data, array.data.type),
        shape=shape,
        strides=strides,
        itemsize=word,
        meminfo=None,
    )
    return array._getvalue()


def _require_contiguous(kind):
    if kind.layout != "C":
        raise TypingError(f"a kernel is given {kind}, expected a C-contiguous array")


@intrinsic
def array_at(typingctx, address, size):
    """The float64 vector at an address, from compiled code: modules keep their settings in arrays of their own."""

    def codegen(context, builder, _, values):
        data = builder.inttoptr(values[0], ir.DoubleType().as_pointer())
        return borrowed(context, builder, types.float64[::1], data, [values[1]])

    return types.float64[::1](types.int64, types.int64), codegen


@intrinsic
def vector_like(typingctx, address, size, like):
    """The vector at an address, of the element type of the array `like`."""
    kind = like.dtype[::1]

    def codegen(context, builder, _, values):
        data = builder.inttoptr(values[0], context.get_data_type(kind.dtype).as_pointer())
        return borrowed(context, builder, kind, data, [values[1]])

    return kind(types.int64, types.int64, like), codegen


@intrinsic
def vector_at(typingctx, flat, start, size):
    """``flat[start : start + size]`` without the bookkeeping of a slice. The flat array must outlive it."""
    _require_contiguous(flat)
    kind = flat.dtype[::1]

    def codegen(context, builder, _, values):
        data = context.make_array(flat)(context, builder, values[0]).data
        return borrowed(context, builder, kind, builder.gep(data, [values[1]]), [values[2]])

    return kind(flat, types.int64, types.int64), codegen


@intrinsic
def matrix_at(typingctx, flat, start, rows, columns):
    """``flat[start : start + rows * columns].reshape(rows, columns)``, in the same way."""
    _require_contiguous(flat)
    kind = flat.dtype[:, ::1]

    def codegen(context, builder, _, values):
        data = context.make_array(flat)(context, builder, values[0]).data
        return borrowed(context, builder, kind, builder.gep(data, [values[1]]), [values[2], values[3]])

    return kind(flat, types.int64, types.int64, types.int64), codegen


@inline
def flat(x):
    """All of a C-contiguous array as a vector; `x.reshape(-1)` would be a call into numba's runtime, of 40 ns."""
    return vector_at(x, 0, x.size)


@inline
def in_rows(x, n):
    """All of a C-contiguous array as a matrix of rows of n."""
    return matrix_at(x, 0, x.size // n, n)


if JIT_DISABLED:
    array_at = lambda address, size: _python_arrays[int(address)][:size]
    vector_at = lambda flat, start, size: flat.reshape(-1)[start : start + size]
    matrix_at = lambda flat, start, rows, columns: vector_at(flat, start, rows * columns).reshape(rows, columns)


# --- matrix products -------------------------------------------------------------------------------------------------


@cache
def _provide_gemm() -> None:
    """Give compiled code, which knows them by name, the addresses of BLAS's sgemm and dgemm.

    They are those of the BLAS that numpy has loaded already. Where numpy's cannot be reached, or has other names, SciPy's are
    taken, at the price of SciPy's import, 0.1 to 0.2 s.
    """
    try:
        library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
    except (KeyError, OSError, TypeError):
        library = None
    for letter in "sd":
        names = (f"scipy_{letter}gemm_64_", f"{letter}gemm_64_", f"scipy_{letter}gemm_", f"{letter}gemm_")
        name = next((name for name in names if hasattr(library, name)), None)
        if name is not None:
            address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        else:
            address = get_cython_function_address("scipy.linalg.cython_blas", f"{letter}gemm")
        llvmlite.binding.add_symbol(f"modnet_{letter}gemm", address)


@intrinsic
def _gemm(typingctx, a, a_transposed, b, b_transposed, out, add):
    """BLAS gemm on C-contiguous matrices: out = a @ b, or out += a @ b, each of a and b as it lies or transposed.

    np.dot can only overwrite; a gradient is added to, and for a large layer the sum would cost another pass over it. BLAS
    counts columns first: it is asked for out.T = b.T @ a.T, which is the same memory. It takes everything by address; sizes
    lie in 64 bits, of which a BLAS with sizes of 32 bits reads the low half.
    """
    signature = types.void(a, types.boolean, b, types.boolean, out, types.boolean)
    element = a.dtype

    def codegen(context, builder, _, values):
        _provide_gemm()
        byte = ir.IntType(8)
        pointer = byte.as_pointer()
        name = "modnet_sgemm" if element == types.float32 else "modnet_dgemm"
        gemm = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [pointer] * 13), name)
        real = context.get_value_type(element)
        matrices = [
            context.make_array(kind)(context, builder, value)
            for kind, value in ((a, values[0]), (b, values[2]), (out, values[4]))
        ]
        (a_rows, a_columns), (_, b_columns), (n, m) = (
            cgutils.unpack_tuple(builder, matrix.shape) for matrix in matrices
        )
        k = builder.select(values[1], a_rows, a_columns)
        beta = builder.select(values[5], ir.Constant(real, 1.0), ir.Constant(real, 0.0))

        def letter(transposed):
            return builder.select(transposed, byte(ord("t")), byte(ord("n")))

        a_data, b_data, out_data = (builder.bitcast(matrix.data, pointer) for matrix in matrices)
        b_letter, a_letter, m, n, k, one, b_columns, a_columns, beta = (
            builder.bitcast(cgutils.alloca_once_value(builder, value), pointer)
            for value in (
                letter(values[3]), letter(values[1]), m, n, k, ir.Constant(real, 1.0), b_columns, a_columns, beta
            )
        )  # fmt: skip
        builder.call(
            gemm, [b_letter, a_letter, m, n, k, one, b_data, b_columns, a_data, a_columns, beta, out_data, m]
        )
        return context.get_dummy_value()

    return signature, codegen


def _python_gemm(a, a_transposed, b, b_transposed, out, add):
    result = (a.T if a_transposed else a) @ (b.T if b_transposed else b)
    out[...] = out + result if add else result


if JIT_DISABLED:
    _gemm = _python_gemm


@inline
def matmul(a, b, out, add):
    """out (n, m) = a (n, k) @ b (k, m); out += with `add`."""
    _gemm(a, False, b, False, out, add)


@inline
def matmul_tn(a, b, out, add):
    """out (n, m) = a.T @ b, with a (k, n) and b (k, m); out += with `add`."""
    _gemm(a, True, b, False, out, add)


@inline
def matmul_nt(a, b, out, add):
    """out (n, m) = a @ b.T, with a (n, k) and b (m, k); out += with `add`."""
    _gemm(a, False, b, True, out, add)


# --- the cache -------------------------------------------------------------------------------------------------------

_DAYS_UNUSED = 30  # a folder of another version of the library, older than this, is removed


def library_key() -> str:
    """A hash of every source file of the library: after any edit, no compiled code is reused."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


#: Taken at import: the files may have changed by the time the first kernel is compiled from what was imported.
_KEY = library_key()


def _candidates() -> list[Path]:
    chosen = os.environ.get("MODNET_CACHE_DIR")
    if chosen:
        return [Path(chosen).absolute()]
    if sys.platform == "win32":
        home = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        home = os.path.join(os.path.expanduser("~"), "Library", "Caches")
    else:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    # A user without a home has it at "~", which would be a folder of that name wherever the program runs.
    found = [Path(home) / "modnet"] if os.path.isabs(home) else []
    with contextlib.suppress(OSError):  # there is no temporary folder where nothing is writable
        found.append(Path(tempfile.gettempdir()) / f"modnet-{user}")
    return found


def _usable(folder: Path) -> bool:
    """Whether kernels may be written to, or read from, this folder. Code is loaded from it: nobody else may own it."""
    with contextlib.suppress(OSError):
        # One that was asked for may be there for others too.
        folder.mkdir(parents=True, exist_ok=True, mode=0o777 if os.environ.get("MODNET_CACHE_DIR") else 0o700)
    try:
        owner = folder.stat().st_uid
    except OSError:
        return False
    if os.environ.get("MODNET_CACHE_DIR"):
        return True
    return os.access(folder, os.W_OK) and (not hasattr(os, "getuid") or owner == os.getuid())


#: Settings of numba that change the code it makes.
_SWITCHES = (
    "OPT", "BOUNDSCHECK", "ENABLE_AVX", "CPU_NAME", "CPU_FEATURES", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT",
)  # fmt: skip
_folder: list[Path | None] = []


def cache_folder() -> Path | None:
    """The folder of compiled kernels of this version of the library, or None where none can be had.

    It lies in ``$MODNET_CACHE_DIR`` if that is set (a read-only one is read), else in the user's cache folder, else in the
    folder for temporary files. Its name holds the hash of the library's sources and the versions of Python, numba, LLVM and
    the processor, so that code compiled for anything else is never loaded. Each kernel and element type is a file of its
    own, written whole and then renamed: several processes can fill it at once.
    """
    if not _folder:
        found = next((base for base in _candidates() if _usable(base)), None)
        if found is not None:
            processor = hashlib.sha256(
                repr((llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten())).encode()
            ).hexdigest()[:8]
            version = f"py{sys.version_info.major}{sys.version_info.minor}-numba{numba.__version__}-{processor}"
            switches = [getattr(config, name, None) for name in _SWITCHES] + [llvmlite.__version__]
            settings = hashlib.sha256(repr(switches).encode()).hexdigest()[:8]
            base, found = found, found / f"{_KEY}-{version}-{settings}"
            _remove_old(base, found)
        _folder.append(found)
    return _folder[0]


def _remove_old(base: Path, current: Path) -> None:
    """Remove folders unused for long; the time of one is that of its last use."""
    limit = time.time() - 86400 * _DAYS_UNUSED
    with contextlib.suppress(OSError):
        os.utime(current)
    with contextlib.suppress(OSError):
        for folder in list(base.iterdir()):
            if "-numba" in folder.name and folder != current and folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)


class _KernelCache(_Cache):
    """numba's cache interface over one file for each function and signature.

    numba's own cache is keyed by the file of the function alone, so it goes stale when a helper in another file changes,
    and keeps an index that two processes can leave pointing at each other's code. It also refuses to be made at all where
    nothing can be written.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._of_library = False

    @property
    def cache_path(self) -> str:
        return str(cache_folder())

    def _path(self, signature: Any) -> Path | None:
        folder = cache_folder()
        if folder is None:
            return None
        modules: dict[int, str] = {}
        parts = [repr(signature), *_content(self._function, modules)]
        self._of_library = all(name.startswith("modnet.") for name in modules.values())
        name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]
        return folder / f"{self._function.__name__.strip('<>')}-{name}.kernel"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        path = self._path(sig)
        if path is None:
            return None
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if content[:32] != hashlib.sha256(content[32:]).digest():
            return None
        _provide_gemm()  # machine code that calls it finds it by name
        if self._of_library:
            # All that the machine code of the library's kernels refers to. A whole refresh, which makes everything known that
            # might be compiled, takes 0.1 s.
            rtsys.initialize(target_context)
        else:
            target_context.refresh()
        return CompileResult._rebuild(target_context, *pickle.loads(content[32:]))

    def save_overload(self, sig: Any, data: Any) -> None:
        path = self._path(sig)
        if path is None:
            return
        content = serialize.dumps(data._reduce())
        part = path.with_name(f"{path.stem}-{os.urandom(8).hex()}.part")
        with contextlib.suppress(OSError):  # read-only or full: the kernel works, it is only not kept
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_bytes(hashlib.sha256(content).digest() + content)
                os.replace(part, path)
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def enable(self) -> None:
        """Nothing to do: files come and go by themselves."""

    def disable(self) -> None:
        """Nothing to do: files come and go by themselves."""

    def flush(self) -> None:
        """Nothing to do: files come and go by themselves."""


def _content(function: Callable[..., Any], seen: dict[int, str]) -> Iterator[str]:
    """All that makes a compiled function what it is, apart from the library, which the folder's name stands for.

    That is its code; outside the library also its file, and the functions and constants it reads, wherever they come from.
    seen gathers the modules of all functions that are part of it.
    """
    if id(function) in seen:
        return
    seen[id(function)] = function.__module__
    code = function.__code__
    yield repr((function.__module__, function.__qualname__, list(code.co_positions()), *_instructions(code)))
    for cell in function.__closure__ or ():
        yield from _value(cell.cell_contents, seen)
    if not function.__module__.startswith("modnet."):
        with contextlib.suppress(OSError, UnicodeDecodeError):  # a console has no file
            yield Path(code.co_filename).read_text(encoding="utf-8")
        names = sorted(_names(code))
        for name in names:
            value = function.__globals__.get(name)
            for part in [getattr(value, n, None) for n in names] if isinstance(value, ModuleType) else [value]:
                if not isinstance(part, FunctionType):  # compiled code calls compiled functions only
                    yield from _value(part, seen)


def _value(value: Any, seen: dict[int, str]) -> Iterator[str]:
    """What a function may have compiled in: another function, an array, a constant."""
    function = value.function if isinstance(value, Compiled) else getattr(value, "py_func", value)
    if isinstance(function, FunctionType):
        yield from _content(function, seen)
    elif isinstance(value, np.ndarray):
        yield repr((value.shape, value.dtype, value.tobytes()))
    elif isinstance(value, tuple):
        for item in value:
            yield from _value(item, seen)
    elif isinstance(value, bool | int | float | complex | str | bytes | None | np.generic | np.dtype | type | types.Type):
        yield repr(value)


def _names(code: Any) -> set[str]:
    inner = [_names(c) for c in code.co_consts if hasattr(c, "co_code")]
    return set(code.co_names).union(*inner)


def _instructions(code: Any) -> tuple[Any, ...]:
    constants = [_instructions(c) if hasattr(c, "co_code") else repr(c) for c in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, constants
