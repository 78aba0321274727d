"""Layers whose constructors and methods ask for what has no known meaning, or for integers: what can be said all the same."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check.asking.calls import Misbehaviour
from modnet.check.modules.contract import examine_module


class Activation:
    """An activation that is given its function and the function's derivative."""

    def __init__(self, activation, activation_prime):
        self.activation, self.activation_prime = activation, activation_prime

    def forward(self, input_data):
        self.input = input_data
        return self.activation(self.input)

    def backward(self, output_error, learning_rate):
        return self.activation_prime(self.input) * output_error


class ActivationByF(Activation):
    def __init__(self, f, f_prime):
        super().__init__(f, f_prime)


class ActivationWithoutAbove(Activation):
    def backward(self, output_error, learning_rate):
        return self.activation_prime(self.input)


class Scale:
    """A weight for each of as many numbers as an argument of no known meaning says."""

    def __init__(self, breadth):
        self.gamma = np.random.rand(breadth) + 0.5

    def forward(self, x):
        self.x = x
        return x * self.gamma

    def backward(self, dout):
        self.dgamma = (dout * self.x).reshape(-1, self.x.shape[-1]).sum(axis=0)
        return dout * self.gamma


class ScaleBySquares(Scale):
    def backward(self, dout):
        super().backward(dout)
        return dout * self.gamma**2


class ScaleForThree(Scale):
    """Wrong with one guess alone."""

    def backward(self, dout):
        return super().backward(dout) * (2 if self.gamma.size == 3 else 1)


class ScaleMisspelt(Scale):
    def __init__(self, breadth):
        self.gamma = np.random.rand(self.model_d)


class ScaleOfACorpus(Scale):
    """No guess is one."""

    def __init__(self, corpus):
        super().__init__(len(set(corpus.words)))


class ScaleNamed(Scale):
    """An argument that no line reads may be anything."""

    def __init__(self, d, etiquette):
        super().__init__(3)

    def backward(self, dout, truth):
        return super().backward(dout)


class Embedding:
    """Rows by their numbers: it takes integers."""

    def __init__(self, vocabulary, breadth):
        self.W = np.random.randn(vocabulary, breadth)

    def forward(self, idx):
        self.idx = idx
        return self.W[idx]

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.idx, dout)


class EmbeddingThatOverwrites(Embedding):
    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[self.idx] = dout


class EmbeddingOfSequences(Embedding):
    def forward(self, idx):
        batch, length = idx.shape
        return super().forward(idx).reshape(batch, length, -1)


class EmbeddingOfItsWeights(Embedding):
    def __init__(self, W):
        self.params, self.grads = [W], [np.zeros_like(W)]
        self.W = W

    def backward(self, dout):
        super().backward(dout)
        self.grads[0][...] = self.dW


@pytest.mark.parametrize(
    ("cls", "kinds"),
    [
        (Activation, set()),
        (ActivationByF, set()),
        (ActivationWithoutAbove, {"times-input", "ignores-delta", "missing-factor", "direction"}),
        (Scale, set()),
        (ScaleBySquares, {"direction"}),
        (ScaleNamed, set()),
        (Embedding, set()),
        (EmbeddingOfSequences, set()),
        (EmbeddingOfItsWeights, set()),
        (EmbeddingThatOverwrites, {"overlap"}),
    ],
)
def test_what_holds_whatever_was_guessed_is_said(cls, kinds):
    report = examine_module(cls)
    found = {f.kind for f in report.findings}
    assert found <= kinds, str(report)
    assert bool(found) == bool(kinds), str(report)
    assert any(verdict != "not checked" for _, verdict, _ in report.verdicts), str(report)


@pytest.mark.parametrize("cls", [ScaleForThree, ScaleOfACorpus])
def test_what_depends_on_a_guess_is_not_checked(cls):
    report = examine_module(cls)
    assert report.ok
    assert [verdict for _, verdict, _ in report.verdicts] == ["not checked"]
    assert "--make" in str(report)


def test_an_attribute_that_a_constructor_lacks_is_said_whatever_it_is_given():
    with pytest.raises(Misbehaviour, match="has no attribute 'model_d'"):
        examine_module(ScaleMisspelt)


def test_a_guess_is_told():
    assert "what breadth means was guessed" in str(examine_module(Scale))
    assert "guessed" not in str(examine_module(Activation))


class Recurrent:
    """One step, of a layer that is given its weights, as Deep Learning from Scratch 2 has it."""

    def __init__(self, Wx, Wh, b):
        self.params, self.grads = [Wx, Wh, b], [np.zeros_like(a) for a in (Wx, Wh, b)]

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        self.kept = x, h_prev, np.tanh(x @ Wx + h_prev @ Wh + b)
        return self.kept[-1]

    def backward(self, dh_next):
        Wx, Wh, _ = self.params
        x, h_prev, h_next = self.kept
        dt = dh_next * (1 - h_next**2)
        for grad, new in zip(self.grads, (x.T @ dt, h_prev.T @ dt, dt.sum(axis=0)), strict=True):
            grad[...] = new
        return dt @ Wx.T, dt @ Wh.T


