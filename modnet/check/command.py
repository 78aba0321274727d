"""``python -m modnet check``: a student's file, or a folder of hand-ins, checked class by class.

Every hand-in is examined in a process of its own (`modnet.check.child`), with a time limit, without a display and without
input; what it prints goes nowhere, and whatever happens to it, the others are not touched.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class HandInError(Exception):
    """What should be checked, or written, cannot be: a line that says what came and what was expected."""


@dataclass
class HandIn:
    """One student's files and what was found in them."""

    name: str
    files: list[Path]
    records: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether something was checked, and nothing was found."""
        return bool(self.records) and all(record["report"]["ok"] for record in self.records)

    def verdicts(self) -> dict[str, str]:
        """By class: "ok", or the kind of the first finding."""
        return {
            r["name"]: _unless_skipped(r) if r["report"]["ok"] else r["report"]["findings"][0]["kind"] for r in self.records
        }


def _unless_skipped(record: dict[str, Any]) -> str:
    """What to say if nothing was found."""
    asked = record["report"]["verdicts"]
    skipped = bool(asked) and all(row["verdict"] == "not checked" for row in asked)
    return f"not checked: {asked[0]['remark']}" if skipped else "ok"


def run(options: argparse.Namespace) -> int:
    """Check what the command line names, print and write the results. The status is 1 if anything was found."""
    handins = _hand_ins(Path(options.path))
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda handin: _examine(handin, options), handins))
    asked = {*options.only, *options.loss}
    if asked and not any(r["name"] in asked for h in handins for r in h.records):
        names = sorted({r["name"] for h in handins for r in h.records})
        raise HandInError(
            f"{options.path} has no class {' or '.join(sorted(asked))}"
            + (f", expected one of {', '.join(names)}" if names else "")
        )
    if options.html:
        try:
            Path(options.html).write_text(as_html(handins), encoding="utf-8")
        except OSError as error:
            raise HandInError(f"--html: {options.html}: {error.strerror}, expected a file that can be written") from None
    if options.json:
        print(json.dumps([_as_dict(handin) for handin in handins], indent=2))
    elif Path(options.path).is_dir():
        print(as_table(handins))
    else:
        print(as_text(handins[0]))
    return 0 if handins and all(handin.ok for handin in handins) else 1


def _hand_ins(path: Path) -> list[HandIn]:
    if path.is_file():
        return [HandIn(path.stem, [path])]
    if not path.is_dir():
        raise HandInError(f"{path}: no such file or folder, expected a student's .py file, or a folder of hand-ins")
    found = [HandIn(p.stem, [p]) for p in sorted(path.glob("*.py")) if p.name != "__init__.py"]
    for folder in sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "__"))):
        files = sorted(p for p in folder.rglob("*.py") if p.name != "__init__.py" and "__pycache__" not in p.parts)
        if files:
            found.append(HandIn(folder.name, files))
    if not found:
        raise HandInError(f"{path}: the folder holds no .py file, expected hand-ins: files, or a folder for each student")
    return found


def _examine(handin: HandIn, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="modnet-check-") as scratch:
        out = Path(scratch) / "records"
        out.touch()
        command = [
            sys.executable,
            "-m",
            "modnet.check.child",
            *map(str, [f.resolve() for f in handin.files]),
            "--out",
            str(out),
        ]
        for flag, values in (("--only", options.only), ("--loss", options.loss)):
            for value in values:
                command += [flag, value]
        if options.make:
            command += ["--make", options.make]
        if options.shape:
            command += ["--shape", *map(str, options.shape)]
        environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")} | {"MPLBACKEND": "Agg"}
        environment["PYTHONPATH"] = os.pathsep.join(
            filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        )
        # A hand-in's file named as a module of the library or of Python must not be imported in its place.
        environment["PYTHONSAFEPATH"] = "1"
        errors = (Path(scratch) / "errors").open("w+b")
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
            cwd=scratch,
            start_new_session=True,
        )
        try:
            child.wait(options.timeout * max(1, len(handin.files)))
            ended = "it stopped" if child.returncode else ""
        except subprocess.TimeoutExpired:
            ended = f"it took more than {options.timeout:g} seconds"
        finally:
            _end(child)
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()
        errors.close()
        _read(handin, out, ended + (f": {last[-1]}" if ended == "it stopped" and last else ""))


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the process and, if the system has process groups, what it started."""
    end_group = getattr(os, "killpg", None)
    with suppress(ProcessLookupError, PermissionError):
        if end_group is None:
            child.kill()
        else:
            end_group(child.pid, signal.SIGKILL)
    child.wait()


