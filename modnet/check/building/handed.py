"""What a constructor is handed in the place of its author's: an activation, what draws first weights, an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.check.asking.calls import Lacks
from modnet.check.reading.vocabulary import BACKWARDS, DERIVATIVES, VALUES

_Curve = Callable[[np.ndarray], np.ndarray]


class Activation:
    """An activation as these styles have it: a function ``f(z, deriv=False)``, or an object with methods of any usual names.

    Parameters
    ----------
    name : in words. value, slope : f and f'. of_output : f' in terms of what f gave, if it is asked so.
    """

    def __init__(self, name: str, value: _Curve, slope: _Curve, of_output: _Curve | None = None) -> None:
        self.name, self.value, self.slope, self.of_output = name, value, slope, of_output
        self._z = np.zeros(())

    def __repr__(self) -> str:
        return self.name

    def __call__(self, z: Any, *flags: Any, **named: Any) -> Any:
        """f(z), or with a flag f'."""
        return self.derivative(z) if any((*flags, *named.values())) else self.forward(z)

    def forward(self, z: Any) -> np.ndarray:
        """f(z)."""
        self._z = np.asarray(z, dtype=float)
        return self.value(self._z)

    def derivative(self, z: Any = None, **_: Any) -> np.ndarray:
        """f', at what was given last unless something is given."""
        if z is None:
            return self.slope(self._z)
        return (self.of_output or self.slope)(np.asarray(z, dtype=float))

    def backward(self, delta: Any = None, z: Any = None, *more: Any) -> np.ndarray:
        """f' at what was given last, or is given now, times what comes from above."""
        if any(isinstance(value, np.ndarray) for value in more):
            raise Lacks("an activation's backward is given delta and z, and no more is known")
        at = self._z if np.shape(z) != np.shape(delta) or z is None else np.asarray(z, dtype=float)
        return self.slope(at) * (1.0 if delta is None else np.asarray(delta, dtype=float))

    def __getattr__(self, name: str) -> Any:
        """The methods by any usual names."""
        if name in VALUES or name in DERIVATIVES:
            return self.forward if name in VALUES else self.derivative
        if name in BACKWARDS:
            return self.backward
        raise Lacks(f"an activation has no {name}")


def _bend(z: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(z) ** 2


#: With the identity a layer is what it is without an activation; tanh is there with its derivative in terms of either.
straight = Activation("identity", np.array, np.ones_like)
curve_by_output = Activation("tanh", np.tanh, _bend, lambda a: 1 - a**2)
curve_by_input = Activation("tanh", np.tanh, _bend)


class _Drawn:
    """First weights, by a function or an object that is given their shape."""

    def __call__(self, *shape: Any) -> np.ndarray:
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return np.random.default_rng(1).normal(size=tuple(sizes)) * 0.5

    initialize = init = get = sample = generate = __call__


drawn = _Drawn()


class Stepper:
    """An optimizer for layers that hold one: steps at a rate of 1, or at what is set."""

    def __init__(self, rate: float = 1.0) -> None:
        self.rate = rate

    def update(self, parameter: Any, gradient: Any, *more: Any) -> Any:
        """The parameter after a step; of (W, b, dW, db, states) W and b, and the states."""
        arrays = [a for a in (parameter, gradient, *more) if isinstance(a, np.ndarray)]
        if len(arrays) < 4:
            return parameter - self.rate * gradient
        return (*(p - self.rate * g for p, g in zip(arrays[:2], arrays[2:4], strict=True)), *arrays[4:])

    step = update_param = update_params = calculate_update = get_update = apply = optimize = minimize = __call__ = update
