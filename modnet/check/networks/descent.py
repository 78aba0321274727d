"""Functions and methods that train: ``SGD(net, X, Y, batch_size, ...)``, ``Optim(net, loss, eps).SGD(X, Y, batch_size, ...)``.

They are given a layer of ours, which writes down every call, or an optimizer of ours, which trains such a layer; a method of
an optimizer finds ours in the place of its own step. So what is found is the function's: which examples it takes, with whose
truth, how many at a time and how often, and what it does with rate and gradients.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from modnet.check.arguments import NotBuilt, asks, fill
from modnet.check.lines import quote
from modnet.check.networks import standins
from modnet.check.networks.calls import Call, Way, ways
from modnet.check.networks.form import Form
from modnet.check.networks.judge import judge
from modnet.check.networks.pieces import multiple, rates, rows_of
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, call
from modnet.check.vocabulary import meaning_of

_NAMED = re.compile(r"(^|_)(sgd|gd)(_|$)|gradient_?descent|descente|^(train|fit|entrain|apprend|apprentissage)", re.I)
_COUNT, _BATCH, _EPOCHS, _RATE = 10, 4, 40, 0.02
_LEAVE = ("net", "modules", "loss", "optimizer", "X", "y")  # what stays at its default
_MEANINGS = ("X", "y", "loss", "batch", "epochs", "optimizer", "rate", "step", "eps", "net", "modules")


def is_descent(function: Any, holder: type | None = None) -> bool:
    """Whether a function trains what it is given: by its name, and by the meaning of its arguments.

    Parameters
    ----------
    holder : the class of which it is a method that takes steps in a loop, by its lines.
    """
    given = [p for asked in (function, *([holder] if holder else [])) for p in asks(asked, by_name=True)]
    meant = {meaning_of(p.name, _MEANINGS) for p in given}
    if not {"X", "y"} <= meant:
        return False
    return holder is not None or (bool(_NAMED.search(function.__name__)) and bool(meant & {"net", "modules", "optimizer"}))


class Descent(Form):
    """A function or a method that has trained a layer.

    Attributes
    ----------
    calls : of the layer. meant : the meanings of what it was given.
    result : what it returned. slower, longer : the same with half the rate, and with twice the epochs, once they are asked for.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        bases: Sequence[type],
        holder: type | None = None,
        rate: float = _RATE,
        epochs: int = _EPOCHS,
        batch: int = _BATCH,
    ) -> None:
        name = function.__name__
        super().__init__(holder or type(name, (), {name: staticmethod(function)}), name)
        self.again = partial(Descent, function, bases, holder)
        self.holder, self.rate, self.calls, self.batch = holder, rate, list[Call](), _BATCH
        rng = np.random.default_rng(3)
        self.x, self.y = rng.uniform(0.1, 1, (_COUNT, 3)), rng.uniform(0.1, 0.9, (_COUNT, 2))
        self.layer = standins.derived(standins.Linear, bases)(3, 2, 1)
        self.layer.calls = self.calls
        net = standins.derived(standins.Sequential, bases)(self.layer)
        kind = type("MSELoss", (standins.loss_class(bases),), {"calls": self.calls})
        values = {"X": self.x, "y": self.y, "batch": batch, "epochs": epochs}
        values |= dict.fromkeys(("net", "modules"), net) | dict.fromkeys(("rate", "step", "eps"), rate)
        problem: Misbehaviour | None = None
        for loss, both in ((kind(), False), (kind, False), (kind(), True)):
            self.calls.clear()
            values.update(loss=loss, optimizer=standins.Optim(net, kind(), _RATE, both))
            try:
                method, told = (function, set[str]()) if holder is None else self._method(holder, values)
                arguments, self.meant = fill(function, values, _LEAVE)
                self.meant |= told
                np.random.seed(1)  # noqa: NPY002
                self.result = call(name, lambda method=method, given=arguments: method(**given))
                break
            except Misbehaviour as raised:
                problem = problem or raised
        else:
            assert problem is not None
            raise problem
        self.told = bool(self.meant & {"rate", "step", "eps"})

    def _method(self, holder: type, values: dict[str, Any]) -> tuple[Callable[..., Any], set[str]]:
        """The method of an object of its class, whose step is ours if it has one; and what the object was told."""
        given, told = fill(holder, {**values, "modules": [self.layer]}, ("X", "y"))
        np.random.seed(1)  # noqa: NPY002
        made = call(f"{holder.__name__}(...)", lambda: holder(**given))
        if callable(getattr(made, "step", None)):
            made.step = values["optimizer"].step
            told = told | {"optimizer"}
        return getattr(made, self.method), told

    def ways(self) -> list[Way]:
        """The steps."""
        return [way for way in ways(self.calls) if any(c.what == "backward" for c in way.back)]

    def _truths(self, way: Way) -> list[int] | None:
        held = way.slope.held if way.slope is not None else ()
        return next((rows for array in held if (rows := rows_of(array, self.y)) is not None), None)

    def examples(self) -> list[tuple[list[int], list[int]]]:
        """Of each step."""
        found = []
        for way in self.ways():
            used = rows_of(way.there[-1].given, self.x) if way.there else None
            if used is None:
                raise NotBuilt("its network is given other numbers than its examples")
            truths = self._truths(way)
            found.append((used, used if truths is None else truths))
        return found

    def every_example(self) -> tuple[int, str]:
        """All of x."""
        return _COUNT, f"{f', in batches of {_BATCH},' if 'batch' in self.meant else ''} {_EPOCHS} epochs"

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """Of the layer; what an optimizer of ours moves is right."""
        if "optimizer" in self.meant:
            return {}
        if slower:
            return self.again(rate=self.rate / 2).moves()
        back = [c for way in self.ways() for c in way.back]
        return {"the layer": rates([*(c.held[0] for c in back), self.layer._parameters], [c.gradient[0] for c in back])}

    def unzeroed(self) -> bool:
        """Whether it moves by all gradients so far."""
        back = [c for way in self.ways() for c in way.back]
        summed = np.cumsum([c.gradient[0] for c in back], axis=0)
        held = [*(c.held[0] for c in back), self.layer._parameters]
        return len(back) > 2 and all(multiple(a - b, g) for a, b, g in zip(held, held[1:], summed, strict=False))

    def end(self) -> Iterator[Finding]:
        """The size of the batch, the number of epochs, and the order of the examples."""
        sizes = [len(used) for used, _ in self.examples()]
        line = quote(self.cls, self.method, r"range\(|split|choice|\bfor\b")
        if "batch" in self.meant and _BATCH not in sizes:
            text = f"with {_BATCH} and {_COUNT} examples it takes {max(sizes)} at a time."
            others = {len(used) for used, _ in self.again(batch=_BATCH // 2).examples()}
            if others == set(sizes):
                text = f"batch_size has no effect: {text}"
                yield Finding("option-ignored", "", text, "X[order[i:i + batch_size]]", line=line)
            else:
                self.notes.append(f"batch_size is not the size of a batch: {text}")
        if "epochs" in self.meant and len(self.again(epochs=2 * _EPOCHS).ways()) <= len(sizes):
            text = f"twice the epochs are as many steps: {len(sizes)}."
            yield Finding("option-ignored", "", text, "a loop over the epochs around that over the batches", line=line)
        orders = [i for used, _ in self.examples() for i in used]
        if len(orders) == _EPOCHS * _COUNT and orders == orders[:_COUNT] * _EPOCHS and max(sizes) < _COUNT:
            text = "in every epoch the examples come in the same order, and in the same batches."
            hint = "order = np.random.permutation(len(X)) in every epoch; X[order[i:i + batch_size]], and the same of Y"
            if re.search("sgd|stochasti", self.method, re.I):
                yield Finding("same-order", "", text, hint, line=line)
            else:
                self.notes.append(text)
        if self.result is None:
            self.notes.append("it returns nothing: what the loss was in each epoch is lost.")

    def told_of(self, report: Report, question: str, findings: list[Finding]) -> None:
        """Rows for what was looked at."""
        if question in ("the pairs", "the examples") or (question == "the steps" and "optimizer" not in self.meant):
            report.verdict(question, right=not findings, remark=findings[0].kind if findings else "")
        elif question == "the end":
            remark = ", ".join(dict.fromkeys(f.kind for f in findings))
            report.verdict("batches and epochs", right=not findings, remark=remark)

    def where(self, question: str) -> str:
        """The function, or the method."""
        return self.method if self.holder is None else f"{self.holder.__name__}.{self.method}"


def examine_descent(
    function: Callable[..., Any], bases: Sequence[type] = (), wrong: Collection[str] = (), holder: type | None = None
) -> Report:
    """The report on a function that trains, or on a method of a class; `NotBuilt` if it could not be run.

    Parameters
    ----------
    bases : a hand-in's base classes, for code that asks isinstance. wrong : its optimizers in which something was found.
    """
    try:
        run = Descent(function, bases, holder)
    except Misbehaviour as problem:
        if problem.line and re.search("NameError|UnboundLocalError", problem.message):
            raise
        raise NotBuilt(f"{function.__name__} could not be run: {problem.message}") from problem  # what was put in may lack it
    if not run.ways():
        raise NotBuilt(f"{function.__name__} takes no step with the network it was given")
    report = Report(f"{function.__name__}, {_EPOCHS} epochs of {_COUNT} examples")
    judge(report, run)
    if set(wrong) & set(function.__code__.co_names):
        report.findings = [f for f in report.findings if f.kind in ("mispaired", "left-out", "option-ignored", "same-order")]
    return report
