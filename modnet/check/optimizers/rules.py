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
NAdam     the same with a m / (1 - a^t) + (1 - a) g / (1 - a^t) for m / (1 - a^t); Dozat has t + 1 below a m
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.numeric import factor_of

Moves = Callable[[np.ndarray, float, float], np.ndarray]


def moved(
    g: np.ndarray,
    first: tuple[float, float] = (0.0, 1.0),
    second: tuple[float, float] = (1.0, 0.0),
    power: float = 0.0,
    by: tuple[float, float] = (0.0, 0.0),
    times: Sequence[float] | None = None,
    kept: bool = False,
    square: bool = True,
) -> np.ndarray:
    """-m over a power of h, with m and h the running sums of gradients and of their squares.

    first, second : what m and h keep of themselves, and what they take of what is new. by : what m and h are corrected by, as
    m / (1 - by^t); 0 if not. times : the values of t, one a step. kept : whether what is corrected is kept. square : whether h
    takes squares.
    """
    m, h, out = np.zeros(g.shape[1]), np.zeros(g.shape[1]), []
    for now, t in zip(g, times or range(1, len(g) + 1), strict=False):
        m, h = first[0] * m + first[1] * now, second[0] * h + second[1] * (now * now if square else now)
        mean, mean_square = m / (1 - by[0] ** t), h / (1 - by[1] ** t)
        out.append(-mean / mean_square**power)
        if kept:
            m, h = mean, mean_square
    return np.array(out)


def nesterov(g: np.ndarray, a: float, b: float, late: bool = False) -> np.ndarray:
    """Nesterov's, in the variables of the point ahead; late: with the velocity of after the step."""
    v, out = np.zeros(g.shape[1]), []
    for now in g:
        after = a * v - now
        out.append(a * a * (after if late else v) - (1 + a) * now)
        v = after
    return np.array(out)


def sgd(g: np.ndarray, a: float, b: float) -> np.ndarray:
    """Against the gradient."""
    return moved(g)


def momentum(g: np.ndarray, a: float, b: float) -> np.ndarray:
    """A velocity that takes the whole gradient."""
    return moved(g, (a, 1))


def adagrad(g: np.ndarray, a: float, b: float, power: float = 0.5, square: bool = True) -> np.ndarray:
    """By the root of the sum of all squares."""
    return moved(g, second=(1, 1), power=power, square=square)


def rmsprop(g: np.ndarray, a: float, b: float, power: float = 0.5, square: bool = True) -> np.ndarray:
    """By the root of an average of the squares."""
    return moved(g, second=(a, 1 - a), power=power, square=square)


def adam(g: np.ndarray, a: float, b: float, power: float = 0.5, **other: Any) -> np.ndarray:
    """An average of the gradients by the root of one of the squares, both corrected for their start at 0."""
    return moved(g, **{"first": (a, 1 - a), "second": (b, 1 - b), "power": power, "by": (a, b), **other})


def nadam(g: np.ndarray, a: float, b: float, power: float = 0.5, further: int = 0, corrected: bool = True) -> np.ndarray:
    """Adam's with what the next average will be, as far as it is known."""
    m, h, out = np.zeros(g.shape[1]), np.zeros(g.shape[1]), []
    for t, now in enumerate(g, 1):
        m, h = a * m + (1 - a) * now, b * h + (1 - b) * now * now
        below, below_g, below_h = (1 - a ** (t + further), 1 - a**t, 1 - b**t) if corrected else (1, 1, 1)
        out.append(-(a * m / below + (1 - a) * now / below_g) / (h / below_h) ** power)
    return np.array(out)


#: By family, what is right in some course or book, in words.
RIGHT: dict[str, list[tuple[str, Moves]]] = {
    "sgd": [("w - rate g", sgd)],
    "momentum": [
        ("v = a v - rate g, w + v", momentum),
        ("v the average a v + (1 - a) g, w - rate v", lambda g, a, b: moved(g, (a, 1 - a))),
        ("Nesterov's, which is a momentum that looks ahead", nesterov),
    ],
    "nesterov": [("Nesterov's", nesterov)],
    "adagrad": [("AdaGrad's", adagrad)],
    "rmsprop": [("RMSProp's", rmsprop)],
    "adam": [("Adam's", adam)],
    "nadam": [("NAdam's", nadam), ("NAdam's, with the next step's correction", partial(nadam, further=1))],
}


class Mistake(NamedTuple):
    """A rule with a mistake in it: its kind, what is wrong, what it should be."""

    kind: str
    message: str
    hint: str
    moves: Moves


