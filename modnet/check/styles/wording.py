"""Reports in the words of another style than the contract's."""

from __future__ import annotations

from collections.abc import Iterable

from modnet.check.asking.subject import Subject
from modnet.check.reading.vocabulary import DELTA
from modnet.check.report import Report


def in_words(report: Report, subject: Subject, names: dict[str, str]) -> None:
    """Say in the words of another style what was found: names instead of places, and no advice that only fits the contract."""
    swaps = {
        **names,
        "the minus sign belongs in update_parameters": "the minus sign belongs to the update",
        "dL/dinput, of the shape of input": "the gradient by the input, of shape ",
        "the statement's is given the input: def ": "def ",
        ", but the contract sums: write sum, not mean, and do not divide by len(X); whoever trains divides, once": (
            ": write sum, not mean, unless the mean is in forward too; whoever trains divides, once"
        ),
        "self._gradient += input.T @ delta, or what belongs to this module; returning it is not enough": (
            f"{subject.names[DELTA]} gives dx and, for each array that learns, its gradient"
        ),
        "write out = self.forward(input) first, and use out for the output in the formula": (
            "use the output that forward has kept, or the formula in terms of the input"
        ),
        "backward_update_gradient is given the input: use it, not self.forward(input)": "use what forward kept of the input",
    }
    for finding in report.findings:
        for old, new in swaps.items():
            finding.message, finding.hint = finding.message.replace(old, new), finding.hint.replace(old, new)


def relabel(report: Report, operation: str, labels: Iterable[str]) -> None:
    """Put the rows of an operation last, with labels of their own, in their order; one without a label is left out."""
    rows = [row for row in report.verdicts if row[0] == operation]
    others = [row for row in report.verdicts if row[0] != operation]
    report.verdicts = others + [(label, *row[1:]) for label, row in zip(labels, rows, strict=False) if label]
