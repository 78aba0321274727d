"""Layers in evaluation: whoever drops in training drops nothing, and whoever normalises uses what training has gathered.

How a layer is told differs: an argument (``train_flg=False``, ``training=False``, ``eval=True``, ``mode="test"``), an
attribute, or a method. `Adapted` knows; a layer that is never told is not looked at here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.draws import other_draws, same_draws
from modnet.check.building.recipes import Recipe, Shape, Size
from modnet.check.modules.check import as_input
from modnet.check.reading.vocabulary import FORWARD
from modnet.check.report import Finding, Report
from modnet.check.styles.adapters import Adapted, subject_of

_ROWS = 48  # enough that a variance over the batch, by n or by n - 1, is nearly the same
_STEPS = 400  # forwards in training, until running statistics have forgotten where they began
_GATHERED = re.compile(r"run|mov|inference|ema|global|test", re.I)
ALWAYS = "what is predicted changes from call to call."
_NEAR = 0.1  # of the spread of the results
_DRAWS, _STATISTICS = r"random|binomial|rand\(|mask", r"running|moving|\.mean\(|\.var\(|np\.(mean|var)\("


def examine_in_evaluation(report: Report, recipe: Recipe, size: Size | Shape) -> None:
    """Add to a report what is wrong in evaluation."""
    if isinstance(size, Size):
        return
    shape = (_ROWS, *recipe.input_shape(size)[1:])
    with suppress(Misbehaviour):
        subject = subject_of(recipe.build(shape), as_input(shape), recipe)
        if isinstance(subject, Adapted) and not subject.single:
            name = subject.names[FORWARD]
            _judge(report, subject, f"{subject.name}.{name}", name)


def _judge(report: Report, subject: Adapted, where: str, name: str) -> None:
    told, row = subject.is_told(), f"{name}, in evaluation"
    if not told and not re.search("drop", subject.name, re.I):
        return
    with same_draws(), np.errstate(all="ignore"):
        subject.examine()
        once = not subject.random and re.search("drop", subject.name, re.I) and _draws_once(subject)
        if once:
            subject.random = True
        if not subject.random and (not told or not _depends(subject, subject.fresh(), subject.x)):
            return
        ways = _of_statistics if not subject.random else _of_drawing if told else _of_never_told
        found = next(ways(subject), None)
    if once:
        text = f"{name} draws at its first call alone: the same numbers are dropped ever after."
        kept = subject.wrong(FORWARD, "stateful", text, "draw a new mask in every forward, of the input's shape", _DRAWS)
        kept.where = where
        report.findings.append(kept)
        report.verdict(f"{name}, called again", right=False, remark=kept.kind)
    if found is None:
        report.verdict(row)
        return
    found.where = where
    report.findings.append(found)
    report.verdict(row, right=False, remark=found.kind)


def _draws_once(subject: Adapted) -> bool:
    """Whether the first forward of a copy draws, although the next ones do not."""
    for seed in range(20):
        with other_draws(100 + seed):
            if not np.array_equal(_asked(subject, subject.fresh(), subject.x, evaluating=False), subject.out):
                return True
    return False


class _Told:
    """A function whose dict of options says the mode, ``bn_param["mode"]``, as a layer."""

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Any], place: int) -> None:
        self.function, self.inputs, self.place = function, list(inputs), place

    def forward(self, x: np.ndarray, training: bool) -> Any:
        self.inputs[self.place]["mode"] = "train" if training else "test"
        self.options = self.inputs[self.place]
        result = self.function(x, *self.inputs[1:])
        return result[0] if isinstance(result, tuple) else result

    def backward(self, delta: np.ndarray) -> np.ndarray:
        return delta


def functions_in_evaluation(report: Report, function: Callable[..., Any], inputs: Sequence[Any]) -> None:
    """The same for a function of CS231n's kind, which is told by an entry of a dict."""
    place = next((i for i, v in enumerate(inputs) if isinstance(v, dict) and v.get("mode") in ("train", "test")), None)
    if place is None or not isinstance(inputs[0], np.ndarray):
        return
    options = {n: v for n, v in inputs[place].items() if n != "seed"}
    held = _Told(function, [*inputs[:place], options, *inputs[place + 1 :]], place)
    name = getattr(function, "__name__", "forward")
    with suppress(Misbehaviour):
        _judge(report, Adapted(held, as_input((_ROWS, *inputs[0].shape[1:]))), name, name)


def _asked(subject: Adapted, module: Any, x: np.ndarray, evaluating: bool) -> np.ndarray:
    subject.evaluating = evaluating
    try:
        return subject.as_output(subject.ask(FORWARD, module, x.copy()), FORWARD, x)
    finally:
        subject.evaluating = False


