"""Networks that move nothing: their loss is a method's, and gradients stay beside the parameters or are returned."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from modnet.check.handins.classes import kind_of
from modnet.check.networks.parts import Parts
from modnet.check.networks.scored import form_of
from modnet.check.networks.scored_build import examine_network_class
from modnet.check.networks.trainers import examine_trained, trains
from modnet.check.networks.wiring import backward


def _kinds(report):
    return {f.kind for f in report.findings}


class Param:
    def __init__(self, value):
        self.value, self.grad = value, np.zeros_like(value)


class FullyConnected:
    def __init__(self, n, m):
        self.W, self.B = Param(0.01 * np.random.randn(n, m)), Param(np.zeros((1, m)))

    def forward(self, X):
        self.X = X
        return X @ self.W.value + self.B.value

    def backward(self, d):
        self.W.grad += self.X.T @ d
        self.B.grad += d.sum(axis=0, keepdims=True)
        return d @ self.W.value.T


class TwoLayerNet:
    """Gradients are beside the values; the loss is the method's."""

    wrong = ""

    def __init__(self, n_input, n_output, hidden_layer_size, reg):
        self.reg = reg
        self.first, self.second = FullyConnected(n_input, hidden_layer_size), FullyConnected(hidden_layer_size, n_output)

    def params(self):
        return {"W1": self.first.W, "B1": self.first.B, "W2": self.second.W, "B2": self.second.B}

    def compute_loss_and_gradients(self, X, y):
        for p in self.params().values() if self.wrong != "added" else ():
            p.grad = np.zeros_like(p.value)
        hidden = self.first.forward(X)
        scores = self.second.forward(np.maximum(hidden, 0))
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        d = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(d[np.arange(len(y)), y]).mean()
        d[np.arange(len(y)), y] -= 1
        d = self.second.backward(d / len(y))
        self.first.backward(d if self.wrong == "bend" else d * (hidden > 0))
        for p in self.params().values():
            loss += self.reg * (p.value**2).sum()
            p.grad += (1 if self.wrong == "reg" else 2) * self.reg * p.value
        return loss

    def predict(self, X):
        return self.second.forward(np.maximum(self.first.forward(X), 0)).argmax(axis=1)


class Softmax:
    """forward(X, y) gives (loss, accuracy), and puts gradients into a dict."""

    wrong = ""

    def __init__(self, input_size=784, num_classes=10):
        self.weights = {"W1": 0.01 * np.random.randn(input_size, num_classes), "b1": np.zeros(num_classes)}
        self.gradients = {n: np.zeros_like(a) for n, a in self.weights.items()}

    def forward(self, X, y, mode="train"):
        e = np.exp(X @ self.weights["W1"] + self.weights["b1"])
        p = e / e.sum(axis=1, keepdims=True)
        loss, accuracy = -np.log(p[np.arange(len(y)), y]).mean(), (p.argmax(axis=1) == y).mean()
        if mode == "train":
            d = p.copy()
            d[np.arange(len(y)), y] -= 1
            d = d if self.wrong == "sum" else d / len(y)
            self.gradients["W1"] = X.T @ d + (self.gradients["W1"] if self.wrong == "added" else 0)
            self.gradients["b1"] = d.sum(axis=0)
        return loss, accuracy


@pytest.mark.parametrize(
    ("cls", "wrong", "kinds"),
    [
        (TwoLayerNet, "", set()),
        (TwoLayerNet, "added", {"never-zeroed"}),
        (TwoLayerNet, "reg", {"regulariser"}),
        (TwoLayerNet, "bend", {"missing-factor"}),
        (Softmax, "", set()),
        (Softmax, "added", {"never-zeroed"}),
        (Softmax, "sum", {"scale"}),
    ],
)
def test_gradients_that_stay_beside_the_parameters_are_those_of_the_loss(cls, wrong, kinds, monkeypatch):
    monkeypatch.setattr(cls, "wrong", wrong)
    assert form_of(cls) == "kept"
    assert kind_of(cls) == "network"
    report = examine_network_class(cls)
    assert _kinds(report) == kinds
    assert any(word != "not checked" for _, word, _ in report.verdicts)


