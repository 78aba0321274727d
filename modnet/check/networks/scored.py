"""Networks of other courses and books as what they have in common: one number for (x, t), and gradients of it by name.

How a network is called is found out from its methods:

* ``loss(x, t)`` gives the number and ``gradient(x, t)`` a dict of gradients by the names in ``params``;
* ``loss(X, y)`` gives (number, gradients), and the scores if there is no y; a regularisation is an argument or an attribute;
* ``forward(x, t)`` gives the number, and ``backward()`` puts the gradients into ``grads``, a list like ``params``;
* ``compute_loss_and_gradients(X, y)``, or ``forward(X, y)``, gives the number, alone or first, and leaves the gradients beside
  the parameters: in a dict by the same names, or as ``grad`` of an object that has the ``value``;
* ``forward(x)`` gives the output, and ``backward(delta)`` lets each of its layers compute its own: then the number is the sum
  of delta times the output.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, call, tried
from modnet.check.asking.draws import same_draws
from modnet.check.asking.numeric import factor_of
from modnet.check.asking.question import ALIKE, Question
from modnet.check.networks.calls import Call, Watched, Way, layers_within
from modnet.check.networks.dense import LOSSES, chains, explained_by
from modnet.check.networks.form import Form, Measured, Round, measure
from modnet.check.networks.judge import judge
from modnet.check.networks.layers import layers_of
from modnet.check.networks.mistakes import Wrong, common_factor
from modnet.check.reading.arguments import asks, needs
from modnet.check.reading.definitions import plain_name
from modnet.check.reading.gradients import partner_of
from modnet.check.reading.lines import quote, text_of
from modnet.check.reading.vocabulary import FORWARD, OUTPUTS, REG
from modnet.check.report import Finding, Report
from modnet.check.styles.adapters import Adapted
from modnet.check.styles.loss_calls import is_loss_name
from modnet.check.styles.modes import is_mode

GRADIENTS = ("gradient", "gradients", "grad", "compute_gradients", "compute_gradient", "calc_gradient", "backward", "backprop")
_INPUTS = ("x", "xs", "inputs", "input", "x_batch", "data")
_TRUTHS = ("t", "y", "ts", "label", "labels", "target", "targets")
_PARAMS = ("params", "parameters", "weights", "W")
_GRADS = ("grads", "gradients", "grad", "dparams")
_ENDS = ("softmax", "sigmoid", "logsoftmax")  # what a derivative of softmax and loss together may leave out
_REG_TRIED = 0.3
_KEEPS = re.compile(r"_*(compute|calc\w*|get)?_?(loss(es)?_?(and)?_?(grads?|gradients?)|forward_?(and)?_?backward)", re.I)
_LEAVES = re.compile(r"self\._?(d?grads?|gradients?|dparams)\s*\[.*\]\s*[-+]?=", re.I)
_HELD = ("value", "data", "val", "w")  # where an object that has a ``grad`` keeps the parameter


def form_of(cls: type) -> str:
    """How a class of a network gives its loss and its gradients; empty if it is none of these."""
    if is_loss_name(cls.__name__):
        return ""
    loss, forward, backward = (getattr(cls, n, None) for n in ("loss", "forward", "backward"))
    given = asks(loss) if callable(loss) else []
    if len(given) >= 2 and given[0].name.lower() in _INPUTS:
        if _gradient_method(cls) and any(callable(getattr(cls, n, None)) for n in OUTPUTS):
            return "gradient"
        if given[1].default is None or any(REG.match(p.name) for p in given[2:]):
            return "both"
    if callable(forward) and callable(backward) and callable(getattr(cls, "predict", None)):
        names = [p.name.lower() for p in asks(forward)]
        if len(names) == 2 and names[1] in _TRUTHS and not needs(backward):
            return "forward"
    return "kept" if _keeping_method(cls) else ""


def _keeping_method(cls: type) -> str:
    """The method that gives the loss of x and t, and leaves the gradients where they are kept; empty if there is none."""
    for name in dir(cls):
        method = getattr(cls, name)
        given = [p.name.lower() for p in asks(method)][:2] if callable(method) and name[:2] != "__" else []
        if len(given) == 2 and given[0] in _INPUTS and given[1] in _TRUTHS:
            alone = name == "forward" and not callable(getattr(cls, "backward", None))
            if _KEEPS.fullmatch(name) or (alone and _LEAVES.search(text_of(method))):
                return name
    return ""


def _gradient_method(cls: type) -> str:
    for name in GRADIENTS:
        method = getattr(cls, name, None)
        if callable(method) and len(needs(method)) == 2:
            return name
    return ""


class Scored(Form):
    """A network, with x and t, behind three questions: the number, the gradients, the output.

    Attributes
    ----------
    net : a copy to ask. method : the name of the method that gives the gradients. reg : how much regularisation is asked for.
    takes_reg : whether there is a regularisation at all.
    """

    def __init__(self, net: Any, x: np.ndarray, t: Any, reg: float = 0.0) -> None:
        self.style = form_of(type(net)) or ("delta" if has_layers(net) else "")
        gradient = _gradient_method(type(net)) if self.style == "gradient" else ""
        keeping = _keeping_method(type(net)) if self.style == "kept" else ""
        super().__init__(type(net), gradient or keeping or {"both": "loss"}.get(self.style, "backward"))
        self.net, self.x, self.t, self.reg, self.batch, self.name = copied(net), x, t, reg, len(x), self.cls.__name__
        if not self.style:
            raise Misbehaviour("unknown", f"{self.name}: how it gives its loss and its gradients is not known")
        self.adds = self.style == "delta"
        self.untouched = copied(self.net)
        numbers = [n for n, v in vars(self.net).items() if REG.match(n) and isinstance(v, int | float)]
        self.takes_reg = bool(numbers) or any(REG.match(p.name) for p in asks(getattr(self.cls, "loss", None)))
        for name in numbers:
            if not isinstance(getattr(self.net, name), bool):
                setattr(self.net, name, reg)
        self.inner = Adapted(self.net, x) if self.adds else None

    def parameters(self) -> dict[str, np.ndarray]:
        """What learns, in place, by name."""
        if self.inner is not None:
            return _without_place(self.inner.holds(self.net))
        every = {n: getattr(v, _value_of(v), v) for n, v in self._held().items()}
        return {n: v for n, v in every.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.size}

    def _held(self) -> dict[str, Any]:
        """What is kept as parameters, by name: arrays, or objects that have an array and its gradient."""
        named = (getattr(self.net, n, None) for n in _PARAMS)
        given = (v() if self.style == "kept" and callable(v) and not needs(v) else v for v in named)
        held: Any = next((v for v in given if isinstance(v, dict | list | tuple) and len(v)), None)
        if held is None:
            return {n: v for n, v in vars(self.net).items() if n[:2] != "_d"}
        return held if isinstance(held, dict) else {f"params[{i}]": v for i, v in enumerate(held)}

    def score(self) -> float:
        """The number for (x, t); a `Misbehaviour` if what comes is not one number."""
        if self.adds:
            return float((self.t * self.output()).sum())
        name = {"forward": "forward", "kept": self.method}.get(self.style, "loss")
        if self.style == "kept":  # its gradients stay as they are
            found = self._called(name, net=copied(self.net))
            found = found[0] if isinstance(found, tuple) and found else found
        else:
            found = self._called(name)
        if self.style == "both":
            if not (isinstance(found, tuple) and len(found) >= 2):
                raise Misbehaviour("shape", f"loss(X, y) returns {_described(found)}, expected (loss, gradients)")
            found = found[0]
        if np.size(found) != 1 or isinstance(found, str | dict) or found is None:
            raise Misbehaviour("shape", f"{name}(x, t) returns {_described(found)}, expected one number")
        return float(np.asarray(found).reshape(()))

    def output(self) -> np.ndarray:
        """The output for x."""
        if self.style == "kept":
            raise Misbehaviour("unknown", f"{self.name}: what gives its output is not known")
        if self.adds:
            assert self.inner is not None
            return np.asarray(self.inner.invoke(FORWARD, self.net, [self.x.copy()]), dtype=float)
        if self.style == "both":
            return np.asarray(self._called("loss", truth=False), dtype=float)
        name = next(n for n in OUTPUTS if callable(getattr(self.net, n, None)))
        return np.asarray(self._called(name, truth=False), dtype=float)

    def gradients(self) -> dict[str, Any]:
        """The gradients that the network gives, by the names of what they belong to."""
        if self.adds:
            assert self.inner is not None
            twin = copy(self.inner)  # found out once: no call of another copy is written down between those of this one
            twin.original, twin.out = self.net, self.t
            return _without_place(twin.gradients(self.x, self.t))
        if self.style == "forward":
            self._called("forward")
            result = call(f"{self.name}.backward", self.net.backward)
        else:
            result = self._called(self.method)
        if self.style == "both":
            result = result[1] if isinstance(result, tuple) and len(result) >= 2 else None
        if self.style == "kept":
            several = result if isinstance(result, tuple) else ()
            beside = {n: copied(v.grad) for n, v in self._held().items() if _value_of(v)}
            result = beside or next((v for v in several if isinstance(v, dict)), {}) or None
        if not isinstance(result, dict | list | tuple):
            result = next((v for n in _GRADS if isinstance(v := getattr(self.net, n, None), dict | list | tuple)), result)
        return self._named(copied(result) if self.style == "kept" else result)

    def _named(self, result: Any) -> dict[str, Any]:
        names = list(self.parameters())
        if isinstance(result, list | tuple) and len(result) == 1 and isinstance(result[0], dict):
            result = result[0]
        if isinstance(result, dict):
            every = {f"grads[{k!r}]": v for k, v in result.items()} | {n: result[n] for n in names if n in result}
            own = {n: n if n in result else partner_of(n, every) for n in names}
            return {n: every[place] for n, place in own.items() if place is not None}
        if isinstance(result, list | tuple):
            return dict(zip(names, result, strict=False))
        if isinstance(result, np.ndarray) and len(names) == 1:
            return {names[0]: result}
        text = f"{self.method} returns {_described(result)}, expected gradients by the names of the parameters"
        raise Misbehaviour("not-implemented" if result is None else "unknown", text)

    def _called(self, name: str, truth: bool = True, net: Any = None) -> Any:
        """A method of the network, or of this copy of it, given x and t, in training if it can be told so."""
        method = getattr(self.net if net is None else net, name)
        arguments: list[Any] = [self.x.copy()]
        named: dict[str, Any] = {}
        for i, p in enumerate(asks(method)[1:]):
            if isinstance(p.default, bool) and re.search("decay|reg(ular|$)|l2", p.name, re.I):
                named[p.name] = bool(self.reg)
            elif REG.match(p.name):
                named[p.name] = self.reg
            elif is_mode(p.name):
                named[p.name] = "train" if isinstance(p.default, str) else not re.search("eval|test|infer", p.name, re.I)
            elif i == 0 and truth:
                arguments.append(copied(self.t))
        before = [copied(a) for a in arguments]
        found = call(f"{self.name}.{name}", lambda: method(*arguments, **named))
        for what, old, new in zip(("x", "t"), before, arguments, strict=False):
            if isinstance(new, np.ndarray) and not np.array_equal(old, new, equal_nan=True):
                raise Misbehaviour(
                    "mutates", f"{name} writes into {what}, which belongs to whoever called it", hint="work on a copy"
                )
        return found

    def _truths(self, wide: int) -> np.ndarray | None:
        """t as a row of so many numbers for each example; None if it is none."""
        t = np.asarray(self.t)
        if t.size == self.batch * wide:
            return t.reshape(self.batch, wide).astype(float)
        labels = t.size == self.batch and t.dtype.kind in "iu" and 0 <= t.min() <= t.max() < wide
        return np.eye(wide)[t.ravel()] if labels else None

    # --- what is asked of every form

    def number(self) -> np.ndarray:
        """Its loss."""
        return np.array([self.score()])

    def given(self) -> dict[str, list[Any]]:
        """Its gradients; a `Misbehaviour` if asking for them moves the parameters."""
        at = self.score()
        if not np.isfinite(at):
            raise Misbehaviour("saturates", f"the loss is {at} for inputs of size 1 and weights of size 1")
        before = {name: array.copy() for name, array in self.parameters().items()}
        found = self.gradients()
        for n, array in self.parameters().items():
            if n in before and not np.array_equal(array, before[n], equal_nan=True):
                text = f"{self.method} changes {n}: it computes gradients, and whoever trains moves the parameters"
                raise Misbehaviour("mutates", text, hint="compute with a copy, or without +=")
        return {n: [g] for n, g in found.items()}

    @cached_property
    def measured(self) -> Measured:
        """The gradients beside differences; that layers of some courses divide by the size of the batch is a convention."""
        found = measure(self)
        factors = [q.factor(q.truth) for q in found.wrong.values() if np.abs(q.truth).max(initial=0.0) > 1e-12]
        if self.adds and found.wrong and all(f is not None and abs(f * self.batch - 1) < ALIKE for f in factors):
            text = "its layers divide their gradients by the size of the batch: then the loss's derivative must not."
            self.notes.append(text)
            return found._replace(wrong={})
        return found

    def cause(self) -> Finding | None:
        """The mistake on the way back, if it is made of dense layers: the derivatives of its loss are those of their chain."""
        questions, wrong, _ = self.measured
        if questions.keys() != self.parameters().keys():
            return None
        moves = {n: q.got_all for n, q in questions.items()}
        for chain in chains(self.parameters(), self.x.reshape(self.batch, -1)):
            out, t = chain.a[-1], self._truths(chain.a[-1].shape[1])
            if t is None:
                continue
            for slopes in [t] if self.adds else [slope(out, t) for _, slope in LOSSES]:
                if _is_derivative(questions, chain.gradients(chain.delta(slopes))):
                    error = slopes if self.adds else out - t
                    return self.caused(explained_by(chain, moves, slopes, error, {}), list(wrong))
        return None

    def ways(self) -> list[Way]:
        """What it does with its layers, as far as it comes, if it crashed or its gradients differ, not all by one factor."""
        return [self._way] if self._way.there else []

    @cached_property
    def _way(self) -> Way:
        try:
            questions, wrong, _ = self.measured
            if not wrong or common_factor(Wrong(self, questions, wrong)) is not None:
                return Way()
        except Misbehaviour as problem:
            if problem.kind != "crash" or ".forward" in problem.message:
                raise
            self.problem = problem
        twin = Scored(self.net, self.x, self.t, self.reg)
        watched = Watched(layers_within(twin.net), ("forward", "backward"))
        self.label = watched.label  # type: ignore[method-assign]
        with same_draws(), suppress(Misbehaviour, ValueError, TypeError):
            twin.gradients()
        self._layers = watched.layers
        calls: dict[str, list[Call]] = {what: [c for c in watched.calls if c.what == what] for what in ("forward", "backward")}
        return Way(calls["forward"], None, calls["backward"])

    def may_skip(self, way: Way, i: int) -> bool:
        """Whether it is the last one, and a derivative of it and the loss together may leave it out."""
        return i == way.there[-1].layer and plain_name(type(self._layers[i])) in _ENDS

    def fresh(self) -> Scored | None:
        """Another one, at the same parameters."""
        if self.reg:
            return None
        twin = Scored(self.untouched, self.x, self.t)
        held = self.parameters()
        for name, array in twin.parameters().items():
            array[...] = held[name]
        return twin

    def ask(self, backwards: bool = False, forward_alone: bool = False) -> Round:
        """The number and the gradients, perhaps of the examples in the other order."""
        x, t = self.x, self.t
        try:
            self.x, self.t = (x[::-1].copy(), np.array(t)[::-1].copy()) if backwards else (x, t)
            gradients = {} if forward_alone else self.gradients()
            return Round([self.number()], [np.array(g, dtype=float) for g in gradients.values() if g is not None])
        finally:
            self.x, self.t = x, t

    def line(self, question: str, name: str = "") -> str:
        """The line to look at."""
        if question == "a regulariser":
            return quote(self.cls, self.method, rf"reg.*{name}", r"decay|reg\b|lambda|l2")
        if question in ("the way back", "backward"):
            return quote(self.cls, self.method, r"for .*(layer|revers)", r"\.backward\(")
        return quote(self.cls, self.method, rf"(\[['\"]{name}['\"]\]|\bd{name})\s*[-+]?=", rf"\b{name}\b") if name else ""

    def told_of(self, report: Report, question: str, findings: list[Finding]) -> None:
        """A row for each gradient."""
        if question == "the gradients" or (question == "the way back" and findings):
            questions, wrong, _ = self.measured
            for name in self.asked:
                q, right = questions.get(name), name in questions and name not in wrong
                report.verdict(f"gradient of {name}", q.error if q and q.right else None, "" if right else "differs", right)
        elif question == "the end" and findings:
            report.verdict("loss", right=False, remark=findings[0].kind)

    def end(self) -> Iterator[Finding]:
        """A softmax before a loss that has one inside; no scores where there is no truth."""
        if self.problem is not None or self.adds or self.reg or not self.measured.questions:
            return
        out = tried(self.output, also=(TypeError, ValueError, StopIteration))
        if out is None:
            return
        if self.style == "both" and (out.ndim == 0 or len(out) != self.batch):
            text = f"loss(X) without y gives {out.shape}, expected the scores, ({self.batch}, classes)."
            yield Finding("shape", "", text, "if y is None: return scores")
        if out.ndim != 2 or out.shape[1] < 2 or np.abs(out.sum(axis=1) - 1).max() > 1e-9 or out.min() < 0:
            return
        t = np.asarray(self.t)
        rows = np.arange(len(out)), t.argmax(axis=1) if t.shape == out.shape else t.astype(int)
        e = np.exp(out)
        twice = -np.log((e / e.sum(axis=1, keepdims=True))[rows])
        if any(np.isclose(self.score(), v, rtol=1e-5) for v in (twice.mean(), twice.sum())):
            text = "the network ends in a softmax, and the loss takes one of its result again."
            yield Finding("softmax-twice", f"{self.name}.loss", text, "leave one of them out")


def _is_derivative(questions: dict[str, Question], found: dict[str, np.ndarray]) -> bool:
    """Whether these are the true gradients, all times one number."""
    pairs = {n: (q.truth, found[n].ravel()[q.entries]) for n, q in questions.items()}
    truth, values = (np.concatenate(some) for some in zip(*pairs.values(), strict=True))
    near = 1e-5 * np.abs(truth).max(initial=0.0)
    return bool(np.isfinite(values).all() and np.abs(truth - factor_of(truth, values) * values).max(initial=0.0) < near)


def has_layers(net: Any) -> bool:
    """Whether an object goes forward and back by the layers that it keeps in a list or a dict."""
    if not all(callable(getattr(net, n, None)) for n in ("forward", "backward")):
        return False
    layers = layers_of(net)
    return layers[0] is not net and all(callable(getattr(layer, "backward", None)) for layer in layers)


def _value_of(held: Any) -> str:
    """The attribute in which an object with a ``grad`` keeps its parameter; empty if it is none."""
    kept = [n for n in _HELD if isinstance(getattr(held, n, None), np.ndarray)] if hasattr(held, "__dict__") else []
    return next((n for n in kept if hasattr(held, "grad")), "")


def _without_place(held: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By the names that an author knows."""
    return {name.removeprefix("_parameters."): array for name, array in held.items()}


