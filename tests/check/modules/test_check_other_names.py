"""Layers whose methods have other names, functions as activations, several inputs, and what layers do in evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from answered import classes

from modnet.check import check_module
from modnet.check.modules.other_styles import examine_other


def bend(z):
    return 1 - np.tanh(z) ** 2


class Called:
    def __call__(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dvalues):
        return dvalues * (1 - self.out**2)


class Alone(Called):
    """The derivative without an argument."""

    forward = Called.__call__
    backward = None

    def derivative(self):
        return 1 - self.out**2


class AtInput:
    def compute(self, value):
        return np.tanh(value)

    def gradients(self, value):
        return bend(value)


class AtOutput(AtInput):
    def gradients(self, value):
        return 1 - value**2


class AtInputWrong(AtInput):
    def gradients(self, value):
        return np.tanh(value)


class Jacobians:
    """Softmax, whose derivative is a matrix for each example."""

    def activate(self, z):
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def prime(self, z):
        s = self.activate(z)
        return np.einsum("bi,ij->bij", s, np.eye(z.shape[1])) - np.einsum("bi,bj->bij", s, s)


class Capitals:
    """Attributes in another case."""

    def __init__(self, n, m):
        self.weights = np.random.default_rng(1).normal(size=(n, m))

    def forward(self, inputs, training):
        self.inputs, self.Output = inputs, inputs @ self.weights

    def backward(self, dValues):
        self.dWeights, self.dInputs = self.inputs.T @ dValues, dValues @ self.weights.T


class Product:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x


class ProductTwice(Product):
    def backward(self, dout):
        return dout * self.y, dout * self.y


class Cell:
    """A recurrent cell: what its backward needs comes as arguments."""

    def __init__(self, input_size, hidden_size):
        rng = np.random.default_rng(2)
        self.hidden_size = hidden_size
        self.W_ih, self.W_hh = rng.normal(size=(hidden_size, input_size)), rng.normal(size=(hidden_size, hidden_size))
        self.dW_ih, self.dW_hh = np.zeros(self.W_ih.shape), np.zeros(self.W_hh.shape)

    def forward(self, x, h):
        return np.tanh(x @ self.W_ih.T + h @ self.W_hh.T)

    def backward(self, delta, h, h_prev_l, h_prev_t):
        dz = delta * (1 - h**2)
        self.dW_ih += dz.T @ h_prev_l
        self.dW_hh += dz.T @ h_prev_t
        return dz @ self.W_ih, dz @ self.W_hh


class CellSwapped(Cell):
    def backward(self, delta, h, h_prev_l, h_prev_t):
        dx, dh = super().backward(delta, h, h_prev_l, h_prev_t)
        return dx, -dh


@pytest.mark.parametrize(
    "layer",
    [Called(), Alone(), AtInput(), AtOutput(), Jacobians(), Capitals(3, 2), Product(), Cell(3, 2)],
    ids=lambda layer: type(layer).__name__,
)
def test_right_layers_by_any_names_are_right(layer):
    report = check_module(layer, (4, 3))
    assert report.ok, report
    assert any(row.endswith("the input's gradient") and word == "right" for row, word, _ in report.verdicts), report


@pytest.mark.parametrize(
    ("layer", "word"),
    [(AtInputWrong(), "gradients"), (ProductTwice(), "gradient of y"), (CellSwapped(3, 2), "gradient of h")],
    ids=lambda value: type(value).__name__,
)
def test_wrong_layers_by_any_names_are_wrong(layer, word):
    report = check_module(layer, (4, 3))
    assert report.findings
    assert word in " ".join(str(report).split())


FILE = """
import numpy as np

def relu(z):
    return np.maximum(0, z)

def relu_prime(z):
    return (z > 0) * 1.0

def sigmoid(Z):
    return 1 / (1 + np.exp(-np.clip(Z, -500, 500)))

def d_sigmoid(a):
    return a * (1 - a)

def tanh(x, deriv=False):
    y = np.tanh(x)
    if deriv is True:
        return 1 + y ** 2
    return y

def leaky(x, alpha=0.1, deriv=False):
    x = np.array(x, dtype=float)
    if not deriv:
        return np.maximum(alpha * x, x)
    x[x <= 0] = alpha
    x[x > 0] = 1
    return x

def swish(x):
    return x * sigmoid(x)

def swish_grad(dout, x):
    return dout * sigmoid(x) * (1 - x * (1 - sigmoid(x)))

class Gate:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x + y

    def backward(self, dout):
        return dout, dout
