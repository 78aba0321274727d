"""Losses of other courses and books: one number or one cost an example, (prediction, truth) mostly, one-hot or integer truth.

Backward may be the derivative of the mean or of the sum of what forward gives: both are right here, each course has its own.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.check.functions import check_backward
from modnet.check.report import Report

_TRUTH = re.compile(r"true|target|truth|label|^(t|y|y_t|real|expected|gt)$", re.I)
_GUESS = re.compile(r"pred|hat|^(a|x|z|o|dvalues|inputs?|logits|scores?|out(put)?s?|y_p)$", re.I)


def is_other_loss(cls: type) -> bool:
    """Whether a loss is not the contract's: (prediction, truth), or a backward that is given less than both.

    By names alone, since calling it in the wrong order answers too.
    """
    forward, backward = _required(cls, "forward"), _required(cls, "backward")
    if forward is None or backward is None or len(forward) != 2:
        return False
    return len(backward) < 2 or bool(not _TRUTH.search(forward[0]) and _TRUTH.search(forward[1]))


def _required(cls: type, name: str) -> list[str] | None:
    """The names of what a method must be given, without self; None if there is no such method."""
    own = isinstance(inspect.getattr_static(cls, name, None), staticmethod)
    try:
        given = list(inspect.signature(getattr(cls, name)).parameters.values())[0 if own else 1 :]
    except (AttributeError, TypeError, ValueError):
        return None
    return [p.name for p in given if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


def examine_other_loss(cls: type, make: Callable[[], Any]) -> Report:
    """The report on such a loss, at data of a kind that it takes."""
    rng = np.random.default_rng(0)
    labels, scores = np.array([0, 2, 1, 2]), rng.normal(size=(4, 3))
    onehot, shares = np.eye(3)[labels], rng.dirichlet(np.ones(3) * 2, 4)
    word = cls.__name__.lower()
    data: list[tuple[np.ndarray, np.ndarray]] = [(scores, rng.normal(size=(4, 3)))]
    if re.search("bin|bce", word):
        data = [(rng.uniform(0.1, 0.9, (4, 2)), (rng.random((4, 2)) > 0.5) * 1.0)]
    elif re.search("cross|entrop|nll|ce$|soft|log", word):
        data = [(scores, onehot), (scores, labels)] if "soft" in word else []
        data += [(shares, onehot), (shares, labels), (scores, onehot)]
    names = _required(cls, "forward") or [""]
    turned = bool(_TRUTH.search(names[0])) and not _GUESS.search(names[0])
    right, answered, refused = list[Report](), list[Report](), list[Report]()
    for prediction, truth in data:
        for total in (np.mean, np.sum):
            report = _examined(cls, make(), prediction, truth, turned, total)
            if report.ok:
                right.append(report)
                break
            if _own_fault(report):
                return report
            (refused if any(f.where.endswith(".forward") for f in report.findings) else answered).append(report)
    for found in (right, answered):
        if found:
            return found[0]
    report = Report(cls.__name__)
    report.verdict("", right=None, remark=f"no data was found that it takes: {refused[0].findings[0].message}")
    return report


def _own_fault(report: Report) -> bool:
    """Whether a crash comes from the code alone, and not from the data: a name that does not exist."""
    return bool(re.search(r"raises (Name|Attribute|UnboundLocal)Error", report.findings[0].message))


def _examined(
    cls: type, loss: Any, prediction: np.ndarray, truth: np.ndarray, turned: bool, total: Callable[..., Any]
) -> Report:
    given = _required(cls, "backward") or []

    def forward(prediction: np.ndarray) -> Any:
        pair = (truth.copy(), prediction) if turned else (prediction, truth.copy())
        value = loss.forward(*pair)
        value = getattr(loss, "output", None) if value is None else value
        return np.asarray(total(np.asarray(value, dtype=float))), prediction.copy()

    def backward(dout: float, prediction: np.ndarray) -> Any:
        loss.forward(*((truth.copy(), prediction.copy()) if turned else (prediction.copy(), truth.copy())))
        at = prediction if getattr(loss, "output", None) is None or "soft" not in cls.__name__.lower() else loss.output
        values = [truth.copy() if _TRUTH.search(name) else at if _GUESS.search(name) else 1.0 for name in given]
        found = loss.backward(*values)
        found = getattr(loss, "dinputs", None) if found is None else found
        return None if found is None else dout * np.asarray(found, dtype=float)

    report = check_backward(forward, backward, prediction)
    report.subject = f"{cls.__name__} on predictions of shape {prediction.shape} and truth of shape {truth.shape}"
    report.findings = [f for f in report.findings if f.kind not in ("integer-input", "ties", "mutates")]
    for finding in report.findings:
        finding.where = f"{cls.__name__}.{finding.where}"
        finding.file, finding.line_number = "", None
        if finding.kind not in ("crash", "not-implemented"):
            finding.line = ""  # it would be a line of this file
        finding.locate(cls)
    return report


__all__ = ["examine_other_loss", "is_other_loss"]
