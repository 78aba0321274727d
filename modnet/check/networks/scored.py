"""Networks of other courses and books as what they have in common: one number for (x, t), and gradients of it by name.

How a network is called is found out from its methods:

* ``loss(x, t)`` gives the number and ``gradient(x, t)`` a dict of gradients by the names in ``params``;
* ``loss(X, y)`` gives (number, gradients), and the scores if there is no y; a regularisation is an argument or an attribute;
* ``forward(x, t)`` gives the number, and ``backward()`` puts the gradients into ``grads``, a list like ``params``;
* ``forward(x)`` gives the output, and ``backward(delta)`` lets each of its layers compute its own: then the number is the sum
  of delta times the output.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from modnet.check.adapters import Adapted
from modnet.check.arrays import copied
from modnet.check.draws import same_draws
from modnet.check.layers import layers_of
from modnet.check.loss_calls import is_loss_name
from modnet.check.modes import is_mode
from modnet.check.partners import core
from modnet.check.subject import FORWARD, Misbehaviour, call

GRADIENTS = ("gradient", "gradients", "grad", "compute_gradients", "compute_gradient", "calc_gradient", "backward", "backprop")
_REG = re.compile(
    r"^(reg|l2|l2_?reg\w*|reg_?(lambda|strength)|regulari[sz]ation\w*|(weight_?)?decay(_?lambda)?|lambd\w*|lamda)$", re.I
)
_PARAMS = ("params", "parameters", "weights", "W")
_GRADS = ("grads", "gradients", "grad", "dparams")
_OUTPUTS = ("predict", "forward", "scores", "feed_forward", "feedforward", "predict_proba")


def asks(method: Any, by_name: bool = False) -> list[inspect.Parameter]:
    """The arguments of a method, self excluded: those that can be given by their place, or by name. None if unknown."""
    try:
        given = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return []
    plain = [p for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY if by_name else p.POSITIONAL_ONLY)]
    return plain[1:] if plain and plain[0].name == "self" else plain


def form_of(cls: type) -> str:
    """How a class of a network gives its loss and its gradients; empty if it is none of these."""
    loss = getattr(cls, "loss", None)
    if is_loss_name(cls.__name__):
        return ""
    if (
        callable(loss)
        and len(given := asks(loss)) >= 2
        and given[0].name.lower() in ("x", "xs", "inputs", "input", "x_batch", "data")
    ):
        if _gradient_method(cls) and _outputs(cls):
            return "gradient"
        regular = any(_REG.match(p.name) for p in given[2:])
        if given[1].default is None or regular:
            return "both"
    forward, backward = (getattr(cls, n, None) for n in ("forward", "backward"))
    if callable(forward) and callable(backward) and callable(getattr(cls, "predict", None)):
        given, back = asks(forward), asks(backward)
        truth = len(given) == 2 and given[1].name.lower() in ("t", "y", "ts", "label", "labels", "target", "targets")
        if truth and all(p.default is not p.empty for p in back):
            return "forward"
    return ""


def _outputs(cls: type) -> list[str]:
    return [n for n in _OUTPUTS if callable(getattr(cls, n, None))]


def _gradient_method(cls: type) -> str:
    for name in GRADIENTS:
        method = getattr(cls, name, None)
        if callable(method) and len([p for p in asks(method) if p.default is p.empty]) == 2:
            return name
    return ""


class Scored:
    """A network, with x and t, behind three questions: the number, the gradients, the output.

    Attributes
    ----------
    net : a copy to ask. method : the name of the method that gives the gradients. reg : how much regularisation is asked for.
    """

    def __init__(self, net: Any, x: np.ndarray, t: Any, reg: float = 0.0) -> None:
        self.net, self.x, self.t, self.reg = copied(net), x, t, reg
        self.cls = type(net)
        self.form = form_of(self.cls) or ("delta" if has_layers(net) else "")
        self.name = self.cls.__name__
        if not self.form:
            raise Misbehaviour("unknown", f"{self.name}: how it gives its loss and its gradients is not known")
        gradient = _gradient_method(self.cls) if self.form == "gradient" else ""
        self.method = gradient or {"both": "loss"}.get(self.form, "backward")
        self.where = f"{self.name}.{self.method}"
        self._set_reg()
        self.inner = Adapted(self.net, x) if self.form == "delta" else None

    def _set_reg(self) -> None:
        """Give the regularisation where it is an attribute."""
        for name, value in list(vars(self.net).items()):
            if _REG.match(name) and isinstance(value, int | float) and not isinstance(value, bool):
                setattr(self.net, name, self.reg)

    @property
    def takes_reg(self) -> bool:
        """Whether there is a regularisation at all."""
        own = any(_REG.match(n) and isinstance(v, int | float) for n, v in vars(self.net).items())
        return own or any(_REG.match(p.name) for p in asks(getattr(self.cls, "loss", None)))

    def parameters(self) -> dict[str, np.ndarray]:
        """What learns, in place, by name."""
        held: Any = next(
            (v for n in _PARAMS if isinstance(v := getattr(self.net, n, None), dict | list | tuple) and len(v)), None
        )
        if self.inner is not None:
            inner = self.inner.holds(self.net)
            return {name.removeprefix("_parameters."): array for name, array in inner.items()}
        if isinstance(held, dict):
            return {k: v for k, v in held.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
        if isinstance(held, list | tuple):
            return {f"params[{i}]": v for i, v in enumerate(held) if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
        return {
            n: v
            for n, v in vars(self.net).items()
            if isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.size and n[:2] != "_d"
        }

    def score(self) -> float:
        """The number for (x, t); a `Misbehaviour` if what comes is not one number."""
        if self.form == "delta":
            return float((self.t * self.output()).sum())
        name = "forward" if self.form == "forward" else "loss"
        found = self._called(name)
        if self.form == "both":
            if not (isinstance(found, tuple) and len(found) >= 2):
                raise Misbehaviour("shape", f"loss(X, y) returns {_described(found)}, expected (loss, gradients)")
            found = found[0]
        if np.size(found) != 1 or isinstance(found, str | dict) or found is None:
            raise Misbehaviour("shape", f"{name}(x, t) returns {_described(found)}, expected one number")
        return float(np.asarray(found).reshape(()))

    def output(self) -> np.ndarray:
        """The output for x."""
        if self.form == "delta":
            assert self.inner is not None
            return np.asarray(self.inner.invoke(FORWARD, self.net, [self.x.copy()]), dtype=float)
        if self.form == "both":
            return np.asarray(self._called("loss", truth=False), dtype=float)
        name = next(n for n in _OUTPUTS if callable(getattr(self.net, n, None)))
        return np.asarray(self._called(name, truth=False), dtype=float)

    def gradients(self) -> dict[str, Any]:
        """The gradients, by the names of what they belong to."""
        if self.form == "delta":
            assert self.inner is not None
            twin = Adapted(self.net, self.x)
            twin.names, twin.out = self.inner.names, self.t
            found = twin.gradients(self.x, self.t)
            return {name.removeprefix("_parameters."): array for name, array in found.items()}
        if self.form == "forward":
            self._called("forward")
            result = call(f"{self.name}.backward", self.net.backward)
        else:
            result = self._called(self.method)
        if self.form == "both":
            result = result[1] if isinstance(result, tuple) and len(result) >= 2 else None
        if not isinstance(result, dict | list | tuple):
            result = next((v for n in _GRADS if isinstance(v := getattr(self.net, n, None), dict | list | tuple)), result)
        return self._named(result)

    def _named(self, result: Any) -> dict[str, Any]:
        names = list(self.parameters())
        if isinstance(result, list | tuple) and len(result) == 1 and isinstance(result[0], dict):
            result = result[0]
        if isinstance(result, dict):
            by_core = {core(str(k)): v for k, v in result.items()}
            cores = {n: core(str(n)) for n in names}
            found = {}
            for name, bare in cores.items():
                ways = (bare, "d" + bare, "grad" + bare, bare + "grad")
                fitting = [by_core[w] for w in ways if w in by_core] if name not in result else [result[name]]
                if fitting:
                    found[name] = fitting[0]
            return found
        if isinstance(result, list | tuple):
            return dict(zip(names, result, strict=False))
        if isinstance(result, np.ndarray) and len(names) == 1:
            return {names[0]: result}
        text = f"{self.method} returns {_described(result)}, expected gradients by the names of the parameters"
        raise Misbehaviour("not-implemented" if result is None else "unknown", text)

    def _called(self, name: str, truth: bool = True) -> Any:
        """A method, given x and t, in training if it can be told so."""
        method = getattr(self.net, name)
        arguments: list[Any] = [self.x.copy()]
        named: dict[str, Any] = {}
        for i, p in enumerate(asks(method)[1:]):
            if isinstance(p.default, bool) and re.search("decay|reg(ular|$)|l2", p.name, re.I):
                named[p.name] = bool(self.reg)
            elif _REG.match(p.name):
                named[p.name] = self.reg
            elif is_mode(p.name):
                named[p.name] = "train" if isinstance(p.default, str) else not re.search("eval|test|infer", p.name, re.I)
            elif i == 0 and truth:
                arguments.append(copied(self.t))
        before = [copied(a) for a in arguments]
        found = call(f"{self.name}.{name}", lambda: method(*arguments, **named))
        for what, old, new in zip(("x", "t"), before, arguments, strict=False):
            if isinstance(new, np.ndarray) and not np.array_equal(old, new, equal_nan=True):
                raise Misbehaviour(
                    "mutates", f"{name} writes into {what}, which belongs to whoever called it", hint="work on a copy"
                )
        return found


def has_layers(net: Any) -> bool:
    """Whether an object goes forward and back by the layers that it keeps in a list or a dict."""
    if not all(callable(getattr(net, n, None)) for n in ("forward", "backward")):
        return False
    layers = layers_of(net)
    return layers[0] is not net and all(callable(getattr(layer, "backward", None)) for layer in layers)


def _described(value: Any) -> str:
    if value is None:
        return "None"
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"{type(value).__name__}"


class Walk:
    """The calls of forward and backward of a network's layers, in order: (operation, layer, given, returned)."""

    def __init__(self, net: Any) -> None:
        self.layers = list(_every_layer(net))
        self.events: list[tuple[str, int, np.ndarray | None, np.ndarray | None]] = []
        for i, layer in enumerate(self.layers):
            for operation in ("forward", "backward"):
                setattr(layer, operation, self._recorded(operation, i, layer, getattr(layer, operation)))

    def _recorded(self, operation: str, i: int, layer: Any, method: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*given: Any, **named: Any) -> Any:
            first = next((np.array(v) for v in (*given, *named.values()) if isinstance(v, np.ndarray)), None)
            self.events.append((operation, i, first, None))
            place = len(self.events) - 1
            out = result = method(*given, **named)
            if out is None:
                names = ("output",) if operation == "forward" else ("dinputs", "dx", "dX")
                result = next((v for n in names if isinstance(v := getattr(layer, n, None), np.ndarray)), None)
            self.events[place] = (operation, i, first, np.array(result) if isinstance(result, np.ndarray) else None)
            return out

        return recorded

    def order(self, operation: str) -> list[int]:
        """The layers in the order in which they were called."""
        return [i for what, i, *_ in self.events if what == operation]

    def label(self, i: int) -> str:
        """A layer in words."""
        return f"layer {i} {type(self.layers[i]).__name__}"


def _every_layer(net: Any, depth: int = 0) -> Iterator[Any]:
    """The objects with forward and backward that a network holds, once each."""
    seen: set[int] = set()

    def within(value: Any, depth: int) -> Iterator[Any]:
        if id(value) in seen or depth > 2:
            return
        seen.add(id(value))
        if isinstance(value, dict):
            for item in value.values():
                yield from within(item, depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                yield from within(item, depth + 1)
        elif (
            hasattr(value, "__dict__")
            and not isinstance(value, type)
            and all(callable(getattr(value, n, None)) for n in ("forward", "backward"))
        ):
            yield value

    for value in vars(net).values():
        yield from within(value, 0)


def walked(scored: Scored) -> Walk | None:
    """What a copy of a network does with its layers when it computes its gradients, as far as it comes; None if it has none."""
    twin = Scored(scored.net, scored.x, scored.t, scored.reg)
    walk = Walk(twin.net)
    with same_draws(), suppress(Misbehaviour, ValueError, TypeError):
        twin.gradients()
    return walk if walk.layers else None


__all__ = ["Scored", "Walk", "asks", "form_of", "has_layers", "walked"]