class TimeOfRecurrent:
    """All steps, with other names for the weights."""

    cut = False

    def __init__(self, weight_in, weight_hidden, bias):
        self.params = [weight_in, weight_hidden, bias]
        self.grads = [np.zeros_like(a) for a in self.params]

    def forward(self, xs):
        h, self.steps, hs = np.zeros((len(xs), self.params[1].shape[0])), [], []
        for t in range(xs.shape[1]):
            self.steps.append(Recurrent(*self.params))
            h = self.steps[-1].forward(xs[:, t], h)
            hs.append(h)
        return np.stack(hs, axis=1)

    def backward(self, dhs):
        dh, dxs = 0, []
        for grad in self.grads:
            grad[...] = 0
        for t in reversed(range(dhs.shape[1])):
            dx, dh = self.steps[t].backward(dhs[:, t] + (0 if self.cut else dh))
            dxs.insert(0, dx)
            for grad, new in zip(self.grads, self.steps[t].grads, strict=True):
                grad += new
        return np.stack(dxs, axis=1)


class TimeCutShort(TimeOfRecurrent):
    cut = True


@pytest.mark.parametrize("cls", [Recurrent, TimeOfRecurrent])
def test_a_recurrent_layer_may_be_given_its_weights(cls):
    report = examine_module(cls)
    assert report.ok, str(report)
    assert ("backward: the parameters'", "right") in [row[:2] for row in report.verdicts]


def test_a_recurrent_layer_that_hands_nothing_from_step_to_step_is_wrong():
    assert {f.kind for f in examine_module(TimeCutShort).findings} & {"direction", "cut-short"}


class SetUpFirst(Scale):
    """Somebody else sets its rate first, with what only they know."""

    def __init__(self, features):
        super().__init__(features)
        self.config = {}

    def compile(self, solver):
        self.config = {"lr": solver.lr}

    def backward(self, dout, truth):
        dx = super().backward(dout)
        self.gamma = self.gamma - self.config["lr"] * self.dgamma
        return dx


class ScaleByArrays(Scale):
    """What it is given has to be an array, and is asked for that in backward alone."""

    def __init__(self, breadth, table):
        super().__init__(breadth)
        self.table = table

    def backward(self, dout):
        return super().backward(dout) + 0 * self.table.sum()


@pytest.mark.parametrize("cls", [SetUpFirst, ScaleByArrays])
def test_what_a_guess_or_nobody_could_set_is_no_crash_of_the_author(cls):
    report = examine_module(cls)
    assert report.ok, str(report)
    assert [verdict for _, verdict, _ in report.verdicts] == ["not checked"]


class HandsOn:
    """Forward gives back its input, and backward is right for that."""

    def zero_grad(self):
        pass

    def forward(self, X):
        return X

    def update_parameters(self, gradient_step=1e-3):
        pass

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        return delta


class HandsOnAndRemembers:
    def forward(self, x, training=True):
        return x

    def backward(self, dout):
        return dout


class Sized:
    def __init__(self, n, m):
        self.n, self.m = n, m


class Windowed:
    def __init__(self, k_size, chan_in, chan_out, stride=1):
        self.k_size = k_size


class Dropping:
    def __init__(self, p):
        self.p = p


class Sums(Sized):
    """A layer of the right shape that has nothing to learn."""

    def forward(self, X):
        return np.repeat(X.sum(axis=-1, keepdims=True), self.m, axis=-1)

    def backward_delta(self, input, delta):
        return np.repeat(delta.sum(axis=-1, keepdims=True), self.n, axis=-1)


@pytest.mark.parametrize("style", [HandsOn, HandsOnAndRemembers])
@pytest.mark.parametrize(("name", "base"), [("Linear", Sized), ("Conv1D", Windowed)])
def test_a_layer_with_weights_by_its_name_that_gives_back_its_input_is_not_right(name, base, style):
    report = examine_module(type(name, (base, style), {}))
    assert (report.findings[0].kind, report.findings[0].where) == ("forward", f"{name}.forward"), str(report)


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("Dropout", (Dropping, HandsOn)),
        ("Dropout", (Dropping, HandsOnAndRemembers)),
        ("Linear", (Sums, HandsOn)),
    ],
)
def test_what_never_does_what_its_name_says_is_not_checked(name, bases):
    report = examine_module(type(name, bases, {}))
    assert report.ok
    assert [word for _, word, _ in report.verdicts] == ["not checked"], str(report)


@pytest.mark.parametrize(
    ("name", "bases"),
    [
        ("Linear", (HandsOn,)),  # an activation
        ("Linear", (HandsOnAndRemembers,)),
        ("Identity", (HandsOn,)),
        ("Other", (Sized, HandsOn)),
    ],
)
def test_what_gives_back_its_input_as_it_may_is_right(name, bases):
    report = examine_module(type(name, bases, {}))
    assert report.ok
    assert report.verdicts[0][1] == "right", str(report)
