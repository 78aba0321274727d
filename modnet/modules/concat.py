"""Concat: several branches read the same input, and their results stand side by side on the last axis.

x (batch, ...), f1 ... fk the branches, fi(x) (batch, ..., ni), out (batch, ..., n1 + ... + nk).

(1)  out = [f1(x), f2(x), ..., fk(x)]
(2)  dL/dparameters of fi, given x and the columns of delta that are fi's
(3)  dL/dx = the sum over i of (dL/dx of fi, given those columns): x is in every branch
"""

from __future__ import annotations

from typing import Any

from modnet.module import Module, Shape
from modnet.modules.container import Container


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

    def wire(self, program: Any, x: Any) -> Any:
        return program.join(*[program.add(module, x) for module in program.each(self)])

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
