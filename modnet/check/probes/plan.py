"""The plan of an examination: which probes are made of a subject, in which order.

A probe is a function of the examination that gives the findings of one kind of question; the plan is the list of them. All of
it is made: a mistake that stands on its own is said, however many there are. Three rules keep one from being said twice.

* What cannot be answered cannot be judged: an operation that raises, or answers in another shape, ends its part of the plan.
* Every derivative is that of the author's own forward. If forward is wrong and its definition is known, a backward that is
  right for the definition is right: only forward has to be mended (`Examination.functions`).
* A backward that calls forward shows forward's own weakness again; that is said once, about forward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from modnet.check.asking import older
from modnet.check.asking.calls import Misbehaviour, as_output, call
from modnet.check.asking.draws import known_memory, same_draws
from modnet.check.asking.numeric import derivative
from modnet.check.asking.question import Question, chosen_entries
from modnet.check.asking.subject import Function, Subject
from modnet.check.building.recipes import Recipe
from modnet.check.mistakes import geometry
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT, UPDATE, ZERO
from modnet.check.report import Finding, Report

Probe = Callable[["Examination"], Iterable["Finding | None"]]


class Examination:
    """One subject under examination: what the probes have learnt so far, and the report as it grows.

    Attributes
    ----------
    subject, report : see `Subject` and `Report`.
    reference, make : see `check_module`.
    shapes : what the module does in other sizes.
    defined : the places of the definitions that forward may be meant to be, the nearest first.
    found : the findings of each operation. by_input, questions : what was asked of the input and of each parameter array, and
        answered.
    first : every array that may be a gradient after one call.
    """

    def __init__(
        self,
        subject: Subject,
        report: Report,
        reference: Callable[[np.ndarray], Any] | None = None,
        make: Callable[..., Any] | Recipe | None = None,
    ) -> None:
        self.subject, self.report, self.reference, self.make = subject, report, reference, make
        self.by_numbers = subject.x.dtype.kind == "f"
        self.shapes = geometry.Outcomes(subject)
        self.defined: list[int] = []
        self.wrong_forward = self.mended = False
        self.found: dict[str, list[Finding]] = {}
        self.by_input: Question | None = None
        self.questions: dict[str, Question] = {}
        self.first: dict[str, np.ndarray] = {}
        self.remarks: dict[str, str] = {}
        self.skipped: dict[str, str] = {}

    # --- carrying out

    def carry_out(self, plan: Iterable[tuple[str, Iterable[Probe]]]) -> Report:
        """Make all probes of a plan."""
        kind, noted = type(self.subject.original), len(older.used)
        with same_draws(), known_memory(kind), np.errstate(all="ignore"):
            self._carried_out(plan)
        older.say(self.report, kind, noted)
        return self.report

    def _carried_out(self, plan: Iterable[tuple[str, Iterable[Probe]]]) -> Report:
        for operation, probes in plan:
            found: list[Finding] = []
            for probe in probes:
                try:
                    for finding in probe(self):
                        found += [finding] if finding is not None else []
                except Misbehaviour as problem:
                    if problem.kind == "foreign":
                        self.skipped[operation] = problem.message
                    elif self.subject.coupled and operation != FORWARD:
                        self.skipped[operation] = "mend forward first"  # it may not take one example alone, as it is asked here
                    else:
                        found.append(self.misbehaved(operation, problem))
                    break
                except Judged:
                    break
            self.conclude(operation, found)
            if operation == FORWARD and not self.subject.out.size:
                break
        return self.report

    def conclude(self, operation: str, found: list[Finding]) -> None:
        """Take the findings of an operation into the report, and its verdict."""
        kept: list[Finding] = []
        for finding in found:
            finding.where = finding.where or f"{self.subject.name}.{self.subject.names.get(operation, operation)}"
            key = (finding.kind, finding.where, finding.message)
            if key not in [(f.kind, f.where, f.message) for f in [*self.report.findings, *kept]] and not self.consequence(
                operation, finding, kept
            ):
                kept.append(finding)
        self.found[operation] = kept
        self.report.findings += kept
        name = self.subject.names.get(operation, operation)
        if kept:
            kinds = ", ".join(dict.fromkeys(f.kind for f in kept))
            self.report.verdict(name, right=False, remark=kinds)
        elif operation in self.skipped:
            if self.skipped[operation]:
                self.report.verdict(name, right=None, remark=self.skipped[operation])
        else:
            self.report.verdict(name, remark=self.remarks.get(operation, ""))

    def consequence(self, operation: str, finding: Finding, beside: list[Finding]) -> bool:
        """Whether it only shows again what was said of forward, or in the same place."""
        kind, before = finding.kind, self.found.get(FORWARD, [])
        if kind == "integer-input" and any(f.kind == "mutates" and f.where == finding.where for f in beside):
            return True
        if kind in ("direction", "cut-short") and any(f.kind in ("uninitialised", "double-counts", "mutates") for f in beside):
            return True
        if operation == FORWARD or kind not in (
            "saturates",
            "integer-input",
            "batch-coupled",
            "mutates",
            "uninitialised",
            "crash",
        ):
            return False
        return any(f.kind == kind for f in before) and bool(self.subject.reads_forward(operation))

    def misbehaved(self, operation: str, problem: Misbehaviour) -> Finding:
        """The finding for an operation that could not be carried out."""
        subject, name = self.subject, self.subject.names.get(operation, operation)
        by_size = self.shapes.finding(operation) if operation != FORWARD else None
        if by_size is not None:
            return by_size
        arguments = subject.arguments(operation, subject.x, subject.given_back())
        given = ", ".join(f"{n} {a.shape}" for n, a in arguments)
        names = {ZERO: [], UPDATE: ["gradient_step"]}.get(operation, [n for n, _ in arguments])
        hint = {
            "not-implemented": f"write {name}" + ("" if operation == GRADIENT else ", and end it with return"),
            "shape": "the first axis counts examples; sum or reshape only over the other axes",
            "crash": f"print the shapes on that line; given are {given}",
            "signature": f"def {name}({', '.join(['self', *names])})",
        }.get(problem.kind, "")
        return Finding(problem.kind, "", problem.message + ".", problem.hint or hint, line=problem.line)

    # --- what derivatives are compared with

    def wanted(self, x: np.ndarray, out: np.ndarray, module: Any) -> list[np.ndarray]:
        """What forward may give for x by definition, or by the reference."""
        if self.reference is not None:
            return [as_output(call("reference", self.reference, x.copy()), "reference", len(x))]
        return self.subject.definition(x, out, module)

    def functions(self) -> Iterator[Function]:
        """The functions whose derivative backward may be: forward as it is; if it is wrong, as it is defined, too."""
        subject = self.subject
        yield subject.forward
        if self.wrong_forward and not subject.convention and self.reference is None:
            yield from map(subject.as_defined, self.defined)

    def ask(self, name: str, got: Callable[[], np.ndarray], every: bool = False, own: Question | None = None) -> Question:
        """Ask for the derivative by the input, or by a parameter array of this name, and compare it with the answer.

        The first function for which the answer is right is the one asked about; else the author's own forward. `every` number
        is varied, or a sample if there are many. `own` is what was asked about the author's own forward already.
        """
        subject, asked = self.subject, list[Question]()
        for i, function in enumerate(self.functions()):
            q = self.question(function, name, every) if i or own is None else own
            if q is None:
                continue
            for repaired in (False, True)[: min(i, 1) + 1]:
                subject.repair = function if repaired else None
                try:
                    q.answer(got())
                finally:
                    subject.repair = None
                if q.right:
                    return q
            asked.append(q)
        if not asked:
            skip(self, GRADIENT if name else DELTA, "no differences of forward could be taken")
        asked[0].others = asked[1:]
        return asked[0]

    def question(self, function: Function, name: str, every: bool = False) -> Question | None:
        """The derivative of a function, without an answer; None if it cannot be called so, or gives another shape."""
        subject, at, moved = self.subject, *self.subject.as_function_of(name, function)
        start, entries = at.astype(np.float64), np.arange(at.size) if every else chosen_entries(at.size)
        narrow = float(np.finfo(at.dtype).eps) if name and at.dtype.kind == "f" else 0.0  # its numbers may be the narrower ones
        try:
            found = derivative(lambda v: moved(v).ravel(), start, entries, max(subject.precision, narrow))
            if moved(start).shape != subject.out.shape:
                return None
        except (Misbehaviour, IndexError, ValueError):
            return None
        where, weights = f"{subject.name}.{subject.names[GRADIENT if name else DELTA]}", subject.weights(3 if name else 2)
        q = Question(where, subject.x, subject.out, weights, found, entries, start.shape, subject.tolerance)
        q.by, q.moved = "dL/dparameters" if name else "dL/dinput", moved
        return q


class Judged(Exception):
    """Nothing more can be judged about this operation."""


def skip(examination: Examination, operation: str, remark: str) -> None:
    """Say why an operation is not looked at, and go on to the next."""
    examination.skipped[operation] = remark
    raise Judged
