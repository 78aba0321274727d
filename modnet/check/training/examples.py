"""The examples of a training: which are trained on, which judge, and how many of them if there are too many."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from modnet.check.training.change import Change
from modnet.check.training.given import Given
from modnet.check.training.setup import Setup
from modnet.check.training.task import Task
from modnet.inputs import generator

_A_RUN = 1e9  # work of the training as it is; a larger one is cut
_LOOP = 3000  # steps of a loop by hand that are taken as they are
_HELD_OUT, _ENOUGH = 0.2, 60
_FEWEST, _SURE = 12, 30  # examples that can judge, and that can say that others are of another kind
#: What `_aligned` does. The numbers that X was scaled by are the better ones, but it has been scaled already.
_ALIGNED = "X_val = (X_val - X_val.mean(axis=0)) / X_val.std(axis=0) * X.std(axis=0) + X.mean(axis=0)  # or as X was scaled"
_MIXED = (
    "from sklearn.model_selection import train_test_split; X, X_val, y, y_val = train_test_split("
    "np.concatenate([X, X_val]), np.concatenate([y, y_val]), test_size=len(X_val), random_state=0)"
)


class Examples:
    """The examples: which are trained on, and which judge.

    Parameters
    ----------
    data : what was given. parts : of the `Setup` that the network, the loss and the optimizer make.

    Attributes
    ----------
    pair : whether they are judged on data of the person's own. words : whether X is places in a table.
    cut : how a training that takes too much work was made smaller, in words; empty for the others. shorter : how many times
        fewer steps it takes then. few : whether some of the examples only are used.
    """

    def __init__(self, data: Given, parts: dict[str, Any]) -> None:
        self.X, self.y, self.words, self.options = data.X, data.y, data.words, data.options
        self.parts = {name: part for name, part in parts.items() if name != "task"}
        self.task: Task = parts["task"]
        validation, complete = self.options["validation"], is_complete(self.X)
        self.held: tuple[np.ndarray, np.ndarray] | None = None
        if data.held:
            X, y = np.asarray(data.held[0], self.X.dtype), data.held[1]
            held = self._judging(X, y, data.held[2] if len(data.held) > 2 else None)
            if len(held[0]) >= _FEWEST and not np.array_equal(X, self.X):
                self.held = held
        self.pair = self.held is not None
        self.share, self.aside = 0.0, None
        if not self.pair:
            self.share = _HELD_OUT if len(self.X) >= _ENOUGH and not complete else 0.0
            if isinstance(validation, float) and validation * len(self.X) >= _FEWEST:
                self.share = validation
            elif isinstance(validation, float) and complete:
                self.aside = validation
        weights = self.options["sample_weight"]
        self.weights = None if weights is None else np.asarray(weights, np.float64)
        source = generator(0 if self.options["rng"] is None else copy.deepcopy(self.options["rng"]), "check_training")
        self.seed = int(source.integers(2**31))
        self.epochs = int(self.options["epochs"])
        self.few = False
        whole = self.make(0)
        self.cut = " and ".join(self._cut(whole))
        now = self.make(0)
        self.shorter = max(1.0, whole.steps * whole.epochs / (now.steps * now.epochs))

    def _judging(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Examples that judge, without those of weight 0; places of weight 0 are labelled as ones that do not count."""
        if weights is None or (weights > 0).all() or len(weights) != len(y):
            return X, y
        if weights.ndim == 1:
            return (X[weights > 0], y[weights > 0]) if (weights > 0).any() else (X, y)
        if self.task.kind == "classes" and not self.task.rows and weights.shape == y.shape:
            label = -1 if self.task.ignored is None else self.task.ignored
            self.task = replace(self.task, ignored=label)
            return X, np.where(weights > 0, y, label)
        return X, y

    def _cut(self, whole: Setup) -> list[str]:
        """Make a training that takes too much work smaller, and say how."""
        n, most, said = len(self.X), self.epochs, []
        if whole.loop is not None:
            most = _LOOP // whole.steps
        elif whole.work > _A_RUN:
            few = int(max(1000, n * _A_RUN / whole.work))
            if few < n:
                rows = sample(n, few)
                self.X, self.y, self.few = self.X[rows], self.y[rows], True
                self.weights = None if self.weights is None else self.weights[rows]
                said.append(f"{few} of {n} examples")
            most = int(self.epochs * _A_RUN / max(_A_RUN, self.make(0).work))
        most = max(1, most)
        if self.epochs > most:
            said.append(f"{most} of {self.epochs} epochs")
            self.epochs = most
        return said

    def make(self, draw: int) -> Setup:
        """The training, judged on held-out examples of another draw for every number."""
        options, n = self.options, len(self.X)
        X, y, weights, epochs = self.X, self.y, self.weights, self.epochs
        judged = self.held if self.held is not None else (X, y)
        if self.share:
            held = self._held_out(np.random.default_rng([self.seed, draw, 77]))
            kept = np.setdiff1d(np.arange(n), held)
            judged = self._judging(X[held], y[held], None if weights is None else weights[held])
            X, y, weights = X[kept], y[kept], None if weights is None else weights[kept]
            if options["validation"] is None:
                size = options["batch_size"] or n
                epochs = max(1, round(epochs * -(-n // size) / -(-len(X) // size)))  # as many steps as on all examples
        elif judged[0] is X and weights is not None and weights.ndim > 1:
            judged = self._judging(X, y, weights)
        return Setup(
            X=X, y=y, judged=judged, task=self.task, epochs=epochs, asked=self.epochs, given=n,
            batch_size=options["batch_size"], shuffle=bool(options["shuffle"]), weights=weights, seed=self.seed,
            patience=options["patience"] if options["validation"] is not None else None, augment=options["augment"],
            pair=self.pair, aside=self.aside, **self.parts,
        )  # fmt: skip

    def _held_out(self, rng: np.random.Generator) -> np.ndarray:
        """The examples that judge: a share of every class, if there are classes."""
        n = len(self.X)
        truth = self.task.truth(self.y)
        if self.task.kind == "numbers" or len(truth) != n or (truth.ndim > 1 and truth.shape[1] > 1):
            return np.sort(rng.permutation(n)[: min(max(1, round(self.share * n)), n - 1)])
        parts = [np.flatnonzero(truth.reshape(-1) == c) for c in np.unique(truth)]
        return np.sort(np.concatenate([rng.permutation(part)[: round(self.share * len(part))] for part in parts]))

    # Validation data of another kind than the training data.

    def mismatch(self) -> list[Change]:
        """Changes for validation data that were prepared otherwise, or are another part of a sorted table."""
        if self.aside:
            seen = f"validation={self.aside:g} sets rows aside, and no other row of this table says what is right there"
            line = "validation=None" + ", patience=None" * (self.options["patience"] is not None)
            return [Change("train-test-mismatch", 96, seen, [(line, lambda s: s.but(aside=None, patience=None))])]
        if self.held is None:
            return []
        found = []
        for i, name in enumerate("Xy" if self.task.kind == "numbers" else "X"):
            own, held = (a.reshape(len(a), -1).astype(np.float64) for a in ((self.X, self.y)[i], self.held[i]))
            spread = np.where(own.std(axis=0) > 1e-12, own.std(axis=0), 1.0)
            shift = np.abs(held.mean(axis=0) - own.mean(axis=0)) / spread
            wide = held.std(axis=0) / spread
            if shift.max() > 3 or wide.max() > 5 or wide[own.std(axis=0) > 1e-12].min(initial=1.0) < 0.1:
                at = int(np.argmax(np.maximum(shift, wide)))
                seen = (
                    f"column {at} of {name} has a mean of {held[:, at].mean():.4g} and a deviation of "
                    f"{held[:, at].std():.4g} in the validation data, {own[:, at].mean():.4g} and {own[:, at].std():.4g} in "
                    "the training data"
                )
                variant = _ALIGNED.replace("X", name), partial(_aligned, i)
                found.append(Change("train-test-mismatch", 96 - i, seen, [variant], "validation"))
        truth, held_truth = self.task.truth(self.y), self.task.truth(self.held[1])
        if self.task.kind == "numbers":
            away = np.abs(truth.mean(axis=0) - held_truth.mean(axis=0))
            apart = float(np.max(away / np.maximum(truth.std(axis=0), 1e-300)))
            sorted_ = apart > 1.5
            seen = f"the targets of the validation data are {apart:.2g} deviations away from those of the training data"
        else:
            both = truth.reshape(-1), held_truth.reshape(-1)
            values = np.unique(np.concatenate(both))
            shares = [np.array([np.mean(part == v) for v in values]) for part in both]
            apart = 0.5 * float(np.abs(shares[0] - shares[1]).sum())
            missing = values[(shares[0] == 0) & (shares[1] > 0)]
            sorted_ = apart > 0.4 or bool(missing.size)
            seen = f"the classes are not as frequent in the validation data: {apart:.0%} of them differ"
            if missing.size:
                seen = f"{shares[1][shares[0] == 0].sum():.0%} of the validation data are of a class that is not trained on"
        if sorted_:
            found.append(Change("sorted-data", 94, seen, [(_MIXED, _mixed)], "validation"))
        seen = "it is good on a part of the training data that was set aside, and not on the validation data"
        if _HELD_OUT * len(self.X) >= _SURE:  # of fewer, many can be right by chance
            found.append(Change("train-test-mismatch", 50, seen, [("validation=0.2", _set_aside)], "validation"))
        return found


def _aligned(which: int, setup: Setup) -> Setup:
    """The X of the validation data, or its y, with the mean and the deviation of the training data's."""
    own, judged = (setup.X, setup.y)[which], list(setup.judged)
    held = judged[which]
    spread = held.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    judged[which] = (held - held.mean(axis=0)) / spread * own.std(axis=0) + own.mean(axis=0)
    return setup.but(judged=tuple(judged))


def _mixed(setup: Setup) -> Setup:
    X, y = (np.concatenate([a, b]) for a, b in zip((setup.X, setup.y), setup.judged, strict=True))
    order = np.random.default_rng(3).permutation(len(X))
    n = len(setup.X)
    train, held = order[:n], order[n:]
    return setup.but(X=X[train], y=y[train], judged=(X[held], y[held]), weights=None)


def _set_aside(setup: Setup) -> Setup:
    """Judged on a part of the training data."""
    order = np.random.default_rng(4).permutation(len(setup.X))
    count = max(1, round(_HELD_OUT * len(order)))
    kept, held = np.sort(order[count:]), np.sort(order[:count])
    weights = None if setup.weights is None else setup.weights[kept]
    return setup.but(X=setup.X[kept], y=setup.y[kept], judged=(setup.X[held], setup.y[held]), weights=weights)


def is_complete(X: np.ndarray) -> bool:
    """Whether X is a whole table of its columns' values, as that of XOR: then no example can be foretold from others."""
    rows = X.reshape(len(X), -1)
    if rows.shape[1] > 20 or len(rows) > 5000:
        return False
    unique = np.unique(rows, axis=0)
    sizes = [len(np.unique(column)) for column in unique.T]
    return rows.shape[1] > 1 and max(sizes) <= 4 and len(unique) == int(np.prod(sizes))


def sample(n: int, count: int) -> np.ndarray:
    """Some of n examples, in their order."""
    return np.sort(np.random.default_rng(5).permutation(n)[:count])
