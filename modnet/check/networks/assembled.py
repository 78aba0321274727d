"""Networks that are put together by ``add`` and train themselves by ``fit`` or ``train``.

Layers, a loss and an optimizer of our own are put in, which write down every call; so what is found is the network's, whatever
its course's layers do. A pass goes through the layers and back, each is given what the one before returned, and moves once by
its gradient; the loss is given the network's output and the truth of the same examples; in an epoch every example is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.networks.calls import Call, Way, multiple, same
from modnet.check.networks.judge import judge
from modnet.check.networks.logged import Logged
from modnet.check.networks.parts import put_together
from modnet.check.networks.pieces import (
    CrossEntropyPiece,
    Log,
    LossPiece,
    Obliging,
    OptimizerPiece,
    Piece,
    SoftmaxPiece,
)
from modnet.check.networks.scored import form_of
from modnet.check.networks.scored_build import used_by
from modnet.check.reading.arguments import NotBuilt, asks, method_given, needs
from modnet.check.reading.lines import quote, set_elsewhere
from modnet.check.reading.vocabulary import ADDS, FORWARDS, TRAINS, first_method, meaning_of
from modnet.check.report import Finding, Report
from modnet.check.styles.loss_calls import is_loss_name

_LEFT = ("loss", "modules", "net")  # what stays at its default
_WIDTH = 3


def is_assembled(cls: type) -> bool:
    """Whether a class is such a network."""
    given = any(meaning_of(p.name, ("modules",)) and p.default in (p.empty, None) for p in asks(cls, by_name=True))
    return bool((first_method(cls, ADDS) or given) and _trains(cls)) and not form_of(cls)


def is_filled(cls: type) -> bool:
    """Whether layers are added to it one by one, and others train it, as they do the contract's Sequentiel."""
    return bool(first_method(cls, ADDS)) and not _trains(cls)


def goes_both_ways(cls: type) -> bool:
    """Whether a class goes forward and back through layers that it is given, and leaves the training to others."""
    if form_of(cls) or _trains(cls):
        return False
    if not first_method(cls, ADDS) and not any(meaning_of(p.name, ("modules", "net")) for p in asks(cls, by_name=True)):
        return False
    return all(len(needs(getattr(cls, name, None))) == 1 for name in ("forward", "backward"))


def _trains(cls: type) -> str:
    return method_given(cls, TRAINS, ("X", "y")) or method_given(cls, TRAINS, ("loader",))


