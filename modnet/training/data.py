"""The data of a training: examples with targets and weights, checked, in the forms that both paths take."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from modnet.inputs import as_examples, as_weights


def element_type(net: Any) -> np.dtype[Any] | None:
    """What a network's inputs are converted to; None if it has no numbers of its own, and takes them as they are."""
    storage = getattr(net, "storage", None)
    return None if storage is None else storage.element


class Source:
    """Where the examples of an epoch come from, a block at a time.

    Attributes
    ----------
    n : how many examples there are; None if that is not known before they have come.
    shape, dtype : of one example's input, as the network takes it.
    has_rows : whether the examples are rows that are the same in every epoch, so that only batches give their order a meaning.
    """

    has_rows = True
    n: int | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def chunks(self, order: np.ndarray, size: int, epoch: int) -> Iterator[tuple[Data, np.ndarray, int]]:
        """The examples of an epoch in batches of `size`: blocks, the order in which each is taken, and its batch size."""
        raise NotImplementedError

    def batches(self, size: int) -> int | None:
        """How many batches an epoch has, if that is known."""
        return None if self.n is None else -(-self.n // size)

    def blocks(self, size: int) -> Iterator[Data]:
        """All examples in their order; n must be known."""
        assert self.n is not None
        return (data for data, _, _ in self.chunks(np.arange(self.n), size, 0))

    def batch_size(self, wanted: int | None) -> int:
        """How many examples a batch has at most, if so many are wanted; None for all at once."""
        assert self.n is not None
        return min(wanted or self.n, self.n)

    def part(self, rows: np.ndarray) -> Any:
        """Some of the examples."""
        raise NotImplementedError

    def mark(self) -> list[float]:
        """Numbers that other examples have, and these in another order; empty if that would need a look at all of a file."""
        return []


class Data(Source):
    """Examples with targets and weights, checked, in the forms both paths take.

    X and y are arrays; targets and z are what the kernels of a loss take, if it has some.

    Attributes
    ----------
    weights : (n * positions,) or empty. lead : the axes of an example over which weights run: () for one weight an example.
    counts : (n,), how many of its positions count in metrics, as a share of those that a weight is for; None if all do.

    Parameters
    ----------
    part : whether they are a part of the examples, whose weights may all be 0.
    """

    n: int

    def __init__(self, who: str, net: Any, X: Any, y: Any, weight: Any, part: bool = False) -> None:
        self.who = who
        self.X, self.y = as_examples(X, y, element_type(net), who)
        self.n = len(self.X)
        if self.y.dtype.kind in "iub":
            self.y = self.y.copy()  # labels are places: what was checked is what is read, whatever becomes of the array given
        self.targets: np.ndarray = np.empty(0)
        self.matrix: np.ndarray = np.empty((0, 0))  # X as a walk takes it
        self.z: Any = None
        self.weights, self.lead = np.empty(0), ()
        if weight is not None:
            found = as_weights(weight, self.n, who, by_position=True, some=not part)
            self.weights, self.lead = found.reshape(-1), found.shape[1:]
        self.counts: np.ndarray | None = None
        self.shape, self.dtype = self.X.shape[1:], self.X.dtype

    @property
    def positions(self) -> int:
        """How many weights an example has, and so how many examples the loss sees in it."""
        return prod(self.lead)

    def prepare(self, loss: Any, output_shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """Check the targets and the weights against what the network gives, and bring them into the form of the kernels."""
        axes, shape = len(self.lead), (self.n, *output_shape)
        if axes:
            allowed = loss.position_axes(shape) if hasattr(loss, "position_axes") else output_shape
            if not self.lead == tuple(allowed[:axes]) == self.y.shape[1 : 1 + axes]:
                one = f" or one for each position, {(self.n, *allowed)}" if allowed else ""
                raise ValueError(f"{self.who}: sample_weight has shape {(self.n, *self.lead)}, expected ({self.n},){one}")
        if getattr(type(loss), "is_compiled", False):
            self.targets, self.z = loss.targets(self.y, shape, dtype)
            if axes:
                targets, self.z = loss.targets(self.by_position(self.y), (self.n * self.positions, *shape[1 + axes :]), dtype)
                self.targets = targets.reshape(self.n, -1)
        counted = self.counted_positions(loss)
        if counted is not None:
            self.counts = counted.reshape(self.n, -1).mean(axis=1) * self.positions

    def counted_positions(self, loss: Any) -> np.ndarray | None:
        """Which positions of y count in metrics, of the shape of labels or of weights; None if all do."""
        ignored = loss.ignored(self.y) if hasattr(loss, "ignored") else None
        weightless = self.weights.reshape(self.n, *self.lead) == 0 if self.weights.size else None
        if weightless is None or not weightless.any():
            return None if ignored is None else ~ignored
        if ignored is None:
            return ~weightless
        found: np.ndarray = ~ignored & ~weightless.reshape(self.n, *self.lead, *(1,) * (ignored.ndim - weightless.ndim))
        return found

    def by_position(self, array: np.ndarray) -> np.ndarray:
        """An array (batch, ...) with a row for each position that has a weight of its own."""
        axes = len(self.lead)
        return array.reshape(-1, *array.shape[1 + axes :]) if axes else array

    def weights_of(self, rows: np.ndarray | slice) -> np.ndarray:
        """The weights of some examples, those of each position one after the other; empty if there are none."""
        return self.weights.reshape(self.n, -1)[rows].reshape(-1) if self.weights.size else self.weights

    def count_of(self, rows: np.ndarray) -> float:
        """How many of some examples, each a number of positions, count in metrics."""
        return len(rows) * self.positions if self.counts is None else float(self.counts[rows].sum())

    def count(self) -> float:
        """How many of all."""
        return self.n * self.positions if self.counts is None else float(self.counts.sum())

    def part(self, rows: np.ndarray) -> Data:
        found = copy.copy(self)
        found.X, found.y, found.n = self.X[rows], self.y[rows], len(rows)
        found.targets = self.targets[rows] if self.targets.size else self.targets
        found.weights = self.weights_of(rows)
        found.counts = None if self.counts is None else self.counts[rows]
        return found

    def mark(self) -> list[float]:
        ramp = np.linspace(1, 2, self.n)
        rows = (np.abs(part).reshape(self.n, -1) for part in (self.X, self.y, self.weights) if part.size)
        return [float(ramp @ part.sum(axis=1, dtype=np.float64)) for part in rows]

    def chunks(self, order: np.ndarray, size: int, epoch: int) -> Iterator[tuple[Data, np.ndarray, int]]:
        yield self, order, size


def is_mapped(value: Any) -> bool:
    """Whether an array lies in a file that is mapped into memory, and may be larger than that."""
    while isinstance(value, np.ndarray):
        if isinstance(value, np.memmap):
            return True
        value = value.base
    return False
