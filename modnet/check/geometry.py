"""A module with windows, built anew in several sizes: to see what its mistake needs.

One channel or several, windows that overlap or not, a stride of 1 or more. A mistake that shows only where windows overlap is
one about overlap, however the code looks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from modnet.check import known
from modnet.check.numeric import along
from modnet.check.question import Question, draw_delta
from modnet.check.recipes import Recipe, Size
from modnet.check.report import Finding
from modnet.check.subject import Misbehaviour, Subject
from modnet.check.vocabulary import DELTA, FORWARD, GRADIENT
from modnet.modules.container import Container

_OPERATIONS = (FORWARD, DELTA, GRADIENT)
_BATCH = 3
Function = Callable[..., np.ndarray]
#: k_size, stride, chan_in, chan_out
_SIZES = {
    "plain": (1, 1, 1, 1),
    "stride": (2, 2, 1, 1),
    "gaps": (2, 3, 1, 1),
    "overlap": (3, 1, 1, 1),
    "channels": (2, 2, 3, 4),
    "all": (3, 2, 2, 4),
}
#: What a recipe tries beside: (label, size, how much longer each side is, the size it is compared with, kind).
_BESIDE = (
    ("rest", (2, 2, 1, 1), (1, 1), "stride", "uncovered"),
    ("wide", (2, 2, 1, 1), (0, 4), "stride", "square-only"),
    ("tall", (2, 2, 1, 1), (4, 0), "stride", "square-only"),
    ("wide, overlapping", (3, 1, 1, 1), (0, 4), "overlap", "square-only"),
    ("padding of 1", (2, 2, 1, 1, 1), (0, 0), "stride", "padding"),
    ("padding of 1, overlapping", (3, 1, 1, 1, 1), (0, 0), "overlap", "padding"),
    ("padding of 2", (4, 4, 1, 1, 2), (0, 0), "stride", "padding"),
    ("same", (3, 1, 1, 1, "same"), (0, 0), "overlap", "padding"),
    ("same, stride", (3, 2, 1, 1, "same"), (0, 0), "same", "stride"),
)


@dataclass
class Outcomes:
    """For each size and operation: True, False, or None if it could not be asked. Crashes are False, with their message.

    factors : the constant that the answer was of the truth, if it was one. cut : where forward has another shape than defined.
    """

    right: dict[str, dict[str, bool | None]] = field(default_factory=dict)
    factors: dict[tuple[str, str], float] = field(default_factory=dict)
    sizes: dict[str, Size] = field(default_factory=dict)
    crashes: dict[tuple[str, str], Misbehaviour] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)

    def factor(self, operation: str) -> float:
        """The constant factor of an operation in the plainest size: 1 if it is right there, or wrong in another way.

        What cannot be asked in the plainest size is asked in the next.
        """
        size = "stride" if ("plain", operation) in self.crashes else "plain"
        return self.factors.get((size, operation), 1.0)

    def cause(self, operation: str) -> str:
        """What the mistake needs, but for a constant factor: "stride", "even", "overlap", "side", "channels", "any"; or ""."""
        factor = self.factor(operation)
        right = {
            size: answer if factor == 1 or answer is None else abs(self.factors.get((size, operation), 0.0) - factor) < 1e-4
            for size, answer in ((size, outcome.get(operation)) for size, outcome in self.right.items() if size in _SIZES)
        }
        wrong = {size for size, answer in right.items() if answer is False}
        if not wrong:
            return ""
        if "plain" in wrong:
            return "any"
        one_channel = wrong & {"stride", "gaps", "overlap"}
        if one_channel and one_channel <= {"stride", "gaps"}:
            return "even" if right.get("all") else "stride"
        if one_channel == {"overlap"}:
            return "overlap"
        if one_channel == {"overlap", "gaps"}:
            return "side"
        if one_channel:
            return "any"
        return "channels" if "channels" in wrong else "stride" if right.get("channels") else "channels"


def examine(subject: Subject, make: Any) -> Outcomes | None:
    """Build the module in all sizes and check each; None if it has no windows or its constructor is not known."""
    dims = subject.x.ndim - 2
    if dims not in (1, 2) or subject.out.ndim != subject.x.ndim or subject.random or isinstance(subject.original, Container):
        return None
    if not isinstance(make, Recipe):
        make = make or type(subject.original)
        if "k_size" not in (known.roles(make) or {}):
            return None
        make = Recipe(make, subject.channels_first, dims=dims, strict=True)
    return _in_all_sizes(subject, make) if make.dims else None


def _in_all_sizes(subject: Subject, recipe: Recipe) -> Outcomes:
    """Build in all sizes, and in those beside."""
    outcomes = Outcomes()
    strided = recipe.takes("stride") or not recipe.takes("chan_in")
    batch = len(subject.x) if recipe.single else _BATCH
    plans: list[tuple[str, tuple[Any, ...], tuple[int, ...]]] = [
        (label, size, (2 if label == "plain" else 1 if label == "all" else 0,) * 2) for label, size in _SIZES.items()
    ]
    plans += [(label, size, longer) for label, size, longer, *_ in _BESIDE]
    for label, size, longer in plans:
        k, stride, chan_in, chan_out = size[:4]
        padding = list(size[4:])
        if stride != 1 and not strided:
            continue
        if padding and (not recipe.takes("padding") or recipe.takes_same() != (padding == ["same"])):
            continue
        if not recipe.takes("chan_in"):
            chan_in = chan_out = 1 if chan_out == 1 else 3
        sides = tuple(2 * stride + k + more for more in longer[: recipe.dims])
        if label.startswith(("wide", "tall")) and recipe.dims < 2:
            continue
        built = Size(k, stride, chan_in, chan_out, padding[0] if padding else 0, sides, batch)
        try:
            module = recipe.build(built)
        except Misbehaviour as problem:
            if not recipe.strict:
                outcomes.crashes[label, FORWARD] = problem
            continue
        outcomes.sizes[label] = built
        outcomes.right[label] = _ask(subject, module, recipe.input_shape(built), label, outcomes)
        need_not = subject.undefined or not recipe.strict  # take every size
        if (label, FORWARD) in outcomes.crashes and label in _SIZES and need_not:
            del outcomes.right[label], outcomes.crashes[label, FORWARD]
    return outcomes


def _refused(problem: Misbehaviour) -> bool:
    """Whether the author's own line refuses a size, which is no mistake."""
    return bool(re.search(r": (raise|assert)\b", problem.line)) or "AssertionError" in problem.message


