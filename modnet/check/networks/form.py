"""What all networks have in common, whatever their form: what a judge may ask of one that has been driven.

A form answers what it can. What it has no answer for, it says nothing about, and the question is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.numeric import EPS, beside, derivative
from modnet.check.asking.question import Question, chosen_entries
from modnet.check.networks.calls import Call, Way
from modnet.check.networks.dense import Mistake
from modnet.check.reading.lines import quote
from modnet.check.report import Finding, Report


class Round(NamedTuple):
    """What one forward and one backward gave."""

    out: list[np.ndarray]
    gradients: list[np.ndarray]


class Asked(Protocol):
    """A copy of a network, `net`, that can be asked for rounds."""

    net: Any

    def ask(self, backwards: bool = False, forward_alone: bool = False) -> Round:
        """One forward and one backward, perhaps of the examples in the other order; or the half of it."""
        ...


class Form:
    """A network that has been driven.

    Attributes
    ----------
    cls, method : the author's class, and the method that goes back or trains. asked : by parameter, what was measured of it.
    problem : what driving it ended with; the calls until then may say why.
    other_delta : the kinds of findings for a layer that is given another layer's delta, and any other.
    doubles : whether twice the gradient means that something was called twice. up_to_factor : whether the delta that the last
        layer is given may be any multiple of the derivative. adds : whether its layers add gradients, as is right.
    batch : how many examples there are. by_gradient : whether `moves` are multiples of gradients, else they are lengths;
    nearness : how near they are to each other, relatively, if all go by one rate. told : whether it was given a rate.
    rows : the questions that have a row in the report, and its name. lines : by question, the author's methods in which to look
        for a line beside `method`, and what to look for. notes : for the report.
    """

    other_delta = "chain", "chain"
    doubles = up_to_factor = adds = told = False
    by_gradient, nearness, batch = True, 1e-4, 1
    rows: Mapping[str, str] = {}
    lines: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {}
    problem: Misbehaviour | None = None

    def __init__(self, cls: type, method: str) -> None:
        self.cls, self.method, self.notes = cls, method, list[str]()
        self.asked: dict[str, Question] = {}

    # --- the calls of its layers

    def ways(self) -> list[Way]:
        """Each way there and back."""
        return []

    def order(self) -> list[int]:
        """The layers as forward must go through them; empty if that is as it likes."""
        return []

    def label(self, i: int) -> str:
        """A layer in words."""
        return f"layer {i}"

    def learns(self, i: int) -> bool:
        """Whether a layer must be asked for its gradient."""
        return True

    def may_skip(self, way: Way, i: int) -> bool:
        """Whether the way back may leave a layer out."""
        return False

    def start(self, way: Way) -> np.ndarray | None:
        """The delta that the last layer of a way must be given; None if it is not known."""
        return None

    def wrong_start(self, way: Way) -> Finding | None:
        """What is wrong, in a way of this form alone, with the delta that the last layer is given."""
        return None

    def after(self, way: Way, i: int, delta: np.ndarray | None) -> np.ndarray | None:
        """The delta that the layer before layer i must be given: what layer i returned."""
        call: Call | None = next(iter(way.of(i)[::-1]), None)
        if call is None or call.given is not None:
            return None if call is None else call.result
        # a derivative alone, which is multiplied outside
        multiplied = delta is not None and call.result is not None and delta.shape == call.result.shape
        return delta * call.result if multiplied else None

    # --- its gradients

    def parameters(self) -> dict[str, np.ndarray]:
        """What learns, in place, by name."""
        return {}

    def number(self) -> np.ndarray:
        """The loss at the present parameters, one number or several to add: its derivatives are what gradients must be."""
        raise NotImplementedError

    def given(self) -> dict[str, list[Any]]:
        """By the names of parameters, what may be their gradients: one of them has to be right."""
        return {}

    @cached_property
    def measured(self) -> Measured:
        """The gradients beside differences of the loss."""
        return measure(self)

    # --- what it does later, and with data

    def fresh(self) -> Asked | None:
        """Another one, that has not been asked yet; None if what it was asked before makes no difference."""
        return None

    def moves(self, slower: bool = False) -> dict[str, float | None]:
        """How far training moves each parameter, in multiples of minus its gradient; None for no multiple."""
        return {}

    def late(self, odd: list[str]) -> list[str]:
        """The parameters that move by the derivative through others that have moved already; of those that are odd, if any."""
        return []

    def cause(self) -> Finding | None:
        """The one mistake that explains how every parameter moves, or every gradient; None if it is not known."""
        return None

    def unzeroed(self) -> bool:
        """Whether it moves by the gradients of all steps so far."""
        return False

    def examples(self) -> list[tuple[list[int], list[int]]]:
        """For each step, which examples were used, and whose truth."""
        return []

    def rounds(self) -> list[list[list[int]]]:
        """For each epoch, which examples its steps used; empty if it is not known what an epoch is."""
        return []

    def every_example(self) -> tuple[int, str]:
        """How many there are, and of the training, in words."""
        return 0, ""

    def end(self) -> Iterable[Finding]:
        """What is asked of this form alone."""
        return ()

    # --- how it is told

    def where(self, question: str) -> str:
        """The method that a finding is about."""
        return f"{self.cls.__name__}.{self.method}"

    def line(self, question: str, name: str = "") -> str:
        """The author's line to look at, for a question and perhaps a parameter."""
        methods, patterns = self.lines.get(question, ((), ()))
        there = [n for n in (*methods, self.method) if callable(getattr(self.cls, n, None))]
        return next((line for n in there if (line := quote(self.cls, n, *patterns))), "")

    def caused(self, wrong: Mistake | None, names: Sequence[str]) -> Finding | None:
        """The finding about a mistake on the way back through dense layers that shows in these parameters, if there is one."""
        if wrong is None:
            return None
        line = self.line("a step", names[0])
        return self.finding(wrong.kind, f"{', '.join(names)}: {wrong.text}", wrong.hint, names[0], line)

    def finding(self, kind: str, text: str, hint: str = "", name: str = "", line: str = "") -> Finding:
        """A finding, with the worst entry of a parameter if it is about one."""
        q = self.asked.get(name)
        return Finding(kind, "", text, hint, line=line) if q is None else q.finding(kind, text, hint, line)

    def told_of(self, report: Report, question: str, findings: list[Finding]) -> None:
        """Write the rows of a question that was asked."""
        if question in self.rows:
            report.verdict(self.rows[question], right=not findings, remark=", ".join(dict.fromkeys(f.kind for f in findings)))


