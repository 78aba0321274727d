"""check_module, on layers that keep something from one forward to the next: what "right" may be said of."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check import check_module

_DRAWS = np.random.default_rng(3)


class Square:
    """Right: it remembers the last input."""

    def forward(self, x):
        self.x = x
        return x**2

    def backward(self, dout):
        return 2 * dout * self.x


class FirstInput(Square):
    """Keeps the first input for ever."""

    def __init__(self):
        self.x = None

    def forward(self, x):
        if self.x is None:
            self.x = x
        return x**2


class Stack(Square):
    """Right: each backward takes the newest input off a stack."""

    def __init__(self):
        self.inputs = []

    def forward(self, x):
        self.inputs.append(x)
        return x**2

    def backward(self, dout):
        return 2 * dout * self.inputs.pop()


class Queue(Stack):
    """Takes the oldest."""

    def backward(self, dout):
        return 2 * dout * self.inputs.pop(0)


class Columns:
    """Picks every second column, and never empties the list of them."""

    def __init__(self):
        self.picked = []

    def forward(self, x):
        self.width = x.shape[1]
        self.picked.extend(range(0, self.width, 2))
        return x[:, ::2].copy()

    def backward(self, dout):
        dx = np.zeros((len(dout), self.width))
        dx[:, self.picked] = dout
        return dx


class Recurrent:
    """Right: one step of a network that goes on from the state of the step before."""

    def __init__(self):
        self.W, self.h = np.random.default_rng(1).normal(size=(3, 3)), np.zeros(3)

    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.W + self.h)
        return self.h

    def backward(self, dout):
        da = dout * (1 - self.h**2)
        self.dW = self.x.T @ da
        return da @ self.W.T


class RecurrentLinear(Recurrent):
    """Forgets the slope of tanh."""

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


class RunningNorm:
    """Normalises by running statistics in training; backward takes them for constants."""

    def __init__(self):
        self.mean = self.var = None

    def forward(self, x):
        mean, var = x.mean(axis=0), x.var(axis=0)
        if self.mean is None:
            self.mean, self.var = mean, var
        self.mean, self.var = 0.9 * self.mean + 0.1 * mean, 0.9 * self.var + 0.1 * var
        self.std = np.sqrt(self.var + 1e-5)
        return (x - self.mean) / self.std

    def backward(self, dout):
        return dout / self.std


class Drawn:
    """Draws from a generator that nobody outside can set back; its derivative is wrong, which differences cannot show."""

    def forward(self, x):
        self.mask = _DRAWS.uniform(0.5, 1.0, x.shape)
        return x * self.mask

    def backward(self, dout):
        return -7 * dout


class FirstAnswer:
    """Gives for every input what it gave for the first."""

    def __init__(self):
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return np.tanh(self.seen[0])

    def backward(self, dout):
        return dout * (1 - np.tanh(self.seen[0]) ** 2)


def test_a_forward_that_answers_for_the_first_input_alone_is_stateful():
    found = check_module(FirstAnswer(), (4, 5)).findings
    assert [(f.kind, f.where) for f in found] == [("stateful", "FirstAnswer.forward")]
    assert "what the first one gave" in found[0].message


@pytest.mark.parametrize("kind", [Square, Stack, Recurrent])
def test_what_a_layer_keeps_on_purpose_is_no_mistake(kind):
    report = check_module(kind(), (4, 3))
    assert report.ok, report
    assert ("backward: the input's gradient", "right") in [row[:2] for row in report.verdicts]


@pytest.mark.parametrize("kind", [FirstInput, Queue, Columns])
def test_a_backward_that_an_earlier_forward_spoils_is_stateful(kind):
    found = check_module(kind(), (4, 5)).findings
    assert [(f.kind, f.where) for f in found] == [("stateful", f"{kind.__name__}.backward")]
    assert "after one forward" in found[0].message


def test_a_state_does_not_hide_a_wrong_derivative():
    assert {f.where for f in check_module(RecurrentLinear(), (4, 3)).findings} == {"RecurrentLinear.backward"}


def test_a_batch_that_is_normalised_by_earlier_ones_is_told():
    found = {(f.kind, f.where) for f in check_module(RunningNorm(), (5, 3)).findings}
    assert ("stateful", "RunningNorm.forward") in found
    assert "RunningNorm.backward" in {where for _, where in found}


def test_nothing_is_said_of_a_derivative_that_differences_cannot_tell():
    report = check_module(Drawn(), (4, 3))
    assert [row[1] for row in report.verdicts if "input's gradient" in row[0]] == ["not checked"]
    assert report.ok, report


@pytest.mark.parametrize("input", [np.zeros((4, 3)), np.ones((4, 3))])
def test_an_input_at_which_a_function_only_bends_tells_nothing(input):
    class Relu(Square):
        def forward(self, x):
            self.x = x
            return np.maximum(x, 0)

        def backward(self, dout):
            return dout * (self.x > 0)

    words = [row[1] for row in check_module(Relu(), input).verdicts if "input's gradient" in row[0]]
    assert words == (["right"] if input.any() else ["not checked"])


@pytest.mark.parametrize("first", range(7))
def test_what_a_class_counts_begins_anew_with_every_question(first):
    class Counted(Square):
        calls = first

        def forward(self, x):
            Counted.calls += 1
            return super().forward(x)

    class EverySeventh(Counted):
        def forward(self, x):
            out = super().forward(x)
            return 2 * out if Counted.calls == first + 7 else out

    for kind in (Counted, EverySeventh):
        Counted.calls = first
        report = check_module(kind(), np.arange(1.0, 7.0).reshape(3, 2))
        assert report.ok, str(report)


@pytest.mark.parametrize("period", range(3, 8))
def test_what_a_class_does_at_some_of_its_calls_is_not_taken_for_something_else(period):
    for first in range(period):

        class Counted:
            calls = first

            def forward(self, X):
                type(self).calls += 1
                return np.asarray(X) * (2.0 if type(self).calls % period == 0 else 1.0)

        kinds = {finding.kind for finding in check_module(Counted(), (3, 2)).findings}
        assert not kinds & {"integer-input", "batch-coupled", "uninitialised", "mutates"}, (first, kinds)
