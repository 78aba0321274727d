"""What may be wrong with the gradient of a parameter: the list of hypotheses, the surest sign first."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from modnet.check.asking.numeric import derivative
from modnet.check.asking.question import Question, draw_delta
from modnet.check.asking.subject import Subject
from modnet.check.mistakes.guesses import FLIP, SWAPPED, Hypotheses, Hypothesis, clipped, is_same, made, scaled
from modnet.check.mistakes.windows import without_stride


def for_gradient(subject: Subject, q: Question, name: str, label: str) -> Hypotheses:
    """What backward_update_gradient may have done wrong to one parameter array."""
    operation = f"the gradient{label}"
    text = f"{operation} has the wrong sign: it is minus the truth."
    hint = "add the gradient itself; the minus sign belongs in update_parameters"
    yield made(q, "sign", text, hint, after=np.negative)
    yield from scaled(subject, q, operation)
    yield from clipped(q, operation, lambda small: subject.gradients(q.x, small).get(name, np.empty(0)))

    def shaped(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda gradient: change(gradient.reshape(q.shape)).ravel()

    for one, other in itertools.combinations(range(len(q.shape) - 1, -1, -1), 2) if q.whole else ():
        if q.shape[one] == q.shape[other]:
            text = f"{operation} has the right numbers, with axes swapped."
            yield made(q, "transposed", text, SWAPPED, after=shaped(partial(np.swapaxes, axis1=one, axis2=other)))
    if q.whole and len(q.shape) >= 3:
        for axes in ((-1,), (-2, -1)) if subject.channels_first else ((0,), (0, 1)):
            text = f"{operation} belongs to the window read backwards."
            yield made(q, "flipped-kernel", text, FLIP, after=shaped(partial(np.flip, axis=axes)))
    # What each window of each example gives: (entries, batch, windows)
    batch, channel = len(q.x), 1 if subject.channels_first and q.out.ndim > 2 else -1

    def split(gives: np.ndarray) -> np.ndarray:
        if subject.columns:
            return gives.reshape(len(q.entries), -1, q.out.shape[-1]).sum(axis=1)[:, :, None]
        if len(q.out) != batch:  # what the axes are is not known
            return gives.reshape(len(q.entries), -1 if q.out.ndim < 2 else 1, 1 if q.out.ndim < 2 else gives.shape[1])
        parts = gives.reshape(len(q.entries), *q.out.shape)
        parts = parts.sum(axis=channel) if q.out.ndim > 1 else parts
        return parts.reshape(len(q.entries), batch, -1)

    counted = split(q.jacobian).shape
    alone: list[tuple[str, tuple[Any, Any]]] = []
    if counted[1] > 1:
        alone += [(f"{t} example of the batch", (b, slice(None))) for b, t in ((-1, "last"), (0, "first"))]
    if q.out.ndim >= 3 and counted[2] > 1:
        alone += [(f"{t} window", (slice(None), w)) for w, t in ((-1, "last"), (0, "first"))]
        alone += [("last window of the last example", (-1, -1))]
    for which, (b, w) in alone:
        yield made(
            q,
            "overwrites",
            f"{operation} comes from the {which} alone.",
            "sum over all examples and windows; in a loop over them add with +=",
            add=lambda gives, b=b, w=w: split(gives)[:, b, w].reshape(len(gives), -1).sum(axis=1),
        )
    if q.x.dtype.kind in "iu":
        uses = q.jacobian * q.delta.ravel()
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
            text = f"{operation} is the same all along axis {axis} of {q.shape}: that axis is summed over, too."
            hint = "which axes np.sum and np.tensordot sum over: those of the batch and of the windows, and no other"
            yield made(q, "shape", text, hint, after=shaped(partial(_all_along, axis)))
    text, hint = f"{operation} is the same whatever delta is.", "multiply by delta before summing over the batch"
    if is_same(q, subject.gradients(q.x, draw_delta(q.out, 7)).get(name, np.empty(0))):
        yield Hypothesis("ignores-delta", text, hint)
    yield made(q, "ignores-delta", text, hint, delta=np.ones(q.delta.shape))
    if q.x.shape == q.out.shape:
        text = f"{operation} is a sum of delta alone: what forward multiplies it by is left out."
        hint = "by the chain rule delta times what the parameter is multiplied by, then the sum over the batch"
        yield made(q, "missing-factor", text, hint, slopes=(q.jacobian != 0).astype(float))
    yield from without_stride(subject, q, name)
    if q.x.shape == q.out.shape:
        module = subject.fresh()
        array = subject.parameters(module)[name]
        start, place = array.astype(np.float64), q.out.copy()

        def f(values: np.ndarray) -> np.ndarray:
            array[...] = values
            return subject.forward(place, module).ravel()

        yield made(
            q,
            "at-output",
            f"{operation} is computed with the output of forward instead of the input.",
            "backward_update_gradient is given the input: use it, not self.forward(input)",
            slopes=derivative(f, start, q.entries, subject.precision).value,
        )


def _all_along(axis: int, gradient: np.ndarray) -> np.ndarray:
    """The sum over an axis, at each place of it."""
    return np.broadcast_to(gradient.sum(axis=axis, keepdims=True), gradient.shape)
