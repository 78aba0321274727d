"""Embedding: a vector for each whole number.

x (batch, length), of numbers 0 to count - 1, W (count, n), out (batch, length, n), delta = dL/dout (batch, length, n).

(1)  out[i, t] = W[x[i, t]]                          as if x were one-hot rows, in front of a Linear without a bias
(2)  dL/dW[k] = sum over i, t with x[i, t] = k of delta[i, t]
     W[k] is in out[i, t] where x[i, t] is k, with factor 1; a number that comes often gets the sum
(3)  none: x is whole numbers, and nothing lies between them

Reference: Y. Bengio, R. Ducharme, P. Vincent and C. Jauvin, A neural probabilistic language model, JMLR 3 (2003).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.arrays import generator, whole
from modnet.kernels import kernel
from modnet.module import KernelModule, Module, Shape, View
from modnet.table import Program

_MOST = 2**24  # float32 counts no further: the next whole number has no float32 of its own


@kernel("forward")
def forward(x, out, params, state, sizes, hyper):
    # x (batch, length), out (batch, length * n), params W (count, n)
    n = sizes[0]
    W, x, out = params.reshape(params.size // n, n), x.reshape(x.size), out.reshape(x.size, n)
    for i in range(x.size):
        k = int(x[i])
        for j in range(n):
            out[i, j] = W[k, j]


@kernel("gradient")
def gradient(x, out, delta, grad, params, state, sizes, hyper):
    # out[i] = W[x[i]]
    n = sizes[0]
    dW, x, delta = grad.reshape(grad.size // n, n), x.reshape(x.size), delta.reshape(x.size, n)
    for i in range(x.size):
        k = int(x[i])
        for j in range(n):
            dW[k, j] += delta[i, j]


class Embedding(KernelModule):
    """A vector of parameters for each of `count` whole numbers: words, categories, users.

    It reads the network's own input, or that input in another shape. Its `backward_delta` is refused, and so are `backward`
    and `backward_delta` of a network with it: whole numbers have no derivative. `backward_update_gradient` and `fit` do not
    ask for one.

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

    forward_kernel, gradient_kernel, backward_kernel = forward, gradient, None
    weight, weight_gradient = View(), View("grad", "weight")

    def __init__(self, count: int, features: int, rng: Any = None) -> None:
        self.count = whole(count, "Embedding", "count")
        n = whole(features, "Embedding", "features")
        if self.count > _MOST:
            raise ValueError(f"Embedding: count is {count}, expected at most {_MOST}, as far as a float32 counts")
        super().__init__({"weight": (self.count, n)})
        self.out_features: int = n
        self.weight = generator(rng, "Embedding").normal(size=(self.count, n))

    def output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.features)

    def sizes(self, input_shape: Shape) -> Shape:
        return (self.features,)

    @property
    def features(self) -> int:
        """The length of a vector."""
        return int(self.out_features or 0)

    def objection(self, x: np.ndarray, batch: int, input_shape: Shape, training: bool) -> str:
        low, high = x.min(), x.max()
        good = low >= 0 and high < self.count and (np.rint(x) == x).all()
        if good:
            return ""
        wrong = x[~((x >= 0) & (x < self.count) & (np.rint(x) == x))].flat[0]
        return f"input holds {wrong:g}, expected whole numbers 0 to {self.count - 1}"

    def add_rows(self, program: Program, slot: int, input_shape: Shape) -> tuple[int, Shape]:
        if slot != 0:
            raise ValueError(
                f"{program.place} {self}: modules before it change its input, expected the network's own input, whole numbers"
            )
        return super().add_rows(program, slot, input_shape)

    def example_input(self, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        """An input for the checks: whole numbers, where other modules are given any."""
        return rng.integers(0, self.count, shape)

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        return [(cls(3, 2, rng=0), (4, 5)), (cls(7, 1, rng=1), (1, 3)), (cls(1, 4, rng=2), (2, 1)), (cls(4, 3, rng=3), (6, 2))]

    def __repr__(self) -> str:
        return f"Embedding({self.count}, {self.features})"
