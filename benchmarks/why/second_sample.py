"""Ten more trainings that fail and ten that learn, of other sorts than those of afterwards.py, and what is said of them.

    python benchmarks/why/second_sample.py [--verify] [--reports] [NAME ...]

Each failing one has the kinds that were written down for it, and a cure that was tried by hand (`cure=True`), before
`check_training` was asked. At the first run 6 of the 10 failing ones were found and 5 named, and 2 of the 10 that learn
raised a false alarm: `counts_of_events`, whose predictions are logarithms, and `a_few_wild_targets`, which R2 cannot judge.
Losses that take logarithms have been understood since.
"""

import numpy as np
from sample import main
from sklearn.datasets import load_diabetes, load_digits, load_wine, make_blobs, make_classification, make_friedman1, make_moons

from modnet import (
    BCE,
    GELU,
    MSE,
    NLL,
    BCEWithLogits,
    Conv1D,
    CrossEntropy,
    Embedding,
    Flatten,
    GlobalAvgPool,
    Huber,
    LayerNorm,
    Linear,
    Perceptron,
    Poisson,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    balanced_weights,
)
from modnet.optim import SGD, Adam


def scaled(X):
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)


# Trainings that fail


def words_by_slow_descent(cure=False):
    """An embedding moves only when its word is met: descent at a usual rate hardly moves it."""
    rng = np.random.default_rng(60)
    words = rng.integers(0, 200, (600, 12))
    taste = rng.normal(size=200)
    y = (taste[words].sum(axis=1) > 0).astype(int)
    net = Sequential(Embedding(200, 8, rng=0), GlobalAvgPool(), Linear(8, 2, rng=1))
    return net, CrossEntropy(), Adam(0.01) if cure else SGD(0.01), words, y, dict(epochs=30, rng=0)


def weights_that_sum_to_one(cure=False):
    """Weights of the classes, divided by their sum: every step is hundreds of times too short."""
    X, y = load_wine(return_X_y=True)
    w = balanced_weights(y)
    w = w if cure else w / w.sum()
    net = Sequential(Linear(13, 16, rng=0), Tanh(), Linear(16, 3, rng=1))
    return net, CrossEntropy(), SGD(0.05), scaled(X), y, dict(epochs=60, rng=0, sample_weight=w)


def missing_as_99999(cure=False):
    """A table in which what is missing was written as 99999."""
    rng = np.random.default_rng(61)
    X = rng.normal(size=(500, 5))
    y = (X[:, 0] - X[:, 1] + 0.5 * X[:, 2] > 0).astype(int)
    X[rng.random(X.shape) < 0.04] = 0.0 if cure else 99999.0
    net = Sequential(Linear(5, 24, rng=0), ReLU(), Linear(24, 2, rng=1))
    return net, CrossEntropy(), SGD(0.05), X, y, dict(epochs=40, rng=0)


def rates_that_are_logarithms(cure=False):
    """Poisson takes the logarithm of a rate, and the network ends with a ReLU, since a rate is never below 0."""
    rng = np.random.default_rng(62)
    X = rng.normal(size=(600, 3))
    y = rng.poisson(np.exp(-1.0 + X[:, :1] - 0.7 * X[:, 1:2])).astype(float)
    net = Sequential(Linear(3, 16, rng=0), Tanh(), Linear(16, 1, rng=1), *(() if cure else (ReLU(),)))
    return net, Poisson(), Adam(0.01), X, y, dict(epochs=40, rng=0)


def minus_the_probability(cure=False):
    """NLL takes logarithms, and the network ends with the probabilities themselves."""
    X, y = load_digits(return_X_y=True)
    end = () if cure else (Softmax(),)
    net = Sequential(Linear(64, 32, rng=0), ReLU(), Linear(32, 10, rng=1), *end)
    return net, CrossEntropy() if cure else NLL(), SGD(0.05), X[:800] / 16, y[:800], dict(epochs=12, rng=0)


