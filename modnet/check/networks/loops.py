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
from typing import Any, NamedTuple

import numpy as np

from modnet.check.arguments import NotBuilt, asks, fill
from modnet.check.lines import quote
from modnet.check.networks.form import Form
from modnet.check.networks.judge import judge
from modnet.check.networks.pieces import OptimizerPiece, rates, rows_of
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, call
from modnet.check.vocabulary import TRAINS, first_method, meaning_of

_NAMED = re.compile(r"(trainer|solver)$", re.I)
_COUNT, _WIDTH, _EPOCHS, _BATCH, _RATE = 6, 3, 30, 4, 0.05
_FORMS = ("both", "gradient", "lists")


def is_loop(cls: type) -> bool:
    """Whether a class is such a loop."""
    given = any(meaning_of(p.name, ("net",)) for p in asks(cls, by_name=True))
    return given and bool(_NAMED.search(cls.__name__)) and bool(_train(cls)) and not callable(getattr(cls, "forward", None))


def _train(cls: type) -> str:
    return first_method(cls, (*TRAINS, "solve", "run"))


class Step(NamedTuple):
    """One gradient that was asked for: which examples, whose truth, the parameters then, and the gradients that were given."""

    examples: list[int] | None
    truths: list[int]
    held: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]


class _Model:
    """A linear model of a squared error that writes down what it is asked.

    Attributes
    ----------
    steps : each gradient that was asked for. looks : parameters and how many were right, each time validation was asked.
    """

    def __init__(self, form: str, x: np.ndarray, val: np.ndarray) -> None:
        rng = np.random.default_rng(11)
        held = {"W": rng.uniform(-1, 1, (_WIDTH, _COUNT)), "b": rng.uniform(-1, 1, _COUNT)}
        self.form, self.x, self.val = form, x, val
        self.params: Any = list(held.values()) if form == "lists" else held
        self.grads = [np.zeros_like(a) for a in held.values()]
        self.steps: list[Step] = []
        self.looks: list[tuple[dict[str, np.ndarray], bool]] = []
        self.layers: list[Any] = []

    def held(self) -> dict[str, np.ndarray]:
        """Copies of the parameters."""
        named = dict(zip("Wb", self.params, strict=True)) if self.form == "lists" else self.params
        return {n: np.array(a, dtype=float) for n, a in named.items()}

    def _scores(self, x: Any) -> np.ndarray:
        held = self.held()
        return np.asarray(x, dtype=float) @ held["W"] + held["b"]

    def _number(self, x: Any, t: Any) -> float:
        return float((self._scores(x) ** 2).mean())

    def _asked(self, x: Any, t: Any) -> dict[str, np.ndarray]:
        x, t = np.asarray(x, dtype=float), np.asarray(t)
        truths = [int(i) for i in (t.argmax(axis=-1) if t.ndim == 2 else t).ravel()]
        error = self._scores(x) - np.eye(_COUNT)[np.array(truths) % _COUNT]
        gradients = {"W": x.T @ error / len(x), "b": error.mean(axis=0)}
        self.steps.append(Step(rows_of(x, self.x), truths, self.held(), {n: g.copy() for n, g in gradients.items()}))
        return gradients

    def loss(self, x: Any, t: Any = None) -> Any:
        """The loss, with its gradients in one of the forms; the scores without a truth."""
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
        x = np.asarray(x, dtype=float)
        if rows_of(x, self.val) is None:
            return self._scores(x)
        right = len(self.looks) == 1
        self.looks.append((self.held(), right))
        return np.eye(_COUNT)[:, :][np.arange(len(x)) % _COUNT if right else (np.arange(len(x)) + 1) % _COUNT]

    def accuracy(self, x: Any, t: Any) -> float:
        """How many are right."""
        t = np.asarray(t)
        truth = t.argmax(axis=1) if t.ndim == 2 else t
        return float((self.predict(x).argmax(axis=1) == truth).mean())


