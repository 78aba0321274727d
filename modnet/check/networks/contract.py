"""How a network of the contract puts its layers together: what its backward gives to each, and what its update moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied, gradients, is_gradient, looks_trained, parameters
from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.asking.draws import same_draws
from modnet.check.networks.calls import Call, Watched, Way, same
from modnet.check.networks.form import Form, Round
from modnet.check.networks.judge import judge
from modnet.check.networks.layers import containers_of, hint_for, label_of, last_output, layers_of
from modnet.check.networks.wiring import backward, backward_method, filled, give, own_method
from modnet.check.reading.lines import does_nothing, quote
from modnet.check.reading.vocabulary import BACKWARD, DELTA, FORWARD, GRADIENT, UPDATE, UPDATES, ZEROS, written
from modnet.check.report import Finding, Report
from modnet.engine.program import is_ours, is_wired


def examine_chain(net: Any, loss: Any, X: np.ndarray, y: np.ndarray, right: bool) -> Report:
    """The report on how a network puts its layers together, whether they are right themselves or not.

    Parameters
    ----------
    right : whether all layers are: then the gradients are compared with differences of the loss, too.
    """
    report = Report(f"{type(net).__name__} of {len(layers_of(net))} layers, counted from 0, on {len(X)} examples")
    add_chain(report, net, loss, X, y, right)
    return report


def add_chain(report: Report, net: Any, loss: Any, X: np.ndarray, y: np.ndarray, right: bool = True) -> None:
    """Add to a report how the network's backward and update treat its layers, which are right or not."""
    name, method = type(net).__name__, backward_method(net)
    if method and does_nothing(getattr(net, method)):
        text, hint = f"{method} of {name} does nothing.", "the loop over the layers, from the last to the first"
        line = quote(type(net), method, r"pass|return", r"\w")
        report.findings.append(Finding("not-implemented", f"{name}.{method}", text, hint, line=line))
        report.verdict("the chain", right=False, remark="not-implemented")
        return
    chain = Contract(net, loss, X, y, right)
    try:
        judge(report, chain)
    except Misbehaviour as problem:
        operation = problem.message.split(" raises ")[0]
        where = operation if "." in operation else name
        report.findings.append(Finding(problem.kind, where, problem.message + ".", hint_for(problem), line=problem.line))
        if not where.endswith(f".{chain.update}"):
            report.verdict("the chain", right=False, remark=problem.kind)
            return
    beside = [f for f in report.findings if f.where.split(".")[-1] in (chain.update, chain.zero)]
    rest = [f for f in report.findings if f not in beside]
    if rest:
        report.verdict("the chain", right=False, remark=rest[0].kind)
    elif not chain.ways() and not chain.compares:
        report.verdict("the chain", right=None, remark="its layers are not called one after the other on the batch")
    else:
        errors = [q.error for q in chain.measured.questions.values()] if chain.compares else []
        remark = "" if chain.compares else "each layer is given its own input and delta"
        report.verdict("the chain", max(errors, default=0.0), remark=remark)
    for finding in beside:
        report.verdict(finding.where.split(".")[-1], right=False, remark=finding.kind)


