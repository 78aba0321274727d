"""Products that kernels take: from BLAS or by tiles, whichever is faster for their sizes."""

import numpy as np
import pytest

from modnet.kernels import affine, called, matmul, matmul_nt, matmul_tn
from modnet.kernels.compiled import JIT_OPTIONS
from modnet.kernels.jit import JIT_DISABLED, numba
from modnet.kernels.target import MASKED
from modnet.kernels.threads import one_thread, thread_count


@numba().njit(**JIT_OPTIONS)
def products(a, b, ab, at, atb, bt, abt, add):
    matmul(a, b, ab, add)
    matmul_tn(at, b, atb, add)
    matmul_nt(a, bt, abt, add)


@numba().njit(**JIT_OPTIONS)
def with_bias(a, b, bias, out):
    affine(a, b, bias, out)


@numba().njit(**JIT_OPTIONS)
def has_one_thread():
    return called.has_one_thread()


SIZES = [(3, 4, 5), (32, 16, 2), (32, 90, 12), (32, 16, 16), (32, 64, 10), (1000, 20, 17), (1000, 64, 4), (1000, 65, 15), (300, 70, 60), (64, 256, 120)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "k", "m"), SIZES)
def test_products_of_any_size_are_those_of_numpy(n, k, m, dtype):
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 5, shape).astype(dtype) for shape in ((n, k), (k, m)))
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    for add in (False, True):
        found = [rng.integers(-4, 5, (n, m)).astype(dtype) for _ in range(3)]
        expected = [a @ b + (out if add else 0) for out in found]
        products(a, b, found[0], at, found[1], bt, found[2], add)
        for ours, theirs in zip(found, expected):
            np.testing.assert_array_equal(ours, theirs)  # whole numbers: exact in any order
    out = np.full((n, m), 9, dtype)
    for bias in (rng.integers(-4, 5, m).astype(dtype), np.empty(0, dtype)):
        with_bias(a, b, bias, out)
        np.testing.assert_array_equal(out, a @ b + (bias if bias.size else 0))


@pytest.mark.needs_jit
@pytest.mark.skipif(not MASKED or JIT_DISABLED, reason="products are BLAS's here")
def test_code_for_tiles_is_there_once_a_product_has_asked_for_it():
    test_products_of_any_size_are_those_of_numpy(1000, 20, 17, "float32")
    for function, place in ((called.by_steps, 0), (called.turned, 2)):
        assert called._TABLE[place] == function.address(np.float32)


@pytest.mark.needs_jit
def test_compiled_code_knows_whether_the_process_gives_blas_one_thread():
    own = thread_count() == 1
    assert has_one_thread() == own
    with one_thread():
        assert has_one_thread() == own  # one for the time of a walk is not the process's choice
    assert has_one_thread() == own
