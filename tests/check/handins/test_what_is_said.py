"""What the check says to a student, sentence by sentence: it is true, it names the student's own line, its advice works."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.__main__ import main
from modnet.check import check_loss, check_module

SKELETON = """
class Module(object):
    def __init__(self):
        self._parameters = None
        self._gradient = None
    def zero_grad(self):
        pass
    def forward(self, X):
        pass
    def update_parameters(self, gradient_step=1e-3):
        pass
    def backward_update_gradient(self, input, delta):
        pass
    def backward_delta(self, input, delta):
        pass
"""
LAYERS = """
import numpy as np
from module import Module

class Linear(Module):
    def __init__(self, input_size, output_size):
        self._parameters = np.random.randn(input_size, output_size)
        self.zero_grad()
    def zero_grad(self):
        self._gradient = np.zeros(self._parameters.shape)
    def forward(self, X):
        return X @ self._parameters
    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient
    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta
    def backward_delta(self, input, delta):
        return delta @ self._parameters.T
"""
NET = """
import numpy as np
from module import Module

class Sequentiel(Module):
    def __init__(self, *modules):
        self.modules = list(modules)
    def zero_grad(self):
        for m in self.modules:
            m.zero_grad()
    def forward(self, X):
        self.entrees = [X]
        for m in self.modules:
            self.entrees.append(m.forward(self.entrees[-1]))
        return self.entrees[-1]
    def backward(self, delta):
        for m, entree in zip(reversed(self.modules), reversed(self.entrees[:-1])):
            delta = m.backward_delta(entree, delta)
            m.backward_update_gradient(entree, delta)
        return delta
    def update_parameters(self, gradient_step=1e-3):
        for m in self.modules:
            m.update_parameters(gradient_step)

class Optim:
    def __init__(self, net, loss, eps):
        self.net, self.loss, self.eps = net, loss, eps
    def step(self, batch_x, batch_y):
        yhat = self.net.forward(batch_x)
        self.net.zero_grad()
        self.net.backward(self.loss.backward(batch_y, yhat) / len(batch_x))
        self.net.update_parameters(self.eps)
        return self.loss.forward(batch_y, yhat)

