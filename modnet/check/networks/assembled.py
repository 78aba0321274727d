"""Networks that are put together by ``add`` and train themselves by ``fit`` or ``train``.

Layers, a loss and an optimizer of our own are put in, which write down every call; so what is found is the network's, whatever
its course's layers do. A pass goes through the layers and back, each is given what the one before returned, and moves once by
its gradient; the loss is given the network's output and the truth of the same examples; in an epoch every example is used.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from modnet.check.arguments import NotBuilt, asks, fill, method_given, needs
from modnet.check.lines import quote
from modnet.check.loss_calls import is_loss_name
from modnet.check.networks.calls import Call, Way, same, ways
from modnet.check.networks.form import Form
from modnet.check.networks.judge import judge
from modnet.check.networks.pieces import (
    AccuracyPiece,
    CrossEntropyPiece,
    Log,
    LossPiece,
    OptimizerPiece,
    Piece,
    SoftmaxPiece,
    multiple,
    rates,
    rows_of,
)
from modnet.check.networks.scored import form_of
from modnet.check.networks.scored_build import used_by
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, call
from modnet.check.vocabulary import ADDS, FORWARDS, TRAINS, first_method, meaning_of

EPOCHS, BATCH = 8, 4
_SETS = ("use", "set", "compile", "use_loss", "set_loss", "set_optimizer", "configure", "setup", "build")
_FINALIZES = ("finalize", "finalise")
_WIDTH, _COUNT, _RATE = 3, 6, 0.05


def is_assembled(cls: type) -> bool:
    """Whether a class is such a network."""
    given = any(meaning_of(p.name, ("modules",)) and p.default in (p.empty, None) for p in asks(cls, by_name=True))
    return bool((first_method(cls, ADDS) or given) and _trains(cls)) and not form_of(cls)


def goes_both_ways(cls: type) -> bool:
    """Whether a class goes forward and back through layers that it is given, and leaves the training to others."""
    if form_of(cls) or _trains(cls):
        return False
    if not first_method(cls, ADDS) and not any(meaning_of(p.name, ("modules", "net")) for p in asks(cls, by_name=True)):
        return False
    return all(len(needs(getattr(cls, name, None))) == 1 for name in ("forward", "backward"))


def _trains(cls: type) -> str:
    return method_given(cls, TRAINS, ("X", "y"))


def _filled(run: Assembled, method: Any, values: dict[str, Any], *, all_of: bool = False) -> dict[str, Any]:
    """Arguments for a method, by what they mean; `NotBuilt` if one that is required means nothing known."""
    found, told = fill(method, values, leave=() if all_of else ("loss", "modules", "net"))
    run.told |= bool(told & {"rate", "optimizer"})
    run.batched |= "batch" in told
    return found


class Assembled(Form):
    """A network that was put together of layers of ours, and trained.

    Attributes
    ----------
    net : the network. x, y : the examples, (examples, numbers). log : what was called. layers : what was put in.
    batched : whether it was given the size of a batch. other : does it all again, with half the rate.
    failed : the method that evaluates and what it ended with, if that is its own mistake.
    special : whether it ends in a softmax and a cross-entropy that it may go back through at once.
    predicted : what it predicts for x afterwards, and where the calls of that begin; None if it has no such method.
    """

    up_to_factor = True
    net: Any = None
    other: Any = None
    batched = special = False
    asked_at, predicts = 0, ""
    predicted: np.ndarray | None = None
    failed: tuple[str, Misbehaviour] | None = None

    def __init__(self, cls: type, x: np.ndarray, y: np.ndarray, log: Log, layers: list[Piece]) -> None:
        super().__init__(cls, _trains(cls) or "backward")
        self.x, self.y, self.log, self.layers, self.batch = x, y, log, layers, len(x)
        self.alone = self.method == "backward"  # it leaves training to others
        self.training = "there and back" if self.alone else f"{EPOCHS} epochs of {len(x)} examples"
        self.rows = ("the way there", "the loss", "the way back", *(() if self.alone else ("the steps", "the examples")))

    def ways(self) -> list[Way]:
        """Each way there and back, until it was asked to predict."""
        return [way for way in ways(self.log.events[: self.asked_at]) if way.back]

    def order(self) -> list[int]:
        """All layers."""
        return list(range(len(self.layers)))

    def label(self, i: int) -> str:
        """A layer in words."""
        return f"layer {i} ({('a dense layer', 'a tanh', 'a dense layer', 'the softmax')[i]})"

    def may_skip(self, way: Way, i: int) -> bool:
        """The softmax, if its derivative is taken with that of the loss."""
        return self.special and i == len(self.layers) - 1

    def _used(self, way: Way) -> list[int]:
        used = rows_of(way.there[0].given, self.x)
        if used is None:
            raise NotBuilt("its layers are given other numbers than its input")
        return used

    def start(self, way: Way) -> np.ndarray:
        """The derivative of the loss; through the softmax, too, if the way back skips it."""
        last = next(c for c in way.there if c.layer == way.back[0].layer)
        out, truth = way.there[-1].result, self.y[self._used(way)]
        if self.special:
            return -truth / out if last is way.there[-1] else out - truth
        return out - truth.reshape(out.shape) if way.slope is None else way.slope.result

    def wrong_start(self, way: Way) -> Finding | None:
        """The derivative of softmax and cross-entropy together, before the softmax."""
        first = way.back[0]
        if self.special and first.layer == len(self.layers) - 1:
            if multiple(first.given, way.there[-1].result - self.y[self._used(way)]):
                text = "backward of the softmax is given the derivative of softmax and cross-entropy, in which it is already."
                return Finding("softmax-twice", "", text, "give it to the layer before the softmax")
        elif way.slope is None and not self.special and not multiple(first.given, self.start(way)):
            raise NotBuilt("what it gives to the last layer is not the derivative of a squared error")
        return None

    def examples(self) -> list[tuple[list[int], list[int]]]:
        """Of each way, by the numbers that its first layer and its loss were given."""
        found = []
        for way in self.ways():
            used = self._used(way)
            truths = rows_of(way.slope.held[0], self.y) if way.slope is not None and not self.special else used
            found.append((used, truths or []))
        return found

    def every_example(self) -> tuple[int, str]:
        """All of x, unless it was given them one way."""
        batches = f", in batches of {BATCH}," if self.batched else ""
        return (0 if self.alone else len(self.x)), f"{batches} {EPOCHS} epochs"

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """By the weights and the bias of both layers."""
        if slower:
            return self.other().moves()
        every, found = self.ways(), dict[str, float | None]()
        for i, k in () if self.alone else ((0, 0), (0, 1), (2, 0), (2, 1)):
            held = [next(c for c in way.there if c.layer == i).held[k] for way in every] + [self.layers[i].held()[k]]
            gradients = [way.of(i)[0].gradient[k] for way in every]
            found[f"the {'bias' if k else 'weights'} of {self.label(i)}"] = rates(held, gradients)
        return found

    def end(self) -> Iterator[Finding]:
        """Whether it predicts what its layers give, in evaluation; and can be evaluated."""
        if self.predicts and self.predicted is not None:
            yield from self._prediction()
        if self.failed is not None:
            name, problem = self.failed
            yield Finding("crash", f"{self.cls.__name__}.{name}", problem.message + ".", "", line=problem.line)

    def _prediction(self) -> Iterator[Finding]:
        out, where, n = self.x, f"{self.cls.__name__}.{self.predicts}", len(self.layers)
        for layer in self.layers:
            out = layer(out)
        line = quote(self.cls, self.predicts, r"forward", r"return")
        asked = [e for e in self.log.events[self.asked_at :] if e.what == "forward" and e.training is not None]
        told = any(e.training for e in self.log.events[: self.asked_at] if e.what == "backward" or e.training is not None)
        if not any(same(self.predicted, wanted) for wanted in (out, out.argmax(axis=-1))):
            text = "what it predicts is not what its layers give, one after another."
            yield Finding("forward", where, text, "output = layer.forward(output) for each layer", line=line)
        elif asked[:n] and all(e.training for e in asked[:n]) and told:
            text = "it predicts with its layers in training: a dropout would drop."
            yield Finding("eval-mode", where, text, "forward(X, training=False)", line=line)

    def line(self, question: str, name: str = "") -> str:
        """The line to look at: of the method that trains, or of one of its helpers."""
        helpers, patterns = _LINES.get(question, ((), ()))
        names = [n for n in (*helpers, self.method) if callable(getattr(self.cls, n, None))]
        return next((line for n in names if (line := quote(self.cls, n, *patterns))), "")

    def told_of(self, report: Report, question: str, findings: list[Finding]) -> None:
        """Rows; the last one for what predicts."""
        super().told_of(report, question, findings)
        if question == "the end" and (self.predicts or findings):
            report.verdict(self.predicts or "evaluate", right=not findings, remark=findings[0].kind if findings else "")


_LINES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
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


def trained(cls: type, rate: float, shape: tuple[int, ...], special: tuple[type, type] | None = None) -> Assembled:
    """A network of this class, put together, trained, and asked; `NotBuilt` or `Misbehaviour` if that cannot be done.

    Parameters
    ----------
    rate : of learning. shape : that of one example, (3,), (1, 3) or (3, 1).
    special : its author's softmax and cross-entropy, which ours then derive from.
    """
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0.1, 1, (_COUNT, _WIDTH)), rng.uniform(0.1, 0.9, (_COUNT, _WIDTH))
    log = Log(y)
    layers = [Piece(log, 0, _WIDTH), Piece(log, 1), Piece(log, 2, _WIDTH)]
    loss = LossPiece(log, len(layers))
    if special:
        layers.append(type("Softmax", (SoftmaxPiece, special[0]), {})(log, 3))
        loss = type("CrossEntropy", (CrossEntropyPiece, special[1]), {})(log, len(layers))
    classes = np.arange(_COUNT) % _WIDTH
    run = Assembled(cls, x, np.eye(_WIDTH)[classes] if special else y, log, layers)
    run.special = bool(special)
    values: dict[str, Any] = {
        "X": x.reshape(_COUNT, *shape), "y": classes if special else y.reshape(_COUNT, *shape), "epochs": EPOCHS,
        "batch": BATCH, "rate": rate, "optimizer": OptimizerPiece(rate), "accuracy": AccuracyPiece(), "loss": loss,
        "derivative": loss.slope,
    }  # fmt: skip
    whole = {} if first_method(cls, ADDS) else {"modules": layers, "net": layers}
    given = _filled(run, cls, values | whole, all_of=bool(whole))
    run.net = net = call(f"{cls.__name__}(...)", lambda: cls(**given))
    add = first_method(cls, ADDS)
    for layer in layers if add else ():
        call(f"{cls.__name__}.{add}", getattr(net, add), layer)
    for name in _SETS:
        method = getattr(net, name, None)
        if callable(method) and asks(method, by_name=True):
            try:
                arguments = _filled(run, method, values, all_of=True)
            except NotBuilt:
                continue
            call(f"{cls.__name__}.{name}", lambda method=method, arguments=arguments: method(**arguments))
    for name in _FINALIZES:
        if callable(getattr(net, name, None)):
            call(f"{cls.__name__}.{name}", getattr(net, name))
    if run.method == "backward":
        _there_and_back(run, values["X"])
        return run
    method = getattr(net, run.method)
    arguments = _filled(run, method, values)
    run.batched &= len(values["X"]) > BATCH
    try:
        call(f"{cls.__name__}.{run.method}", lambda: method(**arguments))
    except Misbehaviour as problem:
        if not any(e.what == "backward" for e in log.events):
            raise
        run.problem = problem  # what has been called until then may say why
    _evaluated(run, values)
    run.asked_at = len(log.events)
    run.predicts = first_method(cls, ("predict", *FORWARDS, "__call__"))
    if run.predicts:
        try:
            found = call(f"{cls.__name__}.{run.predicts}", getattr(net, run.predicts), values["X"])
            run.predicted = np.asarray(found, dtype=float)
        except (ValueError, TypeError, Misbehaviour):
            run.predicts = ""
    return run


def _evaluated(run: Assembled, values: dict[str, Any]) -> None:
    """Ask the method that evaluates, in batches; what it raises is kept if it can be no one else's mistake."""
    name = first_method(run.net, ("evaluate", "validate"))
    names = [p.name for p in asks(getattr(run.net, name), by_name=True)] if name else []
    if len(names) < 2 or not (re.match("x|input", names[0], re.I) and re.match("y|t", names[1], re.I)):
        return
    more = {n: BATCH for n in names[2:] if meaning_of(n, ("batch",))}
    method, x, y = getattr(run.net, name), values["X"], values["y"]
    try:
        call(f"{type(run.net).__name__}.{name}", lambda: method(x, y, **more))
    except Misbehaviour as problem:
        if problem.line and re.search(r"NameError|UnboundLocalError|'float' object cannot be interpreted", problem.message):
            run.failed = name, problem
    except (NotBuilt, TypeError, ValueError):
        return


