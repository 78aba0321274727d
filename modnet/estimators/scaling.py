"""The scale of inputs and targets: which columns are off it, and what brings them to mean 0 and deviation 1."""

from __future__ import annotations

from typing import Any

import numpy as np


class ScaleWarning(UserWarning):
    """Columns of the inputs lie far from 0, or spread far more or less than 1: a network learns them badly as they are."""


class Scale:
    """x -> (x - mean) / deviation, column by column, and back.

    Parameters
    ----------
    X : (n, columns). weights : (n,), or None for equal ones.
    """

    def __init__(self, X: np.ndarray, weights: np.ndarray | None = None) -> None:
        with np.errstate(all="ignore"):  # what overflows here is refused by `require_finite`
            self.mean = np.average(X.astype(np.float64, copy=False), axis=0, weights=weights)
            self.deviation = np.sqrt(np.average((X - self.mean) ** 2, axis=0, weights=weights))
            constant = self.deviation <= 1e-12 * np.abs(X).max(axis=0, initial=0.0)
        self.deviation[constant] = 1.0

    @property
    def is_off(self) -> np.ndarray:
        """(columns,), which columns a network would learn badly as they are."""
        centre, spread = np.abs(self.mean), self.deviation
        return (spread > 3.0) | (spread < 0.1) | (centre > 3.0 * np.maximum(spread, 1.0))

    def require_finite(self, who: str, name: str) -> None:
        """ValueError for columns whose mean or deviation float64 cannot hold."""
        bad = ~(np.isfinite(self.mean) & np.isfinite(self.deviation))
        if bad.any():
            raise ValueError(
                f"{who}: column {int(np.argmax(bad))} of {name} is too large to be scaled. Solver produced non-finite "
                "parameter weights. The input data may contain large values and need to be preprocessed."
            )

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Scaled numbers of X's type."""
        return ((X - self.mean) / self.deviation).astype(X.dtype, copy=False)

    def undo(self, X: np.ndarray) -> np.ndarray:
        """The numbers that `apply` would turn into X."""
        return (X * self.deviation + self.mean).astype(X.dtype, copy=False)


def names_of(columns: np.ndarray, feature_names: Any) -> str:
    """Some columns by name, or by place if they have none."""
    places = np.flatnonzero(columns)
    shown = [str(feature_names[k]) if feature_names is not None else str(k) for k in places[:8]]
    return ", ".join(shown) + (f" and {len(places) - 8} more" if len(places) > 8 else "")


__all__ = ["Scale", "ScaleWarning", "names_of"]