class Loop(Form):
    """A loop that has run, with its model. batched : whether it was given that. slower : another one, with half the rate."""

    batched = False
    loop: Any = None
    slower: Any = None
    rows = ("the pairs", "the steps", "the examples")

    def __init__(self, cls: type, model: _Model) -> None:
        steps = [n for n in ("_step", "train_step", "step") if callable(getattr(cls, n, None))]
        super().__init__(cls, next(iter(steps), _train(cls)))
        self.model = model

    def examples(self) -> list[tuple[list[int], list[int]]]:
        """Of each step."""
        found = [(s.examples, s.truths) for s in self.model.steps if s.examples is not None]
        if len(found) < len(self.model.steps):
            raise NotBuilt("its model is given other numbers than its examples")
        return found

    def every_example(self) -> tuple[int, str]:
        """All of x."""
        return _COUNT, f"{f', in batches of {_BATCH},' if self.batched else ''} {_EPOCHS} epochs"

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """Of both parameters."""
        steps = (self.slower if slower else self).model.steps
        states = [s.held for s in steps]
        if not getattr(self.loop, "best_params", None):  # at the end the best may have been put back
            states.append((self.slower if slower else self).model.held())
        return {n: rates([held[n] for held in states], [s.gradients[n] for s in steps]) for n in states[0]}

    def end(self) -> Iterator[Finding]:
        """Whether what is kept as the best are the parameters that were the best in validation."""
        best = getattr(self.loop, "best_params", None)
        was = next((held for held, right in self.model.looks if right), None)
        if not isinstance(best, dict) or set(best) != {"W", "b"} or was is None or len(self.model.looks) < 3:
            return
        if not all(np.array_equal(best[n], was[n]) for n in was):
            name = _train(self.cls)
            text = "best_params are not those of the look at the validation examples that was the best."
            hint = "best_params[name] = array.copy(): the arrays themselves go on moving"
            line = quote(self.cls, name, r"best_?param")
            yield Finding("best-lost", f"{self.cls.__name__}.{name}", text, hint, line=line)

    def line(self, question: str, name: str = "") -> str:
        """The line to look at."""
        patterns = (r"update", r"-=") if question == "the steps" else (r"permutation|shuffle|choice", r"range\(|\[")
        return quote(self.cls, self.method, *patterns)


def _ran(cls: type, form: str, rate: float, hot: bool, named: Any) -> Loop:
    """One loop, run.

    Parameters
    ----------
    form : of the model. hot : whether the truth is rows with a one. named : what an argument for an optimizer is given.
    """
    rng = np.random.default_rng(3)
    x, val = rng.uniform(0.1, 1, (_COUNT, _WIDTH)), rng.uniform(-1, -0.1, (_COUNT, _WIDTH))
    t: np.ndarray = np.eye(_COUNT) if hot else np.arange(_COUNT)
    model = _Model(form, x, val)
    values = {
        "net": model, "X": x, "y": t, "x val": val, "y val": t, "epochs": _EPOCHS, "rate": rate, "batch": _BATCH,
        "dataset": {"X_train": x, "y_train": t, "X_val": val, "y_val": t, "X_test": val, "y_test": t},
        "optimizer": named if isinstance(named, str) else OptimizerPiece(rate), "optimizer params": {"lr": rate},
        "optimizer config": {"learning_rate": rate},
    }  # fmt: skip
    np.random.seed(1)  # noqa: NPY002
    ran, name = Loop(cls, model), _train(cls)
    given, told = fill(cls, values, more=_popped(cls))
    ran.loop = call(f"{cls.__name__}(...)", lambda: cls(**given))
    method = getattr(ran.loop, name)
    arguments, more = fill(method, values, more=_popped(method))
    call(f"{cls.__name__}.{name}", lambda: method(**arguments))
    told |= more
    ran.told, ran.batched = any(m.startswith(("rate", "optimizer")) for m in told), "batch" in told
    return ran


def _popped(function: Any) -> list[str]:
    """The names that a constructor takes out of ``**kwargs``, by its lines."""
    try:
        text = inspect.getsource(inspect.getattr_static(function, "__init__") if isinstance(function, type) else function)
    except (OSError, TypeError, KeyError):
        return []
    return re.findall(r"kwargs\.(?:pop|get)\(\s*['\"](\w+)['\"]", text)


def _tried(cls: type) -> Iterator[tuple[str, bool, Any]]:
    for form in _FORMS:
        for hot in (False, True):
            for named in ("sgd", "SGD", None):
                yield form, hot, named


def examine_loop(cls: type) -> Report:
    """The report on a loop's class; `NotBuilt` if it could not be run."""
    why = ""
    for form, hot, named in _tried(cls):
        try:
            ran = _ran(cls, form, _RATE, hot, named)
        except (NotBuilt, Misbehaviour, TypeError, ValueError, KeyError, AttributeError, IndexError) as problem:
            why = why or str(problem)
            continue
        if ran.model.steps:
            ran.slower = _ran(cls, form, _RATE / 2, hot, named) if ran.told else None
            report = Report(f"{cls.__name__} with a model of the check's own, {_EPOCHS} epochs of {_COUNT} examples")
            judge(report, ran)
            return report
        why = why or "it asks the model for no gradient"
    raise NotBuilt(f"{cls.__name__} could not be run: {why}")
