"""Sequential: modules one after the other.

    x -> f1 -> h1 -> f2 -> h2 -> ... -> fn -> out

(1)  out = fn(... f2(f1(x)))
(2)  dL/dparameters of fk: its backward_update_gradient, given its own input h(k-1) and dL/dhk
(3)  dL/dh(k-1) = the backward_delta of fk, given h(k-1) and dL/dhk; from the last module to the first: the chain rule
"""

from __future__ import annotations

from typing import Any

from modnet.module import Module, Shape
from modnet.modules.container import Container


class Sequential(Container):
    """Modules one after the other, in one flat parameter vector.

    Parameters
    ----------
    modules : modules, or one list of them. Any object with ``forward``, ``backward_delta`` and, if it has parameters,
        ``backward_update_gradient``, ``zero_grad`` and ``update_parameters`` is a module.

    Attributes
    ----------
    parameters, gradient : the flat vectors of all the library's modules in it. A module that is used twice in the network
        has one slice, and its gradients from both places add up. Take views after the network is complete: building it,
        `append`, `insert`, `pop` and ``net[2] = module`` move the parameters.

    Shape
    -----
    what the first module takes -> what the last one gives

    State
    -----
    In training mode, the values of all modules in the last forward. They serve the next backward if it comes with an equal
    input and nothing has changed since; otherwise backward computes them again, so it answers for the input it is given in
    any case. In evaluation mode nothing is kept.

    Example
    -------
    >>> from modnet import Linear, Sequential, Tanh
    >>> net = Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 1, rng=1))
    >>> net.forward([[0.0, 1.0]]).shape
    (1, 1)
    """

    shown = False

    def wire(self, program: Any, x: Any) -> Any:
        for module in program.each(self):
            x = program.add(module, x)
        return x

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        from modnet.modules.linear import Linear

        shared = Linear(3, 3, rng=5)
        return [
            (cls(Linear(3, 4, rng=0), Linear(4, 2, bias=False, rng=1)), (5, 3)),
            (cls(shared, cls(Linear(3, 3, rng=2)), shared), (4, 3)),
        ]


Sequential.slice_type = Sequential
