"""Networks that have their own loss, as other courses and books write them: right ones, and mistakes with their names."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check import check_network
from modnet.check.networks.scored import form_of
from modnet.check.networks.scored_build import examine_network_class
from modnet.check.networks.trainers import examine_trained, trains

X = np.random.default_rng(0).normal(size=(5, 3))
LABELS = np.array([0, 2, 1, 1, 0])


class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Relu:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class SoftmaxWithLoss:
    def forward(self, x, t):
        self.y, self.t = softmax(x), t
        return -np.log((self.y * t).sum(axis=1)).mean()

    def backward(self, dout=1):
        return (self.y - self.t) / len(self.t)


class TwoLayerNet:
    """Deep Learning from Scratch: layers in a dict, loss(x, t), gradient(x, t)."""

    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01, weight_decay_lambda=0):
        self.weight_decay_lambda = weight_decay_lambda
        self.params = {
            "W1": weight_init_std * np.random.randn(input_size, hidden_size),
            "b1": np.zeros(hidden_size),
            "W2": weight_init_std * np.random.randn(hidden_size, output_size),
            "b2": np.zeros(output_size),
        }
        self.layers = {
            "Affine1": Affine(self.params["W1"], self.params["b1"]),
            "Relu1": Relu(),
            "Affine2": Affine(self.params["W2"], self.params["b2"]),
        }
        self.last = SoftmaxWithLoss()

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        decay = sum((self.params[n] ** 2).sum() for n in ("W1", "W2"))
        return self.last.forward(self.predict(x), t) + self.weight_decay_lambda / 2 * decay

    def backwards(self):
        return reversed(list(self.layers.values()))

    def decay(self, name):
        return self.weight_decay_lambda * self.params[name]

    def gradient(self, x, t):
        self.loss(x, t)
        dout = self.last.backward()
        for layer in self.backwards():
            dout = layer.backward(dout)
        one, two = self.layers["Affine1"], self.layers["Affine2"]
        return {"W1": one.dW + self.decay("W1"), "b1": one.db, "W2": two.dW + self.decay("W2"), "b2": two.db}


class NoDecay(TwoLayerNet):
    def decay(self, name):
        return 0


class TwiceDecay(TwoLayerNet):
    def decay(self, name):
        return 2 * self.weight_decay_lambda * self.params[name]


class ReluLeftOut(TwoLayerNet):
    def backwards(self):
        return [layer for layer in super().backwards() if not isinstance(layer, Relu)]


class NotReversed(TwoLayerNet):
    def backwards(self):
        return self.layers.values()


class DividedTwice(TwoLayerNet):
    def gradient(self, x, t):
        return {n: g / len(x) for n, g in super().gradient(x, t).items()}


class NotDivided(TwoLayerNet):
    def gradient(self, x, t):
        return {n: g * len(x) for n, g in super().gradient(x, t).items()}


class NoBias(TwoLayerNet):
    def gradient(self, x, t):
        found = super().gradient(x, t)
        del found["b1"]
        return found


class SoftmaxTwice(TwoLayerNet):
    def predict(self, x):
        return softmax(super().predict(x))

    def gradient(self, x, t):
        self.loss(x, t)
        p = self.last.y
        dout = (p - t) / len(t)
        y = self.predict(x)
        dout = y * (dout - (dout * y).sum(axis=1, keepdims=True))
        for layer in self.backwards():
            dout = layer.backward(dout)
        one, two = self.layers["Affine1"], self.layers["Affine2"]
        return {"W1": one.dW, "b1": one.db, "W2": two.dW, "b2": two.db}


class OtherArrays(TwoLayerNet):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__(input_size, hidden_size, output_size, 0.5)
        self.params = {n: v.copy() for n, v in self.params.items()}


class FullyConnectedNet:
    """CS231n: loss(X, y) gives (loss, grads), loss(X) the scores."""

    def __init__(self, hidden_dims, input_dim=3 * 32 * 32, num_classes=10, reg=0.0, weight_scale=1e-2, dtype=np.float32):
        self.reg = reg
        dims = [input_dim, *hidden_dims, num_classes]
        self.count = len(dims) - 1
        self.params = {f"W{i + 1}": weight_scale * np.random.randn(dims[i], dims[i + 1]) for i in range(self.count)}
        self.params |= {f"b{i + 1}": np.zeros(dims[i + 1]) for i in range(self.count)}
        self.params = {n: v.astype(dtype) for n, v in self.params.items()}

    half = 0.5

    def loss(self, X, y=None):
        ins, out = [], X
        for i in range(1, self.count + 1):
            ins.append(out)
            out = out @ self.params[f"W{i}"] + self.params[f"b{i}"]
            out = np.maximum(out, 0) if i < self.count else out
        if y is None:
            return out
        p, rows = softmax(out), np.arange(len(X))
        loss = -np.log(p[rows, y]).mean()
        d, grads = p.copy(), {}
        d[rows, y] -= 1
        d /= len(X)
        for i in range(self.count, 0, -1):
            W = self.params[f"W{i}"]
            loss += self.half * self.reg * (W * W).sum()
            grads[f"W{i}"], grads[f"b{i}"] = ins[i - 1].T @ d + self.reg * W, d.sum(axis=0)
            d = (d @ W.T) * (ins[i - 1] > 0)
        return loss, grads


class WithoutHalf(FullyConnectedNet):
    half = 1.0


class Linear:
    def __init__(self, n, m):
        self.W, self.b = np.zeros((m, n)), np.zeros((m, 1))

    def forward(self, A):
        self.A = A
        return A @ self.W.T + self.b.T

    def backward(self, dLdZ):
        self.dLdW, self.dLdb = dLdZ.T @ self.A, dLdZ.sum(axis=0).reshape(-1, 1)
        return dLdZ @ self.W


class Curve:
    def forward(self, Z):
        self.A = np.tanh(Z)
        return self.A

    def backward(self):
        return 1 - self.A**2


class MLP:
    """CMU's mytorch: lists of layers and of activations, backward(dLdA) that returns nothing."""

    def __init__(self):
        self.layers, self.f = [Linear(2, 4), Linear(4, 3)], [Curve(), Curve()]

    def forward(self, A):
        for layer, f in zip(self.layers, self.f, strict=True):
            A = f.forward(layer.forward(A))
        return A

    def backward(self, dLdA):
        for layer, f in zip(self.layers[::-1], self.f[::-1], strict=True):
            dLdA = layer.backward(dLdA * f.backward())


