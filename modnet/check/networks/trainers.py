"""Networks that train themselves: ``train(X, y)`` moves their parameters, and gives no gradient to look at.

What one step has moved is held against the derivative of a loss, by differences of the network's own forward. Which loss that
is, and by which rate, is what most of the parameters say; the others must have moved by the same loss and the same rate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from modnet.check.arrays import copied
from modnet.check.lines import quote
from modnet.check.modes import is_mode
from modnet.check.networks.scored import asks, form_of
from modnet.check.networks.scored_build import built
from modnet.check.networks.wiring import role
from modnet.check.numeric import EPS, derivative
from modnet.check.optimizers.steppers import IS_RATE
from modnet.check.question import ALIKE, Question
from modnet.check.recipes import NotBuilt
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, call

FORWARDS = tuple(
    [
        "forward",
        "feedforward",
        "feed_forward",
        "forward_propagation",
        "forward_pass",
        "forward_prop",
        "predict",
        "think",
        "query",
        "run",
    ]
)
TRAINS = tuple(
    [
        "train_step",
        "train_on_batch",
        "train",
        "fit",
        "backward",
        "backprop",
        "backpropagation",
        "back_propagation",
        "backward_pass",
    ]
)
_NAMED = re.compile(r"net|nn|mlp|perceptron|model", re.I)
_COUNT = re.compile(r"epoch|iter|step|n_times|num|max", re.I)
_PARAMETER = re.compile(r"weight|bias|theta|kernel|param|^w|^b|_w|_b", re.I)
_NO_PARAMETER = re.compile(r"grad|delta|error|loss|cache|veloc|moment|history|^d_?[WBwb]\d*$|^d_?(weight|bias)", re.I)
_RATE = 0.01


def trains(cls: type) -> bool:
    """Whether a class is such a network."""
    if form_of(cls) or not _NAMED.search(cls.__name__):
        return False
    there = [n for n in FORWARDS if callable(getattr(cls, n, None))]
    return bool(there) and bool(_method(cls))


def _method(cls: type) -> str:
    """The method that trains: it is given an input and a truth."""
    for name in TRAINS:
        method = getattr(cls, name, None)
        if callable(method):
            kinds = [_role(p.name) for p in asks(method) if p.default is p.empty]
            if "X" in kinds and "y" in kinds:
                return name
    return ""


def _role(name: str) -> str:
    word = re.sub(r"[^a-z]", "", name.lower())
    if re.match(r"x|input|train(ing)?(x|input|data)|data|feature", word):
        return "X"
    return (
        "y"
        if re.match(r"y(?!hat|pred)|target|label|truth|train(ing)?(y|output|label)|expected|outputs?$|t$", word)
        else role(name)
    )


class Trained(NamedTuple):
    """What one step has done to a network.

    Attributes
    ----------
    net : before the step. x : its input. y : the truth, of its output's shape. given : the same as it was given.
    held : its parameters before. moved : what the step has taken from them.
    """

    net: Any
    x: np.ndarray
    y: np.ndarray
    given: np.ndarray
    held: dict[str, np.ndarray]
    moved: dict[str, np.ndarray]


def _parameters(net: Any) -> dict[str, np.ndarray]:
    """The float arrays of an object, in place, by name, in their order; those in lists and dicts too."""
    found: dict[str, np.ndarray] = {}
    for name, value in vars(net).items():
        items: Iterator[tuple[str, Any]] = iter([(name, value)])
        if isinstance(value, list | tuple):
            items = ((f"{name}[{i}]", v) for i, v in enumerate(value))
        elif isinstance(value, dict):
            items = ((f"{name}[{k!r}]", v) for k, v in value.items())
        for place, array in items:
            if (
                isinstance(array, np.ndarray)
                and array.dtype.kind == "f"
                and array.size
                and _PARAMETER.search(name)
                and not _NO_PARAMETER.search(name)
            ):
                found[place] = array
    return found


def _forward(net: Any, x: np.ndarray) -> np.ndarray:
    name = next(n for n in FORWARDS if callable(getattr(net, n, None)))
    method = getattr(net, name)
    named = {p.name: False for p in asks(method)[1:] if is_mode(p.name)}
    found = call(f"{type(net).__name__}.{name}", lambda: method(x.copy(), **named))
    if isinstance(found, tuple | list) and found:
        arrays = [v for v in found if isinstance(v, np.ndarray)]
        found = arrays[-1] if arrays else found
    return np.asarray(found, dtype=float)


def _step(net: Any, x: np.ndarray, y: np.ndarray, less: float = 1.0) -> None:
    """One step of training at all of x, by so much less than the usual rate."""
    for name, value in list(vars(net).items()):
        if IS_RATE.match(name) and isinstance(value, float):
            setattr(net, name, value * less)
    name = _method(type(net))
    method = getattr(net, name)
    out = _forward(net, x)
    arguments: dict[str, Any] = {}
    for p in asks(method):
        kind = _role(p.name)
        if kind in ("X", "y", "yhat"):
            arguments[p.name] = {"X": x, "y": y, "yhat": out}[kind].copy()
        elif kind == "rate":
            arguments[p.name] = _RATE * less
        elif re.search("batch", p.name, re.I):
            arguments[p.name] = len(x)
        elif _COUNT.search(p.name) and not isinstance(p.default, bool) and not re.search("print|every|verbose", p.name, re.I):
            arguments[p.name] = 1
        elif p.default is p.empty:
            raise Misbehaviour("unknown", f"{type(net).__name__}.{name}: what {p.name} means is not known")
    call(f"{type(net).__name__}.{name}", lambda: method(**arguments))


_LOSSES: tuple[tuple[str, Callable[[np.ndarray, np.ndarray], float]], ...] = (
    ("the squared error", lambda out, y: float(0.5 * ((out - y) ** 2).sum())),
    ("the cross-entropy", lambda out, y: float(-(y * np.log(out)).sum())),
    ("the binary cross-entropy", lambda out, y: float(-(y * np.log(out) + (1 - y) * np.log(1 - out)).sum())),
)


def examine_trained(cls: type) -> Report:
    """The report on a network's class that trains itself."""
    closest = ""
    for trained in _tried(cls):
        if isinstance(trained, Misbehaviour):
            closest = closest or trained.message
            continue
        report = _judged(cls, trained)
        if report is not None:
            return report
        closest = "what a step moves is the derivative of no loss that is known here, not even at the output"
    why = closest or "what its arguments mean is not known"
    raise NotBuilt(f"{cls.__name__} could not be asked: {why}")


