"""Probes of backward_delta, or of a loss's backward: whether it is the derivative of forward by its input."""

from __future__ import annotations

import re
from copy import copy
from functools import partial

import numpy as np

from modnet.check.asking.arrays import GRADIENTS, PARAMETERS
from modnet.check.asking.calls import Misbehaviour, tried
from modnet.check.asking.numeric import along, complex_step
from modnet.check.asking.question import Question, direction
from modnet.check.asking.subject import Subject
from modnet.check.mistakes import of_input
from modnet.check.mistakes.guesses import diagnose, diagnose_two, finding_of
from modnet.check.probes import forward
from modnet.check.probes.forward import RETURN, Findings
from modnet.check.probes.plan import Examination, Judged, Probe, skip
from modnet.check.reading.arguments import asks
from modnet.check.reading.definitions import FUNCTIONS, plain_name
from modnet.check.reading.vocabulary import DELTA, FORWARD
from modnet.check.report import Finding

NOTHING_TOLD = "differences of forward say nothing here: it jumps between inputs that hardly differ; give another input"
#: What a factor of the formula that is left out looks like, too: 2 delta for the derivative of x^2.
_ALIKE = {"identity", "scale"}
_ALL = 2000  # numbers that are varied one by one, if a sample of them does not show what is wrong
_DIVIDES = (
    "a divisor is 0 there: if forward has log(p + eps), divide by p + eps, and by 1 - p + eps; else by np.maximum(p * (1 - p), "
    "1e-12)"
)
#: Not by how many there are.
_DIVISION = r"/(?! *\(?(len\b|[\w.]*(shape|size|samples?|batch|outputs?|count|num)|(self\.)?[nNm]\b|\d))"
_IN_TERMS_OF_THE_OUTPUT = (
    "write the derivative in terms of the output, which is finite: out = self.forward(input), then out * (1 - out) for a "
    "sigmoid, 1 - out ** 2 for tanh"
)


def exists(e: Examination) -> Findings:
    """There is one, and it takes what it should."""
    if e.subject.x.dtype.kind != "f":
        skip(e, DELTA, "an integer input has no derivative")
    yield from forward.there(e, DELTA)


def answers(e: Examination) -> Findings:
    """It answers in the shape of the input."""
    subject, x = e.subject, e.subject.x
    got = subject.delta(x, subject.weights(2))
    if got.shape != x.shape:
        by_size = e.shapes.finding(DELTA)
        hint = f"return dL/dinput, of the shape of input{x.shape}" if got.size != x.size else "reshape it to input.shape"
        text = f"{subject.names[DELTA]} returns shape {got.shape}, expected {x.shape}, {subject.of_input}."
        if not got.size and (cut := subject.quote(DELTA, r":\s*-\s*(self\.)?\w*p(ad\w*)?\s*[,\]]")):
            hint = "x[p:-p] is empty if p is 0: write x[p : p + height], or leave the cut out without a padding"
            yield Finding("padding", "", f"{text} Without a padding nothing is left of it.", hint, line=cut)
            raise Judged
        yield by_size or subject.wrong(DELTA, "shape", text, hint, RETURN)
        raise Judged


def derivative(e: Examination) -> Findings:
    """It is dL/dinput; if not, which mistake, or which two, give its numbers exactly."""
    subject, x, weights = e.subject, e.subject.x, e.subject.weights(2)
    q = e.by_input = e.ask("", lambda: subject.delta(x, weights))
    q.line = subject.quote(DELTA, RETURN)
    if not np.isfinite(q.truth).all():
        skip(e, DELTA, "forward is not finite near this input")
    if not q.right and q.error < 1e-3 and subject.dtype == np.float64:
        # So near that the differences themselves may be at fault.
        module = subject.fresh()
        exact = complex_step(lambda v: np.asarray(subject.ask(FORWARD, module, v)).ravel(), x, q.entries, q.jacobian)
        if exact is not None:
            q.settle(exact)
    if q.right and not q.whole and not _right_along(e, q.got_all.reshape(x.shape)):
        q = e.by_input = e.ask("", lambda: subject.delta(x, weights), every=x.size <= _ALL)
        q.line = subject.quote(DELTA, RETURN)
        if q.right:
            yield direction(q, subject.names[DELTA])
            return
    if q.right:
        if not q.telling:
            skip(e, DELTA, NOTHING_TOLD)
        e.remarks[DELTA] = f"relative error {q.error:.1e}"
        return
    if (meant := _meant(e)) is not None and meant.right:
        yield _other_than_named(e)
        return
    found = subject.explain_delta(q)
    if found is None:
        for each in (q, *q.others):
            found = found or diagnose(subject, each, subject.names[DELTA], of_input.for_delta(subject, each))
            if not found or {f.kind for f in found} == _ALIKE:
                found = _inside(subject, each, alone=True) or found
        if found and found[0].kind == "ignores-delta":
            found += _beside_delta(e, q)
        found = e.shapes.explained(DELTA, q, found or [])
        if not found or {f.kind for f in found} == {"direction"}:
            hypotheses = partial(of_input.for_delta, subject)
            both = diagnose_two(subject, (q, *q.others), hypotheses, partial(subject.delta, x))
            found = both or _inside(subject, q, alone=False) or found
    if meant is not None and (not found or {f.kind for f in found} == {"direction"}):
        beside = diagnose(subject, meant, subject.names[DELTA], of_input.for_delta(subject, meant))
        beside = beside or _inside(subject, meant, alone=True) or _inside(subject, meant, alone=False)
        found = [_other_than_named(e), *beside] if beside else found
    found = found or [subject.unexplained(q, subject.names[DELTA])]
    # What mends these leaves the formula's limits as they are.
    e.mended = q.factor(q.truth) is not None or {f.kind for f in found} == {"diagonal"}
    yield from found


