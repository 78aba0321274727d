"""A reader for CSV files: numeric features, and a target column of numbers or classes."""

from __future__ import annotations

import csv
import io
import os
from array import array
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modnet.datasets.files import is_number, is_whole, read_text
from modnet.datasets.table import Table, Task
from modnet.datasets.words import nearest, short

# A target of whole numbers with more different values than this is a quantity, not classes.
_MOST_CLASSES = 20

_MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})


def read_csv(
    path: str | os.PathLike[str],
    target: str | int = "last",
    *,
    task: Task | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> Table:
    r"""Read a CSV file of numeric features and one target column.

    Parameters
    ----------
    path : path
        A UTF-8 text file, plain or gzip. Blank lines are skipped.
    target : str or int
        The target's column: ``"last"``, a name of the header, or a position from 0 (below 0, from the end).
    task : {"classification", "regression"}, optional
        What the target is. Unless given: text is classes; whole numbers are classes where at most 20 of them
        differ; other numbers are a regression.
    header : bool, optional
        Whether the first line names the columns. Unless given: it does if none of its features is a number.
    delimiter : str, optional
        One character. Unless given: the comma, semicolon or tabulation of which the first line has most.

    Returns
    -------
    Table
        ``X`` (n, features) float64; ``y`` (n,), classes encoded as int64 0..C-1 in the order of
        ``class_names`` (numbers by size, text by alphabet), or float64; the features' names, which are
        ``x1``, ``x2``, ... without a header.

    Raises
    ------
    ValueError
        With the number of the line: for a file without data, rows of different lengths, a feature that is
        missing, text or not finite, a target that is missing, or a number on some lines only.
    TypeError, ValueError
        For arguments of a wrong type, and a target that is not a column.
    OSError
        Where the file cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from modnet.datasets import read_csv
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "fruit.csv"
    ...     _ = path.write_text("weight,length,fruit\n118,19.5,banana\n170,7,apple\n")
    ...     X, y, feature_names, class_names = read_csv(path)
    >>> X.tolist(), y.tolist(), feature_names, class_names
    ([[118.0, 19.5], [170.0, 7.0]], [1, 0], ('weight', 'length'), ('apple', 'banana'))
    """
    if isinstance(target, bool) or not isinstance(target, str | int):
        raise TypeError(f"read_csv: target is {short(target)}, expected 'last', a column's name or position")
    if task not in (None, "classification", "regression"):
        raise ValueError(f"read_csv: task is {short(task)}, expected 'classification', 'regression' or None")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise ValueError(f"read_csv: delimiter is {short(delimiter)}, expected one character or None")
    rows = _csv_rows(path, delimiter)
    first_line, first = next(rows, (0, []))
    if not first:
        raise ValueError(f"read_csv: {path} is empty, expected lines of numbers")
    width = len(first)
    if width < 2:
        raise ValueError(
            f"read_csv: {path}, line {first_line}: there is 1 column, expected the features and the target, "
            "separated by commas"
        )
    by_name = isinstance(target, str) and target != "last"
    if by_name and header is False:
        raise ValueError(f"read_csv: target is {target!r}, expected 'last' or a position with header=False")
    column = _target_column(path, target, first)
    if header is None:
        cells = first[:column] + first[column + 1 :]
        # A first row of missing values is data. One of them alone may be a name: Na is sodium.
        missing = all(cell.lower() in _MISSING for cell in cells)
        header = by_name or not (missing or any(map(is_number, cells)))
    if header:
        columns = list(first)
        if "" in columns:
            raise ValueError(
                f"read_csv: {path}, line {first_line}: column {columns.index('') + 1} has no name, "
                "expected a name for each column"
            )
    else:
        columns = [f"x{i + 1}" for i in range(width - 1)]
        columns.insert(column, "target")
        rows = chain([(first_line, first)], rows)
    features = columns[:column] + columns[column + 1 :]

    # An array of doubles rather than lists: eight bytes a value, for files of a hundred megabytes.
    values = array("d")
    targets: list[str] = []
    lines: list[int] = []
    for line, cells in rows:
        if len(cells) != width:
            raise ValueError(
                f"read_csv: {path}, line {line}: there are {len(cells)} values, expected {width}"
            )
        targets.append(cells.pop(column))
        lines.append(line)
        try:
            values.extend(map(float, cells))
        except ValueError:
            wrong = next(i for i, cell in enumerate(cells) if not is_number(cell))
            raise _not_a_number(path, line, features[wrong], cells[wrong]) from None
    if not lines:
        raise ValueError(f"read_csv: {path} has a header and no data, expected lines of numbers after it")
    X = np.array(values).reshape(len(lines), width - 1)
    for row, wrong in np.argwhere(~np.isfinite(X)):
        raise _not_a_number(path, lines[row], features[wrong], str(X[row, wrong]))
    y, class_names = _encode(path, columns[column], targets, lines, task)
    return Table(X, y, tuple(features), class_names)


def _csv_rows(path: str | os.PathLike[str], delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the number of its line, their cells stripped."""
    text = read_text("read_csv", path)
    if delimiter is None:
        head = text.lstrip().partition("\n")[0]
        delimiter = max(",;\t", key=head.count)
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if cells not in ([], [""]):
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"read_csv: {path}, line {reader.line_num}: {error}, expected CSV") from None


def _target_column(path: str | os.PathLike[str], target: str | int, first: list[str]) -> int:
    if target == "last":
        return len(first) - 1
    if isinstance(target, str):
        if target not in first:
            columns = ", ".join(first[:20]) + (", ..." if len(first) > 20 else "")
            expected = f"one of {columns}{nearest(target, first)}"
            raise ValueError(f"read_csv: {path} has no column {target!r}, expected {expected}")
        count = first.count(target)
        if count > 1:
            raise ValueError(f"read_csv: {path} has {count} columns {target!r}, expected one or a position")
        return first.index(target)
    width = len(first)
    if not -width <= target < width:
        raise ValueError(
            f"read_csv: target is {target}, expected a position from {-width} to {width - 1}, "
            f"as {path} has {width} columns"
        )
    return target % width


def _not_a_number(path: str | os.PathLike[str], line: int, column: str, cell: str) -> ValueError:
    came = "is missing" if cell.lower() in _MISSING else f"is {short(cell)}"
    return ValueError(f"read_csv: {path}, line {line}: {column!r} {came}, expected a finite number, as 0.5")


def _encode(
    path: str | os.PathLike[str], column: str, cells: list[str], lines: list[int], task: Task | None
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Return the targets as numbers, and the names of the classes if they are classes."""
    for line, cell in zip(lines, cells, strict=True):
        if cell.lower() in _MISSING:
            raise ValueError(f"read_csv: {path}, line {line}: target {column!r} is missing, expected a value")
    text = [i for i, cell in enumerate(cells) if not is_number(cell)]
    if text and (task == "regression" or (task is None and len(text) < len(cells))):
        raise ValueError(
            f"read_csv: {path}, line {lines[text[0]]}: target {column!r} is {short(cells[text[0]])}, "
            "expected a number" + ("" if task else " as on other lines, or task='classification'")
        )
    if text:
        named, y = np.unique(cells, return_inverse=True)
        return y.astype(np.int64), tuple(named.tolist())
    values = np.array(cells, dtype=np.float64)
    for i in np.flatnonzero(~np.isfinite(values)):
        raise _not_a_number(path, lines[i], column, cells[i])
    levels, y = np.unique(values, return_inverse=True)
    if task is None and all(map(is_whole, cells)) and len(levels) <= _MOST_CLASSES:
        task = "classification"
    if task != "classification":
        return values, None
    return y.astype(np.int64), tuple(str(int(v)) if v.is_integer() else repr(v) for v in levels.tolist())