def _tried(cls: type) -> Iterator[Trained | Misbehaviour]:
    """One step of a network, for each shape of input that it takes: rows, then columns."""
    rng, failed = np.random.default_rng(5), list[Misbehaviour]()
    for net in built(cls, failed):
        widths = dict.fromkeys([3, *(n for a in list(_parameters(net).values())[:2] for n in a.shape)])
        shapes = [s for n in widths for s in ((4, n), (n, 4), (n, 1), (n,))]
        for shape in shapes:
            x = rng.normal(size=shape)
            try:
                start = copied(net)
                for array in _parameters(start).values():
                    array[...] = rng.uniform(-1, 1, array.shape)
                out = _forward(start, x)
                if out.ndim == 0 or not np.isfinite(out).all() or out.size < 1:
                    continue
                y = (
                    np.eye(out.shape[-1])[np.arange(out.shape[0]) % out.shape[-1]]
                    if out.ndim == 2
                    else rng.uniform(0.2, 0.8, out.shape)
                )
                y = rng.uniform(0.2, 0.8, out.shape) if out.shape[-1] == 1 else y
                given = y
                try:
                    after = copied(start)
                    _step(after, x, y)
                except Misbehaviour:
                    if y.ndim != 2 or y.shape[0] == y.shape[1]:
                        raise
                    after, given = copied(start), y.T  # rows in, columns out
                    _step(after, x, given)
            except Misbehaviour as problem:
                yield problem
                continue
            except (TypeError, ValueError, AttributeError, IndexError, StopIteration):
                continue
            before, now = _parameters(start), _parameters(after)
            moved = {n: a - now[n] for n, a in before.items() if n in now and now[n].shape == a.shape}
            if any(m.any() for m in moved.values()):
                yield Trained(start, x, y, given, before, moved)
    yield from failed


