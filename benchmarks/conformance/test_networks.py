"""Whole networks against PyTorch's: twenty steps from equal parameters leave equal parameters, to 1e-7 of the largest."""


import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from theirs import assert_close, copied, costs, output, trained

from modnet import (
    BCE,
    MSE,
    AvgPool2D,
    BatchNorm,
    Conv1D,
    Conv2D,
    CrossEntropy,
    Flatten,
    Linear,
    MaxPool1D,
    MaxPool2D,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
    Tied,
    fit,
)
from modnet.optim import SGD, Adagrad, Adam, AdamW

EPOCHS, BATCH, N = 2, 16, 150  # ten steps an epoch, the last of 6 examples


def digits():
    """N images of 8 x 8, from 0 to 1, and what they show. Large parts of them are 0: pooling meets ties everywhere."""
    images, labels = load_digits(return_X_y=True)
    return images[:N].reshape(N, 8, 8) / 16, labels[:N]


def perceptron():
    X, y = digits()
    net = Sequential(Linear(64, 32, rng=0), ReLU(), Linear(32, 16, rng=1), ReLU(), Linear(16, 10, rng=2))
    return net, X.reshape(N, 64), y, CrossEntropy(), Adam(0.01), torch.optim.Adam, {"lr": 0.01}


def regression():
    X = np.random.default_rng(0).normal(size=(N, 3))
    y = np.stack([np.sin(2 * X[:, 0]) * X[:, 1], X[:, 2] ** 2], 1)
    net = Sequential(Linear(3, 20, rng=0), Tanh(), Linear(20, 20, rng=1), Tanh(), Linear(20, 2, rng=2))
    return net, X, y, MSE(), SGD(0.02, momentum=0.9), torch.optim.SGD, {"lr": 0.02, "momentum": 0.9}


def reference_conv1d():
    """That of the course, on images of 16 x 16 read as signals of 256."""
    X, y = digits()
    layers = Conv1D(3, 1, 32, rng=0), MaxPool1D(2, 2), Flatten(), Linear(4064, 100, rng=1), ReLU(), Linear(100, 10, rng=2)
    signals = np.kron(X, np.ones((2, 2))).reshape(N, 256, 1)
    return Sequential(*layers), signals, y, CrossEntropy(), Adam(), torch.optim.Adam, {}


def lenet():
    """That of LeCun and others (1998), but for its output; maxima after the first convolution, means after the second."""
    X, y = digits()
    images = np.pad(np.kron(X, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))[..., None]
    net = Sequential(
        Conv2D(5, 1, 6, padding=2, rng=0), ReLU(), MaxPool2D(2),
        Conv2D(5, 6, 16, rng=1), Tanh(), AvgPool2D(2), Flatten(),
        Linear(400, 120, rng=2), Tanh(), Linear(120, 84, rng=3), Tanh(), Linear(84, 10, rng=4),
    )  # fmt: skip
    rule = {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-3}
    return net, images, y, CrossEntropy(label_smoothing=0.1), SGD(**rule), torch.optim.SGD, rule


def residual():
    X, y = digits()
    net = Sequential(
        Linear(64, 24, bias=False, rng=0), BatchNorm(24), ReLU(),
        Residual(Linear(24, 24, rng=1), BatchNorm(24, momentum=0.3), ReLU(), Linear(24, 24, rng=2)),
        Residual(BatchNorm(24), ReLU(), Linear(24, 24, rng=3)),
        Linear(24, 10, rng=4),
    )  # fmt: skip
    rule = {"lr": 0.01, "weight_decay": 0.1}
    return net, X.reshape(N, 64), y, CrossEntropy(), AdamW(**rule), torch.optim.AdamW, rule


def auto_encoder():
    X = digits()[0].reshape(N, 64)
    first, second = Linear(64, 24, rng=0), Linear(24, 8, rng=1)
    net = Sequential(first, Tanh(), second, Tanh(), Tied(second), Tanh(), Tied(first), Sigmoid())
    return net, X, X, BCE(), Adagrad(0.05), torch.optim.Adagrad, {"lr": 0.05}


def fitted(net, X, y, loss, optimizer):
    """By `fit`, in the compiled epoch."""
    assert net.compiled
    history = fit(net, X, y, loss=loss, optimizer=optimizer, epochs=EPOCHS, batch_size=BATCH, shuffle=False, progress=False)
    return history.loss


def by_hand(net, X, y, loss, optimizer):
    """By the loop that people write."""
    optimizer.attach(net)
    found = []
    for _ in range(EPOCHS):
        total = 0.0
        for at in range(0, N, BATCH):
            x, t = X[at : at + BATCH], y[at : at + BATCH]
            yhat = net.forward(x)
            total += loss.forward(t, yhat).sum()
            net.zero_grad()
            net.backward(x, loss.backward(t, yhat) / len(x))
            optimizer.step()
        found.append(total / N)
    return found


def pytorchs(net, X, y, loss, copies, optimizer):
    found = []
    for _ in range(EPOCHS):
        total = 0.0
        for at in range(0, N, BATCH):
            x, t = torch.tensor(X[at : at + BATCH]), torch.tensor(y[at : at + BATCH])
            each = costs(loss, t, output(net, x, copies))
            optimizer.zero_grad()
            each.mean().backward()
            optimizer.step()
            total += each.sum().item()
        found.append(total / N)
    return found


@pytest.mark.parametrize("way", [fitted, by_hand])
@pytest.mark.parametrize("make", [perceptron, regression, reference_conv1d, lenet, residual, auto_encoder])
def test_twenty_steps(make, way):
    net, X, y, loss, optimizer, their_kind, rule = make()
    before = net.parameters.copy()
    copies = copied(net)
    their = pytorchs(net, X, y, loss, copies, their_kind(trained(copies), **rule))
    mine = way(net, X, y, loss, optimizer)
    assert abs(net.parameters - before).max() > 0.01  # it has learnt something
    np.testing.assert_allclose(mine, their, rtol=1e-9)
    for module, named in copies.items():
        for name, tensor in named.items():
            assert_close(getattr(module, name), tensor, f"{module}'s {name}", 1e-7)
