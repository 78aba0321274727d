"""check_module: whether each operation of a module is what the contract says, and if not, which mistake it is.

The truth about derivatives comes from finite differences of the module's own forward. What the module returns is compared
with it; if they differ, every mistake on the list is *tried* (`modnet.check.mistakes.guesses`), and a module whose constructor
is known is built anew with one channel, without overlap, without stride, to see what the mistake needs. `PLAN` is what is
asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.check.asking.calls import tried
from modnet.check.building.recipes import Recipe, as_integers
from modnet.check.probes import delta, forward, gradient
from modnet.check.probes.plan import Examination
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT, UPDATE, ZERO
from modnet.check.report import Report
from modnet.check.styles.adapters import remembers, subject_of

#: What is asked of a module, operation by operation.
PLAN = (
    (FORWARD, forward.PROBES),
    (DELTA, delta.PROBES),
    (GRADIENT, gradient.PROBES),
    (ZERO, (gradient.zeroed,)),
    (UPDATE, gradient.MOVES),
    ("__init__", gradient.START),
)


#: The note on a module whose forward changes what the next one gives.
MOVES = "forward changes what the next forward gives: each question was put to a fresh copy, so all this holds for its first."


def own_definition(x: np.ndarray) -> Any:
    """As a reference: whatever forward is, that is its definition."""
    raise NotImplementedError


def check_module(
    module: Any,
    input: Any,
    *,
    reference: Callable[[np.ndarray], Any] | None = None,
    make: Callable[..., Any] | Recipe | None = None,
) -> Report:
    """Check forward, backward_delta, backward_update_gradient, zero_grad and update_parameters of a module.

    Parameters
    ----------
    module : any object with the contract's methods; or with forward(x) and backward(dout), which then remembers its input. It
        is left as it is: all probes work on copies.
    input : (batch, ...), an array, or a shape to draw one for. Small is best: a few examples of a few numbers.
    reference : the definition of forward at the module's present parameters, ``reference(X) -> Z``. Modules with the name of
        a module of the course are held against that without it.
    make : builds the module with other sizes, in case one size does not show a mistake; its arguments are named, or
        ordered, as the class's: k_size, chan_in, chan_out, stride. The class itself unless given.

    Returns
    -------
    report : see `Report`. ``report.raise_if_failed()`` makes a test of it.

    Raises
    ------
    TypeError : if module is a class, or has no forward.
    """
    if isinstance(module, type) or not (callable(getattr(module, "forward", None)) or remembers(module)):
        got = (
            f"the class {module.__name__}" if isinstance(module, type) else f"of type {type(module).__name__}, without forward"
        )
        raise TypeError(f"check_module: module is {got}, expected an object with forward and backward_delta")
    subject = subject_of(module, as_input(input), make if isinstance(make, Recipe) else None)
    subject.undefined = subject.undefined or reference is own_definition
    reference = None if reference is own_definition else reference
    report = Report(f"{subject.name} on an input of shape {subject.x.shape}")
    examination = Examination(subject, report, reference, make)
    settle(examination, drawn=isinstance(input, tuple))
    examination.carry_out((operation, probes) for operation, probes in PLAN if operation not in subject.omits)
    subject.conclude(report)
    if subject.moves and subject.out.size:
        report.notes.append(MOVES)
    return report


def settle(e: Examination, drawn: bool) -> None:
    """Whether the module takes numbers: then integers become numbers; if it does not, a drawn input becomes integers."""
    subject, x = e.subject, e.subject.x
    if x.dtype.kind in "iu":
        half, whole = tried(subject.forward, x + 0.5), tried(subject.forward, x)
        if half is not None and whole is not None and half.shape == whole.shape and not np.array_equal(half, whole):
            subject.x, e.by_numbers = x.astype(np.float64), True
    elif drawn and tried(subject.forward, x) is None:
        for count in (3, 2, 1):  # as an embedding takes them
            integers = as_integers(x.shape, count)
            if tried(subject.forward, integers) is not None:
                subject.x, e.by_numbers = integers, False
                return


def as_input(value: Any) -> np.ndarray:
    """An array to examine a module at, from an array or a shape. Numbers of a shape are away from zero and each other."""
    if isinstance(value, tuple) and value and all(isinstance(n, int | np.integer) for n in value):
        rng = np.random.default_rng(0)
        size = int(np.prod(value))
        x = (rng.permutation(size) - (size - 1) / 2) * (4 / max(size, 2)) + rng.uniform(0.01, 0.02, size)
        return x.reshape(value)
    x = np.array(value)
    if x.dtype.kind not in "fiub" or x.ndim == 0:
        raise TypeError(
            f"check: input is {type(value).__name__} of {x.dtype}, expected an array of numbers (batch, ...), or a shape"
        )
    return x if x.dtype.kind in "iu" else x.astype(np.float64)
