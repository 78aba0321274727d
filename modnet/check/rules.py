"""The rules of optimizers, as displacements for a rate of 1, and the mistakes that are made in them.

g (steps, numbers) are the gradients of one parameter, step by step. What comes back are the displacements, (steps, numbers),
for a rate of 1, since all of these rules are proportional to it. Gradients are of size 1, so it is the same here whether
a guard against a division by 0 is added under the root or outside.

SGD       -g
momentum  v = a v - g, moved by v; or the average v = a v + (1 - a) g, moved by -v
Nesterov  v as before, moved by a a v(before) - (1 + a) g
AdaGrad   h = h + g g, moved by -g / sqrt(h)
RMSProp   h = a h + (1 - a) g g, moved by -g / sqrt(h)
Adam      m = a m + (1 - a) g, v = b v + (1 - b) g g, moved by -m / (1 - a^t) / sqrt(v / (1 - b^t)), t from 1
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

Moves = Callable[[np.ndarray, float, float], np.ndarray]


def sgd(g: np.ndarray, a: float, b: float) -> np.ndarray:
    """Against the gradient."""
    return -g


def momentum(g: np.ndarray, a: float, b: float, taken: float = 1.0) -> np.ndarray:
    """A velocity that keeps a of itself, and takes so much of the gradient."""
    v, out = np.zeros(g.shape[1]), []
    for now in g:
        v = a * v - taken * now
        out.append(v)
    return np.array(out)


def average(g: np.ndarray, a: float, b: float) -> np.ndarray:
    """A velocity that is an average of the gradients."""
    return momentum(g, a, b, 1 - a)


def nesterov(g: np.ndarray, a: float, b: float, late: bool = False) -> np.ndarray:
    """Nesterov's, in the variables of the point ahead; late: with the velocity of after the step."""
    v, out = np.zeros(g.shape[1]), []
    for now in g:
        after = a * v - now
        out.append(a * a * (after if late else v) - (1 + a) * now)
        v = after
    return np.array(out)


def _squares(g: np.ndarray, keep: float, take: float, power: float = 0.5, square: bool = True) -> np.ndarray:
    """-g over a power of a running sum of squares."""
    h, out = np.zeros(g.shape[1]), []
    for now in g:
        h = keep * h + take * (now * now if square else now)
        out.append(-now / h**power)
    return np.array(out)


def adagrad(g: np.ndarray, a: float, b: float) -> np.ndarray:
    """By the root of the sum of all squares."""
    return _squares(g, 1, 1)


def rmsprop(g: np.ndarray, a: float, b: float) -> np.ndarray:
    """By the root of an average of the squares."""
    return _squares(g, a, 1 - a)


def adam(
    g: np.ndarray,
    a: float,
    b: float,
    times: Sequence[float] | None = None,
    correct: tuple[bool, bool] = (True, True),
    power: float = 0.5,
    take: tuple[float, float] | None = None,
    kept: bool = False,
    by: tuple[float, float] | None = None,
) -> np.ndarray:
    """Adam's; times are the values of t, one a step.

    correct : whether m and v are corrected. take : what m and v take of what is new. kept : whether what is corrected is kept.
    by : what is corrected by, if not by a and b.
    """
    (ones, more), (c, d) = take or (1 - a, 1 - b), by or (a, b)
    m, v, out = np.zeros(g.shape[1]), np.zeros(g.shape[1]), []
    for now, t in zip(g, times or range(1, len(g) + 1), strict=False):
        m, v = a * m + ones * now, b * v + more * now * now
        first, second = m / (1 - c**t) if correct[0] else m, v / (1 - d**t) if correct[1] else v
        out.append(-first / second**power)
        if kept:
            m, v = first, second
    return np.array(out)


#: By family, what is right in some course or book, in words.
RIGHT: dict[str, list[tuple[str, Moves]]] = {
    "sgd": [("w - rate g", sgd)],
    "momentum": [("v = a v - rate g, w + v", momentum), ("v the average a v + (1 - a) g, w - rate v", average)],
    "nesterov": [("Nesterov's", nesterov)],
    "adagrad": [("AdaGrad's", adagrad)],
    "rmsprop": [("RMSProp's", rmsprop)],
    "adam": [("Adam's", adam)],
}


class Mistake(NamedTuple):
    """A rule with a mistake in it: its kind, what is wrong, what it should be."""

    kind: str
    message: str
    hint: str
    moves: Moves


def _forgetful(moves: Moves) -> Moves:
    return lambda g, a, b: np.concatenate([moves(row[None], a, b) for row in g])


_VELOCITY = "v = a v - rate g; w = w + v"
_AHEAD = "w += a * a * v; w -= (1 + a) * rate * g; and only then v = a v - rate g"
_ROOT = "rate * g / (np.sqrt(h) + eps)"
_ADAM_ROOT = "rate * m_hat / (np.sqrt(v_hat) + eps)"
_ADAM = "m_hat = m / (1 - beta1**t), v_hat = v / (1 - beta2**t), with t = 1 in the first step"
_SHARE = "m = beta1 m + (1 - beta1) g"
_SQUARES = "RMSProp's h is an average: h = a h + (1 - a) g * g"
_SQUARE = "h = a h + (1 - a) g * g"
_COUNTED, _NOT_TWICE = "t += 1 once a step, in self, not in a local name", "m_hat is a name of its own"
_EARLY = "the velocity is changed before it is used, as a book's early edition has it; a * a * v wants the old one."
_FROM_0 = "m and v are not corrected: they start at 0, so the first steps have another size."
_NONE_FORGOTTEN = "all squares are summed, and none is forgotten: it is AdaGrad."


def _averaged(power: float = 0.5, square: bool = True, take: float | None = None) -> Moves:
    return lambda g, a, b: _squares(g, a, 1 - a if take is None else take, power, square)


