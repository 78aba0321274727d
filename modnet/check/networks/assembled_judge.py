"""What is asked of a network that was put together of pieces of ours and has trained: its calls, one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modnet.check.lines import quote
from modnet.check.networks.pieces import Event, Log, Piece, multiple, rows_of
from modnet.check.recipes import NotBuilt
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour

EPOCHS, BATCH = 8, 4


@dataclass
class Run:
    """One network that was put together and trained.

    Attributes
    ----------
    net : the network. x, y : the examples, (examples, numbers). log : what was called. layers : what was put in.
    rate, told : the rate it was given, and whether it was given one at all. method : the name of the method that trained.
    batched : whether it was given the size of a batch. problem : what training ended with.
    failed : the method that evaluates and what it ended with, if that is its own mistake.
    special : whether it ends in a softmax and a cross-entropy that it may go back through at once.
    predicted : what it predicts for x afterwards, and where the calls of that begin; None if it has no such method.
    """

    net: Any
    x: np.ndarray
    y: np.ndarray
    log: Log
    layers: list[Piece]
    rate: float
    method: str
    told: bool = False
    predicted: np.ndarray | None = None
    asked_at: int = 0
    predicts: str = ""
    batched: bool = False
    problem: Misbehaviour | None = None
    special: bool = False
    failed: tuple[str, Misbehaviour] | None = None


@dataclass
class Pass:
    """The calls of one way there and back."""

    there: list[Event] = field(default_factory=list)
    slope: Event | None = None
    back: list[Event] = field(default_factory=list)


def passes(events: list[Event]) -> Iterator[Pass]:
    """The calls, from one way through the layers to the next."""
    now = Pass()
    for event in events:
        if event.what == "forward":
            if now.back or now.slope or (now.there and event.layer == now.there[0].layer):
                yield now
                now = Pass()
            now.there.append(event)
        elif event.what == "slope":
            now.slope = now.slope or event
        else:
            now.back.append(event)
    yield now


def judged(cls: type, run: Run, other: Callable[[], Run]) -> Report:
    """The report on a network that was put together and trained; `other` does it again with half the rate."""
    end = ", a softmax and a cross-entropy of its own" if run.special else ""
    passes_made = "there and back" if run.method == "backward" else f"{EPOCHS} epochs of {len(run.x)} examples"
    report = Report(f"{cls.__name__} of layers of the check's own{end}, {passes_made}")
    ways = [p for p in passes(run.log.events[: run.asked_at]) if p.back]
    where = f"{cls.__name__}.{run.method}"
    questions = (
        ("the way there", _there),
        ("the loss", _of_loss),
        ("the way back", _back),
        ("the steps", lambda run, ways: _steps(run, ways, other)),
        ("the examples", _examples),
    )
    for name, question in questions if run.method != "backward" else questions[:3]:
        if run.problem is not None and name == "the steps":
            raise run.problem
        finding = question(run, ways)
        if finding is not None:
            finding.where = where
            finding.line = _line(cls, run.method, name)
            report.findings.append(finding)
        report.verdict(name, right=finding is None, remark="" if finding is None else finding.kind)
        if finding is not None and name != "the loss":
            break  # what follows may come from it
    if run.problem is not None and run.method == "backward" and not report.findings:
        raise run.problem
    _predicted(report, cls, run)
    if run.failed is not None:
        name, problem = run.failed
        report.findings.append(Finding("crash", f"{cls.__name__}.{name}", problem.message + ".", "", line=problem.line))
        report.verdict(name, right=False, remark="crash")
    for finding in report.findings:
        finding.locate(cls)
    return report


def _line(cls: type, method: str, question: str) -> str:
    """The line to look at: of the method that trains, or of one of its helpers."""
    helpers = {
        "the way there": ("forward",),
        "the way back": ("backward", "backward_propagation", "backprop", "back_propagation"),
    }
    names = [n for n in (*helpers.get(question, ()), method) if callable(getattr(cls, n, None))]
    return next((line for n in names if (line := quote(cls, n, *_LINES[question]))), "")


_LINES = {
    "the way there": (r"forward", r"\bfor\b"),
    "the loss": (r"prime|deriv|backward|slope|grad", r"loss"),
    "the way back": (r"reversed|\[::-1\]", r"back", r"\bfor\b"),
    "the steps": (r"-=|update|step", r"back"),
    "the examples": (r"range\(", r"\bfor\b"),
}


def _label(i: int) -> str:
    return f"layer {i} ({('a dense layer', 'a tanh', 'a dense layer', 'the softmax')[i]})"


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.size == other.size and bool(np.allclose(one.ravel(), other.ravel(), rtol=1e-9, atol=1e-12))


def _there(run: Run, ways: list[Pass]) -> Finding | None:
    """Whether each way goes through all layers, in their order."""
    wanted = list(range(len(run.layers)))
    for way in ways:
        order = [e.layer for e in way.there]
        left = [i for i in wanted if i not in order]
        if left:
            return Finding("forward", "", f"forward of {_label(left[0])} is never called.", "the loop over the layers")
        if order != wanted:
            return Finding("forward", "", f"the layers are gone through in the order {order}, expected {wanted}.", "")
        for one, after in zip(way.there, way.there[1:], strict=False):
            if not _same(one.result, after.given):
                text = f"forward of {_label(after.layer)} is not given what {_label(one.layer)} returned."
                return Finding("forward", "", text, "output = layer.forward(output), with the same name on both sides")
        if rows_of(way.there[0].given, run.x) is None:
            raise NotBuilt("its layers are given other numbers than its input")
    return None


def _of_loss(run: Run, ways: list[Pass]) -> Finding | None:
    """Whether the loss is given the output, and the truth of the same examples."""
    for way in ways:
        if way.slope is None:
            continue
        if not _same(way.slope.given, way.there[-1].result):
            text = "the derivative of the loss is not given what the last layer returned."
            return Finding("chain", "", text, "the output of the last layer, of these examples")
        used, truths = rows_of(way.there[0].given, run.x), rows_of(way.slope.held[0], run.y)
        if used != truths and not run.special:
            text = f"the examples {used} are given the truth of {truths}."
            return Finding("mispaired", "", text, "one order, and the same slice, for X and y")
    return None


def _back(run: Run, ways: list[Pass]) -> Finding | None:
    """Whether each way goes back through all layers, each given what the one after it returned."""
    every = list(range(len(run.layers)))[::-1]
    for way in ways:
        order = [e.layer for e in way.back]
        wanted = every[1:] if run.special and every[0] not in order else every  # through softmax and loss at once
        if run.problem is not None and way is ways[-1] and len(order) < len(wanted) and order == wanted[: len(order)]:
            raise run.problem  # it ended on the way
        for i in wanted:
            if i not in order:
                text = f"backward of {_label(i)} is never called, though forward goes through it."
                return Finding("missing-parameter", "", text, "the loop over the layers: does it reach them all?")
            if order.count(i) > 1:
                return Finding(
                    "double-counts", "", f"backward of {_label(i)} is called {order.count(i)} times for one forward.", ""
                )
        if order != wanted:
            text = f"backward goes through the layers in the order {order}, expected {wanted}, from the last to the first."
            return Finding("order", "", text, "for layer in reversed(self.layers): error = layer.backward(error)")
        for one, after in zip(way.back, way.back[1:], strict=False):
            if not _same(one.result, after.given):
                text = f"backward of {_label(after.layer)} is not given what {_label(one.layer)} returned."
                return Finding("chain", "", text, "error = layer.backward(error), with the same name on both sides")
        wrong = _first_delta(run, way)
        if wrong is not None:
            return wrong
    return None


def _first_delta(run: Run, way: Pass) -> Finding | None:
    """Whether what the last layer is given is the derivative of the loss, or a multiple of it."""
    used = rows_of(way.there[0].given, run.x) or []
    out, delta = way.there[-1].result, way.back[0].given
    truth = out - run.y[used].reshape(out.shape)
    if run.special and way.back[0].layer == len(run.layers) - 1:
        if multiple(delta, truth):
            text = "backward of the softmax is given the derivative of softmax and cross-entropy together: it is taken twice."
            return Finding("softmax-twice", "", text, "give it to the layer before the softmax")
        truth = -run.y[used] / out
    elif way.slope is not None and not run.special:
        truth = way.slope.result
    factor = multiple(delta, truth) if delta.shape == truth.shape else None
    if not factor:
        if way.slope is None and not run.special:
            raise NotBuilt("what it gives to the last layer is not the derivative of a squared error")
        return Finding(
            "chain", "", "backward of the last layer is not given the derivative of the loss.", "error = loss_prime(y, output)"
        )
    if factor < 0:
        return Finding("sign", "", "backward of the last layer is given minus the derivative of the loss.", "output - y")
    return None


def _steps(run: Run, ways: list[Pass], other: Callable[[], Run]) -> Finding | None:
    """Whether each parameter moves once a pass, or once for several, against its gradient, all by one rate."""
    for way in ways:
        for event in way.back:
            there = next(e for e in way.there if e.layer == event.layer)
            if not all(_same(a, b) for a, b in zip(there.held, event.held, strict=True)):
                text = f"{_label(event.layer)} has moved before its backward is called."
                return Finding("updates-first", "", text, "go back through all layers first, then move them")
    factors = _factors(run, ways)
    names = {(i, k): f"the {'weights' if k == 0 else 'bias'} of {_label(i)}" for i, k in factors}
    if all(not f for f in factors.values()):
        return Finding(
            "layer-not-trained", "", "no parameter moves in training.", "the optimizer's step, or w -= rate * gradient"
        )
    for place, factor in factors.items():
        if factor == 0.0:
            text = f"{names[place]} does not move, though its gradient is not zero."
            return Finding("layer-not-trained", "", text, "the loop over the layers, and over their parameters")
    known = [f for f in factors.values() if f is not None]
    unknown = [names[p] for p, f in factors.items() if f is None]
    if unknown:
        text = f"{unknown[0]} does not move by a multiple of its gradient."
        return Finding("direction", "", text, "w -= rate * gradient, once a step")
    if min(known) < 0:
        place = next(p for p, f in factors.items() if f is not None and f < 0)
        return Finding(
            "sign", "", f"{names[place]} moves along its gradient, but it must move against it.", "w -= rate * gradient"
        )
    if max(known) > 1.0001 * min(known):
        usual = float(np.median(known))
        place, factor = max(((p, f) for p, f in factors.items() if f is not None), key=lambda pair: abs(pair[1] / usual - 1))
        text = f"{names[place]} moves {factor / usual:.4g} times as far as others do."
        return Finding("scale", "", text, "one step for each parameter in each pass")
    if run.told:
        slower = other()
        again = _factors(slower, [p for p in passes(slower.log.events[: slower.asked_at]) if p.back])
        if all(f is not None and abs(f - known[0]) < 1e-6 * known[0] for f in again.values()):
            return Finding("lr-ignored", "", "half the rate gives the same step.", "the rate that it was given")
    return None


def _factors(run: Run, ways: list[Pass]) -> dict[tuple[int, int], float | None]:
    """By layer and parameter: how far it moves, in multiples of minus its gradient; None if it is no multiple."""
    found: dict[tuple[int, int], float | None] = {}
    ends = [*(way.there for way in ways[1:]), None]
    for i in (0, 2):
        for k in (0, 1):
            summed, last, rates = np.zeros(1), np.zeros(1), list[float | None]()
            for way, after in zip(ways, ends, strict=True):
                event = next(e for e in way.back if e.layer == i)
                start = next(e for e in way.there if e.layer == i).held[k]
                now = run.layers[i].held()[k] if after is None else next(e for e in after if e.layer == i).held[k]
                summed, last = summed + event.gradient[k], event.gradient[k]
                if np.array_equal(start, now):
                    continue
                rates.append(next((r for g in (summed, last) if (r := multiple(start - now, g)) is not None), None))
                summed = np.zeros(1)
            known = [r for r in rates if r is not None]
            # They may differ: a rate decays, the last batch is smaller. Of one sign they are.
            same = len(known) == len(rates) and (min(known) > 0 or max(known) < 0) if known else False
            found[i, k] = 0.0 if not rates else known[0] if same else None
    return found


def _examples(run: Run, ways: list[Pass]) -> Finding | None:
    """Whether the epochs together use every example."""
    used = {i for way in ways for i in rows_of(way.there[0].given, run.x) or []}
    left = sorted(set(range(len(run.x))) - used)
    if not left:
        return None
    batches = f", in batches of {BATCH}," if run.batched else ""
    text = f"of {len(run.x)} examples{batches} {EPOCHS} epochs never use {', '.join(map(str, left))}, counted from 0."
    return Finding("left-out", "", text, "the last batch may be smaller: range(0, len(X), batch_size), X[i:i + batch_size]")


def _predicted(report: Report, cls: type, run: Run) -> None:
    """Whether it predicts what its layers give, in evaluation."""
    if not run.predicts or run.predicted is None:
        return
    out = run.x
    for layer in run.layers:
        out = layer(out)
    where = f"{cls.__name__}.{run.predicts}"
    finding = None
    if not any(_same(np.asarray(run.predicted), wanted) for wanted in (out, out.argmax(axis=-1))):
        text = "what it predicts is not what its layers give, one after another."
        finding = Finding("forward", where, text, "output = layer.forward(output) for each layer")
    asked = [e for e in run.log.events[run.asked_at :] if e.what == "forward" and e.training is not None]
    trained_so = [e.training for e in run.log.events[: run.asked_at] if e.what == "backward" or e.training is not None]
    if finding is None and asked[: len(run.layers)] and all(e.training for e in asked[: len(run.layers)]) and any(trained_so):
        text = "it predicts with its layers in training: a dropout would drop."
        finding = Finding("eval-mode", where, text, "forward(X, training=False)")
    if finding is not None and not any(f.kind == "forward" for f in report.findings):
        finding.line = quote(cls, run.predicts, r"forward", r"return")
        report.findings.append(finding)
    report.verdict(run.predicts, right=finding is None, remark="" if finding is None else finding.kind)


__all__ = ["BATCH", "EPOCHS", "Pass", "Run", "judged", "passes"]
