"""Data, networks and callbacks that the tests of `fit` share, and its descent written out in numpy."""

import numpy as np

from modnet import Callback, Linear, Loss, Module, Sequential, Tanh


class WatchesBatches(Callback):
    """Makes fit take the path in Python, and does nothing."""

    def on_batch_end(self, training):
        pass


class StudentLinear:
    """The handout's methods and nothing else."""

    def __init__(self, weight):
        self._parameters = np.array(weight)
        self._gradient = None

    def forward(self, X):
        return X @ self._parameters

    def zero_grad(self):
        self._gradient = np.zeros_like(self._parameters)

    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T

    def update_parameters(self, gradient_step=1e-3):
        self._parameters = self._parameters - gradient_step * self._gradient


class StudentNet:
    """A network of a student's own, over a list of modules."""

    def __init__(self, *modules):
        self.modules = list(modules)

    def forward(self, X):
        self.inputs = []
        for module in self.modules:
            self.inputs.append(X)
            X = module.forward(X)
        return X

    def zero_grad(self):
        for module in self.modules:
            module.zero_grad()

    def backward_update_gradient(self, input, delta):
        self.forward(input)
        for module, x in zip(reversed(self.modules), reversed(self.inputs), strict=True):
            module.backward_update_gradient(x, delta)
            delta = module.backward_delta(x, delta)

    def update_parameters(self, gradient_step=1e-3):
        for module in self.modules:
            module.update_parameters(gradient_step)


class RecordingLoss(Loss):
    """Squared error that notes the targets of every call; its name is that of the example in the first column."""

    def __init__(self):
        self.costs, self.slopes = [], []

    def forward(self, y, yhat):
        self.costs.append(y[:, 0].tolist())
        return ((y - yhat) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        self.slopes.append(y[:, 0].tolist())
        return 2 * (yhat - y)


class Mode(Module):
    """Passes everything on, and notes the mode it did so in."""

    def __init__(self):
        self.seen = []

    def forward(self, X):
        self.seen.append((self.training, len(X)))
        return X

    def backward_delta(self, input, delta):
        return delta


def regression(n=23, features=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, features))
    return X, X @ rng.normal(size=(features, 1)) + rng.normal(size=(n, 1))


def classes(n=30, features=3, count=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, features)), rng.integers(0, count, n)


def network(features=3, outputs=3, hidden=5):
    return Sequential(Linear(features, hidden, rng=0), Tanh(), Linear(hidden, outputs, rng=1))


def descend(X, y, W, b, order, batch, lr, weights=None):
    """One epoch of minibatch descent of squared error for X W + b; the mean weighted cost as it was met."""
    weights = np.ones(len(X)) if weights is None else weights
    total = 0.0
    for at in range(0, len(X), batch):
        rows = order[at : at + batch]
        x, t, w = X[rows], y[rows], weights[rows, None]
        gap = x @ W + b - t
        total += float((w * gap**2).sum())
        delta = 2 * w * gap / len(rows)
        W -= lr * x.T @ delta
        b -= lr * delta.sum(axis=0)
    return total / len(X)


def stopper(event, at):
    def stop(self, training):
        if (training.step if event == "on_batch_end" else training.epoch) >= at:
            training.stop("enough")

    return type("Stopper", (Callback,), {event: stop})()
