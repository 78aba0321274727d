"""`coefs_` and `intercepts_`: the parameters of an estimator's layers, as lists that may be written to or assigned."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.estimators.building import linears

_ASSIGNED = "_assigned"  # where an estimator keeps what was assigned, until its network takes it


class Views:
    """The arrays of one name in an estimator's Linear layers, from the input to the output.

    Read, they are views of the network. What is assigned is kept, and moved into the network before its next use, so that the
    first of two lists may be assigned before the second fits to it.

    Parameters
    ----------
    kind : the name of the arrays in a layer, "weight" or "bias".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, estimator: Any, owner: type | None = None) -> Any:
        if estimator is None:
            return self
        assigned = vars(estimator).get(_ASSIGNED, {})
        if self.name in assigned:
            return assigned[self.name]
        if "net_" not in vars(estimator):
            raise AttributeError(f"{type(estimator).__name__} has no {self.name} before fit")
        return self.of(estimator)

    def __set__(self, estimator: Any, value: list[Any]) -> None:
        vars(estimator).setdefault(_ASSIGNED, {})[self.name] = value

    def of(self, estimator: Any) -> list[np.ndarray]:
        """The views, whatever was assigned."""
        return [getattr(layer, self.kind) for layer in linears(estimator.net_)]

    def write(self, estimator: Any, values: list[Any]) -> None:
        """Move values into the network; ValueError unless their shapes are the layers'."""
        places = self.of(estimator)
        shapes, expected = [np.shape(value) for value in values], [place.shape for place in places]
        if shapes != expected:
            raise ValueError(f"{type(estimator).__name__}: {self.name} has the shapes {shapes}, expected {expected}")
        for place, value in zip(places, values):
            place[...] = value


def take_assigned(estimator: Any) -> None:
    """Move what was assigned to an estimator's views into its network."""
    for name, values in vars(estimator).get(_ASSIGNED, {}).items():
        getattr(type(estimator), name).write(estimator, values)
    forget_assigned(estimator)


def forget_assigned(estimator: Any) -> None:
    """Leave the network as it is."""
    vars(estimator).pop(_ASSIGNED, None)


__all__ = ["Views", "forget_assigned", "take_assigned"]
