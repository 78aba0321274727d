"""One operation of a module, asked at one input: what it answered, what is true, and whether the two agree."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np

from modnet.check.asking.numeric import Derivative, factor_of
from modnet.check.report import Finding, worst

ALIKE = 1e-4  # how closely, relative to the largest value, a guess must match to be the diagnosis
_ENTRIES, _SAMPLE = 128, 32  # up to so many numbers are varied one by one; of more, so many, and all of them along directions


class Question:
    """What was asked and answered.

    Attributes
    ----------
    where : the operation. x (batch, ...), out (batch, ...), delta like out.
    entries : flat indices into what the derivative is by, of the given shape. jacobian (entries, outputs).
    truth, low, high : at the entries, the derivative and the admissible interval. got : what the module returned there, got_all
        everywhere. by : "dL/dinput" or "dL/dparameters". of_loss : whether it is about a loss. others : the
        same, asked about the functions that forward may be meant to be. line : the author's line to look at. moved : the
        function that is asked about.
    """

    def __init__(
        self,
        where: str,
        x: np.ndarray,
        out: np.ndarray,
        delta: np.ndarray,
        found: Derivative,
        entries: np.ndarray,
        shape: tuple[int, ...],
        tolerance: float,
    ) -> None:
        self.where, self.x, self.out, self.entries, self.shape = where, x, out, entries, shape
        self._found, self._tolerance, self._least = found, tolerance, 1e-8
        self._weigh(delta)
        self.got = self.got_all = np.empty(0)
        self.moved: Callable[[np.ndarray], np.ndarray] = lambda _: out
        self.line = self.by = ""
        self.of_loss = False
        self.others: list[Question] = []

    @property
    def whole(self) -> bool:
        """Whether every entry was varied."""
        return len(self.entries) == int(np.prod(self.shape))

    @property
    def jacobian(self) -> np.ndarray:
        """The derivative of each output by each entry: (entries, outputs)."""
        return self._found.value

    def settle(self, jacobian: np.ndarray) -> None:
        """Take a Jacobian that is exact to round-off in place of differences."""
        self._found = Derivative(jacobian, jacobian, jacobian, np.zeros(len(jacobian), bool))
        self._tolerance, self._least = 1e-9, 1e-300
        self._weigh(self.delta)

    def with_delta(self, delta: np.ndarray) -> Question:
        """The same question with another delta, without an answer."""
        other = copy(self)
        other._weigh(delta)
        return other

    def _weigh(self, delta: np.ndarray) -> None:
        """Take a delta: the truth, and what is admissible, are the Jacobian's rows weighed by it."""
        self.delta, flat, found = delta, delta.ravel(), self._found
        plus, minus = np.maximum(flat, 0), np.minimum(flat, 0)
        self.truth = found.value @ flat
        margin = self._tolerance * max(float(np.abs(self.truth).max(initial=0.0)), self._least)
        self.low = found.low @ plus + found.high @ minus - margin
        self.high = found.high @ plus + found.low @ minus + margin

    def answer(self, got: np.ndarray) -> None:
        """Take what the module returned."""
        self.got_all = got
        self.got = got.ravel()[self.entries]

    @property
    def excess(self) -> np.ndarray:
        """How far each entry is outside what is admissible."""
        with np.errstate(invalid="ignore"):
            found = np.maximum(np.maximum(self.low - self.got, self.got - self.high), 0)
        return np.where(np.isnan(self.got), np.inf, found)

    @property
    def right(self) -> bool:
        """Whether all entries are admissible."""
        return not (self.excess > 0).any()

    @property
    def telling(self) -> bool:
        """Whether the differences say anything: whether, at most entries, an answer that is far off would not be admissible."""
        scale = float((np.abs(self.jacobian) @ np.abs(self.delta.ravel())).max(initial=0.0))
        return bool(np.mean(self.high - self.low <= 0.5 * max(scale, 1e-6)) >= 0.5) if self.low.size else True

    @property
    def error(self) -> float:
        """The largest excess, relative to the largest true value."""
        scale = float(np.abs(self.truth).max(initial=0.0)) or 1.0
        return float(self.excess.max(initial=0.0)) / scale

    def is_like(self, guess: Any) -> bool:
        """Whether the answer is this guess."""
        values = self._comparable(guess)
        return values is not None and _alike(self.got, values)

    def factor(self, guess: Any, where: np.ndarray | None = None) -> float | None:
        """The constant that makes a guess the answer, at these entries; None if there is none."""
        if (values := self._comparable(guess)) is None:
            return None
        got, values = (self.got, values) if where is None else (self.got[where], values[where])
        factor = factor_of(got, values)
        return factor if abs(factor) > 1e-9 and _alike(got, factor * values) else None

    def _comparable(self, guess: Any) -> np.ndarray | None:
        """A guess at the entries that were varied; None if it or the answer is not finite, or it has another size."""
        values = np.asarray(guess, dtype=float).ravel()
        if values.size == int(np.prod(self.shape)) and values.shape != self.got.shape:
            values = values[self.entries]
        finite = values.shape == self.got.shape and np.isfinite(values).all() and np.isfinite(self.got).all()
        return values if finite else None

    def finding(self, kind: str, message: str, hint: str = "", line: str = "") -> Finding:
        """A finding about this operation, with its worst entry."""
        full = np.zeros((3, int(np.prod(self.shape))))
        full[:, self.entries] = self.excess, self.got, self.truth
        excess, got, truth = full.reshape(3, *(self.shape or (1,)))
        return Finding(kind, self.where, message, hint, line=line or self.line, **worst(got, truth, excess))


def _alike(got: np.ndarray, values: np.ndarray) -> bool:
    scale = max(float(np.abs(values).max(initial=0.0)), 1e-12)
    return float(np.abs(got - values).max(initial=0.0)) <= ALIKE * scale


def direction(q: Question, operation: str, truth: str = "the derivative of forward") -> Finding:
    """The finding for what is wrong in no known way."""
    norms = float(np.linalg.norm(q.got)), float(np.linalg.norm(q.truth))
    if norms[1] == 0:
        text = f"{truth} is zero here"
    elif norms[0] == 0:
        text = "it is zero"
    else:
        cosine = float(q.got @ q.truth) / (norms[0] * norms[1])
        text = f"the cosine of the angle between them is {cosine:.3g}, the ratio of their lengths {norms[0] / norms[1]:.3g}"
    return q.finding(
        "direction",
        f"{operation} differs from {truth}, in none of the known ways: {text}.",
        f"derive {q.by} once more from the formula of forward, for one example with one number, and compare with these figures",
    )


def chosen_entries(size: int) -> np.ndarray:
    """Which entries are varied one by one: all of a few, a fixed sample of many."""
    if size <= _ENTRIES:
        return np.arange(size)
    return np.sort(np.random.default_rng(1).choice(size, _SAMPLE, replace=False))


def draw_delta(out: np.ndarray, seed: int) -> np.ndarray:
    """Numbers away from zero, of the output's shape."""
    rng = np.random.default_rng(seed)
    found: np.ndarray = rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1.0, 1.0], out.shape)
    return found
