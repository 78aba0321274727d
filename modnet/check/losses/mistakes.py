"""What a wrong derivative of a loss is: what it leaves out, which other derivative it is, constants against 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from modnet.check.asking.calls import Misbehaviour
from modnet.check.asking.numeric import derivative
from modnet.check.asking.question import Question
from modnet.check.mistakes.guesses import Hypotheses, Hypothesis, factor_name, lost, scale, scaled, signs
from modnet.check.reading.definitions import FUNCTIONS
from modnet.check.reading.vocabulary import DELTA, FORWARD
from modnet.check.report import Finding
from modnet.check.styles.loss_calls import Calling

if TYPE_CHECKING:
    from modnet.check.losses.subject import LossSubject

softmax, _sigmoid = FUNCTIONS["softmax"], FUNCTIONS["sigmoid"]
Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: The derivatives a loss may have by mistake: what it belongs to, and the formula (t is y, one-hot for labels; z is yhat).
DERIVATIVES: tuple[tuple[str, Formula], ...] = (
    ("the squared error, 2 (yhat - y)", lambda t, z: 2 * (z - t)),
    ("softmax and cross-entropy in one, softmax(yhat) - y: its forward takes scores", lambda t, z: softmax(z) - t),
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
    ("none: y softmax(yhat) - y, the softmax multiplied by y; without it, softmax(yhat) - y", lambda t, z: t * softmax(z) - t),
    (
        "none: (s - y) s (1 - s), with s = softmax(yhat) and its slope once too often; it is s - y",
        lambda t, z: (softmax(z) - t) * softmax(z) * (1 - softmax(z)),
    ),
    ("none: s (1 - s) - y, with s = softmax(yhat); it is s - y", lambda t, z: softmax(z) * (1 - softmax(z)) - t),
    ("none: yhat - y + softmax(yhat), with yhat once too often; softmax(yhat) - y", lambda t, z: z - t + softmax(z)),
    ("none: -y (1 - yhat) - (1 - y) yhat; the second term has the other sign", lambda t, z: -t * (1 - z) - (1 - t) * z),
)


def left_out(subject: LossSubject, q: Question, calling: Calling) -> list[Finding]:
    """A mask, or weights, that forward takes and backward leaves out."""
    for name, given in calling.more.items():
        plain = replace(calling, more={**calling.more, name: np.ones_like(given, dtype=float)})
        twin = type(subject)(subject.original, subject.y, subject.x, plain)
        if q.factor(twin.differences(q.x, q.entries)) is not None:
            text = f"{subject.names[DELTA]} leaves {name} out: it is the derivative of the loss without."
            return [q.finding("missing-factor", text, f"what forward multiplies by {name}, backward multiplies by it too")]
    return []


def mixed_up(subject: LossSubject, q: Question) -> Hypotheses:
    """What a derivative may be by mistake, the surest sign first."""
    name, t, z = subject.names[DELTA], subject.t, subject.x.astype(float)
    swapped = "the derivative is by yhat, the prediction, so of (y - yhat)^2 it is 2 (yhat - y); are y and yhat swapped?"
    hint = "return the derivative of each example's loss by yhat"
    yield from lost(q, name, hint, r"np\.(full|array|zeros|ones)\w*\(|int")
    yield Hypothesis("sign", f"{name} has the wrong sign: it is minus the truth.", swapped, -q.truth)
    yield from scaled(subject, q, name)
    yield from signs(q, name)
    if t.shape == z.shape:
        with np.errstate(all="ignore"):
            for text, formula in DERIVATIVES:
                for share in subject.means:
                    yield Hypothesis(
                        "other-function",
                        f"{name} is the derivative of another function: {_in_words(subject, text, q)}.",
                        "forward and backward must belong together: either is right alone; change the one that is not "
                        "what you want",
                        share * formula(t, z),
                    )
    if len(z) > 1:
        other = z.copy()
        other[1:] = other[1:][::-1] * 0.9 + 0.02
        if not np.allclose(subject.delta(other, q.delta)[0], subject.delta(z, q.delta)[0], rtol=1e-9, atol=1e-12):
            yield Hypothesis(
                "batch-coupled",
                "the derivative of one example's loss depends on the other examples.",
                "sums over one example need axis=1, keepdims=True",
            )

    if z.shape == t.shape:
        yield from _of_a_part(subject, q)


def _of_a_part(subject: LossSubject, q: Question) -> Hypotheses:
    """A factor of the part that y is in, or of the other part alone: p - y / n, or p + y."""
    held, t, name = subject.y, subject.t, subject.names[DELTA]
    classes = bool(np.isin(t, (0, 1)).all() and (t.sum(axis=-1) == 1).all())
    labels = held.shape != t.shape
    try:
        subject.y = (held + 1) % t.shape[-1] if labels else np.roll(held, 1, axis=-1) if classes else np.zeros_like(held)
        without = subject.differences(q.x, q.entries)
    except Misbehaviour:
        return
    finally:
        subject.y = held
    without = np.where(classes & (t.ravel()[q.entries] == 0), q.truth, without)
    parts = np.stack([without, q.truth - without], axis=1)
    if not np.isfinite(parts).all() or not np.isfinite(q.got).all() or np.linalg.matrix_rank(parts) < 2:
        return
    other, own = np.linalg.lstsq(parts, q.got, rcond=None)[0]
    values = parts @ (other, own)
    for common, beside, text in ((other, own, "that y is in"), (own, other, "that y is not in")):
        factor = beside / common if common else 0.0
        names = [1.0 if abs(f - 1) < 1e-4 else factor_name(subject, q, f) for f in (common, factor)]
        if all(names) and abs(factor - 1) > 1e-4 and q.is_like(values):
            found = scale(q, f"the part of {name} {text}", factor, str(names[1]))
            yield Hypothesis(found.kind, found.message, found.hint, values / common)


def _in_words(subject: LossSubject, text: str, q: Question) -> str:
    """What another function is, seen from this forward."""
    wanted = (softmax(subject.x.astype(float)) - subject.t).ravel()[q.entries]
    part = float(q.truth @ wanted) / float(wanted @ wanted)
    if text.endswith(", too: yhat - y") and np.allclose(q.truth, part * wanted, rtol=1e-4, atol=1e-6):
        return "1/2 (yhat - y)^2, yhat - y; forward takes scores, so it is softmax(yhat) - y"
    return text


def constants(subject: LossSubject) -> list[Finding]:
    """Do forward and backward guard against 0 by the same constant? It shows only at predictions near 0 and 1."""
    z, t = subject.x, subject.t
    if z.dtype == np.float32 or z.min() < 0 or z.max() > 1 or t.shape != z.shape or subject.out.shape not in ((len(z),), (1,)):
        return []
    if (
        subject.takes_any_number()
        and bool(np.isfinite(subject.forward(1e3 * (z + 1))).all())
        and bool(np.isfinite(subject.forward(-1e3 * (z + 1))).all())
    ):
        return []
    right_ones = np.flatnonzero(t > 0.5)
    for small in (1.7e-4, 1.7e-6, 1.7e-8, 1.7e-10, 1.7e-11):  # none where somebody clips
        p = np.where(t > 0.5, small, 0.3 if small > 1e-5 else 0.5)
        try:  # in units of `small`, so that a step is small beside it
            found = derivative(partial(_in_units, subject, small), p / small, right_ones)
            got = subject.delta(p, np.ones(len(p))).ravel()[right_ones]
        except Misbehaviour:
            return []
        truth, noise = found.value.sum(axis=1) / small, (found.high - found.low).sum(axis=1) / small
        with np.errstate(all="ignore"):
            wrong = (np.abs(got - truth) > 1e-3 * np.abs(truth) + noise) & (np.abs(truth) > noise) & np.isfinite(truth)
        if wrong.any():
            i = int(np.argmax(wrong))
            if not np.isfinite(got[i]):
                return []
            lines = [subject.quote(m, r"eps|1e-|clip|maximum", r"^return") for m in (DELTA, FORWARD)]
            text = f"forward and backward use different constants against 0: they disagree if yhat is {small:g}."
            hint = "log(yhat + eps) in forward goes with 1 / (yhat + eps) in backward, with the same eps; or clip in both"
            at = tuple(int(place) for place in np.unravel_index(right_ones[i], p.shape))
            figures = float(abs(got[i] - truth[i]) / abs(truth[i])), at, float(got[i]), float(truth[i])
            return [Finding("eps", "", text, hint, *figures, line=lines[0] or lines[1])]
    return []


def _in_units(subject: LossSubject, unit: float, x: np.ndarray) -> np.ndarray:
    """The losses of predictions that are given in this unit."""
    return subject.forward(x * unit).ravel()