def SGD(net, X, Y, batch_size, nb_iter, loss, eps=1e-3):
    optim = Optim(net, loss, 1e-3)
    ordre = np.random.permutation(len(X))
    X = X[ordre]
    for _ in range(nb_iter):
        for i in range(len(X) // batch_size):
            optim.step(X[i * batch_size:(i + 1) * batch_size],
                       Y[i * batch_size:(i + 1) * batch_size])
    return []
"""


@pytest.fixture
def said(tmp_path, capsys):
    """What is said of a flat folder of three files, with another net."""

    def check(net):
        for name, text in (("module", SKELETON), ("couches", LAYERS), ("reseau", net)):
            (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        assert main(["check", str(tmp_path)]) == 1
        return " ".join(capsys.readouterr().out.split())

    return check


def test_a_flat_folder_is_one_project_and_each_sentence_names_its_authors_own_things(said):
    text = said(NET)
    for sentence in (
        "Sequentiel of 3 layers, counted from 0, on 5 examples",
        "is given what backward_delta of the same layer returned.",
        "Hint: the gradient first, with the same delta; then delta = layer.backward_delta(x, delta)",
        "Your reseau.py, line 36: optim = Optim(net, loss, 1e-3) Hint: the rate",
        "Your reseau.py, line 37: ordre = np.random.permutation(len(X)) Hint: one order",
        "Your reseau.py, line 40: for i in range(len(X) // batch_size): Hint: shuffle",
        "What each kind means, with the right lines: docs/gradient_check.md, or the page that --html writes",
    ):
        assert sentence in text
    assert "in part: right on" not in text  # nothing weighs so


def test_an_optimizer_that_waits_for_its_network_is_told_the_name_of_that(said):
    text = said(NET.replace("        self.net.zero_grad()\n", ""))
    assert "Optim not checked: mend Sequentiel and its layers first [reseau.py]" in text


class Softmax:
    def forward(self, X):
        e = np.exp(X)
        return e / np.sum(e, axis=1, keepdims=True)

    def backward_delta(self, input, delta):
        s = self.forward(input)
        return s * (delta - (delta * s).sum(axis=1, keepdims=True))


class Sigmoide:
    def forward(self, X):
        return np.exp(X) / (1 + np.exp(X))

    def backward_delta(self, input, delta):
        s = self.forward(input)
        return delta * s * (1 - s)


class CrossEntropieLoss:
    def forward(self, y, yhat):
        return -np.sum(y * yhat, axis=1) + np.log(np.sum(np.exp(yhat), axis=1))

    def backward(self, y, yhat):
        e = np.exp(yhat - yhat.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True) - y


class BackwardOverflows(CrossEntropieLoss):
    def forward(self, y, yhat):
        yhat = yhat - yhat.max(axis=1, keepdims=True)
        return super().forward(y, yhat)

    def backward(self, y, yhat):
        e = np.exp(yhat)
        total = e.sum(axis=1, keepdims=True)
        return e / total - y


class BCELoss:
    def forward(self, y, yhat):
        return -np.sum(y * np.log(yhat + 1e-8) + (1 - y) * np.log(1 - yhat + 1e-8), axis=1)

    def backward(self, y, yhat):
        return -(y / (yhat + 1e-8) - (1 - y) / (1 - yhat))


class MSELoss:
    def forward(self, y, yhat):
        return np.mean((y - yhat) ** 2)

    def backward(self, y, yhat):
        return 2 * (y - yhat)


class Conv1D:
    def __init__(self, k_size, chan_in, chan_out, stride=1):
        self.k_size, self.stride = k_size, stride
        self._parameters = np.random.default_rng(0).normal(size=(k_size, chan_in, chan_out))
        self._gradient = np.zeros(self._parameters.shape)

    def windows(self, X):
        count = (X.shape[1] - self.k_size) // self.stride
        return [X[:, i * self.stride : i * self.stride + self.k_size] for i in range(count)]

    def forward(self, X):
        return np.stack([np.tensordot(part, self._parameters, ([1, 2], [0, 1])) for part in self.windows(X)], axis=1)


HOT = np.eye(3)[[0, 2, 1, 2]]
SCORES = np.random.default_rng(0).normal(size=(4, 3))
BITS = (SCORES > 0) * 1.0


@pytest.mark.parametrize(
    ("check", "says", "does_not"),
    [
        (lambda: check_module(Softmax(), (4, 3)), "X = X - X.max(axis=-1, keepdims=True)", "exp(-abs(x))"),
        (lambda: check_module(Sigmoide(), (4, 3)), "exp(x) / (1 + exp(x)) is 1 / (1 + exp(-x))", "X.max"),
        (lambda: check_loss(CrossEntropieLoss(), HOT, SCORES), "the definition gives 0.693147", "-1000"),
        (lambda: check_loss(BackwardOverflows(), HOT, SCORES), "e = np.exp(yhat) Hint: exp of a large", "for a sigmoid"),
        (lambda: check_loss(BCELoss(), BITS, 1 / (1 + np.exp(SCORES))), "divide by p + eps, and by 1 - p + eps", ""),
        (lambda: check_loss(MSELoss(), SCORES[::-1], SCORES), "minus 12, the number of entries of yhat, times the truth", ""),
        (lambda: check_loss(MSELoss(), SCORES[::-1], SCORES), "take none, in both; and the sign in front", ""),
        (lambda: check_module(Conv1D(3, 2, 4, 2), (2, 9, 2)), "it gives 3, and 4 fit. Your", "the definition gives"),
    ],
)
def test_a_sentence_is_true_and_its_advice_is_for_this_formula(check, says, does_not):
    said = " ".join(str(check()).split())
    assert says in said
    assert not does_not or does_not not in said


def test_the_advice_against_overflow_works_for_a_cross_entropy():
    class Mended(CrossEntropieLoss):
        def forward(self, y, yhat):
            X = yhat
            X = X - X.max(axis=-1, keepdims=True)
            return super().forward(y, X)

    assert check_loss(Mended(), HOT, SCORES).ok