def _in_words(size: Size | str, subject: Subject) -> str:
    """A size; of one without weights, such as a pool, without the channels that it does not choose."""
    text = str(size)
    return text if subject.parameters(subject.fresh()) else re.sub(r", \d+ to \d+ channels", "", text)


def beside(outcomes: Outcomes | None, operation: str, subject: Subject) -> Iterator[Finding]:
    """What is right in one size and wrong in another that differs from it in one thing: the findings, a kind once each."""
    said = set()
    for label, _, _, like, kind in _BESIDE if outcomes is not None and outcomes.sizes else ():
        assert outcomes is not None
        problem = outcomes.crashes.get((label, operation))
        if kind in said or (problem is not None and _refused(problem)):
            continue
        here, there = outcomes.right.get(label, {}).get(FORWARD), outcomes.right.get(like, {}).get(FORWARD)
        of_forward = kind == "square-only" and there is True and (label in outcomes.cut or here is False)
        if operation == FORWARD:
            if not of_forward and (problem is None or like not in outcomes.right or (like, FORWARD) in outcomes.crashes):
                continue
        elif of_forward or (kind == "uncovered" and outcomes.cause(operation) == "side" and not subject.undefined):
            continue  # backward is held against another function there; or gaps are said to be wrong already
        elif (outcomes.right.get(like, {}).get(operation), outcomes.right.get(label, {}).get(operation)) != (True, False):
            continue
        said.add(kind)
        name = subject.names[operation]
        size, same = (_in_words(outcomes.sizes.get(place, place), subject) for place in (label, like))
        wrong = problem.message if problem is not None else f"{name} is wrong"
        text = f"with {size}: {wrong}. It is right with {same}."
        looked_at = (r"shape", *_LINES) if operation == FORWARD else (r"pad|stride|shape|\+=|\]\s*=", r"=")
        line = problem.line if problem is not None else subject.quote(operation, *looked_at)
        yield Finding(kind, "", text, _BESIDE_HINTS[kind], line=line)


