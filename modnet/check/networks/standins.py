"""Right layers, a right network, loss and optimizer in plain numpy, in the place of what a hand-in lacks or got wrong.

They answer to every form in which the contract is called in hand-ins: methods in any spelling or a call, with the input or with
delta alone. With `derived`, they are also of the hand-in's own base class, for code that asks ``isinstance(module, Module)``.
With a list of calls, they write down what they are asked.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet.check.networks.calls import Call
from modnet.check.networks.wiring import give
from modnet.check.reading.vocabulary import FORWARD, core


class _Spelt:
    """Methods are found in any spelling: zeroGrad is zero_grad; those that measure how it goes give 0."""

    calls: list[Call] | None = None

    def __init__(self) -> None:
        """Nothing: what a base class of the hand-in asks for is not known."""

    def __getattr__(self, name: str) -> Any:
        if re.search("score|accuracy", name, re.I):
            return lambda *_, **__: np.zeros(1)
        own = next((n for n in dir(type(self)) if core(n) == core(name) and not n.startswith("__")), name)
        return object.__getattribute__(self, own)

    def __call__(self, *given: Any) -> Any:
        """forward."""
        return self.forward(*given)

    def _note(self, *call: Any, **held: Any) -> None:
        if self.calls is not None:
            self.calls.append(Call(*call, **held))


class Tanh(_Spelt):
    """out = tanh(x); and what is common to layers."""

    _parameters: Any = None
    _gradient: Any = None
    _input: Any = None  # for networks that look there for what a layer was given, or gave
    _forward: Any = None

    def _value(self, x: np.ndarray) -> np.ndarray:
        return np.tanh(x)

    def _slope(self, x: np.ndarray, delta: np.ndarray) -> np.ndarray:
        return delta * (1 - np.tanh(x) ** 2)

    def _given(self, given: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        return (given[0] if len(given) == 2 else self._input), given[-1]

    def zero_grad(self) -> None:
        """Set the gradient to zero."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """What comes out."""
        self._input, self._forward = x, self._value(x)
        self._note(FORWARD, 0, np.array(x), self._forward.copy())
        return self._forward

    def update_parameters(self, *_: Any, **__: Any) -> None:
        """A step against the gradient."""

    def backward_update_gradient(self, *_: np.ndarray) -> None:
        """Add dL/dparameters, given the input and delta, or delta alone."""

    def backward_delta(self, *given: np.ndarray) -> np.ndarray:
        """dL/dinput, given the input and delta, or delta alone."""
        self._delta = self._slope(*self._given(given))
        return self._delta


class Linear(Tanh):
    """out = x W + b."""

    def __init__(self, n: int = 3, m: int = 2, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._parameters = rng.uniform(-1, 1, (n + 1, m)) / np.sqrt(n)
        self._gradient = np.zeros((n + 1, m))

    def held(self) -> tuple[np.ndarray, ...]:
        """Copies of the parameters."""
        return (self._parameters.copy(),)

    def _value(self, x: np.ndarray) -> np.ndarray:
        return x @ self._parameters[:-1] + self._parameters[-1]

    def _slope(self, x: np.ndarray, delta: np.ndarray) -> np.ndarray:
        return delta @ self._parameters[:-1].T

    def zero_grad(self) -> None:
        """Set the gradient to zero."""
        self._gradient = np.zeros(self._parameters.shape)

    def update_parameters(self, gradient_step: float = 1e-3, *_: Any, **named: float) -> None:
        """A step against the gradient."""
        self._parameters -= next(iter(named.values()), gradient_step) * self._gradient

    def backward_update_gradient(self, *given: np.ndarray) -> None:
        """Add dL/dparameters, given the input and delta, or delta alone."""
        x, delta = self._given(given)
        gradient = np.vstack([x.T @ delta, delta.sum(axis=0)])
        self._gradient += gradient
        self._note("backward", 0, delta, held=self.held(), gradient=(gradient,))


class MSELoss(_Spelt):
    """The squared error of each example."""

    def forward(self, y: np.ndarray, yhat: np.ndarray) -> np.ndarray:
        """What comes out."""
        out: np.ndarray = ((yhat - y) ** 2).sum(axis=1)
        return out

    def backward(self, y: np.ndarray, yhat: np.ndarray) -> np.ndarray:
        """The derivative by yhat."""
        self._note("slope", 1, np.array(yhat), held=(np.array(y), np.array(yhat)))
        return 2 * (yhat - y)

    backward_loss = backward


class Sequential(_Spelt):
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


class Optim(_Spelt):
    """A right optimizer, whose step gives the mean loss, or (prediction, loss)."""

    def __init__(self, net: Any, loss: Any, eps: float, both: bool = False) -> None:
        self.net, self.loss, self.eps, self.both = net, loss, eps, both

    def step(self, *batch: Any) -> Any:
        """One step, by a batch and its truth; given anything else, by the gradients that are there."""
        if len(batch) != 2:
            self.net.update_parameters(self.eps)
            return self.net.zero_grad()
        batch_x, batch_y = batch
        yhat = self.net.forward(batch_x)
        self.net.zero_grad()
        self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(batch_x))
        self.net.update_parameters(self.eps)
        number = np.mean(self.loss.forward(batch_y, yhat))
        return (yhat, number) if self.both else number


class _AsInTorch(Tanh):
    """A layer as Lua Torch's are: it keeps what it gave, and backward does both."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """What comes out."""
        self.output = super().forward(x)
        return self.output

    def backward(self, x: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """Add dL/dparameters, and give dL/dinput."""
        self.accGradParameters(x, delta)
        return self.updateGradInput(x, delta)

    def accGradParameters(self, x: np.ndarray, delta: np.ndarray) -> None:
        """Add dL/dparameters."""
        self.backward_update_gradient(x, delta)

    def updateGradInput(self, x: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """dL/dinput."""
        self.gradInput = self.backward_delta(x, delta)
        return self.gradInput

    def updateOutput(self, x: np.ndarray) -> np.ndarray:
        """What comes out."""
        return self.forward(x)

    def zeroGradParameters(self) -> None:
        """Set the gradient to zero."""
        self.zero_grad()


def derived(kind: type, bases: Sequence[type]) -> type:
    """A stand-in that is of a hand-in's own base class, too, as far as that can be."""
    for base in bases:
        as_in_torch = (_AsInTorch,) if hasattr(base, "updateOutput") and issubclass(kind, Tanh) else ()
        try:
            found = type(kind.__name__, (*as_in_torch, kind, base), {})
        except TypeError:
            continue
        if not inspect.isabstract(found):
            return found
    return kind


def loss_class(bases: Sequence[type]) -> type:
    """The class of a right loss, derived from those of a hand-in's bases that are for losses."""
    return derived(MSELoss, [base for base in bases if "loss" in base.__name__.lower()])
