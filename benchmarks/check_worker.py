"""Times the training steps of one tree of modnet for `check.py`: the tree that PYTHONPATH says, in a process of its own.

It uses public names only, so that it can time an older tree too, and prints one line of JSON.

    PYTHONPATH=TREE python benchmarks/check_worker.py '{"core": 1, "seconds": 0.2, "rows": ["moons"]}'
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

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
    fit,
)
from modnet.optim import SGD, Adam

FIT, LOOP = "fit", "loop"


def dense(*sizes: int, activation: Callable[[], Any]) -> list[Any]:
    """Linear layers with an activation between them."""
    layers: list[Any] = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        layers += [Linear(n, m, rng=i), activation()]
    return layers[:-1]


@dataclass(frozen=True)
class Row:
    """A network and its training.

    A timing is `epochs` passes over `steps` batches: the same in every tree, so that what `fit` does once weighs the same.
    """

    layers: Callable[[], Sequence[Any]]
    shape: tuple[int, ...]  # of an example
    batch: int
    steps: int
    epochs: int
    loss: Callable[[], Any] = CrossEntropy
    optimizer: Callable[[], Any] = Adam

    def data(self, output: int) -> tuple[np.ndarray, np.ndarray]:
        """X and y that cannot be learnt, or gradients would shrink on the way to numbers that are slow to compute with."""
        rng = np.random.default_rng(0)
        n = self.batch * self.steps
        X = rng.normal(size=(n, *self.shape)).astype(np.float32)
        if self.loss is CrossEntropy:
            return X, rng.integers(0, output, n)
        return X, rng.random((n, output)).astype(np.float32)


ROWS = {
    "2-16-16-2": Row(lambda: dense(2, 16, 16, 2, activation=ReLU), (2,), 32, 32, 40),
    "2-100-100-2": Row(lambda: dense(2, 100, 100, 2, activation=Tanh), (2,), 32, 32, 15),
    "64-100-10": Row(lambda: dense(64, 100, 10, activation=ReLU), (64,), 32, 56, 12),
    "256-100-10-100-256": Row(
        lambda: dense(256, 100, 10, 100, 256, activation=Tanh), (256,), 32, 32, 4, loss=BCEWithLogits
    ),
    "4-32-16-4 full": Row(lambda: dense(4, 32, 16, 4, activation=Tanh), (4,), 10000, 1, 12, loss=MSE),
    "handout conv": Row(
        lambda: [Conv1D(3, 1, 32, rng=0), MaxPool1D(2, 2), Flatten(), *dense(4064, 100, 10, activation=ReLU)],
        (256, 1), 32, 8, 2,
    ),
    "LeNet": Row(
        lambda: [
            Conv2D(5, 1, 6, rng=0), ReLU(), MaxPool2D(2), Conv2D(5, 6, 16, rng=1), ReLU(), MaxPool2D(2), Flatten(),
            *dense(256, 120, 84, 10, activation=ReLU),
        ],
        (28, 28, 1), 64, 8, 2,
    ),
    "784-512-512-10": Row(
        lambda: dense(784, 512, 512, 10, activation=ReLU), (784,), 256, 4, 1, optimizer=lambda: SGD(0.01, momentum=0.9)
    ),
}  # fmt: skip


def by_hand(net: Any, X: np.ndarray, y: np.ndarray, loss: Any, optimizer: Any, epochs: int, batch: int) -> None:
    """The loop as a student writes it."""
    for _ in range(epochs):
        for at in range(0, len(X), batch):
            x, truth = X[at : at + batch], y[at : at + batch]
            net.zero_grad()
            yhat = net.forward(x)
            net.backward_update_gradient(x, loss.backward(truth, yhat) / len(x))
            optimizer.step()


def seconds_a_step(row: Row, way: str, seconds: float) -> float:
    """The fastest of the timings made in so many seconds, at least three; the first, which loads code, is left out."""
    net = Sequential(*row.layers()).astype("float32")
    loss, optimizer = row.loss(), row.optimizer().attach(net)
    X, y = row.data(net.forward(np.zeros((1, *row.shape), np.float32)).shape[1])

    def train() -> None:
        if way == LOOP:
            by_hand(net, X, y, loss, optimizer, row.epochs, row.batch)
        else:
            fit(net, X, y, loss=loss, optimizer=optimizer, epochs=row.epochs, batch_size=row.batch, rng=0, progress=False)

    train()
    timings: list[float] = []
    while len(timings) < 3 or sum(timings) < seconds:
        began = time.perf_counter()
        train()
        timings.append(time.perf_counter() - began)
    if not np.isfinite(net.parameters).all():
        raise SystemExit(f"check: {way} diverged, so its steps mean nothing")
    return min(timings) / (row.epochs * row.steps)


def blas() -> str:
    """The library of matrix products and the processor that it has chosen its code for."""
    with suppress(ImportError):
        from threadpoolctl import threadpool_info

        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        if pools:  # SciPy may have loaded one of its own; modnet calls numpy's
            own = max(pools, key=lambda pool: "numpy" in pool["filepath"])
            return f"{own['internal_api']} {own['version']} {own.get('architecture', 'unknown')}, threads {own['num_threads']}"
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{found.get('name')} {found.get('version')} ({found.get('openblas configuration', 'core type unknown')})"


def main() -> None:
    options = json.loads(sys.argv[1])
    if options["core"] is not None:
        os.sched_setaffinity(0, {options["core"]})
    import numba

    import modnet

    times = {
        f"{name}, {way}": seconds_a_step(ROWS[name], way, options["seconds"]) for name in options["rows"] for way in (FIT, LOOP)
    }
    machine = {
        "python": platform.python_version(), "numpy": np.__version__, "numba": numba.__version__, "BLAS": blas(),
    }  # fmt: skip
    print(json.dumps({"modnet": modnet.__file__, "times": times, "machine": machine}))


if __name__ == "__main__":
    main()
