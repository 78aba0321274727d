"""Flatten, Reshape, Transpose and Identity: modules that change no number.

Identity, Flatten, Reshape
(1)  out = x, seen in another shape
(3)  dL/dx = delta, seen in the shape of x

In a network they need no row of the table: what comes after reads the same numbers.

Transpose, with a an example's axes in their new order
(1)  out[i][k] = x[i][k'] where k'[a[d]] = k[d]         the axis d of out is the axis a[d] of x
(3)  dL/dx[i][k'] = delta[i][k]                         every number of x is in one place of out
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from modnet.kernels import Fixed, copy, inline
from modnet.module import Module, Shape, ShapeError, operation

_MOST = 16  # axes of an example that Transpose takes: z has a place for each


def _whole_numbers(given: tuple[Any, ...], they_are: str) -> tuple[int, ...]:
    """Arguments that are whole numbers, or one list of them, as ints."""
    numbers = tuple(given[0]) if len(given) == 1 and isinstance(given[0], tuple | list) else given
    if not all(isinstance(number, int | np.integer) and not isinstance(number, bool) for number in numbers):
        raise TypeError(f"{they_are} {numbers}, expected whole numbers")
    return tuple(int(number) for number in numbers)


class _SameNumbers(Module):
    same_numbers = True

    @operation
    def forward(x, out):
        # x, out (batch, features)
        copy(x, out)                                                  # (1)

    @operation
    def backward_delta(delta, dx):
        # out = x
        copy(delta, dx)                                               # (3)


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


class Reshape(_SameNumbers):
    """An example's numbers in another shape, in their order, the last axis running fastest; the batch axis stays.

    Parameters
    ----------
    shape : sizes of the new axes of an example. One may be -1: it then follows from the others.

    Shape
    -----
    (batch, ...) -> (batch, *shape), with the same numbers

    Example
    -------
    >>> Reshape(2, -1).forward([[1.0, 2.0, 3.0, 4.0]])
    array([[[1., 2.],
            [3., 4.]]])
    """

    shape: Fixed[Shape] = Fixed()

    def __init__(self, *shape: int) -> None:
        sizes = _whole_numbers(shape, "Reshape: shape is")
        if any(size < 1 and size != -1 for size in sizes):
            raise ValueError(f"Reshape: shape is {sizes}, expected sizes of at least 1, or -1 for one that is left open")
        if sum(size == -1 for size in sizes) > 1:
            raise ValueError(f"Reshape: shape is {sizes}, expected -1 at most once")
        super().__init__()
        self.shape = sizes

    def output_shape(self, input_shape: Shape) -> Shape:
        known = prod(size for size in self.shape if size != -1)
        numbers = prod(input_shape)
        if numbers % known if -1 in self.shape else numbers != known:
            raise ShapeError(self, input_shape, f"{'a multiple of ' if -1 in self.shape else ''}{known} numbers an example")
        return tuple(numbers // known if size == -1 else size for size in self.shape)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(2, 3), (4, 6)), (cls(3, -1), (2, 2, 6)), (cls(-1), (1, 5)), (cls(4, 1, 2), (3, 2, 2, 2)), (cls(), (2, 1))]


@inline
def _gather(source, target, axes, lengths, steps):
    """Fill target (batch, features), whose axes have these lengths, from source, where their neighbours are `steps` apart.

    It goes through target in order: if the reads are in order and the writes apart, it takes two to four times as long.
    """
    n, step = lengths[axes - 1], steps[axes - 1]
    for row in range(target.shape[1] // n):
        rest, start = row, 0
        for d in range(axes - 2, -1, -1):
            start += (rest % lengths[d]) * steps[d]
            rest //= lengths[d]
        for i in range(target.shape[0]):
            for j in range(n):
                target[i, row * n + j] = source[i, start + j * step]


class Transpose(Module):
    """An example's axes in another order; the batch axis stays in front.

    Parameters
    ----------
    axes : the axes of one example, from 0, in their new order, at most 16. ``Transpose(1, 0)`` exchanges rows and columns.
        Without any, all axes are reversed.

    Shape
    -----
    (batch, ...) -> (batch, ...): axis d of the result is axis axes[d] of the input

    Example
    -------
    >>> Transpose(1, 0).forward([[[1.0, 2.0], [3.0, 4.0]]])
    array([[[1., 3.],
            [2., 4.]]])
    """

    axes: Fixed[Shape] = Fixed()
    #: Of an example: how many axes; how long each axis of out is, and how far apart its neighbours are in x; how long each axis
    #: of dx is, and how far apart its neighbours are in delta.
    row_sizes = ("axes", ("lengths", _MOST), ("steps", _MOST), ("dx_lengths", _MOST), ("dx_steps", _MOST))

    def __init__(self, *axes: int) -> None:
        order = _whole_numbers(axes, "Transpose: axes are")
        if sorted(order) != list(range(len(order))):
            raise ValueError(
                f"Transpose: axes are {order}, expected each of 0 to {len(order) - 1} once: the axes of one example"
            )
        if len(order) > _MOST:
            raise ValueError(f"Transpose: axes are {len(order)}, expected at most {_MOST}")
        super().__init__()
        self.axes = order

    def _order(self, input_shape: Shape) -> Shape:
        if self.axes and len(input_shape) != len(self.axes):
            raise ShapeError(self, input_shape, f"{len(self.axes)} axes after the batch")
        if len(input_shape) > _MOST:
            raise ShapeError(self, input_shape, f"at most {_MOST} axes after the batch")
        return self.axes or tuple(range(len(input_shape) - 1, -1, -1))

    def output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape[axis] for axis in self._order(input_shape))

    def sizes(self, input_shape: Shape) -> tuple[Any, ...]:
        order = self._order(input_shape)
        if not order:
            return 1, (1,), (1,), (1,), (1,)
        after = tuple(input_shape[axis] for axis in order)
        steps = [prod(input_shape[axis + 1 :]) for axis in order]
        back = [prod(after[order.index(axis) + 1 :]) for axis in range(len(order))]
        return len(order), after, steps, input_shape, back

    @operation
    def forward(x, out, z):
        # x, out (batch, features)
        _gather(x, out, z.axes, z.lengths, z.steps)                   # (1)

    @operation
    def backward_delta(delta, dx, z):
        # out is x, gathered
        _gather(delta, dx, z.axes, z.dx_lengths, z.dx_steps)          # (3)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [
            (cls(1, 0), (4, 2, 3)),
            (cls(2, 0, 1), (2, 3, 4, 5)),
            (cls(0, 2, 1), (1, 2, 3, 2)),
            (cls(), (3, 2, 3, 1)),
            (cls(3, 1, 0, 2), (2, 2, 3, 2, 4)),
            (cls(), (5,)),
        ]
