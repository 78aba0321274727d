"""Parameters for an optimizer of another style to move, and the ways in which such an optimizer is let do it.

A way is a generator: it takes the steps, and yields the parameters after each.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from modnet.check.arguments import asks
from modnet.check.subject import Misbehaviour, call
from modnet.check.vocabulary import is_rate

STEPS, RATE = 6, 0.05


class Layer:
    """A layer with one matrix and one bias, by whatever names they and their gradients are asked for, and in lists.

    It may also derive from a stranger's class, whose params and grads mean something else.
    """

    def __init__(self, W: np.ndarray, b: np.ndarray) -> None:
        self.__dict__.update(params={"W": W, "b": b}, grads={"W": np.zeros_like(W), "b": np.zeros_like(b)}, trainable=True)

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

    def __getattr__(self, name: str) -> Any:
        place = _place(name)
        if place is None:
            raise AttributeError(f"a layer with weights and biases has no {name}")
        return self.__dict__[place[0]][place[1]]

    def __setattr__(self, name: str, value: Any) -> None:
        place = _place(name)
        if place is None:
            self.__dict__[name] = value
        else:
            self.__dict__[place[0]][place[1]] = value

    def get_params(self) -> dict[str, dict[str, np.ndarray]]:
        """Values and gradients by name."""
        return {n: {"value": v, "grad": self.grads[n]} for n, v in self.params.items()}

    def set_params(self, given: dict[str, Any]) -> None:
        """Other values."""
        for name, value in given.items():
            self.params[name] = value["value"] if isinstance(value, dict) else value


def _place(name: str) -> tuple[str, str] | None:
    """Where what is asked for by a name is: ("params" or "grads", "W" or "b")."""
    core = re.sub("[^a-z]", "", name.lower())
    bare = re.sub(r"^(dld|d|grad(ient)?s?)|(grad(ient)?s?)$", "", core)
    kind = "grads" if bare != core else "params"
    own = {"w": "W", "weight": "W", "weights": "W", "kernel": "W", "b": "b", "bias": "b", "biases": "b"}.get(bare)
    return None if own is None else (kind, own)


class _Holding(Layer):
    """A layer whose weights and gradients are dicts, each by whatever name it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return self.__dict__[_held(name)]

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[_held(name)] = value


def _held(name: str) -> str:
    """Which dict is asked for by a name: "params" or "grads"."""
    if re.search("grad|^d_?(w|p)", name, re.I):
        return "grads"
    if re.match("(weight|param)", name, re.I):
        return "params"
    raise AttributeError(f"a layer with weights and gradients has no {name}")


