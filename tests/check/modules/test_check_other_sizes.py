"""Layers that name their sizes, their mode, or what holds their numbers, otherwise than most: they are built and asked all the same."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check.modules.contract import examine_module
from modnet.check.modules.other_styles import examine_other


class OfChannels:
    """Right: its features are called channels, and it takes rows alone on its way back. It refuses that in evaluation."""

    factor = 1.0

    def __init__(self, in_channels, out_channels):
        self.weight, self.bias = np.random.randn(out_channels, in_channels), np.zeros(out_channels)
        self._eval = False

    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias

    def backward(self, grad):
        if self._eval:
            raise RuntimeError("in evaluation")
        self.weight_grad, self.bias_grad = self.factor * grad.T @ self.x, grad.sum(axis=0)
        return grad @ self.weight


class OfChannelsTwice(OfChannels):
    """Wrong."""

    factor = 2.0


class Scales:
    """Right: it is told how many numbers come out, and takes as many."""

    factor = 1.0

    def __init__(self, n_out):
        self.gamma = np.random.uniform(0.5, 1, n_out)

    def forward(self, x):
        self.x = x
        return x * self.gamma

    def backward(self, grad):
        self.d_gamma = self.factor * (grad * self.x).sum(axis=0)
        return grad * self.gamma


class ScalesTwice(Scales):
    """Wrong."""

    factor = 2.0


class WithAMiddle:
    """Right: windows must be odd."""

    factor = 1.0

    def __init__(self, in_channels, out_channels, kernel_size):
        assert kernel_size % 2 == 1
        self.W = np.random.randn(kernel_size, kernel_size, in_channels, out_channels)

    def forward(self, x):
        self.half = len(self.W) // 2
        self.seen = self._windows(x)
        return np.tensordot(self.seen, self.W, ([4, 5, 3], [0, 1, 2]))

    def _windows(self, x):
        around = [(0, 0), (self.half,) * 2, (self.half,) * 2, (0, 0)]
        return np.lib.stride_tricks.sliding_window_view(np.pad(x, around), self.W.shape[:2], (1, 2))

    def backward(self, grad):
        self.dW = self.factor * np.tensordot(self.seen, grad, ([0, 1, 2], [0, 1, 2])).transpose(1, 2, 0, 3)
        return np.tensordot(self._windows(grad), self.W[::-1, ::-1], ([4, 5, 3], [0, 1, 3]))


class WithAMiddleTwice(WithAMiddle):
    """Wrong."""

    factor = 2.0


class Held:
    """A parameter: its gradient is nothing until there is one."""

    def __init__(self, values):
        self.values, self.grad = values, None


class OfHeld:
    """Right: what learns is an object; one of its methods puts other parameters in."""

    factor = 1.0

    def __init__(self, in_features, out_features):
        self._w, self._b = Held(np.random.randn(out_features, in_features)), Held(np.random.randn(out_features, 1))

    def update_params(self, params):
        self._w.values, self._b.values = params[0].values.copy(), params[1].values.copy()

    def __call__(self, x):
        self.x = x
        return x @ self._w.values.T + self._b.values.T

    def backward(self, dz):
        self._w.grad, self._b.grad = self.factor * dz.T @ self.x, dz.sum(axis=0, keepdims=True).T
        return dz @ self._w.values


class OfHeldTwice(OfHeld):
    """Wrong."""

    factor = 2.0


@pytest.mark.parametrize(
    ("cls", "wrong"), [(OfChannels, OfChannelsTwice), (Scales, ScalesTwice), (WithAMiddle, WithAMiddleTwice), (OfHeld, OfHeldTwice)]
)
def test_a_layer_is_asked_whatever_its_sizes_or_its_numbers_are_called(cls, wrong):
    report = examine_other(cls)
    assert report.ok, report
    assert ("backward: the parameters'", "right") in [row[:2] for row in report.verdicts]
    found = {f.kind for f in examine_other(wrong).findings}
    assert found == {"scale"}, found


class Pool:
    """Right: the handout's, of which each window begins where the one before it ends, or earlier."""

    last = 1

    def __init__(self, k_size, stride):
        self.k_size, self.stride = k_size, stride

    def starts(self, X):
        return range(0, X.shape[1] - self.k_size + self.last, self.stride)

    def zero_grad(self):
        pass

    def forward(self, X):
        return np.stack([X[:, i : i + self.k_size].max(axis=1) for i in self.starts(X)], axis=1)

    def update_parameters(self, gradient_step):
        pass

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for at, i in enumerate(self.starts(input)):
            part = input[:, i : i + self.k_size]
            np.put_along_axis(dx[:, i : i + self.k_size], part.argmax(axis=1)[:, None], 0.0, axis=1)
            first = np.arange(self.k_size)[:, None] == part.argmax(axis=1)[:, None]
            dx[:, i : i + self.k_size] += first * delta[:, at : at + 1]
        return dx


class MaxPool1D(Pool):
    """Wrong: it leaves out the last window, of a signal as long as one window all there is."""

    last = 0


def test_a_window_that_is_left_out_is_missed_though_a_signal_of_one_window_raises():
    report = examine_module(MaxPool1D)
    assert ("MaxPool1D.forward", "forward") in [(f.where, f.kind) for f in report.findings], report
