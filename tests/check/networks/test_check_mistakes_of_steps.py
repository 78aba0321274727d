"""Mistakes in networks that train themselves, by their names: on the way back through dense layers, and with the examples."""

from __future__ import annotations

import linecache
from itertools import pairwise

import numpy as np
import pytest

from modnet.check.networks.dense import chain_of, explained_by, mistakes
from modnet.check.networks.flow import networks_among
from modnet.check.networks.loops import add_own_loop
from modnet.check.networks.scored_build import examine_network_class
from modnet.check.networks.trainers import examine_trained, trains
from modnet.check.report import Report

PERCEPTRON = '''
class Perceptron:
    """Three layers of one width, so that nothing crashes; examples are rows."""

    def __init__(self, n_in, n_hidden, n_out, learning_rate=0.1):
        n_hidden = n_out = n_in
        sizes = [n_in, n_hidden, n_hidden, n_out]
        self.W = [np.random.randn(n, m) for n, m in zip(sizes, sizes[1:])]
        self.b = [np.zeros(m) for m in sizes[1:]]
        self.learning_rate = learning_rate

    def forward(self, X):
        self.a, self.z = [X], []
        for W, b in zip(self.W, self.b):
            self.z.append(self.a[-1] @ W + b)
            self.a.append(sigmoid(self.z[-1]))
        return self.a[-1]

    def fit(self, X, Y, epochs=10, batch_size=4):
        for _ in range(epochs):
            for i in range(0, len(X), batch_size):
                x, y = X[i : i + batch_size], Y[i : i + batch_size]
                out = self.forward(x)
                self.learn_from((out - y) * out * (1 - out) / len(x), out - y)

    def learn_from(self, delta, error):
        moves = []
        for k in reversed(range(3)):
            moves.append((k, self.a[k].T @ delta, delta.sum(axis=0)))
            delta = delta @ self.W[k].T * self.a[k] * (1 - self.a[k])
        for k, dW, db in moves:
            self.W[k] = self.W[k] - self.learning_rate * dW
            self.b[k] = self.b[k] - self.learning_rate * db
'''


def made(source, name, *changes):
    """A class of these lines, with some of them changed."""
    for old, new in changes:
        assert old in source, old
        source = source.replace(old, new)
    file, space = f"<{name} {hash(source)}>", {"np": np, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec"), space)
    return space[name]


BACK = "delta = delta @ self.W[k].T * self.a[k] * (1 - self.a[k])"
MOVED = "self.W[k] = self.W[k] - self.learning_rate * dW\n"


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ([], None, ""),
        ([(BACK, "delta = delta @ self.W[k].T")], "missing-factor", "the derivative of the sigmoid is left out"),
        ([(BACK, "delta = delta @ self.W[k].T * (1 - self.a[k])")], "missing-factor", "f(z) is left out"),
        ([(BACK, "delta = delta @ self.W[k].T * self.a[k]")], "missing-factor", "1 - f(z) is left out"),
        ([(BACK, "delta = delta @ self.W[k].T * self.a[k] * (1 + self.a[k])")], "sign", "a sign is wrong"),
        ([(BACK, "delta = delta @ self.W[k].T * (1 - self.a[k] ** 2)")], "other-function", "that of a tanh"),
        ([(BACK, "s = sigmoid(self.a[k]); delta = delta @ self.W[k].T * s * (1 - s)")], "at-output", "at its output"),
        ([(BACK, "z = self.z[k - 1]; delta = delta @ self.W[k].T * z * (1 - z)")], "at-output", "is given z"),
        ([(BACK, "delta = delta @ self.W[k].T * (self.a[k] * (1 - self.a[k])) ** 2")], "double-counts", "twice"),
        ([(BACK, "a = self.a[k + 1]; delta = delta @ self.W[k].T * a * (1 - a)")], "chain", "the derivative is that at z of"),
        ([(BACK, "delta = delta @ self.W[k] * self.a[k] * (1 - self.a[k])")], "transposed", "expected its transpose"),
        ([(BACK, BACK + " if k < 2 else error @ self.W[k].T * self.a[k] * (1 - self.a[k])")], None, ""),
        ([("self.a[k].T @ delta", "self.a[0].T @ delta")], "direction", ""),
        ([("self.a[k].T @ delta", "self.a[k if k != 1 else 0].T @ delta")], "chain", "the input of the network"),
        ([("self.a[k].T @ delta", "self.a[k + (k == 1)].T @ delta")], "at-output", "its own output"),
        (
            [("            " + BACK, f"            {MOVED}            {BACK}".replace("dW", "moves[-1][1]")), ("k, dW, db in", "k, _, db in"),
             (f"            {MOVED}            self.b", "            self.b")],
            "updates-first", "after the step has moved it",
        ),
        ([("* out * (1 - out) / len(x)", "* out * (1 - out) / len(x) ** 2")], "scale", "twice"),
        ([("(out - y) * out * (1 - out)", "(out - y) * sigmoid(out) * (1 - sigmoid(out))")], "at-output", "at the output"),
        ([("(out - y) * out * (1 - out)", "(out - y) * (1 - out)")], "missing-factor", "f(z) is left out"),
        ([("(out - y) * out * (1 - out) / len(x)", "(out - y) / len(x)")], None, ""),  # the cross-entropy's
    ],
)  # fmt: skip
def test_a_mistake_on_the_way_back_has_its_name(changes, kind, said):
    report = examine_trained(made(PERCEPTRON, "Perceptron", *changes))
    if kind is None and changes and "error @" in changes[0][1]:
        kind, said = "missing-factor", "goes the error yhat - y"
    assert [f.kind for f in report.findings] == ([kind] if kind else []), report
    assert said in (report.findings[0].message if kind else "")
    assert report.verdicts