class Model:
    """A model of such layers; it goes through them, as a list does."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = self.trainable_layers = layers

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, place: Any) -> Any:
        return self.layers[place]


class Setting:
    """Parameters by name, gradients for each step, and a way to let an optimizer move them.

    Attributes
    ----------
    holding : whether a layer has its parameters in a dict.
    values : the parameters' start. gradients : by name, (steps, ...). moves : by name, (steps, numbers), once they were moved.
    """

    def __init__(self, layers: int, zeros: bool = False) -> None:
        shapes = {f"{n}{i + 1}": s for i in range(layers) for n, s in (("W", (3, 3)), ("b", (3,)))}
        self.values: dict[str, np.ndarray] = {}
        self.gradients: dict[str, np.ndarray] = {}
        for i, (n, s) in enumerate(shapes.items()):  # the first layer's numbers are the same with another one beside it
            rng = np.random.default_rng([4, i])
            self.values[n] = rng.normal(size=s)
            self.gradients[n] = rng.uniform(0.5, 1.5, (STEPS, *s)) * rng.choice([-1.0, 1.0], (STEPS, *s))
        if zeros:
            for g in self.gradients.values():
                g.reshape(STEPS, -1)[:, 0] = 0
        self.layers = layers
        self.bases: tuple[type, ...] = ()
        self.holding = False
        self.moves: dict[str, np.ndarray] = {}
        self.replaced = self.writes = False

    def take(self, made: Any, way: Callable[[Any, Setting], Iterator[dict[str, np.ndarray]]]) -> None:
        """Take the steps; `way` yields the parameters after each."""
        before, seen = {n: v.copy() for n, v in self.values.items()}, []
        for after in way(made, self):
            seen.append({n: (np.asarray(after[n], dtype=float) - before[n]).ravel() for n in before})
            before = {n: np.array(after[n], dtype=float) for n in before}
        self.moves = {n: np.array([row[n] for row in seen]) for n in before}


def by_layers(made: Any, s: Setting) -> Iterator[dict[str, np.ndarray]]:
    """Layers, each given to the optimizer."""
    layers = layers_for(s)
    method = made.update_params if callable(getattr(made, "update_params", None)) else made.update
    needs = [p for p in asks(method) if p.default is p.empty]
    for k in range(STEPS):
        _set(layers, s, k)
        if callable(getattr(made, "pre_update_params", None)):
            call("pre_update_params", made.pre_update_params)
        for layer in layers:
            rest = [RATE if is_rate(p.name) else k + 1 for p in needs[1:]]
            call(f"{type(made).__name__}.{method.__name__}", method, layer, *rest)
        if callable(getattr(made, "post_update_params", None)):
            call("post_update_params", made.post_update_params)
        s.writes = s.writes or _written(layers, s, k)
        yield _read(layers)


def by_model(make: Any, s: Setting) -> Iterator[dict[str, np.ndarray]]:
    """A model that the optimizer was given, and step()."""
    layers = layers_for(s)
    model = Model(layers)
    made = make(model)
    given = [model.layers if re.search("layers", p.name, re.I) else model for p in asks(made.step) if p.default is p.empty]
    for k in range(STEPS):
        _set(layers, s, k)
        call(f"{type(made).__name__}.step", made.step, *given)
        s.writes = s.writes or _written(layers, s, k)
        yield _read(layers)


def by_model_of_dicts(make: Any, s: Setting) -> Iterator[dict[str, np.ndarray]]:
    """The same, and each layer has its parameters in a dict, and its gradients in another."""
    s.holding = True
    yield from by_model(make, s)


def by_dict(made: Any, s: Setting) -> Iterator[dict[str, np.ndarray]]:
    """params and grads as dicts."""
    return _together(made, s, dict)


def by_list(made: Any, s: Setting) -> Iterator[dict[str, np.ndarray]]:
    """params and grads as lists."""
    return _together(made, s, lambda held: list(held.values()))


def _together(made: Any, s: Setting, pack: Callable[[dict[str, np.ndarray]], Any]) -> Iterator[dict[str, np.ndarray]]:
    """All parameters and all gradients at once, packed; what is packed alike is given back, or changed in place."""
    own = {n: v.copy() for n, v in s.values.items()}
    params = pack(own)
    for k in range(STEPS):
        grads = {n: s.gradients[n][k].copy() for n in own}
        found = call(f"{type(made).__name__}.update", made.update, params, pack(grads))
        if isinstance(found, type(params)) and len(found) == len(own) and (isinstance(found, list) or set(found) == set(own)):
            params = found
        now = params if isinstance(params, dict) else dict(zip(own, params, strict=True))
        s.replaced = s.replaced or any(now[n] is not own[n] for n in own)
        s.writes = s.writes or any(not np.array_equal(g, s.gradients[n][k]) for n, g in grads.items())
        yield now


def one_by_one(make: Any, s: Setting) -> Iterator[dict[str, np.ndarray]]:
    """One parameter and its gradient, of an optimizer of its own."""
    made = {n: make() for n in s.values}
    values = {n: v.copy() for n, v in s.values.items()}
    for k in range(STEPS):
        for n, one in made.items():
            needs = [p for p in asks(one.update) if p.default is p.empty]
            rest = [RATE if is_rate(p.name) else k + 1 for p in needs[2:]]
            found = call(f"{type(one).__name__}.update", one.update, values[n], s.gradients[n][k].copy(), *rest)
            found = found[0] if isinstance(found, tuple) and found else found
            if isinstance(found, np.ndarray) and found.shape == values[n].shape:
                values[n] = found.copy()
        yield values


def by_function(function: Any, s: Setting) -> Iterator[dict[str, np.ndarray]]:
    """(w, dw, config) -> (w, config)."""
    values = {n: v.copy() for n, v in s.values.items()}
    configs: dict[str, Any] = {n: dict(_CONFIG) for n in values}
    name = function.__name__
    for k in range(STEPS):
        for n in values:
            g = s.gradients[n][k].copy()
            found = call(name, function, values[n].copy(), g, configs[n])
            if not isinstance(found, tuple) or len(found) != 2 or np.shape(found[0]) != values[n].shape:
                raise Misbehaviour(
                    "shape", f"{name} gives {type(found).__name__}, expected (w, config)", hint="return next_w, config"
                )
            s.writes = s.writes or not np.array_equal(g, s.gradients[n][k])
            values[n], configs[n] = np.array(found[0], dtype=float), found[1]
        yield values


_CONFIG = {"learning_rate": RATE, "momentum": 0.8, "decay_rate": 0.8, "beta1": 0.7, "beta2": 0.9}


def layers_for(s: Setting) -> list[Layer]:
    """The layers that hold the parameters of a setting."""
    kind = _Holding if s.holding else type("Layer", (Layer, *s.bases), {}) if s.bases else Layer
    return [kind(s.values[f"W{i + 1}"].copy(), s.values[f"b{i + 1}"].copy()) for i in range(s.layers)]


def _set(layers: list[Layer], s: Setting, k: int) -> None:
    for i, layer in enumerate(layers):
        for n in layer.params:
            layer.grads[n] = s.gradients[f"{n}{i + 1}"][k].copy()


def _written(layers: list[Layer], s: Setting, k: int) -> bool:
    """Whether the step has changed the gradients, otherwise than to zero."""
    every = ((layer.grads[n], s.gradients[f"{n}{i + 1}"][k]) for i, layer in enumerate(layers) for n in layer.params)
    return any(np.any(now) and not np.array_equal(now, was) for now, was in every)


def _read(layers: list[Layer]) -> dict[str, np.ndarray]:
    return {f"{n}{i + 1}": layer.params[n] for i, layer in enumerate(layers) for n in ("W", "b")}
