"""Networks that train themselves: ``train(X, y)`` moves their parameters, and gives no gradient to look at.

What one step has moved is held against the derivative of a loss, by differences of the network's own forward. Which loss that
is, and by which rate, is what most of the parameters say; the others must have moved by the same loss and the same rate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modnet.check.arguments import NotBuilt, asks, method_given
from modnet.check.arrays import arrays_within, copied
from modnet.check.lines import quote
from modnet.check.modes import is_mode
from modnet.check.networks.form import Form, difference
from modnet.check.networks.judge import judge
from modnet.check.networks.scored import form_of
from modnet.check.networks.scored_build import built
from modnet.check.question import ALIKE
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, call
from modnet.check.vocabulary import BACKWARDS, FORWARDS, OUTPUTS, TRAINS, first_method, is_rate, meaning_of

_FORWARDS = (*FORWARDS, *OUTPUTS)
_BY = (*TRAINS[::-1], *BACKWARDS)
_NAMED = re.compile(r"net|nn|mlp|perceptron|model", re.I)
_PARAMETER = re.compile(r"weight|bias|theta|kernel|param|^w|^b|_w|_b", re.I)
_NO_PARAMETER = re.compile(r"grad|delta|error|loss|cache|veloc|moment|history|^d_?[WBwb]\d*$|^d_?(weight|bias)", re.I)
_RATE = 0.01


def trains(cls: type) -> bool:
    """Whether a class is such a network."""
    if form_of(cls) or not _NAMED.search(cls.__name__):
        return False
    return bool(first_method(cls, _FORWARDS) and _method(cls))


def _method(cls: type) -> str:
    """The method that trains: it is given an input and a truth."""
    return method_given(cls, _BY, ("X", "y"))


class Trained(Form):
    """A network that has taken one step.

    Attributes
    ----------
    net : before the step. x : its input. y : the truth, of its output's shape. as_given : the same as it was given.
    held : its parameters before. moved : what the step has taken from them. loss : by which it may have moved, and its name.
    """

    nearness = 10 * ALIKE
    loss: tuple[str, Callable[[np.ndarray, np.ndarray], float]]

    def __init__(self, net: Any, x: np.ndarray, y: np.ndarray, as_given: np.ndarray, after: Any) -> None:
        super().__init__(type(net), _method(type(net)))
        self.net, self.x, self.y, self.as_given, self.held = net, x, y, as_given, _parameters(net)
        self.moved = self._since(after)

    def _since(self, after: Any) -> dict[str, np.ndarray]:
        now = _parameters(after)
        return {n: a - now[n] for n, a in self.held.items() if n in now and now[n].shape == a.shape}

    def number(self) -> np.ndarray:
        """The loss."""
        return np.array([self.loss[1](_forward(self.net, self.x), self.y)])

    def by(self, loss: tuple[str, Callable[[np.ndarray, np.ndarray], float]]) -> int:
        """Take a loss; how many parameters have moved by its derivative."""
        self.loss = loss
        with np.errstate(all="ignore"):
            asked = {n: difference(self, n, self.held[n]) for n in self.moved}
        self.asked = {n: q for n, q in asked.items() if np.isfinite(q.truth).all() and np.abs(q.truth).max(initial=0.0) > 1e-9}
        for n, q in self.asked.items():
            q.answer(self.moved[n])
        return sum(r is not None and r != 0 for r in self.moves().values())

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """Of each parameter that the loss depends on."""
        return {n: q.factor(q.truth) if q.got.any() else 0.0 for n, q in self.asked.items()}

    def through_moved(self, names: list[str]) -> bool:
        """Whether a step so short that nothing else moves is right."""
        after = copied(self.net)
        _step(after, self.x, self.as_given, 1e-4)
        moved = self._since(after)
        for n in names:
            self.asked[n].answer(moved[n])
        first = all(self.asked[n].factor(self.asked[n].truth) is not None for n in names)
        for n in names:
            self.asked[n].answer(self.moved[n])
        return first

    def line(self, question: str, name: str = "") -> str:
        """The line to look at."""
        line = quote(self.cls, self.method, rf"{re.escape(name.split('[')[0])}.*=") if name else ""
        return line or quote(self.cls, self.method, r"-=|\+=")

    def told_of(self, report: Report, question: str, findings: list[Finding]) -> None:
        """A row for each parameter."""
        for n, r in self.moves().items() if question == "the steps" else ():
            report.verdict(f"{n} by {self.loss[0]}", right=bool(r and r > 0), remark=f"rate {r:.3g}" if r else findings[0].kind)


def _parameters(net: Any) -> dict[str, np.ndarray]:
    """The float arrays of an object that may learn, in place, by name, in their order; those in lists and dicts too."""
    named = ((place, re.split(r"[.\[]", place)[0], array) for place, array in arrays_within(net))
    return {place: array for place, name, array in named if _PARAMETER.search(name) and not _NO_PARAMETER.search(name)}


def _forward(net: Any, x: np.ndarray) -> np.ndarray:
    name = first_method(net, _FORWARDS)
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
        if is_rate(name) and isinstance(value, float):
            setattr(net, name, value * less)
    name = _method(type(net))
    method = getattr(net, name)
    out = _forward(net, x)
    names = [p.name for p in asks(method) if meaning_of(p.name, ("y",))]
    others = [n for n in names if not meaning_of(n, ("outputs",))]  # beside a truth, output is what forward gave
    arguments: dict[str, Any] = {}
    for p in asks(method):
        kind = meaning_of(p.name, ("epochs", "batch", "X", "y", "yhat", "rate", "step"))
        if kind == "y" and others and p.name not in others:
            kind = "yhat"
        if kind in ("X", "y", "yhat"):
            arguments[p.name] = {"X": x, "y": y, "yhat": out}[kind].copy()
        elif kind == "rate":
            arguments[p.name] = _RATE * less
        elif kind == "batch":
            arguments[p.name] = len(x)
        elif kind == "epochs" or (kind == "step" and p.default is not p.empty):
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
    """The report on a network's class that trains itself, by the loss whose derivative the most parameters have moved by."""
    closest = ""
    for trained in _tried(cls):
        if isinstance(trained, Misbehaviour):
            closest = closest or trained.message
        elif any(fits := [trained.by(loss) for loss in _LOSSES]):
            trained.by(_LOSSES[fits.index(max(fits))])
            report = Report(f"{cls.__name__}, one step by {trained.loss[0]} on an input of shape {trained.x.shape}")
            judge(report, trained)
            return report
        else:
            closest = "what a step moves is the derivative of no loss that is known here, not even at the output"
    raise NotBuilt(f"{cls.__name__} could not be asked: {closest or 'what its arguments mean is not known'}")


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
            trained = Trained(start, x, y, given, after)
            if any(m.any() for m in trained.moved.values()):
                yield trained
    yield from failed
