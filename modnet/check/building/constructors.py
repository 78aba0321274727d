"""What a constructor asks for: the role of each of its arguments, by its name or its place; and an object built so.

What has no role that is known is not guessed: the class is `NotBuilt`.
"""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from modnet.check.asking.calls import Misbehaviour, call
from modnet.check.reading.arguments import NotBuilt, asks
from modnet.check.reading.definitions import WINDOWED, plain_name
from modnet.check.reading.lines import unread
from modnet.check.reading.vocabulary import derivative_among, meanings

_ROLES = (
    "k_size", "side", "volume", "chan_in", "chan_out", "stride", "padding", "input", "output", "features", "threshold", "slope",
    "drop",
    "eps", "seed", "shape", "activation", "derivative", "init", "optimizer", "out_shape", "classes", "range", "scale", "pair",
    "heads", "rows", "length", "longest",
)  # fmt: skip
#: What is given for a role.
USUAL: dict[str, Any] = {
    "k_size": 3, "chan_in": 2, "chan_out": 4, "stride": 2, "padding": 0, "input": 3, "output": 2, "features": 3,
    "threshold": 0.0, "slope": 0.2, "drop": 0.3, "eps": 1e-8, "seed": 0, "classes": 3, "range": (-1.0, 1.0), "scale": 1.0,
    "pair": (3, 2), "heads": 2, "rows": 5, "length": 4, "longest": 8,
}  # fmt: skip
#: With windows or without.
_ANYWHERE = (
    "eps", "seed", "threshold", "slope", "shape", "out_shape", "activation", "derivative", "init", "optimizer", "range",
    "scale",
)  # fmt: skip
_WINDOW = ("k_size", "volume", "chan_in", "chan_out", "stride", "padding")
#: The order of the statement, for names that say nothing.
_ORDERS = {
    "linear": ("input", "output"),
    "conv1d": ("k_size", "chan_in", "chan_out", "stride"),
    "conv2d": ("k_size", "chan_in", "chan_out", "stride"),
    **dict.fromkeys(("maxpool1d", "maxpool2d", "avgpool1d", "avgpool2d"), ("k_size", "stride")),
    **dict.fromkeys(("batchnorm", "layernorm"), ("features",)),
    "dropout": ("drop",),
    "leakyrelu": ("slope",),
    "elu": ("slope",),
}


