"""Descent of a plain function: the same optimizers, on a point instead of a network's parameters.

(1)  x = x - lr f'(x)          or whatever the optimizer does with f'(x)

until |f'(x)| <= tol: for a vector the Euclidean norm. It shows what a rate, momentum or a schedule does, with nothing else to
look at, and the path can be drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.inputs import as_numbers, real, require_finite, whole
from modnet.module import Module
from modnet.optim.optimizer import Optimizer
from modnet.warning import warn


class _Point(Module):
    """What an optimizer moves: one array."""

    def __init__(self, start: np.ndarray) -> None:
        self._parameters = start
        self._gradient = np.zeros_like(start)


def descend(
    f: Callable[[Any], float],
    gradient: Callable[[Any], Any] | None,
    start: Any,
    optimizer: Optimizer,
    tol: float = 1e-6,
    max_iter: int = 1000,
) -> np.ndarray:
    """Follow a function downhill.

    Parameters
    ----------
    f : from a point to a number. Only optimizers and schedules that use the loss call it.
    gradient : from a point to the derivative, a number or a vector like the point. None for an optimizer that uses none.
    start : a number, or a vector (d,). f and gradient are called with the same.
    optimizer : a copy of it is used, at its first step. Each step counts as an epoch to its schedule.
    tol : the descent ends at the first point where the gradient is no longer than this.
    max_iter : how many steps are taken at most.

    Returns
    -------
    path : (n,) or (n, d), the points at which the gradient was taken, the start first.

    Warns
    -----
    RuntimeWarning : if the gradient or the point is no longer finite; the path then ends before it.

    Example
    -------
    >>> from modnet.optim import SGD
    >>> descend(lambda x: (x - 5) ** 2, lambda x: 2 * (x - 5), 9.0, SGD(0.3), tol=0.1).round(4)
    array([9.    , 6.6   , 5.64  , 5.256 , 5.1024, 5.041 ])
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"descend: optimizer is {optimizer!r}, expected an optimizer object such as SGD(0.1)")
    if not callable(f):
        raise TypeError(f"descend: f is {f!r}, expected a function of a point")
    if not callable(gradient) and not (gradient is None and optimizer.needs_loss):
        raise TypeError(f"descend: gradient is {gradient!r}, expected a function of a point")
    bound = real(tol, "descend", "tol", "a number that is not negative", lambda v: v >= 0)
    steps = whole(max_iter, "descend", "max_iter")
    first = np.array(as_numbers(start, "descend", "start"), np.float64)
    if first.ndim > 1:
        raise ValueError(f"descend: start has shape {first.shape}, expected a number or a vector (d,)")
    require_finite(first.reshape(-1), "descend", "start")
    point = _Point(first.reshape(-1).copy())
    mine = optimizer.fresh().attach(point)
    shown = (lambda x: x.copy()) if first.ndim else (lambda x: x[0])
    path: list[np.ndarray] = []
    with np.errstate(all="ignore"):
        for step in range(steps + 1):
            x = point._parameters.copy()
            slope = _slope(gradient, shown(x), x.shape)
            if not (np.isfinite(x).all() and np.isfinite(slope).all()):
                warn(
                    f"descend: after {step} steps the point or its gradient is not finite; the path ends before it; "
                    "try a smaller lr",
                    RuntimeWarning,
                )
                break
            path.append(x)
            if step == steps or (gradient is not None and np.sqrt(np.vdot(slope, slope)) <= bound):
                break
            point._gradient = slope
            mine.step(lambda: float(f(shown(point._parameters))))
            mine.epoch_end(float(f(shown(point._parameters))) if mine.schedule is not None else None)
    return np.array(path).reshape(len(path), *first.shape)


def _slope(gradient: Callable[[Any], Any] | None, x: Any, shape: tuple[int, ...]) -> np.ndarray:
    if gradient is None:
        return np.zeros(shape)
    found = np.array(as_numbers(gradient(x), "descend", "gradient"), np.float64)
    if found.shape not in (np.shape(x), shape):
        raise ValueError(f"descend: the gradient has shape {found.shape}, expected the point's shape, {np.shape(x)}")
    return found.reshape(shape)
