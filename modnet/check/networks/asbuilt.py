"""Objects as their author builds them: the lines of a script that make one, without the rest of the script.

Of ``layers = [Layer(X.shape[1]), ...]; net = Network(layers); net.compile(loss=MSE()); net.fit(X, Y, ...)`` those are done that
lead to ``net`` and those that then set it up; what stands for data becomes arrays of ours. No line is done that trains.
"""

from __future__ import annotations

import ast
import builtins
import copy
import re
from collections.abc import Iterable, Iterator
from typing import Any

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
#: A script: its statements, and what its names mean.
Script = tuple[Iterable[ast.stmt], dict[str, Any]]


def as_built(cls: type, scripts: Iterable[Script]) -> Iterator[Any]:
    """Objects of a class, one for each place where a script makes one that can be made here too."""
    for body, space in scripts:
        for lines in _scopes(body):
            for at, line in enumerate(lines):
                if (name := _made(line, cls.__name__)) and isinstance(line, ast.Assign):
                    try:
                        yield _follow(cls, name, line.value, lines[:at], lines[at + 1 :], space)
                    except (NotBuilt, Misbehaviour):
                        continue


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
    if not (isinstance(line, ast.Assign) and isinstance(line.value, ast.Call) and isinstance(line.targets[0], ast.Name)):
        return ""
    called = line.value.func
    return line.targets[0].id if name in (getattr(called, "id", ""), getattr(called, "attr", "")) else ""


def _method_on(line: ast.stmt, name: str) -> str:
    """The method that a statement calls on what has this name."""
    made = line.value.func if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call) else None
    on = isinstance(made, ast.Attribute) and isinstance(made.value, ast.Name) and made.value.id == name
    return made.attr if on and isinstance(made, ast.Attribute) else ""


def _follow(cls: type, name: str, node: ast.expr, before: list[ast.stmt], after: list[ast.stmt], space: dict[str, Any]) -> Any:
    """What a line makes, and what is then called on it until something else than setting up."""
    values = _Values(before, space)
    np.random.seed(1)  # noqa: NPY002
    net = values.known[name] = call(f"{cls.__name__}(...)", lambda: values.of(node))
    if type(net).__name__ != cls.__name__:
        raise NotBuilt("another class of that name")
    for line in after:
        method = _method_on(line, name)
        if _SETS_UP.match(method) and isinstance(line, ast.Expr):
            call(f"{cls.__name__}.{method}", lambda line=line: values.of(line.value))
        elif method or _made(line, cls.__name__) == name:
            break
    return net


class _Values:
    """What expressions mean after some lines, of which only those are done that they need."""

    def __init__(self, lines: list[ast.stmt], space: dict[str, Any]) -> None:
        self.lines, self.space, self.known, self.asking = lines, space, dict[str, Any](), set[str]()

    def of(self, node: ast.expr) -> Any:
        """The value of an expression."""
        inner = {
            t.id
            for c in ast.walk(node)
            if isinstance(c, ast.comprehension)
            for t in ast.walk(c.target)
            if isinstance(t, ast.Name)
        }
        called = {getattr(c.func, "attr", getattr(c.func, "id", "")) for c in ast.walk(node) if isinstance(c, ast.Call)}
        if worse := [name for name in called if _NOT_DONE.match(name)]:
            raise NotBuilt(f"{worse[0]} is not called here")
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - inner
        space = {n: self.named(n) for n in names if not hasattr(builtins, n)}
        try:
            return eval(compile(ast.Expression(copy.deepcopy(node)), "<as its author builds it>", "eval"), space)
        except (NotBuilt, Misbehaviour):
            raise
        except Exception as problem:
            raise NotBuilt(f"{type(problem).__name__}: {problem}") from problem

    def named(self, name: str) -> Any:
        """The value of a name: of data an array of ours, else what was assigned, else what the file knows."""
        if name in self.known:
            return self.known[name]
        kind = meaning_of(name, ("X", "y"))
        if kind and len(name) < 12 and name not in self.space:
            self.known[name] = np.linspace(-1, 1, 18).reshape(6, 3) if kind == "X" else np.eye(3)[np.arange(6) % 3]
            return self.known[name]
        assigned = [
            (i, line) for i, line in enumerate(self.lines)
            if isinstance(line, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in line.targets)
        ]  # fmt: skip
        if assigned and name not in self.asking:
            self.asking.add(name)
            at, line = assigned[-1]
            self.known[name] = value = self.of(line.value)
            for later in self.lines[at + 1 :]:
                if _SETS_UP.match(_method_on(later, name)) and isinstance(later, ast.Expr):
                    self.of(later.value)
            return value
        if name in self.space:
            return self.space[name]
        raise NotBuilt(f"what {name} is cannot be told")
