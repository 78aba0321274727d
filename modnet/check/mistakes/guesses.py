"""The mistakes, tried one by one: what the module would have returned if this were its mistake.

Each hypothesis is computed from the finite differences of the author's own forward; the first that equals what was returned is
the diagnosis. If none does, each is tried once more together with a constant factor, and in the end two by two: a gradient is
put together of a few `Parts`, a mistake is made in one of them, and two mistakes in different parts are a composition.
Nothing is concluded from names. The hypotheses themselves are in two lists, in whose order the surest sign comes first:
`modnet.check.mistakes.of_input` and `modnet.check.mistakes.of_parameters`. Here is how they are tried, and what both share.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.question import Question, draw_delta
from modnet.check.asking.subject import Subject
from modnet.check.report import Finding


class Parts(NamedTuple):
    """What a gradient is put together of: after(add(slopes * delta)).

    slopes (entries, outputs) : the derivative of forward. delta (outputs,). add : from what each output gives back, (entries,
    outputs), to the gradient (entries,). after : what is done to that.
    """

    slopes: np.ndarray
    delta: np.ndarray
    add: Callable[[np.ndarray], np.ndarray] = lambda gives: gives.sum(axis=1)
    after: Callable[[np.ndarray], np.ndarray] = lambda gradient: gradient


class Hypothesis(NamedTuple):
    """One mistake, and what would be returned if it were made; without values it has been seen already.

    changed : the `Parts` that are others then, by name; empty if the mistake is not made in one of them.
    """

    kind: str
    message: str
    hint: str
    values: np.ndarray | None = None
    lines: tuple[str, ...] = ()
    changed: dict[str, Any] = {}


Hypotheses = Iterator[Hypothesis]
FLIP = "weight i of the window belongs to position start + i of the input, in forward and here: no [::-1]"
SWAPPED = "input.T @ delta, not delta.T @ input"


def made(q: Question, kind: str, message: str, hint: str, lines: tuple[str, ...] = (), **changed: Any) -> Hypothesis:
    """A mistake in one of the parts that a gradient is put together of."""
    return Hypothesis(kind, message, hint, _together(q, changed), lines, changed)


def _together(q: Question, changed: dict[str, Any]) -> np.ndarray:
    """The gradient if some of its parts are others."""
    parts = Parts(q.jacobian, q.delta.ravel())._replace(**changed)
    return parts.after(parts.add(parts.slopes * parts.delta.ravel()))


def diagnose(subject: Subject, q: Question, operation: str, hypotheses: Iterable[Hypothesis]) -> list[Finding]:
    """The mistake that gives these numbers, or the mistake and the factor; empty if none does."""
    tried: list[Hypothesis] = []
    try:
        if not np.isfinite(q.got).all():
            return [
                q.finding(
                    "saturates",
                    f"{operation} is NaN or infinite although the derivative is finite.",
                    "a division by zero, a log of zero or an overflow in exp; np.seterr(all='raise') stops at the line",
                )
            ]
        for hypothesis in hypotheses:
            if hypothesis.values is None or q.is_like(hypothesis.values):
                return [finding_of(subject, q, hypothesis)]
            tried.append(hypothesis)
    except Misbehaviour:
        pass  # trying one was more than the module can take
    pairs: list[tuple[int, float, Hypothesis, str]] = []
    for hypothesis in tried:
        if hypothesis.values is None or hypothesis.kind in ("not-implemented", "integer-result"):
            continue
        factor = q.factor(hypothesis.values)
        if factor and (name := factor_name(subject, q, factor)):
            pairs.append((int(abs(abs(factor) - 1) > 1e-4), factor, hypothesis, name))
    if not pairs:
        return []
    _, factor, hypothesis, name = min(pairs, key=lambda pair: pair[0])  # a sign alone is the simplest
    found = [finding_of(subject, q, hypothesis)]
    if hypothesis.kind == "sign" and subject.undefined and q.of_loss:
        return found  # another course's loss: who takes the mean cannot be told from a derivative with wrong signs
    return [*found, scale(q, operation, factor, name, beside=True)]


def diagnose_two(
    subject: Subject,
    asked: Iterable[Question],
    hypotheses: Callable[[Question], Iterable[Hypothesis]],
    answer: Callable[[np.ndarray], np.ndarray],
) -> list[Finding]:
    """The two mistakes that give these numbers together, and those for another delta, too; empty if no two do.

    asked : about each function that forward may be meant to be. answer : what comes back for a delta.
    """
    for q in asked:
        try:
            again = q.with_delta(draw_delta(q.out, 11))
            again.answer(answer(again.delta))
            first, second = ([h for h in hypotheses(each) if h.changed] for each in (q, again))
            for one, other in itertools.combinations(first, 2):
                if one.changed.keys() & other.changed.keys() or not q.is_like(_together(q, one.changed | other.changed)):
                    continue
                pairs = itertools.product(*([h for h in second if h[:2] == mistake[:2]] for mistake in (one, other)))
                if any(again.is_like(_together(again, a.changed | b.changed)) for a, b in pairs):
                    return [finding_of(subject, q, one), finding_of(subject, q, other)]
        except Misbehaviour:
            pass  # trying one was more than the module can take
    return []


def finding_of(subject: Subject, q: Question, hypothesis: Hypothesis) -> Finding:
    """The finding of this mistake."""
    operation = q.where.split(".")[-1]
    line = subject.quote(operation, *hypothesis.lines, r"^return") if hypothesis.lines else ""
    return q.finding(hypothesis.kind, hypothesis.message, hypothesis.hint, line)


# --- factors ---------------------------------------------------------------------------------------------------------


def scaled(subject: Subject, q: Question, operation: str) -> Hypotheses:
    """A constant factor, with its name."""
    factor = q.factor(q.truth)
    if factor and len(q.truth) > 1 and abs(factor - 1) >= 1e-5:
        finding = scale(q, operation, factor, factor_name(subject, q, factor) or f"{abs(factor):.6g}")
        yield Hypothesis(finding.kind, finding.message, finding.hint)


def scale(q: Question, operation: str, factor: float, name: str, beside: bool = False) -> Finding:
    """The finding for a constant factor of this name, alone or beside another mistake."""
    but = f"beside that, {operation} is" if beside else f"{operation} is right but for a factor: it is"
    if abs(factor + 1) < 1e-4:
        text = f"{'beside that, ' * beside}{operation} has the wrong sign."
        return q.finding("sign", text, "the sign in front")
    minus = "minus " if factor < 0 else ""
    hint, batch = "the constant in front", len(q.x)
    if q.of_loss:
        hint = (
            "forward takes a mean that backward leaves out, or backward one that forward leaves out: take none, in both"
            if "number" in name or "size" in name
            else "the constant in front: the derivative of (yhat - y)^2 is 2 (yhat - y)"
        )
        outputs = q.x.shape[-1] if q.x.ndim > 1 else 1
        if "number" not in name and outputs > 1 and min(abs(abs(factor) - n) for n in (outputs, 1 / outputs)) < 1e-4:
            hint += "; or only one of the two divides by the outputs"
    if batch > 1 and "batch" in name and abs(factor) < 1:
        hint = (
            "a mean over the batch: backward is for each example's own loss; whoever trains divides, once"
            if q.of_loss
            else "a mean over the batch, but the contract sums: write sum, not mean, and do not divide by len(X); whoever "
            "trains divides, once"
        )
        if "twice" in name:
            hint += "; and the derivative of (yhat - y)^2 is 2 (yhat - y)"
    elif batch > 1 and "size of the batch" in name and q.of_loss:
        hint = "the loss is a mean over the batch, so its derivative is divided by len(X) too"
    hint += "; and the sign in front" if minus else ""
    comma = "," * ("," in name)
    return q.finding("scale", f"{but} {minus}{name}{comma} times the truth.", hint)


def factors(q: Question) -> tuple[float, ...]:
    """The factors that a part of a derivative has by mistake, the likeliest first."""
    batch, numbers = len(q.x), q.x[0].size
    return tuple(dict.fromkeys(f for f in (-1.0, 1 / batch, 0.5, 2.0, float(batch), 1 / numbers, 1 / q.x.size) if f != 1))


def factor_name(subject: Subject, q: Question, factor: float) -> str:
    """A factor in words, if it is one that people write by mistake."""
    batch, features_in, features_out = len(q.x), q.x[0].size, q.out.size // len(q.out) if q.out.ndim else 1
    if subject.columns:
        batch, features_in, features_out = features_in, batch, len(q.out)
    names: dict[float, str] = {}
    if batch > 1:
        names |= {1 / batch: f"1/{batch}, one over the size of the batch", batch: f"{batch}, the size of the batch"}
    names.setdefault(2.0, "2")
    names.setdefault(0.5, "1/2")
    sizes = {"number of inputs": features_in, "number of outputs": features_out}
    if q.of_loss:
        sizes = {"number of features": features_in, "number of entries of yhat": batch * features_in}
        if batch > 1:
            names.setdefault(0.5 / batch, f"1/{2 * batch}, one over twice the size of the batch")
        if batch > 1 and features_in > 1:
            text = f"{features_in}/{batch}, the number of features over the size of the batch"
            names.setdefault(features_in / batch, text)
    else:
        windows = int(np.prod(q.out.shape[1:-1])) if q.out.ndim > 2 else 0
        over = {"number of windows": windows, "number of windows of the batch": batch * windows} if windows else {}
        sizes = {
            **over,
            **sizes,
            "number of all outputs of the batch": batch * features_out,
            "number of channels": q.x.shape[-1],
            "number of output channels": q.out.shape[-1],
        }
    sizes |= {
        f"value of {key}": v
        for key, v in getattr(subject.original, "__dict__", {}).items()
        if isinstance(v, int) and not isinstance(v, bool) and v > 1
    }
    for text, size in sizes.items():
        names.setdefault(1 / size, f"1/{size}, one over the {text}")
        names.setdefault(float(size), f"{size}, the {text}")
    names.setdefault(1.0, "1")
    found = next((text for value, text in names.items() if abs(abs(factor) - value) < 1e-4 * value), "")
    return "" if found == "1" and factor > 0 else found


def signs(q: Question, name: str) -> Hypotheses:
    """The wrong sign in places."""
    text = f"{name} has the wrong sign for some inputs."
    hint = "the sign of each term: the derivative of abs(z) is np.sign(z)" + q.of_loss * ", of log(1 - p) it is -1 / (1 - p)"
    yield Hypothesis("sign", text, hint, np.copysign(q.truth, q.got))


def lost(q: Question, name: str, hint: str, line: str) -> Hypotheses:
    """Nothing but zeros, or what is before the point."""
    if not q.got.any():
        yield Hypothesis("not-implemented", f"{name} returns only zeros.", hint)
    whole = np.array_equal(q.got, np.trunc(q.got)) and np.array_equal(q.got, np.trunc(q.truth)) and q.truth.any()
    if whole or not q.got.size:
        message = f"{name} is written into whole numbers: what is after the point is lost."
        advice = "np.full(shape, 0) and np.array([0, 0]) hold whole numbers: write 0.0, or dtype=float"
        yield Hypothesis("integer-result", message, advice, lines=(line,))


def clipped(q: Question, operation: str, ask: Callable[[np.ndarray], np.ndarray]) -> Hypotheses:
    """Right as long as delta is small."""
    small = ask(1e-3 * q.delta).ravel()
    if small.size == int(np.prod(q.shape)) and np.allclose(1e3 * small[q.entries], q.truth, rtol=1e-4, atol=1e-6):
        text = f"{operation} is right for a small delta and wrong for a large one: numbers are cut off."
        hint = "pass on delta as it is; if gradients have to be clipped, the optimizer does it, once, before its step"
        yield Hypothesis("clipped", text, hint, lines=(r"clip|minimum|maximum|norm",))


def is_same(q: Question, other: np.ndarray) -> bool:
    """Whether the answer to another question is the same."""
    return other.size == int(np.prod(q.shape)) and np.allclose(other.ravel()[q.entries], q.got, rtol=1e-10, atol=0)
