"""What became of a hand-in, and how it is said in words: the list of its classes, and the table of a class list."""

from __future__ import annotations

import ast
import csv
import io
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modnet.check.handins.loaded import code_name
from modnet.check.handins.source import Code, read
from modnet.check.reading.definitions import plain_name
from modnet.check.report import MEANINGS, WEIGHTS, finding_as_text, report_as_text, visible

Record = dict[str, Any]
_COLUMNS = 14  # as many as can be read on a sheet of paper
#: Kinds that say that something is wrong and not where: of these, the line that is quoted is but the method's return.
_WITHOUT_A_LINE = ("direction", "forward")
_LONGEST_METHOD = 40  # lines of one that is shown in place of a line


@dataclass
class HandIn:
    """One student's files and what was found in them.

    Attributes
    ----------
    name, root, files : whose, the folder that its imports begin at, and what belongs to it.
    records : one a class that is there: name, kind, file, cell, line, checked, remark, report.
    lost : classes that are in the files and could not be loaded: name, file, cell, line, remark.
    problems : what else could not be used of a file: file, cell, line, text.
    absent : packages that were not found, and why. names : the classes that are there, also those nobody asked for.
    loops : functions and methods that train, which nobody asks: name, file, cell, line.
    """

    name: str
    root: Path
    files: list[Path]
    records: list[Record] = field(default_factory=list)
    lost: list[Record] = field(default_factory=list)
    problems: list[Record] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    loops: list[Record] = field(default_factory=list)
    _codes: dict[Path, Sequence[Code]] = field(default_factory=dict, repr=False)

    @property
    def wrong(self) -> list[Record]:
        """The classes in which something was found."""
        return [r for r in self.records if r["report"]["findings"]]

    @property
    def unchecked(self) -> list[Record]:
        """The classes that nothing can be said of: not loaded, not recognised, or not to be built."""
        return [r for r in self.records if not r["checked"]] + self.lost

    @property
    def ok(self) -> bool:
        """Whether there are classes, all were checked, and nothing was found."""
        return bool(self.records) and not self.wrong and not self.unchecked and not self.unread

    @property
    def unread(self) -> list[Record]:
        """Files of which nothing could be read: they may hold classes."""
        return [p for p in self.problems if not p["line"]]

    def verdicts(self) -> dict[str, str]:
        """By class: "ok", the kinds that were found, by weight, "not checked" or "not loaded". Of two of a name, the worse."""
        found: dict[str, str] = {}
        for record in self.lost:
            found[record["name"]] = "not loaded"
        for record in sorted(self.records, key=lambda r: WEIGHTS.index(weight_of(r)), reverse=True):
            kinds = _heaviest((f["kind"], f["weight"]) for f in record["report"]["findings"])
            found[record["name"]] = _in_words(kinds) or ("ok" if record["checked"] else "not checked")
        return found

    def as_before(self) -> dict[tuple[str, str, str], str]:
        """By id of a class, operation and kind of a finding, where an earlier class has the same, in words.

        That is "the same line as in" the class that has it, if both inherit the line, or "as in", if the same is said of both.
        """
        lines: dict[tuple[Any, ...], Record] = {}
        words: dict[tuple[Any, ...], Record] = {}
        found: dict[tuple[str, str, str], str] = {}
        for record in self.wrong:
            for f in record["report"]["findings"]:
                place = (f["file"], f["cell"], f["line_number"], f["kind"])
                line = lines.setdefault(place, record) if f["line"] else record
                said = words.setdefault((f["where"].split(".")[-1], f["kind"], f["message"], f["hint"]), record)
                earlier = line if line is not record else said
                if earlier is not record:
                    of = f" of {self.place(earlier)}" if earlier["name"] == record["name"] else ""
                    same = f"{'the same line ' if line is not record else ''}as in {earlier['name']}{of}"
                    found[record["id"], f["where"], f["kind"]] = same
        return found

    def method(self, finding: Record) -> tuple[int, list[str]]:
        """The method or function that a finding quotes: the number of its first line, and its lines if they can be read."""
        file, number = Path(finding["file"]), finding["line_number"]
        if file not in self._codes:
            self._codes[file] = read(file)[0] if file in self.files else ()
        functions = [
            (node.lineno, node.end_lineno or node.lineno, code)
            for code in self._codes[file]
            if code.cell == finding["cell"]
            for statement in code.body
            for node in ast.walk(statement)
            if isinstance(node, ast.FunctionDef) and node.lineno <= number <= (node.end_lineno or 0)
        ]
        if not functions:
            return 0, []
        first, last, code = max(functions, key=lambda found: found[0])  # the innermost
        lines = textwrap.dedent("\n".join(code.text.splitlines()[first - 1 : last])).splitlines()
        return first, [visible(line, 300) for line in lines]

    def place(self, record: Record) -> str:
        """Where a class is written, from the root of the hand-in."""
        file = Path(record["file"])
        inside = file.relative_to(self.root) if file.is_relative_to(self.root) else file
        return visible(code_name(inside, record["cell"]))

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            "name": self.name,
            "ok": self.ok,
            "root": str(self.root),
            "files": [str(f) for f in self.files],
            "problems": self.problems,
            "not_found": self.absent,
            "classes": [
                {k: r[k] for k in ("name", "kind", "file", "cell", "line", "checked", "remark")}
                | r["report"]
                | {"ok": r["report"]["ok"] and r["checked"]}
                for r in self.records
            ],
            "not_asked": self.loops,
            "not_loaded": [{k: r[k] for k in ("name", "file", "cell", "line", "remark")} for r in self.lost],
        }


