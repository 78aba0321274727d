"""What a training was found to lack: findings with the change that cures and its proof, and the report that draws them."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

from modnet.check.report import Finding, Report, wrapped


@dataclass
class TrainingFinding(Finding):
    """Why a training does not learn.

    Attributes
    ----------
    kind : of the mistake, one of the pages in docs/why. where, message : what was seen.
    change : the line of code that cures it; with several findings, all of their changes together.
    proof : what was measured, with and without that change.
    """

    change: str = ""
    proof: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain values, for JSON."""
        return {**super().as_dict(), "change": self.change, "proof": self.proof}

    def __str__(self) -> str:
        lines = [super().__str__()]
        if self.change:
            lines += ["   Change: " + self.change]
        if self.proof:
            lines += wrapped("Proof: " + self.proof)
        return "\n".join(lines)


@dataclass
class Trial:
    """A training that was tried.

    Attributes
    ----------
    kind, change : of what was changed; empty for the training as it is. share : what it learned of what can be learned.
    score : in the task's own measure. losses : epoch by epoch. cures : whether it learns what the reference does.
    is_diagnosis : whether its changes are those that the findings name.
    """

    kind: str
    change: str
    score: float
    share: float
    losses: list[float]
    cures: bool = False
    is_diagnosis: bool = False


class TrainingReport(Report):
    """A `Report` on a training, with the trainings that were tried.

    Attributes
    ----------
    trials : the training as it was given, the references, and each change that was tried.
    symptoms : what was read of the network and the data, for `plot`: the outputs of modules before training, the size of deltas
        by depth, the columns' means and deviations.
    seconds : how long it took.
    """

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.trials: list[Trial] = []
        self.symptoms: dict[str, Any] = {}
        self.seconds = 0.0
        self.word = "score"

    def amend(self, operation: str, right: bool | None, remark: str) -> None:
        """Write the row of an operation again."""
        at = next(i for i, (name, _, _) in enumerate(self.verdicts) if name == operation)
        self.verdict(operation, right=right, remark=remark)
        self.verdicts[at] = self.verdicts.pop()

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        tried = [
            {"kind": t.kind, "change": t.change, "score": t.score, "share": t.share, "cures": t.cures} for t in self.trials
        ]
        return {**super().as_dict(), "trials": tried, "seconds": self.seconds}

    def plot(self, *, ax: Any = None, path: Any = None) -> Any:
        """Draw the loss as it was and with each change that was tried, the cure in colour, and the symptom beside it.

        `ax` takes three axes of yours; `path` saves the picture, as in `modnet.plotting.history`.
        """
        from modnet.plotting.why import why

        return why(self, ax=ax, path=path)

    def _repr_html_(self) -> str:
        cures = "".join(
            f"<li><b>{html.escape(f.kind)}</b>: <code>{html.escape(f.change)}</code><br>{html.escape(f.proof)}</li>"
            for f in self.findings
            if isinstance(f, TrainingFinding) and f.change
        )
        return super()._repr_html_() + (f"<div>Changes that cure:<ul>{cures}</ul></div>" if cures else "")
