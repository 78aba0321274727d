"""The one plan by which networks are judged, whatever their form: what is asked, and in which order.

A question is a function of a `Form`. It yields findings, of which the place is filled in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.draws import same_draws
from modnet.check.networks.calls import Way, same
from modnet.check.networks.form import Form, Round
from modnet.check.networks.layers import layers_of
from modnet.check.networks.mistakes import explained, wrong_delta, wrong_input
from modnet.check.reading.vocabulary import DELTA, GRADIENT, UPDATE
from modnet.check.report import Finding, Report

Findings = Iterator[Finding]


def judge(report: Report, form: Form) -> None:
    """Ask every question whose answer cannot come from what has been found already."""
    hidden: set[str] = set()
    with same_draws(), np.errstate(all="ignore"):
        for name, question, hides in QUESTIONS:
            if form.problem is not None and name not in BY_CALLS:
                if not report.findings:
                    raise form.problem  # the calls do not say why
                hidden.update({"a second call", *_LATER})
            if name in hidden:
                continue
            findings = list(question(form))
            for finding in findings:
                finding.where = finding.where or form.where(name)
                finding.line = finding.line or form.line(name)
                finding.locate(form.cls)
            report.findings += findings
            form.told_of(report, name, findings)
            hidden.update(hides if findings else ())
    report.notes += form.notes


def there(f: Form) -> Findings:
    """Each way there goes through all layers, in their order, each given what the one before it returned."""
    wanted = f.order()
    for way in f.ways() if wanted else ():
        order = [call.layer for call in way.there]
        left = [i for i in wanted if i not in order]
        if left:
            text, hint = f"forward of {f.label(left[0])} is never called.", "the loop over the layers"
        elif order != wanted:
            text, hint = f"the layers are gone through in the order {order}, expected {wanted}.", ""
        elif (call := way.apart()) is not None:
            text = f"forward of {f.label(call.layer)} is not given what {f.label(call.layer - 1)} returned."
            hint = "output = layer.forward(output), with the same name on both sides"
        else:
            continue
        yield Finding("forward", "", text, hint)
        return


def loss(f: Form) -> Findings:
    """The loss is given the network's output."""
    if any(way.slope is not None and not same(way.slope.given, way.there[-1].result) for way in f.ways()):
        text = "the derivative of the loss is not given what the last layer returned."
        yield Finding("chain", "", text, "the output of the last layer, of these examples")


def pairs(f: Form) -> Findings:
    """Examples keep their truth."""
    for used, truths in f.examples():
        if used != truths:
            text = f"the examples {used} are given the truth of {truths}."
            yield Finding("mispaired", "", text, "one order, and the same places, for X and y")
            return


def back(f: Form) -> Findings:
    """Each way back goes through all layers once, from the last to the first, each given its own input and delta."""
    every = f.ways()
    for way in every:
        if way.there and way.apart() is None:
            finding = _backwards(f, way, f.problem if way is every[-1] else None)
            if finding is not None:
                if f.problem is not None:
                    finding.message = f"{finding.message} {f.problem.message}."
                    finding.line = finding.line or f.line("the way back") or f.problem.line
                yield finding
                return


def _backwards(f: Form, way: Way, problem: Misbehaviour | None) -> Finding | None:
    """The first thing that is wrong on one way back, which may have ended in a problem."""
    down, calls = [call.layer for call in way.there], [call for call in way.back if call.what != UPDATE]
    up = [call.layer for call in calls if call.what != GRADIENT]
    if problem is not None and not calls:
        return None
    once = len(set(down)) == len(down)
    if once and len(down) > 1 and calls and calls[0].layer == down[0]:
        text = f"backward begins with {f.label(down[0])}, as forward does; it must go from the last to the first."
        return Finding("order", "", text, "for layer in reversed(self.layers): delta = layer.backward(delta)")
    wanted = [i for i in reversed(down) if i in up or not f.may_skip(way, i)]
    for i in dict.fromkeys(wanted if problem is None else ()):
        times = len([call for call in way.of(i) if call.what != DELTA])
        if f.learns(i) and not times:
            text = f"{f.method} never calls backward of {f.label(i)}, which forward goes through."
            return Finding("missing-parameter", "", text, "the loop over the layers: does it reach them all?")
        if f.learns(i) and times > down.count(i):
            text = f"{f.method} calls backward of {f.label(i)} {times} times, and forward goes through it once."
            return Finding("double-counts", "", text, "once for each layer")
    if not once:
        return None
    among = set(wanted[: len(up)] if problem is None else wanted)
    if len(set(up)) == len(up) and set(up) <= among and up != wanted[: len(up)]:
        text = f"{f.method} goes through the layers in the order {up}, expected {wanted}, from the last to the first."
        return Finding("order", "", text, "for layer in reversed(self.layers): delta = layer.backward(delta)")
    return _deltas(f, way, wanted)