def _judged(cls: type, t: Trained) -> Report | None:
    """The report, by the loss whose derivative the most parameters have moved by; None if the output's have by none."""
    best: tuple[int, str, dict[str, Question]] | None = None
    for name, loss in _LOSSES:
        questions = {n: q for n in t.held if (q := _asked(t, n, loss)) is not None}
        fits = [n for n, q in questions.items() if q.factor(q.truth) is not None]
        if fits and (best is None or len(fits) > best[0]):
            best = len(fits), name, questions
    if best is None:
        return None
    _, loss_name, questions = best
    method = _method(cls)
    where = f"{cls.__name__}.{method}"
    report = Report(f"{cls.__name__}, one step by {loss_name} on an input of shape {t.x.shape}")
    factors = {n: q.factor(q.truth) for n, q in questions.items()}
    known = [f for f in factors.values() if f is not None]
    common = float(np.median(known))
    line = quote(cls, method, r"-=|\+=")
    unknown = [n for n, f in factors.items() if f is None and questions[n].got.any()]
    if unknown:
        report.findings.append(_unknown(cls, t, loss_name, questions, unknown))
    for n, q in questions.items():
        factor, wrong = factors[n], ""
        if not q.got.any():
            wrong = "layer-not-trained"
            text, hint = f"{n} does not move, though the loss depends on it.", f"{n} -= rate * its gradient"
        elif factor is None:
            report.verdict(f"{n} by {loss_name}", right=False, remark=report.findings[0].kind)
            continue
        elif factor < 0:
            wrong, text, hint = (
                "sign",
                f"{n} moves along its gradient, but it must move against it.",
                f"{n} -= rate * its gradient",
            )
        elif abs(factor - common) > 10 * ALIKE * abs(common) and len(known) > 2:
            wrong, hint = "scale", "the same rate, and the same mean over the batch, for all"
            text = f"{n} moves {factor / common:.4g} times as far as the others do."
        if wrong:
            report.findings.append(
                q.finding(wrong, text, hint, quote(cls, method, rf"{re.escape(n.split('[')[0])}.*=") or line)
            )
        report.verdict(f"{n} by {loss_name}", right=not wrong, remark=wrong or f"rate {factor:.3g}")
    for finding in report.findings:
        finding.where = where
        finding.locate(cls)
    return report


def _unknown(cls: type, t: Trained, loss_name: str, questions: dict[str, Question], unknown: list[str]) -> Finding:
    """The finding for parameters that move otherwise, in no simple way."""
    q, names, method = questions[unknown[0]], ", ".join(unknown), _method(cls)
    after = copied(t.net)
    _step(after, t.x, t.given, 1e-4)
    now = _parameters(after)
    for n in unknown:
        questions[n].answer(t.held[n] - now[n])
    first = all(questions[n].factor(questions[n].truth) is not None for n in unknown)
    for n in unknown:
        questions[n].answer(t.moved[n])
    if first:
        text = f"{names} moves by the derivative through weights that have moved already; expected that through the old ones."
        return q.finding(
            "updates-first", text, "compute every delta first, then move the weights", quote(cls, method, r"-=|\+=")
        )
    right = [m for m in questions if m not in unknown]
    text = f"{names} does not move by the derivative of {loss_name}, in none of the known ways."
    hint = f"{', '.join(right)} moves as it must: look at what lies between" if right else "the derivative at the output"
    return q.finding("direction", text, hint, quote(cls, method, rf"{re.escape(unknown[0].split('[')[0])}.*="))


def _asked(t: Trained, name: str, loss: Callable[[np.ndarray, np.ndarray], float]) -> Question | None:
    """What one parameter moved by, and the derivative of a loss by it; None if the loss does not depend on it."""
    net = copied(t.net)
    array = _parameters(net)[name]
    start = array.copy()

    def f(values: np.ndarray) -> np.ndarray:
        array[...] = values
        try:
            return np.array([loss(_forward(net, t.x), t.y)])
        finally:
            array[...] = start

    with np.errstate(all="ignore"):
        found = derivative(f, start, np.arange(min(array.size, 40)), EPS)
    if not np.isfinite(found.value).all() or not np.abs(found.value).max(initial=0.0) > 1e-9:
        return None
    q = Question("", t.x, np.zeros(1), np.ones(1), found, np.arange(min(array.size, 40)), array.shape, 1e-5)
    q.by = f"the derivative by {name}"
    q.answer(t.moved[name])
    return q


__all__ = ["examine_trained", "trains"]
