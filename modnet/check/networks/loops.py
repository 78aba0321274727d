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

from modnet.check.lines import quote
from modnet.check.networks.assembled import meaning_of
from modnet.check.networks.pieces import OptimizerPiece, multiple, rows_of
from modnet.check.networks.scored import asks
from modnet.check.recipes import NotBuilt
from modnet.check.report import Finding, Report
from modnet.check.subject import Misbehaviour, call

_NAMED = re.compile(r"(trainer|solver)$", re.I)
_TRAINS = ("train", "fit", "solve", "run")
_MODEL = re.compile(r"^(model|network|net)$", re.I)
_COUNT, _WIDTH, _EPOCHS, _BATCH, _RATE = 6, 3, 30, 4, 0.05
_FORMS = ("both", "gradient", "lists")


def is_loop(cls: type) -> bool:
    """Whether a class is such a loop."""
    given = any(_MODEL.match(p.name) for p in asks(cls, by_name=True))
    return given and bool(_NAMED.search(cls.__name__)) and bool(_train(cls)) and not callable(getattr(cls, "forward", None))


def _train(cls: type) -> str:
    return next((n for n in _TRAINS if callable(getattr(cls, n, None))), "")


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


class _Ran(NamedTuple):
    """A loop that has run: the loop, its model, whether it was told a rate, and whether it was told the size of a batch."""

    loop: Any
    model: _Model
    told: bool
    batched: bool


def _ran(cls: type, form: str, rate: float, hot: bool, named: Any) -> _Ran:
    """One loop, run.

    Parameters
    ----------
    form : of the model. hot : whether the truth is rows with a one. named : what an argument for an optimizer is given.
    """
    rng = np.random.default_rng(3)
    x, val = rng.uniform(0.1, 1, (_COUNT, _WIDTH)), rng.uniform(-1, -0.1, (_COUNT, _WIDTH))
    t: np.ndarray = np.eye(_COUNT) if hot else np.arange(_COUNT)
    model = _Model(form, x, val)
    told: set[str] = set()
    np.random.seed(1)  # noqa: NPY002
    loop = call(f"{cls.__name__}(...)", lambda: cls(**_arguments(cls, model, x, t, val, rate, named, told)))
    name = _train(cls)
    method = getattr(loop, name)
    arguments = {p: v for p, v in _arguments(method, model, x, t, val, rate, named, told).items()}
    call(f"{cls.__name__}.{name}", lambda: method(**arguments))
    return _Ran(loop, model, "rate" in told, "batch" in told)


def _arguments(
    function: Any, model: _Model, x: np.ndarray, t: np.ndarray, val: np.ndarray, rate: float, named: Any, told: set[str]
) -> dict[str, Any]:
    """Arguments by what they mean, also those that are taken out of ``**kwargs``; what was told of rate and batch is noted."""
    found: dict[str, Any] = {}
    needs = [(p.name, p.default) for p in asks(function, by_name=True)] + [(n, None) for n in _popped(function)]
    for word, default in needs:
        value, about = _value(word.lower(), model, x, t, val, rate, named)
        if value is not None:
            found[word] = value
            told.add(about)
        elif default is inspect.Parameter.empty:
            raise NotBuilt(f"what {word} of {getattr(function, '__name__', 'it')} means is not known")
    return found


def _value(word: str, model: _Model, x: np.ndarray, t: np.ndarray, val: np.ndarray, rate: float, named: Any) -> tuple[Any, str]:
    """What an argument is given, None if its name says nothing; and what it tells of."""
    if _MODEL.match(word):
        return model, ""
    if word in ("data", "dataset"):
        return {"X_train": x, "y_train": t, "X_val": val, "y_val": t, "X_test": val, "y_test": t}, ""
    if re.match(r"(optim\w*_?(config|params?|args)|optimizer_?params?)$", word):
        key = "lr" if "param" in word else "learning_rate"
        return {key: rate}, "rate"
    if re.match(r"update_rule|optim", word):
        return (named if isinstance(named, str) else OptimizerPiece(rate)), "rate"
    if re.match(r"(x|inputs?)_?(test|val\w*)$", word):
        return val, ""
    if re.match(r"(y|t|labels?|targets?)_?(test|val\w*)$", word):
        return t, ""
    if re.match(r"(mini_?)?batch_?(size|num)$", word):
        return _BATCH, "batch"
    meaning = meaning_of(word)
    known = {"X": x, "y": t, "epochs": _EPOCHS, "rate": rate, "quiet": False}
    return known.get(meaning), meaning


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
            slower = _ran(cls, form, _RATE / 2, hot, named) if ran.told else None
            return _judged(cls, ran, slower)
        why = why or "it asks the model for no gradient"
    raise NotBuilt(f"{cls.__name__} could not be run: {why}")


