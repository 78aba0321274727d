"""A student's textbook implementation in NumPy: a class a layer, lists of parameters, loops over windows, nothing compiled.

It is what one writes for the exercise, in float32: matrix products over the batch, and a loop over the places of a filter, not
over examples.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from tasks import MOMENTUM, Contestant, Layer, Task


class Linear:
    def __init__(self, layer: Layer, W: np.ndarray, b: np.ndarray) -> None:
        self.parameters = [W, b]

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        W, b = self.parameters
        return x @ W + b

    def gradients(self, delta: np.ndarray) -> list[np.ndarray]:
        return [self.x.T @ delta, delta.sum(0)]

    def backward(self, delta: np.ndarray) -> np.ndarray:
        return delta @ self.parameters[0].T


class Convolution:
    """In one or two dimensions, (batch, length, channels) or (batch, height, width, channels), stride 1."""

    def __init__(self, layer: Layer, W: np.ndarray, b: np.ndarray) -> None:
        self.parameters = [W, b]
        self.places = list(product(*(range(n) for n in W.shape[:-2])))

    def _window(self, place: tuple[int, ...]) -> tuple[slice, ...]:
        return (slice(None), *(slice(at, at + n) for at, n in zip(place, self.out)))

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        W, b = self.parameters
        self.out = [n - k + 1 for n, k in zip(x.shape[1:-1], W.shape)]
        return sum(x[self._window(place)] @ W[place] for place in self.places) + b

    def gradients(self, delta: np.ndarray) -> list[np.ndarray]:
        W = self.parameters[0]
        flat = delta.reshape(-1, delta.shape[-1])
        found = np.empty_like(W)
        for place in self.places:
            found[place] = self.x[self._window(place)].reshape(-1, W.shape[-2]).T @ flat
        return [found, flat.sum(0)]

    def backward(self, delta: np.ndarray) -> np.ndarray:
        dx = np.zeros_like(self.x)
        for place in self.places:
            dx[self._window(place)] += delta @ self.parameters[0][place].T
        return dx


class Plain:
    """Without parameters."""

    parameters: list[np.ndarray] = []

    def __init__(self, layer: Layer) -> None:
        self.size = layer.size

    def gradients(self, delta: np.ndarray) -> list[np.ndarray]:
        return []


class MaxPool(Plain):
    """Windows that do not overlap; of what is left over at an end, nothing."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        k, (examples, *lengths, channels) = self.size, x.shape
        self.shape, self.cut = x.shape, tuple(slice(0, n // k * k) for n in lengths)
        split = [part for n in lengths for part in (n // k, k)]
        windows = x[(slice(None), *self.cut)].reshape(examples, *split, channels)
        self.axes = tuple(range(2, 2 * len(lengths) + 1, 2))
        out = windows.max(self.axes, keepdims=True)
        self.largest = windows == out
        return out.reshape(examples, *(n // k for n in lengths), channels)

    def backward(self, delta: np.ndarray) -> np.ndarray:
        spread = delta.reshape([1 if axis in self.axes else n for axis, n in enumerate(self.largest.shape)])
        dx = np.zeros(self.shape, delta.dtype)
        dx[(slice(None), *self.cut)] = (self.largest * spread).reshape(dx[(slice(None), *self.cut)].shape)
        return dx


class Flatten(Plain):
    def forward(self, x: np.ndarray) -> np.ndarray:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, delta: np.ndarray) -> np.ndarray:
        return delta.reshape(self.shape)


class ReLU(Plain):
    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return np.maximum(x, 0)

    def backward(self, delta: np.ndarray) -> np.ndarray:
        return delta * (self.x > 0)


class Tanh(Plain):
    def forward(self, x: np.ndarray) -> np.ndarray:
        self.out = np.tanh(x)
        return self.out

    def backward(self, delta: np.ndarray) -> np.ndarray:
        return delta * (1 - self.out**2)


_KINDS: dict[str, Any] = {
    "linear": Linear, "conv1d": Convolution, "conv2d": Convolution, "maxpool1d": MaxPool, "maxpool2d": MaxPool,
    "flatten": Flatten, "relu": ReLU, "tanh": Tanh,
}  # fmt: skip


def delta_of(loss: str, y: np.ndarray, out: np.ndarray) -> np.ndarray:
    """dL/dout of a loss summed over the batch."""
    if loss == "mse":
        return 2 * (out - y)
    if loss == "bce":
        return 1 / (1 + np.exp(-out)) - y
    e = np.exp(out - out.max(1, keepdims=True))
    delta = e / e.sum(1, keepdims=True)
    delta[np.arange(len(y)), y] -= 1
    return delta


class Textbook(Contestant):
    def __init__(self, task: Task, X: np.ndarray, y: np.ndarray, first: list[np.ndarray], variant: str) -> None:
        self.task, self.X, self.y, self.first = task, X, y, first
        self.rng = np.random.default_rng(3)
        self.reset()

    def reset(self) -> None:
        rest = [array.copy() for array in self.first]
        self.layers = []
        for layer in self.task.layers:
            own = [rest.pop(0) for _ in layer.shapes]
            self.layers.append(_KINDS[layer.kind](layer, *own))
        self.flat = [p for layer in self.layers for p in layer.parameters]
        self.means = [np.zeros_like(p) for p in self.flat]
        self.squares = [np.zeros_like(p) for p in self.flat]
        self.steps = 0

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self.follow(self.rng.permutation(self.task.examples))

    def follow(self, order: np.ndarray) -> None:
        for at in range(0, len(order), self.task.batch):
            rows = order[at : at + self.task.batch]
            out = self._forward(self.X[rows])
            self._step(self._backward(delta_of(self.task.loss, self.y[rows], out) / np.float32(len(rows))))

    def _forward(self, x: np.ndarray) -> np.ndarray:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def _backward(self, delta: np.ndarray) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for layer in reversed(self.layers):
            found = layer.gradients(delta) + found
            if layer is not self.layers[0]:
                delta = layer.backward(delta)
        return found

    def _step(self, gradients: list[np.ndarray]) -> None:
        self.steps += 1
        if self.task.optimizer == "sgd":
            for p, g, m in zip(self.flat, gradients, self.means):
                m *= MOMENTUM
                m += g
                p -= self.task.lr * m
            return
        for p, g, m, v in zip(self.flat, gradients, self.means, self.squares):
            m *= 0.9
            m += 0.1 * g
            v *= 0.999
            v += 0.001 * g * g
            p -= self.task.lr * (m / (1 - 0.9**self.steps)) / (np.sqrt(v / (1 - 0.999**self.steps)) + 1e-8)

    def parameters(self) -> list[np.ndarray]:
        return self.flat

    def predicting(self, X: np.ndarray) -> Callable[[], np.ndarray]:
        return lambda: self._forward(X)

    def going_back(self, X: np.ndarray, delta: np.ndarray) -> Callable[[], list[np.ndarray]]:
        self._forward(X)
        return lambda: self._backward(delta)
