"""Training loops apart from network and optimizer: ``Solver(model, data).train()``, ``Trainer(model, optimizer).fit(x, t)``.

A model of our own is put in, which writes down what it is asked. It has ``loss(X, y)`` that gives (loss, grads), or
``gradient(x, t)``, or ``forward(x, t)`` and ``backward()`` with params and grads in lists. So what is found is the loop's: that
examples keep their truth, that all are used, that each parameter moves against its gradient by the rate, and that the best
parameters are kept.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import islice, product
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour
from modnet.check.networks.calls import Call, rows_of
from modnet.check.networks.judge import judge
from modnet.check.networks.logged import Logged
from modnet.check.networks.pieces import OptimizerPiece
from modnet.check.networks.scored import form_of
from modnet.check.networks.scored_build import built
from modnet.check.reading.arguments import NotBuilt, asks, method_given
from modnet.check.reading.lines import quote, text_of
from modnet.check.reading.vocabulary import FORWARD, TRAINS, first_method, meaning_of
from modnet.check.report import Finding, Report

_NAMED = re.compile(r"(trainer|solver)$", re.I)
_FORMS = ("both", "gradient", "lists")


def is_loop(cls: type) -> bool:
    """Whether a class is such a loop."""
    given = any(meaning_of(p.name, ("net",)) for p in asks(cls, by_name=True))
    return given and bool(_NAMED.search(cls.__name__)) and bool(_train(cls)) and not callable(getattr(cls, "forward", None))


def _train(cls: type) -> str:
    return first_method(cls, (*TRAINS, "solve", "run"))


class _Model:
    """A linear model of a squared error that writes down each gradient it is asked for; every example is its own class.

    Attributes
    ----------
    looks : parameters and whether they were right, each time it was asked about examples of validation.
    """

    def __init__(self, form: str, val: np.ndarray, calls: list[Call]) -> None:
        rng = np.random.default_rng(11)
        held = {"W": rng.uniform(-1, 1, val.shape[::-1]), "b": rng.uniform(-1, 1, len(val))}
        self.form, self.val, self.calls = form, val, calls
        self.params: Any = list(held.values()) if form == "lists" else held
        self.grads = [np.zeros_like(a) for a in held.values()]
        self.looks: list[tuple[dict[str, np.ndarray], bool]] = []
        self.layers: list[Any] = []

    def named(self) -> dict[str, np.ndarray]:
        """Copies of the parameters."""
        named = dict(zip("Wb", self.params, strict=True)) if self.form == "lists" else self.params
        return {n: np.array(a, dtype=float) for n, a in named.items()}

    def held(self) -> list[np.ndarray]:
        """The same in a list."""
        return list(self.named().values())

    def _scores(self, x: Any) -> np.ndarray:
        w, b = self.held()
        return np.asarray(x, dtype=float) @ w + b

    def _number(self, x: Any, t: Any) -> float:
        return float((self._scores(x) ** 2).mean())

    def _asked(self, x: Any, t: Any) -> dict[str, np.ndarray]:
        x, t = np.asarray(x, dtype=float), np.asarray(t)
        truth = np.eye(len(self.val))[(t.argmax(axis=-1) if t.ndim == 2 else t).ravel().astype(int) % len(self.val)]
        scores = self._scores(x)
        delta = scores - truth
        gradients = {"W": x.T @ delta / len(x), "b": delta.mean(axis=0)}
        self.calls += [
            Call(FORWARD, 0, x, scores),
            Call("slope", 1, scores, held=(truth,)),
            Call("backward", 0, delta, held=tuple(self.held()), gradient=tuple(g.copy() for g in gradients.values())),
        ]
        return gradients

    def loss(self, *given: Any, **named: Any) -> Any:
        """The loss of x and t, with its gradients in one of the forms; the scores without a truth."""
        x, t, *_ = *given, *named.values(), None
        if t is None:
            return self.predict(x)
        return (self._number(x, t), self._asked(x, t)) if self.form == "both" else self._number(x, t)

    def gradient(self, x: Any, t: Any) -> dict[str, np.ndarray]:
        """Gradients by name."""
        return self._asked(x, t)

    def forward(self, x: Any, t: Any = None) -> Any:
        """The loss, or the scores without a truth."""
        self._last = x, t
        return self.predict(x) if t is None else self._number(x, t)

    def backward(self, dout: Any = 1) -> None:
        """Put the gradients into the list."""
        for array, g in zip(self.grads, self._asked(*self._last).values(), strict=True):
            array[...] = g

    def predict(self, x: Any, *more: Any) -> np.ndarray:
        """Scores. Of the validation examples they are right in the second look and in no other."""
        x, count = np.asarray(x, dtype=float), len(self.val)
        if rows_of(x, self.val) is None:
            return self._scores(x)
        right = len(self.looks) == 1
        self.looks.append((self.named(), right))
        return np.eye(count)[(np.arange(len(x)) + (not right)) % count]

    def accuracy(self, x: Any, t: Any) -> float:
        """How many are right."""
        t = np.asarray(t)
        truth = t.argmax(axis=1) if t.ndim == 2 else t
        return float((self.predict(x).argmax(axis=1) == truth).mean())


class Loop(Logged):
    """A loop that has run, with its model."""

    epochs = 30
    learning = {"W": (0, 0), "b": (0, 1)}
    rows = {name: name for name in ("the pairs", "the steps", "the examples")}

    def __init__(
        self, cls: type, form: str, hot: bool, named: str, net: Any = None, rate: float = Logged.rate
    ) -> None:
        """Run it.

        Parameters
        ----------
        form : of the model. hot : whether the truth is rows with a one. named : what an argument for an optimizer is given,
            empty for an optimizer of ours. net : a network with a loop of its own, which is given the model's answers.
        """
        train = _train(cls)
        own = first_method(cls, ("_step", "train_step", "step")) or train
        super().__init__(cls, own, partial(Loop, cls, form, hot, named, net))
        x, val, self.y = self.x, -self.x, np.eye(self.count)
        self.model = _Model(form, val, self.calls)
        self.layers = [self.model]
        t: np.ndarray = self.y if hot else np.arange(self.count)
        values = {
            "net": self.model, "X": x, "y": t, "x val": val, "y val": t, "epochs": self.epochs, "rate": rate,
            "batch": self.size,
            "dataset": {"X_train": x, "y_train": t, "X_val": val, "y_val": t, "X_test": val, "y_test": t},
            "optimizer": named or OptimizerPiece(rate), "optimizer params": {"lr": rate},
            "optimizer config": {"learning_rate": rate},
        }  # fmt: skip
        if net is None:
            loop = self.called(f"{cls.__name__}(...)", cls, values, more=_popped(cls))
        else:
            loop, asked = copied(net), ("params", "loss", "gradient", "predict", "accuracy")
            vars(loop).update({n: getattr(self.model, n) for n in asked if hasattr(net, n)})
        method = getattr(loop, train)
        self.called(f"{cls.__name__}.{train}", method, values, more=_popped(method))
        self.best = getattr(loop, "best_params", None)
        self.restored = bool(self.best)

    def end(self) -> Iterator[Finding]:
        """Whether what is kept as the best are the parameters that were the best in validation."""
        best, was = self.best, next((held for held, right in self.model.looks if right), None)
        if not isinstance(best, dict) or set(best) != {"W", "b"} or was is None or len(self.model.looks) < 3:
            return
        if not all(np.array_equal(best[n], was[n]) for n in was):
            name = _train(self.cls)
            text = "best_params are not those of the look at the validation examples that was the best."
            hint = "best_params[name] = array.copy(): the arrays themselves go on moving"
            line = quote(self.cls, name, r"best_?param")
            yield Finding("best-lost", f"{self.cls.__name__}.{name}", text, hint, line=line)


def _popped(function: Any) -> list[str]:
    """The names that a constructor takes out of ``**kwargs``, by its lines."""
    made_by = inspect.getattr_static(function, "__init__") if isinstance(function, type) else function
    return re.findall(r"kwargs\.(?:pop|get)\(\s*['\"](\w+)['\"]", text_of(made_by))


def examine_loop(cls: type, net: Any = None) -> Report:
    """The report on a loop's class, or on the loop of a network with a loss of its own; `NotBuilt` if it could not be run."""
    why = ""
    for form, hot, named in product((form_of(cls),) if net is not None else _FORMS, (False, True), ("sgd", "SGD", "")):
        try:
            ran = Loop(cls, form, hot, named, net)
        except (NotBuilt, Misbehaviour, TypeError, ValueError, KeyError, AttributeError, IndexError) as problem:
            why = why or str(problem)
            continue
        if ran.calls:
            report = Report(f"{cls.__name__} with a model of the check's own, {ran.epochs} epochs of {ran.count} examples")
            judge(report, ran)
            return report
        why = why or "it asks the model for no gradient"
    raise NotBuilt(f"{cls.__name__} could not be run: {why}")


def add_own_loop(report: Report, cls: type) -> None:
    """What is found of the training of a network with a loss of its own, if that is right and it trains itself."""
    if form_of(cls) not in ("both", "gradient") or not report.ok or not method_given(cls, TRAINS, ("X", "y")):
        return
    for net in islice(built(cls, []), 1):
        with suppress(NotBuilt):
            own = examine_loop(cls, net)
            report.findings += own.findings
            report.verdicts += own.verdicts
