"""What a check found: findings, and the report that shows them."""

from __future__ import annotations

import functools
import html
import inspect
import io
import linecache
import os
import re
import textwrap
import tokenize
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from modnet.check.kinds import kinds

_LONGEST = 2000  # characters of a message
_QUOTED = 120  # characters of a statement over several lines that is quoted whole


def visible(text: str, longest: int = _LONGEST) -> str:
    """A stranger's text as it may be shown: not too long, control characters written out, and no places in memory."""
    text = re.sub(r" at 0x[0-9a-fA-F]+(?=>)", "", text)  # another each time
    more = len(text) - longest
    shown = "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else ascii(c)[1:-1] for c in text[:longest])
    return shown + (f"... ({more} more characters)" if more > 0 else "")


class Line(str):
    """A line of a student's code, as "line 12: return ...", that knows where it is written.

    Attributes
    ----------
    file : the name its code was compiled under; a cell of a notebook ends in " cell 3". number : of the line.
    """

    file: str
    number: int

    def __new__(cls, file: str, number: int) -> Line:
        """Read the statement that the line is part of, and keep the place."""
        text = _statement(file, number)
        line = super().__new__(cls, f"line {number}: {visible(text, 300)}" if text else f"line {number}")
        line.file, line.number = file, number
        return line

    def __getnewargs__(self) -> tuple[str, int]:  # type: ignore[override]  # for copies
        return self.file, self.number


def _statement(file: str, number: int) -> str:
    """The statement that a line is part of, as one line; of a long one, its first line and the line that is meant."""
    lines, statements = code_lines("".join(linecache.getlines(file)))
    whole = next((s for s in statements if number in s), range(number, number + 1))
    parts = [(n, lines[n - 1].removesuffix("\\").rstrip()) for n in whole if lines[n - 1 : n] not in ([], [""])]
    text = re.sub(r"(?<=[(\[{])\n|\n(?=[)\]}])", "", "\n".join(part for _, part in parts)).replace("\n", " ")
    if len(parts) < 2 or len(text) <= _QUOTED:
        return text
    shown = [part for i, part in enumerate(parts) if i == 0 or part[0] == number]
    return " ... ".join(part for _, part in shown) + " ..." * (shown[-1] != parts[-1])


@functools.lru_cache(maxsize=64)
def code_lines(text: str) -> tuple[list[str], list[range]]:
    """The lines of code without comments and without a def before its statement; the numbers of those of each statement."""
    lines, statements, before = text.split("\n"), list[range](), list[tokenize.TokenInfo]()
    with suppress(tokenize.TokenError, SyntaxError):  # what comes before the mistake was read
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            row, column = token.start
            if token.type == tokenize.COMMENT:
                lines[row - 1] = lines[row - 1][:column]
            elif token.type == tokenize.NEWLINE:
                statements.append(range(before[0].start[0], row + 1))
                before = []
            elif token.type not in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
                if _is_head(before):
                    lines[row - 1], before = " " * column + lines[row - 1][column:], []
                before.append(token)
    return [line.strip() for line in lines], statements


def _is_head(tokens: list[tokenize.TokenInfo]) -> bool:
    """Whether these are all of the line that begins a function."""
    words = [token.string for token in tokens]
    open_ones = sum(map(words.count, "([{")) - sum(map(words.count, ")]}"))
    return words[-1:] == [":"] and words[0] in ("def", "async") and not open_ones


