"""The words that messages about data sets have in common."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, words: Iterable[str]) -> str:
    """Return "; did you mean ...?" if one of the words is near, else nothing."""
    words = list(words)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.65) or [w for w in words if len(word) > 2 and word in w]
    return f"; did you mean {near[0]!r}?" if near else ""


def short(value: object) -> str:
    """Return the repr of a value, cut to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def who_loads(name: str) -> str:
    """Return the call that messages about a data set begin with."""
    return f"load({name!r})"
