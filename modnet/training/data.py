"""The data of a training: examples with targets and weights, checked, in the forms that both paths take."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from modnet.inputs import as_batch, as_numbers, as_targets, as_weights, require_finite


def element_type(net: Any) -> np.dtype[Any] | None:
    """What a network's inputs are converted to; None if it has no numbers of its own, and takes them as they are."""
    storage = getattr(net, "storage", None)
    return storage.dtype if storage is not None and (storage.parameters.size or storage.state.size) else None


class Data:
    """Examples with targets and weights, checked, in the forms both paths take.

    X and y are arrays; targets and z are what the kernels of a loss take, if it has some.
    """

    def __init__(self, who: str, net: Any, X: Any, y: Any, weight: Any) -> None:
        raw = as_numbers(X, who, "X")
        self.X = as_batch(raw, element_type(net), who, "X")
        require_finite(self.X, who, "X")
        self.n = len(self.X)
        self.y: Any = np.asarray(None) if y is None else as_targets(y, who)
        if self.y.ndim == 0 or len(self.y) != self.n:
            came = f"has {len(self.y)}" if self.y.ndim else "is None" if y is None else "is a single value"
            raise ValueError(f"{who}: X has {self.n} examples but y {came}; y needs one value per example")
        if self.y.dtype.kind in "iub":
            self.y = self.y.copy()  # labels are places: what was checked is what is read, whatever becomes of the array given
        self.targets: np.ndarray = np.empty(0)
        self.matrix: np.ndarray = np.empty((0, 0))  # X as a walk takes it
        self.z: Any = None
        if self.y.dtype.kind == "f":
            require_finite(self.y, who, "y")
        self.weights = np.empty(0)
        if weight is not None:
            self.weights = as_weights(weight, self.n, who)

    def part(self, rows: np.ndarray) -> Data:
        """Some of the examples."""
        found = copy.copy(self)
        found.X, found.y, found.n = self.X[rows], self.y[rows], len(rows)
        found.targets = self.targets[rows] if self.targets.size else self.targets
        found.weights = self.weights[rows] if self.weights.size else self.weights
        return found
