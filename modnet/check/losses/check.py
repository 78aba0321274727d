"""check_loss, and the reports on losses of hand-ins: of the contract or of another style, at data that they take.

How a loss of another style is called is the affair of `modnet.check.styles.loss_calls`; what is asked of either is in
`modnet.check.losses.subject`.
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import replace
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, tried
from modnet.check.building.constructors import build
from modnet.check.functions.found import loss_of
from modnet.check.losses.data import NUMBERS, data_for, example_for
from modnet.check.losses.subject import PLAN, LossSubject, times_truth
from modnet.check.modules.options import add_with
from modnet.check.probes.plan import Examination
from modnet.check.reading.arguments import NotBuilt, asks, needs, switches, takes_arrays
from modnet.check.reading.definitions import FUNCTIONS
from modnet.check.reading.vocabulary import FORWARD, meaning_of
from modnet.check.report import Finding, Report, not_checked
from modnet.check.styles.loss_calls import Calling, calling_of, is_of_functions, is_other_loss

_LABELS = re.compile("cross|entrop|ce($|_|loss)|cce|nll|soft|logit|hinge|perceptron|marg|svm|log|kl|xent", re.I)


def check_loss(loss: Any, y: Any, yhat: Any) -> Report:
    """Check a loss and its derivative.

    Parameters
    ----------
    loss : any object with forward(y, yhat) and backward(y, yhat); or a loss of another style, whose arguments say by their
        names which is the prediction: forward(y_pred, y_true) with backward(dvalues, y_true), backward(dout) or backward();
        loss and gradient; a function that gives ``(loss, dx)``; a pair ``(mse, mse_prime)`` of functions. There a mean, over
        the batch or over all numbers, is as right as a sum, if forward and backward agree on it. It is left as it is.
    y : (batch, ...), the truth, as the loss takes it: integer labels, one-hot rows or numbers.
    yhat : (batch, ...), predictions, as the loss takes them: scores, probabilities or numbers. At least two examples show more.

    Returns
    -------
    report : see `Report`.

    Raises
    ------
    TypeError : if loss is a class, or neither an object with forward nor a function or two.
    """
    functions = loss if isinstance(loss, tuple | list) else (loss,)
    if 1 <= len(functions) <= 2 and all(inspect.isroutine(f) for f in functions):
        made = loss_of(*functions)
        return check_called(made, np.array(y), np.array(yhat), made.calling)
    other = not isinstance(loss, type) and is_other_loss(type(loss))
    if isinstance(loss, type) or not (other or callable(getattr(loss, "forward", None))):
        got = f"the class {loss.__name__}" if isinstance(loss, type) else f"of type {type(loss).__name__}, without forward"
        raise TypeError(f"check_loss: loss is {got}, expected an object with forward and backward")
    if other and (calling := Calling.of(loss)) is not None:
        return check_called(loss, np.array(y), np.array(yhat), calling)
    subject = LossSubject(loss, np.array(y), np.array(yhat))
    report = Report(f"{subject.name} on y {subject.y.shape} and yhat {subject.x.shape}")
    return Examination(subject, report).carry_out(PLAN)


def check_called(loss: Any, y: np.ndarray, yhat: np.ndarray, calling: Calling) -> Report:
    """The report on one loss of another style, called so, at this truth and this prediction."""
    calling = calling.given_more(loss, y, yhat)
    if not calling.sure and not _is_right(loss, y, yhat, calling) and _is_right(loss, y, yhat, calling.turned()):
        calling = calling.turned()
    name = calling.derivative
    if "score" in calling.given:
        calling = _of_scores(loss, y, yhat, calling)
    subject = LossSubject(loss, np.array(y), np.array(yhat), calling)
    report = Report(f"{subject.name} on predictions of shape {subject.x.shape} and truth of shape {subject.y.shape}")
    examination = Examination(subject, report)
    plan = [(operation, probes) for operation, probes in PLAN if operation == FORWARD or calling.derivative]
    examination.carry_out(plan)
    if calling.derivative != name:
        report.verdict(name, right=None, remark="what makes predictions of scores is not known")
    _say_misspelt(report, subject)
    if subject.unit != 1:
        _remark(report, calling.derivative, "of the mean of the costs")
    for finding in report.findings:
        finding.locate(type(loss))
        if is_of_functions(loss):
            finding.where = finding.where.removeprefix(f"{subject.name}.")
    return report


def _of_scores(loss: Any, y: np.ndarray, yhat: np.ndarray, calling: Calling) -> Calling:
    """The calling of a loss whose derivative is by scores: with what makes predictions of them where that derivative is right.

    Else with a sigmoid, as in Nielsen's book, if there is one in its file; or with nothing, if there is none and that is right.
    The derivative is not asked if neither or both may be meant.
    """
    ways = [replace(calling, made_by=FUNCTIONS[name]) for name in ("sigmoid", "softmax", "tanh", "relu")]
    right = next((way for way in ways if _is_right(loss, y, yhat, way)), None)
    alone = _is_right(loss, y, yhat, calling)
    if right is None and alone != any("sigm" in n.lower() for n in vars(sys.modules.get(type(loss).__module__, loss))):
        right = calling if alone else ways[0]
    return replace(calling, derivative="") if right is None else right


def _remark(report: Report, operation: str, text: str) -> None:
    for i, (name, word, remark) in enumerate(report.verdicts):
        if name == operation and word == "right":
            report.verdicts[i] = (name, word, f"{remark}, {text}" if remark else text)


def _say_misspelt(report: Report, subject: LossSubject) -> None:
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
    asked = LossSubject(loss, y, yhat, calling).slopes()
    return asked is not None and bool(times_truth(*asked, rtol=1e-3))


# --- data for a loss that nobody has said anything about -------------------------------------------------------------


_CLASSES = 3  # how many columns the data have


def built_loss(cls: type, options: dict[str, Any] | None = None) -> Any:
    """An object of a loss's class, for as many classes or outputs as the data have."""
    sizes = [p.name for p in asks(cls, by_name=True) if p.default in (None, p.empty)]
    counts = {n: _CLASSES for n in sizes if meaning_of(n, ("classes", "output", "features"))}
    return build(cls, {**counts, **(options or {})})