class MLP:
    """backward returns two lists; the widths between are a list."""

    wrong = ""

    def __init__(self, dim_in, hidden_units, dim_out):
        dims = [dim_in] + hidden_units + [dim_out]  # noqa: RUF005
        self.ws = [np.random.randn(n, m) / np.sqrt(n) for n, m in pairwise(dims)]
        self.bs = [np.zeros(m) for m in dims[1:]]

    def forward(self, x):
        self.zs, self.hs = [], [x]
        for w, b in zip(self.ws, self.bs, strict=True):
            self.zs.append(self.hs[-1] @ w + b)
            self.hs.append(np.maximum(self.zs[-1], 0))
        e = np.exp(self.zs[-1])
        return e / e.sum(axis=1, keepdims=True)

    def backward(self, y_hat, y):
        dws, dbs, delta = [], [], y_hat.copy()
        delta[np.arange(len(y)), y] -= 1
        for t in range(len(self.ws) - 1, -1, -1):
            dws.append(self.hs[t].T @ delta / len(y))
            dbs.append(delta.mean(axis=0))
            if t:
                delta = delta @ self.ws[t].T * (1 if self.wrong else self.zs[t - 1] > 0)
        return dws[::-1], dbs[::-1]


class MultiLayerNetwork:
    """Layers by their widths and the words for their activations; each keeps its gradients under a name of its own."""

    wrong = ""

    def __init__(self, input_dim, neurons, activations):
        self.layers = []
        for n, m, word in zip([input_dim, *neurons], neurons, activations, strict=False):
            layer = {"weight": np.random.randn(n, m) * 0.1, "bias": np.zeros(m)}
            self.layers.append({"params": layer, "grads": {}, "bend": word == "sigmoid"})
            if word not in ("sigmoid", "identity"):
                raise ValueError(word)

    def forward(self, x):
        for layer in self.layers:
            layer["x"] = x
            x = x @ layer["params"]["weight"] + layer["params"]["bias"]
            layer["out"] = x = 1 / (1 + np.exp(-x)) if layer["bend"] else x
        return x

    def backward(self, dout):
        for layer in self.layers[::-1]:
            if layer["bend"]:
                dout = dout * layer["out"] * (1 if self.wrong else 1 - layer["out"])
            layer["grads"] = {"weight": layer["x"].T @ dout, "bias": dout.sum(axis=0)}
            dout = dout @ layer["params"]["weight"].T


@pytest.mark.parametrize("cls", [MLP, MultiLayerNetwork])
@pytest.mark.parametrize("wrong", ["", "bend"])
def test_gradients_that_are_returned_or_left_take_a_step(cls, wrong, monkeypatch):
    monkeypatch.setattr(cls, "wrong", wrong)
    assert trains(cls)
    report = examine_trained(cls)
    assert _kinds(report) == ({"missing-factor"} if wrong else set())
    assert len(report.verdicts) >= 4


def test_without_a_gradient_for_every_parameter_no_step_is_taken():
    class Half(MultiLayerNetwork):
        def backward(self, dout):
            super().backward(dout)
            del self.layers[0]["grads"]

    with pytest.raises(Exception, match="could not be asked"):
        examine_trained(Half)


class Dense:
    """It moves itself on its way back."""

    def __init__(self, n_in, n_out, lr=0.01):
        self.W, self.b, self.lr = np.random.randn(n_in, n_out) * 0.1, np.zeros(n_out), lr

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        dx = dout @ self.W.T
        self.W -= self.lr * self.x.T @ dout
        self.b -= self.lr * dout.sum(axis=0)
        return dx


class MSE:
    def forward(self, y_pred, y):
        return ((y_pred - y) ** 2).mean()

    def backward(self, y_pred, y):
        return 2 * (y_pred - y) / y.size


class Blocks:
    """What it is made of is to be seen in its lines alone, and so is the number of epochs."""

    wrong = False

    def __init__(self, blocks, criterion):
        self.blocks = blocks
        self.criterion = criterion

    def forward(self, x):
        for block in self.blocks:
            x = block.forward(x)
        return x

    def fit(self, X, y, n):
        for _ in range(n):
            out = self.forward(X)
            d = self.criterion.backward(y, out) if self.wrong else self.criterion.backward(out, y)
            for block in self.blocks[::-1]:
                d = block.backward(d)


@pytest.mark.parametrize("wrong", [False, True])
def test_layers_are_given_to_the_argument_that_is_gone_through(wrong, monkeypatch):
    monkeypatch.setattr(Blocks, "wrong", wrong)
    report = examine_trained(Blocks, parts=Parts([Dense], [MSE]))
    assert _kinds(report) == ({"sign"} if wrong else set())


def test_whoever_goes_forward_again_is_given_the_input_and_the_truth():
    given = []

    class Net:
        def forward(self, X):
            return [X, X + 1]

        def backward(self, x, yhat, loss, eps=1e-3):
            given.extend([x, yhat, self.forward(x)[-1]])

    x, y = np.ones((2, 3)), np.zeros((2, 3))
    backward(Net(), x, y, [x, x + 1], y, MSE())
    assert np.array_equal(given[0], x)
    assert np.array_equal(given[1], y)