class Contract(Form):
    """A network of the contract, with its loss, at a batch; `right` says whether its layers are."""

    other_delta = "identity", "direction"
    doubles, by_gradient = True, False
    draws = False

    def __init__(self, net: Any, loss: Any, X: np.ndarray, y: np.ndarray, right: bool) -> None:
        super().__init__(type(net), backward_method(net))
        self.net, self.loss, self.X, self.y, self.batch, self.right = net, loss, X, y, len(X), right
        self.seen = not is_wired(net) and not list(containers_of(net, set()))  # whether Python calls each layer
        self.methods, layers = [self.method], layers_of(net)
        self.update, self.zero = (own_method(net, names, layers) for names in (UPDATES, ZEROS))
        self.probe = copied(net)
        # A network that draws by itself draws anew at every call: each value of the loss then needs a copy that draws the same.
        with suppress(Misbehaviour):
            self.draws = not np.array_equal(self._output(), self._output(), equal_nan=True)
            self.probe = copied(net) if self.draws else self.probe

    def _output(self) -> np.ndarray:
        """The output for X at the parameters of the probe."""
        with same_draws():
            net = copied(self.probe) if self.draws else self.probe
            return last_output(call(f"{self.cls.__name__}.{FORWARD}", net.forward, self.X.copy()), self.X, len(layers_of(net)))

    @cached_property
    def turn(self) -> _Turn:
        """One way there and back, as far as it comes."""
        turn, half = _Turn(self, self.seen), getattr(self.net, DELTA, None)
        try:
            turn.ask()
        except Misbehaviour as problem:
            if not turn.begun:
                raise
            if self.method == GRADIENT and callable(half) and not does_nothing(half):
                # Some keep in backward_delta what backward_update_gradient needs.
                self.methods = [DELTA, GRADIENT]
                with suppress(Misbehaviour):
                    other = _Turn(self, self.seen)
                    other.ask()
                    return other
                self.methods = [GRADIENT]
            self.problem = problem
        return turn

    # --- the calls of its layers

    def ways(self) -> list[Way]:
        """One, if each layer is given what the one before it returned."""
        calls = self.turn.watched.calls
        first, later = calls[: self.turn.begun], calls[self.turn.begun :]
        there, more = ([c for c in some if c.what == FORWARD] for some in (first, later))
        if [c.layer for c in more] != [c.layer for c in there] or not all(map(_same_call, there, more)):
            there += more  # it has not gone forward again on its way back, as whoever is given no output does
        way = Way(there, None, [c for c in later if c.what != FORWARD])
        x = way.there[0].given if way.there else None
        right = x is not None and x.shape == self.X.shape and np.array_equal(x, self.X, equal_nan=x.dtype.kind == "f")
        return [way] if right and way.apart() is None and len({c.layer for c in way.there}) == len(way.there) else []

    def label(self, i: int) -> str:
        """A layer in words."""
        return label_of(i, self.turn.layers[i])

    @cached_property
    def _fresh_layers(self) -> list[Any]:
        return layers_of(copied(self.net))

    def learns(self, i: int) -> bool:
        """Whether a layer has parameters."""
        return any(looks_trained(n) for n in parameters(self._fresh_layers[i]))

    def start(self, way: Way) -> np.ndarray:
        """The derivative of the loss."""
        return self.turn.delta

    def after(self, way: Way, i: int, delta: np.ndarray | None) -> np.ndarray | None:
        """What a fresh layer returns: the network may not ask for it, or not use it."""
        own, layer = next(c for c in way.there if c.layer == i), self._fresh_layers[i]
        if own is way.there[0] or own.given is None or own.result is None or delta is None:
            return None
        if (back := getattr(layer, DELTA, None) or getattr(layer, BACKWARD, None)) is None:
            return None
        with suppress(Exception):  # a layer that remembers its input needs a forward
            layer.forward(own.given.copy())
        return np.asarray(call(DELTA, give, back, own.given.copy(), delta.reshape(own.result.shape).copy()))

    # --- its gradients

    @property
    def steps_itself(self) -> bool:
        """Whether its backward moves the parameters, too."""
        return any(c.what == UPDATE for c in self.turn.watched.calls)

    @property
    def compares(self) -> bool:
        """Whether its gradients can be compared with differences of the loss."""
        return self.right and not self.steps_itself and self.problem is None

    def _places(self) -> dict[str, tuple[int, str, np.ndarray]]:
        """By name, the layer of each parameter, its name there, and the array."""
        held = [(i, *item) for i, layer in enumerate(layers_of(self.probe)) for item in parameters(layer).items()]
        last_first = sorted(held, key=lambda place: -place[0])
        return {f"{key} of {self.label(i)}": (i, key, array) for i, key, array in last_first if looks_trained(key)}

    def parameters(self) -> dict[str, np.ndarray]:
        """Those of all layers, from the last to the first, whose gradients are seen."""
        given = self.given() if self.compares else {}
        return {name: array for name, (*_, array) in self._places().items() if name in given}

    def number(self) -> np.ndarray:
        """The loss of each example."""
        return np.asarray(self.loss.forward(self.y, self._output()), np.float64).ravel()

    def given(self) -> dict[str, list[Any]]:
        """What the layers hold that may be the gradient of a parameter, what is not zero first."""
        found = {}
        for name, (i, key, array) in self._places().items():
            own = is_gradient(key) and "_parameters" in key  # that of _parameters['W'] has the same name
            every = self.turn.gradients[i].items()
            answers = [g for n, g in every if (n == key if own else n != key and not n.startswith("_parameters"))]
            fitting = [g.reshape(array.shape) for g in sorted(answers, key=lambda g: not g.any()) if g.size == array.size]
            if fitting:
                found[name] = fitting
        return found

    # --- later

    def fresh(self) -> _Turn | None:
        """Another one, to go there and back."""
        return _Turn(self) if self.compares else None

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """How far update_parameters moves each layer that has a gradient."""
        if self.steps_itself or is_ours(self.net) or is_wired(self.net) or not self.update:
            return {}
        method = getattr(self.net, self.update)
        if does_nothing(method):
            return {}
        turn = _Turn(self)
        turn.ask()
        held = [{n: a.copy() for n, a in parameters(m).items() if looks_trained(n)} for m in turn.layers]
        arguments = filled(method, {"rate": 0.1 if slower else 0.2}, (("rate",),)) or []
        self.told = bool(arguments)
        call(f"{self.cls.__name__}.{self.update}", getattr(turn.net, self.update), *arguments)
        found: dict[str, float | None] = {}
        for i, (layer, before) in enumerate(zip(turn.layers, held, strict=True)):
            now = parameters(layer)
            moved = [float(np.abs(now[n] - a).sum()) for n, a in before.items() if n in now]
            if moved and _has_gradient(turn.gradients[i]):
                found[self.label(i)] = sum(moved)
        return found

    def end(self) -> Iterator[Finding]:
        """Whether zero_grad of the network reaches every layer."""
        turn, where = self.turn, f"{self.cls.__name__}.{self.zero}"
        if self.problem is not None or not self.zero:
            return
        call(where, getattr(turn.net, self.zero))
        for i, layer in enumerate(turn.layers):
            if _has_gradient(gradients(layer)):
                with suppress(Exception):  # said of the layer
                    _zero(layer)
                    if _has_gradient(gradients(layer)):
                        continue
                    text = f"after {self.zero} of the network the gradient of {self.label(i)} is not zero."
                    line = quote(self.cls, self.zero, r"\w")
                    yield Finding("never-zeroed", where, text, "call zero_grad of every layer", line=line)
                    return

    # --- how it is told

    def where(self, question: str) -> str:
        """The method that a finding is about."""
        return f"{self.cls.__name__}.{self.update if question == 'the steps' else self.method}"

    def line(self, question: str, name: str = "") -> str:
        """The line to look at."""
        if question in ("the steps", "a step", "a rate"):
            return quote(self.cls, self.update, r"for", r"update") if question == "the steps" else ""
        if question == "a list that is reversed":
            return quote(self.cls, self.method, r"\.reverse\(\)|\[::-1\]", r"reversed", r"\w")
        patterns = (question,) if question in (GRADIENT, DELTA) else (r"backward_update_gradient", r"backward", r"for")
        return quote(self.cls, self.method, *patterns)


