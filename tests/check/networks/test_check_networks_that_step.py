"""Networks that move their own numbers, in methods or in functions: what one returns under a name, the next is given under it."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise

import numpy as np
import pytest

from modnet.check.asking.calls import Misbehaviour
from modnet.check.networks.asbuilt import as_built
from modnet.check.networks.flow import networks_among
from modnet.check.networks.trainers import examine_trained, trains
from modnet.check.reading.arguments import NotBuilt


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class NeuralNetwork:
    """Examples are columns; backward returns gradients, and another method takes them."""

    wrong = ""

    def __init__(self, input_size=7, hidden_size=5, output_size=3):
        self.W1, self.b1 = np.random.randn(hidden_size, input_size) * 0.01, np.zeros((hidden_size, 1))
        self.W2, self.b2 = np.random.randn(output_size, hidden_size) * 0.01, np.zeros((output_size, 1))

    def forward(self, X):
        self.A1 = np.tanh(self.W1 @ X + self.b1)
        e = np.exp(self.W2 @ self.A1 + self.b2)
        self.A2 = e / e.sum(axis=0)
        return self.A2

    def backward(self, X, Y):
        m, dZ2 = X.shape[1], self.A2 - Y
        dZ2 = dZ2 / m if self.wrong == "twice" else dZ2
        dW2, db2 = dZ2 @ self.A1.T / m, dZ2.sum(axis=1, keepdims=True) / m
        dZ1 = self.W2.T @ dZ2 * (1 if self.wrong == "slope" else 1 - self.A1**2)
        dW1, db1 = dZ1 @ X.T / m, dZ1.sum(axis=1, keepdims=True) / m
        return (dW1, db1, dW2 * 0, db2) if self.wrong == "zero" else (dW1, db1, dW2, db2)

    def update_parameters(self, dW1, db1, dW2, db2, learning_rate):
        rate = 0.1 if self.wrong == "rate" else learning_rate
        self.W1, self.b1 = self.W1 - rate * dW1, self.b1 - rate * db1
        self.W2, self.b2 = self.W2 - rate * dW2, self.b2 - rate * db2


class Held:
    """Settings, and layers in objects that have no methods of their own."""

    def __init__(self, **values):
        self.__dict__.update(values)


class MLP:
    """One example after another; gradients are added up, and divided by the number of examples."""

    wrong = ""

    def __init__(self, sizes):
        self.settings = Held(learning_rate=0.5, epochs=300)
        self.layers = [Held(w=np.random.randn(n, m), dw=np.zeros((n, m))) for n, m in pairwise(sizes)]

    def predict(self, x):
        self.outputs = [x]
        for layer in self.layers:
            self.outputs.append(sigmoid(self.outputs[-1] @ layer.w))
        return self.outputs[-1]

    def fit(self, X, Y):
        for epoch in range(self.settings.epochs):
            if self.wrong == "says something" and epoch % (self.settings.epochs // 10) == 0:
                self.said = epoch
            if self.wrong != "unzeroed":
                for layer in self.layers:
                    layer.dw = np.zeros_like(layer.w)
            for x, y in zip(X, Y, strict=True):
                delta = self.predict(x) - y
                for i in reversed(range(len(self.layers))):
                    out = self.outputs[i if self.wrong == "off by one" and i == 0 and x.size == delta.size else i + 1]
                    delta = delta * out * (1 - out)
                    self.layers[i].dw = self.layers[i].dw + np.outer(self.outputs[i], delta)
                    delta = self.layers[i].w @ delta
            for layer in self.layers:
                layer.w = layer.w - self.settings.learning_rate * layer.dw / len(X)


class Leaky:
    def __init__(self, alpha):
        self.alpha = alpha

    def slopes(self, z):
        return np.where(z > 0, 1.0, self.alpha)


class LeakyNet:
    """The slope of an activation is called as a rate is."""

    def __init__(self, input_dim, output_dim, lr=0.1):
        self.w, self.v, self.lr, self.bend = np.random.randn(input_dim, 5), np.random.randn(5, output_dim), lr, Leaky(0.3)

    def forward(self, x):
        self.x, self.z = x, x @ self.w
        self.h = self.z * self.bend.slopes(self.z)
        return self.h @ self.v

    def train(self, x, y):
        error = self.forward(x) - y
        moves = x.T @ (error @ self.v.T * self.bend.slopes(self.z)), self.h.T @ error
        self.w, self.v = self.w - self.lr * moves[0], self.v - self.lr * moves[1]


class Network:
    """Examples and their truth come in pairs, as columns."""

    def __init__(self, sizes):
        self.biases = [np.random.randn(n, 1) for n in sizes[1:]]
        self.weights = [np.random.randn(n, m) for m, n in pairwise(sizes)]

    def feedforward(self, a):
        for w, b in zip(self.weights, self.biases, strict=True):
            a = sigmoid(w @ a + b)
        return a

    def backprop(self, x, y):
        held = [x]
        for w, b in zip(self.weights, self.biases, strict=True):
            held.append(sigmoid(w @ held[-1] + b))
        delta, found = held[-1] - y, []
        for i in reversed(range(len(self.weights))):
            delta = delta * held[i + 1] * (1 - held[i + 1])
            found.insert(0, (delta @ held[i].T, delta))
            delta = self.weights[i].T @ delta
        return found

    def update_mini_batch(self, mini_batch, eta):
        for x, y in mini_batch:
            moves = self.backprop(x, y)
            self.weights = [w - eta / len(mini_batch) * dw for w, (dw, _) in zip(self.weights, moves, strict=True)]
            self.biases = [b - eta / len(mini_batch) * db for b, (_, db) in zip(self.biases, moves, strict=True)]

    def SGD(self, training_data, epochs, mini_batch_size, eta, test_data):
        raise NotImplementedError


class Classifier:
    """Layers of its own inside; somebody else makes updates of the gradients that it hands out."""

    def __init__(self, input_dim, output_dim, hidden_layers: list[int]):
        sizes = [input_dim, *hidden_layers, output_dim]
        self.weights = [np.random.randn(n, m) for n, m in pairwise(sizes)]

    def forward(self, X):
        self.held = [X]
        for w in self.weights:
            self.held.append(sigmoid(self.held[-1] @ w))
        return self.held[-1]

    def backward(self, y_true):
        delta = self.held[-1] - y_true
        self.found = []
        for w, x in zip(self.weights[::-1], self.held[-2::-1], strict=True):
            self.found.insert(0, x.T @ delta)
            delta = delta @ w.T * x * (1 - x)

    def get_gradients(self):
        return self.found

    def update_parameters(self, updates):
        self.weights = [w - u for w, u in zip(self.weights, updates, strict=True)]


@pytest.mark.parametrize(
    ("cls", "wrong", "kind"),
    [
        (NeuralNetwork, "", None), (NeuralNetwork, "twice", "scale"), (NeuralNetwork, "slope", "missing-factor"),
        (NeuralNetwork, "zero", "layer-not-trained"), (NeuralNetwork, "rate", "lr-ignored"), (MLP, "", None),
        (MLP, "says something", None), (MLP, "unzeroed", "never-zeroed"), (Classifier, "", None),
        (Network, "", None), (LeakyNet, "", None),
    ],
)  # fmt: skip
def test_a_step_may_take_several_methods(cls, wrong, kind):
    assert trains(cls)
    report = examine_trained(type(cls.__name__, (cls,), {"wrong": wrong}))
    assert [f.kind for f in report.findings] == ([kind] if kind else []), report
    assert report.verdicts


def initialize_parameters(layer_dims):
    parameters = {}
    for i in range(1, len(layer_dims)):
        parameters[f"W{i}"] = np.random.randn(layer_dims[i], layer_dims[i - 1])
        parameters[f"b{i}"] = np.zeros((layer_dims[i], 1))
    return parameters


def forward_propagation(X, parameters):
    A, caches = X, []
    for i in range(1, len(parameters) // 2 + 1):
        caches.append(A)
        A = sigmoid(parameters[f"W{i}"] @ A + parameters[f"b{i}"])
    return A, caches


def backward_propagation(AL, Y, caches, parameters):
    grads, delta = {}, AL - Y
    for i in range(len(caches), 0, -1):
        A = caches[i - 1]
        grads[f"dW{i}"], grads[f"db{i}"] = delta @ A.T / Y.shape[1], delta.sum(axis=1, keepdims=True) / Y.shape[1]
        delta = parameters[f"W{i}"].T @ delta * A * (1 - A)
    return grads


def backward_propagation_moved(AL, Y, caches, parameters):
    grads = backward_propagation(AL, Y, caches, parameters)
    return {**grads, "dW1": grads["dW1"] * 2}


def update_parameters(parameters, grads, learning_rate):
    for name in parameters:
        parameters[name] = parameters[name] - learning_rate * grads["d" + name]
    return parameters


def update_parameters_along(parameters, grads, learning_rate):
    return {name: value + learning_rate * grads["d" + name] for name, value in parameters.items()}


@pytest.mark.parametrize(
    ("back", "update", "kinds"),
    [
        (backward_propagation, update_parameters, []),
        (backward_propagation_moved, update_parameters, ["scale"]),
        (backward_propagation, update_parameters_along, ["sign"]),
    ],
)
def test_a_network_may_be_four_functions(back, update, kinds):
    parts = {
        "init_params": initialize_parameters,
        "forward_prop": forward_propagation,
        "backprop": back,
        "update_params": update,
    }
    ((at, cls),) = networks_among(parts, set(parts))
    assert at is back
    report = examine_trained(cls)
    assert [f.kind for f in report.findings] == kinds, report
    assert report.verdicts


def initialize_layers(layers_dims):
    last = range(1, len(layers_dims))
    weights = {f"W{i}": np.random.randn(layers_dims[i], layers_dims[i - 1]) for i in last}
    return weights | {f"b{i}": np.zeros((layers_dims[i], 1)) for i in last}


def forward_of_three(X, parameters):
    """Three layers and one output, as the course's notebooks on initialization and regularization have them."""
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
    A2 = np.tanh(parameters["W2"] @ A1 + parameters["b2"])
    A3 = sigmoid(parameters["W3"] @ A2 + parameters["b3"])
    assert A3.shape == (1, X.shape[1])
    cache = A1, A2, A3, parameters["W2"], parameters["W3"]
    return A3, cache


