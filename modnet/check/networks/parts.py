"""The parts of a stranger's network, of its author's own: dense layers with an activation between them, a loss, an optimizer.

Classes in which nothing was found are taken first. What is wrong then is how the network, or the loop, puts them together; with
others a network may still be right.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from modnet.check.asking.arrays import copied
from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.building.constructors import build, roles_of
from modnet.check.building.handed import drawn
from modnet.check.building.recipes import Recipe, prepare
from modnet.check.networks.pieces import Obliging, OptimizerPiece
from modnet.check.networks.standins import MSELoss
from modnet.check.optimizers.named import family_of
from modnet.check.reading.arguments import NotBuilt, asks, fill, required
from modnet.check.reading.definitions import plain_name
from modnet.check.reading.lines import text_of
from modnet.check.reading.vocabulary import ADDS, first_method, meaning_of, written
from modnet.check.styles import layer_calls

_SQUARED = re.compile("mse|square|quadra", re.I)
_DENSE = re.compile(r"dense|linear|lin[eé]aire|affine|full|^fc|^(layer|couche)$", re.I)
_CURVES = ("tanh", "sigmo", "relu")
_ENDS = ("(?<!non)(linear|identity)", "^((?!log|loss|cross).)*softmax((?!log|loss|cross).)*$")
_SETS = (
    "use", "set", "compile", "use_loss", "set_loss", "use_optimizer", "set_optimizer", "configure", "setup", "build",
    "finalize", "finalise",
)  # fmt: skip
_LEFT = ("loss", "modules", "net")  # what stays at its default
_RATES = ("rate", "step", "eps")  # what a rate is called by those who train
RATE = 0.01
_DEEPEST = 4  # activations, for as many layers as a network is built of


class Parts:
    """What a project has.

    Attributes
    ----------
    suspect : the names of those that may be taken and in which something was found.

    Parameters
    ----------
    modules, losses, optimizers : classes. functions : pairs of a loss and its derivative, both functions. wrong : those of the
        classes in which something was found.
    """

    def __init__(
        self,
        modules: Sequence[type] = (),
        losses: Sequence[type] = (),
        optimizers: Sequence[type] = (),
        functions: Sequence[tuple[Any, Any]] = (),
        wrong: Collection[type] = (),
    ) -> None:
        self.dense = [c for c in modules if (plain_name(c) == "linear" or _DENSE.search(c.__name__)) and _sized(c)]
        backward = [c for c in modules if (m := layer_calls.methods_of(c)) is not None and not m.slopes and required(c, m.back)]
        free = [c for c in modules if not required(c, "__init__")]
        self.bends = [c for word in _CURVES for c in free if re.search(word, c.__name__, re.I)]
        self.curves = [c for word in _CURVES for c in backward if re.search(word, c.__name__, re.I)][:1]
        self.ends = [c for word in _ENDS for c in backward if re.search(word, c.__name__, re.I) and not _sized(c)][:2]
        self.losses = sorted(losses, key=lambda c: not _SQUARED.search(c.__name__))[:3]
        self.functions = sorted(functions, key=lambda pair: not _SQUARED.search(pair[0].__name__))[:2]
        self.optimizers = [c for c in optimizers if family_of(c.__name__) == "sgd"]
        taken = [*self.dense, *self.curves, *self.ends, *self.losses[:1], *self.optimizers[:1]]
        self.suspect = [c.__name__ for c in dict.fromkeys(taken) if c in wrong]

    def chains(self) -> Iterator[list[Any]]:
        """Dense layers with a curve between them, one list for each way to make them.

        Those that are all as wide come last: with them an array of a wrong shape is a wrong number, and no crash.
        """
        ends = dict.fromkeys((None, *self.ends, *self.curves))
        between = [self.curves, []] if self.curves else [[]]
        for (n, m, k), dense, curves, end in product(((3, 4, 2), (3, 3, 3)), self.dense, between, ends):
            try:
                chain = [_layer(dense, n, m), *(_layer(c, m, m) for c in curves), _layer(dense, m, k)]
                yield chain if end is None else [*chain, _layer(end, k, k)]
            except (NotBuilt, Misbehaviour, TypeError, ValueError):
                continue

    def pieces(self) -> Iterator[dict[str, Any]]:
        """What a network that makes its own layers may ask for beside their sizes, by meaning: nothing first."""
        yield {}
        curves = [made for c in self.bends if (made := _made(c)) is not None]
        for cls in self.losses if curves else ():
            if (made := _made(cls)) is not None:
                yield {"activations": [copied(curves[0]) for _ in range(_DEEPEST)], "init": _drawn, "loss": made}

    def values(self) -> Iterator[dict[str, Any]]:
        """What a network or a loop may ask for, by meaning: with each loss as an object, as a class and as functions."""
        losses: list[dict[str, Any]] = [{"loss": value, "derivative": slope} for value, slope in self.functions]
        for cls in self.losses:
            made = _made(cls)
            losses += [{"loss": made}, {"loss": cls}] if made is not None else []
        losses = losses or [{"loss": _squared, "derivative": _slope_of_squared}, {"loss": MSELoss()}]
        optimizers: list[Any] = [made for cls in self.optimizers[:1] if (made := _made(cls)) is not None]
        for loss, optimizer in product(losses, [*optimizers, OptimizerPiece(RATE)]):
            numbers = {"rate": RATE, "momentum": 0.0, "shape": (3,), "batch": 6, "epochs": 1}
            yield loss | {"optimizer": optimizer, "accuracy": Obliging()} | numbers


def _drawn(*shape: int) -> np.ndarray:
    """First weights; a bias is a row."""
    return drawn(*shape) if len(shape) > 1 else drawn(1, *shape)


def _squared(y: Any, yhat: Any) -> Any:
    """The squared error of a project that has no loss."""
    return ((yhat - y) ** 2).mean()


def _slope_of_squared(y: Any, yhat: Any) -> Any:
    return 2 * (yhat - y) / np.size(y)


def _sized(cls: type) -> bool:
    return bool({"input", "output", "features"} & set(roles_of(cls) or {}))


def _layer(cls: type, n: int, m: int) -> Any:
    """A layer for n numbers that gives m, if it is one that says how many."""
    roles = roles_of(cls) or {}
    shaped = "shape" in roles.get("input", "")  # which may be a number or a tuple
    for into in (n, (n,)) if shaped else (n,):
        try:
            made = build(cls, None, input=into, output=m, shape=(n,), features=n)
            prepare(made, (6, n))
            return made
        except NotBuilt:
            recipe, sizes = Recipe(cls), {"input": n, "output": m, "features": n}
            options = {recipe.roles[r]: k for r, k in sizes.items() if r in recipe.roles}
            return recipe.build((6, n), options=options)
        except Misbehaviour:
            continue
    raise NotBuilt(f"{cls.__name__} could not be built")


def _made(cls: type) -> Any:
    """An object of a loss or an optimizer, at its own numbers but for the rate; None if it asks for more."""
    try:
        given, _ = fill(cls, {"rate": RATE})
        return call(cls.__name__, lambda: cls(**given))
    except (NotBuilt, Misbehaviour):
        return None


def put_together(
    cls: type, layers: Sequence[Any], values: dict[str, Any], called: Callable[..., Any] | None = None
) -> Any:
    """A network of these layers, told what it may be of these values; `NotBuilt` or `Misbehaviour` if it is not made so."""
    called, name, add = called or _called, cls.__name__, first_method(cls, ADDS)
    whole = {} if add else {"modules": layers, "net": layers}
    held = layers_argument(cls)
    made = partial(cls, **{held: layers}) if held else cls
    net = called(f"{name}(...)", made, values | whole, () if whole or held else _LEFT)
    for layer in layers if add else ():
        call(f"{name}.{add}", getattr(net, add), layer)
    set_up(net, values, called)
    return net


def layers_argument(cls: type) -> str:
    """The argument of a constructor that holds layers, by its lines: ``self.a = b``, and ``layer.forward`` for those in it.

    Empty if its name says so, or if there is none.
    """
    lines = text_of(cls)
    for p in asks(cls, by_name=True):
        kept = re.search(rf"self\.(\w+)(?::[^=\n]*)? = (?:list\()?{re.escape(p.name)}\)?\s*$", lines, re.M)
        through = kept and re.search(
            rf"for (\w+) in (?:reversed\()?self\.{kept[1]}\b[^\n]*\n\s+[^\n]*\b\1\.(forward|backward|__call__)\(", lines
        )
        if through and p.default in (p.empty, None) and not meaning_of(p.name, ("modules", "net")):
            return p.name
    return ""


def set_up(net: Any, values: dict[str, Any], called: Callable[..., Any] | None = None) -> bool:
    """Tell a network what it may be told of these values, by the methods that it has for it; whether it has any."""
    done = False
    for setting in written(type(net), _SETS):
        method, last = getattr(net, setting, None), setting.startswith("final")
        if callable(method) and (last or asks(method, by_name=True)):
            own = [p.name for p in asks(method, by_name=True) if p.default is not p.empty and p.default is not None]
            leave = ("accuracy",) if any(meaning_of(n, ("accuracy",)) for n in own) else ()
            try:
                (called or _called)(f"{type(net).__name__}.{setting}", method, {} if last else values, leave)
                done = True
            except NotBuilt:
                continue
    return done


def _called(name: str, function: Any, values: dict[str, Any], leave: Collection[str] = ()) -> Any:
    given, _ = fill(function, values, leave)
    return call(name, lambda: function(**given))


def assembled(cls: type, parts: Parts, failed: list[Misbehaviour]) -> Iterator[Any]:
    """Networks of a class, put together of its author's own parts."""
    for values, layers in product(parts.values(), parts.chains()):
        try:
            yield put_together(cls, copied(layers), copied(values))
        except Misbehaviour as problem:
            failed.append(problem)
        except (NotBuilt, TypeError, ValueError, AttributeError):
            continue


