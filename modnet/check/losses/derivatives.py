"""Losses that have a derivative alone: ``backward(dvalues, y_true)`` of softmax and cross-entropy, whose loss is elsewhere.

The loss is what the name says: it becomes a method of the same class, and the author's derivative is held against it as any
other. It may be given probabilities or scores, an example a row or a column, and may take the mean: it is right if it is right
in one of these ways. A class whose name does not say it is shown, and not checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from modnet.check.building.constructors import build
from modnet.check.losses.check import check_called
from modnet.check.losses.data import Data, data_for, example_for
from modnet.check.losses.subject import LossSubject, times_truth
from modnet.check.reading.arguments import required
from modnet.check.reading.definitions import FUNCTIONS
from modnet.check.reading.vocabulary import apart
from modnet.check.report import Report, not_checked
from modnet.check.styles.loss_calls import Calling, derivative_alone, meaning, order_of

_BOTH = re.compile("(?=.*softmax).*(cross_?entrop|entropie|(^|_)c?ce(_|$)|nll)", re.I)
_MORE = re.compile("bin|bce|focal|smooth|weight|mask|label", re.I)  # what changes the loss, or what it is given
_LOSS = "loss_by_definition"


class _Way(NamedTuple):
    """One way in which a derivative may be meant.

    Attributes
    ----------
    data : the truth and the prediction. calling : how it is called. logs : what makes logarithms of what it is given.
    given : what that is, in words.
    """

    data: Data
    calling: Calling
    logs: Callable[[np.ndarray], np.ndarray]
    given: str


def examine_derivative(cls: type) -> Report:
    """The report on a loss's class that has no method for the loss."""
    name, word = derivative_alone(cls), apart(cls.__name__)
    asked = required(cls, name) or []
    called = f"{name}({', '.join(asked)})"
    if len(asked) != 2 or order_of(asked) is None:
        why = f"no method of it is a loss of prediction and truth, of which {called} is the derivative"
        return not_checked(cls.__name__, why)
    if not _BOTH.match(word) or _MORE.search(word):
        why = f"{called} is a derivative, and neither a method nor the name says of which function"
        return not_checked(cls.__name__, f"{why}; check_loss takes both as a pair")
    ways = [(way, times) for way in _ways(name, asked) if (times := _times(cls, way)) is not None]
    if not ways:
        return not_checked(cls.__name__, f"{called} gives no derivative when it is asked alone: what it needs is elsewhere")
    right = next((held for held in ways if any(np.isclose(held[1], mean) for mean in _means(held[0]))), None)
    way, times = right or ways[0]
    report = check_called(_made(cls, way, times if right else 1.0), *way.data, way.calling)
    report.findings = [f for f in report.findings if not f.where.endswith(_LOSS)]
    report.verdicts = [row for row in report.verdicts if row[0] != _LOSS]
    report.notes.append(f"held against softmax and cross-entropy, as the name says; given {way.given}.")
    if right and times < 0.9:
        report.notes.append(f"it is divided by {round(1 / times)}: the derivative of the mean, which is a convention.")
    return report


def _ways(name: str, asked: list[str]) -> Iterator[_Way]:
    """Every way, the likeliest first."""
    first = bool(order_of(asked))
    softmax, log = FUNCTIONS["softmax"], _logs
    scored, probable = list(data_for("softmax"))[1::-1], list(data_for("crossentropy"))[:2]
    one = [(truth, np.log(prediction)) for truth, prediction in example_for("softmax")]
    for columns in (False, True):
        plain = Calling(_LOSS, name, first, tuple(meaning(asked, first)), columns=columns, defined=True)
        layout = ", an example a column" if columns else ""
        by_scores = plain, FUNCTIONS["logsoftmax"], f"scores{layout}"
        handed = replace(plain, made_by=softmax), log, f"what the softmax returns{layout}, it is the derivative by the scores"
        ways = [by_scores, handed] if re.search("logit|score", asked[not first], re.I) else [handed, by_scores]
        for data in [*scored, *([] if columns else one)]:
            yield from (_Way(data, *way) for way in ways)
        for data in probable:
            yield _Way(data, plain, log, f"what the softmax returns{layout}, it is the derivative by that")


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(probabilities))


def _made(cls: type, way: _Way, times: float = 1.0) -> Any:
    """An object of the class, which has so many times the loss as a method."""

    def loss(self: Any, *pair: np.ndarray) -> np.ndarray:
        prediction, truth = pair if way.calling.prediction_first else pair[::-1]
        logs = way.logs(prediction.T if way.calling.columns else prediction)
        if truth.dtype.kind == "i":
            truth = np.eye(logs.shape[-1])[truth]
        elif way.calling.columns:
            truth = truth.T
        return np.asarray(-times * (truth * logs).sum(axis=-1))

    return build(type(cls.__name__, (cls,), {_LOSS: loss}))


def _times(cls: type, way: _Way) -> float | None:
    """How many times the truth it gives, 0 if it is no multiple of it; None if it cannot be asked so."""
    subject = LossSubject(_made(cls, way), *way.data, way.calling)
    asked = subject.slopes()
    if asked is None or asked[0].shape != asked[1].shape or not all(np.isfinite(a).all() for a in asked):
        return None
    return times_truth(*asked, rtol=1e-3)


def _means(way: _Way) -> tuple[float, ...]:
    """By what it may be multiplied: 1, or as a mean over the examples, or over all numbers."""
    prediction = way.data[1]
    return 1.0, 1 / len(np.atleast_2d(prediction)), 1 / prediction.size