def _judged(cls: type, ran: _Ran, slower: _Ran | None) -> Report:
    report = Report(f"{cls.__name__} with a model of the check's own, {_EPOCHS} epochs of {_COUNT} examples")
    name = _train(cls)
    step = next((n for n in ("_step", "train_step", "step") if callable(getattr(cls, n, None))), name)
    questions = (
        ("the examples", name if step == name else step, _examples, (r"permutation|shuffle|choice", r"range\(|\[")),
        ("the steps", step, lambda ran: _steps(ran, slower), (r"update", r"-=")),
        ("the best", name, lambda ran: _best(ran), (r"best_?param",)),
    )
    for title, method, question, patterns in questions:
        finding = question(ran)
        if finding is not None:
            finding.where = f"{cls.__name__}.{method}"
            finding.line = quote(cls, method, *patterns)
            finding.locate(cls)
            report.findings.append(finding)
        report.verdict(title, right=finding is None, remark="" if finding is None else finding.kind)
    return report


def _examples(ran: _Ran) -> Finding | None:
    """Whether examples keep their truth, and all are used."""
    steps = ran.model.steps
    if any(s.examples is None for s in steps):
        raise NotBuilt("its model is given other numbers than its examples")
    for s in steps:
        if s.examples != s.truths:
            text = f"the examples {s.examples} are given the truth of {s.truths}."
            return Finding("mispaired", "", text, "one order, and the same places, for X and y")
    left = sorted(set(range(_COUNT)) - {i for s in steps for i in s.examples or ()})
    if left:
        batches = f", in batches of {_BATCH}," if ran.batched else ""
        text = f"of {_COUNT} examples{batches} {_EPOCHS} epochs never use {', '.join(map(str, left))}, counted from 0."
        return Finding("left-out", "", text, "shuffle in each epoch, or let the last batch be smaller")
    return None


def _moves(ran: _Ran) -> dict[str, list[float | None]]:
    """By parameter: how far each step moves it, in multiples of minus its gradient; None if it is no multiple."""
    states = [s.held for s in ran.model.steps]
    best = getattr(ran.loop, "best_params", None)
    end = [] if best else [ran.model.held()]  # at the end the best may have been put back
    found: dict[str, list[float | None]] = {n: [] for n in states[0]}
    for s, after in zip(ran.model.steps, [*states[1:], *end], strict=False):
        if all(np.array_equal(s.held[n], after[n]) for n in found):
            continue
        for n, rates in found.items():
            rates.append(multiple(s.held[n] - after[n], s.gradients[n]))
    return found


def _steps(ran: _Ran, slower: _Ran | None) -> Finding | None:
    """Whether each parameter moves against its gradient, all by one rate, and that is the one that was given."""
    moves = _moves(ran)
    if not any(moves.values()) or all(r == 0 for rates in moves.values() for r in rates):
        return Finding("layer-not-trained", "", "no parameter moves.", "model.params[name] must be what has moved")
    for n, rates in moves.items():
        if all(r == 0 for r in rates):
            return Finding(
                "layer-not-trained", "", f"{n} does not move, though its gradient is not zero.", "every name in params"
            )
        if None in rates:
            return Finding("direction", "", f"{n} does not move by a multiple of its gradient.", "the gradient of this batch")
        if any(r is not None and r < 0 for r in rates):
            return Finding("sign", "", f"{n} moves along its gradient, but it must move against it.", "w -= rate * gradient")
    firsts = {n: rates[0] or 0.0 for n, rates in moves.items()}
    if np.ptp(list(firsts.values())) > 1e-6 * max(firsts.values()):
        text = (
            f"in the first step {' and '.join(firsts)} move by other rates: "
            + ", ".join(f"{r:.4g}" for r in firsts.values())
            + "."
        )
        return Finding("scale", "", text, "one rate for all, once a step")
    if slower is not None:
        half = {n: rates[0] or 0.0 for n, rates in _moves(slower).items()}
        if all(abs(half[n] - r) < 1e-9 for n, r in firsts.items()):
            return Finding("lr-ignored", "", "half the rate gives the same step.", "the rate that it was given")
    return None


def _best(ran: _Ran) -> Finding | None:
    """Whether what is kept as the best are the parameters that were the best in validation."""
    best = getattr(ran.loop, "best_params", None)
    was = next((held for held, right in ran.model.looks if right), None)
    if not isinstance(best, dict) or set(best) != {"W", "b"} or was is None or len(ran.model.looks) < 3:
        return None
    if all(np.array_equal(best[n], was[n]) for n in was):
        return None
    text = "best_params are not those of the look at the validation examples that was the best."
    return Finding("best-lost", "", text, "best_params[name] = array.copy(): the arrays themselves go on moving")


__all__ = ["examine_loop", "is_loop"]