def unmeant(make: Callable[..., Any], without: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """The required arguments of a constructor that mean nothing known: those that it never reads, and the others."""
    given = [p for p in inspect.signature(make).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    names = [p.name for p in given if p.default is p.empty and p.name not in without]
    pair = derivative_among(names)
    left = [n for n in names if n not in pair and not meanings(n, _ROLES)]
    idle = unread(getattr(make, "__init__", None)) if isinstance(make, type) and left else set()
    return [n for n in left if n in idle], [n for n in left if n not in idle]


def name_of(make: Callable[..., Any]) -> str:
    """What a constructor is called; of an object that is called like one, such as a partial, what its class is."""
    return str(getattr(make, "__name__", type(make).__name__))


def roles_of(make: Callable[..., Any], without: Collection[str] = ()) -> dict[str, str] | None:
    """From the roles of the handout (k_size, chan_in, chan_out, stride, input, output ...) to a constructor's own names.

    A role that two arguments have, such as a height and a width, is there twice, the second time with " 2" after it. None if an
    argument without a default has no role. `without` are arguments that somebody else fills.
    """
    try:
        given = [p for p in inspect.signature(make).parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    except (TypeError, ValueError):
        return None
    given = [p for p in given if p.name not in {*without, *unmeant(make, without)[0]}]
    name = plain_name(make) if isinstance(make, type) else ""
    fitting = {p.name: meanings(p.name, _ROLES) for p in given}
    if any("stride" in f and len(n) > 1 for n, f in fitting.items()):
        fitting |= {n: ["k_size"] for n in fitting if n.lower() == "f"}  # f and stride, as in a course
    fitting |= {n: [role] for n, role in zip(derivative_among(fitting), ("activation", "derivative"), strict=False)}
    sure = any({"k_size", "stride"} & set(f) and len(n) > 1 and n.lower() != "size" for n, f in fitting.items())
    four = len(given) == 4 and any("k_size" in f for f in fitting.values())
    said = {role for roles in fitting.values() for role in roles}
    sure = sure or {"k_size", "chan_in", "chan_out", "stride", "padding"} <= said
    windowed = name in WINDOWED or (not name and (sure or four))
    means = {"side": "k_size"} if "k_size" not in said else {}  # else it is the picture's
    if {"input", "output"} <= said and not {"chan_in", "chan_out"} & said and "conv" in name:
        means |= {"input": "chan_in", "output": "chan_out"}
    if windowed:
        fitting = {n: [means.get(r, r) for r in roles] for n, roles in fitting.items()}
    if re.search("reshape|view", name_of(make), re.I) and len(given) == 1:
        return {"out_shape": given[0].name}
    found: dict[str, str] = {}
    for p in given:
        wanted = [r for r in fitting[p.name] if (r in _WINDOW) == windowed or r in _ANYWHERE]
        for whole in {"shape", "out_shape"}.intersection(wanted):  # a picture's
            wanted = [whole] if windowed else [r for r in wanted if r != whole]
        wanted = wanted or (fitting[p.name] if not windowed else [])
        if windowed and not wanted and "features" in fitting[p.name] and p.default is p.empty:
            wanted = ["chan_in"]  # of a convolution that takes each channel by itself
        if "pair" in wanted:  # of a matrix
            wanted = ["pair"] if name == "linear" else [r for r in wanted if r != "pair"]
        role = next((r for r in wanted if r not in found), None) or next(
            (f"{r} 2" for r in wanted if f"{r} 2" not in found), None
        )
        if role is not None:
            found[role] = p.name
        elif p.default is p.empty:
            return _by_order(name, given, fitting)
    return found


def weighted_by_name(cls: type) -> bool:
    """Whether a class is by its name a layer with weights, and is built for numbers of inputs and outputs."""
    sizes = {"linear": {"input", "output"}, "conv1d": {"chan_in", "chan_out"}, "conv2d": {"chan_in", "chan_out"}}
    wanted = sizes.get(plain_name(cls))
    return wanted is not None and wanted <= (roles_of(cls) or {}).keys()


def _by_order(name: str, given: list[inspect.Parameter], fitting: Mapping[str, list[str]]) -> dict[str, str] | None:
    """The roles of a class of this name by the order of its arguments, if there are as many as in the statement.

    None as well if a name says another one of these roles, such as (n_out, init).
    """
    order = _ORDERS.get(name, ())
    required = [p for p in given if p.default is p.empty]
    if not order or len(required) not in (len(order), len(order) - 1):
        return None
    found = {role: p.name for role, p in zip(order, given)}
    said = {n: set(order).intersection(fitting[n]) for n in found.values()}
    return None if any(said[n] and role not in said[n] for role, n in found.items()) else found


#: What a constructor raises at an argument of another type than it wants.
_GUESSED = re.compile(
    r"TypeError: ('(int|float|tuple)' object is not (iterable|subscriptable|callable)|cannot unpack non-iterable (int|float)|"
    r"object of type '(int|float)' has no len)|AttributeError: '(int|float|tuple)' object has no attribute"
)


def build(cls: type, options: dict[str, Any] | None = None, **sizes: Any) -> Any:
    """An object of a module's class; `NotBuilt` if its constructor asks for what has no known meaning."""
    values = {**USUAL, **sizes}
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    idle, _ = unmeant(cls)
    roles = roles_of(cls)
    required = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty and p.name not in idle]
    if roles is None or any(r.split()[0] not in values and n in required for r, n in roles.items()):
        raise NotBuilt(f"{cls.__name__}({', '.join(required)}): give an example with --make")
    filled = {n: r.split()[0] for r, n in roles.items() if n in required or r != "features"}  # a dim=0 is an axis
    given = {n: values[role] for n, role in filled.items() if role in values}
    try:
        return call(f"{cls.__name__}(...)", lambda: cls(**dict.fromkeys(idle) | given | (options or {})))
    except Misbehaviour as problem:
        if _GUESSED.search(problem.message):  # a number where it wants a tuple, or the other way round
            raise NotBuilt(f"{problem.message}; give an example with --make") from problem
        raise


def by_last_axis(cls: type) -> type | None:
    """The class with the last axis for the default of its axis; None if it has no such argument, or another default than 0."""
    axes = [p for p in asks(cls, by_name=True) if re.fullmatch("dim|axis", p.name, re.I) and p.default == 0]
    if len(axes) != 1:
        return None
    given = inspect.signature(cls)

    def start(self: Any, *values: Any, **named: Any) -> None:
        super(turned, self).__init__(*values, **{axes[0].name: -1, **named})

    turned: Any = type(cls.__name__, (cls,), {"__init__": start, "__module__": cls.__module__})
    left = [p for p in given.parameters.values() if p.name != axes[0].name]
    turned.__signature__ = given.replace(parameters=left)
    return turned
