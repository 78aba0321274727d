"""Registers as values: what is loaded and stored, lane by lane."""

import numpy as np
import pytest

from modnet.kernels import simd
from modnet.kernels.compiled import JIT_OPTIONS
from modnet.kernels.jit import numba


@pytest.mark.needs_jit
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "in pieces"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_first_lanes_are_loaded_and_stored_and_nothing_else(masked, dtype, monkeypatch):
    monkeypatch.setattr(simd, "WIDE", masked)
    monkeypatch.setattr(simd, "MASKED", masked)

    @numba().njit(**JIT_OPTIONS)
    def write(source, target, loaded, count):
        simd.store(simd.load(source, 0, simd.first(source, loaded)), target, 1, simd.first(source, count))

    lanes = simd.VECTOR_BYTES // np.dtype(dtype).itemsize
    source = np.arange(1, lanes + 1, dtype=dtype)
    for loaded, count in [(n, n) for n in range(lanes + 2)] + [(n, lanes) for n in range(lanes)]:
        target = np.zeros(lanes + 2, dtype)
        write(source, target, loaded, count)
        expected = np.zeros(lanes + 2, dtype)
        expected[1 : 1 + min(loaded, lanes)] = source[:loaded]
        np.testing.assert_array_equal(target, expected)
