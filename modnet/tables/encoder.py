"""A table as the numbers that a network gets: the columns' kinds, found and fitted on the lines trained on."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from modnet.tables.columns import KINDS, Column, column_of, unusable
from modnet.tables.reading import Sheet


class TableEncoder:
    """Columns of text to columns of numbers.

    Attributes
    ----------
    columns : what each column is. has_header : whether columns are found by name, or by place.
    """

    def __init__(self, columns: list[Column], has_header: bool = True) -> None:
        self.columns, self.has_header = columns, has_header

    @classmethod
    def fitted(cls, sheet: Sheet, rows: np.ndarray) -> TableEncoder:
        """From a table of inputs; statistics are those of the rows. Adds notes to the sheet."""
        columns = []
        for name, cells in zip(sheet.names, sheet.columns):
            column, notes = column_of(name, cells, sheet.decimal, rows.tolist())
            sheet.notes.extend(notes)
            if column is not None:
                columns.append(column)
        if not columns:
            raise ValueError(f"{sheet.path} has no column that says anything, expected inputs beside the target")
        return cls(columns, sheet.has_header)

    @property
    def feature_names(self) -> list[str]:
        """The names of the network's inputs."""
        return [name for column in self.columns for name in column.feature_names]

    @property
    def scaled(self) -> np.ndarray:
        """(inputs,), which of the network's inputs are brought to mean 0 and deviation 1."""
        return np.array([flag for column in self.columns for flag in column.scaled])

    def transform(self, sheet: Sheet, notes: list[str] | None = None) -> np.ndarray:
        """The network's inputs (n, inputs) for a table with these columns, in any order if they have names.

        Notes on cells that could not be used are added to `notes`.
        """
        if self.has_header and not sheet.has_header:
            raise ValueError(f"{sheet.path} has no header, expected the names {', '.join(c.name for c in self.columns)}")
        # Without a header the name says the place: x3 is the third column of the file, whatever was left out.
        by_name = self.has_header or not sheet.has_header
        places = [sheet.place(c.name) if by_name else int(c.name.removeprefix("x")) - 1 for c in self.columns]
        if max(places) >= len(sheet.names):
            raise ValueError(f"{sheet.path} has {len(sheet.names)} columns, expected at least {max(places) + 1}")
        parts = []
        for column, place in zip(self.columns, places):
            cells = sheet.columns[place]
            values, wrong = column.transform(cells, sheet.decimal)
            if wrong and notes is not None:
                notes.append(unusable(column.name, [sheet.lines[k] for k in wrong], [cells[k] for k in wrong], column.kind))
            parts.append(values)
        return np.concatenate(parts, axis=1)

    def describe(self) -> dict[str, Any]:
        """What it learned, as text, numbers and arrays."""
        return {"columns": [column.describe() for column in self.columns], "has_header": self.has_header}

    @classmethod
    def from_description(cls, given: dict[str, Any]) -> TableEncoder:
        """What `describe` gave; ValueError, KeyError or TypeError for anything else."""
        columns = [KINDS[one["kind"]].from_description(one) for one in given["columns"]]
        if not columns:
            raise ValueError("there are no columns")
        if not given["has_header"] and not all(re.fullmatch(r"x[1-9]\d{0,8}", column.name) for column in columns):
            raise ValueError("columns without a header are called x1, x2, ...")
        return cls(columns, bool(given["has_header"]))


__all__ = ["TableEncoder"]