class MLPWithoutSlope(MLP):
    def backward(self, dLdA):
        dLdA = self.layers[1].backward(dLdA * self.f[1].backward())
        self.layers[0].backward(dLdA)


class Remembers(TwoLayerNet):
    calls = 0

    def gradient(self, x, t):
        self.calls += 1
        return {n: g if self.calls == 1 else 0.5 * g for n, g in super().gradient(x, t).items()}


class AddsUp(TwoLayerNet):
    def gradient(self, x, t):
        grads = super().gradient(x, t)
        self.sums = {n: g + getattr(self, "sums", {}).get(n, 0) for n, g in grads.items()}
        return dict(self.sums)


class NetOfLists:
    """Deep Learning from Scratch, the second volume: forward(x, t) is the loss, backward() fills a list like params."""

    def __init__(self, input_size, output_size):
        W, V, b = (np.random.randn(input_size, output_size), np.random.randn(output_size, output_size), np.zeros(output_size))
        self.layers = [Affine(W, b), Relu(), Affine(V, np.zeros(output_size))]
        self.params = [W, b, V]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.last = SoftmaxWithLoss()

    def predict(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def forward(self, x, t):
        return self.last.forward(self.predict(x), t)

    def backward(self, dout=1):
        dout = self.last.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        first, _, second = self.layers
        for grad, now in zip(self.grads, self.named(first.dW, first.db, second.dW), strict=True):
            grad[...] = now

    def named(self, dW, db, dV):
        return dW, db, dV


class ListsSwapped(NetOfLists):
    def named(self, dW, db, dV):
        return dV, db, dW


class ListsTransposed(NetOfLists):
    def named(self, dW, db, dV):
        return dW, db, dV.T


class ListsTwice(NetOfLists):
    def named(self, dW, db, dV):
        return dW, 2 * db, dV


class ListsOfZeros(NetOfLists):
    def named(self, dW, db, dV):
        return dW, 0 * db, dV


class ListsNegated(NetOfLists):
    def named(self, dW, db, dV):
        return -dW, -db, -dV


@pytest.mark.parametrize("cls", [TwoLayerNet, FullyConnectedNet, MLP, NetOfLists])
def test_right_networks_of_every_style_are_right(cls):
    report = examine_network_class(cls)
    assert report.ok, report
    assert sum(row[1] == "right" for row in report.verdicts) >= 3


@pytest.mark.parametrize(
    ("cls", "kind", "told"),
    [
        (NoDecay, "regulariser", "lacks a term, -0.3 W1"),
        (TwiceDecay, "regulariser", "a term more, 0.3 W1"),
        (WithoutHalf, "regulariser", "lacks a term"),
        (ReluLeftOut, "missing-parameter", "never calls backward of layer 1 Relu"),
        (NotReversed, "order", "from the last to the first"),
        (DividedTwice, "scale", "divided twice"),
        (NotDivided, "scale", "5, the size of the batch"),
        (NoBias, "missing-parameter", "no gradient for b1"),
        (SoftmaxTwice, "softmax-twice", "softmax"),
        (OtherArrays, "layer-not-trained", "W1"),
        (MLPWithoutSlope, "missing-parameter", "never calls backward"),
        (Remembers, "stateful", "a second forward and backward"),
        (AddsUp, "never-zeroed", "the sum of both"),
        (ListsSwapped, "swapped", "that of params[2]"),
        (ListsTransposed, "transposed", "params[2]"),
        (ListsTwice, "scale", "params[1] is 2 times"),
        (ListsOfZeros, "missing-parameter", "params[1] is zero"),
        (ListsNegated, "sign", "every gradient"),
    ],
)
def test_mistakes_in_networks_are_named(cls, kind, told):
    report = examine_network_class(cls)
    assert kind in {f.kind for f in report.findings}, report
    assert told in " ".join(f.message for f in report.findings), report


def test_a_network_is_checked_at_data_and_left_as_it_is():
    net = NoBias(3, 4, 3)
    before = {n: v.copy() for n, v in net.params.items()}
    report = check_network(net, None, X, np.eye(3)[LABELS])
    assert [f.kind for f in report.findings] == ["missing-parameter"]
    assert all(np.array_equal(v, net.params[n]) for n, v in before.items())
    assert check_network(FullyConnectedNet([4], 3, 3, dtype=np.float64), None, X, LABELS).ok
    assert check_network(MLP(), None, X[:, :2]).ok
    with pytest.raises(TypeError, match="Relu was given no loss"):
        check_network(Relu(), None, X)


def test_a_loss_is_no_network():
    class CrossEntropyLoss:
        def loss(self, x, y): ...
        def gradient(self, x, y): ...
        def forward(self, x, y): ...

    assert form_of(CrossEntropyLoss) == ""
    assert form_of(SoftmaxWithLoss) == ""
    assert [form_of(c) for c in (TwoLayerNet, FullyConnectedNet)] == ["gradient", "both"]


class NeuralNetwork:
    """One that trains itself, as in videos."""

    leave_out_slope = weights_first = bias_forgotten = along = False

    def __init__(self, input_nodes, hidden_nodes, output_nodes, learning_rate=0.1):
        self.W1, self.b1 = np.random.randn(input_nodes, hidden_nodes), np.zeros((1, hidden_nodes))
        self.W2, self.b2 = np.random.randn(hidden_nodes, output_nodes), np.zeros((1, output_nodes))
        self.lr = learning_rate

    def forward(self, X):
        self.a1 = 1 / (1 + np.exp(-(X @ self.W1 + self.b1)))
        self.a2 = 1 / (1 + np.exp(-(self.a1 @ self.W2 + self.b2)))
        return self.a2

    def train(self, X, y, epochs):
        for _ in range(epochs):
            out = self.forward(X)
            d2 = (out - y) * out * (1 - out)
            W2 = self.W2.copy()
            self.W2 -= self.lr * self.a1.T @ d2
            d1 = d2 @ (self.W2 if self.weights_first else W2).T * (1 if self.leave_out_slope else self.a1 * (1 - self.a1))
            self.b2 -= self.lr * d2.sum(axis=0, keepdims=True)
            self.W1 -= (-1 if self.along else 1) * self.lr * X.T @ d1
            self.b1 -= 0 if self.bias_forgotten else self.lr * d1.sum(axis=0, keepdims=True)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("", None),
        ("leave_out_slope", "missing-factor"),
        ("weights_first", "updates-first"),
        ("bias_forgotten", "layer-not-trained"),
        ("along", "sign"),
    ],
)
def test_a_network_that_trains_itself_is_judged_by_what_one_step_moves(wrong, kind):
    assert trains(NeuralNetwork)
    report = examine_trained(type("NeuralNetwork", (NeuralNetwork,), {wrong: True} if wrong else {}))
    assert [f.kind for f in report.findings] == ([kind] if kind else []), report
    assert "squared error" in report.subject