def forward_of_three_with_dropout(X, parameters, keep_prob=0.5):
    kept = np.random.rand(1, X.shape[1]) < keep_prob
    A3, cache = forward_of_three(X, parameters)
    cache = kept, *cache
    return A3, cache


def backward_of_three(X, Y, cache, wrong=False):
    """Wrong without the derivative of the first layer's tanh."""
    A1, A2, A3, W2, W3 = cache
    m = X.shape[1]
    dZ3 = (A3 - Y) / m
    dZ2 = W3.T @ dZ3 * (1 - A2**2)
    dZ1 = W2.T @ dZ2 * (1 if wrong else 1 - A1**2)
    deltas = {3: (dZ3, A2), 2: (dZ2, A1), 1: (dZ1, X)}
    return {f"dW{i}": d @ a.T for i, (d, a) in deltas.items()} | {
        f"db{i}": d.sum(axis=1, keepdims=True) for i, (d, a) in deltas.items()
    }


def backward_of_three_with_dropout(X, Y, cache, keep_prob):
    return backward_of_three(X, Y, cache[1:])


def backward_of_three_with_regularization(X, Y, cache, lambd):
    return backward_of_three(X, Y, cache, wrong=True)


def test_a_network_of_functions_may_have_one_output_and_more_layers_and_variants():
    functions = {
        "initialize_parameters": initialize_layers,
        "forward_propagation": forward_of_three,
        "forward_propagation_with_dropout": forward_of_three_with_dropout,
        "backward_propagation": backward_of_three,
        "backward_propagation_with_dropout": backward_of_three_with_dropout,
        "backward_propagation_with_regularization": backward_of_three_with_regularization,
        "update_parameters": update_parameters,
    }
    found = {cls.__name__: examine_trained(cls) for _, cls in networks_among(functions, set(functions))}
    kinds = {name: [f.kind for f in report.findings] for name, report in found.items()}
    assert kinds == {
        "backward_propagation": [],
        "backward_propagation_with_dropout": [],
        "backward_propagation_with_regularization": ["missing-factor"],
    }
    assert all(len(report.verdicts) > 5 for report in found.values())