STEPS = "range(0, len(X), batch_size)"
ROWS = "x, y = X[i : i + batch_size], Y[i : i + batch_size]"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ([(STEPS, "range(0, len(X) - batch_size, batch_size)")], "left-out"),
        ([(STEPS, "range(0, len(X) - batch_size + 1, batch_size)")], "left-out"),
        ([(STEPS, "[*range(0, len(X), batch_size), max(len(X) - batch_size, 0)]")], "batch-twice"),
        ([(ROWS, "p = np.random.permutation(len(X)); x, y = X[p], Y")], "mispaired"),
        ([(ROWS, "x, y = X[i : i + batch_size], Y[: len(X[i : i + batch_size])]")], "mispaired"),
        ([(ROWS, "x, y = X[i : i + 1], Y[i : i + 1]")], "left-out"),
        # right ones: examples that are drawn, a rest that every epoch drops, examples for validation
        ([(ROWS, "p = np.random.permutation(len(X))[:batch_size]; x, y = X[p], Y[p]")], None),
        ([(ROWS, "p = np.random.choice(len(X), batch_size); x, y = X[p], Y[p]")], None),
        (
            [("for _ in range(epochs):", "for _ in range(epochs):\n            p = np.random.permutation(len(X)); X, Y = X[p], Y[p]"),
             (STEPS, "range(0, len(X) - batch_size + 1, batch_size)")],
            None,
        ),
        ([("for _ in range(epochs):", "held = X[5:]; X_val = held; X, Y = X[:5], Y[:5]\n        for _ in range(epochs):")], None),
    ],
)  # fmt: skip
def test_it_is_found_which_examples_an_epoch_takes_and_whose_truth(changes, kind):
    report = examine_trained(made(PERCEPTRON, "Perceptron", *changes))
    assert [f.kind for f in report.findings] == ([kind] if kind else []), report
    assert report.verdicts


