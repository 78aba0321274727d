"""Registers as values: what is stored, lane by lane."""

import numpy as np
import pytest

from modnet.kernels import simd
from modnet.kernels.compiled import JIT_OPTIONS
from modnet.kernels.jit import numba


@pytest.mark.needs_jit
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "in pieces"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_first_lanes_are_stored_and_nothing_else(masked, dtype, monkeypatch):
    monkeypatch.setattr(simd, "WIDE", masked)

    @numba().njit(**JIT_OPTIONS)
    def write(source, target, count):
        here = simd.first(source, count)
        simd.store(simd.load(source, 0, here), target, 1, here)

    lanes = simd.VECTOR_BYTES // np.dtype(dtype).itemsize
    source = np.arange(1, lanes + 1, dtype=dtype)
    for count in range(lanes + 2):
        target = np.zeros(lanes + 2, dtype)
        write(source, target, count)
        expected = np.zeros(lanes + 2, dtype)
        expected[1 : 1 + min(count, lanes)] = source[:count]
        np.testing.assert_array_equal(target, expected)
