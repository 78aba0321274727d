"""Losses of other courses and books, by the plan of `check_loss`: one number or one cost an example, in either order.

Backward may be the derivative of what forward gives, or of its mean if that is a cost for each example: both are right here,
each course has its own. How a loss is called is the affair of `modnet.check.loss_calls`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from modnet.check.arguments import required, takes_arrays
from modnet.check.loss_calls import Calling, calling_of, is_of_functions, is_truth, methods_of, order_of
from modnet.check.loss_data import NUMBERS, data_for, example_for
from modnet.check.loss_subject import PLAN, LossSubject, definitions
from modnet.check.numeric import derivative
from modnet.check.plan import Examination
from modnet.check.question import Question
from modnet.check.report import Finding, Report, not_checked
from modnet.check.subject import Misbehaviour, tried
from modnet.check.vocabulary import DELTA, FORWARD
from modnet.loss import Loss

_LABELS = re.compile("cross|entrop|ce($|_|loss)|cce|nll|soft|logit|hinge|perceptron|marg|svm|log|kl|xent", re.I)


def is_other_loss(cls: type) -> bool:
    """Whether a loss is not the contract's: other methods, (prediction, truth), or a backward that is given less than both.

    By names alone, since calling it in the wrong order answers too.
    """
    if issubclass(cls, Loss):
        return False
    names = methods_of(cls)
    if names is None:
        return False
    asked, back = required(cls, names[0]) or [], required(cls, names[1]) or []
    return names != ("forward", "backward") or len(back) < 2 or bool(order_of(asked) and not is_truth(asked[0]))


class OtherLoss(LossSubject):
    """A loss of another style behind the three questions."""

    undefined = True

    def __init__(self, loss: Any, y: np.ndarray, yhat: np.ndarray, calling: Calling) -> None:
        super().__init__(loss, y, yhat)
        self.calling = calling
        self.names[FORWARD], self.names[DELTA] = calling.value, calling.derivative
        self.remembers = self.replaces = True
        self.refuses_integers = True  # some give back the type that they are given
        self.unit = 1.0
        self.may_couple = y.ndim == yhat.ndim == 1 and y.dtype.kind == "f" and float(y.sum()) == 1  # one example, of classes
        self.times = 1.0
        self.meant: int | None = None  # which definition of its name backward belongs to, if forward is another function

    @property
    def means(self) -> tuple[float, ...]:
        """By what the derivatives of this loss may be divided."""
        return tuple({1.0: 0, 1 / len(self.x): 0, 1 / self.x.size: 0})

    def like(self, module: Any, x: np.ndarray) -> OtherLoss:
        """Another one, called alike."""
        twin = type(self)(module, self.y, x, self.calling)
        twin.unit = self.unit
        return twin

    def arguments(self, operation: str, x: np.ndarray, delta: np.ndarray | None = None) -> list[tuple[str, np.ndarray]]:
        """The truth and the prediction by the author's names."""
        names = required(type(self.original), self.calling.value) or ["", ""]
        order = self.calling.prediction_first
        return [(names[order] or "y", self.y.copy()), (names[not order] or "yhat", x.copy())]

    def invoke(self, operation: str, module: Any, arrays: Sequence[Any]) -> Any:
        """Call the loss or its derivative."""
        if operation not in (FORWARD, DELTA):
            raise Misbehaviour("not-implemented", f"there is no {operation}")
        ask = self.calling.loss if operation == FORWARD else self.calling.gradient
        return ask(module, *arrays)

    def as_output(self, raw: Any, operation: str, x: np.ndarray) -> np.ndarray:
        """One number, or one for each example; in the unit in which backward is the derivative."""
        if operation != FORWARD:
            return super().as_output(raw, operation, x)
        if isinstance(raw, Sequence) and not isinstance(raw, str):
            raw = np.asarray(raw)
        return super().as_output(raw, operation, x) * self.unit

    def conventions(self) -> Iterator[Finding]:
        """Another shape than one number or one an example; and what backward is the derivative of."""
        n, shape = len(self.x), self.raw_shape
        if len(shape) == 2 and shape[0] == shape[1] == n > 1 and self.x.shape[-1] != n:
            yield Finding(
                "shape",
                "",
                f"{self.names[FORWARD]} returns shape {shape}: (batch,) and (batch, 1) together make a table, all against all.",
                "give both the same shape: y.reshape(-1, 1)",
                line=self.quote(FORWARD, r"^return"),
            )
        self._settle_unit()
        yield from self._of_backward()

    def forward(self, x: np.ndarray, module: Any = None) -> np.ndarray:
        """The losses; those of the definition, once forward has been found to be another function."""
        if self.meant is None:
            return super().forward(x, module)
        with np.errstate(all="ignore"):
            return self.times * list(definitions(self.name, self.t, x.astype(float)))[self.meant]

    def explain_delta(self, q: Question) -> list[Finding] | None:
        """A mask, or weights, that forward takes and backward leaves out; else what any loss may have wrong."""
        for name, given in self.calling.more.items():
            plain = replace(self.calling, more={**self.calling.more, name: np.ones_like(given, dtype=float)})
            twin = OtherLoss(self.original, self.y, self.x, plain)
            found = derivative(partial(_flat, twin), q.x, q.entries, self.precision)
            if q.factor(found.value.sum(axis=1)) is not None:
                text = f"{self.names[DELTA]} leaves {name} out: it is the derivative of the loss without."
                return [q.finding("missing-factor", text, f"what forward multiplies by {name}, backward multiplies by it too")]
        return super().explain_delta(q)

    def near_zero(self, examination: Examination) -> Iterator[Finding]:
        """Constants against 0, if forward is the loss that is judged."""
        return super().near_zero(examination) if self.meant is None else iter(())

    def _of_backward(self) -> Iterator[Finding]:
        """A forward that is not what the name says, though backward is the derivative of that."""
        if not self.calling.derivative or self.t.shape != self.x.shape:
            return
        x, places = self.x.astype(float), np.arange(self.x.size)
        asked = tried(_slopes, self, also=(ValueError,))
        if asked is None:
            return
        got, own = (a.ravel() for a in asked)

        with np.errstate(all="ignore"):
            count = len(list(definitions(self.name, self.t, x)))
            for i in range(0 if _times(got, own) else count):

                def wanted(v: np.ndarray, i: int = i) -> np.ndarray:
                    return list(definitions(self.name, self.t, v.reshape(x.shape)))[i]

                if times := _times(got, derivative(wanted, x, places, self.precision).value.sum(axis=1)):
                    text = f"the loss is not what {self.name} means, and backward is the derivative of what it means."
                    hint = "the signs and the terms of the formula: compute one example by hand"
                    yield Finding("forward", "", text, hint, line=self.quote(FORWARD, r"^return", r"="))
                    self.meant, self.times, self.unit, self.out = i, times, 1.0, times * wanted(x)
                    return

    def _settle_unit(self) -> None:
        """Whether backward is the derivative of the mean of what forward gives for each example, or of its sum."""
        if self.out.size < 2 or not self.calling.derivative:
            return
        asked = tried(_slopes, self, also=(ValueError,))
        if asked is None or asked[0].shape != self.x.shape or not np.isfinite(asked[1]).all():
            return
        # What is nearest: a backward with a mistake in it may be of either.
        self.unit = 1 / len(self.x) if abs(abs(_factor(*asked)) * len(self.x) - 1) < 0.3 else 1.0
        self.out = self.out * self.unit

    def definition(self, x: np.ndarray, out: np.ndarray, module: Any) -> list[np.ndarray]:
        """None: each course has its own, with its own means."""
        return []

    def takes_any_number(self) -> bool:
        """Whether forward is finite for negative numbers, and not cut off there: then predictions are no probabilities."""
        low = -np.abs(self.x) - 1
        there, further = (tried(self.forward, at) for at in (low, 2 * low))
        if there is None or further is None or not (np.isfinite(there).all() and np.isfinite(further).all()):
            return False
        return bool(there.shape == further.shape and not np.allclose(there, further, rtol=1e-9))

    def whole_numbers(self, operation: str) -> Iterator[tuple[str, Callable[[], np.ndarray], Callable[[], np.ndarray]]]:
        """The prediction alone: a truth of whole numbers is another form of truth here."""
        for name, wanted, got in super().whole_numbers(operation):
            if name == "yhat":
                yield "the prediction", wanted, got