PAIR = '''
class TwoPairs:
    """The same width and one example at a time, as its author's loop over rows takes them."""

    def __init__(self, layers, activation="tanh", lr=0.01):
        self.W = [np.random.randn(m, n) for n, m in zip(layers, layers[1:])]
        self.b = [np.zeros(m) for m in layers[1:]]
        self.lr = lr

    def forward(self, x):
        self.a = [x]
        for W, b in zip(self.W, self.b):
            self.a.append(np.tanh(W @ self.a[-1] + b))
        return self.a[-1]

    def fit(self, X, Y, epochs=100):
        for _ in range(epochs):
            for x, y in zip(X, Y):
                out = self.forward(x)
                delta = (out - y) * (1 - out**2)
                for k in reversed(range(len(self.W))):
                    dW, db = np.outer(delta, self.a[k]), delta
                    delta = self.W[k].T @ delta * (1 - self.a[k] ** 2)
                    self.W[k] = self.W[k] - self.lr * dW
                    self.b[k] = self.b[k] - self.lr * db
'''


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ([], []),
        ([("zip(X, Y)", "zip(X[1:], Y[1:])")], ["left-out"]),
        ([("zip(X, Y)", "zip(X, Y[::-1])")], ["mispaired"]),
        ([("(1 - self.a[k] ** 2)", "self.a[k]")], ["function-for-derivative"]),
        (
            [("dW, db = np.outer(delta, self.a[k]), delta", "db = delta; self.W[k] = self.W[k] - self.lr * np.outer(delta, self.a[k])"),
             ("                    self.W[k] = self.W[k] - self.lr * dW\n", "")],
            ["updates-first"],
        ),
        ([("self.b[k] - self.lr", "self.b[k] - 0.01")], ["scale"]),
    ],
)  # fmt: skip
def test_a_network_may_take_its_rows_one_after_another_and_its_widths_as_layers(changes, kinds):
    cls = made(PAIR, "TwoPairs", *changes)
    network = type("PairNetwork", (cls,), {})
    assert trains(network)
    report = examine_trained(network)
    assert sorted({f.kind for f in report.findings}) == kinds, report
    assert report.verdicts


LOGISTIC = '''
class LogisticRegression:
    def __init__(self, lr=0.01, n_iters=1000):
        self.lr, self.n_iters, self.weights, self.bias = lr, n_iters, None, None

    def fit(self, X, y):
        self.weights, self.bias = np.zeros(X.shape[1]), 0
        for _ in range(self.n_iters):
            error = self.predict_proba(X) - y
            self.weights -= self.lr * X.T @ error / len(X)
            self.bias -= self.lr * np.sum(error) / len(X)

    def predict_proba(self, X):
        return sigmoid(X @ self.weights + self.bias)
'''


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ([], []),
        ([("np.sum(error) / len(X)", "np.sum(error)")], ["scale"]),
        ([("self.bias -= self.lr * np.sum(error) / len(X)", "pass")], ["layer-not-trained"]),
    ],
)
def test_a_bias_may_be_a_plain_number(changes, kinds):
    report = examine_trained(made(LOGISTIC, "LogisticRegression", *changes))
    assert [f.kind for f in report.findings] == kinds, report
    assert any("bias" in row[0] for row in report.verdicts)


def initialisation(dimensions):
    last = range(1, len(dimensions))
    parametres = {f"W{c}": np.random.randn(dimensions[c], dimensions[c - 1]) for c in last}
    return parametres | {f"b{c}": np.zeros((dimensions[c], 1)) for c in last}


