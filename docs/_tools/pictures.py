"""One picture of each function of `modnet.plotting`. The page of pictures shows these lines and what they draw.

Each function takes the file to draw to. `make_net` and `digits` are what they share.
"""

from __future__ import annotations

import numpy as np

import modnet
from modnet import (
    BCE,
    MSE,
    BCEWithLogits,
    Conv1D,
    CrossEntropy,
    Flatten,
    LeakyReLU,
    Linear,
    MaxPool1D,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
    fit,
    plotting,
    predict,
)  # fmt: skip
from modnet.datasets import load
from modnet.optim import SGD, Adam, descend
from modnet.scalar import Value
from modnet.watch import Norms


def history(path):
    """The loss and the accuracy of a training, epoch by epoch."""
    X, y = load("digits")
    net = Sequential(Linear(64, 40, rng=0), ReLU(), Linear(40, 10, rng=1))
    h = fit(net, X, y, CrossEntropy(), Adam(0.005), epochs=30, validation=0.3, patience=8, rng=0)
    h.plot(path)


def frontier(path):
    """What a network of two inputs has learned, under the examples."""
    X, y = load("moons", noise=0.25)
    net = Sequential(Linear(2, 16, rng=0), Tanh(), Linear(16, 2, rng=1))
    fit(net, X, y, CrossEntropy(), Adam(0.01), epochs=60, rng=0)
    plotting.frontier(net, X, y, path)


def confusion(path):
    """Which class was taken for which."""
    X, y = load("digits")
    net = Linear(64, 10, rng=0)
    fit(net, X[:600], y[:600], CrossEntropy(), Adam(0.01), epochs=20, rng=0)
    plotting.confusion(y[600:], predict(net, X[600:]), path)


def predictions(path):
    """The predictions of a regression against the truth."""
    X, y = load("diabetes")
    net = Linear(10, 1, rng=0)
    fit(net, X, y[:, None], MSE(), Adam(1.0), epochs=100, rng=0)
    plotting.predictions(y, predict(net, X), path)


def error_surface(path):
    """The loss over a plane through the parameters, with the path of a training."""
    X, y = load("xor")
    net = Sequential(Linear(2, 2, rng=3), Tanh(), Linear(2, 1, rng=4))
    way = [net.parameters.copy()]
    note = lambda training: way.append(net.parameters.copy())  # noqa: E731
    fit(net, X, y[:, None], BCEWithLogits(), SGD(0.3, momentum=0.8), epochs=150, batch_size=None, callbacks=[note])
    plotting.error_surface(net, BCEWithLogits(), X, y[:, None], path, trajectory=np.array(way), resolution=45)


def activations(path):
    """Activations and their derivatives."""
    plotting.activations(Sigmoid(), Tanh(), ReLU(), LeakyReLU(0.1), path=path)


def path(path):
    """Descents on a plain function."""
    def f(x):
        return x**4 / 4 - 8 * x**3 / 3 + 19 * x**2 / 2 - 12 * x + 1
    def slope(x):
        return x**3 - 8 * x**2 + 19 * x - 12
    left = descend(f, slope, 0.2, SGD(0.01, momentum=0.8), tol=0.01)
    right = descend(f, slope, 5.4, SGD(0.05), tol=0.01)
    plotting.path(f, {"momentum": left, "from 5.4": right}, path, low=-0.1, high=5.6)


def layers(path):
    """Norms and sizes of activations, deltas and gradients in every layer of a training."""
    X, y = load("digits")
    net = Sequential(*[m for i in range(10) for m in (Linear(64 if i == 0 else 20, 20, rng=i), Tanh())], Linear(20, 10, rng=10))
    watched = Norms(X[:200], y[:200])
    fit(net, X, y, CrossEntropy(), SGD(0.1), epochs=10, rng=0, callbacks=[watched])
    plotting.layers(watched, path)


def reconstructions(path):
    """What an auto-encoder gives back."""
    X, _ = load("digits")
    net = Sequential(Linear(64, 12, rng=0), Tanh(), Linear(12, 64, rng=1), Sigmoid())
    fit(net, X, X, BCE(), Adam(0.01), epochs=40, rng=0)
    mean = np.broadcast_to(X.mean(axis=0), X.shape)
    plotting.reconstructions(X, {"12 numbers": predict(net, X), "the mean": mean}, path)


def codes(path):
    """Where an encoder puts the examples."""
    X, y = load("digits")
    encoder = Sequential(Linear(64, 30, rng=0), Tanh(), Linear(30, 2, rng=1), Tanh())
    net = Sequential(encoder, Linear(2, 30, rng=2), Tanh(), Linear(30, 64, rng=3), Sigmoid())
    fit(net, X, X, BCE(), Adam(0.005), epochs=120, rng=0)
    plotting.codes(predict(encoder, X), y, path)


def filters(path):
    """What the units of a layer look for."""
    X, y = load("digits")
    net = Sequential(Linear(64, 16, rng=0), ReLU(), Linear(16, 10, rng=1))
    fit(net, X, y, CrossEntropy(), Adam(0.005, weight_decay=0.01), epochs=40, rng=0)
    plotting.filters(net[0], path)


def network(path):
    """A network with what flows through it for one example, forward and back."""
    net = Sequential(Linear(3, 4, rng=0), Tanh(), Linear(4, 4, rng=1), Tanh(), Linear(4, 2, rng=2))
    plotting.network(net, [1.0, -0.5, 2.0], path, y=1, loss=CrossEntropy())


def network_of_an_image(path):
    """The same for a convolution: columns of many values are strips."""
    X, y = load("digits")
    net = Sequential(Reshape(64, 1), Conv1D(3, 1, 4, rng=0), ReLU(), MaxPool1D(2), Flatten(), Linear(124, 10, rng=1))
    plotting.network(net, X[0], path, y=y[0], loss=CrossEntropy())


def scalar_graph(path):
    """The graph of a scalar that knows its derivatives."""
    x, y = Value(2.0, "x"), Value(-3.0, "y")
    result = (x + y) * y
    result.backward(keep_graph=True)
    plotting.scalar_graph(result, path)


def curves(path):
    """Curves of your own, in the same style."""
    X, y = load("moons")
    losses = {}
    for width in (1, 2, 4, 16):
        net = Sequential(Linear(2, width, rng=0), Tanh(), Linear(width, 2, rng=1))
        losses[f"{width} hidden"] = fit(net, X, y, CrossEntropy(), Adam(0.02), epochs=40, rng=0).loss
    plotting.curves(losses, path, title="Two moons, by the number of hidden units")


ALL = [history, frontier, confusion, predictions, error_surface, activations, path, layers, reconstructions, codes, filters,
       network, network_of_an_image, scalar_graph, curves]  # fmt: skip
assert modnet
