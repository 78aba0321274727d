"""Matrix products: BLAS's gemm, called from compiled code.

They are those of the BLAS that numpy has loaded already. Sizes lie in 64 bits, of which a BLAS with sizes of 32 bits reads
the low half.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import llvmlite.binding
from llvmlite import ir

from modnet.kernels.called import STEPS, TURNED, address, address_of, call, has_one_thread
from modnet.kernels.compiled import inline_always
from modnet.kernels.jit import JIT_DISABLED, cgutils, intrinsic, types
from modnet.kernels.loading import BEFORE_LOADING
from modnet.kernels.loops import start
from modnet.kernels.simd import VECTOR_BYTES
from modnet.kernels.target import MASKED, WIDE
from modnet.kernels.threads import MANY


@cache
def provide_gemm() -> None:
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
            from numba.extending import get_cython_function_address

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
        provide_gemm()
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


# With AVX-512 or AVX2 some products are made by tiles of our own (`modnet.kernels.tiles`), where they are faster than BLAS.
# docs/speed.md has the gains.
#
#     AVX-512, against OpenBLAS's SkylakeX kernels
#         a matrix turned over
#         x W + b, with few inputs or up to a register of outputs
#         one of two million operations or more, or 1000 rows
#     AVX2, against its Haswell kernels, which have none for small matrices
#         x W + b, a matrix turned over, up to 25 million operations
#         x' delta of up to 64 rows, or with a small result
#
# Products of `MANY` operations go to BLAS if it has several threads. Which it is depends on the sizes and on that number alone:
# the same training gives the same bits again.
_BY_TILES = MASKED and not JIT_DISABLED
LEAST_ROWS = 8  # of a product by tiles, unless it is large


@inline_always
def matmul(a, b, out, add):
    """out (n, m) = a (n, k) @ b (k, m); out += with `add`."""
    if not (_BY_TILES and _tiles(a, b, out, address(out) if add else 0, b.shape[1])):
        _gemm(a, False, b, False, out, add)


@inline_always
def affine(x, weight, bias, out):
    """out (n, m) = x (n, k) @ weight (k, m) + bias (m,), or without it if it has no numbers."""
    if not (_BY_TILES and _tiles(x, weight, out, address(bias) if bias.size else 0, 0)):
        start(out, bias)
        _gemm(x, False, weight, False, out, bias.size > 0)


@inline_always
def matmul_tn(a, b, out, add):
    """out (n, m) = a.T @ b, with a (k, n) and b (k, m); out += with `add`."""
    if not (_BY_TILES and _tiles_tn(a, b, out, add)):
        _gemm(a, True, b, False, out, add)


@inline_always
def matmul_nt(a, b, out, add):
    """out (n, m) = a @ b.T, with a (n, k) and b (m, k); out += with `add`."""
    if not (_BY_TILES and _tiles_nt(a, b, out, add)):
        _gemm(a, False, b, True, out, add)


# What follows computes a product by tiles, if they are faster, and says whether it did.


@inline_always
def _is_large(n, k, m):
    """Whether tiles of wide registers serve a product of many operations."""
    work = 2 * n * k * m
    return m >= 10 and work >= 2_000_000 and (work < MANY or has_one_thread())


@inline_always
def _fills(m, out):
    """Whether columns fill registers: not if few of them begin a second one."""
    lanes = VECTOR_BYTES // out.itemsize
    return m <= lanes or 4 * m > 5 * lanes


@inline_always
def _is_small(n, k, m):
    """Whether tiles of narrow registers serve a product: BLAS makes copies of larger ones, which lie better in the caches."""
    return n >= LEAST_ROWS and 2 * n * k * m <= 25_000_000


@inline_always
def _tiles(a, b, out, before, before_step):
    (n, k), m = a.shape, b.shape[1]
    if WIDE:
        lanes = VECTOR_BYTES // out.itemsize
        is_small = n >= LEAST_ROWS and (k <= 16 or lanes < 4 * m <= 4 * lanes)
        is_faster = (_fills(m, out) and (is_small or (n >= 1000 and m >= 10))) or _is_large(n, k, m)
    else:
        is_faster = _is_small(n, k, m)
    function = address_of(STEPS, out) if is_faster else 0
    if function > 0:
        call(function, address(a), k, 1, n, k, address(b), m, m, address(out), m, before, before_step, out)
    return function > 0


@inline_always
def _tiles_tn(a, b, out, add):
    (k, n), m = a.shape, b.shape[1]
    if WIDE:
        is_faster = _is_large(n, k, m)
    else:
        is_faster = _is_small(k, n, m) and (k <= 64 or (64 <= n * m <= 4096 and _fills(m, out)))
    function = address_of(STEPS, out) if is_faster else 0
    if function > 0:
        call(function, address(a), 1, n, n, k, address(b), m, m, address(out), m, address(out) if add else 0, m, out)
    return function > 0


@inline_always
def _tiles_nt(a, b, out, add):
    (n, k), m = a.shape, b.shape[0]
    if WIDE:
        is_faster = n >= LEAST_ROWS and m >= 16 and (k >= 8 or m <= 64) and (2 * n * k * m < MANY or has_one_thread())
    else:
        is_faster = _is_small(n, k, m)
    function = address_of(TURNED, out) if is_faster else 0
    if function > 0:
        call(function, address(a), k, 1, n, k, address(b), k, m, address(out), m, address(out) if add else 0, m, out)
    return function > 0


BEFORE_LOADING.append(provide_gemm)  # machine code that calls it finds it by name