def labels_encoded_twice(cure=False):
    """The labels of the validation data were numbered anew, in the order in which they came."""
    X, y = make_blobs(600, centers=6, n_features=4, random_state=63)
    X, held = scaled(X), slice(400, None)
    order = np.array([3, 0, 5, 1, 2, 4])
    y_held = y[held] if cure else order[y[held]]
    net = Sequential(Linear(4, 24, rng=0), ReLU(), Linear(24, 6, rng=1))
    return net, CrossEntropy(), Adam(0.01), X[:400], y[:400], dict(epochs=30, rng=0, validation=(X[held], y_held))


class Layer:
    """out = x W + b."""

    def __init__(self, W):
        self.W, self.b = W, np.zeros(W.shape[1])
        self.zero_grad()

    def forward(self, x):
        return x @ self.W + self.b

    def zero_grad(self):
        self.grad_W, self.grad_b = np.zeros_like(self.W), np.zeros_like(self.b)

    def backward_update_gradient(self, x, delta):
        self.grad_W += x.T @ delta
        self.grad_b += delta.sum(axis=0)

    def backward_delta(self, x, delta):
        return delta @ self.W.T

    def update_parameters(self, gradient_step=1e-3):
        self.W -= gradient_step * self.grad_W
        self.b -= gradient_step * self.grad_b


class Squash:
    """1 / (1 + exp(-x))."""

    def forward(self, x):
        return 0.5 * (1 + np.tanh(0.5 * x))

    def zero_grad(self):
        pass

    def backward_update_gradient(self, x, delta):
        pass

    def backward_delta(self, x, delta):
        s = self.forward(x)
        return delta * s * (1 - s)

    def update_parameters(self, gradient_step=1e-3):
        pass


class Chain:
    def __init__(self, *modules):
        self.modules = modules

    def forward(self, x):
        for m in self.modules:
            x = m.forward(x)
        return x

    def zero_grad(self):
        for m in self.modules:
            m.zero_grad()

    def backward_update_gradient(self, x, delta):
        inputs = [x]
        for m in self.modules[:-1]:
            inputs.append(m.forward(inputs[-1]))
        for m, x in zip(self.modules[::-1], inputs[::-1], strict=True):
            m.backward_update_gradient(x, delta)
            delta = m.backward_delta(x, delta)

    def update_parameters(self, gradient_step=1e-3):
        for m in self.modules:
            m.update_parameters(gradient_step)


class Loop:
    """A step of a loop by hand, with a velocity if it has momentum."""

    def __init__(self, net, loss, eps, momentum=0.0):
        self.net, self.loss, self.eps, self.momentum = net, loss, eps, momentum
        self.layers = [m for m in net.modules if hasattr(m, "W")]
        self.velocity = [np.zeros_like(m.W) for m in self.layers]

    def step(self, batch_x, batch_y):
        yhat = self.net.forward(batch_x)
        self.net.zero_grad()
        self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(batch_x))
        for i, m in enumerate(self.layers):
            self.velocity[i] = self.momentum * self.velocity[i] - self.eps * m.grad_W
            m.W += self.velocity[i]
            m.b -= self.eps * m.grad_b