class Measured(NamedTuple):
    """Gradients beside differences: by parameter, those that differ, and what was found before numbers could be compared."""

    questions: dict[str, Question]
    wrong: dict[str, Question]
    said: list[Finding]


def _numbers_at(form: Form, array: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A form's numbers as a function of what is in an array, which is put back after each call."""
    start = array.copy()

    def f(values: np.ndarray) -> np.ndarray:
        array[...] = values
        try:
            return form.number()
        finally:
            array[...] = start

    return f


def difference(form: Form, name: str, array: np.ndarray, narrow: bool = False) -> Question:
    """The question about one parameter: the truth by differences of the form's numbers; narrow ones see no kink beside it."""
    start, entries, f = array.copy(), chosen_entries(array.size), _numbers_at(form, array)
    short = array.dtype != np.float64
    if narrow and not short:
        found = beside(f, start, entries)
    else:
        found = derivative(f, start.astype(np.float64), entries, float(np.finfo(np.float32).eps) if short else EPS)
    n = found.value.shape[1]
    q = Question("", np.zeros(1), np.zeros(n), np.ones(n), found, entries, array.shape, 5e-3 if short else 1e-5)
    q.by = f"the gradient of {name}"
    return q


def measure(form: Form) -> Measured:
    """The gradients of a form beside differences of its number."""
    given, held = form.given(), form.parameters()
    questions = {name: difference(form, name, array) for name, array in held.items()}
    form.asked, said = questions, list(_missing(form, questions, given))
    answered: dict[str, Question] = {}
    for name, q in questions.items():
        candidates = given.get(name)
        if not candidates or candidates[0] is None:
            continue
        try:
            arrays = [np.asarray(candidate, dtype=float) for candidate in candidates]
        except (TypeError, ValueError):
            said.append(Finding("shape", "", f"the gradient of {name} is no array of numbers."))
            continue
        fitting = [a for a in arrays if a.size == held[name].size and _up_to_ones(a.shape) == _up_to_ones(q.shape)]
        if not fitting:
            text = f"the gradient of {name} has shape {arrays[0].shape}, expected {q.shape}, that of {name}."
            said.append(Finding("shape", "", text, "a sum over the batch for a bias; x.T @ dout for a matrix"))
            continue
        answered[name] = q
        for got in (*fitting, fitting[0]):
            q.answer(got.reshape(q.shape))
            if not q.right:
                finer(form, held[name], q, np.flatnonzero(q.excess))
            if q.right:
                break
    return Measured(answered, {n: q for n, q in answered.items() if not q.right}, said)


def _missing(form: Form, questions: dict[str, Question], given: dict[str, list[Any]]) -> Iterator[Finding]:
    def depends(q: Question) -> bool:
        return bool(np.abs(q.truth).max(initial=0.0) > 1e-9)

    left = [n for n, q in questions.items() if (n not in given or given[n][0] is None) and depends(q)]
    if left and len(left) == len(questions):
        raise Misbehaviour("not-implemented", f"{form.method} gives no gradient for any of {', '.join(left)}")
    if left:
        it = "it" if len(left) == 1 else "them"
        text = f"{form.method} gives no gradient for {', '.join(left)}, and the loss depends on {it}."
        hint = "each layer's backward is called once" if form.adds else f"grads[{left[0]!r}] = ..., for every name in params"
        yield Finding("missing-parameter", "", text, hint)


def _up_to_ones(shape: tuple[int, ...]) -> list[int]:
    return [n for n in shape if n != 1]


def finer(form: Form, array: np.ndarray, q: Question, entries: np.ndarray) -> None:
    """Measure again, by steps so small that no ReLU turns within them: a bias moves every example."""
    if array.dtype != np.float64:
        return
    slopes = beside(_numbers_at(form, array), array.copy(), q.entries[entries]).value.sum(axis=1)
    bar = 1e-5 * np.abs(q.truth).max() + 1e-8 * max(abs(float(form.number().sum())), 1.0)
    for k, slope in zip(entries, slopes, strict=True):
        if abs(slope - q.got[k]) <= bar:
            q.low[k], q.high[k] = min(q.low[k], q.got[k]), max(q.high[k], q.got[k])
