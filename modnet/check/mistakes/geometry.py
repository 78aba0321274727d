"""A module with windows, built anew in several sizes: to see what its mistake needs.

One channel or several, windows that overlap or not, a stride of 1 or more. A mistake that shows only where windows overlap is
one about overlap, however the code looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.numeric import along
from modnet.check.asking.question import Question, draw_delta
from modnet.check.asking.subject import Function, Subject
from modnet.check.building.constructors import roles_of
from modnet.check.building.recipes import Recipe, Size
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT
from modnet.check.report import Finding
from modnet.modules.container import Container

_BATCH = 3


class _Trial(NamedTuple):
    """A size to build a module in.

    windows : k_size, stride, chan_in, chan_out. longer : how much longer each side is than three windows take. like : the size
    that it differs from in one thing; then a mistake here and not there is of this kind.
    """

    windows: tuple[int, int, int, int]
    longer: tuple[int, int] = (0, 0)
    padding: int | str = 0
    like: str = ""
    kind: str = ""


_TRIALS = {
    "plain": _Trial((1, 1, 1, 1), (2, 2)),
    "stride": _Trial((2, 2, 1, 1)),
    "gaps": _Trial((2, 3, 1, 1)),
    "overlap": _Trial((3, 1, 1, 1)),
    "channels": _Trial((2, 2, 3, 4)),
    "all": _Trial((3, 2, 2, 4), (1, 1)),
    "apart": _Trial((1, 2, 1, 1), like="plain"),
    "one window": _Trial((2, 1, 1, 1), (-2, -2), like="plain"),
    "rest": _Trial((2, 2, 1, 1), (1, 1), like="stride", kind="uncovered"),
    "wide": _Trial((2, 2, 1, 1), (0, 4), like="stride", kind="square-only"),
    "tall": _Trial((2, 2, 1, 1), (4, 0), like="stride", kind="square-only"),
    "wide, overlapping": _Trial((3, 1, 1, 1), (0, 4), like="overlap", kind="square-only"),
    "padding of 1": _Trial((2, 2, 1, 1), padding=1, like="stride", kind="padding"),
    "padding of 1, overlapping": _Trial((3, 1, 1, 1), padding=1, like="overlap", kind="padding"),
    "padding of 2": _Trial((4, 4, 1, 1), padding=2, like="stride", kind="padding"),
    "same": _Trial((3, 1, 1, 1), padding="same", like="overlap", kind="padding"),
    "same, stride": _Trial((3, 2, 1, 1), padding="same", like="same", kind="stride"),
}
#: By kind, what to look at if only a size that differs in one thing shows a mistake.
_BESIDE_HINTS = {
    "uncovered": "a position that no window reaches gets 0, and dx the shape of x all the same",
    "square-only": "height and width each from its own axis: x.shape[-2] and x.shape[-1], not one for both",
    "padding": "x[p:-p] is empty for p = 0: write x[p:p + height]; and count the padding wherever sizes are computed",
    "stride": "how many windows there are: (length + 2 * padding - k) // stride + 1, also if padding is 'same'",
}
#: By what a mistake needs: its kind, what is wrong, what to look at.
_CAUSES = {
    "stride": (
        "stride",
        "is right for a stride of 1 and wrong for larger strides.",
        "window i starts at i * stride, in forward and here",
    ),
    "overlap": (
        "overlap",
        "is right if windows do not overlap and wrong if they do.",
        "a position seen by several windows gets the sum of what they give: +=, not =",
    ),
    "side": (
        "overlap",
        "is right only for windows side by side, a stride as large as they are, and wrong if they overlap or leave gaps.",
        "window i starts at i * stride; a position seen by several windows gets the sum, one seen by none gets 0",
    ),
    "even": (
        "padding",
        "is right for windows of 1 or 3 and wrong for windows of 2: even ones have no middle.",
        "pad k - 1 in all, and backward as much before as forward pads after: (k - 1) // 2 and k // 2 change places",
    ),
    "channels": (
        "channel-mix",
        "is right for one channel and wrong for several.",
        "the order of axes: reshape does not swap axes, transpose does; window and weights in the same order (k, chan_in)",
    ),
}
#: What is said of one size is vaguer here than what the sizes say together.
_VAGUE = {
    DELTA: ("transposed", "diagonal", "direction", "other-function", "cut-short"),
    GRADIENT: ("transposed", "overwrites", "direction"),
}


class _Answer(NamedTuple):
    """What came of an operation in one size.

    factor : 1 if it was right, the constant that it was of the truth, or 0; None if it could not be asked. problem : what it
    raised. cut : whether forward had another shape than defined.
    """

    factor: float | None = None
    problem: Misbehaviour | None = None
    cut: bool = False

    @property
    def right(self) -> bool | None:
        return None if self.factor is None else abs(self.factor - 1) < 1e-4


class Outcomes:
    """What a module does in the sizes that it was built in; empty if it has no windows or its constructor is not known.

    Attributes
    ----------
    sizes : by the label of a trial. answers : by label and operation.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.sizes: dict[str, Size] = {}
        self.answers: dict[tuple[str, str], _Answer] = {}

    def answer(self, label: str, operation: str) -> _Answer:
        """What came of an operation in a size."""
        return self.answers.get((label, operation), _Answer())

    def build(self, make: Any) -> None:
        """Build the module in every size that it takes, by a recipe or its constructor, and ask it there."""
        subject, recipe = self.subject, _recipe(self.subject, make)
        if recipe is None or not recipe.dims:
            return
        strided = recipe.takes("stride") or not recipe.takes("chan_in")
        need_not = subject.undefined or not recipe.strict  # take every size
        for label, (windows, longer, padding, like, _) in _TRIALS.items():
            k, stride, chan_in, chan_out = windows
            if (stride != 1 and not strided) or (recipe.dims < 2 and longer[0] != longer[1]):
                continue
            if padding and (not recipe.takes("padding") or recipe.takes_same() != (padding == "same")):
                continue
            if not recipe.takes("chan_in"):
                chan_in = chan_out = 1 if chan_out == 1 else 3
            sides = tuple(2 * stride + k + more for more in longer[: recipe.dims])
            size = Size(k, stride, chan_in, chan_out, padding, sides, len(subject.x) if recipe.single else _BATCH)
            try:
                module = recipe.build(size)
            except Misbehaviour as problem:
                if recipe.strict:
                    self.answers[label, FORWARD] = _Answer(problem=problem)
                continue
            answers = _ask(subject, module, recipe.input_shape(size))
            if answers[FORWARD].problem is None or like or not need_not:
                self.sizes[label] = size
                self.answers |= {(label, operation): answer for operation, answer in answers.items()}

    # --- what they have in common

    def factor(self, operation: str) -> float:
        """The constant factor of an operation in the plainest size: 1 if it is right there, or wrong in another way.

        What cannot be asked in the plainest size is asked in the next.
        """
        plain = self.answer("plain", operation)
        return (plain if plain.problem is None else self.answer("stride", operation)).factor or 1.0

    def _right(self, operation: str) -> dict[str, bool]:
        """By size, whether an operation is right but for the factor."""
        factor = self.factor(operation)
        answers = {label: self.answer(label, operation) for label, trial in _TRIALS.items() if not trial.like}
        return {label: abs(a.factor - factor) < 1e-4 for label, a in answers.items() if a.factor is not None}

    def cause(self, operation: str) -> str:
        """What the mistake needs, but for a constant factor: "stride", "even", "overlap", "side", "channels", "any"; or ""."""
        right = self._right(operation)
        wrong = {label for label, answer in right.items() if not answer}
        one_channel = wrong & {"stride", "gaps", "overlap"}
        if not wrong:
            return ""
        if "plain" in wrong:
            return "any"
        if not one_channel:
            return "channels" if "channels" in wrong or not right.get("channels") else "stride"
        if one_channel <= {"stride", "gaps"}:
            return "even" if right.get("all") else "stride"
        if one_channel == {"overlap"}:
            return "any" if self.answer("one window", operation).right is False else "overlap"
        return "side" if one_channel == {"overlap", "gaps"} else "any"

    # --- what is said of it

    def finding(self, operation: str, q: Question | None = None) -> Finding | None:
        """What the sizes say about an operation; None if nothing is wrong or it is wrong in every size."""
        cause, right = self.cause(operation), self._right(operation)
        if not cause or (cause == "any" and q is not None):
            return None
        wrong = [label for label in right if not right[label]]
        return self._of_cause(operation, cause, next((label for label in wrong if label != "plain"), "plain"), q)

    def of_forward(self) -> Finding | None:
        """The finding about forward, if it is wrong in some sizes only."""
        problems = [self.answer(label, FORWARD).problem for label, right in self._right(FORWARD).items() if not right]
        if self.cause(FORWARD) == "any" and all(problem is not None and problem.kind == "crash" for problem in problems):
            return None  # a size it does not take
        return self.finding(FORWARD)

    def explained(self, operation: str, q: Question, found: list[Finding]) -> list[Finding]:
        """What was found about a wrong answer, or in its place, if it is vague, what the sizes say."""
        by_size, factor = self.finding(operation, q), self.factor(operation)
        if min(abs(abs(factor) - n) for n in (0.5, 2)) < 1e-4:  # in a batch of three, too
            _without_batch(found)
        if by_size is None or (found and found[0].kind not in _VAGUE[operation]):
            if factor != 1 and found and found[0].kind == "scale":  # right but for that, in the size it was asked in
                beside = self.finding(operation)
                return [beside, *found] if beside is not None and (beside.kind != "direction" or beside.line) else found
            return found
        if factor != 1:
            return [by_size, self._of_factor(operation, q, factor)]
        if self.cause(operation) == "overlap" and self.answer("channels", operation).right is False:  # without any overlap
            return [by_size, self._of_cause(operation, "channels", "channels", q)]
        return [by_size]

    def _of_factor(self, operation: str, q: Question, factor: float) -> Finding:
        """A constant factor that is there in all sizes."""
        batch = abs(abs(factor) * _BATCH - 1) < 1e-4
        name = "1/batch, one over the size of the batch" if batch else f"{abs(factor):.6g}"
        text = f"beside that, {self.subject.names[operation]} is {'minus ' if factor < 0 else ''}{name}, times the truth."
        hint = "a mean over the batch, but the contract sums: write sum, not mean, and do not divide by len(X)" if batch else ""
        return q.finding("scale", text, hint or "the constant in front")

    def _of_cause(self, operation: str, cause: str, wrong: str, q: Question | None) -> Finding:
        """The finding for what a mistake needs, as it shows in a size."""
        problem, sizes, name = self.answer(wrong, operation).problem, self._in_words(wrong), self.subject.names[operation]
        if cause == "any":
            if problem is not None:
                text = f"with {sizes} {problem.message}."
                return Finding(problem.kind, "", text, "print the shapes on that line", line=problem.line)
            hint = "check a module of that size, to see how"
            if operation == FORWARD:
                hint = "write down which inputs one output reads in that size, and compare"
            return Finding("forward" if operation == FORWARD else "direction", "", f"{name} is wrong with {sizes}.", hint)
        kind, message, hint = _CAUSES[cause]
        message = f"{name} {message}" + (f" With {sizes} {problem.message}." if problem is not None else "")
        line = self._line(operation, problem, r"reshape|transpose|stride|range|\+=|\]\s*=", r"=")
        return q.finding(kind, message, hint, line) if q is not None else Finding(kind, "", message, hint, line=line)

    def beside(self, operation: str) -> Iterator[Finding]:
        """What is right in one size and wrong in another that differs from it in one thing: the findings, a kind once each."""
        said = set()
        for label, trial in _TRIALS.items() if self.sizes else ():
            kind, here, there = trial.kind, self.answer(label, operation), self.answer(trial.like, operation)
            problem, forward = here.problem, self.answer(label, FORWARD)
            if not kind or kind in said or (problem is not None and _refused(problem)):
                continue
            of_forward = kind == "square-only" and bool(self.answer(trial.like, FORWARD).right)
            of_forward = of_forward and (forward.cut or forward.right is False)
            if operation == FORWARD:
                if not of_forward and (problem is None or trial.like not in self.sizes or there.problem is not None):
                    continue
            elif of_forward or (kind == "uncovered" and self.cause(operation) == "side" and not self.subject.undefined):
                continue  # backward is held against another function there; or gaps are said to be wrong already
            elif (there.right, here.right) != (True, False):
                continue
            said.add(kind)
            wrong = problem.message if problem is not None else f"{self.subject.names[operation]} is wrong"
            text = f"with {self._in_words(label)}: {wrong}. It is right with {self._in_words(trial.like)}."
            first = r"shape|range|\]\s*=" if operation == FORWARD else r"pad|stride|shape|\+=|\]\s*="
            yield Finding(kind, "", text, _BESIDE_HINTS[kind], line=self._line(operation, problem, first, r"="))

    def _in_words(self, label: str) -> str:
        """A size; of one without weights, such as a pool, without the channels that it does not choose."""
        text = str(self.sizes.get(label, label))
        return text if self.subject.parameters(self.subject.fresh()) else re.sub(r", \d+ to \d+ channels", "", text)

    def _line(self, operation: str, problem: Misbehaviour | None, *patterns: str) -> str:
        """The author's line that raised something, or one that fits."""
        return problem.line if problem is not None else self.subject.quote(operation, *patterns)


