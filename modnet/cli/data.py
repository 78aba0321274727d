"""The data of ``python -m modnet train``: read, split into parts, made numbers, scaled, and refused if none can learn them."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from modnet import datasets
from modnet.cli.errors import UsageError, refusing
from modnet.datasets import Table
from modnet.datasets.words import nearest, short
from modnet.tables import Sheet, TableEncoder, TableModel, Target, read_sheet
from modnet.tables.columns import Number
from modnet.training.split import held_out

FEW = 20  # of fewer examples none are set aside unless asked for


@dataclass
class Examples:
    """What is trained on, before its columns are numbers.

    Attributes
    ----------
    y : the targets. target : what they are. sheet : the inputs as text, of a file; table : those of a data set with a name.
    encoder : how they become numbers, once `encoded` has seen which rows are trained on.
    """

    y: np.ndarray
    target: Target
    sheet: Sheet | None = None
    table: Table | None = None
    encoder: TableEncoder | None = None

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes, or None for a regression."""
        return None if self.target.class_names is None else tuple(self.target.class_names)

    def encoded(self, rows: np.ndarray) -> Table:
        """The examples as numbers; what the numbers of text depend on is learned from the rows alone."""
        if self.table is not None:
            columns = zip(self.table.feature_names, self.table.X.T, strict=True)
            self.encoder = TableEncoder([Number(name, median=float(np.median(x)), has_missing=False) for name, x in columns])
            return self.table
        assert self.sheet is not None
        self.encoder = TableEncoder.fitted(self.sheet, rows)
        X = self.encoder.transform(self.sheet, self.sheet.notes)
        return Table(X, self.y, tuple(self.encoder.feature_names), self.class_names)


def read_examples(options: argparse.Namespace) -> Examples:
    """A data set by name, or a table file."""
    name = options.data
    if name in datasets.names():
        for given, flag in ((options.target, "--target"), (options.drop, "--drop"), (options.header, "--header, --no-header")):
            if given:
                raise UsageError(f"argument {flag}: {name} is a data set with a name, expected none but for a file")
        table = datasets.load_table(name)
        if options.task not in (None, table.task):
            raise UsageError(f"argument --task: it is {options.task}, expected none for {name}, which is a {table.task}")
        names = None if table.class_names is None else list(table.class_names)
        return Examples(table.y, Target("target", names), table=table)
    if not os.path.exists(name):
        if os.path.splitext(name)[1] or os.sep in name:
            raise UsageError(f"there is no file {name!r}, expected a CSV file or the name of a data set")
        known = ", ".join(datasets.names())
        raise UsageError(
            f"there is no data set {name!r}, expected a CSV file or one of {known}{nearest(name, datasets.names())}"
        )
    sheet = read_file(name, options)
    with refusing():
        named = [[words] if words in sheet.names else words.split(",") for words in options.drop]
        sheet = sheet.without([column for columns in named for column in columns])
        if len(sheet.names) < 2:
            has, advice = "1 column", "choose another --separator if it has more"
            if named:
                has, advice = f"{len(sheet.names)} of its columns left", "name fewer after --drop"
            raise ValueError(f"{name} has {has}, expected inputs and a target; {advice}")
        target, y, inputs = Target.found(sheet, options.target or sheet.names[-1], options.task)
    return Examples(y, target, sheet=inputs)


def read_file(name: str, options: argparse.Namespace) -> Sheet:
    """A table file as text."""
    with refusing(name, "a CSV file or the name of a data set"):
        return read_sheet(
            name, header=options.header, separator=options.separator, decimal=options.decimal,
            skip_bad_lines=options.skip_bad_lines,
        )  # fmt: skip


@dataclass
class Part:
    """Some of the examples, in the data's own units."""

    name: str
    X: np.ndarray
    y: np.ndarray


def split(table: Table | Examples, options: argparse.Namespace) -> tuple[list[np.ndarray], bool]:
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
    rows, taken, stratified = np.arange(n), [], True
    draw = np.random.default_rng([options.seed, 1])  # the network is drawn from the seed alone
    for count in reversed(counts):
        part = rows[:0]
        if count:
            labels = table.y[rows] if table.class_names else None
            if labels is not None:
                sizes = np.bincount(labels)
                sizes = sizes[sizes > 0]
                if sizes.min() < 2 or min(count, len(rows) - count) < len(sizes):
                    labels, stratified = None, False
            kept = held_out(draw.permutation(len(rows)), count, labels)
            rows, part = np.delete(rows, kept), rows[kept]
        taken.append(part)
    test, validation = taken
    return [rows, validation, test], stratified


def scaling(
    X: np.ndarray, y: np.ndarray, task: str, how: str, columns: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """The mean and the scale of inputs, and those of numbers to predict, as `TableModel` takes them.

    Parameters
    ----------
    X, y : what is trained on. task : what y is. how : "auto", "standard" or "none", for the inputs.
    columns : (inputs,), which inputs may be scaled; the others are 0 and 1 for a category. None for all.
    """
    mean, scale, y_mean, y_scale = np.zeros(X.shape[1]), np.ones(X.shape[1]), 0.0, 1.0
    with np.errstate(over="ignore"):  # check_size refuses numbers so large that this overflows
        free = np.ones(X.shape[1], bool) if columns is None else columns
        if free.any() and (how == "standard" or (how == "auto" and not _is_small(X[:, free]))):
            mean, scale = np.where(free, X.mean(axis=0), 0.0), np.where(free, X.std(axis=0), 1.0)
            scale[scale <= 1e-12 * np.abs(X).max(axis=0)] = 1.0  # a constant column
        if task == "regression":
            y_mean, y_scale = float(y.mean()), float(y.std()) or 1.0
    return mean, scale, y_mean, y_scale


def _is_small(X: np.ndarray) -> bool:
    """Whether inputs lie in -1 to 1, and not in a small part of it."""
    return bool(np.abs(X).max() <= 1 and X.std() >= 0.1)


def check_target(name: str, table: Examples) -> None:
    """Refuse targets that are all equal."""
    if table.class_names is not None and len(table.class_names) < 2:
        raise UsageError(f"{name}: every example is of class {short(table.class_names[0])}, expected two classes or more")
    if table.class_names is None and np.ptp(table.y) == 0:
        raise UsageError(f"{name}: every target is {table.y[0]:g}, expected numbers that differ")


def check_size(name: str, table: Table, model: TableModel, kind: Any) -> None:
    """Refuse numbers that the network's type cannot hold."""
    with np.errstate(over="ignore"):
        wide = np.abs(model.inputs(table.X)).max(axis=0)
    good = np.isfinite(model.scale) & (wide < 1e-3 * kind.max)
    if not good.all():
        column = int(np.argmin(good))
        largest = np.abs(table.X[:, column]).max()
        raise UsageError(f"{name}: column {table.feature_names[column]!r} has values up to {largest:g}, expected smaller ones")
    if not (np.isfinite(model.y_scale) and np.isfinite(model.y_mean)):
        raise UsageError(f"{name}: the target has values up to {np.abs(table.y).max():g}, expected smaller ones")
