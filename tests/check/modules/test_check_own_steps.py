"""Classes of layers that move their parameters themselves: a rate in the code, a memory and a decay are no mistakes."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from modnet.check.modules.other_styles import examine_other


class Dense:
    """At a rate that is written out."""

    def __init__(self, n_inputs, n_outputs):
        self.weights = np.random.randn(n_inputs, n_outputs) * 0.4
        self.biases = np.zeros((1, n_outputs))

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.biases

    def step(self, of_weights, of_biases):
        self.weights -= 0.05 * of_weights
        self.biases -= 0.05 * of_biases

    def backward(self, grad):
        dx = grad @ self.weights.T
        self.step(self.x.T @ grad, grad.sum(axis=0, keepdims=True))
        return dx


class OfClass(Dense):
    """At a rate of its class, with new arrays."""

    RATE = 1e-3

    def step(self, of_weights, of_biases):
        self.weights = self.weights - self.RATE * of_weights
        self.biases = self.biases - self.RATE * of_biases


class WithMemory(Dense):
    """The gradient and the weights' decay, averaged over the steps."""

    decay = 0.1

    def backward(self, grad, lr, momentum=0.7):
        self.lr, self.momentum = lr, momentum
        return super().backward(grad)

    def step(self, of_weights, of_biases):
        kept = vars(self).setdefault("kept", {"W": 0.0, "b": 0.0})
        kept["W"] = self.momentum * kept["W"] + (1 - self.momentum) * (of_weights + 2 * self.decay * self.weights)
        kept["b"] = self.momentum * kept["b"] + (1 - self.momentum) * of_biases
        self.weights = self.weights - self.lr * kept["W"]
        self.biases = self.biases - self.lr * kept["b"]


class BySign(Dense):
    """As a rule of its own, such as Adam's: what it does with the gradient is not known."""

    def step(self, of_weights, of_biases):
        self.weights -= 0.01 * np.sign(of_weights)
        self.biases -= 0.01 * np.sign(of_biases)


class Up(Dense):
    def step(self, of_weights, of_biases):
        super().step(-of_weights, -of_biases)


class First(Dense):
    def backward(self, grad):
        self.step(self.x.T @ grad, grad.sum(axis=0, keepdims=True))
        return grad @ self.weights.T


class BiasTwice(Dense):
    def step(self, of_weights, of_biases):
        super().step(of_weights, 2 * of_biases)


class NoBias(Dense):
    def step(self, of_weights, of_biases):
        super().step(of_weights, 0 * of_biases)


class Squared(WithMemory):
    def step(self, of_weights, of_biases):
        super().step(of_weights + self.weights**2, of_biases)


class Bent(WithMemory):
    def step(self, of_weights, of_biases):
        super().step(np.tanh(self.x).T @ np.ones((len(self.x), 2)) + of_weights, of_biases)


class Attached:
    """An optimizer is set on it by whoever trains."""

    def __init__(self, in_size, out_size):
        self.weights = np.random.rand(in_size + 1, out_size)
        self._optimizer = None

    @property
    def optimizer(self):
        return self._optimizer

    @optimizer.setter
    def optimizer(self, given):
        self._optimizer = copy.deepcopy(given)

    def forward(self, x):
        self.inputs = np.hstack([x, np.ones((len(x), 1))])
        return self.inputs @ self.weights

    def move(self, error):
        self.gradient_weights = self.inputs.T @ error
        if self._optimizer is not None:
            self.weights = self._optimizer.calculate_update(self.weights, self.gradient_weights)

    def backward(self, error):
        before = error @ self.weights[:-1].T
        self.move(error)
        return before


class AttachedFirst(Attached):
    def backward(self, error):
        self.move(error)
        return error @ self.weights[:-1].T


class Told(Attached):
    """Each of its two arrays has an optimizer, by a method."""

    def __init__(self, in_size, out_size):
        self.weights, self.bias = np.random.rand(in_size, out_size), np.zeros(out_size)
        self.w_opt = self.b_opt = None

    def set_optimizer(self, given):
        self.w_opt, self.b_opt = copy.copy(given), copy.copy(given)

    def forward(self, x):
        self.x = x
        return x @ self.weights + self.bias

    def backward(self, error):
        before = error @ self.weights.T
        if self.w_opt is not None:
            self.weights = self.w_opt.update(self.weights, self.x.T @ error)
            self.bias = self.b_opt.update(self.bias, error.sum(axis=0))
        return before


