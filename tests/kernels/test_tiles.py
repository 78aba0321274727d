"""Products through lists: the compiled tiles against numpy, for every size around the edges of a tile."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from modnet.kernels.compiled import JIT_OPTIONS
from modnet.kernels.jit import numba
from modnet.kernels.tiles import ROWS, plain_product, product, product_by_steps, product_nt


@numba().njit(**JIT_OPTIONS)
def compiled_product(a, a_at, rows, columns, b, b_at, out, out_at, m, add):
    product(a, a_at, rows, columns, b, b_at, out, out_at, m, add)


@given(
    n=st.integers(1, 3 * ROWS), k=st.one_of(st.integers(1, 40), st.integers(250, 600)), m=st.integers(1, 70),
    add=st.booleans(), single=st.booleans(), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_product_through_lists_is_that_of_the_matrix_they_list(n, k, m, add, single, seed):
    rng = np.random.default_rng(seed)
    dtype = np.float32 if single else np.float64
    a, b = (rng.integers(-4, 5, size).astype(dtype) for size in ((2, 500), (1, 3 + k * m)))
    rows, columns = rng.integers(0, 400, n), rng.integers(0, 500, k)
    out = rng.integers(-4, 5, n * m + 9).astype(dtype)
    expected = out.astype(np.float64)
    plain_product(a.astype(np.float64), 100, rows, columns, b.astype(np.float64), 3, expected, 5, m, add)
    compiled_product(a, 100, rows, columns, b, 3, out, 5, m, add)
    # Whole numbers: exact in any order. What stands before and behind the result is compared too.
    np.testing.assert_array_equal(out, expected)


def test_the_plain_product_is_a_product():
    a, b = np.arange(12.0).reshape(3, 4), np.arange(20.0).reshape(4, 5)
    out = np.ones((3, 5))
    plain_product(a, 0, np.arange(3) * 4, np.arange(4), b, 0, out, 0, 5, True)
    np.testing.assert_array_equal(out, 1 + a @ b)


@numba().njit(**JIT_OPTIONS)
def compiled_product_nt(a, b, out, add):
    product_nt(a, b, out, add)


@given(
    n=st.integers(1, 3 * ROWS), k=st.one_of(st.integers(1, 40), st.integers(250, 600)), m=st.integers(1, 100),
    add=st.booleans(), single=st.booleans(), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_product_by_a_matrix_turned_over_writes_its_result_and_nothing_else(n, k, m, add, single, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-4, 5, (rows, k)).astype(np.float32 if single else np.float64) for rows in (n, m))
    around = rng.integers(-4, 5, n * m + 64).astype(a.dtype)
    expected = around.copy()
    expected[:n * m] = (a @ b.T + (expected[:n * m].reshape(n, m) if add else 0)).reshape(-1)
    compiled_product_nt(a, b, around[:n * m].reshape(n, m), add)
    np.testing.assert_array_equal(around, expected)  # whole numbers: exact in any order


@numba().njit(**JIT_OPTIONS)
def compiled_product_by_steps(a, row_step, column_step, n, k, b, m, out, add):
    product_by_steps(a, row_step, column_step, n, k, b, m, out, add)


@given(
    n=st.integers(1, 3 * ROWS), k=st.one_of(st.integers(1, 40), st.integers(250, 600)), m=st.integers(1, 100),
    add=st.booleans(), single=st.booleans(), transposed=st.booleans(), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_a_product_by_steps_takes_a_matrix_as_it_lies_or_transposed(n, k, m, add, single, transposed, seed):
    rng = np.random.default_rng(seed)
    dtype = np.float32 if single else np.float64
    a, b = (rng.integers(-4, 5, shape).astype(dtype) for shape in ((n, k), (k, m)))
    around = rng.integers(-4, 5, n * m + 64).astype(dtype)
    expected = around.copy()
    expected[:n * m] = (a @ b + (expected[:n * m].reshape(n, m) if add else 0)).reshape(-1)
    left = np.ascontiguousarray(a.T if transposed else a).reshape(-1)
    steps = (1, n) if transposed else (k, 1)
    compiled_product_by_steps(left, *steps, n, k, b.reshape(-1), m, around, add)
    np.testing.assert_array_equal(around, expected)  # whole numbers: exact in any order
