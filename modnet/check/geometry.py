"""A module with windows, built anew in several sizes: to see what its mistake needs.

One channel or several, windows that overlap or not, a stride of 1 or more. A mistake that shows only where windows overlap is
one about overlap, however the code looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from modnet.check import known
from modnet.check.numeric import along
from modnet.check.question import Question, draw_delta
from modnet.check.report import Finding
from modnet.check.subject import Misbehaviour, Subject, as_output, call, named, parameters
from modnet.modules.container import Container

_OPERATIONS = ("forward", "backward_delta", "backward_update_gradient")
#: k_size, stride, chan_in, chan_out
_SIZES = {
    "plain": (1, 1, 1, 1),
    "stride": (2, 2, 1, 1),
    "gaps": (2, 3, 1, 1),
    "overlap": (3, 1, 1, 1),
    "channels": (2, 2, 2, 3),
    "all": (3, 2, 2, 3),
}


@dataclass
class Outcomes:
    """For each size and operation: True, False, or None if it could not be asked. Crashes are False, with their message."""

    right: dict[str, dict[str, bool | None]] = field(default_factory=dict)
    crashes: dict[tuple[str, str], Misbehaviour] = field(default_factory=dict)

    def cause(self, operation: str) -> str:
        """What the mistake needs: "stride", "overlap", "channels", "any"; empty if there is no mistake."""
        right = {size: outcome.get(operation) for size, outcome in self.right.items()}
        wrong = {size for size, answer in right.items() if answer is False}
        if not wrong:
            return ""
        if "plain" in wrong:
            return "any"
        one_channel = wrong & {"stride", "gaps", "overlap"}
        if one_channel and one_channel <= {"stride", "gaps"}:
            return "stride"
        if one_channel == {"overlap"}:
            return "overlap"
        if one_channel:
            return "any"
        return "channels" if "channels" in wrong else "stride" if right.get("channels") else "channels"


def examine(subject: Subject, make: Callable[..., Any] | None, name: str) -> Outcomes | None:
    """Build the module in all sizes and check each; None if it has no windows or its constructor is not known."""
    dims = subject.x.ndim - 2
    if dims not in (1, 2) or subject.out.ndim != subject.x.ndim or subject.random or isinstance(subject.original, Container):
        return None
    make = make or type(subject.original)
    names = known.roles(make)
    if not names or "k_size" not in names:
        return None
    outcomes = Outcomes()
    for label, (k, stride, chan_in, chan_out) in _SIZES.items():
        try:
            module = known.build(make, k_size=k, stride=stride, chan_in=chan_in, chan_out=chan_out)
        except Exception:  # whatever a stranger's constructor raises, it can't be asked
            continue
        if "stride" not in names and stride != 1 and "chan_in" in names:
            continue
        if "chan_in" not in names:
            chan_in = 1 if chan_out == 1 else 3
        length = 2 * stride + k + (1 if label == "all" else 0)
        outcomes.right[label] = _ask(module, (2, *(length,) * dims, chan_in), name, label, outcomes)
    return outcomes


def _ask(module: Any, shape: tuple[int, ...], name: str, label: str, outcomes: Outcomes) -> dict[str, bool | None]:
    rng = np.random.default_rng(3)
    size = int(np.prod(shape))
    x = ((rng.permutation(size) - size / 2) * (4 / size)).reshape(shape)
    subject = Subject(module, x)
    found: dict[str, bool | None] = dict.fromkeys(_OPERATIONS)
    for operation, ask in zip(_OPERATIONS, (_forward, _delta, _gradient), strict=True):
        try:
            found[operation] = ask(subject, name)
        except Misbehaviour as problem:
            found[operation] = False
            outcomes.crashes[label, operation] = problem
            if operation == "forward":
                break
    return found


def _forward(subject: Subject, name: str) -> bool | None:
    subject.examine()
    module = subject.fresh()
    wanted = [
        w
        for w in known.definition(name, subject.x, subject.out, named(module), known.options_of(module))
        if w.shape == subject.out.shape
    ]
    return None if not wanted else any(np.allclose(w, subject.out, rtol=1e-4, atol=1e-5) for w in wanted)


def _delta(subject: Subject, name: str) -> bool | None:
    if not callable(getattr(subject.original, "backward_delta", None)):
        return None
    delta = draw_delta(subject.out, 4)
    got = subject.delta(subject.x, delta)
    if got.shape != subject.x.shape:
        raise Misbehaviour("shape", f"backward_delta returns shape {got.shape}, expected {subject.x.shape}")
    module = subject.fresh()
    return _agree(lambda v: (delta * subject.forward(v, module)).sum(), subject.x, got, subject)


def _gradient(subject: Subject, name: str) -> bool | None:
    if not subject.has_gradient:
        return None
    delta = draw_delta(subject.out, 4)
    found: dict[str, np.ndarray] | None = None
    for key, array in parameters(subject.fresh()).items():
        if "_parameters" not in key:
            continue
        found = subject.gradients(subject.x, delta) if found is None else found
        got = found.get(key)
        if got is None or got.size != array.size:
            return None
        module = subject.fresh()
        held = parameters(module)[key]

        def f(values: np.ndarray, held: np.ndarray = held, module: Any = module) -> Any:
            held[...] = values
            return (delta * subject.forward(subject.x, module)).sum()

        if not _agree(f, array.astype(np.float64), got.reshape(array.shape), subject):
            return False
    return None if found is None else True


def _agree(f: Callable[[np.ndarray], Any], x: np.ndarray, got: np.ndarray, subject: Subject) -> bool:
    rng = np.random.default_rng(8)
    tolerance, precision = (1e-5, 2.2e-16) if subject.dtype == np.float64 else (1e-2, 1.2e-7)
    for _ in range(2):
        v = rng.uniform(-1, 1, x.shape)
        wanted = float(along(lambda at: np.asarray(f(at)), x, v, precision))
        if not abs(float((got * v).sum()) - wanted) <= tolerance * max(1.0, float(np.abs(got).sum())):
            return False
    return True


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
    wrong = next(s for s in _SIZES if outcomes.right.get(s, {}).get(operation) is False)
    problem = outcomes.crashes.get((wrong, operation))
    k, stride, chan_in, chan_out = _SIZES[wrong]
    sizes = f"k_size={k}, stride={stride}, chan_in={chan_in}, chan_out={chan_out}"
    if cause == "any":
        if problem is not None:
            return Finding(problem.kind, "", f"with {sizes} {problem.message}.", "the shapes on that line", line=problem.line)
        return Finding("direction", "", f"{operation} is wrong with {sizes}.", "check a module of that size, to see how")
    kind, message, hint = _TEXT[cause]
    line = problem.line if problem is not None else subject.quote(operation, r"reshape|transpose|stride|range|\+=|\]\s*=", r"=")
    message = f"{operation} {message}" + (f" With {sizes} {problem.message}." if problem is not None else "")
    return q.finding(kind, message, hint, line) if q is not None else Finding(kind, "", message, hint, line=line)


def forward_finding(outcomes: Outcomes | None, subject: Subject) -> Finding | None:
    """The finding about forward, if it is wrong in some sizes only."""
    if (
        outcomes is not None
        and outcomes.cause("forward") == "any"
        and all(problem.kind == "crash" for (_, operation), problem in outcomes.crashes.items() if operation == "forward")
        and any(operation == "forward" for _, operation in outcomes.crashes)
    ):
        return None  # a size it does not take
    return finding(outcomes, "forward", subject)


__all__ = ["Outcomes", "as_output", "call", "examine", "finding", "forward_finding"]
