"""The ways in which an optimizer of another style is let move parameters of ours.

What its method asks for says what it is given: a model or its layers, one layer, one parameter, or all parameters and all
gradients, packed in one of several ways. What it moves is read where it was put, or from what it returns: new values, or what
is to be taken from the old ones.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from modnet.check.asking.calls import call
from modnet.check.optimizers.holders import PACKS, Arrays, Holding, Model, OneGradient, Parameter, Settable, Whole, flat
from modnet.check.reading.arguments import asks
from modnet.check.reading.lines import text_of
from modnet.check.reading.vocabulary import is_rate

STEPS, RATE = 6, 0.05


# --- what a step asks for --------------------------------------------------------------------------------------------

#: The methods that may take a step, the likeliest first.
METHODS = (
    "update_params", "step", "update", "update_parameters", "update_weights", "minimize", "optimize", "apply_gradients",
    "apply", "get_update", "get_updates", "compute_update", "compute_updates", "calculate_update",
)  # fmt: skip
_MEANT = (
    ("layers", r"(trainable_?)?layers|modules"),
    ("layer", r"\w*layer|module|node"),
    ("model", r"(\w+_)?(model|net(work)?|nn)|neural_?net(work)?|self"),
    ("config", r"config|cfg|conf"),
    ("memory", r"state"),
    ("key", r"\w*(key|name|_?id|idx|index)|layer_?(num|no|number)|l"),
    ("bias state", r"[vsm]_?d?_?b(ias)?"),
    ("state", r"[vsmhr]|cache|velocit(y|ies)|sq(uare)?s?|moments?|[vsm]_?d?_?w(eights?)?"),
    ("count", r"t|i|k|it(er(ation)?s?)?|n|ep(och\w*)?|steps?|count|time_?step"),
    ("guard", r"eps(ilon)?"),
    ("examples", r"(mini_?)?batch_?size|(n|num)_(samples|examples)"),
    ("bias grad", r"(d_?(l_?d)?|delta_?|grad(ient)?s?_?)(b|bias|biases|b_\w+)|(b|bias|biases)_?(grad(ient)?s?|delta)|db\w*"),
    ("grad", r"g|gs|.*grad.*|d_?(l_?d_?)?[a-z]+|delta\w*|nabla\w*"),
    ("bias", r"b|bias(es)?"),
    ("param", r"w|x|weights?(_?tensor)?|theta|\w*param(eter)?s?|var(iable)?s?|values?|old_?\w+|kernel|arr(ay)?"),
)  # fmt: skip


_GIVEN = ("layer", "layers", "model", "grad", "param", "config", "rate")
#: What constructors, steps and configs call the other numbers, and what they are given here: away from the defaults.
_NUMBERS = (
    (re.compile(r"^(beta|b|rho|decay|gamma)_?2$|^beta_?(v|s(_?dw)?)$|^squared?_decay$", re.I), "b", 0.9),
    (re.compile(r"^(beta|b|rho|decay|gamma)_?1$|^beta_?(m|v_?dw)$", re.I), "a", 0.7),
    (re.compile(r"^(momentum(_?rate)?|mu|mom|rho|decay(_?rate)?|beta|gamma|alpha|smoothing)$", re.I), "a", 0.8),
)


def number(name: str) -> tuple[str, float] | None:
    """Which of the rules' numbers an argument is, "a" or "b", and its value here; None if it is none of them."""
    return next(((which, value) for pattern, which, value in _NUMBERS if pattern.match(name)), None)


def meant(name: str) -> str:
    """What an argument of a step is; empty if that is not known."""
    if is_rate(name):
        return "rate"
    found = next((what for what, pattern in _MEANT if re.fullmatch(pattern, name, re.I)), "")
    return found or ("number" if number(name) else "")


#: Methods of other names that may take a step, too: _update_layer_params, compute_step, apply_update.
_STEP = re.compile(r"_*((get|comput\w+|calc\w*|apply|make|take|do|perform)_)?(update|step|optimi[sz]e|minimi[sz]e)(_\w+)?")
_MOVED = {"layer", "layers", "model", "grad", "param"}
#: What makes an optimizer ready for the layers or the parameters that it is to move, before its first step.
_READY = re.compile(r"_*(add_?)?(build|compile|init\w*|set_?up\w*|attach|register|prepare|bind)(_\w+)?")


