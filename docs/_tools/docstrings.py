"""The library's docstrings as numpydoc and reStructuredText take them."""

from __future__ import annotations

import re
from typing import Any

from numpydoc.docscrape import NumpyDocString

SECTIONS = {"Example": "Examples", "Reference": "References"}
OURS = ("Shape", "State", "Errors")  # not numpydoc's: they become part of the notes

# numpydoc also reads each docstring as it stands, for a signature, and warns of sections that it does not know.
NumpyDocString.sections.update({title: [] for title in (*SECTIONS, *OURS)})


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rename sections, move those that numpydoc does not know into its notes, and protect signs of mathematics."""
    parts = _sections(lines)
    moved = [part for part in parts if part[0] in OURS]
    kept = [(SECTIONS.get(title, title), body) for title, body in parts if title not in OURS]
    if moved:
        notes = next((body for title, body in kept if title == "Notes"), None)
        if notes is None:
            notes = []
            at = next((i for i, (title, _) in enumerate(kept) if title in ("References", "Examples")), len(kept))
            kept.insert(at, ("Notes", notes))
        for title, body in moved:
            notes += ["", f"**{title}**", "", *body, ""]
    out: list[str] = []
    for title, body in kept:
        if title:
            out += [title, "-" * len(title)]
        if title in ("Parameters", "Attributes", "Returns"):
            body = apart(body)
        out += body if title == "Examples" else [protect(line) for line in body]
        if out and out[-1]:
            out.append("")
    lines[:] = out


def _sections(lines: list[str]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = [("", [])]
    for line, after in zip(lines, [*lines[1:], ""], strict=False):
        if re.fullmatch(r"-{3,}", line) and found[-1][1] == [] and found[-1][0]:
            continue
        if re.fullmatch(r"-{3,}", after.strip()) and re.fullmatch(r"[A-Z][A-Za-z ]+", line):
            found.append((line, []))
        else:
            found[-1][1].append(line)
    return found


def apart(body: list[str]) -> list[str]:
    """What is said of a name in a line of its own, below it: after a colon numpydoc expects a type."""
    out: list[str] = []
    for i, line in enumerate(body):
        after = next(iter(body[i + 1 : i + 2]), "")
        if not line or line.startswith(" ") or " : " not in line:
            out.append(line)
            continue
        is_type = after.startswith(" ") and after.strip()[:1].isupper() and not line.endswith(".")
        if is_type:
            out.append(line)
            continue
        for part in re.split(r"(?<=\.) (?=[\w*][\w*, ]* : )", line):
            names, _, said = part.partition(" : ")
            out += [names, f"    {said}"]
    return out


def protect(line: str) -> str:
    """Escape | and * outside of ``literals``: in these docstrings they are absolute values and products."""
    parts = re.split(r"(``.*?``|`[^`]*`)", line)
    return "".join(part if part.startswith("`") else re.sub(r"(?<!\\)([|*])", r"\\\1", part) for part in parts)
