"""Right layers, a right network and a right loss in plain numpy, put in the place of what a hand-in lacks or got wrong.

They answer to every form in which the contract is called in hand-ins: methods or a call, with the input or with delta alone.
With `derived`, they are also of the hand-in's own base class, for code that asks ``isinstance(module, Module)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet.check.networks.wiring import give


class Linear:
    """out = x W + b."""

    def __init__(self, n: int = 3, m: int = 2, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._parameters = rng.uniform(-1, 1, (n + 1, m)) / np.sqrt(n)
        self._gradient = np.zeros((n + 1, m))
        self._input: Any = None  # for networks that look there for what a layer was given, or gave
        self._forward: Any = None

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        self._gradient = np.zeros(self._parameters.shape)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """What comes out."""
        self.x = self._input = x
        out: np.ndarray = x @ self._parameters[:-1] + self._parameters[-1]
        self._forward = out
        return out

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """forward."""
        return self.forward(x)

    def update_parameters(self, gradient_step: float = 1e-3, *_: Any, **named: float) -> None:
        """A step against the gradient."""
        self._parameters -= next(iter(named.values()), gradient_step) * self._gradient

    def backward_update_gradient(self, *given: np.ndarray) -> None:
        """Add dL/dparameters, given the input and delta, or delta alone."""
        x, delta = given if len(given) == 2 else (self.x, given[0])
        self._gradient += np.vstack([x.T @ delta, delta.sum(axis=0)])

    def backward_delta(self, *given: np.ndarray) -> np.ndarray:
        """dL/dinput, given the input and delta, or delta alone."""
        self._delta = out = given[-1] @ self._parameters[:-1].T
        return out


class Tanh:
    """out = tanh(x)."""

    def __init__(self) -> None:
        self._parameters = self._gradient = None
        self._input: Any = None
        self._forward: Any = None

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        pass

    def forward(self, x: np.ndarray) -> np.ndarray:
        """What comes out."""
        self.x = self._input = x
        self._forward = out = np.tanh(x)
        return out

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """forward."""
        return self.forward(x)

    def update_parameters(self, *_: Any, **__: Any) -> None:
        """A step against the gradient."""
        pass

    def backward_update_gradient(self, *_: Any) -> None:
        """Add dL/dparameters, given the input and delta, or delta alone."""
        pass

    def backward_delta(self, *given: np.ndarray) -> np.ndarray:
        """dL/dinput, given the input and delta, or delta alone."""
        x, delta = given if len(given) == 2 else (self.x, given[0])
        self._delta = out = delta * (1 - np.tanh(x) ** 2)
        return out


class MSELoss:
    """The squared error of each example."""

    def forward(self, y: np.ndarray, yhat: np.ndarray) -> np.ndarray:
        """What comes out."""
        out: np.ndarray = ((yhat - y) ** 2).sum(axis=1)
        return out

    __call__ = forward

    def backward(self, y: np.ndarray, yhat: np.ndarray) -> np.ndarray:
        """The derivative by yhat."""
        return 2 * (yhat - y)

    backward_loss = backward


class Sequential:
    """Modules one after the other; for code whose network is a list of modules, a list of them, too."""

    def __init__(self, *modules: Any) -> None:
        self.modules = list(modules)

    def __len__(self) -> int:
        return len(self.modules)

    def __getitem__(self, place: Any) -> Any:
        return self.modules[place]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """What comes out."""
        self.inputs = [x]
        for module in self.modules:
            self.inputs.append(module.forward(self.inputs[-1]))
        return self.inputs[-1]

    __call__ = forward

    def backward_update_gradient(self, *given: Any) -> np.ndarray:
        """Add dL/dparameters, given the input and delta, or delta alone."""
        arrays = [a for a in given if isinstance(a, np.ndarray) and a.shape == self.inputs[-1].shape]
        delta = next((loss.backward(*arrays[:2]) for loss in given if hasattr(loss, "backward")), arrays[-1])
        for module, x in zip(self.modules[::-1], self.inputs[-2::-1], strict=True):
            give(module.backward_update_gradient, x, delta)
            delta = give(module.backward_delta, x, delta)
        return delta

    backward = backward_update_gradient

    def backward_delta(self, *given: Any) -> np.ndarray:
        """dL/dinput, given the input and delta, or delta alone."""
        delta = given[-1]
        for module, x in zip(self.modules[::-1], self.inputs[-2::-1], strict=True):
            delta = give(module.backward_delta, x, delta)
        return delta

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        for module in self.modules:
            module.zero_grad()

    def update_parameters(self, gradient_step: float = 1e-3, *_: Any, **named: float) -> None:
        """A step against the gradient."""
        for module in self.modules:
            module.update_parameters(next(iter(named.values()), gradient_step))


def derived(kind: type, bases: Sequence[type]) -> type:
    """A stand-in that is of a hand-in's own base class, too, as far as that can be."""
    for base in bases:
        try:
            found = type(kind.__name__, (kind, base), {})
        except TypeError:
            continue
        if not inspect.isabstract(found):
            return found
    return kind