def _described(value: Any) -> str:
    if value is None:
        return "None"
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"{type(value).__name__}"


def spread(scored: Scored) -> None:
    """Parameters away from zero: with weights of 1e-4, as networks start, every mistake is small."""
    rng = np.random.default_rng(3)
    for array in scored.parameters().values():
        if array.flags.writeable:
            fan = array.shape[0] if array.ndim == 2 else int(np.prod(array.shape[1:])) if array.ndim > 2 else 4
            array[...] = rng.uniform(-1, 1, array.shape) / np.sqrt(max(fan, 1)) * 1.5 + (1.0 if array.ndim == 1 else 0.0) * 0.2


def examine_scored(net: Any, x: np.ndarray, t: Any) -> Report:
    """The report on a network at x and t, which it takes."""
    scored = Scored(net, x, t)
    report = Report(f"{scored.name} on {len(x)} examples")
    try:
        spread(scored)
        judge(report, scored)
        if scored.takes_reg and report.ok:
            with_reg, other = Report(""), Scored(net, x, t, _REG_TRIED)
            spread(other)
            judge(with_reg, other)
            report.add(with_reg, f"with a regularisation of {_REG_TRIED}")
    except Misbehaviour as problem:
        where = scored.where("")
        report.findings.append(Finding(problem.kind, where, problem.message + ".", problem.hint, line=problem.line))
        report.findings[-1].locate(scored.cls)
        report.verdict(scored.method, right=False, remark=problem.kind)
    return report
