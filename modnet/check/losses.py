"""check_loss: whether forward gives one number per example, and backward its derivative; if not, whose derivative it is.

The truth is finite differences of the loss's own forward by yhat. What backward returns is compared with it, then with the
derivatives of the course's losses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modnet.check.known import FUNCTIONS, options_of
from modnet.check.numeric import EPS, derivative
from modnet.check.question import Question, chosen_entries
from modnet.check.report import Finding, Report, worst
from modnet.check.subject import Misbehaviour, as_output, call, copied, quote
from modnet.loss import Loss, PredictionError

_BIG = 1000.0
_softmax, _sigmoid = FUNCTIONS["softmax"], FUNCTIONS["sigmoid"]
Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: The derivatives a loss may have by mistake: what it belongs to, and the formula (t is y, one-hot for labels; z is yhat).
DERIVATIVES: tuple[tuple[str, Formula], ...] = (
    ("the squared error, 2 (yhat - y)", lambda t, z: 2 * (z - t)),
    ("softmax and cross-entropy in one, softmax(yhat) - y: its forward takes scores", lambda t, z: _softmax(z) - t),
    (
        "softmax and cross-entropy in one, taken by the scores before the softmax; of 1/2 (yhat - y)^2, too: yhat - y",
        lambda t, z: z - t,
    ),
    ("-yhat_y, the loss of log-probabilities", lambda t, z: -t),
    ("-log yhat_y, the loss of probabilities: -y / yhat", lambda t, z: -t / z),
    ("sigmoid and binary cross-entropy in one, sigmoid(yhat) - y: its forward takes scores", lambda t, z: _sigmoid(z) - t),
    ("the binary cross-entropy of probabilities, (yhat - y) / (yhat (1 - yhat))", lambda t, z: (z - t) / (z * (1 - z))),
    ("the absolute error, sign(yhat - y)", lambda t, z: np.sign(z - t)),
    ("the hinge loss max(0, 1 - y yhat)", lambda t, z: np.where(t * z < 1, -t, 0)),
    ("the perceptron's loss max(0, -y yhat)", lambda t, z: np.where(t * z < 0, -t, 0)),
    ("the mean squared error over the features", lambda t, z: 2 * (z - t) / z[0].size),
)


def _rows(terms: np.ndarray) -> np.ndarray:
    return terms.reshape(len(terms), -1).sum(axis=1)


def _definitions(name: str, t: np.ndarray, z: np.ndarray) -> Iterator[np.ndarray]:
    """What a loss of this name may give, by definition; several if the course has several of that name."""
    word = re.sub(r"(loss|cost|cout|erreur|error)", "", re.sub(r"[^a-z0-9]", "", name.lower()))
    if word in ("mse", "meansquared", "squared", "quadratic", "quadratique", "moindrescarres", "mseloss"):
        yield _rows((t - z) ** 2)
    elif word in ("mae", "l1", "absolute", "meanabsolute"):
        yield _rows(np.abs(t - z))
    elif word in ("bce", "binarycrossentropy", "binarycrossentropie", "crossentropybinaire", "bcewithlogits"):
        yield _rows(-(t * np.maximum(np.log(z), -100) + (1 - t) * np.maximum(np.log1p(-z), -100)))
        yield _rows(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    elif word in (
        "ce",
        "crossentropy",
        "crossentropie",
        "entropiecroisee",
        "nll",
        "logsoftmaxce",
        "crossentropylogsoftmax",
        "celogsoftmax",
    ):
        yield _rows(-t * z)
        yield _rows(-t * FUNCTIONS["logsoftmax"](z))
        with np.errstate(all="ignore"):
            yield _rows(np.where(t != 0, -t * np.log(z), 0))
    elif word == "perceptron":
        yield _rows(np.maximum(0, -t * z))
    elif word == "hinge":
        yield _rows(np.maximum(0, 1 - t * z))


def check_loss(loss: Any, y: Any, yhat: Any) -> Report:
    """Check forward and backward of a loss.

    Parameters
    ----------
    loss : any object with forward(y, yhat) and backward(y, yhat). It is left as it is.
    y : (batch, ...), the truth, as the loss takes it: integer labels, one-hot rows or numbers.
    yhat : (batch, ...), predictions, as the loss takes them: scores, probabilities or numbers. At least two examples show more.

    Returns
    -------
    report : see `Report`.

    Raises
    ------
    TypeError : if loss is a class, or has no forward.
    """
    if isinstance(loss, type) or not callable(getattr(loss, "forward", None)):
        got = f"the class {loss.__name__}" if isinstance(loss, type) else f"of type {type(loss).__name__}, without forward"
        raise TypeError(f"check_loss: loss is {got}, expected an object with forward and backward")
    return _LossExamination(loss, np.array(y), np.array(yhat)).report


class _LossExamination:
    def __init__(self, loss: Any, y: np.ndarray, yhat: np.ndarray) -> None:
        self.original, self.y = loss, y
        self.yhat = yhat.astype(np.float64) if yhat.dtype != np.float32 else yhat
        self.single = yhat.dtype == np.float32
        self.name = type(loss).__name__
        self.report = Report(f"{self.name} on y {y.shape} and yhat {yhat.shape}")
        labels = y.dtype.kind in "iu" and y.ndim == yhat.ndim - 1
        in_range = labels and y.size and y.min() >= 0 and y.max() < yhat.shape[-1]
        self.t = np.eye(yhat.shape[-1])[y] if in_range else y.astype(float) if y.dtype.kind in "iufb" else np.zeros(y.shape)
        if self.t.shape != yhat.shape and self.t.size == yhat.size:
            self.t = self.t.reshape(yhat.shape)
        self.labels = labels
        self.losses = np.empty(0)
        with np.errstate(all="ignore"):
            for where, examine in (("forward", self.examine_forward), ("backward", self.examine_backward)):
                try:
                    found = examine()
                except Misbehaviour as problem:
                    hint = {
                        "shape": "the loss of each example, a vector (batch,): sum over the features only, .sum(axis=1)",
                        "not-implemented": f"write {where}(self, y, yhat), and end it with return",
                    }.get(problem.kind, f"the shapes on that line: y is {y.shape}, yhat {yhat.shape}")
                    found = [Finding(problem.kind, f"{self.name}.{where}", problem.message + ".", hint, line=problem.line)]
                for finding in found:
                    finding.where = finding.where or f"{self.name}.{where}"
                self.report.findings += found
                if found:
                    self.report.verdict(where, right=False, remark=found[0].kind)
                if (
                    found
                    and found[0].kind in ("shape", "crash", "not-implemented", "forward", "batch-coupled")
                    and where == "forward"
                ):
                    self.report.verdict("backward", right=None, remark="forward first")
                    break

    def fresh(self) -> Any:
        return copied(self.original)

    def forward(self, yhat: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        try:
            losses = call("forward", self.fresh().forward, (self.y if y is None else y).copy(), yhat.copy())
        except Misbehaviour as problem:
            if not isinstance(problem.__cause__, PredictionError):
                raise
            return np.full(len(yhat), np.nan)  # a step of the finite differences has left the probabilities
        if losses is None:
            raise Misbehaviour("not-implemented", "forward returns None")
        array = np.asarray(losses)
        n = len(self.yhat)
        if array.shape != (n,):
            what = f"{float(array):.6g}, one number for the whole batch" if array.ndim == 0 else f"shape {array.shape}"
            advice = ""
            if array.ndim == 0 and array.dtype.kind == "f":
                per = next((c for c in self.definitions(yhat) if len(c)), None)
                if per is not None:
                    total = float(per.sum())
                    kind = (
                        "the sum"
                        if np.isclose(float(array), total)
                        else "the mean"
                        if np.isclose(float(array), total / n)
                        else ""
                    )
                    advice = f" ({kind} of all losses)" if kind else ""
            raise Misbehaviour(
                "shape",
                f"forward returns {what}{advice}, expected shape ({n},), the loss of each example",
                quote(type(self.original), "forward", r"^return\b"),
            )
        return array.astype(np.float64)

    def definitions(self, yhat: np.ndarray) -> list[np.ndarray]:
        if self.t.shape != yhat.shape:
            return []
        smooth = [float(v) for v in options_of(self.original).values() if isinstance(v, float) and 0 < v < 1]
        targets = [self.t, *((1 - s) * self.t + s / yhat.shape[-1] for s in smooth)]
        return [losses for t in targets for losses in _definitions(self.name, t, yhat.astype(float))]

    def backward(self, yhat: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        if not callable(getattr(self.original, "backward", None)):
            raise Misbehaviour("not-implemented", "there is no backward")
        answer = call("backward", self.fresh().backward, (self.y if y is None else y).copy(), yhat.copy())
        line = quote(type(self.original), "backward", r"^return\b")
        if answer is not None and np.shape(answer) != yhat.shape:
            text = f"backward returns shape {np.shape(answer)}, expected {yhat.shape}, yhat's own"
            raise Misbehaviour("shape", text, line)
        return as_output(answer, "backward", len(yhat))

    def mutated(self, where: str) -> list[Finding]:
        loss, y, yhat = self.fresh(), self.y.copy(), self.yhat.copy()
        call(where, getattr(loss, where), y, yhat)
        for name, now, then in (("y", y, self.y), ("yhat", yhat, self.yhat)):
            if not np.array_equal(now, then, equal_nan=True):
                line = quote(type(self.original), where, rf"\b{name}\b\s*(\[.*\])?\s*[-+*/]?=[^=]", r"[-+*/]=|\]\s*=[^=]")
                return [
                    Finding("mutates", "", f"{where} writes into {name}.", f"work on a copy: {name} = {name}.copy()", line=line)
                ]
        return []

    # --- forward

    def examine_forward(self) -> list[Finding]:
        self.losses = losses = self.forward(self.yhat)
        found = self.mutated("forward")
        if len(losses) > 1:
            other = self.yhat.copy()
            other[1:] = other[1:][::-1] * 0.9 + 0.02
            if not np.isclose(self.forward(other)[0], losses[0], rtol=1e-6, equal_nan=True):
                return [
                    *found,
                    Finding(
                        "batch-coupled",
                        "",
                        "the loss of one example depends on the other examples of the batch.",
                        "sums and means over one example need axis=1; without axis they run over the whole batch",
                        line=quote(type(self.original), "forward", r"sum|mean|max|norm", r"^return"),
                    ),
                ]
        wanted = self.definitions(self.yhat)
        finite = [w for w in wanted if np.isfinite(w).all()]
        tolerance = 1e-4 if self.single else 1e-6
        as_defined = any(np.allclose(losses, w, rtol=tolerance, atol=tolerance) for w in finite)
        if finite and np.isfinite(losses).all() and not as_defined:
            close = min(finite, key=lambda w: float(np.abs(w - losses).sum()))
            factor = float(losses @ close) / (float(close @ close) or 1.0)
            hint = "compute one small example by hand, and compare it with the figures above"
            if np.allclose(losses, factor * close, rtol=1e-5) and factor:
                per = self.yhat[0].size
                name = f"1/{per}, one over the number of features" if np.isclose(factor, 1 / per) else f"{factor:.6g}"
                hint = f"it is {name}, times the definition" + (
                    ": a mean over features, but the contract sums" if np.isclose(factor, 1 / per) else ""
                )
            # A constant inside a logarithm that changes little is no other function.
            if not np.allclose(losses, close, rtol=1e-2, atol=1e-3):
                finding = Finding(
                    "forward",
                    "",
                    f"the loss is not what {self.name} means.",
                    hint,
                    line=quote(type(self.original), "forward", r"^return"),
                )
                vars(finding).update(worst(losses, close, np.abs(losses - close)), truth="the definition gives")
                return [*found, finding]
        found += self.saturation()
        found += [] if found else self.integers("forward", self.forward)
        if not found:
            self.report.verdict("forward", remark="as defined" if finite else "one loss per example")
        return found

    def takes_any_number(self) -> bool:
        """Whether forward is finite for negative numbers: then yhat are no probabilities."""
        try:
            return bool(np.isfinite(self.forward(-np.abs(self.yhat) - 1)).all())
        except Misbehaviour:
            return False

    def extremes(self) -> list[np.ndarray]:
        z = self.yhat
        signs = np.where(np.arange(z.size).reshape(z.shape) % 2, -1.0, 1.0)
        if self.takes_any_number():
            return [(_BIG * signs).astype(z.dtype), (-_BIG * signs).astype(z.dtype)]
        if z.min() < 0 or z.max() > 1:
            return []
        hard = (signs > 0).astype(z.dtype)
        return [hard, 1 - hard]

    def saturation(self) -> list[Finding]:
        for extreme in self.extremes():
            try:
                losses = self.forward(extreme)
            except Misbehaviour:
                continue
            if not np.isfinite(losses).all():
                at = int(np.argmin(np.isfinite(losses)))
                probabilities = abs(extreme).max() <= 1
                text = "probabilities of exactly 0 and 1" if probabilities else f"predictions of size {_BIG:g}"
                hint = (
                    "log(0) is infinite, and 0 * inf is NaN: bound the logarithm, np.maximum(np.log(p), -100), or clip p"
                    if probabilities
                    else "exp of a large number is infinite: subtract the row's maximum before exp, add it back after log"
                )
                return [
                    Finding(
                        "saturates",
                        "",
                        f"forward gives {losses[at]:g} for {text}.",
                        hint,
                        index=(at,),
                        analytic=float(losses[at]),
                        line=quote(type(self.original), "forward", r"log|exp", r"^return"),
                    )
                ]
        return []

    def integers(self, where: str, ask: Callable[..., np.ndarray]) -> list[Finding]:
        """y, or yhat, of whole numbers given as integers must give the same."""
        cases: list[tuple[str, np.ndarray, np.ndarray]] = []
        if self.y.dtype.kind == "f":
            whole = self.y if np.array_equal(self.y, np.round(self.y)) else np.round(self.y * 2)
            cases.append(("y", whole, self.yhat))
        if self.takes_any_number():
            cases.append(("yhat", self.y, np.round(self.yhat * 3)))
        for name, y, yhat in cases:
            try:
                wanted = ask(yhat, y)
            except Misbehaviour:
                continue
            if not np.isfinite(wanted).all():
                continue
            hint = f"np.zeros_like({name}) and {name}.copy() have {name}'s type: start from np.zeros(yhat.shape)"
            line = quote(type(self.original), where, r"zeros_like|copy\(\)|astype|[-+*/]=", r"=")
            try:
                got = ask(yhat.astype(int) if name == "yhat" else yhat, y.astype(int) if name == "y" else y)
            except Misbehaviour as problem:
                if isinstance(self.original, Loss) and any(type(self.original).operations):
                    continue  # the library's refuse what has no meaning for them
                return [
                    Finding("integer-input", "", f"{problem.message}, where {name} holds integers.", hint, line=problem.line)
                ]
            if got.shape != wanted.shape or not np.allclose(got, wanted, rtol=1e-5, atol=1e-6):
                return [
                    Finding(
                        "integer-input",
                        "",
                        f"{where} gives something else if {name} holds the same numbers as integers.",
                        hint,
                        line=line,
                    )
                ]
        return []

    # --- backward

    def question(self, yhat: np.ndarray) -> Question:
        entries = chosen_entries(yhat.size)
        precision = float(np.finfo(np.float32).eps) if self.single else EPS
        found = derivative(lambda z: self.forward(z), yhat.astype(np.float64), entries, precision)
        q = Question(
            f"{self.name}.backward",
            yhat,
            self.losses,
            np.ones(len(yhat)),
            found,
            entries,
            yhat.shape,
            2e-3 if self.single else 1e-6,
        )
        q.line = quote(type(self.original), "backward", r"^return\b")
        return q

    def examine_backward(self) -> list[Finding]:
        got = self.backward(self.yhat)
        found = self.mutated("backward")
        q = self.question(self.yhat)
        q.answer(got)
        if not np.isfinite(q.truth).all():
            self.report.verdict("backward", right=None, remark="forward is not finite near this yhat")
            return found
        if not q.right:
            # A constant against 0 changes little if yhat is not near 0.
            eps = self.eps() if q.error < 0.1 else []
            return [*found, *(eps or [self.guess(q, self.belongs(q))])]
        found += self.eps() or self.saturated_backward() or ([] if found else self.integers("backward", self.backward))
        if not found:
            self.report.verdict("backward", q.error)
        return found

    def belongs(self, q: Question) -> str | None:
        if self.t.shape != self.yhat.shape:
            return None
        with np.errstate(all="ignore"):
            return next((text for text, formula in DERIVATIVES if q.is_like(formula(self.t, self.yhat.astype(float)))), None)

    def guess(self, q: Question, name: str | None) -> Finding:
        n, features = len(self.yhat), self.yhat[0].size
        if not np.isfinite(q.got).all():
            return q.finding(
                "saturates",
                "backward gives NaN or infinity.",
                "a division by zero, or log(0): what does the formula give if yhat or y is 0?",
            )
        if not q.got.any():
            return q.finding(
                "not-implemented", "backward returns only zeros.", "return the derivative of each example's loss by yhat"
            )
        if q.is_like(-q.truth):
            return q.finding(
                "sign",
                "backward has the wrong sign: it is minus the truth.",
                "the derivative is by yhat, the prediction, so of (y - yhat)^2 it is 2 (yhat - y); are y and yhat swapped?",
            )
        power = float(q.truth @ q.truth)
        factor = float(q.got @ q.truth) / power if power else 0.0
        if factor and len(q.truth) > 1 and q.is_like(factor * q.truth):
            names = {
                1 / n: f"1/{n}, one over the size of the batch",
                n: f"{n}, the size of the batch",
                2.0: "2",
                0.5: "1/2",
                1 / features: f"1/{features}, one over the number of features",
                float(features): f"{features}, the number of features",
                1 / (n * features): f"1/{n * features}, one over all numbers of yhat",
            }
            text = next((t for value, t in names.items() if abs(abs(factor) - value) < 1e-4 * value), f"{abs(factor):.6g}")
            minus = "minus " if factor < 0 else ""
            hint = "the constant in front: the derivative of (yhat - y)^2 is 2 (yhat - y)"
            if n > 1 and (abs(abs(factor) - 1 / n) < 1e-6 or abs(abs(factor) - 1 / (n * features)) < 1e-6):
                hint = "a mean over the batch: backward is for each example's own loss; whoever trains divides, once"
            return q.finding("scale", f"backward is right but for a factor: it is {minus}{text}, times the truth.", hint)
        if name is not None:
            return q.finding(
                "other-function",
                f"backward is the derivative of another function: {name}.",
                "forward and backward must belong together: either is right alone; change the one that is not what you want",
            )
        if n > 1:
            other = self.yhat.copy()
            other[1:] = other[1:][::-1] * 0.9 + 0.02
            if not np.allclose(self.backward(other)[0], self.backward(self.yhat)[0], rtol=1e-9, atol=1e-12):
                return q.finding(
                    "batch-coupled",
                    "the derivative of one example's loss depends on the other examples.",
                    "sums over one example need axis=1, keepdims=True",
                )
        for where, text in ((self.t == 0, "it is right where y is 0"), (self.t != 0, "it is right where y is not 0")):
            if where.shape == q.shape and where.any() and not (q.excess[where.ravel()[q.entries]] > 0).any():
                return q.finding(
                    "direction",
                    f"backward differs from the derivative of forward; {text}, wrong elsewhere.",
                    "the term of the formula that belongs to the other entries",
                )
        norms = float(np.linalg.norm(q.got)), float(np.linalg.norm(q.truth))
        cosine = float(q.got @ q.truth) / (norms[0] * norms[1]) if all(norms) else float("nan")
        return q.finding(
            "direction",
            "backward differs from the derivative of forward, in none of the known ways: the cosine between them is "
            f"{cosine:.3g}, the ratio of their lengths {norms[0] / norms[1] if norms[1] else float('inf'):.3g}.",
            "derive the loss of one example by its yhat once more, and compare with the figures above",
        )

    def eps(self) -> list[Finding]:
        """Do forward and backward guard against 0 by the same constant? It shows only at predictions near 0 and 1."""
        z = self.yhat
        if self.single or z.min() < 0 or z.max() > 1 or (not self.labels and self.t.shape != z.shape):
            return []
        if (
            self.takes_any_number()
            and bool(np.isfinite(self.forward(1e3 * (z + 1))).all())
            and bool(np.isfinite(self.forward(-1e3 * (z + 1))).all())
        ):
            return []
        for small in (1e-4, 1e-6, 1e-8, 1e-10, 1e-11):
            p = np.where(self.t > 0.5, small, 0.3 if small > 1e-5 else 0.5)
            try:
                q, got = self._relative(p, small), self.backward(p)
            except Misbehaviour:
                return []
            truth, noise = q
            asked = self.t > 0.5
            with np.errstate(all="ignore"):
                wrong = (
                    asked & (np.abs(got - truth) > 1e-3 * np.abs(truth) + noise) & (np.abs(truth) > noise) & np.isfinite(truth)
                )
            if wrong.any():
                at = tuple(int(i) for i in np.argwhere(wrong)[0])
                if not np.isfinite(got[at]):
                    return []
                lines = [quote(type(self.original), m, r"eps|1e-|clip|maximum", r"^return") for m in ("backward", "forward")]
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
        h = small * 1e-3
        truth = np.zeros(p.shape)
        rows = p.reshape(len(p), -1)
        size = 1.0
        for j in range(rows.shape[1]):

            def at(step: float, j: int = j) -> np.ndarray:
                moved = rows.copy()
                moved[:, j] += step
                return self.forward(moved.reshape(p.shape))

            values = at(h), at(-h), at(2 * h), at(-2 * h)
            size = max(size, *(float(np.abs(v).max()) for v in values))
            truth.reshape(len(p), -1)[:, j] = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * h)
        return truth, 16 * EPS * size / h

    def saturated_backward(self) -> list[Finding]:
        for extreme in self.extremes():
            try:
                if not np.isfinite(self.forward(extreme)).all():
                    continue
                got = self.backward(extreme)
            except Misbehaviour:
                continue
            if not np.isfinite(got).all():
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(got))[0])
                text = "probabilities of exactly 0 and 1" if abs(extreme).max() <= 1 else f"predictions of size {_BIG:g}"
                return [
                    Finding(
                        "saturates",
                        "",
                        f"backward gives {got[at]:g} for {text}, although forward is finite.",
                        "bound the divisor: np.maximum(p * (1 - p), 1e-12); or subtract the row's maximum before exp",
                        index=at,
                        line=quote(type(self.original), "backward", r"/|exp|log", r"^return"),
                    )
                ]
        return []


__all__ = ["DERIVATIVES", "check_loss"]
