"""Examples that are not all in memory, or that are made anew for each epoch: files, iterables of batches, augmentation.

Each gives the epoch in blocks of a few megabytes, which are checked as all examples are and then walked through like any
others: a compiled walk takes many batches of a block at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import chain
from typing import Any

import numpy as np

from modnet.inputs import as_weights, short_repr, targets_of
from modnet.training.data import Data, Source

_BLOCK = 1 << 23  # bytes of inputs that are read at once
_FEW = 2  # examples that are looked at before the first epoch

#: Makes `Data` of X, y and weights, ready to be walked through.
Make = Callable[[Any, Any, Any], Data]


class Mapped(Source):
    """Examples in memory-mapped arrays: a block is read when its turn comes.

    Attributes
    ----------
    first : the first few of them.

    Parameters
    ----------
    X : (n, ...), a memory-mapped array. y, weight : as for `Data`; y may be mapped, too.
    make : makes the examples of a block ready.
    """

    n: int

    def __init__(self, who: str, net: Any, X: np.ndarray, y: Any, weight: Any, make: Make) -> None:
        if X.ndim == 0 or not len(X):
            raise ValueError(f"{who}: X has shape {X.shape}, expected (batch, ...) with at least one example")
        self.X, self.make = X, make
        self.n = len(X)
        self.y = targets_of(y, self.n, who)
        self.weight = None if weight is None else as_weights(weight, self.n, who, by_position=True)
        self.rows = np.arange(self.n)
        self.first = Data(who, net, *self._read(self.rows[:_FEW]), part=True)
        self.shape, self.dtype = self.first.shape, self.first.dtype

    def _read(self, rows: np.ndarray) -> tuple[Any, Any, Any]:
        return np.array(self.X[rows]), np.array(self.y[rows]), None if self.weight is None else self.weight[rows]

    def part(self, rows: np.ndarray) -> Mapped:
        found = object.__new__(Mapped)
        found.__dict__.update(self.__dict__)
        found.rows, found.n = self.rows[rows], len(rows)
        return found

    def chunks(self, order: np.ndarray, size: int, epoch: int) -> Iterator[tuple[Data, np.ndarray, int]]:
        step = size * max(1, _BLOCK // max(1, size * int(np.prod(self.shape)) * self.dtype.itemsize))
        for at in range(0, self.n, step):
            data = self.make(*self._read(self.rows[order[at : at + step]]))
            yield data, np.arange(data.n), size


class Stream(Source):
    """Batches (X, y) or (X, y, weights) as an iterable gives them, each a step.

    Parameters
    ----------
    batches : an iterable, or a function that returns one. It is gone through once an epoch.
    epochs : how often it will be.
    make : makes a batch ready.
    """

    n = None
    has_rows = False

    def __init__(self, who: str, batches: Any, epochs: int, make: Make) -> None:
        self.who, self.source, self.make = who, batches, make
        if not callable(batches) and epochs > 1 and iter(batches) is batches:
            raise TypeError(
                f"{who}: X is a {type(batches).__name__}, which can be gone through once, but there are {epochs} epochs; pass "
                "a function that makes one, such as lambda: read_batches()"
            )
        iterator = self._begin()
        for batch in iterator:
            self.first = self._made(batch, 0)
            break
        else:
            raise ValueError(f"{who}: X gives no batches, expected at least one (X, y)")
        self.shape, self.dtype = self.first.shape, self.first.dtype
        self._begun: Iterator[Any] | None = iterator

    def _begin(self) -> Iterator[Any]:
        found = self.source() if callable(self.source) else self.source
        if not isinstance(found, Iterable):
            raise TypeError(f"{self.who}: X() returned {short_repr(found)}, expected an iterable of batches (X, y)")
        return iter(found)

    def _made(self, batch: Any, k: int) -> Data:
        if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
            came = f"{len(batch)} parts" if isinstance(batch, tuple | list) else short_repr(batch)
            raise TypeError(f"{self.who}: batch {k} is {came}, expected (X, y) or (X, y, weights)")
        return self.make(batch[0], batch[1], batch[2] if len(batch) == 3 else None)

    def batches(self, size: int) -> int | None:
        return len(self.source) if isinstance(self.source, Sized) else None

    def batch_size(self, wanted: int | None) -> int:
        return self.first.n

    def chunks(self, order: np.ndarray, size: int, epoch: int) -> Iterator[tuple[Data, np.ndarray, int]]:
        begun, self._begun = self._begun, None
        # The first batch has been made already, to see what comes.
        rest = self._begin() if begun is None else begun
        made = (self._made(batch, k + (begun is not None)) for k, batch in enumerate(rest))
        count = 0
        for data in made if begun is None else chain([self.first], made):
            if data.shape != self.shape:
                raise ValueError(
                    f"{self.who}: a batch has inputs of shape {(data.n, *data.shape)} and the first "
                    f"{(self.first.n, *self.shape)}, expected equal but for the batch"
                )
            yield data, np.arange(data.n), data.n
            count += 1
        if not count:
            raise ValueError(
                f"{self.who}: X gives no batches in epoch {epoch}, expected the batches of epoch 1 again; a function has to "
                "make them anew each time, such as lambda: read_batches()"
            )


class Augmented(Source):
    """Examples that a function changes, a batch at a time, anew in each epoch.

    Parameters
    ----------
    source : the examples. function : ``f(X, y, rng) -> (X, y)``, given copies that it may write to.
    seed : what the rng of every epoch is made of. make : makes the result ready.
    """

    has_rows = False

    def __init__(self, who: str, source: Source, function: Callable[..., Any], seed: int, make: Make) -> None:
        self.who, self.source, self.function, self.seed, self.make = who, source, function, seed, make
        self.n, self.shape, self.dtype = source.n, source.shape, source.dtype

    def batches(self, size: int) -> int | None:
        return self.source.batches(size)

    def batch_size(self, wanted: int | None) -> int:
        return self.source.batch_size(wanted)

    def mark(self) -> list[float]:
        return self.source.mark()

    def part(self, rows: np.ndarray) -> Augmented:
        return Augmented(self.who, self.source.part(rows), self.function, self.seed, self.make)

    def chunks(self, order: np.ndarray, size: int, epoch: int) -> Iterator[tuple[Data, np.ndarray, int]]:
        rng = np.random.default_rng([self.seed, epoch])
        for data, rows, batch in self.source.chunks(order, size, epoch):
            most = max(1, _BLOCK // max(1, batch * int(np.prod(self.shape)) * self.dtype.itemsize)) * batch
            for at in range(0, len(rows), most):
                block = rows[at : at + most]
                parts = [self._changed(data, block[i : i + batch], rng) for i in range(0, len(block), batch)]
                xs, ys = zip(*parts)
                weight = data.weights_of(block).reshape(len(block), *data.lead) if data.weights.size else None
                made = self.make(np.concatenate(xs), np.concatenate(ys), weight)
                yield made, np.arange(made.n), batch

    def _changed(self, data: Data, rows: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        x, y = data.X[rows], data.y[rows]
        found = self.function(x.copy(), y.copy(), rng)
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(f"{self.who}: augment returned {short_repr(found)}, expected a pair (X, y)")
        if np.shape(found[0]) != x.shape or np.shape(found[1])[:1] != y.shape[:1]:
            raise ValueError(
                f"{self.who}: augment returned X of shape {np.shape(found[0])} and y of {np.shape(found[1])} for {x.shape} and "
                f"{y.shape}, expected the same"
            )
        return np.asarray(found[0]), np.asarray(found[1])


def is_batches(X: Any, y: Any) -> bool:
    """Whether X is meant as an iterable of batches: y is None, and X is nothing that an array is made of."""
    if y is not None or hasattr(X, "__array__") or hasattr(X, "shape") or hasattr(X, "tocsr") or isinstance(X, str | bytes):
        return False
    if isinstance(X, list | tuple):
        first = X[0] if X else None
        if not isinstance(first, tuple | list) or len(first) not in (2, 3):
            return False
        return all(hasattr(part, "shape") or (isinstance(first, tuple) and isinstance(part, list)) for part in first[:2])
    return callable(X) or isinstance(X, Iterable)