class Assembled(Logged):
    """A network that was put together of layers of ours, and trained; one that leaves that to others went there and back.

    Attributes
    ----------
    net : the network. special : whether it ends in a softmax and a cross-entropy that it may go back through at once.
    predicts, predicted : the method that predicts, and what it gives for x afterwards. later : what it called then.
    failed : the method that evaluates and what it ended with, if that is its own mistake.
    """

    up_to_factor = True
    predicts = ""
    predicted: np.ndarray | None = None
    failed: tuple[str, Misbehaviour] | None = None
    lines = {
        "the way there": (("forward",), (r"forward", r"\bfor\b")),
        "the loss": ((), (r"prime|deriv|backward|slope|grad", r"loss")),
        "the pairs": ((), (r"prime|deriv|backward|slope|grad", r"loss")),
        "the way back": (
            ("backward", "backward_propagation", "backprop", "back_propagation"),
            (r"reversed|\[::-1\]", r"back", r"\bfor\b"),
        ),
        "the steps": ((), (r"-=|update|step", r"back")),
        "the examples": ((), (r"range\(", r"\bfor\b")),
    }

    def __init__(
        self, cls: type, shape: tuple[int, ...], special: tuple[type, type] | None = None, rate: float = Logged.rate
    ) -> None:
        """Put it together, and drive it; `NotBuilt` or `Misbehaviour` if that cannot be done.

        Parameters
        ----------
        shape : that of one example, (3,), (1, 3) or (3, 1).
        special : its author's softmax and cross-entropy, which ours then derive from.
        """
        super().__init__(cls, _trains(cls) or "backward", partial(Assembled, cls, shape, special))
        self.batch, self.rate, self.special, self.alone = self.count, rate, bool(special), self.method == "backward"
        self.log = log = Log(self.y, self.calls)
        self.layers = [Piece(log, 0, _WIDTH), Piece(log, 1), Piece(log, 2, _WIDTH)]
        truth: np.ndarray = self.y.reshape(self.count, *shape)
        loss = LossPiece(log, len(self.layers))
        if special:
            self.layers.append(type("Softmax", (SoftmaxPiece, special[0]), {})(log, 3))
            loss = type("CrossEntropy", (CrossEntropyPiece, special[1]), {})(log, len(self.layers))
            truth = np.arange(self.count) % _WIDTH
            self.y = np.eye(_WIDTH)[truth]
        self.values: dict[str, Any] = {
            "X": self.x.reshape(self.count, *shape), "y": truth, "epochs": self.epochs, "batch": self.size, "rate": rate,
            "momentum": 0.0,
            "optimizer": OptimizerPiece(rate), "accuracy": Obliging(), "loss": loss, "derivative": loss.slope,
        }  # fmt: skip
        starts = range(0, self.count, self.size)
        self.values["loader"] = [tuple(self.values[n][i : i + self.size] for n in ("X", "y")) for i in starts]
        self.net = put_together(cls, self.layers, self.values, self.called)
        rows = ["the way there", "the loss", "the way back"]
        if self.alone:
            self.training = "there and back"
            self._go_there_and_back()
        else:
            rows += ["the steps", "the examples"]
            self.training = f"{self.epochs} epochs of {self.count} examples"
            parts = [(i, k, what) for i in (0, 2) for k, what in enumerate(("weights", "bias"))]
            self.learning = {f"the {what} of {self.label(i)}": (i, k) for i, k, what in parts}
            self._train()
        self.rows = {name: name for name in rows}
        if self.predicts or self.failed:
            self.rows["the end"] = self.predicts or "evaluate"

    def _train(self) -> None:
        """Train it, evaluate it, and ask it to predict."""
        try:
            self.called(f"{self.cls.__name__}.{self.method}", getattr(self.net, self.method), self.values, _LEFT)
        except Misbehaviour as problem:
            if not any(e.what == "backward" for e in self.calls):
                raise
            self.problem = problem  # what has been called until then may say why
        self._evaluate()
        self.later = self.log.events = []  # what comes now is no training
        if predicts := first_method(self.cls, ("predict", *FORWARDS, "__call__")):
            with suppress(ValueError, TypeError, Misbehaviour):
                found = call(f"{self.cls.__name__}.{predicts}", getattr(self.net, predicts), self.values["X"])
                self.predicted, self.predicts = np.asarray(found, dtype=float), predicts

    def _evaluate(self) -> None:
        """Ask the method that evaluates, in batches; what it raises is kept if it can be no one else's mistake."""
        name = first_method(self.net, ("evaluate", "validate"))
        names = [p.name for p in asks(getattr(self.net, name), by_name=True)] if name else []
        if len(names) < 2 or not (re.match("x|input", names[0], re.I) and re.match("y|t", names[1], re.I)):
            return
        more = {n: self.size for n in names[2:] if meaning_of(n, ("batch",))}
        method, x, y = getattr(self.net, name), self.values["X"], self.values["y"]
        try:
            call(f"{self.cls.__name__}.{name}", lambda: method(x, y, **more))
        except Misbehaviour as problem:
            if problem.line and re.search(r"NameError|UnboundLocalError|'float' object cannot be interpreted", problem.message):
                self.failed = name, problem

    def _go_there_and_back(self) -> None:
        """One way forward and one back, from the derivative of a loss that is ours."""
        name, x, y = self.cls.__name__, self.values["X"], self.values["y"]
        self.predicts = "forward"
        out = self.predicted = np.asarray(call(f"{name}.forward", self.net.forward, x.copy()), dtype=float)
        if out.shape != x.shape:
            raise NotBuilt(f"{name}.forward gives shape {out.shape} for {x.shape}")
        self.calls.append(Call("slope", len(self.layers), out.copy(), out - y, held=(y,)))
        try:
            call(f"{name}.backward", self.net.backward, out - y)
        except Misbehaviour as problem:
            self.problem = problem
        self.later = self.log.events = []

    def order(self) -> list[int]:
        """All layers."""
        return list(range(len(self.layers)))

    def label(self, i: int) -> str:
        """A layer in words."""
        return f"layer {i} ({('a dense layer', 'a tanh', 'a dense layer', 'the softmax')[i]})"

    def may_skip(self, way: Way, i: int) -> bool:
        """The softmax, if its derivative is taken with that of the loss."""
        return self.special and i == len(self.layers) - 1

    def start(self, way: Way) -> np.ndarray:
        """The derivative of the loss; through the softmax, too, if the way back skips it."""
        out, truth = way.there[-1].result, self.y[self.used(way)]
        if self.special:
            return -truth / out if way.back[0].layer == way.there[-1].layer else out - truth
        return out - truth.reshape(out.shape) if way.slope is None else way.slope.result

    def wrong_start(self, way: Way) -> Finding | None:
        """The derivative of softmax and cross-entropy together, before the softmax."""
        first = way.back[0]
        if self.special and first.layer == len(self.layers) - 1:
            if multiple(first.given, way.there[-1].result - self.y[self.used(way)]):
                text = "backward of the softmax is given the derivative of softmax and cross-entropy, in which it is already."
                return Finding("softmax-twice", "", text, "give it to the layer before the softmax")
        elif way.slope is None and not self.special and not multiple(first.given, self.start(way)):
            raise NotBuilt("what it gives to the last layer is not the derivative of a squared error")
        return None

    def truths(self, way: Way, used: list[int]) -> list[int]:
        """Those of the loss, but of classes, which several examples share."""
        return used if self.special else super().truths(way, used)

    def every_example(self) -> tuple[int, str]:
        """All of x, unless it was given them one way."""
        return (0, "") if self.alone else super().every_example()

    def end(self) -> Iterator[Finding]:
        """Whether it predicts what its layers give, in evaluation; and can be evaluated."""
        if self.predicted is not None:
            yield from self._prediction()
        if self.failed is not None:
            name, problem = self.failed
            yield Finding("crash", f"{self.cls.__name__}.{name}", problem.message + ".", "", line=problem.line)

    def _prediction(self) -> Iterator[Finding]:
        told = [e.training for e in self.later if e.what == "forward" and e.training is not None][: len(self.layers)]
        out, where = self.x, f"{self.cls.__name__}.{self.predicts}"
        for layer in self.layers:
            out = layer(out)
        line = quote(self.cls, self.predicts, r"forward", r"return")
        if not any(same(self.predicted, wanted) for wanted in (out, out.argmax(axis=-1))):
            text = "what it predicts is not what its layers give, one after another."
            yield Finding("forward", where, text, "output = layer.forward(output) for each layer", line=line)
        elif told and all(told) and any(e.training for e in self.calls):
            text = "it predicts with its layers in training: a dropout would drop."
            yield Finding("eval-mode", where, text, "forward(X, training=False)", line=line)


