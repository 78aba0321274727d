"""Objects as their author builds them: the lines of a script that make one, without the rest of the script.

Of ``layers = [Layer(X.shape[1]), ...]; net = Network(layers); net.compile(loss=MSE()); net.fit(X, Y, ...)`` those are done that
lead to ``net`` and those that then set it up; what stands for data becomes arrays of ours. No line is done that trains.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.reading.arguments import NotBuilt
from modnet.check.reading.vocabulary import meaning_of

#: What sets something up once it is made.
_SETS_UP = re.compile("_*(add|append|push|insert|ajout|use|set|compile|build|init|config)", re.I)
#: What is not called to build something: it reads, writes, trains or asks.
_NOT_DONE = re.compile(
    r"_*(load|fetch|download|read|open|input|train|fit|learn|main|exec|system|remove|save|write|show|plot)(_|$|[A-Z0-9])"
)
#: What stands for examples, and for their truth.
_DATA = {"X": np.linspace(-1, 1, 18).reshape(6, 3), "y": np.eye(3)[np.arange(6) % 3]}
#: A script: its statements, and what its names mean.
Script = tuple[Iterable[ast.stmt], dict[str, Any]]


def as_built(cls: type, scripts: Iterable[Script]) -> Iterator[Any]:
    """Objects of a class, one for each place where a script makes one that can be made here too."""
    for body, space in scripts:
        for lines in _scopes(body):
            for at, line in enumerate(lines):
                if name := line.makes(cls):
                    with suppress(NotBuilt, Misbehaviour):
                        yield _build(cls, name, lines[:at], [line, *_set_up(cls, name, lines[at + 1 :])], space)


class _Line:
    """A simple statement: the name to which it assigns, or the name on which it calls a method; and the names it reads."""

    def __init__(self, statement: ast.stmt) -> None:
        self.statement, self.text = statement, ast.unparse(statement)
        found = re.match(r"(?P<target>\w+) = |(?P<on>\w+)\.(?P<method>\w+)\(", self.text)
        parts = found.groupdict("") if found else {}
        self.target, self.on, self.method = parts.get("target", ""), parts.get("on", ""), parts.get("method", "")
        names = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
        self.names = {node.id for node in names if isinstance(node.ctx, ast.Load)}

    def makes(self, cls: type) -> str:
        """The name to which it assigns a new object of a class; empty if it does not."""
        return self.target if re.match(rf"\w+ = ([\w.]+\.)?{cls.__name__}\(", self.text) else ""


def _scopes(body: Iterable[ast.stmt]) -> Iterator[list[_Line]]:
    """The simple statements of a file and of each of its functions, in their order."""
    own: list[_Line] = []
    waiting = list(body)[::-1]
    while waiting:
        line = waiting.pop()
        if isinstance(line, ast.FunctionDef | ast.ClassDef):
            yield from _scopes(line.body)
            continue
        inner = [s for part in ("body", "orelse", "finalbody") for s in getattr(line, part, [])]
        waiting += inner[::-1]
        own += [] if inner else [_Line(line)]
    yield own


def _set_up(cls: type, name: str, after: list[_Line]) -> Iterator[_Line]:
    """The lines that set up what was made, until something else is done with it."""
    for line in after:
        if line.on == name and _SETS_UP.match(line.method):
            yield line
        elif name in (line.on, line.makes(cls)):
            return


def _build(cls: type, name: str, before: list[_Line], own: list[_Line], space: dict[str, Any]) -> Any:
    """What some lines make, after those before them that they need."""
    read = {n for line in (*before, *own) for n in line.names} - {name, *space}
    data = {n: _DATA[kind].copy() for n in read if len(n) < 12 and (kind := meaning_of(n, ("X", "y")))}
    lines, needed = list(own), {n for line in own for n in line.names} - {name, *data}
    for line in before[::-1]:
        if line.target in needed or (line.on in needed and _SETS_UP.match(line.method)):
            lines.insert(0, line)
            needed = (needed - {line.target}) | (line.names - set(data))
    if any(_NOT_DONE.match(called) for line in lines for called in re.findall(r"\w+(?=\()", line.text)):
        raise NotBuilt("it reads or trains")
    known, made = space | data, lines.index(own[0]) + 1
    for part in (lines[:made], *([line] for line in lines[made:])):  # calls, which draw alike
        code = compile(ast.Module([line.statement for line in part], []), "<as its author builds it>", "exec")
        call(f"{cls.__name__}(...)", exec, code, known)
    if type(known[name]).__name__ != cls.__name__:
        raise NotBuilt("another class of that name")
    return known[name]
