"""Functions of a file that are losses or activations, with their derivatives, as objects and classes that are asked.

A derivative is a function of its own, ``mse_prime``, ``d_relu``; or the same function gives it: ``(x, y) -> (loss, dx)``,
``relu(x, deriv=False)``. A class is made for each, which has the functions as methods, so that their lines are found.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

from modnet.check.reading.arguments import asks, needs
from modnet.check.reading.lines import returned
from modnet.check.styles.layer_calls import Methods, is_above
from modnet.check.styles.loss_calls import Calling, gives_two, is_loss_name, is_truth, meaning, order_of, without_more

Function = Callable[..., Any]
_FLAG = re.compile(r"^((is_)?deriv(ative|ate|e|ation)?|prime|grad(ient)?|backward|back|d|diff)$", re.I)
_PRIME = (
    r"^(?P<name>\w+?)_?(prime|derivative|derivate|deriv|gradient|grad|backward|bprop|bp|der|delta|diff)$",
    r"^(d|grad|derivative_of|gradient_of|derivative|derivate|deriv|der|gradient)_(?P<name>\w+)$",
    r"^d(?P<name>[A-Z]\w+|mse|mae|bce|loss|cost)$",
    r"^(?P<name>\w+?)_(prime|derivative|deriv|gradient|grad|backward)(?P<end>_(?!layer|pass)\w+)$",  # relu_grad_gpu
)
#: Classes that gather derivatives.
_OF_SLOPES = re.compile(r"deriv|prime|grad|slope", re.I)
#: Arguments that say nothing of the input.
_KEPT = re.compile(r"cache|ctx|context|^(z|x|a|s|y|out|output|inp(ut)?s?|activations?|state)$", re.I)


def found_among(functions: Mapping[str, Function]) -> Iterator[tuple[str, Function, dict[str, Any]]]:
    """(name, function, attributes) for each activation and each loss: where it is written, and what a class of it has.

    The attributes of a loss have the object that is asked as `loss` among them.
    """
    taken: set[str] = set()
    for name, derivative in functions.items():
        found = (m["name"] + m.groupdict().get("end", "") for pattern in _PRIME if (m := re.match(pattern, name)))
        of = next((n for n in found if n in functions and _belong(n, functions[n], derivative, functions)), None)
        if of is None:
            continue
        value = functions[of]
        taken |= {name, value.__name__}
        if _is_activation(value):
            yield name, derivative, dict(vars(_layer_of(value, derivative, len(needs(derivative)) == 1)))
        else:
            yield value.__name__, value, _held_by(loss_of(value, derivative))
            yield name, derivative, _held_by(loss_of(value, derivative))
    for name, function in functions.items():
        flag, loss = flag_of(function), _is_loss(function) and is_loss_name(name)
        if name in taken or not (loss or (flag and _is_activation(function))):
            continue
        given_back = returned(function)
        if flag and not loss:
            yield name, function, dict(vars(_layer_of(with_flag(function, flag, False), with_flag(function, flag, True), True)))
        elif flag:
            yield name, function, _held_by(loss_of(function, flag=flag))
        elif gives_two(function):
            yield name, function, _held_by(loss_of(function))
        elif given_back is not None and any(map(is_truth, needs(function))):
            yield name, function, _held_by(loss_of(function, alone=True))


def found_in_groups(groups: Mapping[type | None, Mapping[str, Function]]) -> list[tuple[str, Function, dict[str, Any]]]:
    """The same of a file's functions, and of the classes that gather some: pairs within one, then pairs that are apart."""
    found = [each for group in groups.values() for each in found_among(group)]
    known = {inspect.unwrap(at): held for _, at, held in found}
    for _, at, held in found_among(_together(groups)):
        before = known.get(inspect.unwrap(at), {})
        if not before or (_has_derivative(held) and not _has_derivative(before)):
            found = [*(each for each in found if each[2] is not before), (at.__name__, at, held)]
    return found


def _has_derivative(held: Mapping[str, Any]) -> bool:
    """Whether it is a loss with its derivative."""
    return "loss" in held and bool(held["loss"].calling.derivative)


def _together(groups: Mapping[type | None, Mapping[str, Function]]) -> dict[str, Function]:
    """The functions of all groups that have a name of their own; if two classes share names, those of derivatives as such."""
    times = Counter(name for group in groups.values() for name in group)
    together = {name: f for group in groups.values() for name, f in group.items() if times[name] == 1}
    slopes = [cls for cls in groups if cls is not None and _OF_SLOPES.search(cls.__name__)]
    for cls, (of, group) in product(slopes, groups.items()):
        for name, derivative in groups[cls].items() if of not in slopes else ():
            if name in group and times[name] == 2:
                together |= {name: group[name], f"{name}_prime": _renamed(derivative, f"{cls.__name__}.{name}")}
    return together


