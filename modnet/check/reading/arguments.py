"""What a stranger's functions and methods ask for: their arguments, what each means, and a value for it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Iterator, Sequence
from types import MethodType
from typing import Any

import numpy as np

from modnet.check.reading.lines import text_of, words_compared
from modnet.check.reading.vocabulary import TRAINS, meaning_of

_TRAINING = re.compile("_*(" + "|".join(TRAINS) + ")", re.I)


class NotBuilt(Exception):
    """A class that cannot be built, or given an input, without a guess. Its text says why and what would help."""


def asks(method: Any, by_name: bool = False) -> list[inspect.Parameter]:
    """The arguments of a method, self excluded: those that can be given by their place, or by name. None if unknown."""
    try:
        given = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return []
    plain = [p for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY if by_name else p.POSITIONAL_ONLY)]
    return plain[1:] if plain and plain[0].name == "self" else plain


def takes_arrays(method: Any) -> bool:
    """Whether no annotation of a method says that it takes objects of the author's own, such as a Matrix."""
    said = (str(p.annotation) for p in asks(method) if p.annotation is not p.empty)
    return all(re.search("arr|any|float|int|bool|str|list", text, re.I) for text in said)


def needs(method: Any) -> list[str]:
    """The names of what a function or a method must be given by its place."""
    return [p.name for p in asks(method) if p.default is p.empty]


def required(cls: type, name: str) -> list[str] | None:
    """The names of what a method must be given, without self; None if there is no such method."""
    method = getattr(cls, name, None)
    if not callable(method) or (name == "__call__" and not any("__call__" in vars(k) for k in cls.__mro__[:-1])):
        return None
    plain = isinstance(inspect.getattr_static(cls, name, None), staticmethod | classmethod)
    return needs(method if plain else MethodType(method, cls))


def called_as(cls: Any) -> str:
    """How a class or a function is called, in words."""
    try:
        return f"{cls.__name__}{str(inspect.signature(cls)).split(' ->')[0]}"
    except (TypeError, ValueError):
        return str(cls.__name__)


def switches(function: Any) -> Iterator[tuple[str, Any]]:
    """The options of a function or a class, each with another value: those that are on or off, and words that it asks for."""
    for p in asks(function, by_name=True):
        if re.search("verbose|plot|debug|print|affich|first", p.name, re.I):
            continue
        if isinstance(p.default, bool):
            yield p.name, not p.default
        elif isinstance(p.default, str) and isinstance(function, type):
            asked = (words_compared(k, rf"{p.name}(?:[\"']\])?") for k in function.__mro__[:-1])
            words = dict.fromkeys(word for each in asked for word in each if word != p.default)
            yield from ((p.name, word) for word in list(words)[:3])


def method_given(cls: type, names: Collection[str], meant: Collection[str]) -> str:
    """The first of some methods of a class that is given all of these; empty if there is none."""
    there = (n for n in names if callable(getattr(cls, n, None)))
    return next((n for n in there if {meaning_of(p.name, meant) for p in asks(getattr(cls, n), True)} >= set(meant)), "")


def fill(
    function: Any, values: dict[str, Any], leave: Collection[str] = (), more: Sequence[str] = ()
) -> tuple[dict[str, Any], set[str]]:
    """Arguments for a function by what they mean, and which meanings it was told; arrays are copies.

    Parameters
    ----------
    values : by meaning. leave : the meanings that stay at their defaults. more : names of arguments that it takes beside those
        it lists.

    Raises
    ------
    NotBuilt : if one that is required means nothing known.
    """
    found: dict[str, Any] = {}
    told: set[str] = set()
    for name, default in [*((p.name, p.default) for p in asks(function, by_name=True)), *((n, None) for n in more)]:
        what, needed = meaning_of(name, {*values, "none", "quiet"}), default is inspect.Parameter.empty
        if what == "quiet":
            found[name] = False if needed or default is None or isinstance(default, bool) else 10**9
        elif what in values and (needed or what not in leave):
            found[name] = values[what].copy() if isinstance(values[what], np.ndarray) else values[what]
            told.add(what)
        elif needed and "epochs" in values and counts(function, name):
            found[name] = values["epochs"]
            told.add("epochs")
        elif needed:
            raise NotBuilt(f"what {name} of {getattr(function, '__name__', 'it')} means is not known")
    return found, told


def counts(function: Any, name: str) -> bool:
    """Whether an argument says how often a training is gone through, by its lines: for _ in range(name)."""
    loop = re.search(rf"\bfor\s+\w+\s+in\s+(range|trange|tqdm\(\s*range)\(\s*{re.escape(name)}\s*\)", text_of(function))
    return loop is not None and bool(_TRAINING.fullmatch(getattr(function, "__name__", "")))


def positional(method: Any) -> list[inspect.Parameter] | None:
    """The named arguments of a bound method; None if they can't be known."""
    try:
        given = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return None
    named = [p for p in given if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return named if named or not any(p.kind is p.VAR_POSITIONAL for p in given) else None
