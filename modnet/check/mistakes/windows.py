"""Mistakes that only a window that slides over a signal can make: how it is read, where it starts, whose gradient is kept."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import numpy as np

from modnet.check.asking.calls import tried
from modnet.check.asking.numeric import derivative
from modnet.check.asking.question import Question
from modnet.check.asking.subject import Subject
from modnet.check.mistakes.guesses import FLIP, Hypotheses, made
from modnet.check.reading.vocabulary import DELTA, GRADIENT

_START = "window i starts at i * stride, in forward and here"


def of_windows(subject: Subject, q: Question) -> Hypotheses:
    """What may be wrong with the gradient by an input that a window slides over."""
    for name, array in subject.parameters(subject.fresh()).items():
        yield from _read_otherwise(subject, q, name, array) if array.ndim > 1 else ()
    if not slides(q):
        return
    yield from without_stride(subject, q, "")
    by_window = _by_window(subject, q, q.jacobian * q.delta.ravel())
    if subject.without_windows:
        hint = "add to what comes from above at a step what the step after it hands back: dh = dout[:, t] + dh_next"
        text = "each step gets what its own output gives back, and nothing of the later ones."
        yield made(q, "cut-short", text, hint, add=partial(_kept, subject, q, "first", channels=False))
    elif ((by_window.sum(axis=2) != 0).sum(axis=1) > 1).any():
        for which in ("last", "first"):
            text = f"where windows overlap only the {which} one's gradient is kept."
            hint = "a position seen by several windows gets the sum: dx[:, start:start + k] += ..., not ="
            lines = (r"\]\s*=[^=]",)
            yield made(q, "overlap", text, hint, lines, add=partial(_kept, subject, q, which, channels=False))
    for turned in (False, True):
        yield made(
            q,
            "overwrites",
            "what several windows and output channels give is not added: only the last one's is kept.",
            "in the loops over windows and output channels add with +=",
            (r"\]\s*=[^=]",),
            add=partial(_kept, subject, q, "last", channels=True, turned=turned),
        )


def _read_otherwise(subject: Subject, q: Question, name: str, array: np.ndarray) -> Hypotheses:
    """Weights whose axes are turned round or swapped."""
    last = array.ndim - 1
    turned = ((last,), (last - 1, last)) if subject.channels_first else ((0,), (0, 1))
    ways: list[tuple[str, str, str, np.ndarray]] = [
        ("flipped-kernel", "in backward_delta the window is read backwards.", FLIP, np.flip(array, axes))
        for axes in turned
        if array.ndim > 2
    ]
    for one, other in ((last - 1, last), (0, 1)):
        hint = "delta @ W[i].T, not delta @ W[i], if forward is X @ W[i]"
        text = "backward_delta has the right numbers with the axes of the weights swapped."
        if (one, other) != (last - 1, last):
            text = "in backward_delta the rows and the columns of the window are swapped."
            hint = "np.tensordot puts the axes that are left in order: transpose only if one is in the wrong place"
        if array.shape[one] == array.shape[other] and (array.ndim == 4 or other == last):
            ways.append(("transposed", text, hint, np.swapaxes(array, one, other)))
    for kind, text, hint, values in ways:
        if not np.array_equal(values, array):
            module = subject.fresh()
            subject.parameters(module)[name][...] = values
            at_other = tried(derivative, partial(flat, subject, module), q.x.astype(float), q.entries, subject.precision)
            if at_other is not None:
                yield made(q, kind, text, hint, slopes=at_other.value)


def without_stride(subject: Subject, q: Question, name: str) -> Hypotheses:
    """Windows that are taken to start one after the other, though they are a stride apart: for the input, or a parameter."""
    axes = [a for a in range(1, q.x.ndim) if a != (1 if subject.channels_first else q.x.ndim - 1)]
    sides = [a for a in range(1, q.out.ndim) if a != (1 if subject.channels_first else q.out.ndim - 1)]
    if not slides(q) or not q.whole or len(axes) not in (1, 2):
        return
    steps = [_step(subject, axis, side) for axis, side in zip(axes, sides, strict=True)]
    if max(steps) < 2 or min(steps) < 1:
        return
    start = q.x if not name else subject.parameters(subject.fresh())[name]
    slopes = np.zeros((*start.shape, *q.out.shape))
    usual = q.jacobian.reshape(slopes.shape)
    for window in product(*(range(q.out.shape[s]) for s in sides)):
        back = tuple(-i * (step - 1) for i, step in zip(window, steps, strict=True))
        its: list[Any] = [slice(None)] * q.out.ndim
        for side, i in zip(sides, window, strict=True):
            its[side] = slice(i, i + 1)
        where: Any = (..., *its)
        if name:
            moved = np.roll(q.x, [-b for b in back], axes)  # so that it reads there what it should read here
            at, f = subject.as_function_of(name, x=moved)
            found = tried(derivative, lambda v, f=f: f(v).ravel(), at.astype(float), q.entries, subject.precision)
            if found is None:
                return
            slopes[where] = found.value.reshape(slopes.shape)[where]
        else:
            slopes[where] = np.roll(usual[where], back, axes)
    text = f"{subject.names[GRADIENT if name else DELTA]} is right for a stride of 1 and wrong for larger strides."
    yield made(q, "stride", text, _START, (r"range|\+=|\]\s*=",), slopes=slopes.reshape(q.jacobian.shape))


def _step(subject: Subject, axis: int, side: int) -> int:
    """By how much the input must move for the outputs to move by one window; 0 if that cannot be said, or there is one."""
    x, out = subject.x, subject.out
    if out.shape[side] < 2:
        return 1
    wanted = np.take(out, 1, side)
    for step in range(1, x.shape[axis]):
        moved = tried(subject.forward, np.roll(x, -step, axis))
        if moved is not None and moved.shape == out.shape and np.allclose(np.take(moved, 0, side), wanted, rtol=1e-6):
            return step
    return 0


def slides(q: Question) -> bool:
    """Whether what comes out has positions, as what goes in."""
    return q.out.ndim >= 3 and q.x.ndim == q.out.ndim and len(q.x) == len(q.out)


def _by_window(subject: Subject, q: Question, gives: np.ndarray) -> np.ndarray:
    """What each window and channel gives, over all examples: (entries, windows, channels)."""
    split = gives.reshape(len(gives), *q.out.shape)
    split = np.moveaxis(split, 2, -1) if subject.channels_first else split
    return split.sum(axis=1).reshape(len(gives), -1, split.shape[-1])


def _kept(
    subject: Subject, q: Question, which: str, gives: np.ndarray, channels: bool = False, turned: bool = False
) -> np.ndarray:
    """What is kept if windows, or windows and channels, overwrite each other's."""
    parts = _by_window(subject, q, gives)
    parts = parts if channels else parts.sum(axis=2, keepdims=True)
    parts = (parts.swapaxes(1, 2) if turned else parts).reshape(len(gives), -1)
    return first_given(parts[:, ::-1] if which == "last" else parts)


def first_given(gives: np.ndarray) -> np.ndarray:
    """Of each row the first number that is not zero."""
    chosen: np.ndarray = gives[np.arange(len(gives)), np.argmax(np.abs(gives) > 1e-9, axis=1)]
    return chosen


def flat(subject: Subject, module: Any, x: np.ndarray) -> np.ndarray:
    """What a copy of a module gives, in one row."""
    return subject.forward(x, module).ravel()
