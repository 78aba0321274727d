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

from modnet.check.asking.calls import Misbehaviour
from modnet.check.networks import standins
from modnet.check.networks.calls import multiple
from modnet.check.networks.judge import judge
from modnet.check.networks.logged import Logged
from modnet.check.reading.arguments import NotBuilt, asks
from modnet.check.reading.lines import deciding, quote
from modnet.check.reading.vocabulary import apart, meaning_of
from modnet.check.report import Finding, Report

_NAMED = re.compile(r"(^|_)(sgd|gd)(_|$)|gradient_?descent|descente|^(train|fit|entrain|apprend|apprentissage)", re.I)
_SAYS = re.compile("verb|print|disp|plot|log|show|debug|bar", re.I)  # what decides only whether something is shown
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
    named = _NAMED.search(apart(function.__name__)) is not None
    return holder is not None or (named and bool(meant & {"net", "modules", "optimizer"}))


class Descent(Logged):
    """A function or a method that has trained a layer.

    Attributes
    ----------
    result : what it returned. holder : the class whose method it is.
    """

    count, epochs, rate = 10, 40, 0.02
    learning = {"the layer": (0, 0)}

    def __init__(
        self, function: Callable[..., Any], bases: Sequence[type], holder: type | None = None, **other: float
    ) -> None:
        """Run it with a network of ours.

        Parameters
        ----------
        other : another rate, another number of epochs or size of a batch than usual, by its meaning.
        """
        name = function.__name__
        again = partial(Descent, function, bases, holder)
        super().__init__(holder or type(name, (), {name: staticmethod(function)}), name, again, outputs=2)
        self.holder = holder
        layer = standins.derived(standins.Linear, bases)(3, 2, 1)
        layer.calls, self.layers = self.calls, [layer]
        net = standins.derived(standins.Sequential, bases)(layer)
        kind = type("MSELoss", (standins.loss_class(bases),), {"calls": self.calls})
        usual = {"rate": self.rate, "epochs": self.epochs, "batch": self.size} | other
        values = {"X": self.x, "y": self.y, "net": net, "modules": net} | usual
        values |= dict.fromkeys(("step", "eps"), usual["rate"])
        problem: Misbehaviour | None = None
        own = [n for n in _LEAVE if n != "optimizer"]  # one that is the default may ask the network for what ours lacks
        mean = type("MSELoss", (kind,), {"forward": lambda self, y, yhat: np.mean(standins.MSELoss.forward(self, y, yhat))})
        ways = ((kind(), False, _LEAVE), (kind, False, _LEAVE), (kind(), True, _LEAVE), (kind(), False, own))
        for loss, both, leave in (*ways, (mean(), False, _LEAVE)):
            self.calls.clear()
            self.meant.clear()
            values.update(loss=loss, optimizer=standins.Optim(net, kind(), self.rate, both))
            try:
                method = function if holder is None else self._method(holder, values)
                self.result = self.called(name, method, values, leave)
                break
            except Misbehaviour as raised:
                problem = problem or raised
        else:
            assert problem is not None
            raise problem
        if "optimizer" in self.meant:  # what an optimizer of ours moves is right
            self.learning = {}
        self.rows = {"the examples": "the examples", "the end": "batches and epochs"}
        if any(way.slope is not None for way in self.ways()):  # else nobody knows whose truth the loss was given
            self.rows["the pairs"] = "the pairs"
        self.rows |= {"the steps": "the steps"} if self.learning else {}

    def _method(self, holder: type, values: dict[str, Any]) -> Callable[..., Any]:
        """The method of an object of its class, whose step is ours if it has one."""
        made = self.called(f"{holder.__name__}(...)", holder, {**values, "modules": self.layers}, ("X", "y"))
        if callable(getattr(made, "step", None)):
            made.step = values["optimizer"].step
            self.meant.add("optimizer")
        method: Callable[..., Any] = getattr(made, self.method)
        return method

    def unzeroed(self) -> bool:
        """Whether it moves by all gradients so far."""
        back = [c for way in self.ways() for c in way.back]
        summed = np.cumsum([c.gradient[0] for c in back], axis=0)
        held = [*(c.held[0] for c in back), *self.layers[0].held()]
        return len(back) > 2 and all(multiple(a - b, g) for a, b, g in zip(held, held[1:], summed, strict=False))

    def end(self) -> Iterator[Finding]:
        """The size of the batch, the number of epochs, and the order of the examples."""
        sizes = [len(used) for used, _ in self.examples()]
        line = quote(self.cls, self.method, r"range\(|split|choice|\bfor\b")
        if "batch" in self.meant and self.size not in sizes:
            text = f"with {self.size} and {self.count} examples it takes {max(sizes)} at a time."
            others = {len(used) for used, _ in self.again(batch=self.size // 2).examples()}
            if switched := self._switched("batch"):
                self.notes.append(f"{switched}: {text}")
            elif others == set(sizes):
                text = f"batch_size has no effect: {text}"
                yield Finding("option-ignored", "", text, "X[order[i:i + batch_size]]", line=line)
            else:
                self.notes.append(f"batch_size is not the size of a batch: {text}")
        if "epochs" in self.meant and len(self.again(epochs=2 * self.epochs).ways()) <= len(sizes):
            text = f"twice the epochs are as many steps: {len(sizes)}."
            if switched := self._switched("epochs"):
                self.notes.append(f"{switched}: {text}")
            else:
                yield Finding("option-ignored", "", text, "a loop over the epochs around that over the batches", line=line)
        orders = [i for used, _ in self.examples() for i in used]
        if len(orders) == self.epochs * self.count and orders == orders[:self.count] * self.epochs and max(sizes) < self.count:
            text = "in every epoch the examples come in the same order, and in the same batches."
            hint = "order = np.random.permutation(len(X)) in every epoch; X[order[i:i + batch_size]], and the same of Y"
            if re.search("sgd|stochasti", self.method, re.I):
                yield Finding("same-order", "", text, hint, line=line)
            else:
                self.notes.append(text)
        if self.result is None:
            self.notes.append("it returns nothing: what the loss was in each epoch is lost.")

    def _switched(self, meaning: str) -> str:
        """In words, which arguments, left at their defaults, decide whether the one of this meaning is read; or empty."""
        function = getattr(self.cls, self.method)
        given = [p for asked in (function, *([self.holder] if self.holder else [])) for p in asks(asked, by_name=True)]
        name = next((p.name for p in given if meaning_of(p.name, _MEANINGS) == meaning), "")
        left = [p.name for p in given if p.default is not p.empty and meaning_of(p.name, _MEANINGS) not in self.meant]
        left = [n for n in left if not _SAYS.search(n)]
        switches = sorted(deciding(function, name, left))
        return f"{name} has no effect unless {' or '.join(switches)} is given" if switches else ""

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
    report = Report(f"{function.__name__}, {run.epochs} epochs of {run.count} examples")
    judge(report, run)
    if set(wrong) & set(function.__code__.co_names):
        of_examples = ("mispaired", "left-out", "batch-twice", "option-ignored", "same-order")
        report.findings = [f for f in report.findings if f.kind in of_examples]
    return report
