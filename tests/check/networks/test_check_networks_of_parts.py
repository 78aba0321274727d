"""Networks and loops made of their author's own layers, loss and optimizer, and networks that make their parameters in training."""

from __future__ import annotations

import ast
from itertools import pairwise

import numpy as np
import pytest

from modnet.check.networks.flow import networks_among
from modnet.check.networks.parts import Parts
from modnet.check.networks.trainers import examine_trained, examine_training, trains
from modnet.check.optimizers import examine_optimizer
from modnet.check.reading.arguments import NotBuilt


class Dense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, x):
        self.x = x
        return self.weights @ x + self.bias

    def backward(self, output_gradient, learning_rate):
        dx = self.weights.T @ output_gradient
        self.weights -= learning_rate * output_gradient @ self.x.T
        self.bias -= learning_rate * output_gradient
        return dx


class Tanh:
    def forward(self, x):
        self.x = x
        return np.tanh(x)

    def backward(self, output_gradient, learning_rate):
        return output_gradient * (1 - np.tanh(self.x) ** 2)


def mse(y_true, y_pred):
    return np.mean((y_true - y_pred) ** 2)


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)


def through(network, x):
    for layer in network:
        x = layer.forward(x)
    return x


def train(network, loss, loss_prime, x_train, y_train, epochs=1000, learning_rate=0.01, verbose=True):
    for _ in range(epochs):
        for x, y in zip(x_train, y_train, strict=True):
            grad = loss_prime(y, through(network, x))
            for layer in reversed(network):
                grad = layer.backward(grad, learning_rate)


def train_swapped(network, loss, loss_prime, x_train, y_train, epochs=1000, learning_rate=0.01, verbose=True):
    for _ in range(epochs):
        for x, y in zip(x_train, y_train, strict=True):
            grad = loss_prime(through(network, x), y)
            for layer in reversed(network):
                grad = layer.backward(grad, learning_rate)


def train_by_its_own_rate(network, loss, loss_prime, x_train, y_train, epochs=1000, learning_rate=0.01, verbose=True):
    for _ in range(epochs):
        for x, y in zip(x_train, y_train, strict=True):
            grad = loss_prime(y, through(network, x))
            for layer in reversed(network):
                grad = layer.backward(grad, 1e-4)


def train_without_the_first(network, loss, loss_prime, x_train, y_train, epochs=1000, learning_rate=0.01, verbose=True):
    for _ in range(epochs):
        for x, y in zip(x_train, y_train, strict=True):
            grad = loss_prime(y, through(network, x))
            for layer in reversed(network[1:]):
                grad = layer.backward(grad, learning_rate)


def train_with_the_same_delta(network, loss, loss_prime, x_train, y_train, epochs=1000, learning_rate=0.01, verbose=True):
    for _ in range(epochs):
        for x, y in zip(x_train, y_train, strict=True):
            grad = loss_prime(y, through(network, x))
            for layer in reversed(network):
                layer.backward(grad, learning_rate)


OF_COLUMNS = Parts([Dense, Tanh], functions=[(mse, mse_prime)])


@pytest.mark.parametrize(
    ("loop", "kinds"),
    [
        (train, []),
        (train_swapped, ["sign"]),
        (train_by_its_own_rate, ["lr-ignored"]),
        (train_without_the_first, ["layer-not-trained"]),
        (train_with_the_same_delta, ["chain"]),
    ],
)
def test_a_loop_that_asks_for_layers_and_two_functions_is_given_its_authors_own(loop, kinds):
    report = examine_training(loop, [], OF_COLUMNS)
    assert [f.kind for f in report.findings] == kinds, report
    assert any(word != "not checked" for _, word, _ in report.verdicts)
    assert all(f.where == loop.__name__ for f in report.findings)


def test_a_loop_without_layers_to_give_it_is_not_checked():
    with pytest.raises(NotBuilt, match="could not be asked"):
        examine_training(train, [], Parts())


# --- layers that are told how many numbers come in, and the rule by which they move, when they are added


class Unit:
    """A layer of so many units."""

    def __init__(self, n_units, input_shape=None):
        self.n_units, self.input_shape, self.W, self.b = n_units, input_shape, None, None

    def initialize(self, optimizer):
        self.W, self.b = np.random.randn(self.input_shape[0], self.n_units), np.zeros((1, self.n_units))
        self.optimizer = optimizer

    def forward_pass(self, X, training=True):
        self.x = X
        return X @ self.W + self.b

    def backward_pass(self, accum_grad):
        W = self.W
        self.W = self.optimizer.update(self.W, self.x.T @ accum_grad)
        self.b = self.optimizer.update(self.b, accum_grad.sum(axis=0, keepdims=True))
        return accum_grad @ W.T