#: By family, rules with a mistake: its kind, what is wrong, what it should be, and how it moves.
MISTAKES: dict[str, list[Mistake]] = {
    "sgd": [],
    "momentum": [
        Mistake("option-ignored", "the velocity has no effect: it is plain SGD.", _VELOCITY, sgd),
        Mistake(
            "sign", "the velocity is taken against itself: v = -a v - rate g.", "v = a v - rate g",
            lambda g, a, b: momentum(g, -a, b),
        ),
        Mistake(
            "swapped", "the velocity keeps 1 - a of itself, and takes a of the gradient.", "v = a v + (1 - a) g",
            lambda g, a, b: momentum(g, 1 - a, b, a),
        ),
    ],
    "nesterov": [
        Mistake("option-ignored", "it is plain momentum: nothing looks ahead.", _AHEAD, momentum),
        Mistake("updates-first", _EARLY, _AHEAD, partial(nesterov, late=True)),
    ],
    "adagrad": [
        Mistake(
            "missing-root", "it divides by the sum of squares, without its root.", _ROOT,
            lambda g, a, b: _squares(g, 1, 1, 1.0),
        ),
        Mistake(
            "missing-square", "it sums the gradients, not their squares.", "h += g * g",
            lambda g, a, b: _squares(g, 1, 1, square=False),
        ),
        Mistake("option-ignored", "it is plain SGD.", _ROOT, sgd),
    ],
    "rmsprop": [
        Mistake("missing-root", "it divides by the average of squares, without its root.", _ROOT, _averaged(power=1.0)),
        Mistake("missing-square", "it averages the gradients, not their squares.", _SQUARE, _averaged(square=False)),
        Mistake("scale", "what is new is added whole: (1 - a) is missing.", _SQUARES, _averaged(take=1)),
        Mistake("swapped", "a and 1 - a have changed places.", _SQUARES, lambda g, a, b: _squares(g, 1 - a, a)),
        Mistake("option-ignored", _NONE_FORGOTTEN, _SQUARES, adagrad),
    ],
    "adam": [
        Mistake("bias-correction", _FROM_0, _ADAM, partial(adam, correct=(False, False))),
        Mistake("bias-correction", "v is not corrected.", _ADAM, partial(adam, correct=(True, False))),
        Mistake("bias-correction", "m is not corrected.", _ADAM, partial(adam, correct=(False, True))),
        Mistake(
            "bias-correction", "t stays 1: it is never counted up.", _COUNTED,
            lambda g, a, b: adam(g, a, b, times=[1] * len(g)),
        ),
        Mistake(
            "bias-correction", "t begins with 2: it is counted up twice before the first step.", _ADAM,
            lambda g, a, b: adam(g, a, b, times=range(2, len(g) + 2)),
        ),
        Mistake(
            "bias-correction", "what is corrected is kept, and corrected again in the next step.", _NOT_TWICE,
            partial(adam, kept=True),
        ),
        Mistake(
            "swapped", "beta1 and beta2 have changed places.", "beta1 belongs to m, beta2 to v",
            lambda g, a, b: adam(g, b, a),
        ),
        Mistake(
            "swapped", "beta and 1 - beta have changed places.", _SHARE,
            lambda g, a, b: adam(g, 1 - a, 1 - b, by=(a, b)),
        ),
        Mistake("missing-root", "it divides by v, without its root.", _ADAM_ROOT, partial(adam, power=1.0)),
        Mistake("scale", "what is new is added whole: (1 - beta) is missing.", _SHARE, partial(adam, take=(1, 1))),
        Mistake("option-ignored", "it is plain SGD.", _ADAM_ROOT, sgd),
    ],
}  # fmt: skip
for _family, _rules in RIGHT.items():
    if _family != "sgd":
        _text = "what it keeps does not last: each step is like the first."
        MISTAKES[_family].insert(
            0, Mistake("state-lost", _text, "set it to zero once, before the first step", _forgetful(_rules[0][1]))
        )


class Fit(NamedTuple):
    """A rule that gives the moves seen, times a rate."""

    rate: float
    label: str
    mistake: Mistake | None
    a: float
    b: float


def fitting(
    family: str, g: np.ndarray, moves: np.ndarray, values: Sequence[tuple[float, float]], wanted: float | None = None
) -> Fit | None:
    """The rule of a family that moves like this, right ones first; with the first of the values of a and b that fits.

    Of two rules that differ by a factor, it is the one with the wanted rate.
    """
    for a, b in values:
        fits = [
            Fit(rate, label, None, a, b) for label, rule in RIGHT[family] if (rate := _rate(rule(g, a, b), moves)) is not None
        ]
        if fits:
            return min(fits, key=lambda fit: 0.0 if wanted is None else abs(fit.rate - wanted))
    for a, b in values:
        with np.errstate(all="ignore"):
            rates = [(mistake, _rate(mistake.moves(g, a, b), moves)) for mistake in MISTAKES[family]]
        fits = [Fit(rate, "", mistake, a, b) for mistake, rate in rates if rate is not None]
        if fits:
            return min(fits, key=lambda fit: 0.0 if wanted is None else abs(fit.rate - wanted))
    return None


def _rate(wanted: np.ndarray, moves: np.ndarray) -> float | None:
    """The factor between two series of moves, NaN where NaN is; None if there is none."""
    finite = np.isfinite(wanted)
    if not finite.any() or not np.array_equal(finite, np.isfinite(moves)):
        return None
    w, m = wanted[finite], moves[finite]
    power = float(w @ w)
    factor = float(m @ w) / power if power else 0.0
    return factor if factor and np.abs(m - factor * w).max() <= 2e-5 * np.abs(m).max() else None
