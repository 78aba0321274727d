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
from modnet.check.asking.draws import same_draws
from modnet.check.asking.numeric import factor_of
from modnet.check.asking.subject import Subject
from modnet.check.building.constructors import weighted_by_name
from modnet.check.building.recipes import Recipe, as_integers
from modnet.check.probes import delta, forward, gradient
from modnet.check.probes.plan import Examination
from modnet.check.reading.definitions import plain_name
from modnet.check.reading.vocabulary import DELTA, FORWARD, GRADIENT, UPDATE, ZERO
from modnet.check.report import Report, not_checked
from modnet.check.styles.adapters import remembers, subject_of
from modnet.inputs import require_no_mask

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
    TypeError : if module is a class, or has no forward. ValueError : if the input has masked values.
    """
    if isinstance(module, type) or not (callable(getattr(module, "forward", None)) or remembers(module)):
        got = (
            f"the class {module.__name__}" if isinstance(module, type) else f"of type {type(module).__name__}, without forward"
        )
        raise TypeError(f"check_module: module is {got}, expected an object with forward and backward_delta")
    require_no_mask(input, "check_module", "input")
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


def as_named(report: Report, name: str, subject: Subject) -> Report:
    """The report; if nothing was found because what the layer's name promises never happened, one that says so."""
    cls = type(subject.original)
    if report.findings or not (plain_name(cls) == "dropout" or weighted_by_name(cls)):
        return report
    with same_draws():
        subject.examine()
        module, x, out = subject.fresh(), subject.x, subject.out
        subject.ask(FORWARD, module, x)  # after which it has what it makes when it is first asked
    if plain_name(cls) == "dropout":
        share = factor_of(out, x) if out.shape == x.shape and not subject.random else 0.0
        if share and np.allclose(out, share * x, rtol=1e-9, atol=0):
            return not_checked(name, "in training, as it was built here, it drops nothing. Give one that does with --make")
    elif not _may_hold_weights(module, x, out):
        return not_checked(name, "no weights were found in it. Give an example that has some with --make")
    return report


def _may_hold_weights(module: Any, *seen: np.ndarray) -> bool:
    """Whether an object holds anything but plain values and these arrays, or does not show what it holds."""
    plain = (int, float, str, np.number, type(None))
    held = (v for v in getattr(module, "__dict__", {"": module}).values() if not isinstance(v, plain))
    return not all(isinstance(v, np.ndarray) and any(np.array_equal(v, array) for array in seen) for v in held)


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
