"""Flatten and Identity: modules that change no number.

(1)  out = x, seen in another shape
(3)  dL/dx = delta, seen in the shape of x

In a network they are no row of the table at all: what comes after reads the same numbers.
"""

from __future__ import annotations

from math import prod
from typing import Any

from modnet.kernels import kernel
from modnet.module import KernelModule, Shape


@kernel("forward")
def copy_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, features)
    out[:, :] = x


@kernel("backward")
def copy_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = x
    dx[:, :] = delta


class _SameNumbers(KernelModule):
    forward_kernel, backward_kernel = copy_forward, copy_backward

    def add_rows(self, program: Any, slot: int, input_shape: Shape) -> tuple[int, Shape]:
        return slot, self.output_shape(input_shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Identity(_SameNumbers):
    """out = x.

    Shape
    -----
    any -> the same

    Example
    -------
    >>> Identity().forward([[1.0, 2.0]])
    array([[1., 2.]])
    """

    keeps_features = True


class Flatten(_SameNumbers):
    """All axes of an example in one, the last running fastest; the batch axis stays.

    Shape
    -----
    (batch, ...) -> (batch, product of the others)

    Example
    -------
    >>> Flatten().forward([[[1.0, 2.0], [3.0, 4.0]]])
    array([[1., 2., 3., 4.]])
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        return (prod(input_shape),)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (4, 3)), (cls(), (1, 5, 1)), (cls(), (3, 2, 4, 2))]
