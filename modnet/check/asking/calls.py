"""A call of a stranger's code: what it raises becomes a `Misbehaviour` with the author's line, what it returns an array."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from modnet.check.asking.boxed import unboxed
from modnet.check.asking.draws import same_draws
from modnet.check.reading.lines import LIBRARY
from modnet.check.reading.vocabulary import core
from modnet.check.report import Line, visible

Answer = TypeVar("Answer")
_HERE = str(Path(__file__).parents[1])  # the whole of modnet.check
_NOT_OWN = (LIBRARY, sysconfig.get_paths()["stdlib"])  # no line in these is the student's
#: What to look at by what was raised, the narrower before the wider; else the shapes.
_ADVICE: tuple[tuple[type[Exception], str], ...] = (
    (UnboundLocalError, "a branch or a loop that sets it may not be entered: set it before"),
    (NameError, "nothing of that name is known there: an argument is called as in the def line, an attribute after self."),
    (RecursionError, "it calls itself and never stops"),
    (OSError, "an operation of a layer only computes: files, processes and connections belong outside the class"),
    (EOFError, "an operation of a layer only computes: what has to be asked is asked outside the class"),
)


class Lacks(AttributeError):
    """Raised by what a stranger's code was handed in the place of its author's own, where it is asked for more than it has."""


class Misbehaviour(Exception):
    """A call that raised, or returned nothing an array can be made of.

    Attributes
    ----------
    kind : "crash", "signature", "not-implemented" or "shape"; "foreign" if it is no mistake, but cannot be judged. message :
        in a sentence. line : the author's own line, if there is one. hint : advice, if it is not what the kind says.
    """

    def __init__(self, kind: str, message: str, line: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.line, self.hint = kind, message, line, hint


def call(name: str, method: Callable[..., Any], *arguments: Any) -> Any:
    """Call a method of a stranger's; what it raises becomes a `Misbehaviour` with the stranger's line."""
    try:
        with same_draws(), np.errstate(all="ignore"):
            return method(*arguments)
    except NotImplementedError as error:
        raise Misbehaviour("not-implemented", f"{name} raises NotImplementedError") from error
    except Exception as error:  # a stranger's code may raise anything
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(_HERE)]
        others = [f for f in frames if "site-packages" not in f.filename and f.line]
        # The student's own line, if there is one, rather than the line of ours, or of Python's, that it called wrongly.
        own = next((f for f in reversed(others) if not f.filename.startswith(_NOT_OWN)), others[-1] if others else None)
        line = "" if own is None else Line(own.filename, own.lineno or 0)
        text = " ".join(visible(_text(error), 400).split())
        kind = "memory" if isinstance(error, MemoryError) else "crash"
        if isinstance(error, TypeError) and not others and "argument" in text:
            kind = "signature"  # it was not entered: it cannot be called so
        elif isinstance(error, Lacks):
            kind = "foreign"
        said = f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}, without a message"
        hint = next((advice for raised, advice in _ADVICE if isinstance(error, raised)), "") if kind == "crash" else ""
        raise Misbehaviour(kind, f"{name} raises {said}", line, hint) from error


def _text(error: Exception) -> str:
    """What an exception says; a stranger's own may raise another one when it is asked."""
    try:
        return str(error)
    except Exception as other:
        return f"its own text cannot be read ({type(other).__name__})"


def tried(ask: Callable[..., Answer], *given: Any, also: tuple[type[Exception], ...] = ()) -> Answer | None:
    """The answer to a question, or None if a stranger's code does not come to one; also : what else it may end in."""
    refusals: tuple[type[Exception], ...] = (Misbehaviour, *also)
    try:
        return ask(*given)
    except refusals:
        return None


def as_numbers(value: Any, name: str) -> np.ndarray:
    """What a method returned, as a float64 array, out of the author's own object if it is in one; else a `Misbehaviour`."""
    if value is None:
        raise Misbehaviour("not-implemented", f"{name} returns None")
    try:
        return np.array(unboxed(value), dtype=np.float64)
    except (TypeError, ValueError) as error:
        text = f"{name} returns {type(value).__name__}, from which no array of numbers can be read"
        raise Misbehaviour("foreign", text) from error


def as_output(value: Any, name: str, batch: int) -> np.ndarray:
    """What a method returned, as a float64 array with a row an example; else a `Misbehaviour`."""
    array = as_numbers(value, name)
    if array.ndim == 0 or array.shape[0] != batch:
        raise Misbehaviour("shape", f"{name} returns shape {array.shape}, expected ({batch}, ...): one row an example")
    return array


def answered(made: Any, names: tuple[str, ...], ask: Callable[[], Any]) -> tuple[Any, list[Any]]:
    """What a call of an object's method returns, and what it has put into attributes of these names, written in any way."""

    def held() -> dict[str, Any]:
        found = {core(n): v for n, v in getattr(made, "__dict__", {}).items() if not callable(v)}
        return {n: found[n] for n in names if n in found}

    before, result = held(), ask()
    return result, [v for n, v in held().items() if v is not before.get(n)]