def _deltas(f: Form, way: Way, wanted: list[int]) -> Finding | None:
    """The first call on the way back that is given something else than its own input and delta, at weights as they were."""
    deltas: dict[int, np.ndarray] = {}
    delta = f.start(way)
    for i in wanted:
        if delta is not None:
            deltas[i] = delta
        for call in way.of(i) if f.learns(i) else way.of(i, DELTA):
            before = [c for c in way.of(i, UPDATE) if way.back.index(c) < way.back.index(call)] or way.there
            start = next((c.held for c in before if c.layer == i), ())
            if any(not np.array_equal(a, b) for a, b in zip(start, call.held, strict=False)):
                text = f"the parameters of {f.label(i)} have moved before delta goes through them."
                return Finding("updates-first", "", text, "go back through all layers first, then move them")
            finding = wrong_input(f, way, call)
            if finding is None and i == wanted[0]:
                finding = f.wrong_start(way)
            if finding is None and delta is not None:
                finding = wrong_delta(f, call, delta, deltas, f.after(way, i, delta), i == wanted[0])
            if finding is not None:
                finding.line = f.line(call.what)
                return finding
        delta = f.after(way, i, delta)
    return None


def gradients(f: Form) -> Findings:
    """Each gradient is the derivative of the network's own loss."""
    if not f.parameters():
        return
    _, wrong, said = f.measured
    yield from said
    idle = [n for n, q in wrong.items() if not np.abs(q.truth).max(initial=0.0) > 1e-12 and q.got.any()]
    if idle and len(idle) == len(wrong) == len(f.parameters()):
        text = f"the loss does not depend on {', '.join(idle)} as kept in params: the layers compute with other arrays."
        yield Finding("layer-not-trained", "", text, "give the layers the arrays of params, not copies")
    else:
        yield from explained(f)


def again(f: Form) -> Findings:
    """Forward and backward after others, of other examples, give what they give at once."""
    once, later, drawn = f.fresh(), f.fresh(), f.fresh()
    if once is None or later is None or drawn is None:
        return
    layers = layers_of(later.net)
    try:
        first, other = once.ask(), later.ask(backwards=True)
    except Misbehaviour:
        return
    lengths, left = _lengths(later.net), layers_of(later.net)
    try:
        now = later.ask()
    except Misbehaviour as problem:
        text, line = f"a second forward and backward fail: {problem.message}.", problem.line
    else:
        added = _added(first, other, now)
        if added and f.adds:
            f.notes.append("its layers add their gradients: whoever trains sets them to zero before each backward.")
        elif added:
            text = "a second call gives the sum of both gradients: they are added to what was there."
            yield Finding("never-zeroed", "", text, "start from zeros in each call")
        if added or (_alike(first.out, now.out, 1e-9) and _alike(first.gradients, now.gradients, 1e-6)):
            return
        drawn.ask(forward_alone=True)
        if not _alike(first.out, drawn.ask().out, 1e-9):
            return
        text, line = "a second forward and backward give other gradients than they give alone.", ""
    if len(left) == len(layers) > 1 and all(a is b for a, b in zip(left, reversed(layers), strict=True)):
        text = "the list of layers is left reversed: every second call goes through them the other way."
        line = f.line("a list that is reversed")
        yield Finding("order", "", text, "reversed(self.layers), which leaves the list alone, not .reverse()", line=line)
        return
    longer = [n for n, length in _lengths(later.net).items() if length > lengths.get(n, length)]
    hint = f"self.{longer[0]} still holds what the first call put there: begin it anew in every forward" if longer else ""
    hint = hint or "what is kept in self is of the call before: set it anew in every call"
    yield Finding("stateful", "", text, hint, line=line)


def _lengths(net: Any) -> dict[str, int]:
    """How long the lists are that a network keeps."""
    return {n: len(v) for n, v in vars(net).items() if isinstance(v, list)}


def _alike(a: list[np.ndarray], b: list[np.ndarray], tolerance: float) -> bool:
    return len(a) == len(b) and all(
        p.shape == q.shape and np.allclose(p, q, rtol=tolerance, atol=1e-12, equal_nan=True) for p, q in zip(a, b, strict=True)
    )


def _added(first: Round, other: Round, now: Round) -> bool:
    """Whether some gradients are now those of two calls."""
    every = list(zip(first.gradients, other.gradients, now.gradients, strict=False))
    large = max((float(np.abs(g).max(initial=0.0)) for g, *_ in every), default=0.0)
    large = max(large, 1e-12)
    every = [(a, b, c) for a, b, c in every if a.shape == b.shape == c.shape and np.abs(b).max(initial=0.0) > 1e-6 * large]
    return any(np.allclose(c, a + b, rtol=1e-6, atol=1e-9 * large) for a, b, c in every)