def weight_of(record: Record) -> str:
    """The largest weight of what was found in a class, if it was checked."""
    weights = [f["weight"] for f in record["report"]["findings"]]
    return min(weights, key=WEIGHTS.index) if weights else "right" if record["checked"] else "not checked"


def status(handins: list[HandIn]) -> int:
    """The exit status: 0 if all is right, 1 if something was found, 3 if nothing was and not everything could be checked."""
    if any(h.wrong for h in handins):
        return 1
    return 0 if all(h.ok for h in handins) else 3


# --- in words --------------------------------------------------------------------------------------------------------


def as_text(handin: HandIn) -> str:
    """One line a class, then the findings, then what was left out."""
    lines = []
    several = len({r["file"] for r in handin.records}) > 1 or len(handin.files) > 1
    wide, before = max((len(r["name"]) for r in handin.records), default=0), handin.as_before()
    for record in handin.records:
        words = ", ".join(dict.fromkeys(_finding(record, f, before) for f in record["report"]["findings"]))
        words = words or ("ok" if record["checked"] else f"not checked: {record['remark']}")
        where = f"  [{handin.place(record)}]" if several or record["cell"] is not None else ""
        lines.append(f"{record['name'].ljust(wide)}  {words}{where}")
    for record in handin.wrong:
        findings = [_said(handin, record, finding, before) for finding in record["report"]["findings"]]
        lines += ["", report_as_text(record["report"], findings)]
    left_out = [*_notes(handin), *_left_out(handin), *_not_asked(handin)]
    if left_out:
        lines += ["", *left_out]
    weights = {finding["weight"] for record in handin.wrong for finding in record["report"]["findings"]}
    said = [f"{weight}: {MEANINGS[weight]}" for weight in WEIGHTS if weight in weights - {"wrong"}]
    if weights:
        said.append("What each kind means, with the right lines: docs/gradient_check.md, or the page that --html writes")
    return "\n".join([*lines, "", *said, _summary(handin)]).strip("\n")


def _finding(record: Record, finding: Record, before: dict[tuple[str, str, str], str]) -> str:
    """A finding in a few words: what, where, how much it weighs unless it is wrong, and in which class the same line was."""
    same = before.get((record["id"], finding["where"], finding["kind"]))
    more = [finding["where"].split(".")[-1]]
    more += [finding["weight"]] if finding["weight"] != "wrong" else []
    more += [same] if same else []
    return f"{finding['kind']} ({', '.join(more)})"


def needs_method(finding: Record, lines: Sequence[str]) -> bool:
    """Whether the method, if it is short, stands for the line that is quoted: a name that is returned, half a statement."""
    line = finding["line"]
    whole = sum(map(line.count, "([{")) == sum(map(line.count, ")]}"))
    little = finding["kind"] in _WITHOUT_A_LINE or not whole or re.search(r": return [\w.]+$", line)
    return bool(little) and 0 < len(lines) <= _LONGEST_METHOD


def _said(handin: HandIn, record: Record, finding: Record, before: dict[tuple[str, str, str], str]) -> str:
    """All of a finding; with the method, numbered, where the line that is quoted says too little."""
    same = before.get((record["id"], finding["where"], finding["kind"]), "")
    first, lines = handin.method(finding)
    lines = lines if needs_method(finding, lines) else []
    return finding_as_text(finding, same, [f"{number:4}  {line}".rstrip() for number, line in enumerate(lines, first)])


def _notes(handin: HandIn) -> list[str]:
    """What is no mistake, but good to know, once each, with the classes it is about."""
    about: dict[str, list[str]] = {}
    for record in handin.records:
        for note in record["report"].get("notes", ()):
            about.setdefault(note, []).append(record["name"])
    return [f"note on {', '.join(dict.fromkeys(names))}: {note}" for note, names in about.items()]


