"""Normalisations, whose mean and variance depend on the input too.

Let u = x - mean over an axis of n numbers, and P = I - 1 1^T / n - u u^T / (u^T u), which takes from a vector its mean and
its part along u. The derivative of (x - mean) / deviation * gamma + beta is P times a factor for each number, gamma over
deviation. So a vector that P leaves alone shows the factors, whoever wrote forward; and what backward gives if it takes the
mean or the variance for constants is the factors times delta, without the first or the second part of P.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from modnet.check.question import Question

_AXES = ((0, "the batch"), (1, "the features"))


def held_constant(q: Question) -> Iterator[tuple[str, np.ndarray]]:
    """What would be returned if statistics were taken for constants: which ones, and the numbers; nothing if there are none.

    q : asked about every number of an input (..., features) whose output has its shape.
    """
    shape = (-1, q.x.shape[-1])
    x, delta = q.x.reshape(shape).astype(np.float64), q.delta.reshape(shape)
    jacobian, rng = q.jacobian.reshape(*x.shape, *x.shape), np.random.default_rng(3)

    def moved(by: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.tensordot(by, jacobian, 2)
        return found

    for axis, name in _AXES:
        u = x - x.mean(axis, keepdims=True)
        if x.shape[axis] < 3 or not (u**2).sum(axis).all():
            continue

        def without_mean(v: np.ndarray, axis: int = axis) -> np.ndarray:
            return v - v.mean(axis, keepdims=True)

        def without_u(v: np.ndarray, axis: int = axis, u: np.ndarray = u) -> np.ndarray:
            return v - u * (u * v).sum(axis, keepdims=True) / (u * u).sum(axis, keepdims=True)

        v, w = without_u(without_mean(rng.normal(size=x.shape))), rng.normal(size=x.shape)
        factors = moved(v) / v
        # The constant that keeps the variance from 0 makes the part along u a little smaller.
        if not np.allclose(moved(w), factors * without_u(without_mean(w)), rtol=1e-2, atol=1e-2 * np.abs(factors).max()):
            continue
        constant = factors * delta
        yield f"the mean and the variance over {name} are", constant
        yield f"the variance over {name} is", without_mean(constant)
        yield f"the mean over {name} is", without_u(constant)