class Softly:
    """Cross-entropy with its softmax."""

    def _p(self, yhat):
        e = np.exp(yhat - yhat.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def forward(self, y, yhat):
        return -np.log(self._p(yhat)[np.arange(len(y)), y] + 1e-12)

    def backward(self, y, yhat):
        p = self._p(yhat)
        p[np.arange(len(y)), y] -= 1
        return p


def rand_for_randn(cure=False):
    """Weights from np.random.rand: all above 0, so that every sigmoid is 1 for every example."""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(64)
    first = rng.normal(size=(64, 30)) / 8 if cure else rng.random((64, 30))
    net, loss = Chain(Layer(first), Squash(), Layer(rng.normal(size=(30, 10)) / 5)), Softly()
    return net, loss, Loop(net, loss, 0.2), X[:600] / 16, y[:600], dict(epochs=25, batch_size=20, rng=0)


class EachWithEach:
    """A squared error whose targets are a row and whose predictions are a column: numpy makes a table of them."""

    def forward(self, y, yhat):
        return ((yhat - y) ** 2).mean(axis=1)

    def backward(self, y, yhat):
        return 2 * (yhat - y).mean(axis=1, keepdims=True)


class One(EachWithEach):
    def forward(self, y, yhat):
        return (yhat[:, 0] - y) ** 2

    def backward(self, y, yhat):
        return 2 * (yhat - y[:, None])


def each_with_each(cure=False):
    """The targets have the shape (n,), the predictions (n, 1), and their difference (n, n)."""
    X, y = load_diabetes(return_X_y=True)
    rng = np.random.default_rng(65)
    net = Chain(Layer(rng.normal(size=(10, 16)) / 3), Squash(), Layer(rng.normal(size=(16, 1)) / 4))
    loss = One() if cure else EachWithEach()
    return net, loss, Loop(net, loss, 0.05), scaled(X), scaled(y), dict(epochs=60, batch_size=32, rng=0)


def a_bias_far_below_zero(cure=False):
    """A convolution whose bias starts at -8, so that the ReLU after it is 0 for every example."""
    rng = np.random.default_rng(66)
    y = rng.integers(0, 2, 400)
    t = np.linspace(0, 1, 32)
    X = np.where(y[:, None], np.sin(6 * np.pi * t), np.sin(14 * np.pi * t)) + 0.4 * rng.normal(size=(400, 32))
    conv = Conv1D(5, 1, 8, rng=0)
    conv.bias[...] = 0.0 if cure else -8.0
    net = Sequential(conv, ReLU(), Flatten(), Linear(8 * 28, 2, rng=1))
    return net, CrossEntropy(), Adam(0.01), X[:, :, None], y, dict(epochs=15, rng=0)


class Squares:
    def forward(self, y, yhat):
        return ((yhat - y) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        return 2 * (yhat - y)


def a_velocity_of_ones_own(cure=False):
    """A loop by hand that keeps 0.99 of the last step, at a rate that would do without it."""
    X, y = make_friedman1(300, noise=0.5, random_state=67)
    rng = np.random.default_rng(67)
    net, loss = Chain(Layer(rng.normal(size=(10, 24)) / 3), Squash(), Layer(rng.normal(size=(24, 1)) / 5)), Squares()
    y = scaled(y)[:, None]
    return net, loss, Loop(net, loss, 0.1, 0.0 if cure else 0.99), scaled(X), y, dict(epochs=60, batch_size=16, rng=0)


FAILING = {
    words_by_slow_descent: ("rate-too-small", "too-few-epochs"),
    weights_that_sum_to_one: ("rate-too-small",),
    missing_as_99999: ("unscaled-inputs",),
    rates_that_are_logarithms: ("output-range",),
    minus_the_probability: ("wrong-loss", "output-range"),
    labels_encoded_twice: ("train-test-mismatch", "label-coding"),
    rand_for_randn: ("saturated-units",),
    each_with_each: ("wrong-loss", "label-coding"),
    a_bias_far_below_zero: ("dead-units",),
    a_velocity_of_ones_own: ("momentum-too-large", "rate-too-large"),
}


# Trainings that learn


def counts_of_events():
    """Counts whose logarithm is a curve: most of what they vary by is chance."""
    rng = np.random.default_rng(70)
    X = rng.uniform(-2, 2, (500, 2))
    y = rng.poisson(np.exp(0.8 + 0.6 * np.sin(2 * X[:, :1]))).astype(float)
    net = Sequential(Linear(2, 24, rng=0), Tanh(), Linear(24, 1, rng=1))
    return net, Poisson(), Adam(0.01), X, y, dict(epochs=60, rng=0)


def tags_with_padding():
    """A tag for every word, -1 where a sentence has ended."""
    rng = np.random.default_rng(71)
    words = rng.integers(1, 30, (300, 10))
    lengths = rng.integers(4, 11, 300)
    tags = np.where(words % 3 == 0, 2, words % 2)
    ended = np.arange(10) >= lengths[:, None]
    words[ended], tags[ended] = 0, -1
    net = Sequential(Embedding(30, 8, rng=0), Linear(8, 16, rng=1), ReLU(), Linear(16, 3, rng=2))
    return net, CrossEntropy(ignore_index=-1), Adam(0.02), words, tags, dict(epochs=25, rng=0)


def momentum_of_ones_own():
    """A loop by hand with a velocity, on classes of its own."""
    X, y = load_wine(return_X_y=True)
    rng = np.random.default_rng(72)
    net, loss = Chain(Layer(rng.normal(size=(13, 24)) / 3), Squash(), Layer(rng.normal(size=(24, 3)) / 5)), Softly()
    return net, loss, Loop(net, loss, 0.05, 0.9), scaled(X), y, dict(epochs=40, batch_size=16, rng=0)


def labels_flipped_and_patience():
    """One label of five is wrong, and training stops by itself."""
    X, y = make_classification(600, 8, n_informative=5, flip_y=0.4, random_state=73)
    net = Sequential(Linear(8, 16, rng=0), ReLU(), Linear(16, 1, rng=1))
    options = dict(epochs=200, rng=0, validation=0.25, patience=8)
    return net, BCEWithLogits(), Adam(0.005), X, y[:, None].astype(float), options


def layers_beside_themselves():
    """Residual blocks with LayerNorm."""
    X, y = make_friedman1(500, noise=1.0, random_state=74)
    blocks = [Residual(LayerNorm(24), Linear(24, 24, rng=i), GELU(), Linear(24, 24, rng=10 + i)) for i in range(2)]
    net = Sequential(Linear(10, 24, rng=0), *blocks, Linear(24, 1, rng=1))
    return net, MSE(), Adam(0.005), scaled(X), scaled(y)[:, None], dict(epochs=50, rng=0)


def several_tags_at_once():
    rng = np.random.default_rng(75)
    X = rng.normal(size=(500, 8))
    y = (X @ rng.normal(size=(8, 4)) + 0.5 * rng.normal(size=(500, 4)) > 0.7).astype(float)
    net = Sequential(Linear(8, 24, rng=0), ReLU(), Linear(24, 4, rng=1))
    return net, BCEWithLogits(), SGD(0.1, momentum=0.9), X, y, dict(epochs=40, rng=0)


def a_few_wild_targets():
    """A line with a few targets that are far off, and a loss that does not mind them."""
    rng = np.random.default_rng(76)
    X = rng.normal(size=(400, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.2 * rng.normal(size=400)
    y[rng.random(400) < 0.05] += 40
    net = Sequential(Linear(3, 16, rng=0), Tanh(), Linear(16, 1, rng=1))
    return net, Huber(), Adam(0.02), X, y[:, None], dict(epochs=60, rng=0)


def bag_of_words():
    """Three hundred columns, nearly all 0, and a linear model."""
    rng = np.random.default_rng(77)
    X = (rng.random((800, 300)) < 0.05).astype(float)
    score = X @ rng.normal(size=(300, 3))
    y = (score + 0.5 * rng.normal(size=score.shape)).argmax(axis=1)
    return Linear(300, 3, rng=0), CrossEntropy(), SGD(1.0), X, y, dict(epochs=40, rng=0)


def a_perceptron():
    X, y = make_blobs(300, centers=2, cluster_std=1.5, random_state=78)
    return Linear(2, 1, rng=0), Perceptron(), SGD(0.1), scaled(X), np.where(y, 1.0, -1.0)[:, None], dict(epochs=20, rng=0)


def features_that_stay():
    """A wide layer of random features that is frozen on purpose, and a linear one on top."""
    X, y = make_moons(400, noise=0.15, random_state=79)
    net, optimizer = Sequential(Linear(2, 200, rng=0), Tanh(), Linear(200, 1, rng=1), Sigmoid()), SGD(0.5)
    optimizer.attach(net, rates={0: 0.0})
    return net, BCE(), optimizer, X, y[:, None].astype(float), dict(epochs=100, rng=0)


LEARNING = [
    counts_of_events, tags_with_padding, momentum_of_ones_own, labels_flipped_and_patience, layers_beside_themselves,
    several_tags_at_once, a_few_wild_targets, bag_of_words, a_perceptron, features_that_stay,
]  # fmt: skip


if __name__ == "__main__":
    main(FAILING, LEARNING)
