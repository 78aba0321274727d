"""Residual: modules one after the other, and the input added to their result.

f is the chain of the modules; x, f(x), out (batch, ...), all of one shape.

(1)  out = x + f(x)
(2)  dL/dparameters of f, given its input x and delta: delta reaches f(x) with factor 1
(3)  dL/dx = delta + (dL/dx of f, given delta)
     x is in out twice, as it is and inside f, and the two derivatives add up. Through the first, delta reaches every block
     of a deep network as it is, however small the derivatives of the f's are.

In a table, two rows write to the slot of the result: one copies x there, one adds f(x).

Reference: K. He, X. Zhang, S. Ren and J. Sun, Deep residual learning for image recognition, CVPR 2016.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from modnet.module import Module, Shape, ShapeError
from modnet.modules.sequential import Sequential
from modnet.modules.wiring import ADD, COPY, PLAIN
from modnet.table import Program


class Residual(Sequential):
    """x + f(x), where f is the given modules one after the other.

    Parameters
    ----------
    modules : at least one, or one list of them. Together they give the shape they take.

    Shape
    -----
    what the first module takes -> the same

    State
    -----
    As `Sequential`.

    Example
    -------
    >>> from modnet import Linear, Residual
    >>> block = Residual(Linear(2, 2, rng=0))
    >>> block.parameters[:] = [1, 0, 0, 1, 10, 20]
    >>> block.forward([[1.0, 2.0]])
    array([[12., 24.]])
    """

    shown = True

    def __init__(self, *modules: Any) -> None:
        super().__init__(*modules)
        if not self._modules:
            raise ValueError("Residual: got no modules, expected at least one")

    # How the modules are connected.

    def add_rows(self, program: Program, slot: int, input_shape: Shape) -> tuple[int, Shape]:
        output = program.slot(prod(input_shape))
        program.row(PLAIN, slot, output, (), COPY)
        end, shape = super().add_rows(program, slot, input_shape)
        self._require_same(input_shape, shape)
        program.row(PLAIN, end, output, (), ADD)
        return output, shape

    def shapes(self, input_shape: Shape) -> tuple[list[tuple[Shape, Shape]], Shape]:
        steps, shape = super().shapes(input_shape)
        self._require_same(input_shape, shape)
        return steps, shape

    def features_after(self, features: int | None, giver: str, place: str) -> tuple[int | None, str]:
        before = features if features is not None else self.features_taken()
        after, _ = super().features_after(features, giver, place)
        name = self.name_at(place)
        if before is not None and after is not None and before != after:
            raise ValueError(f"{name}: its modules take {before} features and give {after}, expected as many")
        return (after if before is None else before), name

    def _require_same(self, before: Shape, after: Shape) -> None:
        if tuple(before) != tuple(after):
            given = ", ".join(map(str, ("batch", *after)))
            raise ShapeError("Residual", before, f"the shape that its modules give, ({given})")

    # The walk in Python.

    def _walk_forward(self, x: np.ndarray) -> list[Any]:
        values = super()._walk_forward(x)
        self._require_same(x.shape[1:], values[-1].shape[1:])
        return [*values, x + values[-1]]

    def _walk_backward(self, values: list[Any], delta: Any, gradient: bool, wants_dx: bool) -> Any:
        dx = super()._walk_backward(values, delta, gradient, wants_dx)
        return dx + delta if wants_dx else None

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        from modnet.modules.activations import Tanh
        from modnet.modules.linear import Linear
        from modnet.modules.shape import Identity

        twice = Linear(3, 3, rng=4)
        return [
            (cls(Linear(3, 5, rng=0), Tanh(), Linear(5, 3, rng=1)), (4, 3)),
            (cls(Tanh()), (2, 3, 2)),
            (cls(Linear(2, 2, rng=2), cls(Tanh(), Linear(2, 2, bias=False, rng=3))), (1, 2, 2)),
            (cls(twice, Tanh(), twice), (3, 3)),
            (cls(Identity()), (2, 4)),
        ]