def _recipe(subject: Subject, make: Any) -> Recipe | None:
    """How the module is built in other sizes."""
    dims = subject.x.ndim - 2
    if dims not in (1, 2) or subject.out.ndim != subject.x.ndim or subject.random or isinstance(subject.original, Container):
        return None
    if isinstance(make, Recipe):
        return make
    make = make or type(subject.original)
    if "k_size" not in (roles_of(make) or {}):
        return None
    return Recipe(make, subject.channels_first, dims=dims, strict=True)


def _without_batch(found: list[Finding]) -> None:
    """Take back that a factor is the size of the batch: it is the same in another batch."""
    for finding in found:
        words, more = re.subn(", (one over )?the size of the batch", "", finding.message)
        if finding.kind == "scale" and more:
            finding.message, finding.hint = words, "the constant in front"


def _refused(problem: Misbehaviour) -> bool:
    """Whether the author's own line refuses a size, which is no mistake."""
    return bool(re.search(r": (raise|assert)\b", problem.line)) or "AssertionError" in problem.message


# --- one size ----------------------------------------------------------------------------------------------------------


def _ask(of: Subject, module: Any, shape: tuple[int, ...]) -> dict[str, _Answer]:
    """What forward and both backward operations answer in one size."""
    size = int(np.prod(shape))
    subject = of.like(module, ((np.random.default_rng(3).permutation(size) - size / 2 + 0.3) * (4 / size)).reshape(shape))
    found: dict[str, _Answer] = {}
    functions: list[Function] = [subject.forward]
    for operation in (FORWARD, DELTA, GRADIENT):
        try:
            if operation == FORWARD:
                found[FORWARD], nearest = _forward(subject)
                functions += nearest
            else:
                factors = [_factor(subject, operation, function) for function in functions]
                found[operation] = _Answer(1.0 if 1.0 in factors else factors[0])
        except Misbehaviour as problem:
            found[operation] = _Answer(0.0, problem)
            if operation == FORWARD:
                break
    return found


