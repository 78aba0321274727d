"""What a table is to predict: classes by name, or numbers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from modnet.datasets.words import nearest, short
from modnet.tables.reading import MISSING, Sheet, lines_in_words, numbers

_WHOLE = re.compile(r"[-+]?\d{1,15}")
_MOST_CLASSES = 20  # a target of whole numbers with more different values is a quantity


class Target:
    """The target of a table.

    Attributes
    ----------
    name : of its column. class_names : in the order of the network's outputs; None for numbers.
    """

    def __init__(self, name: str, class_names: list[str] | None) -> None:
        self.name, self.class_names = name, class_names

    @property
    def task(self) -> str:
        """The task: "classification" or "regression"."""
        return "regression" if self.class_names is None else "classification"

    @classmethod
    def found(cls, sheet: Sheet, name: str, task: str | None) -> tuple[Target, np.ndarray, Sheet]:
        """The target of a table, its values, and the rest of the table; lines without a target are left out, with a note.

        Text is classes; whole numbers are classes if at most 20 of them differ; other numbers are a regression; unless `task`
        says what they are.
        """
        sheet = with_target(sheet, name)
        place = sheet.place(name)
        cells, inputs = sheet.columns[place], sheet.without([name])
        values = numbers(cells, sheet.decimal)
        wrong = [k for k, value in enumerate(values) if value is None]
        if wrong and (task == "regression" or (task is None and len(wrong) <= 0.05 * len(cells))):
            k, count = wrong[0], len(wrong)
            advice = "" if task else f" as on the other lines, or --task classification; such lines: {count}"
            raise ValueError(f"{sheet.path}, line {sheet.lines[k]}: {name!r} is {short(cells[k])}, expected a number{advice}")
        if wrong or task == "classification" or (task is None and _are_labels(cells, values)):
            names = _class_names(cells, None if wrong else values)
            places = {text: k for k, text in enumerate(names)}
            shown = cells if wrong else [_plain(value) for value in values]
            return cls(name, names), np.array([places[cell] for cell in shown], np.int64), inputs
        return cls(name, None), np.array(values, np.float64), inputs

    def values(self, sheet: Sheet) -> tuple[np.ndarray, Sheet]:
        """The values of a new table, and the table without lines that have none or whose class is not known."""
        sheet = with_target(sheet, self.name)
        cells = sheet.columns[sheet.place(self.name)]
        if self.class_names is None:
            found = numbers(cells, sheet.decimal)
        else:
            places = {text: float(k) for k, text in enumerate(self.class_names)}
            read = numbers(cells, sheet.decimal)
            found = [places.get(cell, places.get(_plain(value))) for cell, value in zip(cells, read)]
        kept = [k for k, value in enumerate(found) if value is not None]
        if len(kept) < len(found):
            lost = [sheet.lines[k] for k, value in enumerate(found) if value is None]
            example = cells[found.index(None)]
            what = "a number" if self.class_names is None else f"one of {', '.join(self.class_names[:10])}"
            sheet.notes.append(f"{lines_in_words(lost)} left out: {self.name!r} is {short(example)}, expected {what}")
        if not kept:
            raise ValueError(f"{sheet.path} has no line with a {self.name!r} that is known")
        values = np.array([found[k] for k in kept])
        return values if self.class_names is None else values.astype(np.int64), sheet.rows(kept)

    def shown(self, out: np.ndarray) -> list[str]:
        """Predictions in words: the names of classes, from places, or numbers."""
        if self.class_names is None:
            return [f"{value:.6g}" for value in out]
        return [self.class_names[int(k)] for k in out]


def with_target(sheet: Sheet, name: str) -> Sheet:
    """The table without the lines that have no target, which are noted."""
    if name not in sheet.names:
        listed = ", ".join(sheet.names[:20]) + (", ..." if len(sheet.names) > 20 else "")
        raise ValueError(f"{sheet.path} has no column {name!r}, expected one of {listed}{nearest(name, sheet.names)}")
    cells = sheet.columns[sheet.place(name)]
    kept = [k for k, cell in enumerate(cells) if cell.lower() not in MISSING]
    if len(kept) == len(cells):
        return sheet
    if not kept:
        raise ValueError(f"{sheet.path}: {name!r} is missing on every line, expected a target")
    lost = [sheet.lines[k] for k in sorted(set(range(len(cells))) - set(kept))]
    sheet.notes.append(f"{lines_in_words(lost)} left out: {name!r} is missing")
    return sheet.rows(kept)


def _are_labels(cells: list[str], values: list[Any]) -> bool:
    return all(_WHOLE.fullmatch(cell) for cell in cells) and len(set(values)) <= _MOST_CLASSES


def _class_names(cells: list[str], values: list[Any] | None) -> list[str]:
    """Names in order: numbers by size, text by alphabet."""
    if values is None:
        return sorted(set(cells))
    return [_plain(value) for value in sorted(set(values))]


def _plain(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if value.is_integer() else repr(value)


__all__ = ["Target", "with_target"]