def _read(handin: HandIn, out: Path, ended: str) -> None:
    begun: dict[str, Any] | None = None
    done = False
    for line in out.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if "report" in record:
            handin.records.append(record)
            begun = None
        elif "begun" in record or "skipped" in record:
            begun = record if "begun" in record else None
        elif "problem" in record:
            handin.problems.append(record["problem"])
        done = done or "done" in record
    if not done:
        name = begun["begun"] if begun else handin.name
        message = f"the check of {name} did not end: {ended or 'its process stopped'}."
        finding = {
            "kind": "crash",
            "where": name,
            "message": message,
            "hint": "a loop without end, or exit()?",
            "line": "",
            "error": None,
            "index": None,
            "analytic": None,
            "numeric": None,
        }
        report = {"subject": name, "ok": False, "verdicts": [], "findings": [finding]}
        handin.records.append(
            {"name": name, "kind": begun["kind"] if begun else "file", "report": report, "text": f"{name}: {message}"}
        )


# --- what is shown ---------------------------------------------------------------------------------------------------


def as_text(handin: HandIn) -> str:
    """One line a class, then the findings."""
    lines = [f"not read: {problem}" for problem in handin.problems]
    wide = max((len(r["name"]) for r in handin.records), default=0)
    for record in handin.records:
        found = record["report"]["findings"]
        words = ", ".join(f"{f['kind']} ({f['where'].split('.')[-1]})" for f in found)
        lines.append(f"{record['name'].ljust(wide)}  {words or _unless_skipped(record)}")
    for record in handin.records:
        if not record["report"]["ok"]:
            lines += ["", record["text"]]
    if not handin.records:
        lines.append(
            f"{handin.files[0]}: no class with forward and backward_delta, nor a loss with forward and backward, was found"
        )
    wrong = sum(not r["report"]["ok"] for r in handin.records)
    if handin.records:
        lines += [
            "",
            f"{len(handin.records)} classes, {wrong} with findings" if wrong else f"{len(handin.records)} classes, all right",
        ]
    return "\n".join(lines)


def _columns(handins: list[HandIn]) -> list[str]:
    counts: dict[str, int] = {}
    for handin in handins:
        for name in handin.verdicts():
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def as_table(handins: list[HandIn]) -> str:
    """Students by modules; then how many have each class right."""
    columns = _columns(handins)
    rows = [["", *columns]] + [[h.name, *(h.verdicts().get(c, "-") for c in columns)] for h in handins]
    right = [sum(h.verdicts().get(c) == "ok" for h in handins) for c in columns]
    rows.append(["right", *(f"{n} of {sum(c in h.verdicts() for h in handins)}" for n, c in zip(right, columns, strict=True))])
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, wide, strict=True)).rstrip() for row in rows]
    lines.insert(-1, "")
    for handin in handins:
        if not handin.records:
            why = handin.problems[0] if handin.problems else "no module or loss was found"
            lines.append(f"{handin.name}: {why}")
    return "\n".join(lines)


def _as_dict(handin: HandIn) -> dict[str, Any]:
    return {
        "name": handin.name,
        "ok": handin.ok,
        "files": [str(f) for f in handin.files],
        "problems": handin.problems,
        "classes": [{"name": r["name"], "kind": r["kind"], **r["report"]} for r in handin.records],
    }


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em; max-width: 75em }
table { border-collapse: collapse }
td, th { border: 1px solid #ccc; padding: .2em .6em; text-align: left }
.ok { color: #1a7f37 }
.wrong { color: #b42318 }
pre { background: #f6f6f6; padding: 1em; overflow: auto }
"""


def as_html(handins: list[HandIn]) -> str:
    """A page with the table and every report."""
    columns, text = _columns(handins), html.escape
    head = "".join(f"<th>{text(c)}</th>" for c in columns)
    body = []
    for handin in handins:
        verdicts = handin.verdicts()
        colours = {c: "ok" if verdicts.get(c) == "ok" else "wrong" if c in verdicts else "" for c in columns}
        cells = "".join(f"<td class='{colours[c]}'>{text(verdicts.get(c, ''))}</td>" for c in columns)
        body.append(f"<tr><th><a href='#{text(handin.name)}'>{text(handin.name)}</a></th>{cells}</tr>")
    parts = []
    for handin in handins:
        reports = "".join(f"<pre>{text(r['text'])}</pre>" for r in handin.records if not r["report"]["ok"])
        problems = "".join(f"<li>{text(p)}</li>" for p in handin.problems)
        words = reports or ("<p class='ok'>all right</p>" if handin.ok else "<p class='wrong'>no module or loss was found</p>")
        parts.append(
            f"<h2 id='{text(handin.name)}'>{text(handin.name)}</h2>{f'<ul>{problems}</ul>' if problems else ''}{words}"
        )
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>modnet check</title><style>{_STYLE}</style>"
        f"<h1>modnet check</h1><table><tr><th></th>{head}</tr>{''.join(body)}</table>{''.join(parts)}</html>\n"
    )
