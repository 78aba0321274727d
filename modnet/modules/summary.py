"""Summary: a network as a table for people, of places, modules, shapes and numbers of parameters."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from modnet.engine.foreign import Foreign
from modnet.engine.program import Program

#: Place, module, output shape, number of parameters.
Row = tuple[str, str, str, int]


class Summary:
    """What a network's `summary` shows: printed as a table, and as HTML in a notebook.

    Parameters
    ----------
    rows : a row a module. dtype : the element type of the network.
    """

    head = ("place", "module", "output shape", "parameters")

    def __init__(self, rows: list[Row], dtype: Any) -> None:
        self.rows, self.dtype = rows, dtype
        self.total = sum(count for *_, count in rows)

    def _cells(self) -> list[tuple[str, ...]]:
        return [(place, name, shape, f"{count:,}") for place, name, shape, count in self.rows]

    @property
    def _foot(self) -> str:
        plural = "" if self.total == 1 else "s"
        return f"{self.total:,} parameter{plural}, {self.dtype}"

    def __str__(self) -> str:
        cells = [self.head, *self._cells()]
        wide = [max(len(row[c]) for row in cells) for c in range(4)]
        lines = [
            "  ".join(cell.rjust(w) if c == 3 else cell.ljust(w) for c, (cell, w) in enumerate(zip(row, wide, strict=True)))
            for row in cells
        ]
        return "\n".join([lines[0], "  ".join("-" * w for w in wide), *lines[1:], self._foot])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in self.head)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td style='text-align:{'right' if c == 3 else 'left'}'>{html.escape(cell)}</td>"
                for c, cell in enumerate(row)
            )
            + "</tr>"
            for row in self._cells()
        )
        foot = f"<tr><td colspan='4'>{html.escape(self._foot)}</td></tr>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}{foot}</tbody></table>"


def summarise(net: Any, program: Program | None) -> list[Row]:
    """The rows of a summary: containers and modules in order, with output shapes if there is a program."""
    shapes = {} if program is None else {row.place: row.output.shape for row in program.rows if row.joint in ("", "same")}
    after = {} if program is None else {place: value.shape for place, value in program.outputs.items()}
    rows: list[Row] = []
    seen: set[int] = set()

    def visit(container: Any, place: str) -> None:
        for i, module in enumerate(container):
            where = f"{place}[{i}]"
            shape = after.get(where) if hasattr(module, "wire") and where in after else shapes.get(where)
            text = "" if shape is None else "(" + ", ".join(map(str, ("batch", *shape))) + ")"
            if hasattr(module, "wire") and getattr(module, "is_wired", False):
                if module.shown:
                    rows.append((where, type(module).__name__, text, 0))
                visit(module, where)
                continue
            count = sum(int(np.size(array)) for array in Foreign(module).named().values())
            again = id(module) in seen
            seen.add(id(module))
            name = Foreign.name_of(module) + (" (again)" if again and count else "")
            rows.append((where, name, text, 0 if again else count))

    visit(net, "")
    return rows