@dataclass
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    kind : the name of the mistake, such as "diagonal" or "overwrites".
    where : the operation, such as "MySoftmax.backward_delta".
    message : what is wrong, in a sentence.
    hint : what to look at and what it most likely should be.
    error : the largest difference from the truth, relative to the largest true value; None if no numbers were compared.
    index, analytic, numeric : the worst entry, what was returned there, and the truth.
    truth : where the truth comes from, in words. line : the line to look at, as "line 12: return ...", if one is suspected.
    file, cell, line_number : where that line is, or where the operation begins if no line is suspected; cell counts the code
        cells of a notebook from 1 and is None elsewhere. Empty or None if it is not known.
    weight : "wrong" on an ordinary example, "in part", or of another "form" than asked for; by its kind, unless it is given.
    """

    kind: str
    where: str
    message: str
    hint: str = ""
    error: float | None = None
    index: tuple[int, ...] | None = None
    analytic: float | None = None
    numeric: float | None = None
    truth: str = "finite differences give"
    line: str = ""
    file: str = ""
    cell: int | None = None
    line_number: int | None = None
    given_weight: str = ""

    @property
    def weight(self) -> str:
        """How much it weighs."""
        known = kinds().get(self.kind)
        return self.given_weight or (known.weight if known else "wrong")

    def __post_init__(self) -> None:
        self.message, self.hint = visible(self.message), visible(self.hint)

    def locate(self, kind: type) -> None:
        """Fill in file, cell and line number, for a finding about a class."""
        if isinstance(self.line, Line):
            name, number = self.line.file, self.line.number
        else:
            given = re.match(r"line (\d+)", self.line)
            try:
                function = inspect.unwrap(getattr(kind, self.where.split(".")[-1]))
                name, number = function.__code__.co_filename, function.__code__.co_firstlineno
            except (AttributeError, ValueError):
                return
            number = int(given[1]) if given else number
        found = re.match(r"^(.*\.ipynb) cell (\d+)$", name, re.DOTALL)
        self.file, self.cell = (found[1], int(found[2])) if found else (name, None)
        self.line_number = number

    def compare(self, got: np.ndarray, wanted: np.ndarray, truth: str) -> Finding:
        """The same finding with the entry where two arrays differ most; truth : where what is wanted comes from, in words."""
        vars(self).update(worst(got, wanted, np.abs(got - wanted)), truth=truth)
        return self

    def figures(self) -> str:
        """The worst entry in words; empty if no numbers were compared."""
        if self.index is None or self.analytic is None or self.numeric is None:
            return ""
        place = ", ".join(map(str, self.index))
        return f"{f'worst at [{place}]' if place else 'in all'}: returned {self.analytic:.6g}, {self.truth} {self.numeric:.6g}"

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain values, for JSON."""
        if not self.file and isinstance(self.line, Line) and os.path.isfile(self.line.file):
            self.locate(type(None))
        names = ("kind", "where", "message", "hint", "file", "cell", "line_number", "weight")
        return {
            **{name: getattr(self, name) for name in names},
            **{name: _plain(getattr(self, name)) for name in ("error", "analytic", "numeric")},
            "index": None if self.index is None else list(self.index),
            "figures": self.figures(),
            "line": str(self.line),
        }

    def __str__(self) -> str:
        return finding_as_text(self.as_dict())


def _plain(value: float | None) -> float | str | None:
    """A number as JSON has it; NaN and infinity, which it has not, as words."""
    return value if value is None or np.isfinite(value) else str(float(value))


class CheckFailed(AssertionError):
    """A check found something wrong; its text is the report."""

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report