def _same_call(one: Call, other: Call) -> bool:
    return same(one.given, other.given) and same(one.result, other.result)


def _zero(layer: Any) -> None:
    """Let a layer set its gradient to zero."""
    for name in written(type(layer), ZEROS)[:1]:
        getattr(layer, name)()


def _has_gradient(held: dict[str, np.ndarray]) -> bool:
    return any(np.any(g) for n, g in held.items() if is_gradient(n))


class _Turn:
    """A copy of a network of the contract, which goes there and back.

    Attributes
    ----------
    layers : its layers. watched : what they do, if they are to be watched. begun : how many of these calls come before it goes
        back. delta : what backward began with. gradients : the arrays that each layer then had and that may be gradients.
    """

    def __init__(self, form: Contract, watch: bool = False) -> None:
        self.form, self.net = form, copied(form.net)
        self.layers, self.begun, self.delta = layers_of(self.net), 0, np.zeros(0)
        self.watched = Watched(self.layers if watch else [], (FORWARD, GRADIENT, DELTA, BACKWARD, UPDATE))
        self.gradients: list[dict[str, np.ndarray]] = []

    def ask(self, backwards: bool = False, forward_alone: bool = False) -> Round:
        """One forward and one backward, with gradients at zero; perhaps of the examples in the other order."""
        form, name = self.form, self.form.cls.__name__
        X, y = (form.X[::-1].copy(), form.y[::-1].copy()) if backwards else (form.X, form.y)
        for layer in self.layers:
            with suppress(Exception):  # said of the layer
                _zero(layer)
        raw = call(f"{name}.{FORWARD}", self.net.forward, X.copy())
        out = last_output(raw, X, len(self.layers))
        if forward_alone:
            return Round([out], [])
        self.delta = np.asarray(form.loss.backward(y, out))
        if form.zero:
            call(f"{name}.{form.zero}", getattr(self.net, form.zero))
        self.begun = len(self.watched.calls) or 1
        for method in form.methods:
            backward(self.net, X, y, raw, self.delta, form.loss, method=method)
        self.gradients = [gradients(layer) for layer in self.layers]
        held = [g.copy() for found in self.gradients for n, g in found.items() if is_gradient(n)]
        return Round([out], held)