_VELOCITY = "v = a v - rate g; w = w + v"
_AHEAD = "w += a * a * v; w -= (1 + a) * rate * g; and only then v = a v - rate g"
_ROOT = "rate * g / (np.sqrt(h) + eps)"
_ADAM_ROOT = "rate * m_hat / (np.sqrt(v_hat) + eps)"
_ADAM = "m_hat = m / (1 - beta1**t), v_hat = v / (1 - beta2**t), with t = 1 in the first step"
_NADAM = "(beta1 * m_hat + (1 - beta1) * g / (1 - beta1**t)) in the place of m_hat"
_V = "v = beta2 v + (1 - beta2) g * g"
_SHARE = "m = beta1 m + (1 - beta1) g"
_SQUARES = "RMSProp's h is an average: h = a h + (1 - a) g * g"
_SQUARE = "h = a h + (1 - a) g * g"
_COUNTED, _NOT_TWICE = "t += 1 once a step, in self, not in a local name", "m_hat is a name of its own"
_EARLY = "the velocity is changed before it is used, as a book's early edition has it; a * a * v wants the old one."
_FROM_0 = "m and v are not corrected: they start at 0, so the first steps have another size."
_TWICE = "t begins with 2: it is counted up twice before the first step."
_CORRECTED = "what is corrected is kept, and corrected again in the next step."
_NONE_FORGOTTEN = "all squares are summed, and none is forgotten: it is AdaGrad."

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
            lambda g, a, b: moved(g, (1 - a, a)),
        ),
    ],
    "nesterov": [
        Mistake("option-ignored", "it is plain momentum: nothing looks ahead.", _AHEAD, momentum),
        Mistake("updates-first", _EARLY, _AHEAD, partial(nesterov, late=True)),
    ],
    "adagrad": [
        Mistake("missing-root", "it divides by the sum of squares, without its root.", _ROOT, partial(adagrad, power=1)),
        Mistake("missing-square", "it sums the gradients, not their squares.", "h += g * g", partial(adagrad, square=False)),
        Mistake("option-ignored", "it is plain SGD.", _ROOT, sgd),
    ],
    "rmsprop": [
        Mistake("missing-root", "it divides by the average of squares, without its root.", _ROOT, partial(rmsprop, power=1)),
        Mistake("missing-square", "it averages the gradients, not their squares.", _SQUARE, partial(rmsprop, square=False)),
        Mistake(
            "scale", "what is new is added whole: (1 - a) is missing.", _SQUARES,
            lambda g, a, b: moved(g, second=(a, 1), power=0.5),
        ),
        Mistake("swapped", "a and 1 - a have changed places.", _SQUARES, lambda g, a, b: rmsprop(g, 1 - a, b)),
        Mistake("option-ignored", _NONE_FORGOTTEN, _SQUARES, adagrad),
    ],
    "adam": [
        Mistake("bias-correction", _FROM_0, _ADAM, partial(adam, by=(0, 0))),
        Mistake("bias-correction", "v is not corrected.", _ADAM, lambda g, a, b: adam(g, a, b, by=(a, 0))),
        Mistake("bias-correction", "m is not corrected.", _ADAM, lambda g, a, b: adam(g, a, b, by=(0, b))),
        Mistake(
            "bias-correction", "t stays 1: it is never counted up.", _COUNTED,
            lambda g, a, b: adam(g, a, b, times=[1] * len(g)),
        ),
        Mistake("bias-correction", _TWICE, _ADAM, lambda g, a, b: adam(g, a, b, times=range(2, len(g) + 2))),
        Mistake("bias-correction", _CORRECTED, _NOT_TWICE, partial(adam, kept=True)),
        Mistake(
            "swapped", "beta1 and beta2 have changed places.", "beta1 belongs to m, beta2 to v",
            lambda g, a, b: adam(g, b, a),
        ),
        Mistake("swapped", "beta and 1 - beta have changed places.", _SHARE, lambda g, a, b: adam(g, 1 - a, 1 - b, by=(a, b))),
        Mistake("missing-root", "it divides by v, without its root.", _ADAM_ROOT, partial(adam, power=1)),
        Mistake("missing-square", "v averages the gradients, not their squares.", _V, partial(adam, square=False)),
        Mistake(
            "scale", "what is new is added whole: (1 - beta) is missing.", _SHARE,
            lambda g, a, b: adam(g, a, b, first=(a, 1), second=(b, 1)),
        ),
        Mistake("option-ignored", "it is plain SGD.", _ADAM_ROOT, sgd),
    ],
    "nadam": [
        Mistake("option-ignored", "it is plain Adam: nothing looks ahead.", _NADAM, adam),
        Mistake("bias-correction", _FROM_0, _ADAM, partial(nadam, corrected=False)),
        Mistake("missing-root", "it divides by v, without its root.", _ADAM_ROOT, partial(nadam, power=1)),
        Mistake("option-ignored", "it is plain SGD.", _ADAM_ROOT, sgd),
    ],
}  # fmt: skip


def _forgetful(moves: Moves) -> Moves:
    return lambda g, a, b: np.concatenate([moves(row[None], a, b) for row in g])


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
    right: list[tuple[str, Mistake | None, Moves]] = [(label, None, rule) for label, rule in RIGHT[family]]
    for rules in (right, [("", mistake, mistake.moves) for mistake in MISTAKES[family]]):
        for a, b in values:
            with np.errstate(all="ignore"):
                rates = [(label, mistake, _rate(rule(g, a, b), moves)) for label, mistake, rule in rules]
            fits = [Fit(rate, label, mistake, a, b) for label, mistake, rate in rates if rate is not None]
            if fits:
                return min(fits, key=lambda fit: 0.0 if wanted is None else abs(fit.rate - wanted))
    return None


def _rate(wanted: np.ndarray, moves: np.ndarray) -> float | None:
    """The factor between two series of moves, NaN where NaN is; None if there is none."""
    finite = np.logical_and.accumulate(np.isfinite(wanted), axis=0)  # what is NaN once stays so
    if not finite.any() or not np.array_equal(finite, np.isfinite(moves)):
        return None
    w, m = wanted[finite], moves[finite]
    factor = factor_of(m, w)
    return factor if factor and np.abs(m - factor * w).max() <= 2e-5 * np.abs(m).max() else None