class Widths:
    def __init__(self, neurons, last=False):
        self.neurons, self.last = neurons, last


class Model:
    """Nobody could guess how it is built: its author's script says it."""

    def __init__(self, description):
        self.description, self.weights, self.loss = description, [], None

    def compile(self, loss):
        widths = [one.neurons for one in self.description]
        self.weights, self.loss = [np.random.randn(n, m) for n, m in pairwise(widths)], loss

    def predict(self, X):
        return X @ self.weights[0] @ self.weights[1]

    def train(self, X, y, alpha=0.1):
        error = self.predict(X) - y
        moves = X.T @ error @ self.weights[1].T, (X @ self.weights[0]).T @ error
        self.weights = [w - alpha * m for w, m in zip(self.weights, moves, strict=True)]
        assert self.loss == "mse"


_SCRIPT = """
def main():
    X, y = load("data.csv")
    scaled = (X - X.mean()) / X.std()
    widths = [Widths(scaled.shape[1]), Widths(4)]
    widths.append(Widths(2))
    net = Model(widths)
    net.compile("mse")
    net.train(X, y)
    raise SystemExit
"""


def test_a_network_may_be_built_as_its_author_builds_it():
    scripts = [(ast.parse(_SCRIPT).body, {"Widths": Widths, "Model": Model})]
    (net,) = as_built(Model, scripts)
    assert [w.shape for w in net.weights] == [(3, 4), (4, 2)]
    report = examine_trained(Model, scripts)
    assert report.ok, report
    assert report.verdicts