def _left_out(handin: HandIn) -> list[str]:
    lines = [f"not loaded: {r['name']} ({handin.place(r)}, line {r['line']}: {r['remark']})" for r in handin.lost]
    for problem in handin.problems:
        line = f", line {problem['line']}" if problem["line"] else ""
        lines.append(f"left out: {handin.place(problem)}{line}: {problem['text']}")
    missing = [p for p, why in handin.absent.items() if why == "not found"]
    if missing:
        lines.append(f"not found, stood in for: {', '.join(missing)}")
    lines += [f"not to be had: {p} ({why})" for p, why in handin.absent.items() if why != "not found"]
    return lines


def _not_asked(handin: HandIn) -> list[str]:
    return [f"not asked: {r['name']} ({handin.place(r)}, line {r['line']}), which trains" for r in handin.loops]


def said_of_rest(handin: HandIn) -> list[str]:
    """What of a hand-in was not checked, loaded, used, found or asked: a line each."""
    unseen = _unseen(handin) if handin.records or handin.lost else []
    return [*_notes(handin), *unseen, *_left_out(handin), *_not_asked(handin)]


def _summary(handin: HandIn) -> str:
    if not handin.records and not handin.lost:
        name = handin.files[0].name if len(handin.files) == 1 else handin.name
        return f"{name}: no class with forward and backward_delta, nor a loss with forward and backward, was found"
    count, wrong, rest = len(handin.records) + len(handin.lost), len(handin.wrong), len(handin.unchecked)
    words = [f"{wrong} with findings"] if wrong else []
    words += [f"{rest} not checked"] if rest else []
    return f"{count} {'class' if count == 1 else 'classes'}, " + (", ".join(words) or "all right")


class Table:
    """Hand-ins by classes. Spellings of a name, such as TanH and Tanh, share a column; what few have is in "others".

    Attributes
    ----------
    columns : titles, the most frequent class first. rows : by hand-in, the verdict of each column; None without such a class.
    frequent : what was found most: (how many hand-ins, of how many with that class, the class, the kind, the most it weighs).
    missing : by hand-in, the classes that most others have.
    """

    def __init__(self, handins: list[HandIn]) -> None:
        self.handins = handins
        by_key: list[dict[str, list[str]]] = []
        spelt: dict[str, Counter[str]] = {}
        for handin in handins:
            keyed: dict[str, list[str]] = {}
            for name, verdict in handin.verdicts().items():
                key = _key(name)
                keyed.setdefault(key, []).append(verdict)
                spelt.setdefault(key, Counter())[name] += 1
            by_key.append(keyed)
        having = Counter(key for keyed in by_key for key in keyed)
        title = {key: min(names, key=lambda n: (-names[n], n)) for key, names in spelt.items()}
        least = 1 if len(handins) < 5 else 2
        often = [k for k, n in having.items() if len(handins) >= 5 and 2 * n > len(handins)]
        self.missing = [[title[k] for k in often if k not in keyed] for keyed in by_key]
        keys = sorted((k for k, n in having.items() if n >= least), key=lambda k: (-having[k], title[k].lower()))[:_COLUMNS]
        self.columns = [title[k] for k in keys]
        self.rows = [[_worst(keyed[k]) if k in keyed else None for k in keys] for keyed in by_key]
        if len(keys) < len(having):
            self.columns.append("others")
            rest = [[v for k, vs in keyed.items() if k not in keys for v in vs] for keyed in by_key]
            for row, verdicts in zip(self.rows, rest, strict=True):
                row.append(f"{verdicts.count('ok')} of {len(verdicts)} ok" if verdicts else None)
        found: Counter[tuple[str, str]] = Counter()
        weights: dict[tuple[str, str], list[str]] = {}
        for keyed in by_key:
            for k, vs in keyed.items():
                for kind, weight in kinds_in(_worst(vs)).items():
                    found[k, kind] += 1
                    weights.setdefault((k, kind), []).append(weight)
        rows = [(n, having[k], title[k], kind, min(weights[k, kind], key=WEIGHTS.index)) for (k, kind), n in found.items()]
        self.frequent = sorted(rows, key=lambda row: (-row[0], row[2].lower(), row[3]))

    def often(self) -> list[tuple[int, int, str, str, str]]:
        """What more than one hand-in has, of what is frequent."""
        return [row for row in self.frequent if row[0] > 1]

    def right(self, column: int) -> str:
        """How many of the hand-ins that have a class have it right, such as "18 of 23"."""
        verdicts = [row[column] for row in self.rows if row[column] is not None]
        return f"{verdicts.count('ok')} of {len(verdicts)}"


def _key(name: str) -> str:
    word = re.sub(r"[^a-z0-9]", "", name.lower()).replace("sequentiel", "sequential").replace("entropie", "entropy")
    return plain_name(name) or word


