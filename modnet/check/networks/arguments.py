"""What a stranger's functions and methods ask for: what each argument is, by its name, and a value for it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from modnet.check.recipes import NotBuilt

_SLOPE = re.compile(
    r"^((loss|cost|error|objective)(_?(fn|func|function))?_?(prime|deriv\w*|grad\w*|der|d)|d_?(loss|cost|error))$", re.I
)


def asks(method: Any, by_name: bool = False) -> list[inspect.Parameter]:
    """The arguments of a method, self excluded: those that can be given by their place, or by name. None if unknown."""
    try:
        given = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return []
    plain = [p for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY if by_name else p.POSITIONAL_ONLY)]
    return plain[1:] if plain and plain[0].name == "self" else plain


def meaning_of(name: str) -> str:
    """What an argument is, by its name; empty if the name does not say it."""
    word = name.lower()
    for meaning, pattern in (
        ("none", r"val(id\w*)?(_|$)|test|callback"),
        ("quiet", r"verbose|print|display|plot|show|log|debug|every"),
        ("epochs", r"epoch|iter|n_?times"),
        ("batch", r"batch(_?size)?$"),
        ("slope", _SLOPE.pattern),
        ("loss", r"loss|cost|criterion|objective|error"),
        ("optimizer", r"optim"),
        ("accuracy", r"accura|metric"),
        ("rate", r"^(lr|eta|alpha|(init_?)?learning_?rate|rate|step_?size)$"),
        ("X", r"^(x(_?train)?|x_?data|inputs?(_?data)?|train(ing)?_?(x|inputs?|data)|data|features|samples)$"),
        (
            "y",
            r"^(y(_?train)?|y_?data|y_true|targets?|labels?|outputs?|expected|t(_?train)?|train(ing)?_?(y|labels?|targets?))$",
        ),
        ("layers", r"^(layers|modules|network)$"),
    ):
        if re.search(pattern, word):
            return meaning
    return ""


def fill(
    function: Any,
    values: dict[str, Any],
    leave: Collection[str] = (),
    meaning: Callable[[str], str] = meaning_of,
    more: Sequence[str] = (),
) -> tuple[dict[str, Any], set[str]]:
    """Arguments for a function by what they mean, and which meanings it was told; arrays are copies.

    Parameters
    ----------
    values : by meaning. leave : the meanings that stay at their defaults. meaning : of a name. more : names of arguments that
        it takes beside those it lists.

    Raises
    ------
    NotBuilt : if one that is required means nothing known.
    """
    found: dict[str, Any] = {}
    told: set[str] = set()
    for name, default in [*((p.name, p.default) for p in asks(function, by_name=True)), *((n, None) for n in more)]:
        what, needed = meaning(name), default is inspect.Parameter.empty
        if what == "quiet":
            found[name] = False if needed or default is None or isinstance(default, bool) else 10**9
        elif what in values and (needed or what not in leave):
            found[name] = values[what].copy() if isinstance(values[what], np.ndarray) else values[what]
            told.add(what)
        elif needed:
            raise NotBuilt(f"what {name} of {getattr(function, '__name__', 'it')} means is not known")
    return found, told