def _slopes(subject: OtherLoss) -> tuple[np.ndarray, np.ndarray]:
    """What the derivative gives, and the differences of the sum of the losses."""
    x = subject.x.astype(float)
    got = subject.delta(subject.x, subject.weights(2))
    found = derivative(lambda v: subject.forward(v).ravel(), x, np.arange(x.size), subject.precision)
    return got, found.value.sum(axis=1).reshape(x.shape)


def _factor(got: np.ndarray, truth: np.ndarray) -> float:
    """The factor that brings the truth nearest to what was got."""
    power = float((truth * truth).sum())
    return float((got * truth).sum()) / power if power else 0.0


def _times(got: np.ndarray, truth: np.ndarray, rtol: float = 1e-4) -> float:
    """How many times the truth was got, a number above 0; else 0."""
    factor = _factor(got, truth) if got.size and got.shape == truth.shape else 0.0
    return factor if factor > 0 and np.allclose(got, factor * truth, rtol=rtol, atol=1e-6) else 0.0


def _flat(subject: OtherLoss, x: np.ndarray) -> np.ndarray:
    return subject.forward(x).ravel()


def check_other_loss(loss: Any, y: np.ndarray, yhat: np.ndarray, calling: Calling | None = None) -> Report:
    """The report on one loss of another style at this truth and this prediction."""
    calling = calling or calling_of(loss)
    assert calling is not None
    calling = calling.given_more(loss, y, yhat)
    if not calling.sure and not _is_right(loss, y, yhat, calling) and _is_right(loss, y, yhat, calling.turned()):
        calling = calling.turned()
    subject = OtherLoss(loss, np.array(y), np.array(yhat), calling)
    report = Report(f"{subject.name} on predictions of shape {subject.x.shape} and truth of shape {subject.y.shape}")
    examination = Examination(subject, report)
    plan = [(operation, probes) for operation, probes in PLAN if operation == FORWARD or calling.derivative]
    examination.carry_out(plan)
    _say_misspelt(report, subject)
    if subject.unit != 1:
        _remark(report, calling.derivative, "of the mean of the costs")
    for finding in report.findings:
        finding.locate(type(loss))
        if is_of_functions(loss):
            finding.where = finding.where.removeprefix(f"{subject.name}.")
    return report


