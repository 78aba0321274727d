"""What a data set is once it is loaded: arrays with their names."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Task = Literal["classification", "regression"]


class Table(NamedTuple):
    """Examples, targets, and their names.

    Attributes
    ----------
    X : array (n, features), float64
    y : array (n,)
        Classes 0..C-1 (int64, or what was asked for with ``labels``), or a regression's numbers (float64).
    feature_names : tuple of str
        One for each column of ``X``.
    class_names : tuple of str or None
        The name of class 0, of class 1, ...; None in a regression.
    """

    X: NDArray[np.float64]
    y: NDArray[Any]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] | None

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return "regression" if self.class_names is None else "classification"
