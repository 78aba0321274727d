"""The contract of a loss, and the losses that have kernels.

    forward(y, yhat)  -> (batch,)       the cost of each example
    backward(y, yhat) -> like yhat      the derivative of each example's cost
    loss(y, yhat)     -> float          the mean of forward

A loss never averages its gradient: whoever trains divides delta by the size of the batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from modnet.arrays import as_batch, as_numbers
from modnet.kernels import Compiled

Shape = tuple[int, ...]


class Loss:
    """What every loss does. A class of your own overrides `forward` and `backward`.

    Shape
    -----
    y : (batch, ...), the truth. yhat : (batch, ...), the prediction.
    """

    def forward(self, y: Any, yhat: Any) -> Any:
        """The cost of each example, (batch,)."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, y: Any, yhat: Any) -> Any:
        """The derivative of each example's cost by its prediction, of yhat's shape."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def __call__(self, y: Any, yhat: Any) -> float:
        """The mean cost over the batch."""
        return float(np.mean(self.forward(y, yhat)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class KernelLoss(Loss):
    """A loss of the library: it names its kernels and says what targets it takes.

    Parameters
    ----------
    hyper : numbers the kernels read.
    """

    cost_kernel: Compiled
    slope_kernel: Compiled
    #: 1 where a prediction is right; None where that has no meaning.
    hits_kernel: Compiled | None = None

    def __init__(self, hyper: Iterable[float] = ()) -> None:
        self._hyper = np.array(list(hyper), np.float64)

    def targets(self, y: Any, yhat_shape: Shape, dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Check y against the shape of yhat, and bring it into the form the kernels take.

        Returns
        -------
        y : (batch, columns), of type dtype.
        sizes : the whole numbers the kernels need.
        """
        array = self._same_shape(y, yhat_shape, dtype)
        self.check_values(array)
        return array, _NO_SIZES

    def check_values(self, y: np.ndarray) -> None:
        """A ValueError where y (batch, columns) holds a value the loss has no meaning for."""

    def forward(self, y: Any, yhat: Any) -> np.ndarray:
        prediction, target, sizes = self._take(y, yhat)
        cost = np.empty(len(prediction), prediction.dtype)
        self.cost_kernel.call(target, prediction, cost, sizes, self._hyper)
        return cost

    def backward(self, y: Any, yhat: Any) -> np.ndarray:
        prediction, target, sizes = self._take(y, yhat)
        delta = np.empty_like(prediction)
        self.slope_kernel.call(target, prediction, delta, sizes, self._hyper)
        return delta.reshape(np.shape(yhat))

    def hits(self, y: Any, yhat: Any) -> np.ndarray | None:
        """1 for each example that is predicted right, else 0, (batch,); None where the loss is not one of classes."""
        if self.hits_kernel is None:
            return None
        prediction, target, sizes = self._take(y, yhat)
        hit = np.empty(len(prediction), prediction.dtype)
        self.hits_kernel.call(target, prediction, hit, sizes, self._hyper)
        return hit

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        """Losses with y and yhat, chosen to matter: what every check of the library runs on."""
        rng = np.random.default_rng(0)
        return [(cls(), rng.normal(size=shape), rng.normal(size=shape)) for shape in ((4,), (1, 3), (5, 2), (3, 2, 2))]

    def _take(self, y: Any, yhat: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        prediction = as_batch(yhat, None, self, "yhat")
        target, sizes = self.targets(y, prediction.shape, prediction.dtype)
        return prediction.reshape(len(prediction), -1), target, sizes

    def _same_shape(self, y: Any, yhat_shape: Shape, dtype: np.dtype[Any]) -> np.ndarray:
        array = as_batch(y, dtype, self, "y")
        if array.shape != yhat_shape:
            advice = ""
            if array.size == np.prod(yhat_shape):
                advice = f"; reshape y with y.reshape({', '.join(map(str, (-1, *yhat_shape[1:])))})"
            raise ValueError(f"{self}: y has shape {array.shape} and yhat {yhat_shape}, expected the same{advice}")
        return array.reshape(len(array), -1)


_NO_SIZES = np.empty(0, np.int64)


class ClassLoss(KernelLoss):
    """A loss over classes: yhat (batch, ..., classes) has a score for each, y says which is true.

    y is integers 0 to classes - 1 of shape (batch, ...), or rows of probabilities (one-hot among them) of yhat's shape.
    sizes holds the number of classes and 1 where y is labels.
    """

    def targets(self, y: Any, yhat_shape: Shape, dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
        if len(yhat_shape) < 2:
            raise ValueError(f"{self}: yhat has shape {yhat_shape}, expected (batch, ..., classes)")
        classes = yhat_shape[-1]
        raw = y if type(y) is np.ndarray and y.dtype.kind in "iu" else self._labels_or_rows(y)
        if raw.shape == yhat_shape:
            return as_batch(raw, dtype, self, "y").reshape(len(raw), -1), _sizes(classes, 0)
        if raw.shape != yhat_shape[:-1]:
            advice = ""
            if raw.shape == (*yhat_shape[:-1], 1):
                advice = "; flatten y with y[..., 0]"
            raise ValueError(
                f"{self}: y has shape {raw.shape} and yhat {yhat_shape}, "
                f"expected labels {yhat_shape[:-1]} or rows {yhat_shape}{advice}"
            )
        if raw.size == 0:
            raise ValueError(f"{self}: y has shape {raw.shape}: the batch is empty, expected at least one example")
        if raw.dtype.kind not in "iub":
            raise TypeError(
                f"{self}: y holds {raw.dtype} labels, expected integers 0 to {classes - 1}; "
                "convert whole numbers with y.astype(int)"
            )
        low, high = int(raw.min()), int(raw.max())
        if low < 0 or high >= classes:
            wrong = low if low < 0 else high
            raise ValueError(
                f"{self}: y holds the label {wrong}, expected 0 to {classes - 1}, one for each of the {classes} columns of yhat"
            )
        return raw.astype(dtype).reshape(len(raw), -1), _sizes(classes, 1)

    def _labels_or_rows(self, y: Any) -> np.ndarray:
        try:
            array = np.asarray(y)
        except ValueError:  # rows of different lengths
            return as_numbers(y, self, "y")
        if array.size and (
            array.dtype.kind in "UST" or (array.dtype.kind == "O" and all(isinstance(v, str) for v in array.ravel()))
        ):
            raise TypeError(
                f"{self}: y holds text such as {array.ravel().tolist()[0]!r}, expected integers 0 to C-1; "
                "number the classes with classes, y = np.unique(y, return_inverse=True)"
            )
        return as_numbers(y, self, "y")

    @classmethod
    def examples(cls) -> list[tuple[Any, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(0)
        rows = rng.dirichlet(np.ones(3), 4)
        return [
            (cls(), np.array([0, 2, 1, 2]), rng.normal(size=(4, 3))),
            (cls(), np.array([1]), rng.normal(size=(1, 2))),
            (cls(), rows, rng.normal(size=(4, 3))),
            (cls(), np.array([[0, 1], [3, 2], [1, 1]]), rng.normal(size=(3, 2, 4))),
        ]


_SIZES = {(classes, labels): np.array([classes, labels]) for classes in range(1, 33) for labels in (0, 1)}


def _sizes(classes: int, labels: int) -> np.ndarray:
    found = _SIZES.get((classes, labels))
    return np.array([classes, labels]) if found is None else found
