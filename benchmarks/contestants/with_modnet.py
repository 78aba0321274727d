"""modnet, in its two uses: `fit`, and a loop written by hand on the public names."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tasks import MOMENTUM, Contestant, Task

import modnet
from modnet import (
    MSE,
    BCEWithLogits,
    Conv1D,
    Conv2D,
    CrossEntropy,
    Flatten,
    Linear,
    MaxPool1D,
    MaxPool2D,
    ReLU,
    Sequential,
    Tanh,
)
from modnet.optim import SGD, Adam

_MAKE = {
    "linear": lambda layer: Linear(layer.n, layer.m),
    "conv1d": lambda layer: Conv1D(layer.size, layer.n, layer.m),
    "conv2d": lambda layer: Conv2D(layer.size, layer.n, layer.m),
    "maxpool1d": lambda layer: MaxPool1D(layer.size),
    "maxpool2d": lambda layer: MaxPool2D(layer.size),
    "flatten": lambda layer: Flatten(),
    "relu": lambda layer: ReLU(),
    "tanh": lambda layer: Tanh(),
}


class _Network(Contestant):
    def __init__(self, task: Task, X: np.ndarray, y: np.ndarray, first: list[np.ndarray], variant: str) -> None:
        self.task, self.X, self.y, self.first = task, X, y, first
        self.net = Sequential([_MAKE[layer.kind](layer) for layer in task.layers]).astype(X.dtype)
        self.loss = {"cross-entropy": CrossEntropy, "bce": BCEWithLogits, "mse": MSE}[task.loss]()
        self.optimizer = Adam(task.lr) if task.optimizer == "adam" else SGD(task.lr, MOMENTUM)
        self.rng = np.random.default_rng(3)
        self.reset()

    def reset(self) -> None:
        for i, array in enumerate(self.net.named_parameters().values()):
            array[...] = self.first[i]
        self.optimizer.attach(self.net)

    def parameters(self) -> list[np.ndarray]:
        return list(self.net.named_parameters().values())

    def predicting(self, X: np.ndarray) -> Callable[[], np.ndarray]:
        return lambda: modnet.predict(self.net, X)

    def going_back(self, X: np.ndarray, delta: np.ndarray) -> Callable[[], list[np.ndarray]]:
        self.net.forward(X)

        def back() -> list[np.ndarray]:
            self.net.zero_grad()
            self.net.backward_update_gradient(X, delta)
            return [self.net.gradient]

        return back


class Fit(_Network):
    """`modnet.fit`: the compiled epoch."""

    def train(self, epochs: int) -> None:
        self._fit(self.X, self.y, epochs, shuffle=True)

    def follow(self, order: np.ndarray) -> None:
        self._fit(self.X[order], self.y[order], 1, shuffle=False)

    def _fit(self, X: np.ndarray, y: np.ndarray, epochs: int, shuffle: bool) -> None:
        modnet.fit(
            self.net, X, y, loss=self.loss, optimizer=self.optimizer, epochs=epochs, batch_size=self.task.batch,
            shuffle=shuffle, rng=self.rng, progress=False,
        )  # fmt: skip


class Loop(_Network):
    """The five calls of a step, from Python."""

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self.follow(self.rng.permutation(self.task.examples))

    def follow(self, order: np.ndarray) -> None:
        net, loss, optimizer, size = self.net, self.loss, self.optimizer, self.task.batch
        X, y = self.X[order], self.y[order]
        for start in range(0, len(X), size):
            x, truth = X[start : start + size], y[start : start + size]
            net.zero_grad()
            yhat = net.forward(x)
            delta = loss.backward(truth, yhat)
            delta /= len(x)
            net.backward_update_gradient(x, delta)
            optimizer.step()
