"""The data of ``python -m modnet train``: read, split into parts, scaled, and refused if no network can learn them."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from modnet import datasets
from modnet.cli.errors import UsageError, nearest
from modnet.datasets import Table
from modnet.training import predict

FEW = 20  # of fewer examples none are set aside unless asked for


def read_table(name: str, task: str | None) -> Table:
    """A data set by name, or a CSV file."""
    if name in datasets.names():
        table = datasets.load_table(name)
        if task not in (None, table.task):
            raise UsageError(f"argument --task: it is {task}, expected none for {name}, which is a {table.task}")
        return table
    if not os.path.exists(name):
        if os.path.splitext(name)[1] or os.sep in name:
            raise UsageError(f"there is no file {name!r}, expected a CSV file or the name of a data set")
        known = ", ".join(datasets.names())
        raise UsageError(
            f"there is no data set {name!r}, expected a CSV file or one of {known}{nearest(name, datasets.names())}"
        )
    try:
        return datasets.read_csv(name, task=task)  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(str(error).removeprefix("read_csv: ")) from None
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}, expected a CSV file or the name of a data set") from None


@dataclass
class Part:
    """Some of the examples, in the data's own units."""

    name: str
    X: np.ndarray
    y: np.ndarray


def split(table: Table, options: argparse.Namespace) -> tuple[list[np.ndarray], bool]:
    """Rows to train on, to validate, to test; and whether each has its share of every class."""
    n = len(table.y)
    few = n < FEW
    shares = [
        (0.0 if few else default) if given is None else given
        for given, default in ((options.validation, 0.1), (options.test_share, 0.2))
    ]
    counts = [max(1, round(share * n)) if share else 0 for share in shares]
    if sum(counts) >= n:
        raise UsageError(
            f"validation and test take {sum(counts)} of {n} examples, expected some left to train on: "
            "lower --validation or --test-share"
        )
    from sklearn.model_selection import train_test_split

    rows, taken, stratified = np.arange(n), [], True
    for count in reversed(counts):
        part = rows[:0]
        if count:
            labels = table.y[rows] if table.class_names else None
            if labels is not None:
                sizes = np.bincount(labels)
                sizes = sizes[sizes > 0]
                if sizes.min() < 2 or min(count, len(rows) - count) < len(sizes):
                    labels, stratified = None, False
            rows, part = train_test_split(rows, test_size=count, random_state=options.seed, stratify=labels)
        taken.append(part)
    test, validation = taken
    return [rows, validation, test], stratified


class Scaled:
    """A network with the scaling of its inputs and of its output around it: both are in the data's own units.

    Parameters
    ----------
    net : the network. X, y : what it is trained on. task : what y is. how : "auto", "standard" or "none", for the inputs.
    """

    def __init__(self, net: Any, X: np.ndarray, y: np.ndarray, task: str, how: str) -> None:
        self.net, self.regression = net, task == "regression"
        self.mean, self.scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
        self.y_mean, self.y_scale = 0.0, 1.0
        with np.errstate(over="ignore"):  # check_size refuses numbers so large that this overflows
            if how == "standard" or (how == "auto" and not _is_small(X)):
                self.mean, self.scale = X.mean(axis=0), X.std(axis=0)
                self.scale[self.scale <= 1e-12 * np.abs(X).max(axis=0)] = 1.0  # a constant column
            if self.regression:
                self.y_mean, self.y_scale = float(y.mean()), float(y.std()) or 1.0

    @property
    def scales(self) -> bool:
        """Whether inputs are changed at all."""
        return bool((self.scale != 1).any() or (self.mean != 0).any())

    def inputs(self, X: np.ndarray) -> np.ndarray:
        """From the data's units to the network's."""
        return np.asarray((X - self.mean) / self.scale)

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Classes as they are; numbers (n,) to predict from the data's unit to the network's, (n, 1)."""
        return np.asarray((y - self.y_mean) / self.y_scale)[:, np.newaxis] if self.regression else y

    def forward(self, X: Any) -> np.ndarray:
        """Scores of the classes, or predictions in the data's unit."""
        out = predict(self.net, self.inputs(np.asarray(X)))
        if self.regression:
            return np.asarray(self.y_mean + self.y_scale * out.astype(np.float64))
        return np.asarray(out)  # in the network's type, for which the kernels of the loss are compiled


def _is_small(X: np.ndarray) -> bool:
    """Whether inputs lie in -1 to 1, and not in a small part of it."""
    return bool(np.abs(X).max() <= 1 and X.std() >= 0.1)


def check_target(name: str, table: Table) -> None:
    """Refuse targets that are all equal."""
    if table.class_names is not None and len(table.class_names) < 2:
        raise UsageError(f"{name}: every example is of class {table.class_names[0]!r}, expected two classes or more")
    if table.class_names is None and np.ptp(table.y) == 0:
        raise UsageError(f"{name}: every target is {table.y[0]:g}, expected numbers that differ")


def check_size(name: str, table: Table, scaled: Scaled, kind: Any) -> None:
    """Refuse numbers that the network's type cannot hold."""
    with np.errstate(over="ignore"):
        wide = np.abs(scaled.inputs(table.X)).max(axis=0)
    good = np.isfinite(scaled.scale) & (wide < 1e-3 * kind.max)
    if not good.all():
        column = int(np.argmin(good))
        largest = np.abs(table.X[:, column]).max()
        raise UsageError(f"{name}: column {table.feature_names[column]!r} has values up to {largest:g}, expected smaller ones")
    if not (np.isfinite(scaled.y_scale) and np.isfinite(scaled.y_mean)):
        raise UsageError(f"{name}: the target has values up to {np.abs(table.y).max():g}, expected smaller ones")
