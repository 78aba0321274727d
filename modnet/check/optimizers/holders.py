"""What holds the parameters that an optimizer of another style moves, and their gradients: layers, a model, objects, lists.

They answer to the names that several courses and books use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np


class _AnyName:
    """Something whose attributes go by many names: `kept` says where what a name means is, if that is known."""

    called = ""

    def kept(self, name: str) -> tuple[dict[str, Any], str] | None:
        """The dict that holds it, and its key there."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        found = self.kept(name)
        if found is None:
            raise AttributeError(f"{self.called} has no {name}")
        return found[0][found[1]]

    def __setattr__(self, name: str, value: Any) -> None:
        held, key = self.kept(name) or (self.__dict__, name)
        held[key] = value


class Layer(_AnyName):
    """A layer with one matrix and one bias, by whatever names they and their gradients are asked for, and in lists.

    It may also derive from a stranger's class, whose params and grads mean something else.
    """

    called = "a layer with weights and biases"

    def __init__(self, W: np.ndarray, b: np.ndarray) -> None:
        self.__dict__.update(params={"W": W, "b": b}, grads={"W": np.zeros_like(W), "b": np.zeros_like(b)}, trainable=True)

    def kept(self, name: str) -> tuple[dict[str, Any], str] | None:
        """W, weights, dW, grad_weights and the like: among the params or the grads."""
        core = re.sub("[^a-z]", "", name.lower())
        bare = re.sub(r"^(dld|d|grad(ient)?s?)|(grad(ient)?s?)$", "", core)
        own = {"w": "W", "weight": "W", "weights": "W", "kernel": "W", "b": "b", "bias": "b", "biases": "b"}.get(bare, "")
        held = self.__dict__.get("grads" if bare != core else "params", {})
        return (held, own) if own in held else None

    @property
    def params(self) -> dict[str, np.ndarray]:
        """Values by name."""
        held: dict[str, np.ndarray] = self.__dict__["params"]
        return held

    @property
    def grads(self) -> dict[str, np.ndarray]:
        """Gradients by name."""
        held: dict[str, np.ndarray] = self.__dict__["grads"]
        return held

    @property
    def parameters(self) -> list[np.ndarray]:
        """Values in a list."""
        return list(self.params.values())

    @property
    def gradients(self) -> list[np.ndarray]:
        """Gradients in a list, in the same order."""
        return [self.grads[n] for n in self.params]

    def get_params(self) -> dict[str, dict[str, np.ndarray]]:
        """Values and gradients by name."""
        return {n: {"value": v, "grad": self.grads[n]} for n, v in self.params.items()}

    def set_params(self, given: dict[str, Any]) -> None:
        """Other values."""
        for name, value in given.items():
            self.params[name] = value["value"] if isinstance(value, dict) else value

    def update(self, *moves: Any) -> None:
        """Take away what each parameter is to move, or a rate times its gradient."""
        if len(moves) == 1 and not np.ndim(moves[0]):
            moves = tuple(moves[0] * g for g in self.gradients)
        for name, move in zip(self.params, moves, strict=True):
            self.params[name] = self.params[name] - move


class Settable(Layer):
    """A layer that says what it has, and that is told its new values, or a rate by which it moves."""

    has_weights = has_bias = has_params = has_parameters = True

    def update_weights(self, value: Any) -> None:
        """Another matrix."""
        self._take("W", value)

    def update_bias(self, value: Any) -> None:
        """Another bias."""
        self._take("b", value)

    set_weights, set_bias, set_biases, update_biases = update_weights, update_bias, update_bias, update_bias

    def _take(self, name: str, value: Any) -> None:
        self.params[name] = value if np.ndim(value) else self.params[name] - value * self.grads[name]


class Holding(Layer):
    """A layer whose weights and gradients are dicts, each by whatever name it is asked for."""

    called = "a layer with weights and gradients"

    def kept(self, name: str) -> tuple[dict[str, Any], str] | None:
        """weights, params; or their gradients."""
        if re.search("grad|^d_?(w|p)", name, re.I):
            return self.__dict__, "grads"
        return (self.__dict__, "params") if re.match("(weight|param)", name, re.I) else None


class Model(list[Layer]):
    """A model of such layers, which is a list of them, too."""

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__(layers)
        self.layers = layers

    def __getattr__(self, name: str) -> Any:
        if re.search("layers|modules", name) and "layers" in self.__dict__:
            return self.layers
        raise AttributeError(f"a model has no {name}")


# --- packed parameters and gradients ---------------------------------------------------------------------------------


class _Named(dict[Any, Any]):
    """Arrays by name, of which that of a gradient may have a d in front: grads["dW1"]."""

    def __missing__(self, key: Any) -> Any:
        for name, value in self.items():
            if isinstance(key, str) and re.sub("^_|_$", "", re.sub("^d|grad", "", key)) == name:
                return value
        raise KeyError(key)


class Parameter(_AnyName):
    """A parameter as an object, with its gradient, by whatever names they are asked for."""

    called = "a parameter"

    def __init__(self, layer: Layer, name: str) -> None:
        self.__dict__.update(of=layer, named=name)

    def kept(self, name: str) -> tuple[dict[str, Any], str] | None:
        """data, value, w; or grad."""
        if not re.search("^_*(data|val(ue)?|w(eights?)?|param|array|d|grad(ient)?s?)$", name, re.I):
            return None
        return (self.of.grads if re.match("_*(d$|grad)", name) else self.of.params), self.named


Arrays = dict[str, np.ndarray]


def _by_layer(held: dict[str, Any]) -> list[list[Any]]:
    values = list(held.values())
    return [values[i : i + 2] for i in range(0, len(values), 2)]


#: What all parameters, or all gradients, may come in.
PACKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "dict": _Named,
    "list": lambda held: list(held.values()),
    "pairs": lambda held: [tuple(pair) for pair in _by_layer(held)],
    "dicts": lambda held: [_Named(zip("Wb", pair, strict=True)) for pair in _by_layer(held)],
    "dict of dicts": lambda held: dict(enumerate(_Named(zip("Wb", pair, strict=True)) for pair in _by_layer(held))),
    "two lists": lambda held: tuple(map(list, zip(*_by_layer(held), strict=True))),
}


def flat(value: Any) -> list[Any]:
    """The arrays, or names, in whatever they are packed in, in their order."""
    if isinstance(value, dict | list | tuple):
        items = value.values() if isinstance(value, dict) else value
        return [array for item in items for array in flat(item)]
    return [value] if isinstance(value, str) or np.ndim(value) else []
