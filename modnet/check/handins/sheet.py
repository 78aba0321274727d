"""A mark sheet: one row a student, one column a class, for a spreadsheet."""

from __future__ import annotations

import csv
import io

from modnet.check.handins.results import HandIn


def as_csv(handins: list[HandIn]) -> str:
    """Comma-separated values: how many classes are right, wrong (by weight) and not checked, then the verdict on each."""
    names = sorted({name for handin in handins for name in handin.verdicts()}, key=lambda name: (name.lower(), name))
    out = io.StringIO(newline="")
    sheet = csv.writer(out)
    columns = ("right", "wrong", "in part", "form", "not checked")
    sheet.writerow(["hand-in", *columns, *names])
    for handin in handins:
        verdicts, weights = handin.verdicts(), list(handin.weights().values())
        row = [handin.name, *map(weights.count, columns), *(verdicts.get(name, "") for name in names)]
        sheet.writerow([_plain(cell) for cell in row])
    return out.getvalue()


def _plain(cell: object) -> object:
    """A name that a spreadsheet would take for a formula, as text."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
