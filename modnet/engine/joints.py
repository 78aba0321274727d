"""Joints: the rows by which a wiring connects values. One is copied to another, added to it, or put into some of its columns.

They are modules without numbers of their own; `Program.sum` and `Program.join` make rows of them. Whoever needs another
connection, a product say, joins values side by side and writes a module that takes them apart.
"""

from __future__ import annotations

from typing import Any

from modnet.engine.storage import Counts, Storage
from modnet.kernels.compiled import ARGUMENTS
from modnet.kernels.declare import Declares
from modnet.kernels.loops import copy
from modnet.kernels.memory import flat
from modnet.kernels.operation import Kind, Operation, operation


def _unused(operation: Any) -> Any:
    """A joint is a row of a program; it is not called by hand."""

    def method(self: Any) -> None:
        raise TypeError("a joint is a row of a program; it is not called by hand")

    return method


class _Joint(Declares):
    kinds = {name: Kind(name, _unused, _unused) for name in list(ARGUMENTS)[:3]}
    row_sizes: tuple[Any, ...] = ("start",)
    over_last_axis = False
    is_compiled = True
    has_mode = same_numbers = False
    operations: tuple[Operation | None, ...]

    def __init__(self) -> None:
        self._storage, self._at, self.counts = Storage(Counts()), Counts(), Counts()


class Copy(_Joint):
    """out = x."""

    @operation
    def forward(x, out):
        copy(x, out)

    @operation
    def backward_delta(delta, dx):
        # out = x
        copy(delta, dx)


class Add(Copy):
    """out += x. Differentiated as a copy is."""

    @operation
    def forward(x, out):
        x, out = flat(x), flat(out)
        for i in range(x.size):
            out[i] += x[i]


class Columns(_Joint):
    """Some columns of out = x."""

    over_last_axis = True

    @operation
    def forward(x, out, z):
        # x (rows, n), out (rows, total)
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                out[i, z.start + j] = x[i, j]

    @operation
    def backward_delta(delta, dx, z):
        # out[i, start + j] = x[i, j]
        for i in range(dx.shape[0]):
            for j in range(dx.shape[1]):
                dx[i, j] = delta[i, z.start + j]


JOINTS = (Copy, Add, Columns)
for _kind in JOINTS:
    _kind.operations = (_kind.forward, None, _kind.backward_delta)

COPY, ADD, COLUMNS = Copy(), Add(), Columns()