def _forward(subject: Subject) -> tuple[_Answer, list[Function]]:
    """Whether forward is as defined; if not, the definitions that it comes nearest to."""
    subject.examine()
    wanted = subject.definition(subject.x, subject.out, subject.fresh())
    same = [(i, w) for i, w in enumerate(wanted) if w.shape == subject.out.shape]
    if not same:
        return _Answer(cut=bool(wanted)), []
    if any(np.allclose(w, subject.out, rtol=1e-4, atol=1e-5) for _, w in same):
        return _Answer(1.0), []
    same.sort(key=lambda iw: float(np.abs(iw[1] - subject.out).sum()))
    return _Answer(0.0), [subject.as_defined(i) for i, _ in same[:4]]


def _factor(subject: Subject, operation: str, function: Function, seed: int = 4) -> float | None:
    """Whether a backward operation answers with the derivative of this function: the factor of an `_Answer`."""
    if not subject.has(operation):
        return None
    x, delta = subject.x, draw_delta(subject.out, seed)
    names = [""] if operation == DELTA else [n for n in subject.parameters(subject.fresh()) if "_parameters" in n]
    answers = {"": subject.delta(x, delta)} if operation == DELTA else subject.gradients(x, delta) if names else {}
    if operation == DELTA and answers[""].shape != x.shape:
        raise Misbehaviour("shape", f"{subject.names[DELTA]} returns shape {answers[''].shape}, expected {x.shape}")
    factor = None
    for name in names:
        at, moved = subject.as_function_of(name, function)
        if name not in answers or answers[name].size != at.size:
            return None
        factor = _agree(moved, delta, at.astype(np.float64), answers[name].reshape(at.shape), subject)
        if at.size == 1 and factor not in (0, 1) and seed == 4:  # of one number any other is a multiple: by chance, or always?
            factor = factor if np.isclose(factor, _factor(subject, operation, function, seed=5) or 0.0) else 0.0
        if factor != 1:
            break
    return factor


def _agree(f: Callable[[np.ndarray], np.ndarray], delta: np.ndarray, x: np.ndarray, got: np.ndarray, subject: Subject) -> float:
    """1 if the answer is the derivative, the constant that it is of it, or 0."""
    rng = np.random.default_rng(8)
    tolerance, precision = (1e-5, 2.2e-16) if subject.dtype == np.float64 else (1e-2, 1.2e-7)
    pairs = []
    for _ in range(3):
        v = rng.uniform(-1, 1, x.shape)
        pairs.append((float((got * v).sum()), float((delta * along(f, x, v, precision)).sum())))
    margin = tolerance * max(1.0, float(np.abs(got).sum()))
    if all(abs(a - b) <= margin for a, b in pairs):
        return 1.0
    ratios = [a / b if b else 0.0 for a, b in pairs]
    return ratios[0] if np.allclose(ratios, ratios[0], rtol=1e-4) and abs(ratios[0]) > 1e-6 else 0.0
