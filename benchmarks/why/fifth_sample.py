"""A fifth sample: thirty-two trainings that fail as people ask about them in public, made small again, and ten that learn.

    python benchmarks/why/fifth_sample.py [--verify] [--reports] [NAME ...]

Each failing one says where it was asked (SO is Stack Overflow, DS and AI its sisters on data science and AI) and has the kinds
that were written down for it before `check_training` was asked, from the answer or from a cure that was tried by hand
(`cure=True`). The file is longer than most, so that the sample is in one piece.

At the first run 26 of the 32 failing ones were found and 21 named; none of the 10 that learn raised a false alarm.
"""

import copy
import itertools

import numpy as np
from sample import main
from second_sample import Chain, Layer, Loop, Softly, Squares, Squash, scaled
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, make_classification, make_moons

from modnet import (
    BCE,
    MSE,
    BatchNorm,
    Conv1D,
    Conv2D,
    CrossEntropy,
    Dropout,
    Flatten,
    Hinge,
    Linear,
    MaxPool2D,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from modnet.optim import SGD, Adam, RMSprop

XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
ODD = np.array([[0.0], [1], [1], [0]])


def drawn(net, draw):
    """The network with the weights of its layers drawn by a function of their shape, and its biases 0."""
    for module in net:
        if isinstance(module, Linear):
            module.weight[...] = draw(module.weight.shape)
            if module.bias is not None:
                module.bias[...] = 0
    return net


# Trainings that fail


def xor_from_hundredths(cure=False):
    """ "The loss stays near 0.69": weights of np.random.randn * 0.01, sigmoids. (A forum, on XOR in NumPy.)"""
    rng = np.random.default_rng(200)
    net = Sequential(Linear(2, 5), Sigmoid(), Linear(5, 1), Sigmoid())
    drawn(net, lambda shape: (2 if cure else 0.01) * rng.normal(size=shape))
    return net, BCE(), SGD(0.5), XOR, ODD, dict(epochs=3000, batch_size=None, rng=0)


def xor_without_a_hidden_layer(cure=False):
    """ "Always outputs 0.5": there is no hidden layer. (AI 27010)"""
    hidden = (Linear(2, 8, rng=0), Tanh(), Linear(8, 2, rng=1)) if cure else (Linear(2, 2, rng=0),)
    return Sequential(*hidden), CrossEntropy(), SGD(0.5), XOR, ODD[:, 0].astype(int), dict(epochs=1000, batch_size=4, rng=0)


def a_line_into_a_relu(cure=False):
    """y = 2x - 1 from -3 to 9, with a ReLU after the last layer, too. (community.deeplearning.ai 324182)"""
    X = np.arange(-1.0, 6.0)[:, None]
    end = () if cure else (ReLU(),)
    net = Sequential(Linear(1, 4, rng=6), ReLU(), Linear(4, 2, rng=7), ReLU(), Linear(2, 1, rng=8), *end)
    return net, MSE(), Adam(0.01), X, 2 * X - 1, dict(epochs=500, rng=0)


def a_line_up_to_a_hundred(cure=False):
    """ "It works for x from 0 to 1, and is nan for x from 0 to 100." (a page of questions on gradient descent)"""
    rng = np.random.default_rng(201)
    X = rng.random((500, 1)) * 100
    y = 5 * X + 3 + 0.1 * rng.normal(size=(500, 1))
    return Linear(1, 1, rng=0), MSE(), SGD(0.01), scaled(X) if cure else X, y, dict(epochs=200, batch_size=None, rng=0)


def a_sine_of_whole_numbers(cure=False):
    """sin(x) for x = 0 to 99, ten sigmoids, and one at the end. (DS 19365)"""
    X = np.arange(200.0)[:, None] / 50 if cure else np.arange(100.0)[:, None]
    end = () if cure else (Sigmoid(),)
    net = Sequential(Linear(1, 40 if cure else 10, rng=0), Tanh() if cure else Sigmoid(), Linear(40 if cure else 10, 1), *end)
    return net, MSE(), SGD(0.05 if cure else 0.01), X, np.sin(X), dict(epochs=400, batch_size=10 if cure else 1, rng=0)


def a_sine_over_a_thousand(cure=False):
    """A wave over x = 0 to 999, as it is, into tanhs. (SO 46995209)"""
    X = np.arange(1000.0)[:, None]
    y = np.sin(3.5 * np.pi * X / 1000)
    net = Sequential(Linear(1, 20, rng=0), Tanh(), Linear(20, 20, rng=1), Tanh(), Linear(20, 1, rng=2))
    return net, MSE(), Adam(0.01), scaled(X) if cure else X, y, dict(epochs=100, rng=0)


class Fifty:
    """50 x."""

    def forward(self, x):
        return 50.0 * x

    def zero_grad(self):
        pass

    def backward_update_gradient(self, x, delta):
        pass

    def backward_delta(self, x, delta):
        return 50.0 * delta

    def update_parameters(self, gradient_step=1e-3):
        pass


def marks_out_of_fifty(cure=False):
    """Marks as fifty times a sigmoid: "the same prediction, 50, for every student". (a forum, on TensorFlow)"""
    rng = np.random.default_rng(202)
    X = rng.uniform(0, 10, (200, 4))
    y = np.clip(5 + 4 * X[:, :1] + 1.5 * X[:, 1:2] - 2 * X[:, 2:3] + rng.normal(size=(200, 1)), 0, 50)
    net = Sequential(Linear(4, 8, rng=0), Sigmoid(), Linear(8, 1, rng=1), Sigmoid(), Fifty())
    return net, MSE(), SGD(0.0005 if cure else 0.05), scaled(X), y, dict(epochs=150, batch_size=20, rng=0)


def pythagoras_between_0_and_1(cure=False):
    """The third side of a triangle, up to 70, from a sigmoid. (SO 37371121)"""
    rng = np.random.default_rng(203)
    X = rng.uniform(1, 50, (300, 2))
    y = np.hypot(X[:, :1], X[:, 1:])
    net = Sequential(Linear(2, 8, rng=0), Sigmoid(), Linear(8, 1, rng=1), Sigmoid())
    if cure:
        return net, MSE(), SGD(0.5), scaled(X), (y - y.min()) / np.ptp(y), dict(epochs=200, rng=0)
    return net, MSE(), SGD(0.5), X, y, dict(epochs=200, rng=0)


def never_below_zero(cure=False):
    """sin of a sum of -1, 0 and 1: "all negative values come out as 0". (SO 5105718)"""
    rng = np.random.default_rng(204)
    X = rng.integers(-1, 2, (300, 4)).astype(float)
    y = np.sin(X.sum(axis=1, keepdims=True))
    net = Sequential(Linear(4, 16, rng=0), Tanh(), Linear(16, 1, rng=1), *(() if cure else (Sigmoid(),)))
    return net, MSE(), SGD(0.1), X, y, dict(epochs=200, rng=0)


def a_product_as_it_is(cure=False):
    """a times b for a and b up to 100, nothing scaled. (SO 37671274)"""
    rng = np.random.default_rng(205)
    X = rng.integers(1, 101, (800, 2)).astype(float)
    y = X[:, :1] * X[:, 1:]
    net = Sequential(Linear(2, 30, rng=0), Sigmoid(), Linear(30, 1, rng=1))
    options = dict(epochs=100, rng=0)
    return (net, MSE(), SGD(0.05), scaled(X), scaled(y), options) if cure else (net, MSE(), SGD(0.005), X, y, options)


def ten_digits_one_sigmoid(cure=False):
    """Digits from 0 to 9 as the target of one sigmoid with the binary loss: 11 % are right. (DS 38604)"""
    X, y = load_digits(return_X_y=True)
    if cure:
        net = Sequential(Linear(64, 32, rng=0), ReLU(), Linear(32, 10, rng=1))
        return net, CrossEntropy(), Adam(0.003), X[:600] / 16, y[:600], dict(epochs=15, rng=0)
    net = Sequential(Linear(64, 32, rng=0), ReLU(), Linear(32, 1, rng=1), Sigmoid())
    return net, BCE(), Adam(0.003), X[:600] / 16, y[:600, None], dict(epochs=15, rng=0)


def one_unit_and_a_softmax(cure=False):
    """Series of ten steps and four sensors; one output with a softmax is always 1. (SO, on Keras' Convolution1D)"""
    rng = np.random.default_rng(206)
    y = rng.integers(0, 2, (400, 1)).astype(float)
    X = rng.normal(size=(400, 10, 4)) + y[:, :, None] * np.sin(np.arange(10))[:, None]
    net = Sequential(
        Conv1D(4, 4, 8, rng=0), BatchNorm(8), ReLU(), Flatten(), Linear(56, 1, rng=1), Sigmoid() if cure else Softmax()
    )
    return net, BCE(), Adam(0.01), X, y, dict(epochs=15, rng=0)


def five_relus_of_a_tenth(cure=False):
    """Moons, layers of 4, 6, 6 and 4 ReLUs, weights of randn * 0.1. (ILearnDeepLearning, issue 2)"""
    X, y = make_moons(400, noise=0.1, random_state=207)
    rng = np.random.default_rng(207)
    widths = (2, 25, 50, 25) if cure else (2, 4, 6, 6, 4)
    modules = []
    for a, b in itertools.pairwise(widths):
        modules += [Linear(a, b), ReLU()]
    net = drawn(
        Sequential(*modules, Linear(widths[-1], 1), Sigmoid()),
        lambda s: (np.sqrt(2 / s[0]) if cure else 0.1) * rng.normal(size=s),
    )
    return net, BCE(), SGD(0.1 if cure else 0.01), X, y[:, None].astype(float), dict(epochs=1000, batch_size=None, rng=0)


def a_quarter_of_xor_set_aside(cure=False):
    """A quarter is set aside for validation: one of the four rows of XOR. (SO, on PyBrain's trainUntilConvergence)"""
    net = Sequential(Linear(2, 6, rng=0), Tanh(), Linear(6, 1, rng=1))
    options = dict(epochs=1000, batch_size=1, rng=0)
    return net, MSE(), SGD(0.1), XOR, ODD, options if cure else options | dict(validation=0.25, patience=20)


def keras_says_l2(cure=False):
    """A penalty as its name's default is: accuracy 10 % with it, fine without. (a forum, on Keras' regularizers.l2)"""
    X, y = load_digits(return_X_y=True)
    net = Sequential(Linear(64, 36, rng=0), Sigmoid(), Dropout(0.5, rng=1), Linear(36, 10, rng=2))
    optimizer = RMSprop(0.003, weight_decay=0.0 if cure else 0.1)
    return net, CrossEntropy(), optimizer, X[:1000] / 16, y[:1000], dict(epochs=30, batch_size=50, rng=0)


def randn_and_raw_pixels(cure=False):
    """Weights of np.random.randn, pixels as they are, ReLUs: about 10 %. (SO, MNIST in NumPy, its author's own answer)"""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(208)
    net = Sequential(Linear(64, 10), ReLU(), Linear(10, 10))
    drawn(net, lambda s: rng.normal(size=s) * (1 / np.sqrt(s[0]) if cure else 1))
    X = X[:1000] / (16 if cure else 1)
    return net, CrossEntropy(), SGD(0.5 if cure else 0.1), X, y[:1000], dict(epochs=100, batch_size=200, rng=0)


class AllBiasesAlike(Layer):
    """A layer that sums the gradient of its biases over everything."""

    def backward_update_gradient(self, x, delta):
        self.grad_W += x.T @ delta
        self.grad_b += delta.sum()


class Rectified(Squash):
    def forward(self, x):
        return np.maximum(x, 0)

    def backward_delta(self, x, delta):
        return delta * (x > 0)


def biases_over_the_wrong_axis(cure=False):
    """NumPy on digits at 10 %: the gradient of the biases is summed over the wrong axis. (pytroubles 1785)"""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(209)
    kind = Layer if cure else AllBiasesAlike
    net, loss = Chain(kind(rng.normal(size=(64, 24)) / 6), Rectified(), kind(rng.normal(size=(24, 10)) / 4)), OneHot()
    return net, loss, Loop(net, loss, 0.1), X[:700] / 16, np.eye(10)[y[:700]], dict(epochs=25, batch_size=32, rng=0)


class OneHot(Squares):
    """Half the squares."""

    def forward(self, y, yhat):
        return 0.5 * ((yhat - y) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        return yhat - y


class Sideways(Squash):
    """A softmax whose sums go over the examples, where those over the classes were meant."""

    axis = 0

    def forward(self, x):
        e = np.exp(x - x.max())
        return e / e.sum(axis=self.axis, keepdims=True)

    def backward_delta(self, x, delta):
        return delta  # the loss gives p - y


class Upright(Sideways):
    axis = 1


class MinusLog:
    """Cross-entropy of probabilities, with the derivative by what goes into the softmax."""

    def forward(self, y, yhat):
        return -(y * np.log(yhat + 1e-12)).sum(axis=1)

    def backward(self, y, yhat):
        return yhat - y


def a_softmax_over_the_examples(cure=False):
    """exp(x) / exp(x).sum(axis=0): the sum goes over the batch. (splunktool, on softmax in NumPy)"""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(210)
    end = Upright() if cure else Sideways()
    net, loss = Chain(Layer(rng.normal(size=(64, 24)) / 8), Squash(), Layer(rng.normal(size=(24, 10)) / 5), end), MinusLog()
    return net, loss, Loop(net, loss, 0.3), X[:700] / 16, np.eye(10)[y[:700]], dict(epochs=25, batch_size=20, rng=0)


class Backwards(OneHot):
    def backward(self, y, yhat):
        return y - yhat


def the_error_rises(cure=False):
    """e = (outputs - A2), and it is subtracted: "the cost rises to 4.5 and all outputs are 1". (pythoner.space)"""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(211)
    loss = OneHot() if cure else Backwards()
    net = Chain(Layer(rng.normal(size=(64, 30)) / 4), Squash(), Layer(rng.normal(size=(30, 10)) / 4), Squash())
    return net, loss, Loop(net, loss, 1.0), X[:700] / 16, np.eye(10)[y[:700]], dict(epochs=25, batch_size=20, rng=0)


class TimesOut(Upright):
    """A softmax whose backward multiplies by what came out, and forgets the rest of the Jacobian."""

    def backward_delta(self, x, delta):
        p = self.forward(x)
        return p * delta if type(self) is TimesOut else p * (delta - (p * delta).sum(axis=1, keepdims=True))


class Whole(TimesOut):
    pass


def a_softmax_times_its_output(cure=False):
    """Squares of a softmax, whose derivative is taken to be its output: "it always picks 0". (SO 75378819)"""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(212)
    end = Whole() if cure else TimesOut()
    net, loss = Chain(Layer(rng.normal(size=(64, 24)) / 8), Squash(), Layer(rng.normal(size=(24, 10)) / 5), end), OneHot()
    return net, loss, Loop(net, loss, 1.0), X[:700] / 16, np.eye(10)[y[:700]], dict(epochs=40, batch_size=20, rng=0)


class SameList(Loop):
    """A step that starts its sums from templates of zeros, which it adds to: they are zeros once only."""

    def __init__(self, net, loss, eps, copied):
        super().__init__(net, loss, eps)
        self.copied = copied
        self.templates = [np.zeros_like(m.W) for m in self.layers]

    def step(self, batch_x, batch_y):
        sums = [t.copy() for t in self.templates] if self.copied else self.templates
        yhat = self.net.forward(batch_x)
        self.net.zero_grad()
        self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(batch_x))
        for total, m in zip(sums, self.layers, strict=True):
            total += m.grad_W
            m.W -= self.eps * total
            m.b -= self.eps * m.grad_b


def sums_that_are_never_new(cure=False):
    """self.updates = self.templates is one list, not a copy: "9.8 % after the first epoch". (offlinew, MNIST with tanh)"""
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(213)
    net, loss = Chain(Layer(rng.normal(size=(64, 30)) / 8), Squash(), Layer(rng.normal(size=(30, 10)) / 5)), OneHot()
    optimizer = SameList(net, loss, 0.1, cure)
    return net, loss, optimizer, X[:700] / 16, np.eye(10)[y[:700]], dict(epochs=20, batch_size=20, rng=0)


def two_hundred_steps_from_zero(cure=False):
    """The length of a petal's neighbour, about 5.8, in 200 steps of a thousandth. (SO 72410071, scikit-learn's MLPRegressor)"""
    X = load_iris().data
    y = X[:, :1].copy()
    net = Sequential(Linear(3, 100, rng=0), ReLU(), Linear(100, 1, rng=1))
    epochs = 3000 if cure else 200
    return net, MSE(), Adam(0.001), scaled(X[:, 1:]), y, dict(epochs=epochs, batch_size=200, rng=0)


def statistics_as_in_keras(cure=False):
    """BatchNorm that keeps 99.9 % of its old statistics, and a hundred steps: good in training, not afterwards. (a blog)"""
    X, y = load_breast_cancer(return_X_y=True)
    momentum = 0.1 if cure else 0.001
    net = Sequential(Linear(30, 16, rng=0), BatchNorm(16, momentum=momentum), ReLU(), Linear(16, 2, rng=1))
    return net, CrossEntropy(), Adam(0.01), scaled(X) * 3 + 20, y, dict(epochs=10, rng=0)


def sorted_and_not_shuffled(cure=False):
    """The rows are sorted by class, and taken in that order. ("Most common machine learning mistakes", 11)"""
    X, y = load_digits(return_X_y=True)
    order = np.argsort(y[:1000], kind="stable")
    net = Sequential(Linear(64, 32, rng=0), ReLU(), Linear(32, 10, rng=1))
    return net, CrossEntropy(), SGD(0.3), X[order] / 16, y[order], dict(epochs=15, batch_size=16, shuffle=cure, rng=0)


def only_one_was_shuffled(cure=False):
    """X is shuffled, y is not."""
    X, y = load_iris(return_X_y=True)
    X = scaled(X)[np.random.default_rng(214).permutation(150)] if not cure else scaled(X)
    net = Sequential(Linear(4, 16, rng=0), Tanh(), Linear(16, 3, rng=1))
    return net, CrossEntropy(), Adam(0.01), X, y, dict(epochs=60, rng=0)


def one_weight_and_no_bias(cure=False):
    """Whether x is above 50, for x from 0 to 100: "below half are right". (DS 30298)"""
    X = np.random.default_rng(215).uniform(0, 100, (200, 1))
    net = Sequential(Linear(1, 1, bias=cure, rng=0), Sigmoid())
    X, y = (scaled(X) if cure else X), (X > 50).astype(float)
    return net, BCE(), SGD(0.1), X, y, dict(epochs=100, batch_size=1, rng=0)


def four_bits_of_parity(cure=False):
    """The parity of four bits, four sigmoids, rate 0.1: the weights hardly change. (a forum)"""
    X = np.array([[i >> k & 1 for k in range(4)] for i in range(16)], float)
    y = (X.sum(axis=1, keepdims=True) % 2 == 1).astype(float)
    net = Sequential(Linear(4, 8, rng=0), Sigmoid(), Linear(8, 1, rng=1), Sigmoid())
    return net, MSE(), SGD(5.0 if cure else 0.1), X, y, dict(epochs=2000, batch_size=1 if not cure else 4, rng=0)


def all_weights_above_zero(cure=False):
    """Weights and biases of random.rand, sigmoids, two outputs: "[0.5, 0.5] after every epoch". (SO, on XOR)"""
    rng = np.random.default_rng(216)
    X = (rng.random((300, 10)) > 0.5).astype(float)
    y = np.eye(2)[(X[:, 0] != X[:, 1]).astype(int)]
    net = Sequential(Linear(10, 40, rng=0), Sigmoid(), Linear(40, 40, rng=1), Sigmoid(), Linear(40, 2, rng=2), Sigmoid())
    if not cure:
        drawn(net, lambda s: rng.random(s))
    else:
        drawn(net, lambda s: rng.normal(size=s) * 2 / np.sqrt(s[0]))
    return net, MSE(), SGD(0.5), X, y, dict(epochs=300, batch_size=10, rng=0)


class OfACopy(Loop):
    """A step that trains the network it was made with: a copy."""


def an_optimizer_of_a_copy(cure=False):
    """The optimizer was made before the network was loaded again: it moves the old one."""
    X, y = load_iris(return_X_y=True)
    rng = np.random.default_rng(217)
    net, loss = Chain(Layer(rng.normal(size=(4, 16)) / 2), Squash(), Layer(rng.normal(size=(16, 3)) / 4)), Softly()
    optimizer = OfACopy(net if cure else copy.deepcopy(net), loss, 0.5)
    return net, loss, optimizer, scaled(X), y, dict(epochs=60, batch_size=10, rng=0)


class WeightsOnly(Loop):
    """A step that computes the new bias and throws it away: db = b - eps * db."""

    def step(self, batch_x, batch_y):
        kept = [m.b.copy() for m in self.layers]
        super().step(batch_x, batch_y)
        for m, b in zip(self.layers, kept, strict=True):
            m.b[...] = b


def biases_that_stay(cure=False):
    """db1 = b1 - alpha * db1: the biases stay 0. (SO, MNIST in NumPy)"""
    rng = np.random.default_rng(219)
    X = rng.uniform(1, 5, (400, 1))
    y = (np.abs(X - 3) < 0.9).astype(float)
    net, loss = Chain(Layer(rng.normal(size=(1, 16))), Squash(), Layer(rng.normal(size=(16, 1)) / 4), Squash()), OneHot()
    step = Loop if cure else WeightsOnly
    return net, loss, step(net, loss, 2.0), X, y, dict(epochs=300, batch_size=20, rng=0)


def the_same_target_for_all(cure=False):
    """X is drawn, y is np.full(1000, 5.0). (pythonhelpdesk)"""
    X = np.random.default_rng(220).random((300, 10))
    net = Sequential(Linear(10, 32, rng=0), ReLU(), Linear(32, 1, rng=1))
    return net, MSE(), Adam(0.01), X, X[:, :1] if cure else np.full((300, 1), 5.0), dict(epochs=30, rng=0)


def more_columns_than_rows(cure=False):
    """Three columns matter of two hundred, on eighty rows. (scikit-learn's list, on MLPRegressor and its alpha)"""
    rng = np.random.default_rng(221)
    X = rng.normal(size=(80, 200))
    y = X[:, :1] + 0.5 * X[:, 1:2] - X[:, 2:3] + 0.2 * rng.normal(size=(80, 1))
    X = X[:, :10] if cure else X
    net = Sequential(Linear(X.shape[1], 64, rng=0), ReLU(), Linear(64, 1, rng=1))
    return net, MSE(), Adam(0.003), X, y, dict(epochs=200, rng=0)


FAILING = {
    xor_from_hundredths: ("symmetric-init", "rate-too-small", "too-few-epochs"),
    xor_without_a_hidden_layer: ("too-small",),
    a_line_into_a_relu: ("output-range", "dead-units"),
    a_line_up_to_a_hundred: ("rate-too-large", "unscaled-inputs"),
    a_sine_of_whole_numbers: ("output-range", "unscaled-inputs"),
    a_sine_over_a_thousand: ("unscaled-inputs",),
    marks_out_of_fifty: ("rate-too-large", "unscaled-targets"),
    pythagoras_between_0_and_1: ("output-range", "unscaled-targets"),
    never_below_zero: ("output-range",),
    a_product_as_it_is: ("unscaled-targets", "unscaled-inputs"),
    ten_digits_one_sigmoid: ("label-coding", "wrong-loss", "output-range"),
    one_unit_and_a_softmax: ("output-range",),
    five_relus_of_a_tenth: ("vanishing-gradient", "symmetric-init", "rate-too-small"),
    a_quarter_of_xor_set_aside: ("train-test-mismatch", "too-few-epochs"),
    keras_says_l2: ("weight-decay-too-large",),
    randn_and_raw_pixels: ("saturated-units", "unscaled-inputs"),
    biases_over_the_wrong_axis: ("wrong-gradient",),
    a_softmax_over_the_examples: ("wrong-gradient",),
    the_error_rises: ("wrong-sign", "wrong-gradient"),
    a_softmax_times_its_output: ("wrong-gradient",),
    sums_that_are_never_new: ("not-zeroed",),
    two_hundred_steps_from_zero: ("too-few-epochs", "rate-too-small", "unscaled-targets"),
    statistics_as_in_keras: ("batch-size", "train-test-mismatch"),
    sorted_and_not_shuffled: ("sorted-data",),
    only_one_was_shuffled: ("nothing-to-learn",),
    one_weight_and_no_bias: ("no-bias", "unscaled-inputs"),
    four_bits_of_parity: ("rate-too-small", "too-few-epochs"),
    all_weights_above_zero: ("saturated-units",),
    an_optimizer_of_a_copy: ("layer-not-trained",),
    biases_that_stay: ("layer-not-trained", "no-bias"),
    the_same_target_for_all: ("nothing-to-learn", "label-coding"),
    more_columns_than_rows: ("overfitting",),
}


# Trainings that learn


def prices_in_full_and_a_line():
    """Prices of half a million by one layer: a page calls it too small, and it learns."""
    rng = np.random.default_rng(230)
    X = rng.random((1000, 2))
    y = 500000 * X[:, :1] + 300000 * X[:, 1:] + 50000 * rng.normal(size=(1000, 1))
    return Linear(2, 1, rng=0), MSE(), SGD(0.05), X, y, dict(epochs=50, rng=0)


def a_made_up_table():
    X, y = make_classification(1000, 20, n_informative=5, random_state=231)
    net = Sequential(Linear(20, 50, rng=0), ReLU(), Linear(50, 2, rng=1))
    return net, CrossEntropy(), Adam(0.001, weight_decay=0.01), X, y, dict(epochs=60, rng=0)


def irises_as_they_are():
    X, y = load_iris(return_X_y=True)
    return (
        Sequential(Linear(4, 10, rng=0), Tanh(), Linear(10, 3, rng=1)),
        CrossEntropy(),
        Adam(0.01),
        X,
        y,
        dict(epochs=100, rng=0),
    )


def one_period():
    X = np.linspace(0, 2 * np.pi, 200)[:, None]
    return (
        Sequential(Linear(1, 20, rng=0), Tanh(), Linear(20, 1, rng=1)),
        MSE(),
        Adam(0.01),
        X,
        np.sin(X),
        dict(epochs=300, rng=0),
    )


def xor_with_four_units():
    net = Sequential(Linear(2, 4, rng=0), Tanh(), Linear(4, 1, rng=1), Sigmoid())
    return net, BCE(), SGD(0.5), XOR, ODD, dict(epochs=1500, batch_size=4, rng=0)


def three_in_ten_dropped():
    X, y = load_breast_cancer(return_X_y=True)
    net = Sequential(Linear(30, 24, rng=0), ReLU(), Dropout(0.3, rng=1), Linear(24, 1, rng=2), Sigmoid())
    return net, BCE(), Adam(0.003), scaled(X), y[:, None].astype(float), dict(epochs=30, rng=0)


def sugar_half_explained():
    X, y = load_diabetes(return_X_y=True)
    net = Sequential(Linear(10, 8, rng=0), Tanh(), Linear(8, 1, rng=1))
    return net, MSE(), Adam(0.005, weight_decay=0.05), scaled(X), scaled(y)[:, None], dict(epochs=60, rng=0)


def one_in_ten():
    X, y = make_classification(800, 8, n_informative=4, weights=[0.9], class_sep=1.2, random_state=232)
    net = Sequential(Linear(8, 16, rng=0), Tanh(), Linear(16, 2, rng=1))
    return net, CrossEntropy(), Adam(0.01), X, y, dict(epochs=40, rng=0)


def digits_through_windows():
    X, y = load_digits(return_X_y=True)
    net = Sequential(Conv2D(3, 1, 8, rng=0), ReLU(), MaxPool2D(2), Flatten(), Linear(72, 10, rng=1))
    return net, CrossEntropy(), Adam(0.01), X[:800].reshape(-1, 8, 8, 1) / 16, y[:800], dict(epochs=12, rng=0)


def a_margin():
    X, y = load_breast_cancer(return_X_y=True)
    return Linear(30, 1, rng=0), Hinge(), SGD(0.05), scaled(X), (2.0 * y - 1)[:, None], dict(epochs=30, rng=0)


LEARNING = [
    prices_in_full_and_a_line, a_made_up_table, irises_as_they_are, one_period, xor_with_four_units, three_in_ten_dropped,
    sugar_half_explained, one_in_ten, digits_through_windows, a_margin,
]  # fmt: skip

if __name__ == "__main__":
    main(FAILING, LEARNING)
