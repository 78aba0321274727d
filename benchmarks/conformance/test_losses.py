"""Losses against PyTorch's: costs and slopes to 1e-9 of the largest value, in float64.

By discovery: a loss written later is compared, or fails here until `theirs` says what it is in PyTorch.
"""

import numpy as np
import pytest
import torch
from theirs import LOSSES, WITHOUT_LOSSES, assert_close, costs
from torch.nn import functional as F

from modnet import (
    BCE,
    MAE,
    MSE,
    NLL,
    BCEWithLogits,
    CrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    Linear,
    MultiMargin,
    Perceptron,
    balanced_weights,
    fit,
)
from modnet.discovery import all_losses
from modnet.optim import SGD

KINDS = all_losses()


def more():
    """What the examples leave out: scores of any size, certain probabilities, ties, soft targets smoothed."""
    rng = np.random.default_rng(1)
    labels, scores, rows = rng.integers(0, 5, 7), rng.normal(size=(7, 5)), rng.dirichlet(np.ones(5), 7)
    huge = 1000.0 * rng.integers(-1, 2, (7, 5))
    steps = np.arange(-4.0, 5.0)
    sides = np.where(steps % 2 == 0, 1.0, -1.0)
    return [
        (MSE(), np.zeros(9), 1e6 * steps),
        (MAE(), np.zeros(9), steps),
        (Huber(2.0), np.zeros(9), steps),
        (Huber(0.5), np.ones((3, 3)), steps.reshape(3, 3)),
        (BCE(), rng.random((6, 4)), rng.random((6, 4))),
        (BCEWithLogits(), rng.random((7, 5)), huge),
        (BCEWithLogits(), np.array([0.0, 1.0, 0.5]), np.zeros(3)),
        (KLDivergence(), np.eye(5)[labels], rows),
        (NLL(), labels, huge),
        (NLL(), rows, scores),
        (CrossEntropy(), labels, huge),
        (CrossEntropy(), rows, huge),
        (CrossEntropy(), labels, np.zeros((7, 5))),
        (CrossEntropy(0.3), labels, huge),
        (CrossEntropy(0.3), labels, scores),
        (CrossEntropy(0.3), rows, scores),
        (CrossEntropy(0.3), np.eye(5)[labels], scores),
        (CrossEntropy(0.1), labels[:1], scores[:1]),
        (CrossEntropy(0.1), rng.integers(0, 5, (2, 3, 4)), rng.normal(size=(2, 3, 4, 5))),
        (MultiMargin(), labels, rng.integers(-2, 3, (7, 5)) * 1.0),
        (MultiMargin(0.5), labels, scores),
        (Hinge(), sides, steps / 2),
        (Perceptron(), sides, steps - 0.5),
    ]


CASES = [(f"{kind.__name__}-{i}", *case) for kind in KINDS for i, case in enumerate(kind.examples())]
CASES += [(f"{case[0]}-more-{i}", *case) for i, case in enumerate(more())]
CASES = [pytest.param(*case, id=name) for name, *case in CASES if type(case[0]) not in WITHOUT_LOSSES]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_loss_has_an_equal_in_pytorch_or_a_reason_for_none(kind):
    assert (kind in LOSSES) != bool(WITHOUT_LOSSES.get(kind)), f"{kind.__name__}: say in theirs.py what it is in PyTorch"


@pytest.mark.parametrize(("loss", "y", "yhat"), CASES)
def test_costs_and_slopes(loss, y, yhat):
    truth = torch.tensor(y if np.ndim(y) < yhat.ndim else np.asarray(y, np.float64))
    prediction = torch.tensor(yhat, requires_grad=True)
    their = costs(loss, truth, prediction)
    their.sum().backward()
    assert_close(loss.forward(y, yhat), their, "cost")
    assert_close(loss.backward(y, yhat), prediction.grad, "slope")
    assert loss(y, yhat) == pytest.approx(their.mean().item(), rel=1e-9)


def test_certain_probabilities_are_bounded_as_pytorch_bounds_them():
    """The least divisor of the slope is 1e-12, and the float32 next to it in PyTorch: their slopes are 4e-9 larger."""
    y, p = np.array([0.0, 0.0, 1.0, 1.0, 0.3, 0.3]), np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    prediction = torch.tensor(p, requires_grad=True)
    their = costs(BCE(), torch.tensor(y), prediction)
    their.sum().backward()
    assert_close(BCE().forward(y, p), their, "cost")
    assert_close(BCE().backward(y, p), prediction.grad * (float(np.float32(1e-12)) / 1e-12), "slope")


def test_only_the_perceptron_takes_another_side_of_its_kink():
    """At 0 its slope is that of the wrong side, so that a network of zeros learns; PyTorch's relu has 0 there."""
    y, score = np.array([1.0]), torch.zeros(1, dtype=torch.float64, requires_grad=True)
    costs(Perceptron(), torch.tensor(y), score).sum().backward()
    assert score.grad.item() == 0
    assert Perceptron().backward(y, np.zeros(1))[0] == -1


def test_class_weights_are_sample_weights():
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(30, 3)), np.repeat([0, 1, 2], [3, 20, 7])
    weights = torch.tensor([balanced_weights(y)[np.argmax(y == c)] for c in range(3)])
    net = Linear(3, 3, rng=0)
    w, b = (torch.tensor(view.copy(), requires_grad=True) for view in (net.weight, net.bias))
    # PyTorch's mean divides by the sum of the weights: of balanced ones, by the number of examples.
    F.cross_entropy(torch.tensor(X) @ w + b, torch.tensor(y), weight=weights).backward()
    before = net.weight.copy(), net.bias.copy()
    settings = {"epochs": 1, "batch_size": None, "sample_weight": balanced_weights(y), "progress": False}
    fit(net, X, y, loss=CrossEntropy(), optimizer=SGD(1.0), **settings)
    assert_close(before[0] - net.weight, w.grad, "weight")
    assert_close(before[1] - net.bias, b.grad, "bias")