def forward_propagation(X, parametres):
    activations = {"A0": X}
    for c in range(1, len(parametres) // 2 + 1):
        activations[f"A{c}"] = 1 / (1 + np.exp(-parametres[f"W{c}"] @ activations[f"A{c - 1}"] - parametres[f"b{c}"]))
    return activations


def back_propagation(y, parametres, activations):
    count, gradients = len(parametres) // 2, {}
    dZ = (activations[f"A{count}"] - y) / y.shape[1]
    for c in range(count, 0, -1):
        A = activations[f"A{c - 1}"]
        gradients |= {f"dW{c}": dZ @ A.T, f"db{c}": dZ.sum(axis=1, keepdims=True)}
        dZ = parametres[f"W{c}"].T @ dZ * A * (1 - A)
    return gradients


def update(gradients, parametres, learning_rate):
    return {n: v - learning_rate * gradients[f"d{n}"] for n, v in parametres.items()}


def test_a_forward_in_functions_may_give_all_activations_by_their_names():
    functions = {f.__name__: f for f in (initialisation, forward_propagation, back_propagation, update)}
    ((_, cls),) = networks_among(functions, set(functions))
    report = examine_trained(cls)
    assert report.ok, report
    assert len(report.verdicts) > 3


def forward_with_a_cache(X, params):
    H = 1 / (1 + np.exp(-(X @ params["W1"] + params["b1"])))
    Y = H @ params["W2"] + params["b2"]
    return Y, {"X": X, "H": H}


def backward_pass(Y_hat, Y, cache, params):
    d2, H = 2 * (Y_hat - Y) / len(Y), cache["H"]
    d1 = d2 @ params["W2"].T * H * (1 - H)
    return {"W1": cache["X"].T @ d1, "b1": d1.sum(axis=0), "W2": H.T @ d2, "b2": d2.sum(axis=0)}


def backward_prop(Y_hat, Y, cache, params):
    grads = backward_pass(Y_hat, Y, cache, params)
    d1 = 2 * (Y_hat - Y) / len(Y) @ params["W2"].T * cache["H"]
    return grads | {"W1": cache["X"].T @ d1, "b1": d1.sum(axis=0)}


def first_parameters(n_in, n_hidden, n_out):
    draw = np.random.default_rng(0).normal
    params = {"W1": draw(size=(n_in, n_hidden)), "b1": np.zeros(n_hidden)}
    return params | {"W2": draw(size=(n_hidden, n_out)), "b2": np.zeros(n_out)}


@pytest.mark.parametrize(
    ("backward", "kinds"), [(backward_pass, []), (backward_prop, ["missing-factor"])]
)
def test_a_forward_may_give_its_cache_without_a_name(backward, kinds):
    functions = {"init_params": first_parameters, "forward": forward_with_a_cache, backward.__name__: backward}
    functions["update_params"] = lambda params, grads, lr: {k: v - lr * grads[k] for k, v in params.items()}
    ((_, cls),) = networks_among(functions, set(functions))
    report = examine_trained(cls)
    assert [f.kind for f in report.findings] == kinds, report
    assert len(report.verdicts) == 4


TWO_LAYERS = '''
class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, std=1e-4):
        self.params = {"W": std * np.random.randn(input_size, output_size), "b": np.zeros(output_size)}

    def loss(self, X, y=None, reg=0.0):
        W, b = self.params["W"], self.params["b"]
        scores = X @ W + b
        if y is None:
            return scores
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        d = p.copy()
        d[np.arange(len(X)), y] -= 1
        d /= len(X)
        loss = -np.log(p[np.arange(len(X)), y]).mean() + reg * np.sum(W * W)
        return loss, {"W": X.T @ d + 2 * reg * W, "b": d.sum(axis=0)}

    def train(self, X, y, X_val, y_val, learning_rate=1e-3, learning_rate_decay=0.95, reg=5e-6, num_iters=100, batch_size=200):
        for it in range(num_iters):
            chosen = np.random.choice(len(X), batch_size)
            loss, grads = self.loss(X[chosen], y=y[chosen], reg=reg)
            for name in self.params:
                self.params[name] -= learning_rate * grads[name]
            if it % 10 == 0:
                learning_rate *= learning_rate_decay

    def predict(self, X):
        return np.argmax(self.loss(X), axis=1)
'''


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ([], []),
        ([("y=y[chosen]", "y=y[:batch_size]")], ["mispaired"]),
        ([("-= learning_rate *", "+= learning_rate *")], ["sign"]),
        ([("-= learning_rate *", "-= 1e-3 *")], ["lr-ignored"]),
    ],
)
def test_the_own_loop_of_a_network_with_a_loss_of_its_own_is_asked_too(changes, kinds):
    cls = made(TWO_LAYERS, "TwoLayerNet", *changes)
    report = examine_network_class(cls)
    add_own_loop(report, cls)
    assert [f.kind for f in report.findings] == kinds, report
    assert "the steps" in [row[0] for row in report.verdicts]


def test_nothing_is_asked_of_a_loop_whose_network_is_wrong():
    report = Report("a network")
    report.findings.append("something")
    add_own_loop(report, made(TWO_LAYERS, "TwoLayerNet"))
    assert report.findings == ["something"]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("end", ["identity", "softmax", "sigmoid"])
