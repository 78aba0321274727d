"""Layers that take more than one array, or columns: recurrent cells of one example, lists, functions of (A, W, b)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from answered import classes

from modnet.check import check_module


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


class GRUCell:
    """mytorch: forward(x, h_prev_t) of one example, backward(delta) gives dx and dh_prev_t as rows."""

    def __init__(self, input_size, hidden_size):
        self.input_size, self.hidden_size = input_size, hidden_size
        rng = np.random.default_rng(0)
        for gate in "rzn":
            setattr(self, f"W{gate}x", rng.normal(size=(hidden_size, input_size)))
            setattr(self, f"W{gate}h", rng.normal(size=(hidden_size, hidden_size)))
            setattr(self, f"b{gate}", rng.normal(size=hidden_size))

    def forward(self, x, h_prev_t):
        assert x.shape == (self.input_size,)
        self.x, self.hidden = x, h_prev_t
        self.r = sigmoid(self.Wrx @ x + self.Wrh @ h_prev_t + self.br)
        self.z = sigmoid(self.Wzx @ x + self.Wzh @ h_prev_t + self.bz)
        self.s = self.Wnh @ h_prev_t
        self.n = np.tanh(self.Wnx @ x + self.bn + self.r * self.s)
        return (1 - self.z) * self.n + self.z * h_prev_t

    def backward(self, delta):
        dz = delta * (self.hidden - self.n) * self.z * (1 - self.z)
        dn = delta * (1 - self.z) * (1 - self.n**2)
        dr = dn * self.s * self.r * (1 - self.r)
        for gate, d, inner in (("r", dr, dr), ("z", dz, dz), ("n", dn, dn * self.r)):
            setattr(self, f"dW{gate}x", np.outer(d, self.x))
            setattr(self, f"dW{gate}h", np.outer(inner, self.hidden))
            setattr(self, f"db{gate}", d)
        dx = self.Wrx.T @ dr + self.Wzx.T @ dz + self.Wnx.T @ dn
        dh = self.Wrh.T @ dr + self.Wzh.T @ dz + self.Wnh.T @ (dn * self.r) + self.direct(delta)
        return dx.reshape(1, -1), dh.reshape(1, -1)

    def direct(self, delta):
        return delta * self.z


class WithoutThePast(GRUCell):
    def direct(self, delta):
        return 0


class Concatenate:
    def forward(self, inputs):
        self.width = inputs[0].shape[1]
        return np.concatenate(inputs, axis=1)

    def backward(self, dout):
        return [dout[:, : self.width], dout[:, self.width :]]


class FirstTwice(Concatenate):
    def backward(self, dout):
        return [dout[:, : self.width], dout[:, : self.width]]


@pytest.mark.parametrize(
    ("layer", "kinds"),
    [(GRUCell(3, 2), []), (WithoutThePast(3, 2), ["direction"]), (Concatenate(), []), (FirstTwice(), ["direction"])],
)
def test_each_input_has_its_gradient(layer, kinds):
    report = check_module(layer, (4, 3))
    assert [f.kind for f in report.findings] == kinds, report
    assert "h_prev_t" in str(report) or not isinstance(layer, WithoutThePast)
    assert "inputs[1]" in str(report) or not isinstance(layer, FirstTwice)


class BiasOverOutputs:
    """The bias's gradient is summed over the wrong axis: one number an example."""

    def __init__(self):
        self.weights, self.biases = np.full((1, 3), 0.7), np.zeros((1, 3))

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs * self.weights + self.biases

    def backward(self, dvalues):
        self.dweights = np.sum(dvalues * self.inputs, axis=0, keepdims=True)
        self.dbiases = np.sum(dvalues, axis=1, keepdims=True)
        self.dinputs = dvalues * self.weights


def test_a_gradient_of_another_shape_is_not_taken_for_that_of_another_parameter():
    (finding,) = check_module(BiasOverOutputs(), (4, 3)).findings
    assert finding.kind == "shape"
    assert "(4, 1), expected (1, 3)" in finding.message


GATE = """
import numpy as np

class Gate:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x, self.g = x, 1 / (1 + np.exp(-x @ self.W))
        return self.x * self.g
    def backward(self, dout):
        da = dout * self.x * self.g * (1 - self.g)
        self.dW = self.x.T @ da
        return dout * self.g + da @ self.W.T
"""


def test_a_matrix_that_is_given_may_have_to_be_square(tmp_path):
    path = tmp_path / "gate.py"
    path.write_text(GATE)
    (found,) = classes(path).values()
    assert found["checked"]
    assert found["findings"] == []


COLUMNS = """
import numpy as np

def linear_forward(A, W, b):
    return W @ A + b, (A, W, b)

def linear_backward(dZ, cache):
    A, W, b = cache
    m = A.shape[1]
    return W.T @ dZ, dZ @ A.T / m, dZ.sum(axis=1, keepdims=True) / m

def linear_activation_forward(A_prev, W, b, activation):
    Z, linear_cache = linear_forward(A_prev, W, b)
    return (np.maximum(Z, 0) if activation == "relu" else np.tanh(Z)), (linear_cache, Z)

def linear_activation_backward(dA, cache, activation):
    linear_cache, Z = cache
    dZ = dA * (Z > 0) if activation == "relu" else dA * (1 - np.tanh(Z) ** 2)
    return linear_backward(dZ, linear_cache)
"""


@pytest.mark.parametrize(
    ("right", "wrong", "kinds"),
    [
        ("", "", []),
        ("keepdims=True) / m", "keepdims=True)", ["scale"]),  # the bias alone is no mean
        ("W.T @ dZ,", "W.T @ dZ / m,", ["scale"]),
        ("dA * (Z > 0)", "dA", ["identity", "missing-activation", "direction"]),
    ],
)
def test_examples_may_be_columns(tmp_path, right, wrong, kinds):
    path = tmp_path / "dnn.py"
    path.write_text(COLUMNS.replace(right, wrong, 1) if right else COLUMNS)
    found = classes(path)
    assert set(found) == {"linear_backward", "linear_activation_backward"}
    assert all(c["checked"] for c in found.values())
    said = {f["kind"] for f in found["linear_activation_backward"]["findings"]}
    assert said <= set(kinds), said
    assert bool(said) == bool(kinds)
    if not kinds:
        assert "taken by the layers here" in json.dumps(found["linear_backward"]["notes"])