def averaged(e: Examination) -> Findings:
    """It takes no mean over the batch, which one example alone does not show: it is asked about the same one twice.

    So it is if forward couples examples; here forward gives each what it gives it alone.
    """
    subject, delta = e.subject, e.subject.weights(2)
    if not subject.coupled or e.by_input is None:
        return
    subject.repair = lambda x, module: np.concatenate([subject.forward(x[i : i + 1]) for i in range(len(x))])
    try:
        twice = subject.delta(np.concatenate([subject.x] * 2), np.concatenate([delta] * 2))
    except (Misbehaviour, ValueError):
        return
    finally:
        subject.repair = None
    alone = e.by_input.got_all.reshape(subject.x.shape)
    if alone.any() and twice.shape == (2, *alone.shape[1:]) and np.allclose(2 * twice, np.concatenate([alone] * 2)):
        text = f"{subject.names[DELTA]} is one over the size of the batch, times what it is for one example alone."
        hint = "a mean over the batch, but the contract sums: write sum, not mean, and do not divide by len(X)"
        yield subject.wrong(DELTA, "scale", text, hint, r"mean|/", RETURN)


def _inside(subject: Subject, q: Question, alone: bool) -> list[Finding]:
    """The findings about a mistake inside the formula of an elementwise derivative, alone or with another one."""
    return [finding_of(subject, q, h) for h in of_input.inside_derivative(subject, q, alone)]


def _meant(e: Examination) -> Question | None:
    """The derivative of what the name says, if a layer of another style has the name of a function and forward is another."""
    subject, name = e.subject, re.sub("(?i)activation|layer|function|_", "", type(e.subject.original).__name__)
    function = FUNCTIONS.get(plain_name(name, exact=True))
    known = e.wrong_forward or subject.coupled or e.reference is not None  # then it is said, or this does not help
    if known or not subject.undefined or asks(type(subject.original)) or function is None:  # an option may make it another
        return None
    out = function(subject.x)
    if out.shape != subject.out.shape or any(np.allclose(out, same, rtol=1e-6, atol=1e-9) for same in (subject.x, subject.out)):
        return None
    q = e.question(lambda x, module: function(x), "")
    if q is None:
        return None
    subject.repair = lambda x, module: function(x)
    try:
        q.answer(subject.delta(subject.x, subject.weights(2)))
    except Misbehaviour:
        return None
    finally:
        subject.repair = None
    return q


def _other_than_named(e: Examination) -> Finding:
    """A forward that is not what the name says, though backward is made for that."""
    text = f"forward is not what {e.subject.name} means, and {e.subject.names[DELTA]} is the derivative of what it means."
    hint = "the signs and the constants of the formula: compute one number by hand"
    finding = e.subject.wrong(FORWARD, "forward", text, hint, RETURN, r"=")
    finding.where = f"{e.subject.name}.{e.subject.names[FORWARD]}"
    return finding


def _beside_delta(e: Examination, q: Question) -> list[Finding]:
    """What else is wrong with an answer that ignores delta: it is held to the derivative with a delta of ones."""
    asked = [copy(each) for each in (q, *q.others)]  # about forward as it is, and as it is defined
    for each in asked:
        each.got, each.delta = q.got, np.ones(q.delta.shape)
        each.settle(each.jacobian)
        if each.is_like(each.truth) or np.abs(each.truth).max(initial=0.0) < 1e-8:
            return []
    alone = asked[0]
    of_delta = ("ignores-delta", "identity", "clipped", "cut-short")
    others = (h for h in of_input.for_delta(e.subject, alone) if h.kind not in of_delta)
    found = diagnose(e.subject, alone, e.subject.names[DELTA], others)
    found = found or _inside(e.subject, alone, alone=True)
    for finding in found:
        finding.message = f"with a delta of ones, {finding.message}"
    return found