_LINES = (r"range|\]\s*=", r"=")
_BESIDE_HINTS = {
    "uncovered": "a position that no window reaches gets 0, and dx the shape of x all the same",
    "square-only": "height and width each from its own axis: x.shape[-2] and x.shape[-1], not one for both",
    "padding": "x[p:-p] is empty for p = 0: write x[p:p + height]; and count the padding wherever sizes are computed",
    "stride": "how many windows there are: (length + 2 * padding - k) // stride + 1, also if padding is 'same'",
}


def _ask(of: Subject, module: Any, shape: tuple[int, ...], label: str, outcomes: Outcomes) -> dict[str, bool | None]:
    rng = np.random.default_rng(3)
    size = int(np.prod(shape))
    subject = of.like(module, ((rng.permutation(size) - size / 2 + 0.3) * (4 / size)).reshape(shape))
    found: dict[str, bool | None] = dict.fromkeys(_OPERATIONS)
    functions: list[Function] = [subject.forward]
    for operation in _OPERATIONS:
        try:
            if operation == FORWARD:
                found[FORWARD], places = _forward(subject)
                if found[FORWARD] is None and subject.definition(subject.x, subject.out, subject.fresh()):
                    outcomes.cut.add(label)
                functions += [partial(_defined, subject, place) for place in places if found[FORWARD] is False]
                continue
            answers = [(_delta if operation == DELTA else _gradient)(subject, f) for f in functions]
            factor = 1.0 if 1.0 in answers else answers[0]
            found[operation] = None if factor is None else abs(factor - 1) < 1e-4
            if factor:
                outcomes.factors[label, operation] = factor
        except Misbehaviour as problem:
            found[operation] = False
            outcomes.crashes[label, operation] = problem
            if operation == FORWARD:
                break
    return found


def _defined(subject: Subject, place: int, x: np.ndarray, module: Any) -> np.ndarray:
    return subject.definition(x, subject.out, module)[place]


def _forward(subject: Subject) -> tuple[bool | None, list[int]]:
    """Whether forward is as defined, and which of the definitions it comes nearest to."""
    subject.examine()
    wanted = subject.definition(subject.x, subject.out, subject.fresh())
    same = [(i, w) for i, w in enumerate(wanted) if w.shape == subject.out.shape]
    if not same:
        return None, []
    same.sort(key=lambda iw: float(np.abs(iw[1] - subject.out).sum()))
    return any(np.allclose(w, subject.out, rtol=1e-4, atol=1e-5) for _, w in same), [i for i, _ in same[:4]]


def _delta(subject: Subject, function: Function) -> float | None:
    if not subject.has(DELTA):
        return None
    delta = draw_delta(subject.out, 4)
    got = subject.delta(subject.x, delta)
    if got.shape != subject.x.shape:
        raise Misbehaviour("shape", f"{subject.names[DELTA]} returns shape {got.shape}, expected {subject.x.shape}")
    module = subject.fresh()
    return _agree(lambda v: (delta * function(v, module)).sum(), subject.x, got, subject)


def _gradient(subject: Subject, function: Function) -> float | None:
    if not subject.has(GRADIENT):
        return None
    delta = draw_delta(subject.out, 4)
    found: dict[str, np.ndarray] | None = None
    for key, array in subject.parameters(subject.fresh()).items():
        if "_parameters" not in key:
            continue
        found = subject.gradients(subject.x, delta) if found is None else found
        got = found.get(key)
        if got is None or got.size != array.size:
            return None
        module = subject.fresh()
        held = subject.parameters(module)[key]

        def f(values: np.ndarray, held: np.ndarray = held, module: Any = module) -> Any:
            held[...] = values
            return (delta * function(subject.x, module)).sum()

        factor = _agree(f, array.astype(np.float64), got.reshape(array.shape), subject)
        if factor != 1:
            return factor
    return None if found is None else 1.0


def _agree(f: Callable[[np.ndarray], Any], x: np.ndarray, got: np.ndarray, subject: Subject) -> float:
    """1 if the answer is the derivative, the constant that it is of it, or 0."""
    rng = np.random.default_rng(8)
    tolerance, precision = (1e-5, 2.2e-16) if subject.dtype == np.float64 else (1e-2, 1.2e-7)
    pairs = []
    for _ in range(3):
        v = rng.uniform(-1, 1, x.shape)
        pairs.append((float((got * v).sum()), float(along(lambda at: np.asarray(f(at)), x, v, precision))))
    margin = tolerance * max(1.0, float(np.abs(got).sum()))
    if all(abs(a - b) <= margin for a, b in pairs):
        return 1.0
    ratios = [a / b if b else 0.0 for a, b in pairs]
    return ratios[0] if np.allclose(ratios, ratios[0], rtol=1e-4) and abs(ratios[0]) > 1e-6 else 0.0