def _worst(verdicts: list[str]) -> str:
    """Of several classes of one name: what was found in any, else whether all could be checked."""
    found = _heaviest(item for verdict in verdicts for item in kinds_in(verdict).items())
    return _in_words(found) or next((v for v in verdicts if v != "ok"), "ok")


def kinds_in(verdict: str) -> dict[str, str]:
    """The kinds that a verdict names, and what each weighs."""
    if verdict == "ok" or verdict.startswith("not "):
        return {}
    parts = [part.rpartition(": ") for part in verdict.split("; ")]
    return {kind: weight or "wrong" for weight, _, kinds in parts for kind in kinds.split(", ")}


def _heaviest_in(verdict: str) -> str:
    """The largest weight of what a verdict names; else whether it is right or was not checked."""
    return min(kinds_in(verdict).values(), key=WEIGHTS.index, default="right" if verdict == "ok" else "not checked")


def said_weight(weight: str) -> str:
    """What stands behind a kind that is not wrong on an ordinary example."""
    return "" if weight == "wrong" else f" ({weight})"


def _heaviest(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Kinds, each with the largest weight that it was found with."""
    weights: dict[str, str] = {}
    for kind, weight in found:
        weights[kind] = min(weights.get(kind, weight), weight, key=WEIGHTS.index)
    return weights


def by_weight(kinds: dict[str, str]) -> dict[str, list[str]]:
    """The kinds of each weight, the heaviest first."""
    return {weight: named for weight in WEIGHTS if (named := [kind for kind, has in kinds.items() if has == weight])}


def _in_words(kinds: dict[str, str]) -> str:
    """A verdict that names kinds, such as "diagonal; in part: saturates, stateful"."""
    return "; ".join(("" if w == "wrong" else f"{w}: ") + ", ".join(named) for w, named in by_weight(kinds).items())


def as_table(handins: list[HandIn], width: float = float("inf")) -> str:
    """Students by modules; how many have each class right; what was found most; what was left out.

    Columns that would not fit beside the others in `width` characters stand below, with the names again.
    """
    table = Table(handins)
    rows = [["", *table.columns]]
    rows += [[h.name, *(v or "-" for v in row)] for h, row in zip(handins, table.rows, strict=True)]
    rows.append(["right", *("" if c == "others" else table.right(i) for i, c in enumerate(table.columns))])
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    beside: list[list[int]] = [[0]]
    for i in range(1, len(wide)):
        if len(beside[-1]) > 1 and sum(wide[j] + 2 for j in beside[-1]) + wide[i] > width:
            beside.append([0])
        beside[-1].append(i)
    lines: list[str] = []
    for columns in beside:
        lines += [""] if lines else []
        lines += ["  ".join(row[i].ljust(wide[i]) for i in columns).rstrip() for row in rows]
        lines.insert(-1, "")
    often = [f"{n} of {of}: {name}, {kind}{said_weight(weight)}" for n, of, name, kind, weight in table.often()[:10]]
    lines += ["", *often] if often else []
    whose: dict[str, list[str]] = {}
    for handin in handins:
        for line in _notes(handin) + _left_out(handin) + _unseen(handin):
            whose.setdefault(line, []).append(handin.name)
    loops = Counter(name for handin in handins for name in {loop["name"] for loop in handin.loops})
    lines += [""] if whose or loops else []
    for line, names in whose.items():
        few = ", ".join(names) if len(names) < 4 else f"{len(names)} hand-ins ({names[0]}, {names[1]}, ...)"
        lines.append(f"{few}: {line}")
    if loops:
        lines.append("not asked, because they train: " + ", ".join(f"{name} ({n})" for name, n in loops.most_common()))
    return "\n".join(lines)


def _unseen(handin: HandIn) -> list[str]:
    lines = [f"not checked: {r['name']} ({handin.place(r)}): {r['remark']}" for r in handin.records if not r["checked"]]
    return lines if handin.records or handin.lost else ["no module or loss was found"]


def as_csv(handins: list[HandIn]) -> str:
    """Comma-separated values: how many classes are right, wrong (by weight) and not checked, then the verdict on each."""
    names = sorted({name for handin in handins for name in handin.verdicts()}, key=lambda name: (name.lower(), name))
    out = io.StringIO(newline="")
    sheet = csv.writer(out)
    columns = ("right", "wrong", "in part", "form", "not checked")
    sheet.writerow(["hand-in", *columns, *names])
    for handin in handins:
        verdicts = handin.verdicts()
        weights = [_heaviest_in(verdict) for verdict in verdicts.values()]
        row = [handin.name, *map(weights.count, columns), *(verdicts.get(name, "") for name in names)]
        sheet.writerow([_plain(cell) for cell in row])
    return out.getvalue()


def _plain(cell: object) -> object:
    """A name that a spreadsheet would take for a formula, as text."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