def _right_along(e: Examination, got: np.ndarray) -> bool:
    """If not every entry was varied: the derivative along random directions, which touch them all."""
    subject, x, weights = e.subject, e.subject.x, e.subject.weights(2)
    rng, module = np.random.default_rng(9), e.subject.fresh()
    tolerance = 1e-4 if subject.dtype == np.float64 else 2e-2

    def f(z: np.ndarray) -> np.ndarray:
        return np.asarray((weights * subject.forward(z, module)).sum())

    for _ in range(3):
        v = rng.choice([-1.0, 1.0], x.shape) * rng.uniform(0.5, 1, x.shape) * 1e-2
        start = x.astype(np.float64)
        wanted = float(along(f, start, v, subject.precision))
        if abs(wanted - float(along(f, start, 3 * v, subject.precision)) / 3) > 1e-2 * tolerance * abs(wanted) + 1e-9:
            continue  # a kink near by
        if not abs(float((got * v).sum()) - wanted) <= tolerance * max(float(np.linalg.norm(got)), 1e-6) * np.linalg.norm(v):
            return False
    return True


def stateful(e: Examination, operation: str = DELTA) -> Findings:
    """It answers for the input that it is given, not for what was forwarded last."""
    subject = e.subject
    if subject.may_remember or not subject.takes_input(operation):
        return
    x, weights = subject.x, subject.weights(2)
    name = subject.names[operation]

    def ask(before: np.ndarray | None) -> dict[str, np.ndarray]:
        if operation == DELTA:
            return {"": subject.delta(x, weights, before)}
        found = subject.gradients(x, weights, before=before)
        return {n: found[n] for n in e.questions if n in found}

    usual = ask(None)
    for before in subject.other_inputs():
        try:
            again, remark = ask(before), ""
        except Misbehaviour as problem:
            if problem.kind != "crash":
                return
            again, remark = {}, f" ({problem.message.split(' raises ')[-1]})"
        if again.keys() == usual.keys() and all(
            a.shape == again[n].shape and np.allclose(a, again[n], rtol=1e-5, atol=1e-7, equal_nan=True)
            for n, a in usual.items()
        ):
            continue
        kept = sorted(getattr(subject.fresh(), "__dict__", {}).keys() - {PARAMETERS, GRADIENTS})
        text = f"{name} answers for what was forwarded last, not for the input it is given{remark}."
        hint = "use the argument input; what forward kept in self belongs to another batch by then"
        yield subject.wrong(operation, "stateful", text, hint, *(rf"self\.{n}\b" for n in kept), r"self\.\w+\b(?!\()")
        return


def remembered(e: Examination) -> Findings:
    """A layer that remembers its input remembers the last one alone: nothing of what was forwarded before."""
    subject, q = e.subject, e.by_input
    if q is None or not q.right or not subject.remembers or subject.random or subject.carries:
        return
    weights = subject.weights(2)
    for before in subject.other_inputs():
        module, remark = subject.fresh(), ""
        if tried(subject.ask, FORWARD, module, before, also=(TypeError, ValueError)) is None:
            continue
        try:
            subject.ask(FORWARD, module, subject.x)
            got = subject.as_output(subject.ask(DELTA, module, subject.x, weights), DELTA, subject.x)
        except Misbehaviour as problem:
            got, remark = np.empty(0), f" ({problem.message})"
        if got.shape == q.shape and np.allclose(got, q.got_all.reshape(q.shape), rtol=1e-5, atol=1e-7):
            continue
        name = subject.names[DELTA]
        text = f"{name} is right after one forward, but not after two: what the first has left is still there{remark}."
        hint = "set what backward reads anew in every forward: an attribute that is filled in __init__ or once grows old"
        yield subject.wrong(DELTA, "stateful", text, hint, r"append|extend|\+=", r"self\.\w+")
        raise Judged