#: What is raised at data of another kind.
_OF_DATA = re.compile("has no attribute|Index|Axis")


def examine_loss_object(loss: Any, name: str, layout: str = "") -> Report:
    """The report on a loss of any style, at data of the kinds that it takes: one-hot truth and integers, if it takes both.

    Parameters
    ----------
    layout : of the layers that it belongs to, if they take one example at a time, "single", or an example a column, "columns".
    """
    calling, alone = calling_of(loss), layout == "single"
    assert calling is not None
    calling = replace(calling, columns=layout == "columns")
    answered: list[Report] = []
    refused: list[Report] = []
    classes = re.search("cross|entrop|soft|nll|cce|categor", name, re.I) and not re.search("bin|bce", name, re.I)
    single = list(example_for(name))
    for truth, prediction in single if alone else [*data_for(name), *(single[:1] if classes else ())]:
        if truth.dtype.kind == "i" and truth.ndim < prediction.ndim and answered and not _LABELS.search(name):
            continue  # a loss of numbers that has taken numbers
        report = check_called(loss, truth, prediction, calling)
        value = next((f for f in report.findings if f.kind in ("crash", "shape", "signature") and _of_value(f, calling)), None)
        foreign = value is not None and is_of_functions(loss) and "'numpy.ndarray' object has no attribute" in value.message
        # A function that asks an array for what arrays have not takes tensors of a library.
        if (value is not None and (foreign or not _own_fault(value))) or (
            value is None and not _finite(loss, truth, prediction, calling)
        ):
            refused.append(report)
        else:
            answered.append(report)
    said = {r.findings[0].message for r in refused[:3] if r.findings}
    built_so = is_of_functions(loss) or needs(type(loss))  # for sizes that the data have not
    everywhere = not answered and len(refused) > 2 and len(said) == 1 and not built_so
    if everywhere and takes_arrays(getattr(loss, calling.value)) and not _OF_DATA.search(said.pop()):
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
    otherwise = any(f.weight == "wrong" and f.kind != "crash" for f in answered[0].findings)  # takes that, with other numbers
    if right and otherwise and first is not answered[0] and _applies_softmax(loss, calling):
        first, right = answered[0], []  # of scores: right for some alone, such as those above 0
    last = answered[-1]  # one example without an axis for the batch
    if right and last is not first and " (3,) " in last.subject:
        fresh = [f for f in last.findings if f.kind == "saturates" and _of_value(f, calling)]
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


