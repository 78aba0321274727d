"""A table file as columns of text: its separator, its header and its numbers are found out, and what was found can be said.

Spreadsheets write what their country writes: semicolons between cells and commas in numbers, in an encoding of their own. What
is read here is still text; `modnet.tables.columns` decides what a column means.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from math import isfinite

from modnet.datasets.files import read_bytes
from modnet.datasets.words import nearest, short

#: Cells that hold nothing.
_MISSING = frozenset({"", "?", "-", "--", "na", "n/a", "nan", "null", "none", "nd", "n.d.", "#n/a", "#na"})

_SEPARATORS = "\t;|,"  # a file with semicolons has commas in its numbers, so the comma comes last
_LOOKED_AT = 200  # lines, to find the separator
_SAID = re.compile(r"\s*sep=(.)(?=\r?\n)", re.IGNORECASE)
_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")
_POINT = re.compile(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:([.,])\d{3})+")
_SPACES = str.maketrans("\u2212", "-", " \u00a0\u202f'")


@dataclass
class Sheet:
    """A table as text.

    Attributes
    ----------
    path : of the file. names : of the columns, which are x1, x2, ... without a header. columns : their cells, stripped.
    lines : the number of the line of each row. decimal : "." or ",". has_header : whether the first line was one.
    notes : what was found and left out, in words.
    """

    path: str
    names: list[str]
    columns: list[list[str]]
    lines: list[int]
    decimal: str = "."
    has_header: bool = True
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def place(self, name: str) -> int:
        """Where a column stands; ValueError with the nearest name if there is none."""
        if name in self.names:
            return self.names.index(name)
        listed = ", ".join(self.names[:20]) + (", ..." if len(self.names) > 20 else "")
        raise ValueError(f"{self.path} has no column {name!r}, expected one of {listed}{nearest(name, self.names)}")

    def without(self, names: list[str]) -> Sheet:
        """The table without some columns."""
        gone = {self.place(name) for name in names}
        kept = [k for k in range(len(self.names)) if k not in gone]
        return Sheet(
            self.path, [self.names[k] for k in kept], [self.columns[k] for k in kept], self.lines, self.decimal,
            self.has_header, self.notes,
        )  # fmt: skip

    def rows(self, chosen: list[int]) -> Sheet:
        """Some of the rows."""
        columns = [[column[k] for k in chosen] for column in self.columns]
        return Sheet(
            self.path, self.names, columns, [self.lines[k] for k in chosen], self.decimal, self.has_header, self.notes
        )


def read_sheet(
    path: str | os.PathLike[str],
    *,
    header: bool | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    skip_bad_lines: bool = False,
) -> Sheet:
    """Read a table file as text.

    Parameters
    ----------
    path : a text file, plain or gzip: UTF-8, or else the encoding of Western European spreadsheets (cp1252).
    header : whether the first line names the columns. Unless given: it does if none of its cells is a number or empty.
    separator : one character. Unless given: the tabulation, semicolon, bar or comma that cuts the lines alike.
    decimal : "." or ",". Unless given: what most numbers of the file have.
    skip_bad_lines : whether lines with another number of cells are left out instead of refused.

    Returns
    -------
    sheet : `Sheet`.

    Raises
    ------
    ValueError : for a file without data, a line that cannot be used (with its number, and what to do), a column without a name.
    OSError : if the file cannot be read.
    """
    text, notes = _text(path)
    said = _SAID.match(text)  # spreadsheets write such a line for each other
    if said is not None:
        separator, text = separator or said[1], text[said.end(1) :]
    chosen = separator or _separator(text)
    rows = _rows(path, text, chosen)
    if not rows:
        raise ValueError(f"{path} is empty, expected lines of cells")
    width = len(rows[0][1])
    kept = [(line, cells) for line, cells in rows if len(cells) == width]
    if len(kept) < len(rows):
        wrong = [(line, cells) for line, cells in rows if len(cells) != width]
        line, cells = wrong[0]
        if not skip_bad_lines:
            more = f", and so it is in {lines_in_words([line for line, _ in wrong[1:]])}" if len(wrong) > 1 else ""
            raise ValueError(
                f"{path}, line {line}: got {len(cells)} cell{'s' * (len(cells) != 1)}, expected {width} as in line "
                f"{rows[0][0]}{more}; quote cells that contain {chosen!r}, choose another --separator, or leave such lines out "
                "with --skip-bad-lines"
            )
        notes.append(f"{lines_in_words([line for line, _ in wrong])} left out: not {width} cells")
    if header is None:
        header = not any(_looks_like_number(cell) or is_missing(cell) for cell in kept[0][1])
    names = _names(path, kept[0], width) if header else [f"x{k + 1}" for k in range(width)]
    data = kept[1:] if header else kept
    if not data:
        raise ValueError(f"{path} has a header and no data, expected lines of cells after it")
    columns = [list(column) for column in zip(*(cells for _, cells in data))]
    found = decimal or _decimal(columns, chosen)
    if found == ",":
        notes.append("numbers have a decimal comma")
    return Sheet(os.fspath(path), names, columns, [line for line, _ in data], found, header, notes)


def number(cell: str, decimal: str) -> float | None:
    """The number that a cell holds, in the writing of its file; None if it holds none.

    Spaces and apostrophes between thousands, a percent sign and a sign of currency are passed over.
    """
    plain = _bare(cell)
    if decimal == ",":
        plain = plain.replace(".", "") if _grouped(plain, ".") else plain
        plain = plain.replace(",", ".")
    elif _grouped(plain, ","):
        plain = plain.replace(",", "")
    if "_" in plain:  # Python's own way of grouping
        return None
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def numbers(cells: list[str], decimal: str) -> list[float | None]:
    """The numbers that cells hold, None for those that hold none: as `number` of each, but fast for plain ones."""
    if not any("_" in cell for cell in cells):
        try:
            values = list(map(float, cells if decimal == "." else [cell.replace(",", ".") for cell in cells]))
            if all(map(isfinite, values)) and (decimal == "." or not any("." in cell for cell in cells)):
                return list(values)
        except ValueError:
            pass
    return [number(cell, decimal) for cell in cells]


def lines_in_words(lines: list[int]) -> str:
    """Some numbers of lines, the first few of many."""
    if len(lines) == 1:
        return f"line {lines[0]}"
    shown = ", ".join(str(line) for line in lines[:5])
    return f"lines {shown}" + (f" and {len(lines) - 5} more" if len(lines) > 5 else "")


def is_missing(cell: str) -> bool:
    """Whether a cell says that there is nothing."""
    return cell.lower() in _MISSING


def _bare(cell: str) -> str:
    """A number without what people write around it."""
    return cell.translate(_SPACES).strip("€$£%")


def _grouped(cell: str, mark: str) -> bool:
    """Whether the mark groups thousands before the decimal sign."""
    whole = re.split("[.,]" if cell.count(mark) == 0 else re.escape("." if mark == "," else ","), cell)[0]
    found = _THOUSANDS.fullmatch(whole)
    return found is not None and found[1] == mark


def _text(path: str | os.PathLike[str]) -> tuple[str, list[str]]:
    content = read_bytes("table", path)
    if b"\x00" in content[:4096]:
        if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return content.decode("utf-16"), ["the file is UTF-16"]
        advice = "; save the sheet as CSV first" if content[:2] == b"PK" or content[:4] == b"\xd0\xcf\x11\xe0" else ""
        raise ValueError(f"{path} is no text file, expected a table such as CSV{advice}")
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), ["the file is not UTF-8 and was read as cp1252"]


def _separator(text: str) -> str:
    """The character that cuts most lines into the same number of cells, more than one."""
    head = "\n".join(text.lstrip("\r\n").splitlines()[:_LOOKED_AT])
    best, best_share = ",", 0.0
    for mark in _SEPARATORS:
        try:
            widths = Counter(len(cells) for cells in csv.reader(io.StringIO(head), delimiter=mark) if cells)
        except csv.Error:
            continue
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        share = count / sum(widths.values()) if width > 1 else 0.0
        if share > best_share + 0.1:  # an earlier mark that does as well stays
            best, best_share = mark, share
    return best


def _rows(path: str | os.PathLike[str], text: str, separator: str) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    found = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                found.append((reader.line_num, stripped))
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}, expected CSV") from None
    if found and any("\n" in cell for cell in found[-1][1]):
        _require_closed_quotes(path, text, separator, found)
    return found


def _require_closed_quotes(
    path: str | os.PathLike[str], text: str, separator: str, rows: list[tuple[int, list[str]]]
) -> None:
    """ValueError if the last cell is open at the end of the file: it has swallowed all lines after its quote."""
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True):
            pass
    except csv.Error as error:
        if "end of data" in str(error):
            line = rows[-2][0] + 1 if len(rows) > 1 else 1
            raise ValueError(f'{path}, line {line}: a quote " is opened and never closed, expected another') from None


def _names(path: str | os.PathLike[str], first: tuple[int, list[str]], width: int) -> list[str]:
    line, names = first
    if "" in names:
        raise ValueError(
            f"{path}, line {line}: column {names.index('') + 1} has no name, expected a name for each column; name it, or say "
            "--no-header if the line is data"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{path}, line {line}: two columns are called {short(twice[0])}; rename one")
    return names


def _looks_like_number(cell: str) -> bool:
    return number(cell, ".") is not None or number(cell, ",") is not None


def _decimal(columns: list[list[str]], separator: str) -> str:
    """What the numbers of the file have: a point unless more of them have a comma that groups no thousands."""
    commas = points = grouped = 0
    for column in columns:
        for cell in column[:1000]:
            plain = _bare(cell)
            if _THOUSANDS.fullmatch(plain):
                grouped += "," in plain and plain.count(",") == 1
            elif _COMMA.fullmatch(plain):
                commas += 1
            elif _POINT.fullmatch(plain):
                points += 1
    if commas == points == 0:
        return "," if grouped and separator in ";\t" else "."
    return "," if commas > points else "."


__all__ = ["Sheet", "is_missing", "lines_in_words", "number", "numbers", "read_sheet"]
