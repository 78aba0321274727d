"""What holds the parameters that an optimizer of another style moves, and their gradients: layers, a model, objects, lists.

They answer to the names that several courses and books use.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
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
            if not name.startswith("__"):
                self.__dict__.setdefault("lacks", []).append(name)
            raise AttributeError(f"{self.called} has no {name}")
        return found[0][found[1]]

    def __setattr__(self, name: str, value: Any) -> None:
        held, key = self.kept(name) or (self.__dict__, name)
        held[key] = value


_WEIGHTS, _BIASES = ("w", "ws", "weight", "weights", "kernel"), ("b", "bs", "bias", "biases")
_BY_NAME = {**dict.fromkeys(_WEIGHTS, "W"), **dict.fromkeys(_BIASES, "b")}
_GRADIENT = re.compile(r"^(dld|d|delta|nabla|g(?=[wb]$)|grad(ient)?s?)|(grad(ient)?s?|delta)$")
_DECAY = re.compile(r"_*(lambda?_?|l[12](_reg\w*)?|weight_?decay|wd|reg_?(strength|rate|lambda|coef\w*))", re.I)


def meaning(name: str) -> tuple[bool, str]:
    """Whether a name says a gradient, and what else it says: dW, grad_weights, gW are a gradient of weights."""
    core = re.sub("[^a-z]", "", name.lower())
    bare = _GRADIENT.sub("", core)
    return bare != core, bare


class Layer(_AnyName):
    """A layer with one matrix and one bias, by whatever names they and their gradients are asked for, and in lists.

    It may also derive from a stranger's class, whose params and grads mean something else.
    """

    called = "a layer with weights and biases"

    def __init__(self, W: np.ndarray, b: np.ndarray) -> None:
        grads = {"W": np.zeros_like(W), "b": np.zeros_like(b)}
        self.__dict__.update(params={"W": W, "b": b}, grads=grads, trainable=True, decay_of_weights=0.0)

    def kept(self, name: str) -> tuple[dict[str, Any], str] | None:
        """W, weights, dW, grad_weights and the like: among the params or the grads; the factor of a decay of weights."""
        if _DECAY.fullmatch(name):
            return self.__dict__, "decay_of_weights"
        gradient, bare = meaning(name)
        own, held = _BY_NAME.get(bare, ""), self.__dict__.get("grads" if gradient else "params", {})
        return (held, own) if own in held else None

    def __getattr__(self, name: str) -> Any:
        """What has one of its names, or a method that gets or sets it; what steps keep beside is zero at first."""
        verb, _, word = name.partition("_")
        if not word or verb not in ("get", "set"):
            return super().__getattr__(name)
        if verb == "get" and self.kept(word) is None:
            self.__dict__.setdefault(word, np.zeros_like(self.params["b" if "bias" in word else "W"]))
        return partial(getattr if verb == "get" else setattr, self, word)

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

    def zero_grad(self) -> None:
        """No gradients."""
        held = self.__dict__["grads"]
        held.update({n: np.zeros_like(g) for n, g in held.items()})

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


class OneGradient(Settable):
    """A layer whose grads are those of its weights alone; those of its bias have a name of their own."""

    called = "a layer with grads of its weights"

    def kept(self, name: str) -> tuple[dict[str, Any], str] | None:
        """The gradient of the weights under the plain name."""
        return (self.__dict__["grads"], "W") if meaning(name) == (True, "") else super().kept(name)

    @property
    def grads(self) -> Any:
        """The gradient of the weights."""
        return self.__dict__["grads"]["W"]

    gradients = grads


class Whole(_AnyName):
    """A model that holds all parameters, and their gradients, itself: in lists of matrices and of biases, or in one box."""

    called = "a model"

    def __init__(self, values: Any, grads: Any) -> None:
        self.hold("params", values)
        self.hold("grads", grads)

    def hold(self, what: str, box: Any) -> None:
        """Take a box, or the two lists, of parameters or of gradients."""
        self.__dict__[f"_{what}"] = dict(zip("Wb", box, strict=True)) if isinstance(box, tuple) else {"all": box}

    def box(self) -> Any:
        """The parameters as they were given."""
        held = self.__dict__["_params"]
        return held["all"] if "all" in held else (held["W"], held["b"])

    def kept(self, name: str) -> tuple[dict[str, Any], str] | None:
        """weights, biases and gradients of either; params and grads, if they are in one box."""
        gradient, bare = meaning(name)
        held = self.__dict__.get("_grads" if gradient else "_params", {})
        known = bare in _WEIGHTS or bare in ("params", "parameters", "theta") or (gradient and not bare)
        own = "all" if known and "all" in held else _BY_NAME.get(bare, "")
        return (held, own) if own in held else None


class Model(list[Layer]):
    """A model of such layers, which is a list of them, too."""

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__(layers)
        self.layers = layers

    def __getattr__(self, name: str) -> Any:
        if re.search("layers|modules|^_*(net(work)?|nodes|blocks|stack|seq(uence)?)$", name) and "layers" in self.__dict__:
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
        if not re.search("^_*(data|val(ue)?s?|w(eights?)?|param|array|d|grad(ient)?s?)$", name, re.I):
            return None
        return (self.of.grads if re.match("_*(d$|grad)", name) else self.of.params), self.named

    def __iter__(self) -> Iterator[np.ndarray]:
        """The two arrays, for whoever has them as a pair."""
        return iter((self.of.params[self.named], self.of.grads[self.named]))

    def __getitem__(self, place: int) -> np.ndarray:
        return [*self][place]


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
