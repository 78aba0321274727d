"""What words on the command line may be: names, numbers, shapes. Each is a type of `argparse`."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from typing import Any

from modnet import optim
from modnet.datasets.words import nearest
from modnet.hints import public
from modnet.optim.optimizer import Optimizer
from modnet.plotting.functions import elementwise


def activation_names() -> dict[str, type]:
    """Return the elementwise activations of the library by lower-case name."""
    return {name.lower(): kind for name, kind in elementwise().items()}


def optimizer_names() -> dict[str, type]:
    """Return the optimizers that need nothing but a learning rate, by lower-case name."""
    kinds = {name.lower(): getattr(optim, name) for name in public(vars(optim))}
    return {
        name: kind
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, Optimizer) and kind is not Optimizer and _needs(kind) <= {"lr"}
    }


def _needs(kind: type) -> set[str]:
    return {name for name, given in inspect.signature(kind).parameters.items() if given.default is given.empty}


def one_of(choices: dict[str, Any]) -> Callable[[str], Any]:
    """A type that takes a name in any spelling: leaky-relu, LeakyReLU, leaky_relu."""

    def parse(text: str) -> Any:
        name = text.lower().replace("-", "").replace("_", "")
        if name not in choices:
            raise argparse.ArgumentTypeError(f"it is {text!r}, expected one of {', '.join(choices)}{nearest(name, choices)}")
        return choices[name]

    return parse


def number(expected: str, valid: Callable[[float], bool]) -> Callable[[str], float]:
    """A type that takes a finite number for which ``valid`` is true; ``expected`` describes it in messages."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not (abs(value) < float("inf") and valid(value)):
            raise argparse.ArgumentTypeError(f"it is {text!r}, expected {expected}")
        return value

    return parse


def whole(low: int, high: int = 10**9) -> Callable[[str], int]:
    """A type that takes a whole number from low to high."""

    def parse(text: str) -> int:
        if not (text.strip().lstrip("+").isascii() and text.strip().lstrip("+").isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"it is {text!r}, expected a whole number from {low}")
        return int(text)

    return parse


def shape(text: str) -> list[int]:
    """The sizes of an array from 4,8,2."""
    parse = whole(1)
    return [parse(part) for part in text.split(",")]


def batch_size(text: str) -> int | None:
    """A whole number from 1, or None for all."""
    if text.lower() == "all":
        return None
    try:
        return whole(1)(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"it is {text!r}, expected a whole number from 1, or all") from None