def _depends(subject: Adapted, module: Any, x: np.ndarray, evaluating: bool = False) -> bool:
    """Whether the result of the first example depends on the others."""
    other = x.copy()
    other[1:] = other[1:][::-1] * 0.5 + 0.3
    one, two = (_asked(subject, copied(module), at, evaluating) for at in (x, other))
    return not np.allclose(one[:1], two[:1], rtol=1e-5, atol=1e-7, equal_nan=True)


def _wrong(subject: Adapted, text: str, hint: str, *patterns: str) -> Finding:
    return subject.wrong(FORWARD, "eval-mode", text, hint, *patterns)


def _of_never_told(subject: Adapted) -> Iterator[Finding]:
    text = f"{subject.names[FORWARD]} draws whenever it is called, and nothing tells it of an evaluation: {ALWAYS}"
    finding = _wrong(
        subject, text, "an attribute or an argument, training=True; if it is False, return the input as it is", _DRAWS
    )
    finding.given_weight = "in part"
    yield finding


def _of_drawing(subject: Adapted) -> Iterator[Finding]:
    try:
        first = _asked(subject, subject.fresh(), subject.x, evaluating=True)
        with other_draws():
            second = _asked(subject, subject.fresh(), subject.x, evaluating=True)
    except Misbehaviour as problem:
        yield _crash(problem)
        return
    if first.shape != second.shape or not np.array_equal(first, second):
        text = "in evaluation forward draws as in training: the same input gives another result each time."
        yield _wrong(subject, text, "if not training, return the input as it is", _DRAWS)
        return
    ones, draws = np.ones(subject.x.shape), []
    for seed in range(20):
        with other_draws(100 + seed):
            draws.append(float(_asked(subject, subject.fresh(), ones, evaluating=False).mean()))
    training, evaluation = float(np.mean(draws)), float(_asked(subject, subject.fresh(), ones, evaluating=True).mean())
    by_chance = 4 * float(np.std(draws)) / len(draws) ** 0.5  # if all examples share a mask, few numbers are drawn
    if evaluation and abs(training / evaluation - 1) > max(_NEAR, by_chance / abs(evaluation)):
        text = f"on average forward gives {training:.2g} in training and {evaluation:.2g} in evaluation, for an input of ones."
        hint = "divide by the share that is kept in training, or multiply by it in evaluation: one of the two"
        yield _wrong(subject, text, hint, _DRAWS)


def _of_statistics(subject: Adapted) -> Iterator[Finding]:
    # With a mean of 0 it would not show which share of it is kept.
    module, x, held = subject.fresh(), 3 * subject.x + 2, list[dict[str, np.ndarray]]()
    for count in (_STEPS - 20, 20):
        for _ in range(count):
            trained = _asked(subject, module, x, evaluating=False)
        held.append(_gathered(module))
    late, before = held
    try:
        _asked(subject, module, x * 0.5 + 0.2, evaluating=True)
        depends = _depends(subject, module, x, evaluating=True)
    except Misbehaviour as problem:
        yield _crash(problem)
        return
    if depends:
        text = "in evaluation the result of one example depends on the others: it is normalised by its own batch."
        yield _wrong(subject, text, "in evaluation, use the mean and the variance that training has gathered", _STATISTICS)
        return
    moved = [n for n, v in _gathered(module).items() if n in before and not np.array_equal(v, before[n], equal_nan=True)]
    if moved:
        text = f"in evaluation forward changes {', '.join(moved)}: what is evaluated becomes a part of what was learnt."
        set_there = rf"\b{moved[0].split('.')[-1]}\b\s*="
        yield _wrong(subject, text, "update running statistics in training alone", set_there, _STATISTICS)
        return
    if not all(np.allclose(v, late[n], rtol=1e-3, atol=1e-4) for n, v in before.items() if n in late):
        return  # they have not settled
    out = _asked(subject, module, x, evaluating=True)
    spread = float(np.abs(trained - trained.mean(axis=0)).mean())
    if out.shape != trained.shape or not float(np.abs(out - trained).mean()) <= _NEAR * max(spread, 1e-12):
        text = f"after {_STEPS} forwards in training on one batch, evaluation of that batch gives something else."
        hint = "evaluation is gamma * (x - running_mean) / sqrt(running_var + eps) + beta, with a variance, not a deviation"
        yield _wrong(subject, text, hint, _STATISTICS)


def _gathered(module: Any) -> dict[str, np.ndarray]:
    """The arrays that may be statistics of training, by name; those of the last batch alone say so by no name."""
    held = vars(module)
    inner = {n: v for d in held.values() if isinstance(d, dict) for n, v in d.items() if isinstance(n, str)}
    return {n: v.copy() for n, v in (inner | held).items() if isinstance(v, np.ndarray) and _GATHERED.search(n)}


def _crash(problem: Misbehaviour) -> Finding:
    return Finding("crash", "", f"in evaluation: {problem.message}.", "the branch for evaluation", line=problem.line)