class Report:
    """The result of a check.

    Attributes
    ----------
    subject : what was checked, in words.
    findings : the causes, the first one first.
    verdicts : (operation, "right" or "wrong" or "not checked", a remark), in order.
    notes : what is no mistake, but good to know, such as a convention of the course.

    `print` it in a terminal; a notebook shows it as HTML.
    """

    def __init__(self, subject: str) -> None:
        self.subject = visible(subject)
        self.findings: list[Finding] = []
        self.verdicts: list[tuple[str, str, str]] = []
        self.notes: list[str] = []

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def raise_if_failed(self) -> None:
        """`CheckFailed`, an AssertionError with this report as its text, if something was found."""
        if self.findings:
            raise CheckFailed(self)

    def verdict(self, operation: str, error: float | None = None, remark: str = "", right: bool | None = True) -> None:
        """Add a row to the table of operations; right is None if it was not checked."""
        word = "not checked" if right is None else "right" if right else "wrong"
        self.verdicts.append((operation, word, remark or ("" if error is None else f"relative error {error:.1e}")))

    def add(self, other: Report, label: str, row: bool = True) -> None:
        """Take over what another report found and this one has not, as found in the setting that the label says.

        Parameters
        ----------
        row : whether the table of operations says so too.
        """
        said = {(f.kind, f.where) for f in self.findings}
        fresh = [f for f in other.findings if (f.kind, f.where) not in said]
        for finding in fresh:
            finding.message = f"{label}: {finding.message}"
            finding.given_weight = finding.given_weight or "in part"
        self.findings += fresh
        if fresh and row:
            self.verdict(label, right=False, remark=", ".join(dict.fromkeys(f.kind for f in fresh)))

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "verdicts": [dict(zip(("operation", "verdict", "remark"), row, strict=True)) for row in self.verdicts],
            "findings": [finding.as_dict() for finding in self.findings],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        notes = ["", *(line for note in self.notes for line in wrapped(f"Note: {note}"))] if self.notes else []
        return "\n".join([report_as_text(self.as_dict(), [str(finding) for finding in self.findings]), *notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        cell = "<td style='text-align:left;vertical-align:top;white-space:nowrap;color:{}'>{}</td>"
        rows = "".join(
            f"<tr>{cell.format('inherit', html.escape(operation))}{cell.format(_COLOURS[word], f'{MARKS[word]} {word}')}"
            f"<td style='text-align:left;overflow-wrap:normal'>{html.escape(remark)}</td></tr>"
            for (operation, _, remark), word in zip(self.verdicts, row_weights(self.as_dict()), strict=True)
        )
        findings = "".join(f"<li>{_finding_as_html(finding)}</li>" for finding in self.findings)
        findings += "".join(f"<li style='list-style:none'><i>Note:</i> {html.escape(note)}</li>" for note in self.notes)
        return (
            "<div style='overflow-x:auto;overflow-wrap:anywhere;text-align:left'>"
            f"<b>{html.escape(self.subject)}</b>: {_in_short(self.as_dict())}"
            f"<table style='color:inherit;margin-left:0'>{rows}</table><ol>{findings}</ol></div>"
        )


def not_checked(name: str, why: str) -> Report:
    """A report that says only why nothing was checked."""
    report = Report(name)
    report.verdict("", right=None, remark=why)
    return report


#: How much findings weigh, the most first; "not checked" and "right" beside them.
WEIGHTS = ("wrong", "in part", "form", "not checked", "right")
#: What a finding says that weighs so.
MEANINGS = {
    "wrong": "on an ordinary example",
    "in part": "right on an ordinary example, wrong for some sizes, types, values or orders of calls",
    "form": "right, in another form than asked for",
}
#: A mark for each of them, which says it without colour.
MARKS = dict(zip(WEIGHTS, "✗◐≈?✓", strict=True))
#: The colours of the page, light or dark, by the names that JupyterLab and VS Code give them; else some that show on both.
_COLOURS = {
    "right": "var(--jp-success-color1, var(--vscode-testing-iconPassed, #2f9e44))",
    "wrong": "var(--jp-error-color1, var(--vscode-errorForeground, #e5484d))",
    "in part": "var(--jp-warn-color1, var(--vscode-testing-iconQueued, #b7791f))",
    "form": "inherit",
    "not checked": "inherit",
}


def row_weights(report: dict[str, Any]) -> list[str]:
    """What to say of each row of a report's table: its verdict, or how much a wrong one weighs, by the kinds that it names."""
    weights: dict[str, str] = {}
    for finding in report["findings"]:
        kind, weight = finding["kind"], finding["weight"]
        weights[kind] = min(weights.get(kind, weight), weight, key=WEIGHTS.index)
    words = []
    for row in report["verdicts"]:
        named = [weights.get(kind, "wrong") for kind in row["remark"].split(", ")]
        words.append(min(named, key=WEIGHTS.index) if row["verdict"] == "wrong" else row["verdict"])
    return words


def _in_short(report: dict[str, Any]) -> str:
    """What became of a report's subject: how many findings, if any."""
    if count := len(report["findings"]):
        return f"{count} finding{'s' * (count > 1)}"
    nothing = report["verdicts"] and all(row["verdict"] == "not checked" for row in report["verdicts"])
    return "not checked" if nothing else "all right"


def report_as_text(report: dict[str, Any], findings: list[str]) -> str:
    """A report as `Report.as_dict` gives it, with the texts of its findings."""
    head = f"{report['subject']}: {_in_short(report)}"
    rows = [(row["operation"], word, row["remark"]) for row, word in zip(report["verdicts"], row_weights(report), strict=True)]
    wide = [max((len(row[c]) for row in rows), default=0) for c in range(2)]
    table = [f"  {a.ljust(wide[0])}  {b.ljust(wide[1])}  {c}".rstrip() for a, b, c in rows]
    return "\n".join([head, *table, *(f"\n{i}. {text}" for i, text in enumerate(findings, 1))])


def finding_as_text(finding: dict[str, Any], earlier: str = "", code: Sequence[str] = ()) -> str:
    """A finding as `Finding.as_dict` gives it.

    Parameters
    ----------
    earlier : where the same was said before, such as "as in Linear": then it is not said again.
    code : the lines of the method, to be shown where one line alone says too little.
    """
    more = ([finding["weight"]] if finding["weight"] != "wrong" else []) + ([earlier] if earlier else [])
    lines = [f"{finding['where']}: {finding['kind']}" + (f" ({', '.join(more)})" if more else "")]
    lines += [] if earlier else wrapped(finding["message"])
    lines += wrapped(finding["figures"])
    place = _place(finding)
    if code:
        lines += [f"   Your {place.rstrip(', ')}:", *(f"   {line}" for line in code)]
    elif finding["line"]:
        lines += wrapped(f"Your {place}{finding['line']}")
    if finding["hint"] and not earlier:
        lines += wrapped("Hint: " + finding["hint"])
    return "\n".join(lines)


def _place(finding: dict[str, Any]) -> str:
    """The file of a finding as `Finding.as_dict` gives it, and its cell of a notebook, before the line."""
    place = f"{visible(os.path.basename(finding['file']))}, " if finding["file"] else ""
    return place + (f"cell {finding['cell']}, " if finding["cell"] is not None else "")


def _finding_as_html(finding: Finding) -> str:
    weight = f" ({finding.weight})" if finding.weight != "wrong" else ""
    parts = [f"<b>{html.escape(finding.where)}: {html.escape(finding.kind)}</b>{weight}<br>{html.escape(finding.message)}"]
    if finding.figures():
        parts.append(f"<br><code>{html.escape(finding.figures())}</code>")
    if finding.line:
        parts.append(f"<br>Your <code>{html.escape(_place(finding.as_dict()) + finding.line)}</code>")
    if finding.hint:
        parts.append(f"<br><i>Hint:</i> {html.escape(finding.hint)}")
    kind = kinds().get(finding.kind)
    if kind is not None:
        parts.append(f"<details><summary>what {kind.name} means</summary>{kind.as_html()}</details>")
    return "".join(parts)


def worst(analytic: np.ndarray, numeric: np.ndarray, excess: np.ndarray) -> dict[str, Any]:
    """The entry where the excess over what is admissible is largest, in the words of a `Finding`."""
    at = np.unravel_index(int(np.argmax(np.where(np.isfinite(excess), excess, np.inf))), excess.shape)
    scale = float(np.max(np.abs(numeric), initial=0.0)) or 1.0
    return {
        "error": float(excess[at]) / scale,
        "index": tuple(int(i) for i in at),
        "analytic": float(analytic[at]),
        "numeric": float(numeric[at]),
    }


def wrapped(text: str) -> list[str]:
    """A text in indented lines, as reports print it."""
    return textwrap.wrap(text, 110, initial_indent="   ", subsequent_indent="   ")