class Sequence:
    """One layer, used at each time of a sequence: its own gradient is the sum over the times."""

    class Cell:
        def __init__(self, n_in, n_out):
            self.weight, self.bias = np.random.randn(n_in, n_out) * 0.4, np.zeros(n_out)

        def forward(self, x):
            self.x = x
            return x @ self.weight + self.bias

        def backward(self, dout):
            self.weight_grad, self.bias_grad = self.x.T @ dout, dout.sum(axis=0)
            return dout @ self.weight.T

    def __init__(self, input_size, hidden_size):
        self.hidden_size = hidden_size
        self.fc = self.Cell(input_size + hidden_size, hidden_size)

    def forward(self, x):
        h, self.inputs, self.hs = np.zeros((1, self.hidden_size)), [], []
        for t in range(len(x)):
            self.inputs.append(np.concatenate([x[t : t + 1], h], axis=1))
            h = np.tanh(self.fc.forward(self.inputs[-1]))
            self.hs.append(h)
        return np.concatenate(self.hs)

    def keep(self, weight, bias):
        self.gradient_weights, self.gradient_bias = self.gradient_weights + weight, self.gradient_bias + bias

    def backward(self, dout):
        self.gradient_weights, self.gradient_bias, dh, dx = np.zeros_like(self.fc.weight), np.zeros_like(self.fc.bias), 0, []
        for t in reversed(range(len(dout))):
            self.fc.x = self.inputs[t]
            d = self.fc.backward((dout[t : t + 1] + dh) * (1 - self.hs[t] ** 2))
            self.keep(self.fc.weight_grad, self.fc.bias_grad)
            dx.append(d[:, : -self.hidden_size])
            dh = d[:, -self.hidden_size :]
        return np.concatenate(dx[::-1])


class LastTime(Sequence):
    def keep(self, weight, bias):
        self.gradient_weights, self.gradient_bias = weight, bias


@pytest.mark.parametrize("kind", [Dense, OfClass, WithMemory, Attached, Told, Sequence])
def test_a_step_that_is_a_multiple_of_the_gradient_is_right(kind):
    report = examine_other(kind)
    assert report.ok, report
    words = {operation: word for operation, word, _ in report.verdicts}
    assert words["backward: the parameters'"] == "right", report


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (Up, "sign"), (First, "updated-first"), (BiasTwice, "scale"), (NoBias, "missing-parameter"), (Squared, "direction"),
        (Bent, "direction"), (AttachedFirst, "updated-first"), (LastTime, "direction"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_step_has_its_name(kind, wanted):
    assert wanted in {f.kind for f in examine_other(kind).findings}


def test_a_step_that_does_not_grow_with_the_gradient_is_not_judged():
    report = examine_other(BySign)
    assert report.ok, report
    assert ("backward: the parameters'", "not checked") in [row[:2] for row in report.verdicts]


class Rolling:
    """Right: what the last step was is the difference to the last weights."""

    def __init__(self, n_in, n_out, lr=0.1, momentum=0.0, method="sgd"):
        self.W = np.random.randn(n_in, n_out)
        self.last = self.W.copy()
        self.lr, self.momentum, self.method = lr, momentum, method

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, d):
        dx = d @ self.W.T
        new = self.W - self.lr * self.x.T @ d + self.momentum * (self.W - self.last)
        self.last, self.W = self.W, new
        return dx


class Still(Rolling):
    """Wrong: the last weights are those of now."""

    def backward(self, d):
        dx = d @ self.W.T
        self.W = self.W - self.lr * self.x.T @ d + self.momentum * (self.W - self.last)
        self.last = self.W.copy()
        return dx


class OneOfTwo(Rolling):
    """Right: it takes another method for it."""

    def backward(self, d):
        if self.method == "momentum":
            return super().backward(d)
        dx = d @ self.W.T
        self.W = self.W - self.lr * self.x.T @ d
        return dx


@pytest.mark.parametrize(("kind", "wanted"), [(Rolling, []), (Still, ["option-ignored"]), (OneOfTwo, [])])
def test_a_momentum_that_changes_no_step_is_told(kind, wanted):
    report = examine_other(kind)
    assert [f.kind for f in report.findings] == wanted, report
    assert all("self.momentum" in f.line for f in report.findings)


class MovedByAMethod:
    """Right: backward leaves no gradient; a method is given what comes from above, and the rate."""

    mean = False

    def __init__(self, size_in, size_out):
        self.W, self.b = np.random.randn(size_in, size_out), np.zeros((1, size_out))

    def forward(self, data):
        self.kept = data
        return data @ self.W + self.b

    def backward(self, grad_in):
        return grad_in @ self.W.T

    def update_weights(self, grad_in, eta):
        count = len(grad_in) if self.mean else 1
        self.W -= eta * self.kept.T @ grad_in / count
        self.b -= eta * grad_in.sum(axis=0) / count


class MovedByAMean(MovedByAMethod):
    """Wrong."""

    mean = True


def test_a_method_may_move_a_layer_after_its_backward():
    report = examine_other(MovedByAMethod)
    assert report.ok, report
    assert ("update_weights", "right") in [row[:2] for row in report.verdicts]
    assert {(f.kind, f.where) for f in examine_other(MovedByAMean).findings} == {("scale", "MovedByAMean.update_weights")}
