"""What the command line refuses, and how it says so."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """The command line, or the data it names, is wrong: a line that says what came and what was expected."""


def nearest(word: str, words: Iterable[str]) -> str:
    """Return "; did you mean ...?" if one of the words is near, else nothing."""
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
