"""Sequential: modules one after the other.

    x -> f1 -> h1 -> f2 -> h2 -> ... -> fn -> out

(1)  out = fn(... f2(f1(x)))
(2)  dL/dparameters of fk: its backward_update_gradient, given its own input h(k-1) and dL/dhk
(3)  dL/dh(k-1) = the backward_delta of fk, given h(k-1) and dL/dhk; from the last module to the first: the chain rule
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.module import Module, Shape
from modnet.modules.container import Container, features_after, features_taken, may_train
from modnet.table import Program


class Sequential(Container):
    """Modules one after the other, in one flat parameter vector.

    Parameters
    ----------
    modules : modules, or one list of them. Any object with ``forward``, ``backward_delta`` and, where it has parameters,
        ``backward_update_gradient``, ``zero_grad`` and ``update_parameters`` is a module.

    Attributes
    ----------
    parameters, gradient : the flat vectors of all the library's modules in it. A module that stands in the network twice
        has one slice, and its gradients from both places add up. Take views after the network is complete: building it and
        `append` move the parameters.

    Shape
    -----
    what the first module takes -> what the last one gives

    State
    -----
    The inputs of all modules in the last forward. They serve the next backward if it comes with an equal input and nothing
    has changed since; otherwise backward computes them again, so it answers for the input it is given in any case.

    Example
    -------
    >>> from modnet import Linear, Sequential, Tanh
    >>> net = Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 1, rng=1))
    >>> net.forward([[0.0, 1.0]]).shape
    (1, 1)
    """

    shown = False

    def _slice_type(self) -> type[Container]:
        return Sequential

    # How the modules are connected.

    def add_rows(self, program: Program, slot: int, input_shape: Shape) -> tuple[int, Shape]:
        shape = tuple(input_shape)
        for i in range(len(self._modules)):
            slot, shape = self._rows_of(i, program, slot, shape)
        return slot, shape

    def shapes(self, input_shape: Shape) -> tuple[list[tuple[Shape, Shape]], Shape]:
        steps, shape = [], tuple(input_shape)
        for i in range(len(self._modules)):
            after = self._shape_after(i, shape)
            steps.append((shape, after))
            shape = after
        return steps, shape

    def features_after(self, features: int | None, giver: str, place: str) -> tuple[int | None, str]:
        for i, module in enumerate(self._modules):
            features, giver = features_after(module, features, giver, f"{place}[{i}]")
        return features, giver

    def features_taken(self) -> int | None:
        for module in self._modules:
            taken = features_taken(module)
            if taken is not None or not getattr(module, "keeps_features", False):
                return taken
        return None

    # The walk in Python.

    def _walk_forward(self, x: np.ndarray) -> list[Any]:
        values: list[Any] = [x]
        for i in range(len(self._modules)):
            values.append(self._forward_of(i, values[-1]))
        return values

    def _walk_backward(self, values: list[Any], delta: Any, gradient: bool, wants_dx: bool) -> Any:
        # Below the first module with parameters nothing is left to do, unless dL/dinput is wanted.
        first = next((i for i, m in enumerate(self._modules) if wants_dx or may_train(m)), len(self._modules))
        for i in range(len(self._modules) - 1, first - 1, -1):
            delta = self._backward_of(i, values[i], delta, gradient, wants_dx or i > first)
        return delta

    @classmethod
    def examples(cls) -> list[tuple[Module, Shape]]:
        from modnet.modules.linear import Linear

        shared = Linear(3, 3, rng=5)
        return [
            (cls(Linear(3, 4, rng=0), Linear(4, 2, bias=False, rng=1)), (5, 3)),
            (cls(shared, cls(Linear(3, 3, rng=2)), shared), (4, 3)),
        ]