def roles_in(method: Any) -> dict[str, str]:
    """What each argument is that a step is given; l is a layer if its attributes are asked for."""
    text = text_of(method)
    return {p.name: "layer" if p.name == "l" and re.search(r"\bl\.\w", text) else meant(p.name) for p in asked_of(method)}


def method_of(cls: type) -> str:
    """The method of a class that takes a step; empty if there is none of which each argument is known."""
    there = [n for n in METHODS if callable(getattr(cls, n, None))]
    known = next((n for n in there if all(roles_in(getattr(cls, n)).values())), "")
    if known:
        return known
    own = dict.fromkeys(n for k in cls.__mro__[:-1] for n, v in vars(k).items() if inspect.isfunction(v) and _STEP.fullmatch(n))
    return next((n for n in own if _moves(getattr(cls, n))), "")


def steps_in_public(cls: type) -> bool:
    """Whether the method that takes a step is there to be called, and is not a part of another that trains."""
    return not method_of(cls).startswith("_")


def _moves(method: Any) -> bool:
    roles = list(roles_in(method).values())
    return all(roles) and bool(_MOVED & set(roles))


def preparations_of(cls: type) -> list[str]:
    """The methods that are given, before the first step, what an optimizer is to move."""
    own = {n: v for k in cls.__mro__[-2::-1] for n, v in vars(k).items() if inspect.isfunction(v)}
    called = {name for v in own.values() for name in v.__code__.co_names}  # by itself
    there = [n for n in own if _READY.fullmatch(n) and n not in called and _moves(own[n])]
    return [n for n in there if set(roles_in(own[n]).values()) <= {"layer", "layers", "model", "param", "key"}]


def of_biases(cls: type, name: str) -> str:
    """The method that moves biases, of a class that has one for each: update_weights and update_bias; empty without."""
    spelt = (re.sub("weights?", word, name) for word in ("bias", "biases"))
    return next((n for n in spelt if n != name and callable(getattr(cls, n, None))), "")


def asked_of(method: Any) -> list[inspect.Parameter]:
    """The arguments of a step that it is given."""
    return [p for p in asks(method) if p.default is p.empty or meant(p.name) in _GIVEN]


class Way(NamedTuple):
    """A way to let an optimizer step.

    Attributes
    ----------
    each : what it is given at a time: "all", "layer" or "one"; "whole" for a model that holds all parameters itself.
    pack : what all parameters come in, "" for layers that hold them, "holding" for layers that hold them in dicts,
        "one gradient" for layers with grads of their weights, "objects" for parameters that hold their gradients, and "pairs of
        objects", "model" for a model with one matrix and one bias.
    """

    each: str
    pack: str


def ways_of(cls: type, made_with: Sequence[str] = ()) -> list[Way]:
    """Ways to let an optimizer of a class step, the likeliest first.

    Parameters
    ----------
    made_with : what its constructor is given of what it moves.
    """
    name = method_of(cls)
    roles = list(roles_in(getattr(cls, name)).values()) if name else []
    whole = [Way("whole", pack) for pack in ("two lists", "dict", "list")] if "model" in (*made_with, *roles) else []
    if "layer" in roles:
        return [Way("layer", ""), Way("layer", "one gradient")]
    if "grad" not in roles:
        packs = ["objects", "pairs of objects"] * ("param" in (*made_with, *roles)) + ["", "one gradient", "holding"]
        if roles == ["param"] and not made_with:
            return [Way("layer", ""), *(Way("all", pack) for pack in packs)]
        return [*(Way("all", pack) for pack in packs), *whole]
    if {"bias", "bias grad"} & set(roles):
        return [Way("layer", ""), Way("all", "two lists")]
    named = [p.name for p in asked_of(getattr(cls, name)) if meant(p.name) in ("grad", "param")]
    every, one = [*whole, *(Way("all", pack) for pack in PACKS)], Way("one", "")
    if "model" in roles:
        return [*every, Way("layer", "model"), one]
    if any(re.search(r"params|grads|parameters|weights|gradients", n, re.I) for n in named):
        return [*every, one]
    return [one] if len(roles) > 2 else [*every, one] if len(roles) == 2 else [one, *every]