_TEXT = {
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


def finding(outcomes: Outcomes | None, operation: str, subject: Subject, q: Question | None = None) -> Finding | None:
    """What the sizes say about an operation; None if nothing is wrong or it is wrong in every size."""
    if outcomes is None:
        return None
    cause = outcomes.cause(operation)
    if not cause or (cause == "any" and q is not None):
        return None
    factor = outcomes.factor(operation)
    wrong = next(
        s
        for s in sorted(_SIZES, key="plain".__eq__)
        if outcomes.right.get(s, {}).get(operation) is False
        and (factor == 1 or abs(outcomes.factors.get((s, operation), 0.0) - factor) >= 1e-4)
    )
    return _of_cause(outcomes, operation, subject, cause, wrong, q)


def channels_too(outcomes: Outcomes | None, operation: str, subject: Subject, q: Question) -> list[Finding]:
    """Beside a mistake of windows that overlap: one of several channels, if it is there where no windows overlap."""
    if outcomes is None or outcomes.cause(operation) != "overlap" or outcomes.factor(operation) != 1:
        return []
    if outcomes.right.get("channels", {}).get(operation) is not False:
        return []
    return [_of_cause(outcomes, operation, subject, "channels", "channels", q)]


def _of_cause(outcomes: Outcomes, operation: str, subject: Subject, cause: str, wrong: str, q: Question | None) -> Finding:
    """The finding for what a mistake needs, as it shows in a size."""
    problem = outcomes.crashes.get((wrong, operation))
    sizes = _in_words(outcomes.sizes[wrong], subject)
    name = subject.names[operation]
    if cause == "any":
        if problem is not None:
            return Finding(problem.kind, "", f"with {sizes} {problem.message}.", "the shapes on that line", line=problem.line)
        return Finding("direction", "", f"{name} is wrong with {sizes}.", "check a module of that size, to see how")
    kind, message, hint = _TEXT[cause]
    line = problem.line if problem is not None else subject.quote(operation, r"reshape|transpose|stride|range|\+=|\]\s*=", r"=")
    message = f"{name} {message}" + (f" With {sizes} {problem.message}." if problem is not None else "")
    return q.finding(kind, message, hint, line) if q is not None else Finding(kind, "", message, hint, line=line)


def but_for_a_factor(outcomes: Outcomes | None, operation: str, subject: Subject) -> Iterator[Finding]:
    """What the sizes say of an operation that is right but for a constant factor in the size it was asked in."""
    if outcomes is not None and outcomes.factor(operation) != 1:
        found = finding(outcomes, operation, subject)
        if found is not None and (found.kind != "direction" or found.line):
            yield found


def factor_findings(outcomes: Outcomes | None, operation: str, subject: Subject, q: Question) -> list[Finding]:
    """Beside what the sizes say, a constant factor that is there in all of them."""
    factor = 1.0 if outcomes is None else outcomes.factor(operation)
    if factor == 1:
        return []
    batch = abs(abs(factor) * _BATCH - 1) < 1e-4
    name = "1/batch, one over the size of the batch" if batch else f"{abs(factor):.6g}"
    text = f"beside that, {subject.names[operation]} is {'minus ' if factor < 0 else ''}{name}, times the truth."
    hint = "a mean over the batch, but the contract sums: write sum, not mean, and do not divide by len(X)" if batch else ""
    return [q.finding("scale", text, hint or "the constant in front")]


def forward_finding(outcomes: Outcomes | None, subject: Subject) -> Finding | None:
    """The finding about forward, if it is wrong in some sizes only."""
    if (
        outcomes is not None
        and outcomes.cause(FORWARD) == "any"
        and all(problem.kind == "crash" for (_, operation), problem in outcomes.crashes.items() if operation == FORWARD)
        and any(operation == FORWARD for _, operation in outcomes.crashes)
    ):
        return None  # a size it does not take
    return finding(outcomes, FORWARD, subject)
