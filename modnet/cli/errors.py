"""What the command line refuses, and how it says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class UsageError(Exception):
    """The command line, or the data it names, is wrong: a line that says what came and what was expected."""


@contextmanager
def refusing(place: str = "", expected: str = "") -> Iterator[None]:
    """Turn a ValueError into a `UsageError`; an OSError, too, if it is said what was expected at a place."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        if not expected:
            raise
        raise UsageError(f"{place}: {error.strerror}, expected {expected}") from None