"""


def test_functions_of_a_file_are_paired_by_their_names(tmp_path):
    path = tmp_path / "activations.py"
    path.write_text(FILE)
    found = classes(path)
    assert set(found) == {"relu_prime", "d_sigmoid", "tanh", "leaky", "swish_grad", "Gate"}
    assert all(c["checked"] for c in found.values())
    wrong = {name: [(f["kind"], f["where"]) for f in c["findings"]] for name, c in found.items() if c["findings"]}
    assert wrong == {
        "leaky": [("identity", "leaky(deriv=True)")],
        "swish_grad": [("sign", "swish_grad")],
        "tanh": [("sign", "tanh(deriv=True)")],
    }
    assert found["tanh"]["findings"][0]["line"] == "line 19: return 1 + y ** 2"  # the return under the flag


# --- evaluation ------------------------------------------------------------------------------------------------------


class Drop:
    def __init__(self, ratio=0.5):
        self.ratio = ratio

    def forward(self, x, train_flg=True):
        if not train_flg:
            return x
        self.mask = (np.random.rand(*x.shape) > self.ratio) / (1 - self.ratio)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class DropAlways(Drop):
    def forward(self, x, train_flg=True):
        return super().forward(x)


class DropUnscaled(Drop):
    def forward(self, x, train_flg=True):
        if not train_flg:
            return x
        self.mask = np.random.rand(*x.shape) > self.ratio
        return x * self.mask


class Norm:
    """Told by an attribute."""

    def __init__(self, features):
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.running_mean, self.running_var, self.training = np.zeros(features), np.ones(features), True

    def statistics(self, x):
        if not self.training:
            return self.running_mean, self.running_var
        mean, var = x.mean(axis=0), x.var(axis=0)
        self.gather(mean, var)
        return mean, var

    def gather(self, mean, var):
        self.running_mean = 0.9 * self.running_mean + 0.1 * mean
        self.running_var = 0.9 * self.running_var + 0.1 * var

    def forward(self, x):
        mean, var = self.statistics(x)
        self.std = np.sqrt(var + 1e-7)
        self.xn = (x - mean) / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.xn).sum(axis=0), dout.sum(axis=0)
        d = dout * self.gamma
        return (d - d.mean(axis=0) - self.xn * (d * self.xn).mean(axis=0)) / self.std


class NormByItsBatch(Norm):
    def statistics(self, x):
        super().statistics(x)
        return x.mean(axis=0), x.var(axis=0)


class NormGathers(Norm):
    def statistics(self, x):
        found = super().statistics(x)
        self.gather(x.mean(axis=0), x.var(axis=0))
        return found


class NormByDeviation(Norm):
    def gather(self, mean, var):
        super().gather(mean, np.sqrt(var))


@pytest.mark.parametrize(
    ("cls", "words"),
    [
        (Drop, ""),
        (DropAlways, "draws as in training"),
        (DropUnscaled, "0.5"),
        (Norm, ""),
        (NormByItsBatch, "its own batch"),
        (NormGathers, "running_mean"),
        (NormByDeviation, "something else"),
    ],
)
def test_layers_are_asked_in_evaluation(cls, words):
    report = examine_other(cls)
    assert [f.kind for f in report.findings] == (["eval-mode"] if words else []), report
    assert words in " ".join(str(report).split())
    assert any(row == "forward, in evaluation" for row, _, _ in report.verdicts)


# --- inside the derivative of an elementwise function ----------------------------------------------------------------


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _elu(x):
    return np.where(x > 0, x, 1.3 * (np.exp(x) - 1))


@pytest.mark.parametrize(
    ("f", "wrong", "kind", "words"),
    [
        (np.tanh, lambda x: 1 + np.tanh(x) ** 2, "sign", "the sign of f(x)^2"),
        (_sigmoid, lambda x: _sigmoid(x) * (1 + _sigmoid(x)), "sign", "the sign of f(x)^2"),
        (_sigmoid, _sigmoid, "missing-factor", "left out"),
        (np.tanh, lambda x: 1 - np.tanh(x), "missing-factor", "f(x) stands where f(x)^2 belongs"),
        (np.tanh, lambda x: (1 - np.tanh(x)) ** 2, "missing-factor", "(1 - f(x))^2 stands"),
        (_sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x) ** 2), "missing-factor", "f(x)^3 stands"),
        (_sigmoid, lambda x: _sigmoid(x) ** 2 * (1 - _sigmoid(x)), "missing-factor", "once too often"),
        (_sigmoid, lambda x: np.exp(x) / (1 + np.exp(-x)) ** 2, "sign", "exponent"),
        (_elu, lambda x: np.where(x > 0, 1, _elu(x) - 1.3), "sign", "for negative inputs"),
        (_elu, lambda x: np.where(x > 0, 1, 1.3 * np.exp(-x)), "sign", "exponent"),
        (_elu, lambda x: np.where(x > 0, 1, -1.3 * np.exp(x)), "sign", "for negative inputs"),
        (lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) - x * _sigmoid(x) * (1 - _sigmoid(x)), "sign", "the sign of"),
        (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 - abs(x)) ** 2, "sign", "below the fraction line"),
        (np.arctan, lambda x: 1 / (1 - x**2), "sign", "below the fraction line"),
        (lambda x: np.maximum(x, 0), lambda x: 1.0 * (x < 0), "sign", "minus the input"),
        (np.tanh, lambda x: np.cos(x), "direction", "in none of the known ways"),
    ],
)
def test_a_mistake_inside_an_elementwise_derivative_is_named(f, wrong, kind, words):
    class Bent:
        def forward(self, X):
            return f(X)

        def backward_delta(self, input, delta):
            return delta * wrong(input)

    findings = [x for x in check_module(Bent(), (4, 3)).findings if x.where.endswith("backward_delta")]
    assert [x.kind for x in findings] == [kind]
    assert words in findings[0].message