def _remark(report: Report, operation: str, text: str) -> None:
    for i, (name, word, remark) in enumerate(report.verdicts):
        if name == operation and word == "right":
            report.verdicts[i] = (name, word, f"{remark}, {text}" if remark else text)


def _say_misspelt(report: Report, subject: OtherLoss) -> None:
    """A name that was repaired to go on is said first."""
    module = subject.fresh()
    if tried(subject.forward, subject.x, module) is None:
        return
    problem = getattr(module, "__dict__", {}).get("_misspelt")
    if problem is not None:
        where = f"{subject.name}.{subject.names[FORWARD]}"
        report.findings.insert(0, Finding(problem.kind, where, problem.message + ".", problem.hint, line=problem.line))
        report.verdicts = [
            (n, "wrong", ", ".join(["misspelt"] * (w == "right") + [r] * (w == "wrong")) or "misspelt")
            if n == subject.names[FORWARD]
            else (n, w, r)
            for n, w, r in report.verdicts
        ]


def _is_right(loss: Any, y: np.ndarray, yhat: np.ndarray, calling: Calling) -> bool:
    """Whether the derivative is right but for a factor, called so."""
    subject = OtherLoss(loss, np.array(y), np.array(yhat), calling)

    def ask() -> tuple[np.ndarray, np.ndarray]:
        subject.examine()
        return _slopes(subject)

    asked = tried(ask, also=(ValueError, TypeError))
    return asked is not None and bool(_times(*asked, rtol=1e-3))


# --- data for a loss that nobody has said anything about -------------------------------------------------------------