def _there_and_back(run: Assembled, x: np.ndarray) -> None:
    """One way forward and one back, from the derivative of a loss that is ours."""
    name = type(run.net).__name__
    run.predicted = np.asarray(call(f"{name}.forward", run.net.forward, x.copy()), dtype=float)
    run.predicts = "forward"
    if run.predicted.shape != x.shape:
        raise NotBuilt(f"{name}.forward gives shape {run.predicted.shape} for {x.shape}")
    delta = run.predicted - run.y.reshape(x.shape)
    run.log.events.append(Call("slope", len(run.layers), run.predicted.copy(), delta.copy(), held=(run.y.reshape(x.shape),)))
    try:
        call(f"{name}.backward", run.net.backward, delta.copy())
    except Misbehaviour as problem:
        run.problem = problem
    run.asked_at = len(run.log.events)


def _softmax_and_loss(cls: type) -> tuple[type, type] | None:
    """The softmax and the cross-entropy among the classes that a network's methods name; None without both."""
    spaces = [v.__globals__ for v in vars(cls).values() if inspect.isfunction(v)]
    named = used_by(cls)
    there = [v for space in spaces[:1] for n, v in space.items() if n in named and isinstance(v, type)]
    softmax = [c for c in there if re.search("softmax", c.__name__, re.I) and not is_loss_name(c.__name__)]
    losses = [
        c
        for c in there
        if re.search("categorical|cross", c.__name__, re.I) and not re.search("softmax|binary", c.__name__, re.I)
    ]
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
    if not why and closest is not None and closest.line and re.search(lacks, closest.message):
        raise closest
    raise NotBuilt(f"{cls.__name__} could not be put together: {why or (closest.message if closest else '')}")


def _examined(cls: type, shape: tuple[int, ...], special: tuple[type, type] | None = None) -> Report:
    run = trained(cls, _RATE, shape, special)
    if not any(e.what == "backward" for e in run.log.events):
        raise NotBuilt("it calls no backward of the layers that it was given")
    run.other = partial(trained, cls, _RATE / 2, shape, special)
    end = ", a softmax and a cross-entropy of its own" if run.special else ""
    report = Report(f"{cls.__name__} of layers of the check's own{end}, {run.training}")
    judge(report, run)
    return report
