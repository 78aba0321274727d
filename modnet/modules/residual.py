"""Residual: modules one after the other, and the input added to their result.

f is the chain of the modules; x, f(x), out (batch, ...), all of one shape.

(1)  out = x + f(x)
(2)  dL/dparameters of f, given its input x and delta: delta reaches f(x) with factor 1
(3)  dL/dx = delta + (dL/dx of f, given delta)
     x is in out twice, as it is and inside f, and the two derivatives add up. Through the first, delta reaches every block
     of a deep network as it is, however small the derivatives of the f's are.

Reference: K. He, X. Zhang, S. Ren and J. Sun, Deep residual learning for image recognition, CVPR 2016.
"""

from __future__ import annotations

from typing import Any

from modnet.module import Module, Shape
from modnet.modules.sequential import Sequential


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

    def wire(self, program: Any, x: Any) -> Any:
        return program.sum(x, super().wire(program, x))

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