#: What is raised at data of another kind.
_OF_DATA = re.compile("has no attribute|Index|Axis")


def examine_loss_object(loss: Any, name: str, alone: bool = False) -> Report:
    """The report on a loss of any style, at data of the kinds that it takes: one-hot truth and integers, if it takes both.

    Parameters
    ----------
    alone : whether it belongs to layers that take one example at a time.
    """
    answered: list[Report] = []
    refused: list[Report] = []
    classes = re.search("cross|entrop|soft|nll|cce|categor", name, re.I) and not re.search("bin|bce", name, re.I)
    single = list(example_for(name))
    for truth, prediction in single if alone else [*data_for(name), *(single[:1] if classes else ())]:
        if truth.dtype.kind == "i" and truth.ndim < prediction.ndim and answered and not _LABELS.search(name):
            continue  # a loss of numbers that has taken numbers
        report = check_other_loss(loss, truth, prediction)
        value = next((f for f in report.findings if f.kind in ("crash", "shape", "signature") and _of_value(f, loss)), None)
        foreign = value is not None and is_of_functions(loss) and "'numpy.ndarray' object has no attribute" in value.message
        # A function that asks an array for what arrays have not takes tensors of a library.
        if (value is not None and (foreign or not _own_fault(value))) or (
            not _finite(loss, truth, prediction) and value is None
        ):
            refused.append(report)
        else:
            answered.append(report)
    said = {r.findings[0].message for r in refused[:3] if r.findings}
    everywhere = not answered and len(refused) > 2 and len(said) == 1 and not is_of_functions(loss)
    calling = calling_of(loss)
    if everywhere and calling is not None and takes_arrays(getattr(loss, calling.value)) and not _OF_DATA.search(said.pop()):
        return refused[0]  # the same whatever it is given
    if not answered:
        why = refused[0].findings[0].message if refused and refused[0].findings else "it is infinite at all that was tried"
        return not_checked(name, f"no data was found that it takes: {why} check_loss takes yours")
    right = [r for r in answered if r.ok]
    first = (right or sorted(answered, key=lambda r: "direction" in {f.kind for f in r.findings}))[0]
    alike = {"scale", "direction", "forward"} if NUMBERS.search(name) else {"scale"}
    if right and first is not answered[0] and {f.kind for f in answered[0].findings} <= alike:
        first, right = answered[0], []  # right for one output alone: the mean is over another number than it divides by
        for finding in first.findings:
            finding.message = f"{finding.message.rstrip('.')}; with one output it is right."
            if finding.kind == "scale":
                finding.hint = "one of the two divides by the outputs too, the other by the examples alone: the same in both"
    last = answered[-1]  # one example without an axis for the batch
    if right and last is not first and " (3,) " in last.subject:
        fresh = [f for f in last.findings if f.kind == "saturates" and _of_value(f, loss)]
        for finding in fresh:
            finding.message = f"for a single example: {finding.message}"
            first.verdict("a single example", right=False, remark="saturates")
        first.findings += fresh
    if right:
        # With truth of another form the same loss may go another way through the code, and stop there.
        for other in answered:
            own = [f for f in other.findings if f.kind == "crash" and _own_fault(f)]
            first.findings += own[:1]
            if own:
                first.verdict(f"with {other.subject.split(' and ')[-1]}", right=False, remark="crash")
                break
    return first


def _of_value(finding: Finding, loss: Any) -> bool:
    calling = calling_of(loss)
    return calling is not None and finding.where.split(".")[-1] == calling.value


def _own_fault(finding: Finding) -> bool:
    """Whether a crash comes from the code alone, and not from the data: a name that does not exist."""
    return bool(re.search(r"raises (Name|Attribute|UnboundLocal)Error", finding.message))


def _finite(loss: Any, truth: np.ndarray, prediction: np.ndarray) -> bool:
    calling = calling_of(loss)
    try:
        subject = OtherLoss(loss, truth, prediction, calling) if calling is not None else None
        return subject is not None and bool(np.isfinite(subject.forward(subject.x)).all())
    except (Misbehaviour, TypeError, ValueError):
        return True  # what it raises is said as such
