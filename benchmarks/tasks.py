"""The training tasks that all contestants do, and the referee's own view of what they learnt.

A task fixes everything but who does it: the data, the network, its first parameters, the optimizer and the batches. Parameters
travel as a flat list W1, b1, W2, b2, ... with W of shape (in, out) or (window, in, out), float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


@dataclass(frozen=True)
class Layer:
    """One layer: `kind` is linear, conv1d, conv2d, maxpool1d, maxpool2d, flatten, relu or tanh.

    size is the window of a convolution or a pooling, n and m the features or channels that come in and go out. Channels come
    last, convolutions have stride 1 and no padding, poolings have the stride of their window.
    """

    kind: str
    n: int = 0
    m: int = 0
    size: int = 0

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of its parameters, W and b."""
        window = {"linear": (), "conv1d": (self.size,), "conv2d": (self.size, self.size)}.get(self.kind)
        return [] if window is None else [(*window, self.n, self.m), (self.m,)]


def dense(*sizes: int, activation: str) -> tuple[Layer, ...]:
    """Linear layers with an activation between them."""
    found: list[Layer] = []
    for n, m in pairwise(sizes):
        found += [Layer("linear", n, m), Layer(activation)]
    return tuple(found[:-1])


@dataclass(frozen=True)
class Task:
    """One training.

    layers, from input to output; shape of an example; loss is "cross-entropy", "bce" (on logits, the targets are the inputs) or
    "mse", each a mean over the examples. A *training* is `epochs` passes from the first parameters: the unit that is repeated
    and timed.
    """

    name: str
    layers: tuple[Layer, ...]
    shape: tuple[int, ...]
    optimizer: str  # "adam", or "sgd" with momentum 0.9
    lr: float
    batch: int
    examples: int
    epochs: int
    loss: str = "cross-entropy"

    def __str__(self) -> str:
        rule = {"adam": "Adam", "sgd": "SGD with momentum 0.9"}[self.optimizer]
        words = []
        for layer in self.layers:
            size = {"linear": f"{layer.n}-{layer.m}", "conv1d": f"{layer.size}x{layer.n}x{layer.m}"}
            size["conv2d"] = f"{layer.size}x{size['conv1d']}"
            words.append(f"{layer.kind} {size.get(layer.kind, layer.size or '')}".strip())
        return f"{', '.join(words)}; {self.loss}, {rule}, batch {self.batch}, {self.examples} examples"

    @property
    def steps(self) -> int:
        """Steps an epoch; the last may be a short one."""
        return -(-self.examples // self.batch)

    @property
    def sizes(self) -> tuple[int, ...] | None:
        """The features of a network of linear layers with one activation between them; None of another."""
        linear = [layer for layer in self.layers if layer.kind == "linear"]
        if len({layer.kind for layer in self.layers}) > 2 or len(self.layers) != 2 * len(linear) - 1:
            return None
        return (linear[0].n, *(layer.m for layer in linear))

    @property
    def outputs(self) -> int:
        return [layer.m for layer in self.layers if layer.m][-1]


MOMENTUM = 0.9
_HANDOUT = (
    Layer("conv1d", 1, 32, 3), Layer("maxpool1d", size=2), Layer("flatten"), *dense(4064, 100, 10, activation="relu"),
)  # fmt: skip
_LENET = (
    Layer("conv2d", 1, 6, 5), Layer("relu"), Layer("maxpool2d", size=2),
    Layer("conv2d", 6, 16, 5), Layer("relu"), Layer("maxpool2d", size=2), Layer("flatten"),
    *dense(256, 120, 84, 10, activation="relu"),
)  # fmt: skip
_ALL = (
    Task("toy16", dense(2, 16, 16, 2, activation="relu"), (2,), "adam", 1e-3, 32, 1024, 40),
    Task("toy100t", dense(2, 100, 100, 2, activation="tanh"), (2,), "adam", 1e-3, 32, 1024, 15),
    Task("digits", dense(64, 100, 10, activation="relu"), (64,), "adam", 1e-3, 32, 1797, 10),
    Task("auto", dense(256, 100, 10, 100, 256, activation="tanh"), (256,), "adam", 1e-3, 32, 2048, 3, "bce"),
    Task("full", dense(4, 32, 16, 4, activation="tanh"), (4,), "adam", 1e-3, 10000, 10000, 60, "mse"),
    Task("handout", _HANDOUT, (256, 1), "adam", 1e-3, 32, 2048, 1),
    Task("lenet", _LENET, (28, 28, 1), "adam", 1e-3, 64, 1797, 2),
    Task("large", dense(784, 512, 512, 10, activation="relu"), (784,), "sgd", 3e-2, 256, 8192, 1),
)
TASKS = {task.name: task for task in _ALL}
# For the first fit only: one architecture, and then another with another activation.
FIRST = {
    "first": Task("first", dense(2, 16, 16, 2, activation="relu"), (2,), "adam", 1e-3, 32, 1024, 1),
    "other": Task("other", dense(2, 24, 24, 24, 2, activation="tanh"), (2,), "adam", 1e-3, 32, 1024, 1),
}


def data(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """X (examples, ...) float32, and y: labels (examples,), or targets of the output's shape.

    Nothing here can be learned by heart in a training: gradients that shrink towards numbers too small to be normal would be
    slow, and slow some libraries more than others.
    """
    rng = np.random.default_rng(0)
    if task.shape == (2,):
        angle = rng.uniform(0, np.pi, task.examples)
        y = np.arange(task.examples) % 2
        X = np.stack([np.cos(angle), np.sin(angle)], 1)
        X[y == 1] = [1, 0.5] - X[y == 1]
        X += rng.normal(0, 0.15, X.shape)
    elif task.name in ("digits", "lenet"):
        from sklearn.datasets import load_digits

        X, y = load_digits(return_X_y=True)
        X = X / 16
        if task.name == "lenet":  # each pixel becomes nine, within a margin of two; with noise no two are equally large
            X = np.pad(np.kron(X.reshape(-1, 8, 8), np.ones((1, 3, 3))), ((0, 0), (2, 2), (2, 2)))[..., None]
            X = X + rng.normal(0, 0.1, X.shape)
    else:
        X = rng.normal(size=(task.examples, *task.shape))
        if task.loss == "bce":
            X = 1 / (1 + np.exp(-X))
            y = X
        else:
            scores = X.reshape(len(X), -1) @ rng.normal(size=(X[0].size, task.outputs))
            y = scores / np.sqrt(X[0].size) if task.loss == "mse" else np.argmax(scores, 1)
    y = y.astype(np.int64) if task.loss == "cross-entropy" else np.ascontiguousarray(y, np.float32)
    return np.ascontiguousarray(X, np.float32), y


def first_parameters(task: Task) -> list[np.ndarray]:
    """W and b of each layer, U(-1/sqrt(in), 1/sqrt(in))."""
    rng = np.random.default_rng(1)
    found = []
    for layer in task.layers:
        for shape in layer.shapes:
            bound = prod(layer.shapes[0][:-1]) ** -0.5
            found.append(rng.uniform(-bound, bound, shape).astype(np.float32))
    return found


def mean_loss(task: Task, parameters: list[np.ndarray], X: np.ndarray, y: np.ndarray) -> float:
    """The mean loss over the data, by plain numpy in float64: the judge does not use any contestant's code."""
    own = [p.astype(np.float64) for p in parameters]
    losses = [_losses(task, own, X[at : at + 512], y[at : at + 512]) for at in range(0, len(X), 512)]
    return float(np.mean(np.concatenate(losses)))


def _losses(task: Task, parameters: list[np.ndarray], X: np.ndarray, y: np.ndarray) -> np.ndarray:
    h, rest = X.astype(np.float64), list(parameters)
    for layer in task.layers:
        if layer.shapes:
            W, b = rest.pop(0), rest.pop(0)
        if layer.kind == "linear":
            h = h @ W + b
        elif layer.kind.startswith("conv"):
            axes = tuple(range(1, h.ndim - 1))
            windows = sliding_window_view(h, W.shape[:-2], axes)  # (batch, ..., channels, window)
            channels_last = np.moveaxis(windows, h.ndim - 1, -1).reshape(*windows.shape[: h.ndim - 1], -1)
            h = channels_last @ W.reshape(-1, layer.m) + b
        elif layer.kind.startswith("maxpool"):
            k = layer.size
            for axis in range(1, h.ndim - 1):
                h = np.moveaxis(h, axis, 0)
                h = h[: len(h) // k * k].reshape(-1, k, *h.shape[1:]).max(1)
                h = np.moveaxis(h, 0, axis)
        else:
            h = {"relu": lambda v: np.maximum(v, 0), "tanh": np.tanh, "flatten": lambda v: v.reshape(len(v), -1)}[layer.kind](h)
    if task.loss == "mse":
        return ((h - y) ** 2).sum(1)
    if task.loss == "bce":
        return (np.maximum(h, 0) - h * y + np.log1p(np.exp(-np.abs(h)))).sum(1)
    top = h.max(1, keepdims=True)
    return top[:, 0] + np.log(np.exp(h - top).sum(1)) - h[np.arange(len(y)), y]


def orders(task: Task, epochs: int) -> np.ndarray:
    """The same random order of the examples for everyone, (epochs, examples).

    With max pooling it is one of four batches. In float32 two numbers of a window that differ by rounding alone have their
    order by chance, and from there on all go ways of their own; in float64 modnet and PyTorch agree to 1e-14 throughout.
    """
    rng = np.random.default_rng(2)
    if any(layer.kind.startswith("maxpool") for layer in task.layers):
        return rng.permutation(task.examples)[None, : 4 * task.batch]
    return np.array([rng.permutation(task.examples) for _ in range(epochs)])


class Contestant:
    """What a library shows here. A subclass builds its network in `__init__` and knows nothing of clocks."""

    #: Ways to do the same, of which the fastest is taken.
    variants: tuple[str, ...] = ("",)

    @classmethod
    def takes(cls, task: Task) -> bool:
        """Whether the library can do the task."""
        return True

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

    def predicting(self, X: np.ndarray) -> Callable[[], Any] | None:
        """What computes the outputs for these rows, in the library's own arrays; all work is done when it returns."""
        return None

    def going_back(self, X: np.ndarray, delta: np.ndarray) -> Callable[[], Any] | None:
        """What computes the gradients of all parameters from dL/doutputs, after a forward on these rows."""
        return None

    def in_our_form(self, gradients: list[Any]) -> list[np.ndarray]:
        """Gradients as the task has its parameters."""
        return [np.asarray(g) for g in gradients]