def _softmax_and_loss(cls: type) -> tuple[type, type] | None:
    """The softmax and the cross-entropy among the classes that a network's methods name; None without both."""
    there = [v for v in used_by(cls).values() if isinstance(v, type)]
    softmax = [c for c in there if re.search("softmax", c.__name__, re.I) and not is_loss_name(c.__name__)]
    others = [c for c in there if not re.search("softmax|binary", c.__name__, re.I)]
    losses = [c for c in others if re.search("categorical|cross", c.__name__, re.I)]
    return (softmax[0], losses[0]) if softmax and losses else None


def examine_assembled(cls: type) -> Report:
    """The report on such a network's class; `NotBuilt` if it could not be put together."""
    why = ""
    closest: Misbehaviour | None = None
    for shape in ((_WIDTH,), (1, _WIDTH), (_WIDTH, 1)):
        try:
            report = _examined(cls, shape)
            special = _softmax_and_loss(cls)
            if report.ok and special is not None and shape == (_WIDTH,):
                with suppress(NotBuilt, Misbehaviour, TypeError, ValueError, AttributeError, IndexError, KeyError):
                    report.add(_examined(cls, shape, special), "with a softmax and a cross-entropy")
            return report
        except NotBuilt as problem:
            why = why or str(problem)
        except Misbehaviour as problem:
            closest = closest or problem
        except (TypeError, ValueError, AttributeError, IndexError, KeyError) as problem:
            why = why or f"{type(problem).__name__}: {problem}"
    lacks = rf"NameError|UnboundLocalError|'{cls.__name__}' object has no attribute"
    unset = closest is not None and set_elsewhere(cls, _trains(cls), closest.message)
    if not why and closest is not None and closest.line and re.search(lacks, closest.message) and not unset:
        raise closest
    raise NotBuilt(f"{cls.__name__} could not be put together: {why or (closest.message if closest else '')}")


def _examined(cls: type, shape: tuple[int, ...], special: tuple[type, type] | None = None) -> Report:
    run = Assembled(cls, shape, special)
    if not any(e.what == "backward" for e in run.calls):
        raise NotBuilt("it calls no backward of the layers that it was given")
    if not run.alone and not run.told and run.problem is None and all(moved == 0.0 for moved in run.moves().values()):
        raise NotBuilt("it is given no rate and no optimizer: its layers may move themselves, in their backward")
    end = ", a softmax and a cross-entropy of its own" if special else ""
    report = Report(f"{cls.__name__} of layers of the check's own{end}, {run.training}")
    judge(report, run)
    return report
