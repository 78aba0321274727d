"""Linear against the sums written as loops, and how its parameters are drawn."""

import math

import numpy as np
import pytest
from module_cases import case, gradient

from modnet import Linear


def naive_linear(x, W, b):
    rows = x.reshape(-1, W.shape[0])
    out = np.zeros((len(rows), W.shape[1]))
    for i in range(len(rows)):
        for j in range(W.shape[1]):
            out[i, j] = b[j] + math.fsum(rows[i, q] * W[q, j] for q in range(W.shape[0]))
    return out.reshape(*x.shape[:-1], W.shape[1])


@pytest.mark.parametrize("index", range(len(Linear.examples())))
def test_linear_is_the_weighted_sum_written_as_loops(index):
    module, x, delta = case(Linear, index)
    b = np.zeros(module.out_features) if module.bias is None else module.bias
    np.testing.assert_allclose(module.forward(x), naive_linear(x, module.weight, b), rtol=1e-12, atol=1e-14)
    rows, deltas = x.reshape(-1, module.in_features), delta.reshape(-1, module.out_features)
    dW = sum(np.outer(row, d) for row, d in zip(rows, deltas, strict=True))
    gradient(module, x, delta)
    np.testing.assert_allclose(module.weight_gradient, dW, rtol=1e-11, atol=1e-13)
    if module.bias is not None:
        np.testing.assert_allclose(module.bias_gradient, deltas.sum(axis=0), rtol=1e-12, atol=1e-13)
    dx = naive_linear(delta, module.weight.T, np.zeros(module.in_features))
    np.testing.assert_allclose(module.backward_delta(x, delta), dx, rtol=1e-11, atol=1e-13)


def test_linear_is_drawn_evenly_within_one_over_the_root_of_its_inputs():
    layer = Linear(25, 400, rng=0)
    assert np.abs(layer.parameters).max() <= 1 / 5
    assert np.abs(layer.weight).max() > 0.199
    assert abs(layer.weight.mean()) < 0.005
    assert layer.bias.std() == pytest.approx(0.2 / math.sqrt(3), rel=0.1)
    np.testing.assert_array_equal(layer.weight, Linear(25, 400, rng=np.random.default_rng(0)).weight)
    assert not np.array_equal(layer.weight, Linear(25, 400, rng=1).weight)


def test_linear_without_a_bias_has_none():
    layer = Linear(2, 3, bias=False, rng=0)
    assert layer.bias is None
    assert layer.bias_gradient is None
    assert list(layer.named_parameters()) == ["weight"]
    assert layer.parameters.size == 6
