"""What may be wrong with the gradient of a parameter: the list of hypotheses, the surest sign first."""

from __future__ import annotations

import itertools

import numpy as np

from modnet.check.asking.numeric import derivative
from modnet.check.asking.question import Question, draw_delta
from modnet.check.asking.subject import Subject
from modnet.check.mistakes.guesses import FLIP, SWAPPED, Hypotheses, Hypothesis, clipped, is_same, scaled


def for_gradient(subject: Subject, q: Question, name: str, label: str) -> Hypotheses:
    """What backward_update_gradient may have done wrong to one parameter array."""
    operation = f"the gradient{label}"
    yield Hypothesis(
        "sign",
        f"{operation} has the wrong sign: it is minus the truth.",
        "add the gradient itself; the minus sign belongs in update_parameters",
        -q.truth,
    )
    yield from scaled(subject, q, operation)
    yield from clipped(q, operation, lambda small: subject.gradients(q.x, small).get(name, np.empty(0)))
    shaped = q.truth.reshape(q.shape) if q.whole else np.empty(0)
    for one, other in itertools.combinations(range(len(q.shape) - 1, -1, -1), 2) if q.whole else ():
        if q.shape[one] == q.shape[other]:
            text = f"{operation} has the right numbers, with axes swapped."
            yield Hypothesis("transposed", text, SWAPPED, np.swapaxes(shaped, one, other))
    if q.whole and len(q.shape) >= 3:
        for axes in ((0,), (0, 1)):
            yield Hypothesis(
                "flipped-kernel", f"{operation} belongs to the window read backwards.", FLIP, np.flip(shaped, axes)
            )
    # What each window of each example gives: (entries, batch, windows)
    batch, gives = len(q.x), q.jacobian * q.delta.ravel()
    if len(q.out) != batch and not subject.columns:
        gives = gives.reshape(len(q.entries), -1, 1, 1)
        batch = gives.shape[1] if q.out.ndim < 2 else 1  # what the axes are is not known
    if subject.columns:
        batch = q.out.shape[-1]
        gives = gives.reshape(len(q.entries), -1, batch).sum(axis=1)[:, :, None]
    else:
        gives = gives.reshape(len(q.entries), batch, -1, q.out.shape[-1] if q.out.ndim > 1 else 1).sum(axis=3)
    parts: list[tuple[str, np.ndarray]] = []
    if batch > 1:
        parts += [(f"{t} example of the batch", gives[:, b].sum(axis=1)) for b, t in ((-1, "last"), (0, "first"))]
    if q.out.ndim >= 3 and gives.shape[2] > 1:
        parts += [(f"{t} window", gives[:, :, w].sum(axis=1)) for w, t in ((-1, "last"), (0, "first"))]
        parts += [("last window of the last example", gives[:, -1, -1])]
    for text, values in parts:
        yield Hypothesis(
            "overwrites",
            f"{operation} comes from the {text} alone.",
            "sum over all examples and windows; in a loop over them add with +=",
            values,
        )
    if q.x.dtype.kind in "iu":
        uses = gives.reshape(len(q.entries), -1)
        last = uses.shape[1] - 1 - (uses[:, ::-1] != 0).argmax(axis=1)
        yield Hypothesis(
            "overlap",
            f"{operation} has the last use of each row alone: a row that is used several times gets the sum.",
            "np.add.at(dW, idx, delta) adds up; dW[idx] = delta and dW[idx] += delta keep the last use",
            uses[np.arange(len(uses)), last],
        )
    if q.got.size > 1 and np.ptp(q.got) == 0 and q.whole and np.ptp(q.truth) > 0:
        yield Hypothesis(
            "shape",
            f"{operation} is one number for all of it: the sum runs over every axis.",
            "one number for each output: delta.sum(axis=0), not np.sum(delta)",
            np.full(q.shape, q.truth.sum()),
        )
    for axis in range(len(q.shape)) if q.whole and len(q.shape) > 1 else ():
        if q.shape[axis] > 1:
            yield Hypothesis(
                "shape",
                f"{operation} is the same all along axis {axis} of {q.shape}: that axis is summed over, too.",
                "which axes np.sum and np.tensordot sum over: those of the batch and of the windows, and no other",
                np.broadcast_to(shaped.sum(axis=axis, keepdims=True), q.shape),
            )
    if is_same(q, subject.gradients(q.x, draw_delta(q.out, 7)).get(name, np.empty(0))):
        hint = "multiply by delta before summing over the batch"
        yield Hypothesis("ignores-delta", f"{operation} is the same whatever delta is.", hint)
    if q.x.shape == q.out.shape:
        module = subject.fresh()
        array = subject.parameters(module)[name]
        start, place = array.astype(np.float64), q.out.copy()

        def f(values: np.ndarray) -> np.ndarray:
            array[...] = values
            return subject.forward(place, module).ravel()

        yield Hypothesis(
            "at-output",
            f"{operation} is computed with the output of forward instead of the input.",
            "backward_update_gradient is given the input: use it, not self.forward(input)",
            derivative(f, start, q.entries, subject.precision).value @ q.delta.ravel(),
        )
