"""Normalisations, whose mean, variance or norm depends on the input too.

Numbers that are normalised together are a group. Let u be a group less its mean, n its size, and P = I - 1 1^T / n - u u^T /
(u^T u), which takes from a vector its mean and its part along u. The derivative of (x - mean) / deviation * gamma + beta is P
times a factor for each number, gamma over deviation. Without a mean, as of x / norm, u is x and P = I - u u^T / (u^T u). So a
vector that P leaves alone shows the factors, whoever wrote forward; and what backward gives if it takes a statistic for a
constant is the factors times delta, without that statistic's part of P. The Jacobian says which numbers are a group.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modnet.check.asking.question import Question

_WITH_MEAN = (
    "three terms, for x, the mean and the variance: (e - e.mean() - xhat * (e * xhat).mean()) / s with e = d * g, each mean "
    "over what forward takes it over"
)
_OF_NORM = "(d - h * (h * d).sum()) / r, with h = x / r; .mean() in place of .sum() where r is the root of a mean"


def of_statistics(q: Question) -> Iterator[tuple[str, str, str, np.ndarray]]:
    """Kind, words, hint and slopes of what is done wrong with statistics; nothing if there are none.

    q : asked about every number of an input (batch, ...) whose output has its shape.
    """
    x, jacobian, rng = q.x.ravel().astype(np.float64), q.jacobian, np.random.default_rng(3)
    coupled = np.abs(jacobian) > 1e-7 * np.abs(jacobian).max(initial=0.0)
    group = np.argmax(coupled | coupled.T | np.eye(x.size, dtype=bool), axis=1)  # by the first number that each meets
    sizes = np.bincount(group)[group]
    example = np.repeat(np.arange(len(q.x)), x.size // len(q.x))
    place = "within an example" if (example[group] == example).all() else "over the batch"

    def total(v: np.ndarray) -> np.ndarray:
        """For each number the sum over its group."""
        return np.bincount(group, v)[group]

    def without_mean(v: np.ndarray) -> np.ndarray:
        return v - total(v) / sizes

    def without(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return v - u * total(u * v) / total(u * u)

    for of_mean in (True, False):
        u = without_mean(x) if of_mean else x
        if sizes.min() < 2 + of_mean or not total(u * u).all():
            continue
        drawn = rng.normal(size=x.size)
        left_alone = without(u, without_mean(drawn) if of_mean else drawn)
        factors = (left_alone @ jacobian) / left_alone
        other = rng.normal(size=x.size)
        expected = factors * without(u, without_mean(other) if of_mean else other)
        # The constant that keeps the variance from 0 makes the part along u a little smaller.
        if not np.allclose(other @ jacobian, expected, rtol=1e-2, atol=1e-2 * np.abs(factors).max()):
            continue
        held = np.diag(factors)
        kind, but = "constant-statistics", ", but every input changes it."
        if of_mean:
            of_each = np.stack([without_mean(row) for row in held], axis=1), np.stack([without(u, row) for row in held], axis=1)
            yield kind, f"the mean and the variance {place} are taken for constants{but}", _WITH_MEAN, held
            yield kind, f"the variance {place} is taken for a constant{but}", _WITH_MEAN, of_each[0]
            yield kind, f"the mean {place} is taken for a constant{but}", _WITH_MEAN, of_each[1]
        else:
            yield kind, f"the norm {place} is taken for a constant{but}", _OF_NORM, held
        spread = np.sqrt(total(u * u) / (sizes if of_mean else 1))[:, None]
        text = f"it is divided by the {'variance' if of_mean else 'square of the norm'} {place}: a root is left out."
        yield "missing-root", text, "forward divides by the root, and so does its derivative", q.jacobian / spread
        return
