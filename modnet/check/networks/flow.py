"""Methods or functions that are called one after another: what one returns under a name, the next is given under it.

So ``dW1, db1 = net.backward(X, Y)`` goes on to ``net.update(dW1, db1, learning_rate)``, and ``cache`` and ``grads`` from one
function to the next. A network in functions becomes an object: its parameters are what the function that initializes them has
returned, its methods are the functions.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.reading.arguments import asks, counts, method_given, needs
from modnet.check.reading.lines import returned
from modnet.check.reading.vocabulary import (
    BACKWARDS,
    FORWARDS,
    OUTPUTS,
    REG,
    TRAINS,
    UPDATES,
    core,
    first_method,
    meaning_of,
)

ALL_FORWARDS = (*FORWARDS, *OUTPUTS)
ALL_UPDATES = (*UPDATES, "update", "update_weights_and_biases", "gradient_descent", "optimize", "step", "apply_gradients")
_GIVES = ("get_gradients", "get_grads", "gradients", "compute_gradients")
_OF_PAIRS = re.compile(r"_*(update|train|fit|learn|sgd|step)", re.I)
_OF_ONE = re.compile(r"(^|_)(step|on_batch|minibatch|mini_batch|batch)$", re.I)
_PAIRED = re.compile(r"(mini_?)?batch|(train(ing)?_?)?(data(set)?|set|samples|examples)|pairs", re.I)
_OFF = re.compile(r"keep_?prob\w*|drop_?(out)?(_?(rate|prob\w*))?", re.I)
_FORWARD = re.compile(
    r"^_*(calc\w*|compute|get)?_?(and_)?(predict|forward|feed|propagate|outputs?$|prob)|_predict$|^(l|nn|model)_\w*forward",
    re.I,
)
_ALIKE = {
    "gradient": "grads", "gradients": "grads", "grad": "grads", "params": "parameters", "param": "parameters",
    "parametres": "parameters",
}  # fmt: skip
#: The functions of a network in functions, by their names.
_FUNCTIONS = {
    "start": r"init(iali[sz](e|ation|er))?(_?(deep|nn|network|model|layers?))?(_?(param\w*|weights?))?(_(and_)?bias(es)?)?"
    r"(_?(deep|nn))?",
    "forward": r"(l_?|nn_?)?(model_?|network_?)?(forward|feed_?forward)(_?(prop\w*|pass|model|nn|deep))?",
    "backward": r"(l_?|nn_?)?(model_?|network_?)?(backward|back_?prop\w*)(_?(prop\w*|pass|model|nn|deep))?",
    "update": r"update(_?(param(eter)?s?|weights?))?(_and_bias(es)?)?(_with_gd)?|gradient_descent_(step|update)",
}


def plain(name: str) -> str:
    """A name as it is compared: without case, and one word for gradients and for parameters."""
    word = core(name)
    return _ALIKE.get(word, word.rstrip("s") if word == "caches" else word)


def forwards_of(cls: type) -> list[str]:
    """The methods that may give the output for an input, the likeliest first; that which gives classes comes last."""
    if issubclass(cls, InFunctions):
        return [cls.parts["forward"]]
    there = [n for n in dir(cls) if callable(getattr(cls, n))]
    plain = [n for n in ALL_FORWARDS if n in there and n != "predict"]
    named = [n for n in there if _FORWARD.search(n) and len(needs(getattr(cls, n))) == 1 and n != "predict"]
    last = [n for n in ("__call__", "predict") if n in there and any(n in vars(k) for k in cls.__mro__[:-1])]
    return list(dict.fromkeys((*plain, *named, *last)))


def stages_of(cls: type) -> Iterator[tuple[str, ...]]:
    """What a step of training may be, by the names of methods: one that trains, one that goes back, or that and an update."""
    train = method_given(cls, (*TRAINS[::-1], *BACKWARDS), ("X", "y"))
    back, update = first_method(cls, BACKWARDS), first_method(cls, ALL_UPDATES)
    if issubclass(cls, InFunctions):
        yield cls.parts["backward"], cls.parts["update"]
        return
    asked = first_method(cls, _GIVES)
    single = [n for n in dir(cls) if _OF_ONE.search(n) and method_given(cls, (n,), ("X", "y"))]
    paired = sorted((n for n in dir(cls) if _OF_PAIRS.match(n) and is_paired(getattr(cls, n))), key=lambda n: "update" not in n)
    every = (*((n,) for n in single), (train,), *((n,) for n in paired), (back,), (back, update), (back, asked, update))
    yield from dict.fromkeys(stages for stages in every if all(stages))


def is_paired(method: Any) -> bool:
    """Whether a method is given examples with their truth in one: a list of pairs."""
    given = [p.name for p in asks(method, by_name=True)] if callable(method) else []
    return any(map(_PAIRED.fullmatch, given)) and not any(meaning_of(n, ("y",)) for n in given)


def run(net: Any, name: str, values: dict[str, Any], known: dict[str, Any]) -> Any:
    """Call a method of a network.

    Parameters
    ----------
    values : by meaning, what may be given. known : by name, what was returned so far; what is returned is added.
    """
    method = getattr(net, name)
    given = asks(method, by_name=True)
    own, paired = {plain(n): v for n, v in vars(net).items()}, "pairs" in values and is_paired(method)
    truths = [p.name for p in given if meaning_of(p.name, ("y",))]
    sure = [n for n in truths if not meaning_of(n, ("outputs",))]  # beside a truth, output is what forward gave
    arguments, used = dict[str, Any](), set[str]()
    for p in given:
        kind, word = meaning_of(p.name, ("quiet", *values)), plain(p.name)
        kind = "pairs" if paired and _PAIRED.fullmatch(p.name) else kind
        kind = "epochs" if not kind and counts(method, p.name) else kind
        kind = "rate" if p.default is p.empty and meaning_of(p.name, ("eps",)) else kind
        kind = "yhat" if kind == "y" and sure and p.name not in sure else kind
        if word in known and not (kind == "y" and len(truths) == 1):  # a forward may call its output y
            value = known[word]
        elif kind == "quiet":
            if p.default is not p.empty:
                continue
            value = False
        elif _OFF.fullmatch(p.name) or REG.match(p.name):  # what changes the loss is switched off: nothing dropped, all kept
            value = float(p.name.lower().startswith("keep"))
        elif kind and not (kind == "step" and p.default is p.empty) and not (kind == "delta" and known.get("") is not None):
            value = values.get(kind, 1)
        elif word in own:
            value = own[word]
        elif p.default is not p.empty:
            continue
        elif known.get("") is not None:  # what was returned last, under whatever name, or the next part of it
            rest = known[""] if isinstance(known[""], tuple) else (known[""],)
            value, known[""] = rest[0], rest[1:] or None
        elif "yhat" in values and "yhat" not in used:
            kind, value = "yhat", values["yhat"]
        else:
            raise Misbehaviour("unknown", f"{type(net).__name__}.{name}: what {p.name} means is not known")
        used.add(kind)
        arguments[p.name] = value.copy() if isinstance(value, np.ndarray) and kind in ("X", "y", "yhat", "delta") else value
    found = call(f"{type(net).__name__}.{name}", lambda: method(**arguments))
    _keep(net, method, found, known)
    return found


def _keep(net: Any, method: Any, found: Any, known: dict[str, Any]) -> None:
    """Keep what was returned under the names it was returned by; parameters of a network in functions change so."""
    known[""] = found
    for name, value in named_by(method, found):
        known |= {plain(name): value} if name else {}
        if isinstance(net, InFunctions):
            held = [n for n in vars(net) if plain(n) == plain(name)]
            if not held and method.__name__ != net.parts["backward"]:  # whose gradients may have the names of parameters
                held = [n for n, v in vars(net).items() if _as(v, value)]
            if held:
                setattr(net, held[0], value)


def named_by(method: Any, found: Any) -> Iterator[tuple[str, Any]]:
    """What a function returned, by the names in its last line; empty if there is none. A dict beside a value is a cache."""
    line = returned(method)
    pairs: list[tuple[Any, Any]] = [(line, found)]
    if isinstance(line, ast.Tuple) and isinstance(found, tuple) and len(line.elts) == len(found):
        pairs = list(zip(line.elts, found, strict=True))
    for node, value in pairs:
        beside = "cache" if isinstance(node, ast.Dict) and len(pairs) > 1 else ""
        if value is not None:
            yield node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else beside, value


def keep_start(net: InFunctions, found: Any) -> None:
    """Keep the first parameters of a network in functions."""
    for name, value in named_by(getattr(net, net.parts["start"]), found):
        setattr(net, name or "parameters", value)


def _as(one: Any, other: Any) -> bool:
    shapes = [[np.shape(v) for v in value.values()] if isinstance(value, dict) else None for value in (one, other)]
    return shapes[0] is not None and isinstance(one, dict) and shapes[0] == shapes[1] and set(one) == set(other)


def within(value: Any, place: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Every array within an object, in lists, in dicts and in what it holds, once each; and what holds it. By their places."""
    seen = set() if seen is None else seen
    if id(value) in seen or place.count(".") + place.count("[") > 8 or inspect.ismodule(value):
        return
    seen.add(id(value))
    items: Iterable[tuple[str, Any]] = ()
    if isinstance(value, dict):
        items = ((f"{place}[{key!r}]", item) for key, item in list(value.items()))
    elif isinstance(value, list | tuple):
        items = ((f"{place}[{i}]", item) for i, item in enumerate(value))
    elif isinstance(value, np.ndarray):
        yield place, value
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not hasattr(value, "__code__"):
        yield place, value
        items = ((f"{place}.{name}".lstrip("."), item) for name, item in list(vars(value).items()))
    for inner, item in items:
        yield from within(item, inner, seen)


