"""check_training on mistakes that people ask about in public: what a loop keeps, layers that pass nothing, splits, certain facts."""

import numpy as np
import pytest

from modnet import (
    MSE,
    BatchNorm,
    CrossEntropy,
    GaussianNoise,
    LayerNorm,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from modnet.check import check_training
from modnet.check.networks.steps import Steps
from modnet.check.training.byhand import cutting, is_same_step
from modnet.check.training.knobs import knobs
from modnet.optim import SGD, Adam

XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
ODD = np.array([[0.0], [1], [1], [0]])


def groups(n=300, seed=0):
    """Three classes, and the same as rows with a single 1."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, 4)) + 2.5 * np.eye(3, 4)[y], y


class Dense:
    def __init__(self, inputs, outputs, seed):
        self.W, self.b = np.random.default_rng(seed).normal(size=(inputs, outputs)) / np.sqrt(inputs), np.zeros(outputs)
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

    def update_parameters(self, gradient_step):
        self.W -= gradient_step * self.grad_W
        self.b -= gradient_step * self.grad_b


class Curve:
    def forward(self, x):
        return np.tanh(x)

    def zero_grad(self):
        pass

    def backward_update_gradient(self, x, delta):
        pass

    def backward_delta(self, x, delta):
        return delta * (1 - np.tanh(x) ** 2)

    def update_parameters(self, gradient_step):
        pass


class Jump(Curve):
    """A step from 0 to 1, whose derivative is 0."""

    def forward(self, x):
        return (x > 0) * 1.0

    def backward_delta(self, x, delta):
        return np.zeros_like(delta)


class Shares(Curve):
    """A softmax along an axis, that leaves its derivative to the loss."""

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x):
        e = np.exp(x - x.max())
        return e / e.sum(axis=self.axis, keepdims=True)

    def backward_delta(self, x, delta):
        return delta


class Minus:
    """Cross-entropy of probabilities, differentiated by what goes into the softmax."""

    def forward(self, y, yhat):
        return -np.log((y * yhat).sum(axis=1) + 1e-12)

    def backward(self, y, yhat):
        return yhat - y


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
        for layer in self.layers:
            inputs.append(layer.forward(inputs[-1]))
        for layer, x in zip(self.layers[::-1], inputs[-2::-1], strict=True):
            layer.backward_update_gradient(x, delta)
            delta = layer.backward_delta(x, delta)

    def update_parameters(self, gradient_step):
        for layer in self.layers:
            layer.update_parameters(gradient_step)


class Optim:
    """A loop that moves by sums of its own, of which it keeps a share from step to step."""

    def __init__(self, net, loss, eps, share=0.0):
        self.net, self.loss, self.eps = net, loss, eps
        self.keep = lambda total: share * total
        self.sums = [np.zeros_like(layer.W) for layer in net.layers if hasattr(layer, "W")]

    def step(self, batch_x, batch_y):
        self.net.zero_grad()
        delta = self.loss.backward(batch_y, self.net.forward(batch_x)) / len(batch_x)
        self.net.backward_update_gradient(batch_x, delta)
        for i, layer in enumerate(layer for layer in self.net.layers if hasattr(layer, "W")):
            self.sums[i] = self.keep(self.sums[i]) + layer.grad_W
            layer.W -= self.eps * self.sums[i]
            layer.b -= self.eps * layer.grad_b


def by_hand(*end, middle=None, units=12, share=0.0, eps=0.3):
    """A loop by hand over groups, and the report on it."""
    X, y = groups()
    net, loss = Chain(Dense(4, units, 0), middle or Curve(), Dense(units, 3, 1), *(end or (Shares(1),))), Minus()
    return net, loss, Optim(net, loss, eps, share), X, np.eye(3)[y]


def asked(net, loss, optimizer, X, y, **options):
    return check_training(net, loss, optimizer, X, y, **{"epochs": 15, "batch_size": 20, "rng": 0, **options})


def test_a_softmax_that_leaves_its_derivative_to_the_loss_is_right_and_one_over_the_examples_is_not():
    assert str(asked(*by_hand())).count("wrong") == 0
    report = asked(*by_hand(Shares(0)))  # easy classes, and it learns all the same
    assert report.ok
    assert "batch-coupled in layer 3 Shares" in str(report)
    finding = asked(*by_hand(Shares(0), eps=1e-4)).findings[0]
    assert (finding.kind, finding.where) == ("wrong-gradient", "layer 3 Shares: Shares.forward")
    assert "depends on the other examples" in finding.message


def test_sums_that_a_loop_adds_to_for_ever_are_gradients_that_are_not_zeroed():
    report = asked(*by_hand(share=1.0, eps=1.0))
    assert report.findings[0].kind == "not-zeroed", str(report)
    assert asked(*by_hand(share=0.9, eps=0.03)).ok


@pytest.mark.parametrize(("share", "kind"), [(0.0, None), (0.9, "momentum-too-large"), (1.0, "not-zeroed")])
def test_what_is_left_of_a_step_without_a_name_is_measured(share, kind):
    net, loss, optimizer, X, y = by_hand(share=share)
    found = [change for change in knobs(Steps(net, loss, optimizer, X[:20], y[:20]), "eps", "") if change.weight > 40]
    assert [change.kind for change in found] == ([kind] if kind else [])
    assert share != 0.9 or "0.9 of the one before" in found[0].seen


def test_a_layer_that_passes_no_gradient_is_named_and_not_the_step():
    net, loss, optimizer, X, y = by_hand(middle=Jump(), units=2)
    assert cutting(net, loss, X, y) == 1
    assert cutting(*by_hand()[:2], X, y) is None
    finding = asked(net, loss, optimizer, X, y).findings[0]
    assert (finding.kind, finding.where) == ("vanishing-gradient", "layer 1 Jump")


def test_a_network_stands_for_a_students_only_if_its_step_is_the_same():
    net, loss, optimizer, X, y = by_hand()
    own = Sequential(Linear(4, 12), Tanh(), Linear(12, 3))
    for mine, theirs in ((own[0], net.layers[0]), (own[2], net.layers[2])):
        mine.weight[...], mine.bias[...] = theirs.W, theirs.b
    start = Steps(net, loss, optimizer, X[:20], y[:20].argmax(axis=1))
    start.net.layers.pop()
    start.loss = start.optimizer.loss = CrossEntropy()
    assert is_same_step(start, own, CrossEntropy(), 0.3)
    assert not is_same_step(start, own, CrossEntropy(), 0.1)


def test_a_module_that_gives_the_same_for_every_example_is_taken_out():
    X = np.linspace(-2, 2, 120)[:, None]
    net = Sequential(LayerNorm(1), Linear(1, 16, rng=0), Tanh(), Linear(16, 1, rng=1))
    finding = asked(net, MSE(), Adam(0.02), X, np.sin(2 * X), epochs=60).findings[0]
    assert (finding.kind, finding.change) == ("dead-units", "net.pop(0)")
    assert finding.message.startswith("net[0] LayerNorm(1) gives the same")


def test_noise_that_drowns_its_input_is_too_much_dropped():
    X, y = groups()
    net = Sequential(GaussianNoise(9.0, rng=2), Linear(4, 16, rng=0), ReLU(), Linear(16, 3, rng=1))
    finding = asked(net, CrossEntropy(), Adam(0.003), X, y, epochs=8).findings[0]
    assert (finding.kind, finding.change) == ("dropout-too-high", "net[0].sigma = 0.9")


def test_running_statistics_that_are_still_those_of_the_start_are_named():
    X, y = groups()
    net = Sequential(Linear(4, 16, rng=0), BatchNorm(16, momentum=0.001), ReLU(), Linear(16, 3, rng=1))
    finding = asked(net, CrossEntropy(), Adam(0.01), X + 12, y, epochs=10).findings[0]
    assert (finding.kind, finding.change) == ("train-test-mismatch", "net[1].momentum = 0.1")
    net[1].momentum = 0.1
    assert asked(net, CrossEntropy(), Adam(0.01), X + 12, y, epochs=10).ok


def test_a_row_of_a_whole_table_that_is_set_aside_is_missed():
    net = Sequential(Linear(2, 6, rng=0), Tanh(), Linear(6, 1, rng=1))
    options = dict(epochs=600, batch_size=1, validation=0.25)
    finding = asked(net, MSE(), SGD(0.1), XOR, ODD, **options).findings[0]
    assert (finding.kind, finding.change) == ("train-test-mismatch", "validation=None")
    finding = asked(net, MSE(), SGD(0.1), XOR, ODD, patience=50, **options).findings[0]
    assert finding.change == "validation=None, patience=None"


def test_validation_targets_in_other_units_are_brought_to_those_of_the_training():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = X[:, :1] - X[:, 1:2]
    held = X[150:], 80 * y[150:] + 150
    finding = asked(Linear(3, 1, rng=0), MSE(), SGD(0.05), X[:150], y[:150], validation=held).findings[0]
    assert finding.kind == "train-test-mismatch"
    assert finding.change.startswith("y_val = (y_val - y_val.mean(axis=0))")


def test_what_is_wrong_in_any_case_is_said_though_it_cures_nothing_alone():
    X = np.arange(100.0)[:, None]  # sixteen periods: no small network finds them
    net = Sequential(Linear(1, 10, rng=0), Sigmoid(), Linear(10, 1, rng=1), Sigmoid())
    report = asked(net, MSE(), SGD(0.01), X, np.sin(X), epochs=3)
    assert [f.kind for f in report.findings] == ["output-range"]
    assert "not all that is wrong" in report.findings[0].proof


def test_a_cure_that_falls_short_is_completed():
    rng = np.random.default_rng(203)
    X = rng.uniform(1, 50, (300, 2))
    net = Sequential(Linear(2, 8, rng=0), Sigmoid(), Linear(8, 1, rng=1), Sigmoid())
    report = asked(net, MSE(), SGD(0.5), X, np.hypot(X[:, :1], X[:, 1:]), epochs=200, batch_size=32)
    assert {f.kind for f in report.findings} == {"output-range", "unscaled-inputs", "unscaled-targets"}
    assert max(t.share for t in report.trials if t.is_diagnosis) > 0.95


def test_a_reference_that_is_lucky_once_is_no_reason_to_call_noise_learned():
    rng = np.random.default_rng(214)
    X, y = rng.normal(size=(150, 4)), np.repeat([0, 1, 2], 50)
    net = Sequential(Linear(4, 16, rng=0), Tanh(), Linear(16, 3, rng=1))
    assert asked(net, CrossEntropy(), Adam(0.01), X, y, epochs=30).findings[0].kind == "nothing-to-learn"