class UnitLinear(Unit):
    pass


class SquareLoss:
    def loss(self, y, y_pred):
        return 0.5 * (y - y_pred) ** 2

    def gradient(self, y, y_pred):
        return y_pred - y


class StochasticGradientDescent:
    def __init__(self, learning_rate=0.01):
        self.learning_rate = learning_rate

    def update(self, w, grad_wrt_w):
        return w - self.learning_rate * grad_wrt_w


class NeuralNetwork:
    """Layers are added; the loss is given as a class."""

    wrong = ""

    def __init__(self, optimizer, loss):
        self.optimizer, self.loss_function, self.layers = optimizer, loss(), []

    def add(self, layer):
        if self.layers:
            layer.input_shape = (self.layers[-1].n_units,)
        layer.initialize(optimizer=self.optimizer)
        self.layers.append(layer)

    def train_on_batch(self, X, y):
        out = self._forward_pass(X)
        grad = self.loss_function.gradient(out, y) if self.wrong == "swapped" else self.loss_function.gradient(y, out)
        for layer in reversed(self.layers[1:] if self.wrong == "skipped" else self.layers):
            back = layer.backward_pass(grad)
            grad = grad if self.wrong == "lost" else back

    def fit(self, X, y, n_epochs, batch_size):
        for _ in range(n_epochs):
            for i in range(0, len(X), batch_size):
                self.train_on_batch(X[i : i + batch_size], y[i : i + batch_size])

    def _forward_pass(self, X, training=True):
        for layer in self.layers:
            X = layer.forward_pass(X, training)
        return X

    def predict(self, X):
        return self._forward_pass(X, training=False)


OF_UNITS = Parts([UnitLinear], [SquareLoss], [StochasticGradientDescent])


@pytest.mark.parametrize(
    ("wrong", "kinds"), [("", []), ("swapped", ["sign"]), ("skipped", ["layer-not-trained"]), ("lost", ["chain"])]
)
def test_a_network_is_put_together_of_its_authors_own_parts(wrong, kinds):
    cls = type("NeuralNetwork", (NeuralNetwork,), {"wrong": wrong})
    report = examine_trained(cls, (), OF_UNITS)
    assert [f.kind for f in report.findings] == kinds, report
    assert "squared error" in report.subject


def test_parts_in_which_something_was_found_come_last_and_are_named():
    class Affine(UnitLinear):
        pass

    assert Parts([UnitLinear, Affine], wrong=[Affine]).suspect == ["Affine"]
    assert not Parts([UnitLinear], [SquareLoss]).suspect


class ToldFirst:
    """A network that makes its own layers, and is told its loss and optimizer by compile."""

    wrong = ""

    def __init__(self, input_size, hidden_size, output_size):
        self.a, self.c = Inner(input_size, hidden_size), Inner(hidden_size, output_size)
        self.loss = self.optimizer = None

    def compile(self, loss, optimizer):
        self.loss, self.optimizer = loss, optimizer

    def forward(self, X):
        return self.c.forward(self.a.forward(X))

    def train(self, X, y):
        delta = self.loss.gradient(y, self.forward(X))
        for layer in (self.c, self.a):
            before = layer.W
            if self.wrong == "moved":
                layer.W = self.optimizer.update(layer.W, layer.x.T @ delta)
                delta = delta @ layer.W.T
            else:
                layer.W = self.optimizer.update(layer.W, layer.x.T @ delta)
                delta = delta @ before.T


class Inner:
    def __init__(self, n, m):
        self.W = np.random.randn(n, m)

    def forward(self, X):
        self.x = X
        return X @ self.W


@pytest.mark.parametrize(("wrong", "kinds"), [("", []), ("moved", ["updates-first"])])
def test_a_network_that_is_told_its_loss_first_is_told_its_authors_own(wrong, kinds):
    network = type("Model", (ToldFirst,), {"wrong": wrong})
    assert trains(network)
    report = examine_trained(network, (), Parts([], [SquareLoss], [StochasticGradientDescent]))
    assert [f.kind for f in report.findings] == kinds, report


# --- networks that make their parameters in training, give classes, or keep what they are given