def _applies_softmax(loss: Any, calling: Calling) -> bool:
    """Whether what a loss gives is the cross-entropy of the softmax of its prediction."""
    for truth, scores in data_for("cross"):
        labels = truth.argmax(axis=-1) if truth.ndim == 2 else truth
        if scores.ndim == 2 and truth.ndim < 3 and scores.shape[1] == _CLASSES:
            wanted = -np.log(FUNCTIONS["softmax"](scores))[np.arange(len(scores)), labels.astype(int)]
            out = tried(LossSubject(loss, truth, scores, calling).forward, scores, also=(TypeError, ValueError))
            same = [w for w in (wanted, wanted.sum(), wanted.mean()) if out is not None and np.allclose(out, w, rtol=1e-6)]
            if same:
                return True
    return False


def _of_value(finding: Finding, calling: Calling) -> bool:
    return finding.where.split(".")[-1] == calling.value


def _own_fault(finding: Finding) -> bool:
    """Whether a crash comes from the code alone, and not from the data: a name that does not exist."""
    return bool(re.search(r"raises (Name|Attribute|UnboundLocal)Error", finding.message))


def _finite(loss: Any, truth: np.ndarray, prediction: np.ndarray, calling: Calling) -> bool:
    """Whether the losses are finite there; what is raised is said as such."""
    subject = LossSubject(loss, truth, prediction, calling)
    out = tried(subject.forward, subject.x, also=(TypeError, ValueError))
    return out is None or bool(np.isfinite(out).all())


# --- a class of the contract -----------------------------------------------------------------------------------------


def examine_loss(cls: type) -> Report:
    """The report on a loss's class, at data of a kind that it takes."""
    try:
        made = build(cls)
    except NotBuilt as problem:
        return not_checked(cls.__name__, str(problem))
    y, yhat = loss_data(made)
    report = check_loss(made, y, yhat)
    if yhat[0].size == 1 and not re.search("hinge|perceptron|marg", cls.__name__, re.I):
        where, text = f"{cls.__name__}.{FORWARD}", "forward takes one output only; the statement's has (batch, d)."
        hint = "work on rows: the difference, then a sum over axis 1"
        report.findings.insert(0, Finding("shape", where, text, hint, given_weight="in part"))

    def of_methods(option: str, value: Any) -> Report:
        """The same class with the option given in each method that has it."""

        def given(method: Any) -> Any:
            has = option in inspect.signature(method).parameters
            return lambda self, y, yhat: method(self, y, yhat, **({option: value} if has else {}))

        own = build(type(cls.__name__, (cls,), {n: given(getattr(cls, n)) for n in (FORWARD, "backward") if hasattr(cls, n)}))
        return check_loss(own, *loss_data(own, log=option == "log" and value))

    def of_class(option: str, value: Any) -> Report:
        own = build(cls, {option: value})
        return check_loss(own, *loss_data(own))

    add_with(report, switches(getattr(cls, "backward", None) or cls), of_methods, row=False)
    add_with(report, switches(cls), of_class, row=False)
    return report


def loss_data(loss: Any, log: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """y and yhat that a loss takes: the first of its kind at which it is as defined, else one at which it answers.

    Data of one column come last: a loss that takes nothing else takes them.
    """
    ranked = []
    candidates = list(data_for(type(loss).__name__, statement=True, log=log))
    for place, (y, yhat) in enumerate(candidates):
        try:
            subject = LossSubject(loss, y, yhat)
            out = subject.forward(subject.x)
        except (Misbehaviour, TypeError, ValueError):
            continue
        if not np.isfinite(out).all():
            continue
        fits = False
        for w in subject.definition(subject.x, out, None):
            if subject.raw_shape == ():
                fits = fits or bool(np.isclose(float(out[0]), [w.sum(), w.mean(), w.mean() / yhat[0].size], rtol=1e-3).any())
            elif w.shape == out.shape:
                fits = fits or bool(np.allclose(out, w, rtol=0.05, atol=1e-3))
        column = yhat.ndim == 1 or yhat.shape[-1] == 1
        merged = subject.raw_shape == (yhat.size,) and not column  # reshape(-1): the examples cannot be told apart
        outside = not subject.takes_any_number() and (yhat.min() < 0 or yhat.max() > 1)  # it wants probabilities
        ranked.append((merged, column, outside, not fits, place))
    return candidates[min(ranked)[-1] if ranked else 0]
