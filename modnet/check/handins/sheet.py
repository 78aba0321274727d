"""A mark sheet: one row a student, one column a class, for a spreadsheet."""

from __future__ import annotations

import csv
import io

from modnet.check.handins.results import HandIn


def as_csv(handins: list[HandIn]) -> str:
    """Comma-separated values: how many classes are right, wrong and not checked, then the verdict on each."""
    names = sorted({name for handin in handins for name in handin.verdicts()}, key=lambda name: (name.lower(), name))
    out = io.StringIO(newline="")
    sheet = csv.writer(out)
    sheet.writerow(["hand-in", "right", "wrong", "not checked", *names])
    for handin in handins:
        verdicts = handin.verdicts()
        words = list(verdicts.values())
        right, without = words.count("ok"), sum(w.startswith("not ") for w in words)
        row = [handin.name, right, len(words) - right - without, without, *(verdicts.get(name, "") for name in names)]
        sheet.writerow([_plain(cell) for cell in row])
    return out.getvalue()


def _plain(cell: object) -> object:
    """A name that a spreadsheet would take for a formula, as text."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