class LinearRegression:
    wrong = ""

    def __init__(self, learning_rate=0.001, n_iters=1000):
        self.lr, self.n_iters, self.weights, self.bias = learning_rate, n_iters, None, None

    def fit(self, X, y):
        self.weights, self.bias = np.zeros(X.shape[1]), np.zeros(1)
        for _ in range(self.n_iters):
            error = X @ self.weights + self.bias - y
            error = -error if self.wrong == "sign" else error
            dw = X.T @ error / len(X)
            self.weights -= (0.1 if self.wrong == "rate" else self.lr) * dw
            self.bias -= (0.1 if self.wrong == "rate" else self.lr) * (error.sum() if self.wrong == "sum" else error.mean())

    def predict(self, X):
        return X @ self.weights + self.bias


@pytest.mark.parametrize(("wrong", "kinds"), [("", []), ("sign", ["sign"]), ("rate", ["lr-ignored"]), ("sum", ["scale"])])
def test_a_training_may_begin_with_parameters_of_its_own(wrong, kinds):
    report = examine_trained(type("LinearRegression", (LinearRegression,), {"wrong": wrong}))
    assert [f.kind for f in report.findings] == kinds, report


class Classifier:
    """All of it is in fit; predict gives classes, and another method probabilities."""

    wrong = ""

    def __init__(self, n_inputs, n_hidden, n_outputs, learning_rate=0.1, n_epochs=1000):
        self.lr, self.n_epochs = learning_rate, n_epochs
        self.W, self.V = np.random.randn(n_inputs, n_hidden), np.random.randn(n_hidden, n_outputs)

    def fit(self, X, y):
        for _ in range(self.n_epochs):
            h = np.tanh(X @ self.W)
            delta = self._probabilities(h) - y
            delta = delta / len(X) ** (2 if self.wrong == "twice" else 1)
            V = self.V - self.lr * h.T @ delta
            back = delta @ (V if self.wrong == "moved" else self.V).T * (1 - h**2)
            self.V, self.W = V, self.W - self.lr * X.T @ back

    def _probabilities(self, h):
        e = np.exp(h @ self.V)
        return e / e.sum(axis=1, keepdims=True)

    def predict_proba(self, X):
        return self._probabilities(np.tanh(X @ self.W))

    def predict(self, X):
        return self.predict_proba(X).argmax(axis=1)


@pytest.mark.parametrize(("wrong", "kinds"), [("", []), ("moved", ["updates-first"]), ("twice", ["scale"])])
def test_a_network_that_predicts_classes_is_asked_for_its_probabilities(wrong, kinds):
    report = examine_trained(type("NeuralClassifier", (Classifier,), {"wrong": wrong}))
    assert [f.kind for f in report.findings] == kinds, report


class Logistic:
    """All of it is in fit, and predict gives classes alone, chosen by numbers that it has computed."""

    wrong, chosen = "", "comprehension"

    def __init__(self, lr=0.001, n_iters=1000):
        self.lr, self.n_iters, self.weights, self.bias = lr, n_iters, None, None

    def _sigmoid(self, x):
        return 1 / (1 + np.exp(-x))

    def fit(self, X, y):
        n_samples, n_features = X.shape
        self.weights, self.bias = np.zeros(n_features), 0
        for _ in range(self.n_iters):
            p = self._sigmoid(np.dot(X, self.weights) + self.bias)
            error = y - p if self.wrong == "sign" else p - y
            dw, db = np.dot(X.T, error) / n_samples, np.sum(error) / (1 if self.wrong == "sum" else n_samples)
            self.weights -= self.lr * dw
            self.bias -= (1.0 if self.wrong == "rate" else self.lr) * db

    def predict(self, X):
        p = self._sigmoid(np.dot(X, self.weights) + self.bias)
        if self.chosen == "comparison":
            return (p > 0.5).astype(int)
        if self.chosen == "list":
            return [0 if one <= 0.5 else 1 for one in p]
        if self.chosen == "where":
            return np.where(p >= 0.5, 1, 0)
        return np.array([1 if one > 0.5 else 0 for one in p])


@pytest.mark.parametrize("chosen", ["comprehension", "comparison", "where", "list"])
@pytest.mark.parametrize(("wrong", "kinds"), [("", []), ("sign", ["sign"]), ("rate", ["scale"]), ("sum", ["scale"])])
def test_a_network_that_gives_classes_alone_is_asked_by_what_it_chooses_them_by(wrong, kinds, chosen):
    report = examine_trained(type("LogisticRegression", (Logistic,), {"wrong": wrong, "chosen": chosen}))
    assert [f.kind for f in report.findings] == kinds, report
    assert any(verdict != "not checked" for _, verdict, _ in report.verdicts)


