"""In a notebook: ``%load_ext modnet.check``, then ``%check MySoftmax``, or ``%%check`` over a cell that defines classes.

    %check                                   every class that the notebook has defined
    %check MySoftmax MyLinear                these
    %check MyConv(3, 2, 4, 2) --shape 2,8,2  an object built so, on an input of this shape
    %%check                                  run the cell, then check the classes that it defines

A check runs in the notebook's own process: a loop without end is stopped as always, with the kernel's interrupt.
"""

from __future__ import annotations

import ast
import html
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class

from modnet.check.handins.ask import ask_object
from modnet.check.handins.classes import is_base, kind_of, looks_relevant, why_not
from modnet.check.handins.examine import report_on, unchecked
from modnet.check.handins.loaded import PHASES, Loaded, Project
from modnet.check.handins.options import Options
from modnet.check.report import Report

_NOTEBOOK = Path("notebook")


class Reports(list[Report]):
    """Several reports, shown one after the other."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found in any."""
        return all(report.ok for report in self)

    def __repr__(self) -> str:
        return "\n\n".join(map(str, self)) or "no class with forward and backward_delta, nor a loss, was found"

    def _repr_html_(self) -> str:
        return "".join(report._repr_html_() for report in self) or f"<div>{html.escape(repr(self))}</div>"


@magics_class
class CheckMagics(Magics):
    """The magics ``%check`` and ``%%check``."""

    shell: InteractiveShell

    @line_cell_magic
    def check(self, line: str, cell: str | None = None) -> Reports | None:
        """Check classes of this notebook; see the top of `modnet.check.notebook`."""
        calls, shape = _parsed(line)
        names: list[str] | None = None
        if cell is not None:
            result = self.shell.run_cell(cell)
            names = [] if result.error_before_exec or result.error_in_exec else self._defined_in(cell)
            if not names:
                return None
        found = self._loaded()
        if calls:
            unknown = [c for c in calls if "(" not in c and c not in self.shell.user_ns]
            if unknown:
                raise UsageError(f"check: there is no {unknown[0]} in this notebook; run the cell that defines it first")
            return Reports(self._one(call, found, shape) for call in calls)
        chosen = [c for c in found.loaded if names is None or c.name in names]
        return Reports(_ask(chosen, found, Options(shape=shape)))

    def _defined_in(self, cell: str) -> list[str]:
        tree = ast.parse(self.shell.transform_cell(cell))
        return [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]

    def _loaded(self) -> Project:
        """The classes that the notebook has defined."""
        space = self.shell.user_ns
        own = {v.__name__: v for v in space.values() if isinstance(v, type) and v.__module__ == space.get("__name__")}
        kinds = {cls: kind_of(cls) for cls in own.values()}
        bases = {base for cls in kinds for base in cls.__mro__[1:]}
        found = [
            Loaded(cls, kind, _NOTEBOOK, remark="" if kind else why_not(cls))
            for cls, kind in kinds.items()
            if not is_base(cls, bases) and (kind or looks_relevant(cls))
        ]
        return Project(found, {_NOTEBOOK: space})

    def _one(self, call: str, project: Project, shape: tuple[int, ...] | None) -> Report:
        """The report on a class by its name, or on an object by its name or a call that builds it."""
        subject = next((c for c in project.loaded if c.name == call), None)
        if subject is not None:
            return _ask([subject], project, Options(shape=shape))[0]
        made = eval(call, self.shell.user_ns)
        if isinstance(made, type):
            raise UsageError(f"check: {call} has no forward and backward that are recognised: {why_not(made)}")
        with _own_draws():
            return ask_object(made, kind_of(type(made)), shape)


def _ask(chosen: list[Loaded], project: Project, options: Options) -> list[Report]:
    """The reports on some classes, those of a network's layers first, which may not be among them."""
    reports: dict[str, Report] = {}
    whole = any(c.kind in ("network", "optim") for c in chosen)
    with _own_draws():
        for phase in PHASES:
            for subject in project.loaded:
                if subject.kind in phase and (subject in chosen or (whole and subject.kind == "module")):
                    report = reports[subject.id] = report_on(subject, project, options)
                    if report.findings:
                        project.wrong.add(subject.id)
    return [reports[c.id] if c.kind else unchecked(c.name, c.remark) for c in chosen]


@contextmanager
def _own_draws() -> Iterator[None]:
    """Within it, random numbers are the check's; afterwards the notebook's go on where they were."""
    state, other = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
        random.setstate(other)


def _parsed(line: str) -> tuple[list[str], tuple[int, ...] | None]:
    """The names and calls of a line, and the shape; blanks within parentheses do not separate."""
    line, asked, text = line.partition("--shape")
    calls = re.findall(r"[^\s(]+(?:\((?:[^()]|\([^()]*\))*\))?", line)
    if not asked:
        return calls, None
    sizes = re.findall(r"\d+", text) if re.fullmatch(r"[\s=(]*\d+(\s*,\s*\d+)*[\s,)]*", text) else []
    if not sizes or "0" in sizes:
        raise UsageError(f"check: --shape is {text.strip(' =')!r}, expected sizes such as 4,3, the batch first")
    return calls, tuple(map(int, sizes))


def register(shell: Any) -> None:
    """Give an IPython shell the magics."""
    shell.register_magics(CheckMagics)
