"""Concat: several branches read the same input, and their results stand side by side on the last axis.

x (batch, ...), f1 ... fk the branches, fi(x) (batch, ..., ni), out (batch, ..., n1 + ... + nk).

(1)  out = [f1(x), f2(x), ..., fk(x)]
(2)  dL/dparameters of fi, given x and the columns of delta that are fi's
(3)  dL/dx = the sum over i of (dL/dx of fi, given those columns): x is in every branch

In a table, every branch has one more row at its end, which copies its result to its columns of the slot of the result.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from modnet.module import Module, Shape, ShapeError
from modnet.modules.container import Container, features_after, features_taken
from modnet.modules.wiring import COLUMNS, PLAIN
from modnet.table import Program


class Concat(Container):
    """The results of several branches on the same input, side by side on the last axis.

    Parameters
    ----------
    branches : at least one, or one list of them: modules, `Sequential` for a chain. They give shapes that differ on the last
        axis only.

    Shape
    -----
    what every branch takes -> (batch, ..., the branches' features together)

    State
    -----
    As `Sequential`.

    Example
    -------
    >>> from modnet import Concat, Identity, ReLU, Sequential
    >>> Concat(Identity(), Sequential(ReLU(), Identity())).forward([[-1.0, 2.0]])
    array([[-1.,  2.,  0.,  2.]])
    """

    def __init__(self, *branches: Any) -> None:
        super().__init__(*branches)
        if not self._modules:
            raise ValueError("Concat: got no branches, expected at least one")

    # How the modules are connected.

    def add_rows(self, program: Program, slot: int, input_shape: Shape) -> tuple[int, Shape]:
        ends = [self._rows_of(i, program, slot, tuple(input_shape)) for i in range(len(self._modules))]
        shape = self._joined([after for _, after in ends], input_shape)
        output, start = program.slot(prod(shape)), 0
        for end, after in ends:
            program.row(PLAIN, end, output, (after[-1], shape[-1], start), COLUMNS)
            start += after[-1]
        return output, shape

    def shapes(self, input_shape: Shape) -> tuple[list[tuple[Shape, Shape]], Shape]:
        before = tuple(input_shape)
        steps = [(before, self._shape_after(i, before)) for i in range(len(self._modules))]
        return steps, self._joined([after for _, after in steps], before)

    def features_after(self, features: int | None, giver: str, place: str) -> tuple[int | None, str]:
        total: int | None = 0
        for i, module in enumerate(self._modules):
            here = f"{place}[{i}]"
            given, _ = features_after(module, features, giver, here)
            if features is None and features_taken(module) is not None:
                features, giver = features_taken(module), f"the input of {here}"
            total = None if total is None or given is None else total + given
        return total, self.name_at(place)

    def features_taken(self) -> int | None:
        return next((f for m in self._modules if (f := features_taken(m)) is not None), None)

    def _joined(self, shapes: list[Shape], input_shape: Shape) -> Shape:
        if any(not shape or shape[:-1] != shapes[0][:-1] for shape in shapes):
            given = " and ".join("(" + ", ".join(map(str, ("batch", *shape))) + ")" for shape in dict.fromkeys(shapes))
            raise ShapeError("Concat", input_shape, f"one for which its branches differ on the last axis only, not {given}")
        return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))

    # The walk in Python.

    def _walk_forward(self, x: np.ndarray) -> list[Any]:
        outs = [self._forward_of(i, x) for i in range(len(self._modules))]
        self._joined([out.shape[1:] for out in outs], x.shape[1:])
        return [x, *outs, np.concatenate(outs, axis=-1)]

    def _walk_backward(self, values: list[Any], delta: Any, gradient: bool, wants_dx: bool) -> Any:
        x, *outs, _ = values
        total, end = None, delta.shape[-1]
        # From the last branch to the first, as a table is walked: the order of a sum is in its last digits.
        for i in range(len(outs) - 1, -1, -1):
            start = end - outs[i].shape[-1]
            dx = self._backward_of(i, x, np.ascontiguousarray(delta[..., start:end]), gradient, wants_dx)
            total = dx if total is None else total + dx
            end = start
        return total

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        from modnet.modules.activations import Sigmoid, Tanh
        from modnet.modules.linear import Linear
        from modnet.modules.sequential import Sequential
        from modnet.modules.shape import Identity

        twice = Linear(3, 2, rng=4)
        return [
            (cls(Linear(3, 2, rng=0), Sequential(Linear(3, 4, rng=1), Tanh())), (4, 3)),
            (cls(Identity(), Sigmoid(), Identity()), (2, 3, 2)),
            (cls(Sequential(Tanh(), Linear(2, 1, rng=2)), cls(Tanh(), Linear(2, 3, bias=False, rng=3))), (1, 2, 2)),
            (cls(twice, Sequential(Identity()), twice), (3, 3)),
        ]
