"""A loss behind the three questions: what forward gives, and whether backward is its derivative.

A loss is examined by the plan of `check_module`: its input is yhat, its output the losses, and delta is 1 for each of them.
The contract's gives one number for each example. One of another style has a `Calling`: it may give one number for all, and
backward may be the derivative of what forward gives, or of its mean if that is a cost for each example: both are right there,
each course has its own. What is a loss's own is here: y beside yhat, and other conventions; what a wrong derivative is, in
`modnet.check.losses.mistakes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, as_numbers, tried
from modnet.check.asking.numeric import derivative
from modnet.check.asking.question import Question, direction
from modnet.check.asking.subject import BIG, Subject
from modnet.check.losses.mistakes import constants, left_out, mixed_up
from modnet.check.mistakes.guesses import diagnose
from modnet.check.probes import delta, forward
from modnet.check.probes.plan import Examination
from modnet.check.reading.arguments import required
from modnet.check.reading.definitions import loss_definition, options_of
from modnet.check.reading.vocabulary import DELTA, FORWARD
from modnet.check.report import Finding
from modnet.check.styles.loss_calls import Calling
from modnet.loss import Loss, PredictionError

#: What is asked of a loss.
PLAN = ((FORWARD, forward.PROBES), (DELTA, delta.PROBES))

def _table_hint(line: str) -> str:
    """What makes a table (batch, batch) of losses, by the line that returns it."""
    if re.search(r"@|\bdot\(|matmul", line):
        return "a matrix times a transpose sets each example against each: write (difference ** 2).sum(axis=1)"
    if re.search(r"\[:, *\w+\]", line):
        return "yhat[:, y] takes the columns y of every row; yhat[np.arange(len(y)), y] takes one of each"
    return "(batch,) and (batch, 1) were added: that makes a table (batch, batch); reshape one of them first"


class LossSubject(Subject):
    """A loss behind the three questions: forward(yhat) the losses, delta their derivative, no parameters.

    Parameters
    ----------
    calling : how a loss of another style is called; None for the contract's.
    """

    result, of_input = "loss", "yhat's own"
    shape_is_defined = may_tie = False
    never_infinite = True

    def __init__(self, loss: Any, y: np.ndarray, yhat: np.ndarray, calling: Calling | None = None) -> None:
        super().__init__(loss, yhat if yhat.dtype == np.float32 else yhat.astype(np.float64))
        self.y, self.calling = y, calling
        self.dtype = self.x.dtype
        self.raw_shape: tuple[int, ...] = ()
        self.unit = self.times = 1.0  # of what forward gives backward is the derivative; see `_settle_unit`
        self.meant: int | None = None  # which definition of its name backward belongs to, if forward is another function
        if calling is None:
            methods = ("backward", "backward_loss", "backward_delta")
            self.names[DELTA] = next((n for n in methods if hasattr(loss, n)), "backward")
            self.refuses_integers = isinstance(loss, Loss) and any(type(loss).operations)
        else:
            self.names[FORWARD], self.names[DELTA] = calling.value, calling.derivative
            self.remembers = self.replaces = self.undefined = True
            self.refuses_integers = True  # some give back the type that they are given
            self.never_infinite = "score" not in calling.given  # a sigmoid of a large score is 0 or 1
            of_classes = y.dtype.kind == "f" and float(y.sum()) == 1
            self.may_couple = y.ndim == yhat.ndim == 1 and of_classes  # one example

    def like(self, module: Any, x: np.ndarray) -> LossSubject:
        """Another one, called alike."""
        twin = LossSubject(module, self.y, x, self.calling)
        twin.unit = self.unit
        return twin

    @property
    def t(self) -> np.ndarray:
        """y as numbers beside yhat: one-hot if it holds labels."""
        y, z = self.y, self.x
        labels = y.dtype.kind in "iu" and y.ndim == z.ndim - 1
        in_range = labels and y.size and y.min() >= 0 and y.max() < z.shape[-1]
        t = np.eye(z.shape[-1])[y] if in_range else y.astype(float) if y.dtype.kind in "iufb" else np.zeros(y.shape)
        return t.reshape(z.shape) if t.shape != z.shape and t.size == z.size else t

    # --- how it is called

    def arguments(self, operation: str, x: np.ndarray, delta: np.ndarray | None = None) -> list[tuple[str, np.ndarray]]:
        """y and yhat, copied, for both operations, by the author's names."""
        names = ["y", "yhat"]
        if self.calling is not None:
            own = required(type(self.original), self.calling.value) or ["", ""]
            order = self.calling.prediction_first
            names = [own[order] or "y", own[not order] or "yhat"]
        return list(zip(names, (self.y.copy(), x.copy()), strict=True))

    def invoke(self, operation: str, module: Any, arrays: Sequence[Any]) -> Any:
        """Call the loss or its derivative."""
        if self.calling is None:
            return super().invoke(operation, module, arrays)
        if operation not in (FORWARD, DELTA):
            raise Misbehaviour("not-implemented", f"there is no {operation}")
        return (self.calling.loss if operation == FORWARD else self.calling.gradient)(module, *arrays)

    def takes_input(self, operation: str) -> bool:
        """Both are given y and yhat."""
        return True

    def as_output(self, raw: Any, operation: str, x: np.ndarray) -> np.ndarray:
        """The losses in their unit, or their derivative, as an array; other shapes of the losses are said as conventions."""
        name = self.names[operation]
        array = as_numbers(raw, name)
        if operation == DELTA:
            if array.shape != x.shape and array.size == x.size and 1 in (*array.shape, *x.shape):
                array = array.reshape(x.shape)  # said as a convention
            return array
        if not array.size:
            raise Misbehaviour("shape", f"{name} returns an empty array")
        self.raw_shape = array.shape
        if array.shape == (len(x), len(x)) and x.shape[-1:] != (len(x),):
            return np.diagonal(array) * self.unit  # (batch,) and (batch, 1) were added: each with each
        array = array.reshape(len(x), -1)[:, 0] if array.size == len(x) else array.reshape(-1) if array.ndim == 0 else array
        return array * self.unit

    def forward(self, x: np.ndarray, module: Any = None) -> np.ndarray:
        """The losses, or those of the definition that backward belongs to.

        NaN if a step of the finite differences has left the probabilities, which the library refuses.
        """
        if self.meant is not None:
            with np.errstate(all="ignore"):
                return self.times * list(loss_definition(self.name, self.t, x.astype(float)))[self.meant]
        try:
            return super().forward(x, module)
        except Misbehaviour as problem:
            if not isinstance(problem.__cause__, PredictionError):
                raise
            return np.full(len(x), np.nan)

    def narrow(self, count: int) -> None:
        """Go on with so many examples alone."""
        self.y = self.y[:count]
        super().narrow(count)

    def reads_forward(self, operation: str) -> bool:
        """What forward cannot take, backward cannot either: it is the same formula."""
        return True  # what loses one loses the other: the same formula

    # --- what is known about it

    @property
    def means(self) -> tuple[float, ...]:
        """By what a derivative may be multiplied and still be that of a function with a name: 1, or as forward takes a mean."""
        whole = self.calling is not None or self.raw_shape == ()
        return (1.0, 1 / len(self.x), 1 / self.x.size) if whole else (1.0,)

    def examine(self) -> None:
        """Ask forward once."""
        self.out = self.forward(self.x)

    def conventions(self) -> Iterator[Finding]:
        """Another shape than a loss for each example, and what it is; in another style, what backward is the derivative of."""
        n, shape = len(self.x), self.raw_shape
        if self.calling is not None:
            if len(shape) == 2 and shape[0] == shape[1] == n > 1 and self.x.shape[-1] != n:
                sizes = f"{self.names[FORWARD]} returns shape {shape}"
                text = f"{sizes}: (batch,) and (batch, 1) together make a table, all against all."
                hint = "give both the same shape: y.reshape(-1, 1)"
                yield Finding("shape", "", text, hint, line=self.quote(FORWARD, r"^return"))
            self._settle_unit()
            yield from self._of_backward() if not self.calling.defined else ()
            return
        line = self.quote(FORWARD, forward.RETURN)
        if shape not in ((n,), ()) or (n == 1 == self.out.size and shape not in ((1,), ())):
            wanted = f"expected shape ({n},), the loss of each example"
            hint, table = "the loss of each example, a vector (batch,): sum over the features only, .sum(axis=1)", False
            if len(shape) == 2 and shape[0] == shape[1] == n and self.x.shape[-1] != n:
                hint, table = _table_hint(str(line)), True
            text = f"forward returns shape {shape}, {wanted}."
            yield Finding("shape", "", text, hint, line=line, given_weight="" if table else "form")
        elif shape == ():
            value = float(self.out.reshape(-1)[0])
            known = (
                (name, number)
                for losses in self.definition(self.x, self.out, None)
                for name, number in (("sum", losses.sum()), ("mean", losses.mean()), ("mean", losses.mean() / self.x[0].size))
            )
            known_as = next((f" (the {name} of all losses)" for name, number in known if np.isclose(value, number)), "")
            text = f"forward returns {value:.6g}, one number for the whole batch{known_as}, expected shape ({n},), the loss of"
            hint = "the loss of each example, a vector (batch,): sum over the features only, .sum(axis=1); whoever trains takes"
            yield Finding("shape", "", f"{text} each example.", f"{hint} the mean", line=line, given_weight="form")

    def definition(self, x: np.ndarray, out: np.ndarray, module: Any) -> list[np.ndarray]:
        """What a loss of this name may give for yhat."""
        t = self.t
        if self.undefined or t.shape != x.shape:
            return []
        smooth = [float(v) for v in options_of(self.original).values() if isinstance(v, float) and 0 < v < 1]
        targets = [t, *((1 - s) * t + s / x.shape[-1] for s in smooth)]
        ignored = getattr(self.original, "ignore_index", None)
        if isinstance(ignored, int) and self.y.shape == x.shape[:-1]:
            targets = [np.where((self.y == ignored)[..., None], 0, u) for u in targets]
        with np.errstate(all="ignore"):
            found = [losses for u in targets for losses in loss_definition(self.name, u, x.astype(float))]
        return [losses for losses in found if np.isfinite(losses).all()]

    def other_forward(self, out: np.ndarray, wanted: np.ndarray, source: str) -> Finding | None:
        """The finding for a loss that is not what its name means."""
        # A constant inside a logarithm that changes little is no other function.
        if np.allclose(out, wanted, rtol=1e-2, atol=1e-3):
            return None
        factor = float(out @ wanted) / (float(wanted @ wanted) or 1.0)
        hint = "compute one small example by hand, and compare it with the figures above"
        text = f"the loss is not what {self.name} means."
        if np.allclose(out, factor * wanted, rtol=1e-5) and factor:
            per, n = self.x[0].size, len(self.x)
            words = {1 / per: "1/{}, one over the number of features,", 1 / n: "1/{}, one over the size of the batch,"}
            name = next((w.format(round(1 / v)) for v, w in words.items() if np.isclose(factor, v)), f"{factor:.6g}")
            mean = np.isclose(factor, 1 / per)
            hint = "a mean over features, but the contract sums: .sum(axis=1)" if mean else "the constant in front"
            text = f"the loss is {name} times what {self.name} means."
            self.convention = True
        return Finding("forward", "", text, hint, given_weight="form" if self.convention and factor > 0 else "")

    def other_inputs(self) -> list[np.ndarray]:
        """Other predictions, of as many examples."""
        return [self.x[::-1] * 0.9 + 0.02] if len(self.x) > 1 else [self.x * 0.9 + 0.02]

    def weights(self, seed: int) -> np.ndarray:
        """1 for each loss: the derivative of their sum."""
        return np.ones(self.out.shape)

    def takes_any_number(self) -> bool:
        """Whether forward is finite for negative numbers, and not cut off there: then predictions are no probabilities."""
        low = -np.abs(self.x) - 1
        there, further = (tried(self.forward, at) for at in (low, 2 * low))
        if there is None or further is None or not (np.isfinite(there).all() and np.isfinite(further).all()):
            return False
        return bool(there.shape == further.shape and not np.allclose(there, further, rtol=1e-9))

    def extremes(self) -> list[tuple[str, np.ndarray]]:
        """Predictions that hurt: large scores, or probabilities of exactly 0 and 1."""
        z = self.x
        signs = np.where(np.arange(z.size).reshape(z.shape) % 2, -1.0, 1.0)
        if self.takes_any_number():
            text = f"predictions of size {BIG:g}"
            right = [("predictions that are exactly right", self.y.astype(z.dtype))] if self.y.shape == z.shape else []
            return [(text, (BIG * signs).astype(z.dtype)), (text, (-BIG * signs).astype(z.dtype)), *right]
        if z.min() < 0 or z.max() > 1:
            return []
        hard = (signs > 0).astype(z.dtype)
        return [("probabilities of exactly 0 and 1", hard), ("probabilities of exactly 0 and 1", 1 - hard)]

    def whole_numbers(self, operation: str) -> Iterator[tuple[str, Callable[[], np.ndarray], Callable[[], np.ndarray]]]:
        """y, and yhat if it may be any number, as whole numbers; in another style whole numbers are another form of truth."""

        def ask(y: np.ndarray, yhat: np.ndarray) -> np.ndarray:
            held, self.y = self.y, y
            try:
                if operation == FORWARD:
                    return self.forward(yhat)
                module = self.fresh()
                with suppress(Misbehaviour):
                    self.ask(FORWARD, module, yhat)
                return self.as_output(self.ask(DELTA, module, yhat), DELTA, yhat)
            finally:
                self.y = held

        y, z = self.y, self.x
        if y.dtype.kind == "f" and self.calling is None:
            whole = y if np.array_equal(y, np.round(y)) else np.round(y * 2)
            yield "y", lambda: ask(whole, z), lambda: ask(whole.astype(int), z)
        if self.takes_any_number():
            numbers = np.round(z * 3)
            name = "yhat" if self.calling is None else "the prediction"
            yield name, lambda: ask(y, numbers), lambda: ask(y, numbers.astype(int))

    # --- what a wrong derivative is

    def explain_delta(self, q: Question) -> list[Finding] | None:
        """What is left out; constants against 0 that differ, which change little if yhat is not near 0; what is mixed up."""
        if self.calling is not None and (found := left_out(self, q, self.calling)):
            return found
        q.of_loss = True
        small = constants(self) if q.error < 0.1 else []
        if small:
            return small
        if 0 < q.error < 1e-2:
            return [
                q.finding(
                    "eps",
                    "forward and backward differ a little everywhere: a constant in one of them is not in the other.",
                    "log(s + eps) in forward goes with 1 / (s + eps) in backward; or subtract the row's maximum, and need none",
                    self.quote(FORWARD, r"eps|1e-|clip|maximum", r"^return"),
                )
            ]
        return diagnose(self, q, self.names[DELTA], mixed_up(self, q))

    def unexplained(self, q: Question, operation: str) -> Finding:
        """The finding for a derivative that is wrong in no known way: where it is right, if it is somewhere."""
        t = self.t
        for where, text in ((t == 0, "it is right where y is 0"), (t != 0, "it is right where y is not 0")):
            if where.shape == q.shape and where.any() and not (q.excess[where.ravel()[q.entries]] > 0).any():
                return q.finding(
                    "direction",
                    f"{operation} differs from the derivative of forward; {text}, wrong elsewhere.",
                    "the term of the formula that belongs to the other entries",
                )
        return direction(q, operation)

    # --- what backward is the derivative of, in another style

    def differences(self, x: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """The derivative of the sum of the losses by these entries."""
        return derivative(lambda v: self.forward(v).ravel(), x, entries, self.precision).value.sum(axis=1)

    def slopes(self) -> tuple[np.ndarray, np.ndarray] | None:
        """What the derivative gives, and the differences of the sum of the losses; None if either cannot be asked."""
        x = self.x.astype(float)

        def ask() -> tuple[np.ndarray, np.ndarray]:
            if not self.out.size:
                self.examine()
            got = self.delta(self.x, self.weights(2))
            return got, self.differences(x, np.arange(x.size)).reshape(x.shape)

        return tried(ask, also=(ValueError, TypeError)) if self.names[DELTA] else None

    def _settle_unit(self) -> None:
        """Whether backward is the derivative of the mean of what forward gives for each example, or of its sum."""
        asked = self.slopes() if self.out.size > 1 else None
        if asked is None or asked[0].shape != self.x.shape or not np.isfinite(asked[1]).all():
            return
        # What is nearest: a backward with a mistake in it may be of either.
        self.unit = 1 / len(self.x) if abs(abs(_factor(*asked)) * len(self.x) - 1) < 0.3 else 1.0
        self.out = self.out * self.unit

    def _of_backward(self) -> Iterator[Finding]:
        """A forward that is not what the name says, though backward is the derivative of that."""
        x = self.x.astype(float)
        asked = self.slopes() if self.t.shape == x.shape else None
        if asked is None:
            return
        got, own = (a.ravel() for a in asked)
        if times_truth(got, own):
            return
        with np.errstate(all="ignore"):
            for i in range(len(list(loss_definition(self.name, self.t, x)))):

                def wanted(v: np.ndarray, i: int = i) -> np.ndarray:
                    return list(loss_definition(self.name, self.t, v.reshape(x.shape)))[i]

                truth = derivative(wanted, x, np.arange(x.size), self.precision).value.sum(axis=1)
                if factor := times_truth(got, truth):
                    text = f"the loss is not what {self.name} means, and backward is the derivative of what it means."
                    hint = "the signs and the terms of the formula: compute one example by hand"
                    yield Finding("forward", "", text, hint, line=self.quote(FORWARD, r"^return", r"="))
                    self.meant, self.times, self.unit, self.out = i, factor, 1.0, factor * wanted(x)
                    return

    # --- constants against 0

    def near_zero(self, examination: Examination) -> Iterator[Finding]:
        """Constants against 0 that differ, if the rest is right."""
        q = examination.by_input
        if q is not None and q.right and self.meant is None:
            yield from constants(self)


def _factor(got: np.ndarray, truth: np.ndarray) -> float:
    """The factor that brings the truth nearest to what was got."""
    power = float((truth * truth).sum())
    return float((got * truth).sum()) / power if power else 0.0


def times_truth(got: np.ndarray, truth: np.ndarray, rtol: float = 1e-4) -> float:
    """How many times the truth was got, a number above 0; else 0."""
    factor = _factor(got, truth) if got.size and got.shape == truth.shape else 0.0
    return factor if 0 < factor < np.inf and np.allclose(got, factor * truth, rtol=rtol, atol=1e-6) else 0.0