def repeated(e: Examination) -> Findings:
    """A layer that remembers its input begins its derivative anew in every call."""
    subject, q = e.subject, e.by_input
    if q is None or not q.right or not subject.remembers or subject.random or subject.coupled or subject.batch_statistics:
        return
    module, weights, answers = subject.fresh(), subject.weights(2), list[np.ndarray]()
    for _ in range(2):
        subject.ask(FORWARD, module, subject.x)
        answers.append(subject.as_output(subject.ask(DELTA, module, subject.x, weights), DELTA, subject.x).copy())
    if answers[0].shape == answers[1].shape and np.allclose(answers[1], answers[0] + answers[0]) and answers[0].any():
        text = f"{subject.names[DELTA]} adds to what it gave in the call before: called twice, it gives twice the derivative."
        hint = "begin with zeros in every call, dx = np.zeros_like(x), or what the batch before was given stays in it"
        yield subject.wrong(DELTA, "double-counts", text, hint, r"\+=", RETURN)


def ties(e: Examination) -> Findings:
    """Moving equal numbers together moves their maximum as much: what is given back must add up to that."""
    subject, x, q = e.subject, e.subject.x, e.by_input
    if (
        subject.random
        or subject.batch_statistics
        or x.ndim < 2
        or q is None
        or not q.right
        or not subject.may_tie
        or e.wrong_forward
    ):
        return
    rng, weights = np.random.default_rng(11), subject.weights(2)
    tied = rng.integers(0, 2, x.shape) + 0.37
    one = [len(x)] + [1] * (x.ndim - 1)  # one number an example and channel
    if x.ndim > 2:
        place = 1 if subject.channels_first else -1
        one[place] = x.shape[place]
    move = np.broadcast_to(rng.uniform(0.5, 1, one), x.shape)
    for where in (tied, np.full(x.shape, 0.37)):

        def f(t: float, at: np.ndarray = where) -> float:
            return float((weights * subject.forward(at + t * move)).sum())

        h = 1e-4 if subject.dtype == np.float64 else 3e-2
        here, right, left = f(0.0), f(h), f(-h)
        smooth = abs((right - here) - (here - left)) <= 1e-2 * abs(right - left) + 1e-9
        wanted = (right - left) / (2 * h)
        # A maximum is a straight line along the move. What bends within the step, such as a division by a small
        # deviation, is another matter.
        finer = (f(h / 4) - f(-h / 4)) / (h / 2)
        smooth = smooth and abs(finer - wanted) <= 1e-2 * abs(wanted) + 1e-3
        got_there = float((subject.delta(where, weights) * move).sum())
        scale = float(np.abs(weights).sum())
        if smooth and not abs(got_there - wanted) <= (1e-3 if h < 1e-3 else 2e-2) * scale:
            text = "if several inputs are equal and largest, what they get of delta does not add up to delta."
            hint = "in a tie one takes all, the first as argmax gives it; a mask X == X.max() gives delta to each of them"
            finding = subject.wrong(DELTA, "ties", text, hint, r"==|argmax|max\(", RETURN)
            finding.index, finding.analytic, finding.numeric = (), got_there, wanted
            yield finding
            return


def other_sizes(e: Examination, operation: str = DELTA) -> Findings:
    """It is right in other sizes, if it is in this one."""
    asked = [e.by_input] if operation == DELTA else e.questions.values()
    if all(q is None or q.right for q in asked):
        yield e.shapes.finding(operation)
    yield from e.shapes.beside(operation)


def saturates(e: Examination) -> Findings:
    """It is finite for large input, if forward is."""
    subject, q = e.subject, e.by_input
    if q is None or (not q.right and not e.mended):
        return  # another formula will have other limits
    for text, extreme in subject.extremes() if e.by_numbers else []:
        out = tried(subject.forward, extreme)
        got = tried(subject.delta, extreme, subject.weights(2)) if out is not None and np.isfinite(out).all() else None
        if got is not None and not np.isfinite(got).all():
            at = tuple(int(i) for i in np.argwhere(~np.isfinite(got))[0])
            text = f"{subject.names[DELTA]} gives {got[at]:g} for {text}, although forward is finite."
            probabilities = float(np.abs(extreme).max()) <= 1
            hint = _DIVIDES if probabilities else forward.overflows(subject, DELTA, _IN_TERMS_OF_THE_OUTPUT)
            lines = (_DIVISION, "/") if probabilities else (r"exp\(|log\(|cosh\(", "/")
            yield subject.wrong(DELTA, "saturates", text, hint, *lines, RETURN)
            return


PROBES: tuple[Probe, ...] = (
    exists,
    partial(forward.writes, operation=DELTA),
    answers,
    partial(forward.uninitialised, operation=DELTA),
    derivative,
    averaged,
    stateful,
    remembered,
    repeated,
    ties,
    other_sizes,
    lambda e: e.subject.near_zero(e),
    saturates,
    partial(forward.integers, operation=DELTA),
)
