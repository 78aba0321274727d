"""Derivatives by finite differences, with an error bar and an eye for kinks.

For a function f of a vector, the derivative by entry j from four values around x[j]:

(1)  D(h) = (f(x + h) - f(x - h)) / 2h = f' + c h^2 + ...            central differences
(2)  R = (4 D(h) - D(2h)) / 3 = f' + O(h^4)                          Richardson: the c h^2 cancels
(3)  truncation is about |R - D(h)|, round-off about eps |f| / h     a bug is neither

At a kink the slopes from the left and from the right differ, however small the step. Both are kept: any derivative between
them is right, and nobody can be blamed for choosing one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

EPS = float(np.finfo(np.float64).eps)
_STEP = EPS**0.2  # balances the h^4 of (2) with round-off; about 7e-4
_KINK_STEP = 1e-6


class Derivative(NamedTuple):
    """The derivative of a vector function by some entries of its input.

    value, low, high (entries, outputs): the best estimate, and the admissible interval, error bar included.
    kinks (entries,): whether the function has a kink there.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    kinks: np.ndarray


def derivative(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, entries: np.ndarray, precision: float = EPS) -> Derivative:
    """df/dx[entries], one by one.

    Parameters
    ----------
    f : from an array of x's shape to a flat float64 array.
    x : where. entries : flat indices into x.
    precision : the relative precision of f's own arithmetic, machine epsilon of its type.
    """
    at = f(x)
    step0 = (precision / EPS) ** 0.2 * _STEP
    rows = [_one(f, x, int(j), at, step0, precision) for j in entries]
    if not rows:
        empty = np.zeros((0, at.size))
        return Derivative(empty, empty, empty, np.zeros(0, bool))
    value, low, high, kinks = (np.array(part) for part in zip(*rows, strict=True))
    return Derivative(value, low, high, kinks)


def beside(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, entries: np.ndarray) -> Derivative:
    """df/dx[entries] from two values so near that no kink lies between them, unless it lies at x."""
    h, rows = _KINK_STEP, list[np.ndarray]()
    for j in entries:
        up, down = x.copy(), x.copy()
        up.flat[j] += h
        down.flat[j] -= h
        rows.append((f(up) - f(down)) / (up.flat[j] - down.flat[j]))
    value = np.array(rows).reshape(len(entries), -1)
    bar = 1e-7 + 1e-6 * np.abs(value)
    return Derivative(value, value - bar, value + bar, np.zeros(len(entries), bool))


def complex_step(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, entries: np.ndarray, expected: np.ndarray
) -> np.ndarray | None:
    """df/dx[entries] to machine precision, as Im f(x + ih) / h: without a difference there is no round-off.

    It holds for code that is made of analytic functions alone, which an absolute value or a maximum is not.

    Parameters
    ----------
    f : from a complex array of x's shape to a flat array; whatever it raises, or a real result, means that it can't be used.
    expected : the derivative by differences, which the result must be near to be believed.

    Returns
    -------
    derivative : (entries, outputs), or None.
    """
    h = 1e-30
    rows = []
    for j in entries:
        y = x.astype(np.complex128)
        y.flat[j] += 1j * h
        try:
            out = np.asarray(f(y))
        except Exception:  # code that is not made for complex numbers
            return None
        if out.dtype.kind != "c" or out.size != expected.shape[1]:
            return None
        rows.append(out.ravel().imag / h)
    found = np.array(rows).reshape(expected.shape)
    near = np.allclose(found, expected, rtol=1e-2, atol=1e-3 * max(float(np.abs(expected).max(initial=0.0)), 1e-300))
    return found if near and np.isfinite(found).all() else None


def factor_of(got: np.ndarray, truth: np.ndarray) -> float:
    """The number by which truth comes nearest to what was got; 0 if it is zero or not finite."""
    flat = truth.ravel()
    power = float(flat @ flat)
    return float(got.ravel() @ flat) / power if power and np.isfinite(power) else 0.0


def along(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, direction: np.ndarray, precision: float = EPS) -> np.ndarray:
    """The derivative of f along a direction of x's shape, by (2)."""
    h = (
        (precision / EPS) ** 0.2
        * _STEP
        * max(1.0, float(np.abs(x).max(initial=0.0)))
        / max(1.0, float(np.abs(direction).max()))
    )
    found: np.ndarray = (4 * _central(f, x, h * direction) / h - _central(f, x, 2 * h * direction) / (2 * h)) / 3
    return found


def _central(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, move: np.ndarray) -> np.ndarray:
    found: np.ndarray = (f(x + move) - f(x - move)) / 2
    return found


def _one(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, j: int, at: np.ndarray, step0: float, precision: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    def moved(h: float) -> np.ndarray:
        y = x.copy()
        y.flat[j] += h
        return f(y)

    scale = max(1.0, abs(float(x.flat[j])))
    h = step0 * scale
    up, down, up2, down2 = moved(h), moved(-h), moved(2 * h), moved(-2 * h)
    near, far = (up - down) / (2 * h), (up2 - down2) / (4 * h)
    value = (4 * near - far) / 3
    size = np.maximum(np.abs(at), np.maximum(np.abs(up), np.abs(down)))
    noise = 8 * precision * np.maximum(size, 1e-300) / h
    # In float32 the step is so wide that a kink may lie within it and not be seen otherwise.
    bar = np.abs(value - near) * (0.1 if precision <= EPS else 5.0) + noise
    # A smooth function's one-sided slopes differ by about h f''; at a kink by something that does not shrink with h.
    jump = np.maximum(np.abs((up - at) - (at - down)), np.abs((up2 - at) - (at - down2)) / 2) / h
    suspicious = jump > 1e-6 * np.maximum(np.abs(value), 1e-3) + 100 * noise
    if not suspicious.any():
        return value, value - bar, value + bar, False
    small = _KINK_STEP * scale * (precision / EPS) ** 0.5
    right, left = (moved(small) - at) / small, (at - moved(-small)) / small
    roundoff = 8 * precision * np.maximum(np.abs(at), 1e-300) / small
    still = np.abs(right - left)
    # Curvature shrinks with the step; a kink keeps its jump. One that lies beside x but inside the widest step shows as a
    # difference between wide and narrow slopes: then the narrow ones are the truth. (Without a kink, they differ by far less
    # than D(h) and R; with one between h and 2h, by as much.)
    kink = suspicious & (still > 0.2 * jump + 10 * roundoff)
    beside = suspicious & ~kink & (np.abs((right + left) / 2 - value) > 5 * bar + 10 * roundoff + 2 * still)
    value = np.where(beside, (right + left) / 2, value)
    bar = np.where(beside, still + 4 * roundoff, bar)
    low, high = value - bar, value + bar
    low = np.where(kink, np.minimum(left, right) - 4 * roundoff - 1e-4 * still, low)
    high = np.where(kink, np.maximum(left, right) + 4 * roundoff + 1e-4 * still, high)
    return value, low, high, bool(kink.any())