def test_dense_layers_are_read_off_their_numbers(turned, end):
    rng = np.random.default_rng(0)
    ends = {"identity": lambda z: z, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
    ends["softmax"] = lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    sizes = [3, 5, 4, 2]
    held = {f"b{k}": rng.normal(size=n) for k, n in enumerate(sizes[1:])}  # before the weights
    weights = [rng.normal(size=(n, m)) for n, m in pairwise(sizes)]
    held |= {f"W{k}": w.T.copy() if turned else w for k, w in enumerate(weights)}
    x = a = rng.normal(size=(6, 3))
    for k, w in enumerate(weights):
        z = a @ w + held[f"b{k}"]
        a = np.tanh(z) if k < 2 else ends[end](z)
    chain = chain_of(held, x, a)
    assert chain is not None
    assert [(layer.weight, layer.bias, layer.turned) for layer in chain.layers] == [(f"W{k}", f"b{k}", turned) for k in range(3)]
    assert (chain.bend, chain.end) == ("tanh", end)
    assert chain_of(held, x, a + 0.1) is None
    slopes = rng.normal(size=a.shape)
    delta = chain.delta(slopes)
    moves = chain.gradients(delta)
    assert explained_by(chain, moves, slopes, delta, {n: v - moves[n] for n, v in held.items()}) is None  # nothing is wrong
    moved = {n: v - moves[n] for n, v in held.items()}
    for wrong in mistakes(chain, delta, delta + 0.1, moved):
        gradients = chain.gradients(delta, wrong)
        found = explained_by(chain, gradients, slopes, delta + 0.1, moved)
        assert found is not None
        for name, array in chain.gradients(delta, found).items():  # two mistakes may give the same
            np.testing.assert_allclose(array, gradients[name], rtol=1e-3)


COLUMNS = '''
class NeuralNetwork:
    """Examples are columns; a training takes one step more than it is told."""

    def __init__(self, nx, nodes):
        self.W1, self.b1 = np.random.randn(nodes, nx), np.zeros((nodes, 1))
        self.W2, self.b2 = np.random.randn(1, nodes), np.zeros((1, 1))

    def forward_prop(self, X):
        self.A1 = sigmoid(self.W1 @ X + self.b1)
        self.A2 = sigmoid(self.W2 @ self.A1 + self.b2)
        return self.A1, self.A2

    def train(self, X, Y, iterations=5000, alpha=0.05):
        for i in range(iterations + 1):
            A1, A2 = self.forward_prop(X)
            self.gradient_descent(X, Y, A1, A2, alpha)
        return A2

    def gradient_descent(self, X, Y, A1, A2, alpha=0.05):
        m = Y.shape[1]
        dZ2 = A2 - Y
        dZ1 = self.W2.T @ dZ2 * A1 * (1 - A1)
        self.W2 = self.W2 - alpha * dZ2 @ A1.T / m
        self.b2 = self.b2 - alpha * dZ2.sum(axis=1, keepdims=True) / m
        self.W1 = self.W1 - alpha * dZ1 @ X.T / m
        self.b1 = self.b1 - alpha * dZ1.sum(axis=1, keepdims=True) / m
'''


@pytest.mark.parametrize("more", ["", " + 1", " + 2"])
def test_a_training_that_takes_more_steps_than_it_is_told_is_not_accused_of_their_gradients(more):
    right = made(COLUMNS, "NeuralNetwork", ("iterations + 1", f"iterations{more}"))
    report = examine_trained(right)
    assert report.ok, report
    assert len(report.verdicts) >= 3
    wrong = made(COLUMNS, "NeuralNetwork", ("iterations + 1", f"iterations{more}"), (" * A1 * (1 - A1)", ""))
    assert [f.kind for f in examine_trained(wrong).findings] == ["missing-factor"]
    (back,) = (line for line in COLUMNS.split("\n") if "dZ1 = " in line)
    moved = next(line for line in COLUMNS.split("\n") if "self.W2 = self.W2" in line)
    late = made(COLUMNS, "NeuralNetwork", ("iterations + 1", f"iterations{more}"), (f"{back}\n", ""), (moved, f"{moved}\n{back}"))
    assert [f.kind for f in examine_trained(late).findings] == ["updates-first"]


@pytest.mark.parametrize("more", ["", " + 1"])
def test_a_momentum_within_a_training_is_not_taken_for_weights_that_have_moved(more):
    source = COLUMNS.replace("        for i in range(iterations + 1):", f"        v = {{}}\n        for i in range(iterations{more}):")
    source = source.replace("A1, A2, alpha)", "A1, A2, alpha, v)").replace("alpha=0.05):\n        m =", "alpha=0.05, v=None):\n        m =")
    for name in ("W2", "b2", "W1", "b1"):
        (line,) = (line for line in source.split("\n") if f"self.{name} = self.{name} - " in line)
        step = line.split(" - alpha * ")[1]
        kept = f"        v['{name}'] = 0.9 * v.get('{name}', 0.0) + {step}\n        self.{name} = self.{name} - alpha * v['{name}']"
        source = source.replace(line, kept)
    assert examine_trained(made(source, "NeuralNetwork")).ok
