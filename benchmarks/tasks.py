"""The training tasks that all contestants do, and the referee's own view of what they learnt.

A task fixes everything but who does it: the data, the network, its first parameters, the optimizer and the batches. Parameters
travel as a flat list W1, b1, W2, b2, ... with W of shape (in, out), float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Task:
    """One training.

    sizes are the layers' features, from input to classes; an activation stands between layers, cross-entropy at the end.
    A *training* is `epochs` passes from the first parameters: the unit that is repeated and timed.
    """

    name: str
    sizes: tuple[int, ...]
    activation: str  # "relu" or "tanh"
    optimizer: str  # "adam", or "sgd" with momentum 0.9
    lr: float
    batch: int
    examples: int
    epochs: int

    def __str__(self) -> str:
        rule = {"adam": "Adam", "sgd": "SGD with momentum 0.9"}[self.optimizer]
        net = "-".join(map(str, self.sizes))
        activation = {"relu": "ReLU", "tanh": "tanh"}[self.activation]
        return f"{net} {activation}, cross-entropy, {rule}, batch {self.batch}, {self.examples} examples"

    @property
    def steps(self) -> int:
        """Steps an epoch; the last may be a short one."""
        return -(-self.examples // self.batch)


MOMENTUM = 0.9
TASKS = {
    "moons": Task("moons", (2, 16, 16, 2), "relu", "adam", 1e-3, 32, 1024, 40),
    "digits": Task("digits", (64, 100, 10), "relu", "adam", 1e-3, 32, 1797, 10),
    "large": Task("large", (784, 512, 512, 10), "relu", "sgd", 3e-2, 256, 4096, 3),
}
# For the first fit only: one architecture, and then another with another activation.
FIRST = {
    "first": Task("first", (2, 16, 16, 2), "relu", "adam", 1e-3, 32, 1024, 1),
    "other": Task("other", (2, 24, 24, 24, 2), "tanh", "adam", 1e-3, 32, 1024, 1),
}


def data(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """X (examples, features) float32 and labels y (examples,)."""
    rng = np.random.default_rng(0)
    if task.sizes[0] == 2:
        angle = rng.uniform(0, np.pi, task.examples)
        y = np.arange(task.examples) % 2
        X = np.stack([np.cos(angle), np.sin(angle)], 1)
        X[y == 1] = [1, 0.5] - X[y == 1]
        X += rng.normal(0, 0.15, X.shape)
    elif task.sizes[0] == 64:
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        X = X / 16
    else:
        X = rng.normal(size=(task.examples, task.sizes[0]))
        y = np.argmax(X @ rng.normal(size=(task.sizes[0], task.sizes[-1])), 1)
    return np.ascontiguousarray(X, np.float32), y.astype(np.int64)


def first_parameters(task: Task) -> list[np.ndarray]:
    """W and b of each layer, U(-1/sqrt(in), 1/sqrt(in))."""
    rng = np.random.default_rng(1)
    found = []
    for n, m in zip(task.sizes, task.sizes[1:]):
        found += [rng.uniform(-(n**-0.5), n**-0.5, shape).astype(np.float32) for shape in ((n, m), (m,))]
    return found


def mean_loss(task: Task, parameters: list[np.ndarray], X: np.ndarray, y: np.ndarray) -> float:
    """The mean cross-entropy over the data, by plain numpy in float64: the judge does not use any contestant's code."""
    h = X.astype(np.float64)
    for i in range(0, len(parameters), 2):
        h = h @ parameters[i].astype(np.float64) + parameters[i + 1]
        if i < len(parameters) - 2:
            h = np.maximum(h, 0) if task.activation == "relu" else np.tanh(h)
    top = h.max(1, keepdims=True)
    rest = top[:, 0] + np.log(np.exp(h - top).sum(1))
    return float(np.mean(rest - h[np.arange(len(y)), y]))


def orders(task: Task, epochs: int) -> np.ndarray:
    """The same random order of the examples for everyone, (epochs, examples)."""
    rng = np.random.default_rng(2)
    return np.array([rng.permutation(task.examples) for _ in range(epochs)])


class Contestant:
    """What a library shows here. A subclass builds its network in `__init__` and knows nothing of clocks."""

    #: Ways to do the same, of which the fastest is taken.
    variants: tuple[str, ...] = ("",)

    def __init__(self, task: Task, X: np.ndarray, y: np.ndarray, first: list[np.ndarray], variant: str) -> None:
        raise NotImplementedError

    def reset(self) -> None:
        """Back to the first parameters, with an optimizer that remembers nothing."""
        raise NotImplementedError

    def train(self, epochs: int) -> None:
        """So many epochs, each in a new random order drawn by the contestant itself; all work is done on return."""
        raise NotImplementedError

    def follow(self, order: np.ndarray) -> None:
        """One epoch in the given order, through the code that `train` runs."""
        raise NotImplementedError

    def parameters(self) -> list[np.ndarray]:
        raise NotImplementedError
