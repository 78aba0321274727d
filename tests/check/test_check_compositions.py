"""A gradient is put together of parts: two mistakes in two of them are both named, whatever the two are."""

import numpy as np
import pytest

from modnet.check import check_loss, check_module


class TanH:
    """Half, added and so on are what may be wrong with it."""

    half = added = alone = at_delta = False

    def forward(self, X):
        return np.tanh(X)

    def backward_delta(self, input, delta):
        t = np.tanh(delta if self.at_delta else input) ** 2
        slopes = 1 + t if self.added else 1 - t
        return (1 if self.alone else delta) * slopes / (2 if self.half else 1)


class Softmax:
    """Its Jacobian is diag(s) - outer(s, s)."""

    sign, diagonal, mean, whole = -1, False, False, False

    def forward(self, X):
        e = np.exp(X - X.max(axis=1, keepdims=True))
        return e / (e.sum() if self.whole else e.sum(axis=1, keepdims=True))

    def backward_delta(self, input, delta):
        found = []
        for s, d in zip(self.forward(input), delta, strict=True):
            outer = np.outer(s, s)
            if self.diagonal:
                outer -= 2 * np.diag(np.diag(outer))
            found.append((np.diag(s) + self.sign * outer) @ d)
        return np.stack(found) / (len(input) if self.mean else 1)


class LogSoftmax:
    """The mean is of one part alone."""

    share = False

    def forward(self, X):
        return X - np.log(np.exp(X).sum(axis=1, keepdims=True))

    def backward_delta(self, input, delta):
        s = np.exp(self.forward(input)) / (len(input) if self.share else 1)
        return delta - s * delta.sum(axis=1, keepdims=True)


class Conv1D:
    def __init__(self):
        self._parameters = np.random.default_rng(0).uniform(-1, 1, (3, 2, 4))
        self._gradient = np.zeros((3, 2, 4))

    keep, strided, turned = False, True, False

    def zero_grad(self):
        self._gradient[...] = 0

    def forward(self, X):
        return np.stack([np.tensordot(X[:, 2 * i : 2 * i + 3], self._parameters, 2) for i in range(3)], axis=1)

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient

    def backward_update_gradient(self, input, delta):
        found = np.zeros(self._gradient.shape)
        for i in range(3):
            start = 2 * i if self.strided else i
            part = np.einsum("nkc,no->kco", input[:, start : start + 3], delta[:, i])
            found = part if self.keep else found + part
        self._gradient += found[::-1] if self.turned else found

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for i in range(3):
            dx[:, 2 * i : 2 * i + 3] += np.einsum("no,kco->nkc", delta[:, i], self._parameters)
        return dx


class BatchNorm:
    """In the style of a course whose layers remember; training alone."""

    gamma, rooted, factor = True, True, True

    def __init__(self):
        self.gamma_, self.beta_ = np.array([1.3, 0.7, 0.9]), np.array([0.1, 0.2, 0.3])

    def forward(self, x):
        self.v = x.var(axis=0) + 1e-7
        self.xhat = (x - x.mean(axis=0)) / np.sqrt(self.v)
        return self.gamma_ * self.xhat + self.beta_

    def backward(self, dout):
        self.dbeta_ = dout.sum(axis=0)
        self.dgamma_ = (dout * self.xhat if self.factor else dout).sum(axis=0)
        d = dout * self.gamma_ if self.gamma else dout
        d = d - d.mean(axis=0) - self.xhat * (d * self.xhat).mean(axis=0)
        return d / (np.sqrt(self.v) if self.rooted else self.v)


class Tanh:
    """In another course's style; forward is another function than its name says, and backward is made for that."""

    times = 2

    def forward(self, inputs):
        self.inputs = inputs
        return np.tanh(self.times * inputs)

    def backward(self, dvalues):
        return dvalues * (1 - np.tanh(self.inputs) ** 2)


def said(base, x, **wrong):
    report = check_module(type(base.__name__, (base,), wrong)(), x)
    return [f.kind for f in report.findings if f.kind not in ("eval-mode", "saturates")]


@pytest.mark.parametrize(
    ("base", "wrong", "kinds"),
    [
        (TanH, {}, []),
        (TanH, {"at_delta": True}, ["at-delta"]),
        (TanH, {"at_delta": True, "alone": True}, ["ignores-delta", "at-delta"]),
        (TanH, {"added": True, "half": True}, ["sign", "scale"]),
        (TanH, {"added": True, "alone": True}, ["ignores-delta", "sign"]),
        (TanH, {"added": True, "at_delta": True}, ["at-delta", "sign"]),
        (Softmax, {}, []),
        (Softmax, {"sign": 1}, ["sign"]),
        (Softmax, {"diagonal": True}, ["sign"]),
        (Softmax, {"sign": 1, "mean": True}, ["sign", "scale"]),
        (Softmax, {"whole": True}, ["batch-coupled"]),
        (Softmax, {"whole": True, "mean": True}, ["batch-coupled", "scale"]),
        (LogSoftmax, {}, []),
        (LogSoftmax, {"share": True}, ["scale"]),
        (BatchNorm, {}, []),
        (BatchNorm, {"gamma": False}, ["missing-factor"]),
        (BatchNorm, {"rooted": False}, ["missing-root"]),
        (BatchNorm, {"factor": False}, ["missing-factor"]),
        (Tanh, {"times": 1}, []),
        (Tanh, {}, ["forward"]),
    ],
)
def test_both_are_named(base, wrong, kinds):
    assert said(base, (4, 3), **wrong) == kinds


@pytest.mark.parametrize(
    ("wrong", "kinds"),
    [
        ({}, []),
        ({"keep": True}, ["overwrites"]),
        ({"keep": True, "strided": False}, ["overwrites", "stride"]),
        ({"turned": True, "strided": False}, ["flipped-kernel", "stride"]),
    ],
)
def test_windows_that_start_too_early_are_named_beside_another_mistake(wrong, kinds):
    assert said(Conv1D, (2, 8, 2), **wrong) == kinds


class CrossEntropy:
    of_truth, of_rest = 1.0, 1.0

    def forward(self, y, yhat):
        z = yhat - yhat.max(axis=1, keepdims=True)
        return np.log(np.exp(z).sum(axis=1)) - (y * z).sum(axis=1)

    def backward(self, y, yhat):
        e = np.exp(yhat - yhat.max(axis=1, keepdims=True))
        return self.of_rest * e / e.sum(axis=1, keepdims=True) - self.of_truth * y


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        ({"of_truth": 0.25}, "scale", "the part of backward that y is in is right but for a factor: it is 1/4"),
        ({"of_truth": -1.0}, "sign", "the part of backward that y is in has the wrong sign"),
        ({"of_rest": 0.25}, "scale", "the part of backward that y is not in is right but for a factor: it is 1/4"),
    ],
)
def test_a_factor_of_one_part_of_a_loss(wrong, kind, words):
    y, yhat = np.eye(3)[[0, 2, 1, 1]], np.random.default_rng(2).normal(size=(4, 3))
    assert check_loss(CrossEntropy(), y, yhat).ok
    (finding,) = check_loss(type("CrossEntropy", (CrossEntropy,), wrong)(), y, yhat).findings
    assert finding.kind == kind
    assert words in finding.message