def numbers_within(value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Every array of floats within an object, by its place."""
    arrays = ((place, a) for place, a in within(value) if isinstance(a, np.ndarray))
    yield from ((place, a) for place, a in arrays if a.dtype.kind == "f" and a.size)


# --- networks in functions -------------------------------------------------------------------------------------------


class InFunctions:
    """A network in functions; those who derive from it have them as methods, under the names in `parts`."""

    parts: dict[str, str] = {}


def networks_among(functions: dict[str, Any], own: Collection[str]) -> Iterator[tuple[Any, type]]:
    """(the function that goes back, class) for each network in functions of a file.

    Parameters
    ----------
    functions : all that the file sees, by name. own : the names of those that it defines.
    """
    def rank(name: str) -> tuple[bool, bool]:
        return bool(re.search("model|deep|propag", name, re.I)), name in own

    among: dict[str, list[str]] = {}
    for part, pattern in _FUNCTIONS.items():
        named = [n for n in functions if re.fullmatch(pattern, n, re.I) and (part == "start" or asks(functions[n]))]
        if not named:
            return
        among[part] = sorted(named, key=rank, reverse=True)
    for back in among["backward"]:
        if back in own and rank(back) == rank(among["backward"][0]) and len(asks(functions[back])) > 2:
            variant = "".join(re.findall("_with_.*", back))  # backward_propagation_with_dropout has a forward of its own
            found = {part: names[0] for part, names in among.items()} | {"backward": back}
            found["forward"] = min(among["forward"], key=lambda n: (not variant or not n.endswith(variant), "_with_" in n))
            methods = {n: staticmethod(functions[n]) for n in found.values()}
            yield functions[back], type(back, (InFunctions,), {**methods, "parts": found})
