"""Mistakes inside the derivative of an elementwise function: a sign, a term or a factor, wherever in the formula it is.

The derivative f'(x) is written as a sum of a few terms such as 1, f(x), f(x)^2, x or exp(-x): 1 - f^2 is that of tanh, f - f^2
of a sigmoid, and its reciprocal 1 + x^2 that of arctan. If what came back is the same sum with other signs, a sign is wrong; if
terms are absent, they were left out. Nothing is known of single functions: which terms they are is found by least squares.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import combinations, product

import numpy as np

#: The terms of which derivatives are made, with their names; x the input, y = f(x).
_TERMS = {
    "1": lambda x, y: np.ones_like(x),
    "f(x)": lambda x, y: y,
    "f(x)^2": lambda x, y: y * y,
    "x": lambda x, y: x,
    "x^2": lambda x, y: x * x,
    "x f(x)": lambda x, y: x * y,
    "f(x) / x": lambda x, y: y / x,
    "f(x)^2 / x": lambda x, y: y * y / x,
    "exp(x)": lambda x, y: np.exp(x),
    "exp(-x)": lambda x, y: np.exp(-x),
    "exp(2x)": lambda x, y: np.exp(2 * x),
    "exp(-2x)": lambda x, y: np.exp(-2 * x),
    "exp(-f(x))": lambda x, y: np.exp(-y),
    "exp(-x^2/2)": lambda x, y: np.exp(-x * x / 2),
    "x exp(-x^2/2)": lambda x, y: x * np.exp(-x * x / 2),
}
Sums = list[tuple[tuple[int, ...], np.ndarray]]
_LARGEST = 3  # terms of a sum
_TOLERANCE = 1e-6
_FEWEST = 5  # points: more than terms, so that no sum fits by chance


class Derivatives:
    """The derivatives of an elementwise function at some places, to compare with what came back."""

    def __init__(self, x: np.ndarray, y: np.ndarray, truth: np.ndarray) -> None:
        self.x, self.y, self.truth = x, y, truth
        with np.errstate(all="ignore"):
            self.names, self.values = _finite(np.stack([term(x, y) for term in _TERMS.values()], axis=1))
            self.below = 1 / truth

    @cached_property
    def sums(self) -> list[Sums]:
        """The sums of terms that give the derivative, and its reciprocal."""
        wanted = (self.truth, self.below)
        return [list(_sums(self.values, w, _LARGEST)) if np.isfinite(w).all() else [] for w in wanted]

    @cached_property
    def sides(self) -> dict[str, tuple[np.ndarray, Derivatives]]:
        """The same on each side of 0."""
        both = (("positive", self.x > 0), ("negative", self.x < 0))
        return {text: (at, Derivatives(self.x[at], self.y[at], self.truth[at])) for text, at in both if at.any()}

    def inside(self, got: np.ndarray) -> tuple[str, str] | None:
        """The kind of a mistake inside the derivative, and what it is in words; None if it is no such mistake.

        For all inputs, or on each side of 0 by itself.
        """
        if (found := self._difference(got)) is not None:
            return found
        wrong = ~np.isclose(got, self.truth, rtol=1e-5, atol=1e-8)
        sides = {text: on_side._difference(got[at]) for text, (at, on_side) in self.sides.items() if wrong[at].any()}
        if not sides or None in sides.values() or wrong[self.x == 0].any():
            return None
        first = next(f for f in sides.values() if f is not None)
        return first[0], first[1] + (f" for {next(iter(sides))} inputs" if len(sides) == 1 else "")

    def _difference(self, got: np.ndarray) -> tuple[str, str] | None:
        """What tells this derivative from what came back."""
        names, values, x, y, truth = self.names, self.values, self.x, self.y, self.truth
        if len(x) < _FEWEST or np.ptp(truth) < 1e-9:
            return None  # of a constant a factor says all
        with np.errstate(all="ignore"):
            given_below, ratio = 1 / got, got / truth
        for below, given in enumerate((got, given_below)):
            if np.isfinite(given).all():
                signs = _signs(values, self.sums[below], given)
                found = min(signs, key=lambda pair: (0 in pair[1], pair[1].count(-1)), default=None)
                if found is not None and not (below and 0 in found[1]):
                    out, turned = ([names[i] for i, sign in zip(*found, strict=True) if sign == s] for s in (0, -1))
                    said = [f"what is in {' and '.join(out)} is left out"] * bool(out)
                    said += [f"the sign of {' and '.join(turned)}{' below the fraction line' * below} is wrong"] * bool(turned)
                    return "missing-factor" if out else "sign", ", and ".join(said)
        if "f(x)" in names and _same(ratio, y):
            return "missing-factor", "the factor f(x) is there once too often"
        if (power := _power(names, values, self.sums[0], x, y, truth, got)) is not None:
            return "missing-factor", power
        for name, column in zip(names, values.T, strict=True):
            if name != "1" and _same(ratio * column, np.ones_like(ratio)):
                turned_exponent = "exp" in name
                text = "the sign of an exponent is wrong" if turned_exponent else f"the factor {name} is left out"
                return "sign" if turned_exponent else "missing-factor", text
        return None


def _power(
    names: list[str], values: np.ndarray, sums: Sums, x: np.ndarray, y: np.ndarray, truth: np.ndarray, got: np.ndarray
) -> str | None:
    """A power that is another in one derivative than in the other, such as f(x) where f(x)^2 belongs."""
    if _same(truth, 1 - y * y) and _same(got, (1 - y) ** 2):
        return "(1 - f(x))^2 stands where 1 - f(x)^2 belongs"
    for chosen, own in (each for each in sums if len(each[0]) < _LARGEST):
        for factor, column in zip(own, chosen, strict=True):
            rest = got - values[:, chosen] @ own + values[:, column] * factor
            for (base, numbers), power in product((("f(x)", y), ("x", x)), (1, 2, 3)):
                text, meant = base if power == 1 else f"{base}^{power}", names[column]
                if meant.startswith(base) and text != meant and _same(rest, numbers**power * factor):
                    return f"{text} stands where {meant} belongs"
    return None


def _finite(values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The terms that are finite at all points, and no constants but 1."""
    kept = [i for i, v in enumerate(values.T) if np.isfinite(v).all() and (i == 0 or np.ptp(v) > 1e-9)]
    return [list(_TERMS)[i] for i in kept], values[:, kept]


def _signs(values: np.ndarray, sums: Sums, given: np.ndarray) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """By what the terms of each sum are multiplied in what is given: 1, -1 or 0."""
    for chosen, own in sums:
        other = np.linalg.lstsq(values[:, chosen], given, rcond=1e-9)[0]
        signs = tuple(int(s) for s in np.round(other / own))
        fits = np.abs(other / own - signs).max() < 1e-4 and _same(values[:, chosen] @ other, given)
        if fits and set(signs) <= {1, -1, 0} and signs.count(1) < len(chosen) and any(signs):
            yield chosen, signs


def _sums(values: np.ndarray, wanted: np.ndarray, most: int) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """The sums of at most so many terms that give what is wanted: which terms, and how often each is taken."""
    for count in range(1, most + 1):
        for chosen in combinations(range(values.shape[1]), count):
            terms = values[:, chosen]
            own, _, rank, _ = np.linalg.lstsq(terms, wanted, rcond=1e-9)
            if rank == count and _same(terms @ own, wanted) and np.abs(own).min() >= 1e-4:
                yield chosen, own


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() <= _TOLERANCE * np.abs(b).max())
