"""A table as the numbers that a network gets: the columns' kinds, found and fitted on the lines trained on."""

from __future__ import annotations

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

    def __init__(self, columns: list[Column], places: list[int], width: int, has_header: bool) -> None:
        self.columns, self.places, self.width, self.has_header = columns, places, width, has_header

    @classmethod
    def fitted(cls, sheet: Sheet, rows: np.ndarray) -> TableEncoder:
        """From a table of inputs; statistics are those of the rows. Adds notes to the sheet."""
        columns, places = [], []
        for place, (name, cells) in enumerate(zip(sheet.names, sheet.columns)):
            column, notes = column_of(name, cells, sheet.decimal, rows.tolist())
            sheet.notes.extend(notes)
            if column is not None:
                columns.append(column)
                places.append(place)
        if not columns:
            raise ValueError(f"{sheet.path} has no column that says anything, expected inputs beside the target")
        return cls(columns, places, len(sheet.names), sheet.has_header)

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
        if not self.has_header and len(sheet.names) != self.width:
            raise ValueError(f"{sheet.path} has {len(sheet.names)} columns, expected {self.width}")
        parts = []
        for column, place in zip(self.columns, self.places):
            cells = sheet.columns[sheet.place(column.name) if self.has_header else place]
            values, wrong = column.transform(cells, sheet.decimal)
            if wrong and notes is not None:
                notes.append(unusable(column.name, [sheet.lines[k] for k in wrong], [cells[k] for k in wrong], column.kind))
            parts.append(values)
        return np.concatenate(parts, axis=1)

    def describe(self) -> dict[str, Any]:
        """What it learned, as text, numbers and arrays."""
        columns = [column.describe() for column in self.columns]
        return {"columns": columns, "places": self.places, "width": self.width, "has_header": self.has_header}

    @classmethod
    def from_description(cls, given: dict[str, Any]) -> TableEncoder:
        """What `describe` gave; ValueError, KeyError or TypeError for anything else."""
        columns = [KINDS[one["kind"]].from_description(one) for one in given["columns"]]
        return cls(columns, [int(place) for place in given["places"]], int(given["width"]), bool(given["has_header"]))


__all__ = ["TableEncoder"]
