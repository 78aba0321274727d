"""Could these data be learned at all? References: trainings that are known to work where anything simple does.

Columns scaled to mean 0 and deviation 1, numbers to predict too, one hidden layer, Adam, and classes weighted alike if they are
judged alike; beside it a linear one, and one whose weights are held small. The best of them on the examples that are judged is
what a training of this size should reach.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from modnet.check.training.setup import Setup
from modnet.check.training.task import SQUEEZED, Task
from modnet.check.training.wild import Tamed
from modnet.losses import MSE, BCEWithLogits, CrossEntropy, Huber, Poisson
from modnet.modules import Embedding, Linear, ReLU, Reshape, Sequential, Tanh
from modnet.optim import Adam, AdamW

_STEPS, _BATCH = 1200, 32
_WORK = 5e8  # of one reference, in examples times parameters: a wide one takes fewer steps
_HIDDEN, _FEWEST_HIDDEN = 48, 12
_WIDE = 400  # inputs, from which fewer units are enough
_WIDEST = 4000  # inputs: of more, sums with random signs are taken


class Columns:
    """Scaling of columns by the mean and standard deviation of some examples."""

    def __init__(self, X: np.ndarray) -> None:
        size = np.maximum(np.abs(X).max(axis=0, initial=1.0), 1.0)  # squares of 1e200 are too large for a number
        self.mean, self.scale = (X / size).mean(axis=0) * size, (X / size).std(axis=0) * size
        constant = self.scale <= 1e-9 * np.maximum(np.abs(self.mean), 1e-300)
        self.scale = np.where(constant, 1.0, self.scale)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """From the units of the data to scaled."""
        return (X - self.mean) / self.scale

    def back(self, X: np.ndarray) -> np.ndarray:
        """From scaled to the units of the data."""
        return X * self.scale + self.mean


def prepared(setup: Setup, words: bool) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(name, those trained on, those that judge), as rows of numbers that any method can take; the best form first.

    Columns are scaled, wild numbers tamed, and too many columns summed up. Words are counted, or one-hot in their order.

    Parameters
    ----------
    words : whether X is whole numbers that a network reads as places in a table.
    """
    pair = setup.X, setup.judged[0]
    if words:
        kinds = int(max(a.max(initial=0) for a in pair)) + 1
        forms = {" of the words' counts": [_counts(a, kinds) for a in pair]} if kinds <= _WIDEST else {}
        if kinds * int(np.prod(setup.X.shape[1:])) <= _WIDEST:
            forms[" of the words in order"] = [np.eye(kinds)[a].reshape(len(a), -1) for a in pair]
    else:
        tamed = Tamed(setup.X)
        forms = {"": [_narrow(tamed(a).reshape(len(a), -1).astype(np.float64)) for a in pair]}
    found = []
    for name, (X, judged) in forms.items():
        scale = Columns(X)
        X = scale(X)
        found.append((name, X, scale(judged) if setup.is_held_out else X))
    return found


def _counts(words: np.ndarray, kinds: int) -> np.ndarray:
    """How often each word is in an example."""
    rows = np.repeat(np.arange(len(words)), int(np.prod(words.shape[1:])))
    counts = np.zeros((len(words), kinds))
    np.add.at(counts, (rows, words.reshape(-1).astype(int)), 1.0)
    return counts