def steps(f: Form) -> Findings:
    """Training moves each parameter against its gradient, all by one rate, and that is the one that was given."""
    moves = f.moves()
    if not moves:
        return
    known = {n: r for n, r in moves.items() if r is not None}
    still, write = [n for n, r in known.items() if r == 0.0], "w -= rate * gradient"
    if len(still) == len(moves):
        yield f.finding("layer-not-trained", "no parameter moves in training.", f"the optimizer's step, or {write}", still[0])
        return
    if still:
        text = f"{', '.join(still)} {'does' if len(still) == 1 else 'do'} not move, though the gradient is not zero."
        hint = "the loop over the layers, and over their parameters"
        yield f.finding("layer-not-trained", text, hint, still[0], f.line("a step", still[0]))
    odd = [n for n, r in moves.items() if r is None]
    forward = {n: r for n, r in known.items() if r > 0}
    usual = float(np.median(list(forward.values()))) if forward else 0.0
    far = [n for n, r in forward.items() if abs(r - usual) > f.nearness * usual] if f.by_gradient else []
    if (odd or far) and (cause := f.cause()) is not None:
        yield cause
        return
    if late := f.late(odd):
        text = f"{', '.join(late)} moves by the derivative through weights that have moved already, not through the old ones."
        yield f.finding("updates-first", text, "compute every delta first, then move the weights", late[0])
    elif odd and f.unzeroed():
        text = "gradients of the last step are still in the next one's: they are not set to zero in between."
        yield Finding("never-zeroed", "", text, "net.zero_grad() before backward, in every step")
    elif odd:
        right = [n for n in known if n not in still]
        text = f"{', '.join(odd)} does not move by a multiple of its gradient."
        hint = f"{', '.join(right)} moves as it must: look at what lies between" if right else f"{write}, once a step"
        yield f.finding("direction", text, hint, odd[0], f.line("a step", odd[0]))
    if up := [n for n, r in known.items() if r < 0]:
        text = f"{', '.join(up)} {'moves' if len(up) == 1 else 'move'} along the gradient, not against it."
        yield f.finding("sign", text, write, up[0], f.line("a step", up[0]))
    if far:
        text = "; ".join(f"{n} moves {forward[n] / usual:.4g} times as far as others do" for n in far)
        yield f.finding("scale", f"{text}.", "one rate for all, and one step in each pass", far[0], f.line("a step", far[0]))
    elif f.told and not odd:
        slower, lengths = f.moves(slower=True), {n: abs(r) for n, r in known.items() if n not in still}
        if all((again := slower.get(n)) is not None and abs(abs(again) - r) < 1e-6 * r for n, r in lengths.items()):
            text, hint = "half the rate gives the same step.", "the rate that it was given"
            yield Finding("lr-ignored", "", text, hint, line=f.line("a rate"))


def examples(f: Form) -> Findings:
    """All examples are used, and in an epoch no batch is used again when it ends; a rest that every epoch drops is noted."""
    every, training = f.every_example()
    left = sorted(set(range(every)) - {i for used, _ in f.examples() for i in used})
    if left:
        text = f"of {every} examples{training} never use {', '.join(map(str, left))}, counted from 0."
        hint = "shuffle in each epoch; the last batch may be smaller: range(0, len(X), batch_size), X[i:i + batch_size]"
        yield Finding("left-out", "", text, hint)
    rounds = f.rounds()
    if rounds and all(_ends_twice(batches) for batches in rounds):
        text = f"every epoch uses its last batch twice: the examples {', '.join(map(str, rounds[0][-1]))} of the first."
        yield Finding("batch-twice", "", text, "range(0, len(X), batch_size) has the last batch, too: nothing is left to add")
    taken = {len(batches[0]) * len(batches) if _apart(batches) else every for batches in rounds}
    if not left and len(taken) == 1 and (dropped := every - taken.pop()) and dropped < len(rounds[0][0]):
        f.notes.append(f"every epoch drops {dropped} of {every} examples, after its last whole batch; others each time.")


def _apart(batches: list[list[int]]) -> bool:
    """Whether the batches of an epoch are of one size, and no example is in two of them."""
    used = [i for batch in batches for i in batch]
    return len(set(used)) == len(used) == len(batches[0]) * len(batches)


def _ends_twice(batches: list[list[int]]) -> bool:
    """Whether the last batch of an epoch is the one before it again, and all before are others."""
    before = [i for batch in batches[:-1] for i in batch]
    again = len(batches) > 2 and sorted(batches[-1]) == sorted(batches[-2])
    return again and len(set(before)) == len(before)


def end(f: Form) -> Findings:
    """What is asked of this form alone."""
    yield from f.end()


_LATER = ("the gradients", "the steps", "the examples")
#: What is asked, in this order, and what is not asked any more once something was found.
QUESTIONS: tuple[tuple[str, Callable[[Form], Findings], tuple[str, ...]], ...] = (
    ("the way there", there, ("the loss", "the pairs", "the way back", *_LATER, "the end")),
    ("the loss", loss, ()),
    ("the pairs", pairs, ()),
    ("the way back", back, _LATER),
    ("the gradients", gradients, ("the steps",)),
    ("a second call", again, ("the steps",)),
    ("the steps", steps, ()),
    ("the examples", examples, ()),
    ("the end", end, ()),
)

#: Those that are asked of what was done until it crashed.
BY_CALLS = ("the way there", "the loss", "the pairs", "the way back", "the end")
