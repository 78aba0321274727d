"""compare_with_torch, beside PyTorch itself where it is installed, with the usual reasons for a difference."""

from __future__ import annotations

import numpy as np
import pytest

import modnet as m
from modnet.check import compare_with_torch

torch = pytest.importorskip("torch")
X = np.random.default_rng(0).normal(size=(5, 3))
Y = np.random.default_rng(1).normal(size=(5, 3))


class Dense:
    """A layer that remembers its input, as books write it."""

    def __init__(self, n, m, mean=False):
        rng = np.random.default_rng(2)
        self.W, self.b, self.mean = rng.normal(size=(n, m)), rng.normal(size=m), mean

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout / (len(dout) if self.mean else 1)
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


def test_the_same_is_the_same():
    net = m.Sequential(m.Linear(3, 4), m.Tanh(), m.Linear(4, 3))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3))
    report = compare_with_torch(net, theirs, X)
    assert report.ok, report
    assert len(report.verdicts) > 8
    assert compare_with_torch(Dense(3, 3), torch.nn.Linear(3, 3), X).ok


def test_the_first_that_differs_is_said_with_its_reason():
    report = compare_with_torch(Dense(3, 4, mean=True), torch.nn.Linear(3, 4), X)
    assert [f.where for f in report.findings] == ["layer 0, Dense: gradient of weight"], report
    assert "mean over the batch" in str(report)

    class Softmax:
        def forward(self, x):
            self.out = np.exp(x) / np.exp(x).sum(axis=0)
            return self.out

        def backward(self, dout):
            return self.out * (dout - (dout * self.out).sum(axis=0))

    report = compare_with_torch(Softmax(), torch.nn.Softmax(dim=1), X)
    assert "it runs over axis 0; PyTorch's dim is 1" in str(report)


def test_losses_are_compared_too():
    net, theirs = m.Sequential(m.Linear(3, 3)), torch.nn.Sequential(torch.nn.Linear(3, 3))
    report = compare_with_torch(net, theirs, X, Y, m.MSE(), torch.nn.MSELoss(reduction="sum"))
    assert report.ok, report
    report = compare_with_torch(net, theirs, X, Y, m.MSE(), torch.nn.MSELoss())
    assert "reduction='sum'" in str(report)


def test_bad_calls_are_refused():
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module"):
        compare_with_torch(Dense(3, 3), Dense(3, 3), X)
    with pytest.raises(ValueError, match="give loss, torch_loss and y"):
        compare_with_torch(Dense(3, 3), torch.nn.Linear(3, 3), X, loss=m.MSE())
    with pytest.raises(ValueError, match="1 layers, torch_module 2"):
        compare_with_torch(m.Linear(3, 3), torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh()), X)


class Normalised:
    """Batch normalisation as books write it; its momentum is the share of the old statistics."""

    def __init__(self, momentum=0.9, unbiased=True):
        self.gamma, self.beta, self.eps = np.full(3, 1.5), np.full(3, 0.2), 1e-5
        self.momentum, self.unbiased = momentum, unbiased
        self.running_mean, self.running_var = np.zeros(3), np.ones(3)

    def forward(self, x):
        mu, var = x.mean(axis=0), x.var(axis=0)
        kept = x.var(axis=0, ddof=1) if self.unbiased else var
        self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mu
        self.running_var = self.momentum * self.running_var + (1 - self.momentum) * kept
        self.root, self.normed = np.sqrt(var + self.eps), (x - mu) / np.sqrt(var + self.eps)
        return self.gamma * self.normed + self.beta

    def backward(self, dout):
        self.dgamma, self.dbeta = (dout * self.normed).sum(axis=0), dout.sum(axis=0)
        d = dout * self.gamma
        return (d - d.mean(axis=0) - self.normed * (d * self.normed).mean(axis=0)) / self.root


@pytest.mark.parametrize(
    ("momentum", "unbiased", "theirs", "said"),
    [
        (0.9, True, 0.1, ""),
        (0.9, True, 0.9, "its momentum is the share of the new batch"),
        (0.99, True, 0.1, "the batch counts 0.01 in running statistics here, and 0.1 in PyTorch"),
        (0.9, False, 0.1, "the running variance is divided by n here, and by n - 1 in PyTorch"),
    ],
)
def test_running_statistics_are_compared_and_their_momentum_is_named(momentum, unbiased, theirs, said):
    report = compare_with_torch(Normalised(momentum, unbiased), torch.nn.BatchNorm1d(3, momentum=theirs), X)
    assert "running mean" in str(report)
    assert report.ok == (not said), report
    assert said in " ".join(str(report).split()), report
    assert [f.kind for f in report.findings] == ["convention"] * bool(said)


def test_our_running_statistics_are_compared_too():
    assert "running var" in str(report := compare_with_torch(m.BatchNorm(3), torch.nn.BatchNorm1d(3), X))
    assert report.ok, report