def _narrow(X: np.ndarray) -> np.ndarray:
    """The columns, or sums of them with random signs if they are too many."""
    if X.shape[1] <= _WIDEST:
        return X
    signs = np.random.default_rng(8).choice(np.array([-1.0, 1.0], X.dtype), (X.shape[1], _WIDEST // 4))
    return np.asarray(X @ signs)


def references(setup: Setup, words: bool) -> list[tuple[str, Setup]]:
    """The trainings to compare with, the likeliest to learn first.

    Parameters
    ----------
    words : whether X is whole numbers that a network reads as places in a table.
    """
    plain, outputs = _for_scores(setup)
    rows = int(np.prod(outputs))
    common = plain.but(
        batch_size=min(_BATCH, len(plain.y)), shuffle=True, patience=None, aside=None, augment=None, rates={}, loop=None,
        weights=_weights(plain),
    )  # fmt: skip

    def end(*layers: Any) -> Sequential:
        return Sequential(*layers, *([Reshape(*outputs)] if len(outputs) > 1 else []))

    def form(X: np.ndarray, judged: np.ndarray, net: Any, optimizer: Any) -> Setup:
        found = common.but(X=X, judged=(judged, plain.judged[1]), net=net, optimizer=optimizer)
        size = sum(p.size for leaf in net.leaves() for p in leaf.named_parameters().values())
        steps = min(_STEPS, max(_STEPS // 8, int(_WORK / (_BATCH * size))))
        return found.but(epochs=max(3, steps // found.steps))

    def hidden(inputs: int, module: Any, seed: int) -> Sequential:
        units = max(_FEWEST_HIDDEN, min(_HIDDEN, _HIDDEN * _WIDE // inputs))
        return end(Linear(inputs, units, rng=seed), module, Linear(units, rows, rng=seed + 1))

    found = []
    if words and setup.X.ndim > 1 and len(outputs) == setup.X.ndim and outputs[:-1] == setup.X.shape[1:]:  # each by itself
        X, judged = setup.X, setup.judged[0]
        net = Sequential(
            Embedding(int(max(X.max(initial=0), judged.max(initial=0))) + 1, 16, rng=1),
            Linear(16, _HIDDEN, rng=2), Tanh(), Linear(_HIDDEN, outputs[-1], rng=3),
        )  # fmt: skip
        found.append(("each word by itself", form(X, judged, net, Adam(0.01))))
    for name, X, judged in prepared(setup, words):
        inputs = X.shape[1]
        found += [
            (f"one hidden layer{name}", form(X, judged, hidden(inputs, Tanh(), 1), Adam(0.01))),
            (f"linear{name}", form(X, judged, end(Linear(inputs, rows, rng=3)), Adam(0.01))),
            (
                f"one hidden layer{name}, weights held small",
                form(X, judged, hidden(inputs, ReLU(), 4), AdamW(0.005, weight_decay=1.0)),
            ),
        ]
    return found


def referees(setup: Setup, words: bool) -> list[tuple[str, float, float]]:
    """(name, score, share) of methods that find what a small network may not: asked before it is said that there is nothing."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.model_selection import GridSearchCV
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    task = setup.task
    truth, held = task.truth(setup.y), task.truth(setup.judged[1])
    forms = prepared(setup, words)
    if len(truth) != len(setup.X) or not forms:
        return []
    _, X, judged = forms[0]
    if task.ignored is not None:
        X, truth = X[truth != task.ignored], truth[truth != task.ignored]
    truth, held = (a[:, 0] if a.ndim > 1 and a.shape[1] == 1 else a for a in (truth, held))
    few = min(5, len(X))
    trees, neighbours = (
        (ExtraTreesRegressor, KNeighborsRegressor) if task.kind == "numbers" else (ExtraTreesClassifier, KNeighborsClassifier)
    )
    methods = {"trees": trees(60, min_samples_leaf=2, random_state=0), "nearest neighbours": neighbours(few)}
    if task.kind == "numbers" and X.shape[1] <= 3 and 5 <= len(X) <= 1000:  # waves that are narrow beside their range
        methods["a smooth curve"] = GridSearchCV(KernelRidge(kernel="rbf", alpha=1e-3), {"gamma": [1, 10, 100, 1000]})
    plain = replace(task, rows=False, low=0.0, high=1.0, threshold=0.5, link="" if task.link == "sigmoid" else task.link)
    found = []
    for name, method in methods.items():
        try:
            said = np.asarray(method.fit(X, truth).predict(judged))
        except ValueError:  # one class only
            continue
        right = held if task.kind == "classes" else held.astype(np.float64)
        yhat = np.eye(task.classes)[said] if task.kind == "classes" else said.astype(np.float64)
        if task.link == "exp":
            yhat = np.log(np.maximum(yhat, 1e-3))
        score = plain.score(right, yhat)
        found.append((name, score, plain.share(score, setup.chance)))
    return found


def _for_scores(setup: Setup) -> tuple[Setup, tuple[int, ...]]:
    """The training with targets, a loss and a task for scores of any size; and the shape of the scores of an example."""
    task = setup.task
    if task.kind == "classes":
        plain = setup.mapped(
            y=lambda a: a.argmax(axis=-1) if task.rows else a, loss=CrossEntropy(ignore_index=task.ignored),
            task=Task("classes", task.classes, balanced=task.balanced, ignored=task.ignored),
        )  # fmt: skip
        return plain, (*plain.y.shape[1:], task.classes)
    if task.kind == "binary":
        middle = (task.low + task.high) / 2
        plain = setup.mapped(
            y=lambda a: (a > middle).astype(np.float64).reshape(len(a), -1), loss=BCEWithLogits(),
            task=Task("binary", 2, threshold=0.0, balanced=task.balanced),
        )  # fmt: skip
        return plain, plain.y.shape[1:]
    plain = setup.mapped(y=lambda a: a.reshape(len(a), -1).astype(np.float64))
    if task.link == "exp":
        return plain.but(loss=Poisson(), task=Task("numbers", link="exp")), plain.y.shape[1:]
    columns, loss = Columns(Tamed(plain.y, SQUEEZED)(plain.y)), Huber() if task.wild else MSE()
    scaled = plain.but(y=columns(plain.y), backwards=columns.back, loss=loss, task=Task("numbers", wild=task.wild))
    return scaled, plain.y.shape[1:]


def _weights(setup: Setup) -> np.ndarray | None:
    """Those that were given; every class alike where it is judged so, without the examples that do not count."""
    given = setup.weights
    alike = balance(setup.task, setup.y) if setup.task.balanced else None
    if alike is None or (given is not None and given.shape != alike.shape):
        return given
    return alike if given is None else alike * (given > 0)


def labels_of(task: Task, y: np.ndarray) -> np.ndarray | None:
    """A label for each example, if there is one; None for numbers and for several labels an example."""
    if task.kind == "numbers" or y.ndim > 2:
        return None
    truth = task.truth(y)
    if (truth.ndim > 1 and truth.shape[1] > 1) or truth.size != len(y):
        return None
    return truth.reshape(-1)


def balance(task: Task, y: np.ndarray) -> np.ndarray | None:
    """Weights with which every class counts alike, if one is much rarer than another."""
    labels = labels_of(task, y)
    if labels is None:
        return None
    values, at, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(values) < 2 or counts.max() < 3 * counts.min():
        return None
    return np.asarray(len(labels) / (len(values) * counts[at]))
