"""check_training: the change it names is code that does what was measured; what a loop keeps, and what augment does, is seen."""

import copy

import numpy as np
import pytest

import modnet
from modnet import Conv2D, CrossEntropy, Dropout, Flatten, Linear, Poisson, ReLU, Sequential, Sigmoid, Softmax, Tanh
from modnet.check import check_training
from modnet.check.networks.steps import Steps
from modnet.check.training import edit
from modnet.check.training.byhand import translated
from modnet.check.training.code import difference, renamed
from modnet.check.training.knobs import knobs
from modnet.optim import SGD, Adam

RNG = np.random.default_rng(0)


def pasted(lines, net):
    """The network after some lines of code."""
    names = {**vars(modnet), "np": np, "net": copy.deepcopy(net)}
    exec(lines, names)
    return names["net"]


def deep():
    picture = Conv2D(3, 1, 4, rng=0), ReLU(), Flatten(), Linear(144, 8, bias=False, rng=1), Tanh()
    return Sequential(*picture, Dropout(0.8, rng=1), Linear(8, 1, rng=2), Sigmoid())


def less_dropout(net):
    net[5].p = 0.1


CHANGES = {
    "the end taken away": (edit.drop_end, "net.pop()"),
    "another end": (lambda net: edit.put_end(net, Softmax()), "net[7] = Softmax()"),
    "a setting": (less_dropout, "net[5].p = 0.1"),
    "a bias": (edit.add_biases, "net[3] = Linear(144, 8)"),
    "other outputs": (lambda net: edit.outputs_to(net, 10), "net.pop(); net[6] = Linear(8, 10)"),
    "weights drawn anew": (
        lambda net: edit.redraw(net, [0], np.random.default_rng(0)), 'net[0] = Conv2D(3, 1, 4, init="he_uniform")',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_lines_make_the_network_that_was_measured(name):
    change, expected = CHANGES[name]
    net = deep()
    before, wanted = str(net), edit.edited(net, change)
    lines = difference(net, wanted)
    assert lines == expected
    assert str(pasted(lines, net)) == str(wanted)
    assert str(net) == before


def test_layers_that_fit_only_together_are_said_as_a_whole_network():
    net = Sequential(Linear(2, 1, rng=0), Tanh(), Linear(1, 2, rng=1))
    lines = difference(net, edit.edited(net, lambda net: edit.widen(net, 16)))
    assert lines == "net = Sequential(Linear(2, 16), Tanh(), Linear(16, 2))"
    alone = Linear(2, 2, rng=0)
    lines = difference(alone, edit.edited(alone, lambda net: edit.widen(net, 16)))
    assert pasted(lines, alone).forward(np.ones((3, 2))).shape == (3, 2)


class Layer:
    def __init__(self, W):
        self.held = {"W": W, "b": np.zeros(W.shape[1])}
        self._parameters = self.held

    def forward(self, x):
        return x @ self._parameters["W"] + self._parameters["b"]

    def zero_grad(self):
        self.grad = {key: np.zeros_like(value) for key, value in self.held.items()}

    def backward_update_gradient(self, x, delta):
        self.grad["W"] += x.T @ delta
        self.grad["b"] += delta.sum(axis=0)

    def backward_delta(self, x, delta):
        return delta @ self.held["W"].T


class Bend(Layer):
    def __init__(self):
        self.held = {}

    def forward(self, x):
        return np.tanh(x)

    def backward_update_gradient(self, x, delta):
        pass

    def backward_delta(self, x, delta):
        return delta * (1 - np.tanh(x) ** 2)


class Chain:
    def __init__(self, *layers):
        self.layers = list(layers)

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def zero_grad(self):
        for layer in self.layers:
            layer.zero_grad()

    def backward_update_gradient(self, x, delta):
        inputs = [x]
        for layer in self.layers[:-1]:
            inputs.append(layer.forward(inputs[-1]))
        for layer, x in zip(self.layers[::-1], inputs[::-1], strict=True):
            layer.backward_update_gradient(x, delta)
            delta = layer.backward_delta(x, delta)


def test_lines_for_classes_of_ones_own_name_their_arrays():
    net = Chain(Layer(np.zeros((3, 4))), Bend(), Layer(RNG.normal(size=(4, 2))), Bend())
    twin = translated(net, RNG.normal(size=(5, 3)))
    drawn = difference(twin, edit.edited(twin, lambda net: edit.redraw(net, [0], np.random.default_rng(0))), net)
    assert pasted(drawn, net).layers[0].held["W"].std() > 0.1
    shorter = pasted(difference(twin, edit.edited(twin, edit.drop_end), net), net)
    assert [type(layer) for layer in shorter.layers] == [Layer, Bend, Layer]
    assert renamed("the weights of net[2] and net[9]", net) == "the weights of net.layers[2] and net[9]"
    with pytest.raises(TypeError):  # more units are another class's affair
        difference(twin, edit.edited(twin, lambda net: edit.widen(net, 16)), net)


class Loop:
    """A loop by hand with a penalty, a momentum and a rate that falls, each of which can be left out."""

    def __init__(self, net, loss, eps=0.1, penalty=0.0, kept=0.0, cooling=1.0):
        self.net, self.loss, self.eps, self.penalty, self.kept, self.cooling = net, loss, eps, penalty, kept, cooling
        self.velocity = {}

    def step(self, batch_x, batch_y):
        self.net.zero_grad()
        delta = self.loss.backward(batch_y, self.net.forward(batch_x)) / len(batch_x)
        self.net.backward_update_gradient(batch_x, delta)
        for i, layer in enumerate(self.net.layers):
            for key, array in layer.held.items():
                slope = layer.grad[key] + (self.penalty * array if key == "W" else 0.0)
                self.velocity[i, key] = self.kept * self.velocity.get((i, key), 0.0) + slope
                array -= self.eps * self.velocity[i, key]
        self.eps *= self.cooling


@pytest.mark.parametrize(
    ("given", "kind", "line"),
    [
        ({"penalty": 0.3}, "weight-decay-too-large", "optimizer.penalty = 0"),
        ({"kept": 0.9}, "momentum-too-large", "optimizer.kept = 0"),
        ({"cooling": 0.9}, "rate-too-small", "optimizer.eps = 0.1  # before each step"),
        ({}, None, ""),
    ],
)
def test_what_a_loop_keeps_is_told_by_its_steps(given, kind, line):
    net, loss = Chain(Layer(RNG.normal(size=(3, 4))), Bend(), Layer(RNG.normal(size=(4, 2)))), CrossEntropy()
    optimizer, X = Loop(net, loss, **given), RNG.normal(size=(20, 3))
    found = list(knobs(Steps(net, loss, optimizer, X, (X[:, 0] > 0).astype(int)), "eps", "Loop.step"))
    assert [(change.kind, change.variants[0][0]) for change in found] == ([(kind, line)] if kind else [])
    assert vars(optimizer)["eps"] == 0.1


class DividedToo:
    """Squares whose derivative is that of their mean, so that a loop which divides as well does it twice."""

    def forward(self, y, yhat):
        return ((yhat - y) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        return 2 * (yhat - y) / yhat.size


def test_the_rate_of_a_loop_is_named_in_its_own_units():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 3))
    net, loss = Chain(Layer(rng.normal(size=(3, 12))), Bend(), Layer(rng.normal(size=(12, 1)) / 3)), DividedToo()
    optimizer = Loop(net, loss, eps=0.004)
    report = check_training(net, loss, optimizer, X, X[:, :1] - X[:, 1:2], epochs=60, batch_size=40, rng=0)
    name, value = report.findings[0].change.split(" = ")
    assert (report.findings[0].kind, name) == ("rate-too-small", "optimizer.eps")
    optimizer.eps = float(value)
    assert np.log10(optimizer.eps / 0.004) == pytest.approx(round(np.log10(optimizer.eps / 0.004)), abs=1e-3)  # tried in tens
    rows = rng.permutation(200)
    for at in [*range(0, 200, 40)] * 60:
        optimizer.step(X[rows[at : at + 40]], (X[:, :1] - X[:, 1:2])[rows[at : at + 40]])
    assert np.mean((net.forward(X) - X[:, :1] + X[:, 1:2]) ** 2) < 0.4  # of 2


# Options of fit that are at fault


def two_sides(n=240):
    X = np.random.default_rng(1).normal(size=(n, 3))
    return X, (X[:, 0] - X[:, 1] > 0).astype(int)


def net_of(outputs):
    return Sequential(Linear(3, 12, rng=0), Tanh(), Linear(12, outputs, rng=1))


def test_augment_is_called_and_named_if_it_makes_other_data_of_them():
    X, y = two_sides()
    given = net_of(2), CrossEntropy(), Adam(0.02), X, y
    turned = check_training(*given, epochs=20, rng=0, augment=lambda X, y, rng: (3 - X, y))
    assert [(f.kind, f.change) for f in turned.findings] == [("train-test-mismatch", "augment=None")]
    assert check_training(*given, epochs=20, rng=0, augment=lambda X, y, rng: (X + 0.1 * rng.normal(size=X.shape), y)).ok


def test_weights_that_forget_a_class_are_named():
    X, y = two_sides(400)
    y = (X[:, 0] > 1.1).astype(int)
    given = net_of(2), CrossEntropy(), Adam(0.02), X, y
    report = check_training(*given, epochs=20, rng=0, sample_weight=np.where(y, 0.002, 1.0))
    assert [(f.kind, f.change) for f in report.findings] == [("majority-class", "sample_weight=balanced_weights(y)")]


def test_large_counts_are_brought_to_the_rate_that_a_network_begins_with():
    X, _ = two_sides()
    y = np.random.default_rng(2).poisson(3000 * np.exp(0.7 * X[:, :1])).astype(float)
    report = check_training(net_of(1), Poisson(), SGD(0.05), X, y, epochs=30, rng=0)
    assert [(f.kind, f.change) for f in report.findings] == [("unscaled-targets", "y = y / y.mean()")]
