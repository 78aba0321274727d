"""The gradient check in forty lines: what the rest of this package does with more care, to be read first.

A derivative says how much the output moves if one number moves a little. So move one, up and down, look at forward, and compare
with what backward says. `delta` weighs the outputs into one number L = sum(delta * out); then backward must return dL/dinput.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def slope(f: Callable[[], np.ndarray], array: np.ndarray, delta: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """dL/darray for L = sum(delta * f()), number by number: (L(a + h) - L(a - h)) / 2h."""
    found = np.zeros(array.shape)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + h
        up = (delta * f()).sum()
        array[place] = kept - h
        down = (delta * f()).sum()
        array[place] = kept
        found[place] = (up - down) / (2 * h)
    return found


def check(module: Any, x: np.ndarray) -> dict[str, float]:
    """How far a module's backward is from the slopes of its own forward: the largest difference, by operation."""
    rng = np.random.default_rng(0)
    delta = rng.normal(size=module.forward(x).shape)
    wanted = slope(lambda: module.forward(x), x, delta)
    errors = {"backward_delta": float(np.abs(module.backward_delta(x, delta) - wanted).max())}
    if getattr(module, "_parameters", None) is not None:
        module.zero_grad()
        module.backward_update_gradient(x, delta)
        wanted = slope(lambda: module.forward(x), module._parameters, delta)
        errors["backward_update_gradient"] = float(np.abs(module._gradient - wanted).max())
    return errors