def told(net: Any, parts: Parts) -> Iterator[Any]:
    """A network that is told its loss and its optimizer first, with these of its author's own."""
    for values in parts.values():
        with suppress(Misbehaviour, TypeError, ValueError, AttributeError):
            twin = copied(net)
            if set_up(twin, copied(values)):
                yield twin


class Listed:
    """Layers, and what a function that trains them is given beside them.

    Attributes
    ----------
    layers : a list. held : by meaning, what else the function may ask for, the network that holds them among it.
    """

    def __init__(self, layers: list[Any], held: dict[str, Any]) -> None:
        self.layers, self.held = layers, held
        found = (layer_calls.methods_of(type(layer)) for layer in layers)
        self._forwards = [methods.value if methods is not None else "forward" for methods in found]

    def forward(self, x: Any) -> Any:
        """Through all layers."""
        for layer, forward in zip(self.layers, self._forwards, strict=True):
            x = getattr(layer, forward)(x)
        return x


def trained_by(function: Callable[..., Any], networks: Sequence[type], parts: Parts) -> Iterator[Listed]:
    """Layers of an author's own that a function of theirs trains, in a list or in a network of their own."""

    def train(self: Any, X: Any, y: Any, epochs: int, batch: int, rate: float = RATE) -> None:
        data, rates = {"X": X, "y": y, "epochs": epochs, "batch": batch}, dict.fromkeys(_RATES, rate)
        given, _ = fill(function, self.held | data | rates)
        function(**given)

    own = inspect.signature(train)
    if not any(meaning_of(p.name, _RATES) for p in asks(function, by_name=True)):
        own = own.replace(parameters=[p for p in own.parameters.values() if p.name != "rate"])
    train.__dict__.update(__signature__=own, __wrapped__=function)
    cls = type(function.__name__, (Listed,), {"train": train})
    for values, layers, net in product(parts.values(), parts.chains(), (None, *networks)):
        with suppress(NotBuilt, Misbehaviour, TypeError, ValueError, AttributeError):
            held = layers if net is None else put_together(net, layers, values)
            yield copied(cls(layers, values | {"net": held, "modules": held}))