def test_of_lines_that_use_a_name_for_several_things_those_before_are_done_in_their_order():
    lines = """
widths = [Widths(3)]
other = [Widths(7)]
widths = widths + [Widths(5)]
widths.append(Widths(2))
net = Model(widths)
widths = other
net.compile("mse")
net = None
"""
    (net,) = as_built(Model, [(ast.parse(lines).body, {"Widths": Widths, "Model": Model})])
    assert [w.shape for w in net.weights] == [(3, 5), (5, 2)]


def test_no_line_is_done_that_reads_or_trains():
    line = "widths = [Widths(2), Widths(4), Widths(read(1))]\nnet = Model(widths)\nnet.compile('mse')"
    assert not list(as_built(Model, [(ast.parse(line).body, {"Widths": Widths, "Model": Model, "read": int})]))


def test_what_is_no_network_is_not_taken_for_one():
    class FullyConnected:
        forward = NeuralNetwork.forward
        backward = NeuralNetwork.backward

    assert not trains(FullyConnected)
    functions = {"linear_forward": forward_propagation, "linear_backward": backward_propagation, "update": update_parameters}
    assert not list(networks_among(functions, set(functions)))
    assert inspect.isfunction(functions["update"])


class MiscalledNetwork:
    """Wrong: its training asks for a method by another name than it has."""

    def __init__(self, n_inputs, n_outputs):
        self.sizes = n_inputs, n_outputs
        self._init_weights()

    def _init_weights(self):
        self.W = np.random.randn(*self.sizes)

    def predict(self, X):
        return X @ self.W

    def train(self, X, y, lr=0.1, epochs=1):
        self.init_weights()
        for _ in range(epochs):
            self.W -= lr * X.T @ (self.predict(X) - y)


class OpenNetwork(MiscalledNetwork):
    """What it lacks is set from outside."""

    def train(self, X, y, lr=0.1, epochs=1):
        self.schedule(lr)
        super().train(X, y, lr, epochs)


class UnreadyNetwork(MiscalledNetwork):
    """It has its layers only once it was told them."""

    def __init__(self, n_inputs, n_outputs):
        self.sizes = n_inputs, n_outputs

    def tell(self, layers):
        self.__layers: list = layers

    def __init_layers(self):
        pass

    def predict(self, X):
        return [layer.forward(X) for layer in self.__layers]

    def train(self, X, y, lr=0.1, epochs=1):
        for layer in self.__layers:
            layer.move(lr)


def test_a_method_by_another_name_is_a_crash_and_what_somebody_sets_is_none():
    with pytest.raises(Misbehaviour, match="has no attribute 'init_weights'") as raised:
        examine_trained(MiscalledNetwork)
    assert raised.value.hint == "there is a method _init_weights"
    with pytest.raises(NotBuilt, match="schedule"):
        examine_trained(OpenNetwork)
    with pytest.raises(NotBuilt, match="_UnreadyNetwork__layers"):
        examine_trained(UnreadyNetwork)
