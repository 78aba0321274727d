"""Products by tiles: the compiled ones against numpy, for every size around the edges of a tile."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modnet.kernels.called import by_steps, turned
from modnet.kernels.compiled import JIT_OPTIONS
from modnet.kernels.jit import numba
from modnet.kernels.tiles import ROWS, plain_product, product

SIZES = {
    "n": st.integers(1, 3 * ROWS), "k": st.one_of(st.integers(1, 40), st.integers(250, 600)), "m": st.integers(1, 100),
    "begins": st.sampled_from(["nothing", "bias", "out"]), "single": st.booleans(), "seed": st.integers(0, 2**32 - 1),
}  # fmt: skip


@numba().njit(**JIT_OPTIONS)
def compiled_product(a, a_at, rows, columns, b, b_at, out, out_at, m, start, start_at, start_step):
    product(a, a_at, rows, columns, b, b_at, out, out_at, m, start, start_at, start_step)


@given(**SIZES)
@settings(max_examples=60, deadline=None)
def test_a_product_through_lists_is_that_of_the_matrix_they_list(n, k, m, begins, single, seed):
    rng = np.random.default_rng(seed)
    dtype = np.float32 if single else np.float64
    a, b = (rng.integers(-4, 5, size).astype(dtype) for size in ((2, 500), 3 + k * m))
    rows, columns = rng.integers(0, 400, n), rng.integers(0, 500, k)
    out = rng.integers(-4, 5, n * m + 9).astype(dtype)
    start, at, step = {"nothing": (out[:0], 0, 0), "bias": (b[:m + 1].copy(), 1, 0), "out": (out, 5, m)}[begins]
    expected = out.copy()
    result = a.reshape(-1)[100 + rows[:, None] + columns] @ b[3:].reshape(k, m)
    if begins != "nothing":
        result += b[1:m + 1] if begins == "bias" else out[5:5 + n * m].reshape(n, m)
    expected[5:5 + n * m] = result.reshape(-1)
    for multiply in (compiled_product, plain_product):
        found = out.copy()
        first = found if begins == "out" else start
        multiply(a, 100, rows, columns, b, 3, found, 5, m, first, at, step)
        # Whole numbers: exact in any order. What stands before and behind the result is compared too.
        np.testing.assert_array_equal(found, expected)


@pytest.mark.needs_jit
@given(**SIZES, form=st.sampled_from(["as it lies", "a transposed", "b transposed"]))
@settings(max_examples=120, deadline=None)
def test_a_product_that_is_called_writes_its_result_and_nothing_else(n, k, m, begins, single, seed, form):
    rng = np.random.default_rng(seed)
    dtype = np.float32 if single else np.float64
    a, b = (rng.integers(-4, 5, shape).astype(dtype) for shape in ((n, k), (k, m)))
    around, bias = (rng.integers(-4, 5, size).astype(dtype) for size in (n * m + 64, m))
    expected = around.copy()
    added = {"nothing": 0, "bias": bias, "out": around[:n * m].reshape(n, m)}[begins]
    expected[:n * m] = (a @ b + added).reshape(-1)
    start, step = {"nothing": (0, 0), "bias": (bias.ctypes.data, 0), "out": (around.ctypes.data, m)}[begins]
    left, steps = (np.ascontiguousarray(a.T), (1, n)) if form == "a transposed" else (a, (k, 1))
    right, b_step, multiply = (np.ascontiguousarray(b.T), k, turned) if form == "b transposed" else (b, m, by_steps)
    multiply(
        left.ctypes.data, *steps, n, k, right.ctypes.data, b_step, m, around.ctypes.data, m, start, step, around[:0]
    )  # fmt: skip
    np.testing.assert_array_equal(around, expected)  # whole numbers: exact in any order
