"""What a loaded hand-in is to those who ask about it: its classes, and where each is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The kinds of classes, in the order in which they are asked: a network is judged knowing its layers, an optim its networks.
PHASES = (("package", "module", "loss", "functions"), ("network",), ("optim",), ("loop",))
_CELL = re.compile(r"^(.*\.ipynb) cell (\d+)$")


def code_name(file: Path, cell: int | None) -> str:
    """The name that code of a file is compiled under; that of a notebook says in which code cell, counted from 1."""
    return str(file) if cell is None else f"{file} cell {cell}"


def file_and_cell(name: str) -> tuple[str, int | None]:
    """The file and the cell of what `code_name` made."""
    found = _CELL.match(name)
    return (found[1], int(found[2])) if found else (name, None)


@dataclass(frozen=True)
class Loaded:
    """A class of a hand-in, ready to be asked.

    Attributes
    ----------
    cls : the class. kind : "module", "loss", "network", "optim" or "loop"; "base" for what these derive from and that does
        nothing itself, which nobody is asked about; "package" for an ``__init__.py`` that cannot be imported, what it lacks
        in `lacks` of the class; empty for what looks like one of them and is not recognised.
    file : the file. cell : the code cell of a notebook, counted from 1, else None. line : of the class statement.
    remark : why it is not recognised.
    """

    cls: type
    kind: str
    file: Path
    cell: int | None = None
    line: int = 0
    remark: str = ""

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.cls.__name__

    @property
    def id(self) -> str:
        """What tells it from any other class of the hand-in."""
        return f"{code_name(self.file, self.cell)}:{self.line}:{self.name}"


class NotAsked(Exception):
    """What is to be known of another class is not known yet: it is asked for that in a process of its own first."""


class Project:
    """The classes of one hand-in, from all its files.

    Attributes
    ----------
    loaded : all classes that look like something to check. wrong : the `id` of those in which something was found already.
    facts : what is known of another class, `NotAsked` if nothing is yet; None if whoever wants to know may try it out.
    """

    def __init__(self, loaded: Iterable[Loaded] = (), namespaces: dict[Path, dict[str, Any]] | None = None) -> None:
        self.loaded: list[Loaded] = list(loaded)
        self.wrong: set[str] = set()
        self.facts: Callable[[Loaded], dict[str, Any]] | None = None
        self._namespaces = {} if namespaces is None else namespaces

    def of(self, kind: str, near: Loaded | None = None) -> list[Loaded]:
        """The classes of a kind; with near, those of its file come first, then those of its folder."""
        found = [c for c in self.loaded if c.kind == kind]
        if near is None:
            return found
        return sorted(found, key=lambda c: (c.file != near.file, c.file.parent != near.file.parent))

    def is_wrong(self, other: Loaded) -> bool:
        """Whether something was found in a class."""
        return other.id in self.wrong

    @property
    def files(self) -> list[Path]:
        """Every file of the hand-in that was loaded, with classes in it or not."""
        return list(self._namespaces) or list(dict.fromkeys(c.file for c in self.loaded))

    def namespace(self, file: Path) -> dict[str, Any]:
        """The names that a file defines."""
        return self._namespaces.get(file, {})