def _renamed(function: Function, name: str) -> Function:
    """The same function by another name."""

    @functools.wraps(function)
    def renamed(*given: Any, **named: Any) -> Any:
        return function(*given, **named)

    renamed.__name__ = name
    return renamed


def _belong(of: str, value: Function, derivative: Function, functions: Mapping[str, Function]) -> bool:
    """Whether a function may be the derivative of another, by what the two ask for."""
    asked = needs(derivative)
    if _is_loss(value):
        return len(without_more(asked)) in (2, 3)
    alone = len(asked) == 1 or (len(asked) == 2 and is_above(asked[0]) and _KEPT.search(asked[1]) is not None)
    return alone and value is not derivative and f"{of}_forward" not in functions and _is_activation(value)


def _is_activation(function: Function) -> bool:
    """Whether a function is one of one array, by its arguments, and not a loss by its name."""
    asked = needs(function)
    chosen = len(asked) == 1 and re.fullmatch("name|kind|type|which|key", asked[0], re.I)  # it gives a function, by its name
    return len(asked) == 1 and not chosen and not is_truth(asked[0]) and not is_loss_name(function.__name__)


def _is_loss(function: Function) -> bool:
    """Whether a function is a loss of a prediction and a truth, by its name or those of its arguments."""
    names = without_more(needs(function))
    if len(names) != 2 or re.search("_(forward|backward)", function.__name__):
        return False
    said = order_of(names) is not None
    return is_loss_name(function.__name__) or (said and any(map(is_truth, names)))


def _held_by(loss: Any) -> dict[str, Any]:
    return {**vars(type(loss)), "loss": loss}


def _holder(name: str, functions: Mapping[str, Function], **held: Any) -> type:
    """A class that has these functions as its methods."""
    return type(name, (), {n: staticmethod(f) for n, f in functions.items()} | held | {"of_functions": True})


def _layer_of(value: Function, derivative: Function, slopes: bool) -> type:
    """A layer's class of an activation and its derivative; slopes : whether that is the derivative alone."""
    methods = Methods(value.__name__, derivative.__name__, slopes)
    held = {methods.value: value, methods.back: derivative}
    return _holder(value.__name__, held, layer_methods=methods, __module__=value.__module__)


def loss_of(
    value: Function, derivative: Function | None = None, flag: str = "", alone: bool = False
) -> Any:
    """A loss object from functions: a pair, one that gives ``(loss, dx)``, one with a flag, or one `alone`, without derivative.

    The names of its methods are those of the functions.
    """
    name = getattr(value, "__name__", "loss").replace("<lambda>", "loss")

    other = value if derivative is None else derivative
    if flag:
        value, other = with_flag(value, flag, False), with_flag(value, flag, True)
    other_name = name if other is value else getattr(other, "__name__", "derivative")
    other_name = f"{name}'" if other_name == name and other is not value else other_name.replace("<lambda>", "derivative")
    given = without_more(needs(value))[:2]
    order = order_of(given) if len(given) == 2 else None
    first = True if order is None else order
    both = other is value
    names = given if both or flag else without_more(needs(other))
    given_back = tuple(meaning(names, first))
    calling = Calling(name, "" if alone else other_name, first, given_back, order is not None)
    return _holder(name, {other_name: other, name: value}, calling=calling)()


def flag_of(function: Function) -> str:
    """The argument by which a function is asked for its derivative, as in ``relu(x, deriv=False)``; empty if it has none."""
    off = (p.name for p in asks(function) if isinstance(p.default, int) and not p.default and _FLAG.match(p.name))
    return next(off, "")


def with_flag(function: Function, flag: str, on: bool) -> Function:
    """The same function with such an argument given; of its lines those are quoted that are executed then."""

    @functools.wraps(function)
    def asked(*given: Any, **named: Any) -> Any:
        return function(*given, **named, **{flag: on})

    asked.__name__ = f"{function.__name__}({flag}=True)" if on else function.__name__
    needed = [p for p in asks(function) if p.default is p.empty]
    asked.__dict__.update(options={flag: on}, __signature__=inspect.Signature(needed))
    return asked
