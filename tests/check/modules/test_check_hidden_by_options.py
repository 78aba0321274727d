"""check_module and examine_other, on mistakes that an option's usual value hides: a share of one half, a penalty of 0."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check.modules.other_styles import examine_other


class Dropout:
    """Right: a share p is dropped, a new mask in every forward."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def forward(self, x):
        if not self.training:
            return x
        self.mask = self.draw(x) / (1 - self.p)
        return x * self.mask

    def draw(self, x):
        return np.random.binomial(1, 1 - self.p, x.shape)

    def backward(self, dout):
        return dout * self.mask

    def eval(self):
        self.training = False


class OfFeatures(Dropout):
    """Right, too: whole features are dropped, for all examples."""

    def draw(self, x):
        return np.random.binomial(1, 1 - self.p, x.shape[1:])


class KeepsTheDropped(Dropout):
    def draw(self, x):
        return np.random.binomial(1, self.p, x.shape)


class DropoutOneMask(Dropout):
    def __init__(self, p=0.5):
        super().__init__(p)
        self.drawn = None

    def draw(self, x):
        if self.drawn is None or self.drawn.shape != x.shape:
            self.drawn = super().draw(x)
        return self.drawn


class Dense:
    """Right: its penalty is 0 unless one is asked for."""

    def __init__(self, n_inputs, n_neurons, weight_l1=0, weight_l2=0.0):
        self.weights = np.random.default_rng(0).normal(size=(n_inputs, n_neurons))
        self.l1, self.l2 = weight_l1, weight_l2

    def forward(self, inputs):
        self.inputs = inputs
        self.output = inputs @ self.weights

    def backward(self, dvalues):
        self.dweights = self.inputs.T @ dvalues
        if self.l1 > 0:
            self.dweights += self.l1 * self.sign()
        self.dweights += 2 * self.l2 * self.weights
        self.dinputs = dvalues @ self.weights.T

    def sign(self):
        return np.sign(self.weights)


class DenseMisspelt(Dense):
    def sign(self):
        return np.ones_likes(self.weights)


@pytest.mark.parametrize("kind", [Dropout, OfFeatures, Dense])
def test_right_ones_are_right(kind):
    report = examine_other(kind)
    assert report.ok, report


@pytest.mark.parametrize(
    ("kind", "mistake", "words"),
    [
        (KeepsTheDropped, "eval-mode", "in training and 1 in evaluation"),
        (DropoutOneMask, "stateful", "at its first call alone"),
        (DenseMisspelt, "crash", "with weight_l1, weight_l2 above 0"),
    ],
)
def test_what_the_usual_value_hides_is_named(kind, mistake, words):
    found = examine_other(kind).findings
    assert [f.kind for f in found] == [mistake], found
    assert words in found[0].message
