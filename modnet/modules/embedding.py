"""Embedding: a vector for each whole number.

x (batch, length), of numbers 0 to count - 1, W (count, n), out (batch, length, n), delta = dL/dout (batch, length, n).

(1)  out[i, t] = W[x[i, t]]                          as if x were one-hot rows, in front of a Linear without a bias
(2)  dL/dW[k] = sum over i, t with x[i, t] = k of delta[i, t]
     W[k] is in out[i, t] if x[i, t] is k, with factor 1; a number that comes often gets the sum
(3)  none: x is whole numbers, and nothing lies between them

Reference: Y. Bengio, R. Ducharme, P. Vincent and C. Jauvin, A neural probabilistic language model, JMLR 3 (2003).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.inputs import generator
from modnet.kernels import flat, inline
from modnet.kernels.compiled import Compiled
from modnet.module import Module, Parameter, Shape, Size, operation

_MOST = 2**24  # float32 counts no further: the next whole number has no float32 of its own


@inline
def _row_of(number, count):
    """Which of count rows a number means; -1 if it means none, as NaN does.

    The input was checked before, but another thread may have written to it since: no number may lead outside W.
    """
    return int(number) if number >= 0 and number < count and number == int(number) else -1


def _first_outside(numbers, count):
    """The place of the first of the numbers (n, length) that means no row, or -1."""
    numbers = flat(numbers)
    for i in range(numbers.size):
        if _row_of(numbers[i], count) < 0:
            return i
    return -1


# numpy takes 6 us for 640 numbers, more than half of a forward; this takes 0.7.
first_outside = Compiled(_first_outside, "mi", "i")


class Embedding(Module):
    """A vector of parameters for each of `count` whole numbers: words, categories, users.

    It reads the network's own input, or that input in another shape. Whole numbers have no derivative: `backward_delta` is
    refused, of the module and of a network that contains it, and `backward` of such a network returns None.

    Parameters
    ----------
    count : numbers 0 to count - 1 are taken; at most 2**24.
    features : the length of a vector.
    rng : int, numpy.random.Generator or None. The vectors are drawn from N(0, 1).

    Attributes
    ----------
    weight (count, features), weight_gradient : views that can be written to.

    Shape
    -----
    (batch, length) -> (batch, length, features); any other number of axes gets one more in the same way

    Example
    -------
    >>> table = Embedding(3, 2, rng=0)
    >>> table.weight = [[0, 0], [1, 10], [2, 20]]
    >>> table.forward([[2, 1, 2]])
    array([[[ 2., 20.],
            [ 1., 10.],
            [ 2., 20.]]])
    """

    count = Size()
    features = Size("output")
    weight = Parameter("count", "features")
    reads_whole_numbers = True

    def __init__(self, count: int, features: int, rng: Any = None) -> None:
        self.count, self.features = count, features
        if self.count > _MOST:
            raise ValueError(f"Embedding: count is {count}, expected at most {_MOST}, as far as a float32 counts")
        super().__init__()
        self.weight = generator(rng, "Embedding").normal(size=(count, features))

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.features)

    def why_refused(self, x: np.ndarray, batch: int, input_shape: Shape, training: bool) -> str:
        place = first_outside.call(x, self.count)
        return f"input holds {x.flat[place]:g}, expected whole numbers 0 to {self.count - 1}" if place >= 0 else ""

    @operation
    def forward(x, out, p):
        # x (batch, length), out (batch * length, n), p.weight (count, n)
        x, nan = flat(x), x.dtype.type(np.nan)
        for i in range(x.size):
            k = _row_of(x[i], p.weight.shape[0])
            for j in range(out.shape[1]):
                out[i, j] = p.weight[k, j] if k >= 0 else nan       # (1)

    @operation
    def backward_update_gradient(x, delta, g):
        # out[i] = W[x[i]]
        x = flat(x)
        for i in range(x.size):
            k = _row_of(x[i], g.weight.shape[0])
            for j in range(delta.shape[1] if k >= 0 else 0):
                g.weight[k, j] += delta[i, j]                           # (2)

    def example_input(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        """An input for the checks: whole numbers, since it takes no others."""
        return rng.integers(0, self.count, shape)

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        return [(cls(3, 2, rng=0), (4, 5)), (cls(7, 1, rng=1), (1, 3)), (cls(1, 4, rng=2), (2, 1)), (cls(4, 3, rng=3), (6, 2))]