class SoftmaxRegression:
    """A matrix, and predict gives the largest score's place."""

    wrong = ""

    def __init__(self, n_features, n_classes, lr=0.1):
        self.W, self.lr = np.random.randn(n_features, n_classes) * 0.01, lr

    def fit(self, X, y, epochs=10):
        for _ in range(epochs):
            e = np.exp(X @ self.W)
            p = e / e.sum(axis=1, keepdims=True)
            p[np.arange(len(y)), y] -= 1
            self.W -= self.lr * X.T @ (-p if self.wrong == "sign" else p) / len(y)

    def predict(self, X):
        return np.argmax(np.dot(X, self.W), axis=1)


@pytest.mark.parametrize(("wrong", "kinds"), [("", []), ("sign", ["sign"])])
def test_so_is_one_that_gives_the_place_of_the_largest(wrong, kinds):
    report = examine_trained(type("SoftmaxRegression", (SoftmaxRegression,), {"wrong": wrong}))
    assert [f.kind for f in report.findings] == kinds, report


class TakesSharesForScores(SoftmaxRegression):
    """Wrong: what it trains by is the softmax of its output, which is one already."""

    def _softmax(self, scores):
        e = np.exp(scores)
        return e / e.sum(axis=1, keepdims=True)

    def fit(self, X, y, epochs=10):
        for _ in range(epochs):
            out = self.predict_proba(X)
            slope = self._softmax(out)
            slope[np.arange(len(y)), y] -= 1
            delta = out * (slope - (slope * out).sum(axis=1, keepdims=True))
            self.W -= self.lr * X.T @ delta / len(y)

    def predict_proba(self, X):
        return self._softmax(np.dot(X, self.W))


def test_probabilities_are_not_taken_for_scores():
    with pytest.raises(NotBuilt, match="the derivative of no loss that is known"):
        examine_trained(TakesSharesForScores)


class Perceptron:
    """Rosenblatt's rule: it learns by the classes that it gives."""

    def __init__(self, n_features, lr=0.1):
        self.weights, self.bias, self.lr = np.random.randn(n_features), np.zeros(1), lr

    def predict(self, X):
        return (X @ self.weights + self.bias > 0).astype(int)

    def fit(self, X, y, epochs=10):
        for _ in range(epochs):
            error = y - self.predict(X)
            self.weights += self.lr * X.T @ error
            self.bias += self.lr * error.sum()


class Unseen(LinearRegression):
    """Its numbers are not computed of the array that it is given."""

    def predict(self, X):
        return (np.asarray(X) @ self.weights + self.bias > 0.5).astype(int)


@pytest.mark.parametrize("cls", [Perceptron, Unseen])
def test_a_network_that_goes_by_its_classes_or_hides_what_chooses_them_is_not_checked_and_says_so(cls):
    with pytest.raises(NotBuilt, match="gives classes, and no method gives the numbers"):
        examine_trained(cls)


class KeepsItsInput:
    """It is given X and y when it is made, and nothing later."""

    wrong = ""

    def __init__(self, x, y):
        self.input, self.y, self.output = x, y, np.zeros(y.shape)
        self.W, self.V = np.random.rand(x.shape[1], 4), np.random.rand(4, 1)

    def feedforward(self):
        self.h = np.tanh(self.input @ self.W)
        self.output = self.h @ self.V

    def backprop(self):
        delta = self.y - self.output
        back = delta @ self.V.T * (1 if self.wrong == "slope" else 1 - self.h**2)
        sign = -1 if self.wrong == "sign" else 1
        self.V, self.W = self.V + sign * 0.1 * self.h.T @ delta, self.W + sign * 0.1 * self.input.T @ back


@pytest.mark.parametrize(("wrong", "kinds"), [("", []), ("slope", ["missing-factor"]), ("sign", ["sign"])])
def test_a_network_that_keeps_its_input_is_given_it_there(wrong, kinds):
    cls = type("NeuralNet", (KeepsItsInput,), {"wrong": wrong})
    script = ast.parse("nn = NeuralNet(X, y)\nnn.feedforward()").body
    report = examine_trained(cls, [(script, {"NeuralNet": cls})])
    assert [f.kind for f in report.findings] == kinds, report


