"""Could these data be learned at all? References: trainings that are known to work where anything simple does.

Columns scaled to mean 0 and deviation 1, numbers to predict too, one hidden layer, Adam, and classes weighted alike if they are
judged alike; beside it a linear one, and one whose weights are held small. The best of them on the examples that are judged is
what a training of this size should reach.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.check.training.setup import Run, Setup
from modnet.check.training.task import Task
from modnet.losses import MSE, BCEWithLogits, CrossEntropy
from modnet.modules import Linear, ReLU, Reshape, Sequential, Tanh
from modnet.optim import Adam, AdamW

_STEPS = 1200
_HIDDEN = 48
_WIDEST = 4000  # inputs


class Columns:
    """Scaling of columns by the mean and standard deviation of some examples."""

    def __init__(self, X: np.ndarray) -> None:
        self.mean, self.scale = X.mean(axis=0), X.std(axis=0)
        constant = self.scale <= 1e-9 * np.maximum(np.abs(self.mean), 1e-300)
        self.scale = np.where(constant, 1.0, self.scale)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """From the units of the data to scaled."""
        return (X - self.mean) / self.scale

    def back(self, X: np.ndarray) -> np.ndarray:
        """From scaled to the units of the data."""
        return X * self.scale + self.mean


def flat(X: np.ndarray, classes: int | None = None) -> np.ndarray:
    """Examples as rows of numbers; whole numbers that are places in a table, such as words, one-hot."""
    if classes is not None:
        return np.eye(classes)[np.clip(X.astype(int), 0, classes - 1)].reshape(len(X), -1)
    return X.reshape(len(X), -1).astype(np.float64)


def references(setup: Setup, words: bool) -> list[tuple[str, Setup]]:
    """The trainings to compare with, the likeliest to learn first; none if the inputs are too many.

    Parameters
    ----------
    words : whether X is whole numbers that a network reads as places in a table.
    """
    kinds = int(setup.X.max(initial=0)) + 1 if words else None
    width = int(np.prod(setup.X.shape[1:])) * (kinds or 1)
    if width > _WIDEST:
        return []
    X, judged = flat(setup.X, kinds), flat(setup.judged[0], kinds)
    scale = Columns(X)
    task, y, back = setup.task, setup.y, None
    if task.kind == "classes":
        y = y.argmax(axis=-1) if task.rows else y
        outputs = (*y.shape[1:], task.classes)
        loss: Any = CrossEntropy()
        task = Task("classes", task.classes, balanced=task.balanced)
        held = setup.judged[1].argmax(axis=-1) if setup.task.rows else setup.judged[1]
    elif task.kind == "binary":
        y = (y > (task.low + task.high) / 2).astype(np.float64).reshape(len(y), -1)
        outputs, loss = y.shape[1:], BCEWithLogits()
        held = (setup.judged[1] > (task.low + task.high) / 2).astype(np.float64).reshape(len(judged), -1)
        task = Task("binary", 2, threshold=0.0, balanced=task.balanced)
    else:
        y = y.reshape(len(y), -1).astype(np.float64)
        held = setup.judged[1].reshape(len(judged), -1).astype(np.float64)
        columns = Columns(y)
        y, outputs, loss, back = columns(y), y.shape[1:], MSE(), columns.back
        task = Task("numbers")
    inputs, rows = X.shape[1], int(np.prod(outputs))
    n = len(X)
    batch = min(32, n)
    epochs = max(3, _STEPS // -(-n // batch))
    X = scale(X)
    common = setup.but(
        X=X, y=y, judged=(X if setup.judged[0] is setup.X else scale(judged), held), task=task, loss=loss, epochs=epochs,
        batch_size=batch, shuffle=True, patience=None, rates={}, backwards=back, loop=None,
        weights=setup.weights if setup.weights is not None or not task.balanced else balance(task, y),
    )  # fmt: skip

    def end(*layers: Any) -> Sequential:
        return Sequential(*layers, *([Reshape(*outputs)] if len(outputs) > 1 else []))

    first, hidden = Linear(inputs, _HIDDEN, rng=1), Linear(inputs, _HIDDEN, rng=4)
    return [
        ("one hidden layer", common.but(net=end(first, Tanh(), Linear(_HIDDEN, rows, rng=2)), optimizer=Adam(0.01))),
        ("linear", common.but(net=end(Linear(inputs, rows, rng=3)), optimizer=Adam(0.01))),
        (
            "one hidden layer, weights held small",
            common.but(net=end(hidden, ReLU(), Linear(_HIDDEN, rows, rng=5)), optimizer=AdamW(0.005, weight_decay=1.0)),
        ),
    ]


def referees(setup: Setup, words: bool) -> list[tuple[str, float, float]]:
    """(name, score, share) of methods that find what a small network may not: asked before it is said that there is nothing."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    task = setup.task
    truth, held = task.truth(setup.y), task.truth(setup.judged[1])
    kinds = int(setup.X.max(initial=0)) + 1 if words else None
    X, judged = flat(setup.X, kinds), flat(setup.judged[0], kinds)
    if len(truth) != len(X) or X.shape[1] > _WIDEST:
        return []
    truth, held = (a[:, 0] if a.ndim > 1 and a.shape[1] == 1 else a for a in (truth, held))
    columns = Columns(X)
    few = min(5, len(X))
    trees, neighbours = (
        (ExtraTreesRegressor, KNeighborsRegressor) if task.kind == "numbers" else (ExtraTreesClassifier, KNeighborsClassifier)
    )
    methods = {"trees": trees(60, min_samples_leaf=2, random_state=0), "nearest neighbours": neighbours(few)}
    plain = Task(task.kind, task.classes, balanced=task.balanced)
    found = []
    for name, method in methods.items():
        try:
            said = np.asarray(method.fit(columns(X), truth).predict(columns(judged)))
        except ValueError:  # one class only
            continue
        right = held if task.kind == "classes" else held.astype(np.float64)
        yhat = np.eye(task.classes)[said] if task.kind == "classes" else said.astype(np.float64)
        score = plain.score(right, yhat)
        found.append((name, score, plain.share(score, setup.chance)))
    return found


def balance(task: Task, y: np.ndarray) -> np.ndarray | None:
    """Weights with which every class counts alike, if one is much rarer than another."""
    if task.kind == "numbers" or y.ndim > 2:
        return None
    truth = task.truth(y)
    if truth.ndim > 1 and truth.shape[1] > 1:
        return None
    labels = truth.reshape(-1)
    if len(labels) != len(y):
        return None
    values, at, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(values) < 2 or counts.max() < 3 * counts.min():
        return None
    return np.asarray(len(labels) / (len(values) * counts[at]))


def best(runs: list[Run]) -> Run:
    """The run with the largest share."""
    return max(runs, key=lambda run: run.share)
