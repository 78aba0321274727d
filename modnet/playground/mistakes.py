"""Modules with a mistake in their backward, as people make them, to see what the checker says and how training suffers."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.module import Module
from modnet.modules.linear import Linear


class WrongSign(Linear):
    """A Linear whose backward_delta has the wrong sign."""

    def backward_delta(self, input: Any, delta: Any) -> Any:  # type: ignore[override]
        """-delta W^T instead of delta W^T."""
        return -np.asarray(delta) @ self.weight.T


class NoBias(Linear):
    """A Linear that forgets the gradient of its bias."""

    def backward_update_gradient(self, input: Any, delta: Any) -> None:  # type: ignore[override]
        """x^T delta for the weight, and nothing for the bias."""
        self.weight_gradient[...] += np.asarray(input).T @ np.asarray(delta)


class OneExample(Linear):
    """A Linear whose gradient is that of the first example instead of the sum over the batch."""

    def backward_update_gradient(self, input: Any, delta: Any) -> None:  # type: ignore[override]
        """x[0]^T delta[0], and the bias's delta[0]."""
        self.weight_gradient[...] += np.outer(np.asarray(input)[0], np.asarray(delta)[0])
        self.bias_gradient[...] += np.asarray(delta)[0]


class TanhOfOutput(Module):
    """A Tanh whose derivative is taken at its output instead of its input."""

    def forward(self, X: Any) -> Any:
        """tanh, element by element."""
        return np.tanh(X)

    def backward_update_gradient(self, input: Any, delta: Any) -> None:
        """Nothing: there are no parameters."""

    def backward_delta(self, input: Any, delta: Any) -> Any:
        """1 - tanh(tanh(x))^2 instead of 1 - tanh(x)^2."""
        out = np.tanh(input)
        return delta * (1 - np.tanh(out) ** 2)


class NoDerivative(Module):
    """A Tanh that passes delta on as it is."""

    def forward(self, X: Any) -> Any:
        """tanh, element by element."""
        return np.tanh(X)

    def backward_update_gradient(self, input: Any, delta: Any) -> None:
        """Nothing: there are no parameters."""

    def backward_delta(self, input: Any, delta: Any) -> Any:
        """delta, without the derivative."""
        return np.array(delta)


#: What can be broken, in words: the class, and whether it replaces every Linear or every activation.
MISTAKES: dict[str, tuple[type, str]] = {
    "Linear: delta with the wrong sign": (WrongSign, "linear"),
    "Linear: the bias has no gradient": (NoBias, "linear"),
    "Linear: one example instead of the batch": (OneExample, "linear"),
    "Tanh: derivative at the output": (TanhOfOutput, "activation"),
    "Tanh: without its derivative": (NoDerivative, "activation"),
}