class Pairs:
    """Columns in pairs; gradients of a batch are added up."""

    wrong = ""

    def __init__(self, sizes):
        self.weights = [np.random.randn(m, n) for n, m in pairwise(sizes)]

    def feedforward(self, a):
        for w in self.weights:
            a = np.tanh(w @ a)
        return a

    def update_mini_batch(self, mini_batch, eta):
        total = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            found = self.backprop(x, y)
            total = found if self.wrong == "last" else [t + f for t, f in zip(total, found, strict=True)]
        count = [len(mini_batch)] * len(total)
        count[0] = 1 if self.wrong == "first" else count[0]
        self.weights = [w - eta / n * t for w, n, t in zip(self.weights, count, total, strict=True)]

    def backprop(self, x, y):
        every = [x]
        for w in self.weights:
            every.append(np.tanh(w @ every[-1]))
        delta, found = every[-1] - y, []
        for w, a, out in zip(self.weights[::-1], every[-2::-1], every[:0:-1], strict=True):
            delta = delta * (1 - out**2)
            found.insert(0, delta @ (out if self.wrong == "own" and len(found) else a).T)
            delta = w.T @ delta
        return found


@pytest.mark.parametrize(
    ("wrong", "kinds"), [("", []), ("last", ["left-out"]), ("first", ["scale"]), ("own", ["at-output"])]
)
def test_a_batch_of_several_pairs_is_used_whole(wrong, kinds):
    report = examine_trained(type("Network", (Pairs,), {"wrong": wrong}))
    assert [f.kind for f in report.findings] == kinds, report
    assert "3 inputs" in report.subject or wrong == "own"


# --- functions of many outputs


def init_params():
    rng = np.random.default_rng(0)
    W1, b1 = rng.normal(size=(10, 784)), np.zeros((10, 1))
    W2, b2 = rng.normal(size=(10, 10)), np.zeros((10, 1))
    return W1, b1, W2, b2


def forward_prop(W1, b1, W2, b2, X):
    A1 = np.tanh(W1 @ X + b1)
    e = np.exp(W2 @ A1 + b2)
    A2 = e / e.sum(axis=0)
    return A1, A2


def one_hot(Y):
    found = np.zeros((Y.size, Y.max() + 1))
    found[np.arange(Y.size), Y] = 1
    return found.T


def backward_prop(A1, A2, W1, W2, X, Y):
    delta = (A2 - one_hot(Y)) / Y.size
    back = W2.T @ delta * (1 - A1**2)
    dW2, db2 = delta @ A1.T, delta.sum(axis=1, keepdims=True)
    dW1, db1 = back @ X.T, back.sum(axis=1, keepdims=True)
    return dW1, db1, dW2, db2


def update_params(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha):
    W1, b1 = W1 - alpha * dW1, b1 - alpha * db1
    W2, b2 = W2 - alpha * dW2, b2 - alpha * db2
    return W1, b1, W2, b2


def update_params_but_one(W1, b1, W2, b2, dW1, db1, dW2, db2, alpha):
    b1 = b1 - alpha * db1
    W2, b2 = W2 - alpha * dW2, b2 - alpha * db2
    return W1, b1, W2, b2


@pytest.mark.parametrize(("update", "kinds"), [(update_params, []), (update_params_but_one, ["layer-not-trained"])])
def test_functions_may_make_rows_with_a_one_of_all_the_classes_that_they_see(update, kinds):
    parts = {
        "init_params": init_params, "forward_prop": forward_prop, "backward_prop": backward_prop, "update_params": update,
    }  # fmt: skip
    ((_, network),) = networks_among(parts, parts)
    report = examine_trained(network)
    assert [f.kind for f in report.findings] == kinds, report


# --- optimizers with a method for weights and one for biases


class SGD:
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def update_weights(self, layer, grad_weights):
        layer.weights -= self.learning_rate * grad_weights

    def update_bias(self, layer, grad_bias):
        layer.bias -= self.learning_rate * grad_bias


class SGDAlong(SGD):
    def update_bias(self, layer, grad_bias):
        layer.bias += self.learning_rate * grad_bias


class SGDOfWhatThereIs:
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def optimize(self, layers):
        for layer in layers:
            if layer.has_weights:
                layer.update_weights(layer.weights - self.learning_rate * layer.weights_gradient)
            if layer.has_bias:
                layer.update_bias(layer.bias - self.learning_rate * layer.bias_gradient)


class SGDOfTheWeights(SGDOfWhatThereIs):
    def optimize(self, layers):
        for layer in layers:
            if layer.has_weights:
                layer.update_weights(layer.weights - self.learning_rate * layer.weights_gradient)


@pytest.mark.parametrize(
    ("cls", "right"), [(SGD, True), (SGDAlong, False), (SGDOfWhatThereIs, True), (SGDOfTheWeights, False)]
)
def test_an_optimizer_may_move_weights_and_biases_by_two_methods(cls, right):
    report = examine_optimizer(cls)
    assert report.ok == right, report
    assert any(word != "not checked" for _, word, _ in report.verdicts)
