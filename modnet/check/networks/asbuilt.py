"""Objects as their author builds them: the lines of a script that make one, without the rest of the script.

Of ``layers = [Layer(X.shape[1]), ...]; net = Network(layers); net.compile(loss=MSE()); net.fit(X, Y, ...)`` those are done that
lead to ``net`` and those that then set it up; what stands for data becomes arrays of ours. No line is done that trains.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np

from modnet.check.arguments import NotBuilt
from modnet.check.subject import Misbehaviour, call
from modnet.check.vocabulary import meaning_of

#: What sets something up once it is made.
_SETS_UP = re.compile("_*(add|append|push|insert|ajout|use|set|compile|build|init|config)", re.I)
#: What is not called to build something: it reads, writes, trains or asks.
_NOT_DONE = re.compile(
    r"_*(load|fetch|download|read|open|input|train|fit|learn|main|exec|system|remove|save|write|show|plot)(_|$|[A-Z0-9])"
)
#: What stands for examples, and for their truth.
_DATA = {"X": np.linspace(-1, 1, 18).reshape(6, 3), "y": np.eye(3)[np.arange(6) % 3]}
Node = TypeVar("Node", bound=ast.AST)
#: A script: its statements, and what its names mean.
Script = tuple[Iterable[ast.stmt], dict[str, Any]]


def as_built(cls: type, scripts: Iterable[Script]) -> Iterator[Any]:
    """Objects of a class, one for each place where a script makes one that can be made here too."""
    for body, space in scripts:
        for lines in _scopes(body):
            for at, line in enumerate(lines):
                if name := _made(line, cls.__name__):
                    with suppress(NotBuilt, Misbehaviour):
                        yield _build(cls, name, lines[:at], [line, *_set_up(cls, name, lines[at + 1 :])], space)


def _scopes(body: Iterable[ast.stmt]) -> Iterator[list[ast.stmt]]:
    """The simple statements of a file and of each of its functions, in their order."""
    own: list[ast.stmt] = []
    waiting = list(body)[::-1]
    while waiting:
        line = waiting.pop()
        if isinstance(line, ast.FunctionDef | ast.ClassDef):
            yield from _scopes(line.body)
            continue
        inner = [s for part in ("body", "orelse", "finalbody") for s in getattr(line, part, [])]
        waiting += inner[::-1]
        own += [] if inner else [line]
    yield own


def _made(line: ast.stmt, name: str) -> str:
    """The name to which a statement assigns a new object of a class; empty if it does not."""
    called = line.value.func if isinstance(line, ast.Assign) and isinstance(line.value, ast.Call) else None
    return _target(line) if name in (getattr(called, "id", ""), getattr(called, "attr", "")) else ""


def _target(line: ast.stmt) -> str:
    """The name to which a statement assigns; empty if it does not, or to something else."""
    return getattr(line.targets[0], "id", "") if isinstance(line, ast.Assign) else ""


def _method_on(line: ast.stmt) -> tuple[str, str]:
    """(name, method) of a statement that calls a method of what has a name."""
    made = line.value.func if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call) else None
    return (getattr(made.value, "id", ""), made.attr) if isinstance(made, ast.Attribute) else ("", "")


def _set_up(cls: type, name: str, after: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that set up what was made, until something else is done with it."""
    for line in after:
        on, method = _method_on(line)
        if on == name and _SETS_UP.match(method):
            yield line
        elif on == name or _made(line, cls.__name__) == name:
            return


def _build(cls: type, name: str, before: list[ast.stmt], own: list[ast.stmt], space: dict[str, Any]) -> Any:
    """What some statements make, after those before them that they need."""
    kinds = {n: meaning_of(n, ("X", "y")) for line in (*before, *own) for n in _names(line) - {name, *space} if len(n) < 12}
    data = {n: _DATA[kind].copy() for n, kind in kinds.items() if kind}
    lines, needed = list(own), {n for line in own for n in _names(line)} - {name}
    for line in before[::-1]:
        (on, method), target = _method_on(line), _target(line)
        if (target in needed and target not in data) or (on in needed and _SETS_UP.match(method)):
            lines.insert(0, line)
            needed = (needed - {target}) | _names(line)
    called = [getattr(c.func, "attr", getattr(c.func, "id", "")) for c in _within(lines, ast.Call)]
    if any(map(_NOT_DONE.match, called)):
        raise NotBuilt("it reads or trains")
    known = space | data
    made = lines.index(own[0]) + 1
    for part in (lines[:made], *([line] for line in lines[made:])):
        call(f"{cls.__name__}(...)", exec, compile(ast.Module(part, []), "<as its author builds it>", "exec"), known)
    if type(known[name]).__name__ != cls.__name__:
        raise NotBuilt("another class of that name")
    return known[name]


def _within(lines: list[ast.stmt], kind: type[Node]) -> list[Node]:
    """What is of a kind in some statements."""
    return [node for line in lines for node in ast.walk(line) if isinstance(node, kind)]


def _names(line: ast.stmt) -> set[str]:
    """The names that a statement reads."""
    return {node.id for node in _within([line], ast.Name) if isinstance(node.ctx, ast.Load)}
