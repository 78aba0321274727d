"""A loss behind the three questions: whether forward gives one number per example, and backward its derivative.

A loss is examined by the plan of `check_module`: its input is yhat, its output the losses, and delta is 1 for each of them.
What is its own is here, in one class, and so the file is long: y beside yhat, the course's definitions, the derivatives that
are mixed up, and constants against 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from modnet.check import delta, forward
from modnet.check.guesses import Hypothesis, diagnose, scaled, signs
from modnet.check.known import FUNCTIONS, options_of
from modnet.check.numeric import EPS
from modnet.check.plan import Examination
from modnet.check.question import Question, direction
from modnet.check.report import Finding
from modnet.check.subject import BIG, Misbehaviour, Subject, tried
from modnet.check.vocabulary import DELTA, FORWARD
from modnet.loss import Loss, PredictionError

_softmax, _sigmoid = FUNCTIONS["softmax"], FUNCTIONS["sigmoid"]
Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]
#: What is asked of a loss.
PLAN = ((FORWARD, forward.PROBES), (DELTA, delta.PROBES))

#: The derivatives a loss may have by mistake: what it belongs to, and the formula (t is y, one-hot for labels; z is yhat).
DERIVATIVES: tuple[tuple[str, Formula], ...] = (
    ("the squared error, 2 (yhat - y)", lambda t, z: 2 * (z - t)),
    ("softmax and cross-entropy in one, softmax(yhat) - y: its forward takes scores", lambda t, z: _softmax(z) - t),
    (
        "softmax and cross-entropy in one, taken by the scores before the softmax; of 1/2 (yhat - y)^2, too: yhat - y",
        lambda t, z: z - t,
    ),
    (
        "log-softmax and cross-entropy in one, exp(yhat) - y, taken by the scores before the log-softmax",
        lambda t, z: np.exp(z) - t,
    ),
    ("-yhat_y, the loss of log-probabilities", lambda t, z: -t),
    ("-log yhat_y, the loss of probabilities: -y / yhat", lambda t, z: -t / z),
    ("sigmoid and binary cross-entropy in one, sigmoid(yhat) - y: its forward takes scores", lambda t, z: _sigmoid(z) - t),
    ("the binary cross-entropy of probabilities, (yhat - y) / (yhat (1 - yhat))", lambda t, z: (z - t) / (z * (1 - z))),
    ("the absolute error, sign(yhat - y)", lambda t, z: np.sign(z - t)),
    ("the hinge loss max(0, 1 - y yhat)", lambda t, z: np.where(t * z < 1, -t, 0)),
    ("the perceptron's loss max(0, -y yhat)", lambda t, z: np.where(t * z < 0, -t, 0)),
    ("the mean squared error over the features", lambda t, z: 2 * (z - t) / z[0].size),
    ("none: y softmax(yhat) - y, the softmax multiplied by y; without it, softmax(yhat) - y", lambda t, z: t * _softmax(z) - t),
    ("none: s (1 - s) - y, with s = softmax(yhat); it is s - y", lambda t, z: _softmax(z) * (1 - _softmax(z)) - t),
    ("none: yhat - y + softmax(yhat), with yhat once too often; softmax(yhat) - y", lambda t, z: z - t + _softmax(z)),
    ("none: -y (1 - yhat) - (1 - y) yhat; the second term has the other sign", lambda t, z: -t * (1 - z) - (1 - t) * z),
)


def _table_hint(line: str) -> str:
    """What makes a table (batch, batch) of losses, by the line that returns it."""
    if re.search(r"@|\bdot\(|matmul", line):
        return "a matrix times a transpose sets each example against each: write (difference ** 2).sum(axis=1)"
    if re.search(r"\[:, *\w+\]", line):
        return "yhat[:, y] takes the columns y of every row; yhat[np.arange(len(y)), y] takes one of each"
    return "(batch,) and (batch, 1) were added: that makes a table (batch, batch); reshape one of them first"


def _rows(terms: np.ndarray) -> np.ndarray:
    return terms.reshape(len(terms), -1).sum(axis=1)


def definitions(name: str, t: np.ndarray, z: np.ndarray) -> Iterator[np.ndarray]:
    """What a loss of this name may give, by definition; several if the course has several of that name."""
    word = re.sub(
        r"(sparse|loss|cost|cout|erreur|error|function|fonction|criterion|\d)", "", re.sub(r"[^a-z0-9]", "", name.lower())
    )
    if word in ("mse", "meansquared", "squared", "quadratic", "quadratique", "moindrescarres"):
        yield _rows((t - z) ** 2)
    elif word in ("mae", "l", "absolute", "meanabsolute"):
        yield _rows(np.abs(t - z))
    elif word in ("bce", "binarycrossentropy", "binarycrossentropie", "crossentropybinaire", "bcewithlogits"):
        yield _rows(-(t * np.maximum(np.log(z), -100) + (1 - t) * np.maximum(np.log1p(-z), -100)))
        yield _rows(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    elif re.fullmatch("c?ce|(categorical)?crossentrop(y|ie)|entropiecroisee|nll", word) or {"softmax", "ce"} == set(
        re.findall("softmax|ce$|^ce", word)
    ):
        yield _rows(-t * z)
        yield _rows(1 - t * z) if z.ndim == 1 else 1 - _rows(t * z)
        yield _rows(-t * FUNCTIONS["logsoftmax"](z))
        with np.errstate(all="ignore"):
            yield _rows(np.where(t != 0, -t * np.log(z), 0))
    elif word == "perceptron":
        yield _rows(np.maximum(0, -t * z))
    elif word == "hinge":
        yield _rows(np.maximum(0, 1 - t * z))


class LossSubject(Subject):
    """A loss behind the three questions: forward(yhat) the losses, delta their derivative, no parameters."""

    result, of_input = "loss", "yhat's own"
    shape_is_defined = may_tie = False
    never_infinite = True

    def __init__(self, loss: Any, y: np.ndarray, yhat: np.ndarray) -> None:
        super().__init__(loss, yhat if yhat.dtype == np.float32 else yhat.astype(np.float64))
        self.y = y
        self.names[DELTA] = next((n for n in ("backward", "backward_loss", "backward_delta") if hasattr(loss, n)), "backward")
        self.dtype = self.x.dtype
        self.refuses_integers = isinstance(loss, Loss) and any(type(loss).operations)
        self.raw_shape: tuple[int, ...] = ()

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
        """y and yhat, copied, for both operations."""
        return [("y", self.y.copy()), ("yhat", x.copy())]

    def takes_input(self, operation: str) -> bool:
        """Both are given y and yhat."""
        return True

    def as_output(self, raw: Any, operation: str, x: np.ndarray) -> np.ndarray:
        """The losses, or their derivative, as an array; other shapes of the losses are said as conventions."""
        name = self.names[operation]
        if raw is None:
            raise Misbehaviour("not-implemented", f"{name} returns None")
        try:
            array = np.array(raw, np.float64)
        except (TypeError, ValueError) as error:
            raise Misbehaviour("crash", f"{name} returns {type(raw).__name__}, expected an array of numbers") from error
        if operation == DELTA:
            if array.shape != x.shape and array.size == x.size and 1 in (*array.shape, *x.shape):
                array = array.reshape(x.shape)  # said as a convention
            return array
        if not array.size:
            raise Misbehaviour("shape", f"{name} returns an empty array")
        self.raw_shape = array.shape
        if array.shape == (len(x), len(x)) and x.shape[-1:] != (len(x),):
            return np.diagonal(array).copy()  # (batch,) and (batch, 1) were added: each with each
        return array.reshape(len(x), -1)[:, 0] if array.size == len(x) else array.reshape(-1) if array.ndim == 0 else array

    def forward(self, x: np.ndarray, module: Any = None) -> np.ndarray:
        """The losses; NaN if a step of the finite differences has left the probabilities, which the library refuses."""
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
        return (1.0, 1 / len(self.x), 1 / self.x.size) if self.raw_shape == () else (1.0,)

    def examine(self) -> None:
        """Ask forward once."""
        self.out = self.forward(self.x)

    def conventions(self) -> Iterator[Finding]:
        """Another shape than a loss for each example, and what it is."""
        n, shape = len(self.x), self.raw_shape
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
            known_as = ""
            for losses in self.definition(self.x, self.out, None):
                for text, number in (
                    ("the sum", losses.sum()),
                    ("the mean", losses.mean()),
                    ("the mean", losses.mean() / self.x[0].size),
                ):
                    known_as = known_as or (f" ({text} of all losses)" if np.isclose(value, number) else "")
            yield Finding(
                "shape",
                "",
                f"forward returns {value:.6g}, one number for the whole batch{known_as}, expected shape ({n},), the loss of "
                "each example.",
                "the loss of each example, a vector (batch,): sum over the features only, .sum(axis=1); whoever trains takes "
                "the mean",
                line=line,
                given_weight="form",
            )

    def definition(self, x: np.ndarray, out: np.ndarray, module: Any) -> list[np.ndarray]:
        """What a loss of this name may give for yhat."""
        t = self.t
        if t.shape != x.shape:
            return []
        smooth = [float(v) for v in options_of(self.original).values() if isinstance(v, float) and 0 < v < 1]
        targets = [t, *((1 - s) * t + s / x.shape[-1] for s in smooth)]
        ignored = getattr(self.original, "ignore_index", None)
        if isinstance(ignored, int) and self.y.shape == x.shape[:-1]:
            targets = [np.where((self.y == ignored)[..., None], 0, u) for u in targets]
        with np.errstate(all="ignore"):
            found = [losses for u in targets for losses in definitions(self.name, u, x.astype(float))]
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
            words = {1 / per: "1/{}, one over the number of features", 1 / n: "1/{}, one over the size of the batch"}
            name = next((w.format(round(1 / v)) for v, w in words.items() if np.isclose(factor, v)), f"{factor:.6g}")
            mean = np.isclose(factor, 1 / per)
            hint = f"it is {name}, times the definition" + (": a mean over features, but the contract sums" if mean else "")
            text = f"the loss is {name} times what {self.name} means."
            self.convention = True
        return Finding("forward", "", text, hint)

    def other_inputs(self) -> list[np.ndarray]:
        """Other predictions, of as many examples."""
        return [self.x[::-1] * 0.9 + 0.02] if len(self.x) > 1 else [self.x * 0.9 + 0.02]

    def weights(self, seed: int) -> np.ndarray:
        """1 for each loss: the derivative of their sum."""
        return np.ones(self.out.shape)

    def takes_any_number(self) -> bool:
        """Whether forward is finite for negative numbers: then yhat are no probabilities."""
        below = -np.abs(self.x) - 1
        there = tried(self.forward, below)
        if there is None or not np.isfinite(there).all():
            return False
        if self.x.min() < 0 or self.x.max() > 1 or not self.definition(self.x, self.out, None):
            return True
        # What is cut off, as probabilities are against a logarithm of 0, is not as defined there.
        return any(w.shape != there.shape or np.allclose(w, there, rtol=1e-2) for w in self.definition(below, self.out, None))

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
        """y, and yhat if it may be any number, as whole numbers."""

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
        if y.dtype.kind == "f":
            whole = y if np.array_equal(y, np.round(y)) else np.round(y * 2)
            yield "y", lambda: ask(whole, z), lambda: ask(whole.astype(int), z)
        if self.takes_any_number():
            numbers = np.round(z * 3)
            yield "yhat", lambda: ask(y, numbers), lambda: ask(y, numbers.astype(int))

    # --- what a wrong derivative is

    def explain_delta(self, q: Question) -> list[Finding] | None:
        """Constants against 0 that differ, which change little if yhat is not near 0; then derivatives that are mixed up."""
        q.of_loss = True
        small = self._eps() if q.error < 0.1 else []
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
        name, t, z = self.names[DELTA], self.t, self.x.astype(float)
        swapped = "the derivative is by yhat, the prediction, so of (y - yhat)^2 it is 2 (yhat - y); are y and yhat swapped?"

        def hypotheses() -> Iterator[Hypothesis]:
            if not q.got.any():
                text = f"{name} returns only zeros."
                yield Hypothesis("not-implemented", text, "return the derivative of each example's loss by yhat")
            if np.array_equal(q.got, np.trunc(q.got)) and np.array_equal(q.got, np.trunc(q.truth)):
                yield Hypothesis(
                    "integer-result",
                    f"{name} is written into whole numbers: what is after the point is lost.",
                    "np.full(shape, 0) and np.array([0, 0]) hold whole numbers: write 0.0, or dtype=float",
                    lines=(r"np\.(full|array|zeros|ones)\w*\(|int",),
                )
            yield Hypothesis("sign", f"{name} has the wrong sign: it is minus the truth.", swapped, -q.truth)
            yield from scaled(self, q, name)
            yield from signs(q, name)
            if t.shape == z.shape:
                with np.errstate(all="ignore"):
                    for text, formula in DERIVATIVES:
                        for share in self.means:
                            yield Hypothesis(
                                "other-function",
                                f"{name} is the derivative of another function: {self._in_words(text, q)}.",
                                "forward and backward must belong together: either is right alone; change the one that is not "
                                "what you want",
                                share * formula(t, z),
                            )
            if len(z) > 1:
                other = z.copy()
                other[1:] = other[1:][::-1] * 0.9 + 0.02
                if not np.allclose(self.delta(other, q.delta)[0], self.delta(z, q.delta)[0], rtol=1e-9, atol=1e-12):
                    yield Hypothesis(
                        "batch-coupled",
                        "the derivative of one example's loss depends on the other examples.",
                        "sums over one example need axis=1, keepdims=True",
                    )

        return diagnose(self, q, name, hypotheses())

    def _in_words(self, text: str, q: Question) -> str:
        """What another function is, seen from this forward."""
        wanted = (_softmax(self.x.astype(float)) - self.t).ravel()[q.entries]
        part = float(q.truth @ wanted) / float(wanted @ wanted)
        if text.endswith(", too: yhat - y") and np.allclose(q.truth, part * wanted, rtol=1e-4, atol=1e-6):
            return "1/2 (yhat - y)^2, yhat - y; forward takes scores, so it is softmax(yhat) - y"
        return text

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

    # --- constants against 0

    def near_zero(self, examination: Examination) -> Iterator[Finding]:
        """Constants against 0 that differ, if the rest is right."""
        q = examination.by_input
        if q is not None and q.right:
            yield from self._eps()

    def _eps(self) -> list[Finding]:
        """Do forward and backward guard against 0 by the same constant? It shows only at predictions near 0 and 1."""
        z, t = self.x, self.t
        if z.dtype == np.float32 or z.min() < 0 or z.max() > 1 or t.shape != z.shape or self.out.shape not in ((len(z),), (1,)):
            return []
        if (
            self.takes_any_number()
            and bool(np.isfinite(self.forward(1e3 * (z + 1))).all())
            and bool(np.isfinite(self.forward(-1e3 * (z + 1))).all())
        ):
            return []
        for small in (1.7e-4, 1.7e-6, 1.7e-8, 1.7e-10, 1.7e-11):  # none where somebody clips
            p = np.where(t > 0.5, small, 0.3 if small > 1e-5 else 0.5)
            try:
                (truth, noise), got = self._relative(p, small), self.delta(p, np.ones(len(p)))
            except Misbehaviour:
                return []
            with np.errstate(all="ignore"):
                wrong = (
                    (t > 0.5)
                    & (np.abs(got - truth) > 1e-3 * np.abs(truth) + noise)
                    & (np.abs(truth) > noise)
                    & np.isfinite(truth)
                )
            if wrong.any():
                at = tuple(int(i) for i in np.argwhere(wrong)[0])
                if not np.isfinite(got[at]):
                    return []
                lines = [self.quote(m, r"eps|1e-|clip|maximum", r"^return") for m in (DELTA, FORWARD)]
                return [
                    Finding(
                        "eps",
                        "",
                        f"forward and backward use different constants against 0: they disagree if yhat is {small:g}.",
                        "log(yhat + eps) in forward goes with 1 / (yhat + eps) in backward, with the same eps; or clip in both",
                        error=float(abs(got[at] - truth[at]) / abs(truth[at])),
                        index=at,
                        analytic=float(got[at]),
                        numeric=float(truth[at]),
                        line=lines[0] or lines[1],
                    )
                ]
        return []

    def _relative(self, p: np.ndarray, small: float) -> tuple[np.ndarray, float]:
        """Derivatives by all entries at p with a step relative to `small`, each example's alone, and their round-off."""
        h, size = small * 1e-3, 1.0
        truth = np.zeros(p.shape)
        rows = p.reshape(len(p), -1)
        for i, j in np.ndindex(rows.shape):

            def at(step: float, i: int = i, j: int = j) -> float:
                moved = rows.copy()
                moved[i, j] += step
                return float(self.forward(moved.reshape(p.shape)).sum())

            values = at(h), at(-h), at(2 * h), at(-2 * h)
            size = max(size, *map(abs, values))
            truth.reshape(len(p), -1)[i, j] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * h)
        return truth, 16 * EPS * size / h
