"""Losses against PyTorch's: costs and slopes to 1e-9 in float64."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from modnet import BCE, MAE, MSE, NLL, BCEWithLogits, CrossEntropy, Hinge, Huber, KLDivergence, MultiMargin, Perceptron


def rows(f):
    """The cost of each example from a function of all numbers."""
    return lambda y, yhat: torch.stack([f(a, b) for a, b in zip(y, yhat)])


def over_classes(f):
    """The same where the last axis of yhat is classes and y labels or rows."""

    def cost(y, yhat):
        classes = yhat.shape[-1]
        truth = y.reshape(len(y), -1).long() if y.ndim < yhat.ndim else y.reshape(len(y), -1, classes)
        return torch.stack([f(a, b) for a, b in zip(truth, yhat.reshape(len(y), -1, classes))])

    return cost


def nll(y, yhat):
    return F.nll_loss(yhat, y, reduction="sum") if y.ndim == 1 else -(y * yhat).sum()


def multi_margin(loss):
    def cost(y, yhat):
        labels = y if y.ndim == 1 else y.argmax(1)
        return yhat.shape[1] * F.multi_margin_loss(yhat, labels, margin=loss.margin, reduction="sum")

    return over_classes(cost)


def theirs(loss):
    """PyTorch's cost of the same meaning. It has no perceptron and no hinge of scores: these are written with its functions."""
    return {
        MSE: rows(lambda y, p: F.mse_loss(p, y, reduction="sum")),
        MAE: rows(lambda y, p: F.l1_loss(p, y, reduction="sum")),
        Huber: rows(lambda y, p: F.huber_loss(p, y, reduction="sum", delta=getattr(loss, "delta", 1.0))),
        BCE: rows(lambda y, p: F.binary_cross_entropy(p, y, reduction="sum")),
        BCEWithLogits: rows(lambda y, p: F.binary_cross_entropy_with_logits(p, y, reduction="sum")),
        KLDivergence: rows(lambda y, p: F.kl_div(p.log(), y, reduction="sum")),
        NLL: over_classes(nll),
        CrossEntropy: over_classes(
            lambda y, z: F.cross_entropy(z, y, reduction="sum", label_smoothing=getattr(loss, "label_smoothing", 0.0))
        ),
        MultiMargin: multi_margin(loss),
        Hinge: rows(lambda y, s: F.relu(1 - y * s).sum()),
        Perceptron: rows(lambda y, s: F.relu(-y * s).sum()),
    }[type(loss)]


KINDS = [MSE, MAE, Huber, BCE, BCEWithLogits, KLDivergence, NLL, CrossEntropy, MultiMargin, Hinge, Perceptron]
CASES = [pytest.param(*case, id=f"{case[0]}-{i}") for kind in KINDS for i, case in enumerate(kind.examples())]


@pytest.mark.parametrize(("loss", "y", "yhat"), CASES)
def test_costs_and_slopes(loss, y, yhat):
    truth = torch.tensor(y if np.ndim(y) < yhat.ndim else np.asarray(y, np.float64))
    prediction = torch.tensor(yhat, requires_grad=True)
    costs = theirs(loss)(truth, prediction)
    costs.sum().backward()
    np.testing.assert_allclose(loss.forward(y, yhat), costs.detach().numpy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(loss.backward(y, yhat), prediction.grad.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("mine", "their"), [(MAE(), F.l1_loss), (Huber(0.5), lambda p, y: F.huber_loss(p, y, delta=0.5))])
def test_kinks_take_pytorchs_side(mine, their):
    y, yhat = np.zeros(3), np.array([0.0, 0.5, -0.5])
    for value in yhat:
        point = torch.tensor([value], requires_grad=True)
        their(point, torch.zeros(1, dtype=torch.float64)).backward()
        assert mine.backward(y[:1], np.array([value]))[0] == point.grad.item()


def test_a_tie_at_the_margin_takes_pytorchs_side():
    scores = torch.tensor([[1.0, 0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    F.multi_margin_loss(scores, torch.tensor([0]), reduction="sum").backward()
    np.testing.assert_array_equal(MultiMargin().backward([0], scores.detach().numpy()), 3 * scores.grad.numpy())
