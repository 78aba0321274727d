"""Data sets that are read from files: scikit-learn's own, and the CSV files of the folder ``datasets``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from modnet.datasets.csv import read_csv
from modnet.datasets.table import Table
from modnet.datasets.words import short, who_loads
from modnet.inputs import whole

_PACKAGE = Path(__file__).parent.parent

# An installed wheel has the files in the package, a checkout at its top. The wheel's place comes first, as a
# folder "datasets" beside an installed modnet would be another package's.
FOLDERS = (_PACKAGE / "_data", _PACKAGE.parent / "datasets")


def from_csv(name: str) -> Table:
    """Return the set of a CSV file of the folder ``datasets``."""
    for folder in FOLDERS:
        path = folder / f"{name}.csv"
        if path.is_file():
            return read_csv(path)
    raise FileNotFoundError(
        f"{who_loads(name)}: {name}.csv is missing, expected in {FOLDERS[0]} or {FOLDERS[1]}: reinstall modnet"
    )


def digits(n_class: int = 10, scale: bool = True) -> Table:
    """Return scikit-learn's digits, from 0 to 1 if scaled, else from 0 to 16."""
    who = who_loads("digits")
    scale = _switch(scale, who, "scale")
    if whole(n_class, who, "n_class") > 10:
        raise ValueError(f"{who}: n_class is {n_class}, expected at most 10")
    table = _digits_file(n_class) or from_scikit_learn("digits", n_class=n_class)
    # A pixel counts the dark ones of a 4 x 4 block of the scan: 16 is black.
    return table._replace(X=table.X / 16.0) if scale else table


def _digits_file(n_class: int) -> Table | None:
    """The digits from scikit-learn's file, without its import, which takes a second; None if it lies elsewhere."""
    found = find_spec("sklearn")
    path = Path((found and found.origin) or "").parent / "datasets" / "data" / "digits.csv.gz"
    if not path.is_file():
        return None
    rows = np.loadtxt(path, delimiter=",")
    rows = rows[rows[:, -1] < n_class]
    feature_names = tuple(f"pixel_{i}_{j}" for i in range(8) for j in range(8))
    return Table(rows[:, :-1].copy(), rows[:, -1].astype(np.int64), feature_names, tuple(map(str, range(n_class))))


def diabetes(scaled: bool = True) -> Table:
    """Return scikit-learn's diabetes, centred and of one size if scaled, else as measured."""
    return from_scikit_learn("diabetes", scaled=_switch(scaled, who_loads("diabetes"), "scaled"))


def from_scikit_learn(name: str, **options: Any) -> Table:
    """Return a set that scikit-learn brings, with the options of its own loader."""
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(**options)
    X = np.ascontiguousarray(bunch.data, dtype=np.float64)
    feature_names = tuple(map(str, bunch.feature_names))
    if "target_names" not in bunch:
        return Table(X, bunch.target.astype(np.float64), feature_names, None)
    # Of the digits all ten names come, whatever n_class leaves.
    class_names = tuple(map(str, bunch.target_names[: bunch.target.max() + 1]))
    return Table(X, bunch.target.astype(np.int64), feature_names, class_names)


def _switch(value: bool, who: str, option: str) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{who}: {option} is {short(value)}, expected True or False")
    return bool(value)
