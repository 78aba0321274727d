"""``python -m modnet datasets``: the data sets that have a name."""

from __future__ import annotations

import argparse
import shutil
import textwrap

from modnet.cli.errors import UsageError
from modnet.cli.report import first_sentence, table_row
from modnet.datasets import describe, info, names


def datasets(options: argparse.Namespace) -> int:
    """Print a line on every data set, or a paragraph on one."""
    width = min(shutil.get_terminal_size().columns, 120)
    if options.name is not None:
        try:
            print(textwrap.fill(describe(options.name), width))
        except ValueError as error:
            raise UsageError(str(error).removeprefix("modnet.datasets: ")) from None
        return 0
    rows = []
    for record in map(info, names()):
        kind = "regression" if record.classes is None else f"{record.classes} classes"
        rows.append((record.name, f"{record.n}", f"{record.features}", kind, first_sentence(record.text)))
    rows.insert(0, ("name", "examples", "inputs", "target", "what it is"))
    wide = [max(len(row[c]) for row in rows) for c in range(4)]
    indent = " " * (sum(wide) + 8)
    for row in rows:
        line = f"{table_row(row[:4], wide, (1, 2))}  {row[4]}"
        print(textwrap.fill(line, max(width, len(indent) + 30), subsequent_indent=indent))
    return 0
