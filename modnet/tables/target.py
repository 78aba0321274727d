"""What a table is to predict: classes by name, or numbers."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import Any

import numpy as np

from modnet.datasets.words import nearest, short
from modnet.tables.reading import Sheet, is_missing, lines_in_words, numbers

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
        says what they are. What could be meant otherwise is noted: classes that differ in capitals or in a letter, classes of
        one line, numbers among text.

        Raises
        ------
        ValueError : for text among numbers, for texts of which hardly any comes twice.
        """
        sheet = with_target(sheet, name)
        place = sheet.place(name)
        cells, inputs = sheet.columns[place], sheet.without([name])
        values = numbers(cells, sheet.decimal)
        wrong = [k for k, value in enumerate(values) if value is None]
        labels = _are_labels(cells, values)
        if wrong and (task == "regression" or (task is None and _should_be_numbers(cells, wrong, labels))):
            raise ValueError(_no_number(sheet, name, cells, wrong, task))
        if wrong or task == "classification" or (task is None and labels):
            shown = cells if wrong else _in_one_writing(cells, values)
            names = _class_names(shown, None if wrong else values)
            if task is None and len(cells) > 2 * _MOST_CLASSES and 2 * len(names) > len(cells):
                raise ValueError(
                    f"{sheet.path}: {name!r} has {len(names)} different texts on {len(cells)} lines, expected classes that "
                    "come back; choose another --target, or say --task classification"
                )
            places = {text: k for k, text in enumerate(names)}
            sheet.notes.extend(_doubts(name, shown, sheet.lines, values if wrong else None))
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
            by_value = {v: float(k) for k, v in enumerate(numbers(self.class_names, ".")) if v is not None}
            read = numbers(cells, sheet.decimal)
            found = [places.get(cell, None if v is None else by_value.get(v)) for cell, v in zip(cells, read)]
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
    kept = [k for k, cell in enumerate(cells) if not is_missing(cell)]
    if len(kept) == len(cells):
        return sheet
    if not kept:
        raise ValueError(f"{sheet.path}: {name!r} is missing on every line, expected a target")
    lost = [sheet.lines[k] for k in sorted(set(range(len(cells))) - set(kept))]
    sheet.notes.append(f"{lines_in_words(lost)} left out: {name!r} is missing")
    return sheet.rows(kept)


def _are_labels(cells: list[str], values: list[Any]) -> bool:
    """Whether the numbers among the cells look like labels: whole, and few of them."""
    found = {value for value in values if value is not None}
    whole = all(_WHOLE.fullmatch(cell) for cell, value in zip(cells, values) if value is not None)
    return bool(found) and whole and len(found) <= _MOST_CLASSES


def _should_be_numbers(cells: list[str], wrong: list[int], labels: bool) -> bool:
    """Whether a column with text in it is one of numbers: half of them are, and they are no labels, or the text is rare."""
    return len(wrong) <= 0.05 * len(cells) or (not labels and 2 * len(wrong) <= len(cells))


def _no_number(sheet: Sheet, name: str, cells: list[str], wrong: list[int], task: str | None) -> str:
    """What is wrong with a target of numbers that has text in it, and what to do."""
    k, count = wrong[0], len(wrong)
    also = f" (and on {count - 1} more lines: {lines_in_words([sheet.lines[i] for i in wrong[1:]])})" if count > 1 else ""
    otherwise = "" if task else "; --task classification takes all as classes"
    return (
        f"{sheet.path}, line {sheet.lines[k]}: {name!r} is {short(cells[k])}{also}, expected a number; mend the cell, or "
        f"empty it to leave the line out{otherwise}"
    )


def _doubts(name: str, cells: list[str], lines: list[int], values: list[Any] | None) -> list[str]:
    """Notes on classes that are perhaps not meant: of one line, or alike but for capitals or a letter; numbers among text."""
    notes = []
    counts = Counter(cells)
    if values is not None and any(value is not None for value in values):
        count = sum(value is not None for value in values)
        notes.append(f"{name!r} has text on {len(cells) - count} lines and numbers on {count}: all are taken as classes")
    alike: dict[str, list[str]] = {}
    for text in counts:
        alike.setdefault(text.casefold(), []).append(text)
    for texts in alike.values():
        if len(texts) > 1:
            listed = ", ".join(short(text) for text in sorted(texts)[:5])
            notes.append(f"{name!r} has the classes {listed}, which differ in their capitals alone; write them alike")
    single = [text for text, count in counts.items() if count == 1] if len(cells) >= _MOST_CLASSES else []
    frequent = [text for text, count in counts.items() if count > 1]
    for text in single[:5]:
        near = difflib.get_close_matches(text, frequent, 1, 0.7) if len(text) > 2 else []
        meant = f"; is {short(near[0])} meant?" if near else ", which is too few to learn it"
        notes.append(f"line {lines[cells.index(text)]}: {name!r} is {short(text)}, a class of one line{meant}")
    if len(single) > 5:
        notes.append(f"{name!r} has {len(single) - 5} more classes of one line")
    return notes


def _in_one_writing(cells: list[str], values: list[Any]) -> list[str]:
    """Classes that are numbers in the writing of the file, such as 07, if each has one; else plainly."""
    writings: dict[float, set[str]] = {}
    for cell, value in zip(cells, values):
        writings.setdefault(value, set()).add(cell)
    if all(len(texts) == 1 and _WHOLE.fullmatch(next(iter(texts))) for texts in writings.values()):
        return cells
    return [_plain(value) for value in values]


def _class_names(shown: list[str], values: list[Any] | None) -> list[str]:
    """Names in order: numbers by size, text by alphabet."""
    if values is None:
        return sorted(set(shown))
    by_value = dict(zip(values, shown))
    return [by_value[value] for value in sorted(by_value)]


def _plain(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


__all__ = ["Target", "with_target"]
