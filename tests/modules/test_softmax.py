"""Softmax and LogSoftmax against SciPy, with the whole Jacobian, and at scores of any size."""

import math

import numpy as np
import pytest
from scipy import special

from modnet import LogSoftmax, Softmax


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 3), (3, 1)], ids=str)
def test_softmax_and_its_whole_jacobian(shape, scale):
    rng = np.random.default_rng(3)
    x, delta = scale * rng.normal(size=shape), rng.normal(size=shape)
    p = special.softmax(x, axis=-1)
    np.testing.assert_allclose(Softmax().forward(x), p, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(LogSoftmax().forward(x), special.log_softmax(x, axis=-1), rtol=1e-13, atol=1e-13)
    rows, deltas = p.reshape(-1, shape[-1]), delta.reshape(-1, shape[-1])
    soft = [(np.diag(row) - np.outer(row, row)) @ d for row, d in zip(rows, deltas, strict=True)]
    log = [(np.eye(len(row)) - np.outer(row, np.ones(len(row)))) @ d for row, d in zip(rows, deltas, strict=True)]
    np.testing.assert_allclose(Softmax().backward_delta(x, delta), np.reshape(soft, shape), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(LogSoftmax().backward_delta(x, delta), np.reshape(log, shape), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_and_log_softmax_are_exact_at_ten_thousand(dtype):
    x = np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, -1e4]], dtype)
    np.testing.assert_allclose(Softmax().forward(x), [[0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)
    out = LogSoftmax().forward(x)
    np.testing.assert_allclose(out, [[-math.log(2), -2e4 - math.log(2), -math.log(2)], [-math.log(3)] * 3], rtol=1e-6)
    assert np.isfinite(Softmax().backward_delta(x, np.ones_like(x))).all()
    assert np.isfinite(LogSoftmax().backward_delta(x, np.ones_like(x))).all()