# --- steps -----------------------------------------------------------------------------------------------------------


class Setting:
    """Parameters by name, gradients for each step, and a way to let an optimizer move them.

    Attributes
    ----------
    values : the parameters' start. gradients : by name, (steps, ...). moves : by name, (steps, numbers), once they were moved.
    replaced : whether new arrays came into the place of old ones. writes : whether a step has changed gradients.
    returned : whether it returned what is to be taken from the parameters. ahead : by name, what was moved before each step.
    lacks : what it asked for that the stand-ins do not have. numbers : the rule's, "a" and "b", that each step was given.
    """

    def __init__(self, layers: int, zeros: bool = False, decay: float = 0.0) -> None:
        shapes = {f"{n}{i + 1}": s for i in range(layers) for n, s in (("W", (3, 3)), ("b", (3,)))}
        self.values: Arrays = {}
        self.gradients: Arrays = {}
        for i, (n, s) in enumerate(shapes.items()):  # the first layer's numbers are the same with another one beside it
            rng = np.random.default_rng([4, i])
            self.values[n] = rng.uniform(2, 3, s) * rng.choice([-1.0, 1.0], s)  # far from what a step moves
            self.gradients[n] = rng.uniform(0.5, 1.5, (STEPS, *s)) * rng.choice([-1.0, 1.0], (STEPS, *s))
        if zeros:
            for g in self.gradients.values():
                g.reshape(STEPS, -1)[:, 0] = 0
        self.layers, self.decay = layers, decay
        self.numbers: dict[str, float] = {}
        self.lacks: list[str] = []
        self.ahead: Arrays = {}
        self.bases: tuple[type, ...] = ()
        self.network: type = object
        self.ready: Sequence[str] = ()  # what layers have ready for an optimizer
        self.moves: Arrays = {}
        self.kept: dict[tuple[str, str], Any] = {}  # configs and states, by whose and by the name of the argument
        self.box: Any = None
        self.replaced = self.writes = self.returned = False

    def take(self, maker: Callable[..., Any], way: Way, name: str) -> None:
        """Take the steps by a method of this name, of what `maker` makes when it is given what it may be made with."""
        plain = OneGradient if way.pack == "one gradient" else Settable
        kind = Holding if way.pack == "holding" else type("Layer", (plain, *self.bases), {})
        layers = [kind(self.values[f"W{i + 1}"].copy(), self.values[f"b{i + 1}"].copy()) for i in range(self.layers)]
        for layer, word in product(layers, self.ready):
            if layer.kept(word) is None:
                own = "b" if re.search(r"bias|_b$|^b_", word, re.I) else "W"
                layer.__dict__[word] = np.zeros_like(_arrays(layer, "params")[own])
        for layer in layers:
            layer.__dict__["decay_of_weights"] = self.decay
        self.places = {f"{n}{i + 1}": (layer, n) for i, layer in enumerate(layers) for n in ("W", "b")}
        self.model: Any = None
        self.box = PACKS[way.pack](self._held()) if way.pack in PACKS else None
        self.order = flat(PACKS[way.pack]({n: n for n in self.places})) if way.pack in PACKS else list(self.places)
        objects = [Parameter(*place) for place in self.places.values()] if "objects" in way.pack else layers
        listed = list(zip(objects[::2], objects[1::2], strict=True)) if way.pack == "pairs of objects" else objects
        if way.each == "whole":
            self.model = Whole(self.box, PACKS[way.pack]({n: np.zeros_like(a) for n, a in self.values.items()}))
        model = self.model or model_for(self, layers)
        self.whole = {"model": model, "layers": layers, "param": listed if self.box is None else self.box}
        parts = {"all": [self.order], "whole": [self.order], "one": [[n] for n in self.order]}.get(way.each)
        parts = parts or [[f"W{i + 1}", f"b{i + 1}"] for i in range(self.layers)]
        first = maker(self.whole)
        needs = roles_in(getattr(first, name))
        of_function = isinstance(inspect.getattr_static(first, name), staticmethod)
        label = type(first).__name__ if of_function else f"{type(first).__name__}.{name}"
        asked = set(needs.values())
        self.apart = bool({"bias", "bias grad", "bias state"} & asked)  # weights and biases have arguments of their own
        self.pack, self.by_arrays = way.pack, bool({"grad", "bias grad"} & asked)
        alone = "key" not in asked and (way.each == "one" or self.by_arrays)  # nothing tells it which parameter it is given
        made = [maker(self.whole) if i and alone else first for i in range(len(parts))]
        for at, (one, names) in enumerate(zip(made, parts, strict=True)):
            for ready in preparations_of(type(one)):
                roles = roles_in(getattr(one, ready))
                if at == 0 or one is not first or {"layer", "key"} & set(roles.values()):
                    given = {n: self._argument(n, what, names, None, at, 0) for n, what in roles.items()}
                    call(f"{type(one).__name__}.{ready}", partial(getattr(one, ready), **given))
        before, start, seen, ahead = self.now(), self._held(), list[Arrays](), list[Arrays]()
        for k in range(STEPS):
            for n, (layer, own) in self.places.items():
                _arrays(layer, "grads")[own] = self.gradients[n][k].copy()
            if self.model is not None:
                now_held = {n: _arrays(layer, "grads")[own] for n, (layer, own) in self.places.items()}
                self.model.hold("grads", PACKS[way.pack](now_held))
            _around(first, "pre")
            ahead.append({n: (a - before[n]).ravel() for n, a in self.now().items()})
            for at, (one, names) in enumerate(zip(made, parts, strict=True)):
                held = {n: _arrays(layer, "grads")[own] for n, (layer, own) in self.places.items()}
                grads = None if self.box is None else PACKS[way.pack](held)
                was = self.now()
                arguments = {n: self._argument(n, what, names, grads, at, k) for n, what in needs.items()}
                found = call(label, partial(getattr(one, name), **arguments))
                if other := of_biases(type(first), name):  # a method of its own
                    asked_too = roles_in(getattr(first, other))
                    its = names if "bias grad" in asked_too.values() else names[::-1]
                    also = {n: self._argument(n, what, its, grads, at, k) for n, what in asked_too.items()}
                    call(f"{type(first).__name__}.{other}", partial(getattr(one, other), **also))
                kept = [n for n, what in needs.items() if re.search("config|state", what)]
                self._keep(found, kept, names[0], len(names) if "bias" in asked else 1)
                self._take_result(names, was, found, k)
                left = [held[n] for n in names] if grads is None else flat(grads)
                pairs = zip(left, (self.gradients[n][k] for n in names), strict=True)
                self.writes |= any(np.any(g) and not np.array_equal(g, wanted) for g, wanted in pairs)
            _around(first, "post")
            now = self.now()
            seen.append({n: (now[n] - before[n]).ravel() for n in now})
            before = now
        self.replaced = any(a is not start[n] for n, a in self._held().items())
        self.moves, self.ahead = ({n: np.array([row[n] for row in rows]) for n in self.places} for rows in (seen, ahead))
        asked_in_vain = [(vars(one), word) for one in (*layers, *objects, model) for word in vars(one).get("lacks", [])]
        self.lacks = sorted({word for held, word in asked_in_vain if word not in held})

    def _held(self) -> Arrays:
        box = self.box if self.model is None else self.model.box()
        if box is not None:
            return dict(zip(self.order, flat(box), strict=True))
        return {n: _arrays(layer, "params")[own] for n, (layer, own) in self.places.items()}

    def now(self) -> Arrays:
        """Copies of the parameters."""
        return {n: np.array(a, dtype=float) for n, a in self._held().items()}

    def _argument(self, name: str, what: str, names: list[str], grads: Any, at: int, k: int) -> Any:
        """What one argument of a step is given."""
        layer, own = self.places[names[-1 if what.startswith("bias") else 0]]
        if what in ("config", "memory"):  # a memory is empty at first
            return self.kept.setdefault((names[0], name), dict(_CONFIG) if what == "config" else {})
        if what.endswith("state"):
            zeros = {n: np.zeros_like(self.values[n]) for n in names}
            alone = zeros[names[-1 if what.startswith("bias") else 0]]
            return self.kept.setdefault((names[0], name), alone if self.box is None else PACKS[self.pack](zeros))
        if (known := number(name)) and what == "number":
            self.numbers.setdefault(*known)
            return known[1]
        if self.pack == "model" and what in ("model", "grad"):
            return layer if what == "model" else tuple(_arrays(layer, "grads").values())
        key = names[0] if len(names) == 1 else at
        simple = {"rate": RATE, "count": k + 1, "key": key, "layer": layer, "guard": _GUARD, "examples": 1}
        if what in simple:
            return simple[what]
        if what in ("model", "layers"):
            return self.whole[what]
        if self.box is not None:
            held = grads if "grad" in what else self.box
            return held[what.startswith("bias")] if isinstance(held, tuple) and self.apart else held
        if "grad" not in what and len(names) > 2:
            return self.whole["param"]
        return _arrays(layer, "grads" if "grad" in what else "params")[own] if self.by_arrays else layer

    def _keep(self, found: Any, kept: list[str], of: str, behind: int) -> None:
        """Keep what a step returned behind so many parameters for the next one: a config, states in their order."""
        if isinstance(found, tuple) and kept and len(found) > len(kept):
            self.kept.update({(of, name): value for name, value in zip(kept, found[behind:], strict=False)})

    def _take_result(self, names: list[str], was: Arrays, found: Any, k: int) -> None:
        """Take what a step returned, if nothing has moved where it was: new values, or what is to be taken from the old."""
        now = self.now()
        if any(not np.array_equal(now[n], was[n], equal_nan=True) for n in names):
            return
        found = [found[n] for n in names] if isinstance(found, dict) and set(found) == set(names) else flat(found)
        if [np.shape(a) for a in found[: len(names)]] != [was[n].shape for n in names]:
            return
        values = {n: np.array(a, dtype=float) for n, a in zip(names, found, strict=False)}
        away = sum(float(np.abs(a - was[n]).sum()) for n, a in values.items())
        if away > 0.5 * sum(float(np.abs(was[n]).sum()) for n in names):
            self.returned = True
            along = sum(float((a * self.gradients[n][k]).sum()) for n, a in values.items()) >= 0
            values = {n: was[n] - a if along else was[n] + a for n, a in values.items()}
        for n, a in values.items():
            layer, own = self.places[n]
            _arrays(layer, "params")[own] = a
        if self.box is not None:
            self.box = PACKS[self.pack]({n: {**was, **values}[n] for n in self.places})


def _arrays(layer: Any, what: str) -> Arrays:
    """The params or the grads of a layer by name, whatever it calls so itself."""
    held: Arrays = layer.__dict__[what]
    return held


def _around(made: Any, when: str) -> None:
    """Call what an optimizer does before all layers, or after them, such as pre_update_params."""
    for name in dir(type(made)):
        method = getattr(made, name, None)
        if re.fullmatch(rf"{when}_?(update|step)(_?(params|parameters|weights))?", name) and callable(method):
            call(name, method)


def model_for(s: Setting, layers: list[Any]) -> Model:
    """The model that holds these layers: with the methods of the author's network, if there is one."""
    if s.network is object:
        return Model(layers)
    made: Model = type("Model", (Model, s.network), {})(layers)
    if [meant(p.name) for p in asks(s.network) if p.default is p.empty] == ["layers"]:
        with suppress(Exception):  # what it keeps of its layers, its methods may ask for
            s.network.__init__(made, layers)  # type: ignore[misc]
    return made


_GUARD = 1e-8
_CONFIG = {"learning_rate": RATE, "momentum": 0.8, "decay_rate": 0.8, "beta1": 0.7, "beta2": 0.9, "epsilon": _GUARD}
