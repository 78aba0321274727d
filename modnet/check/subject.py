"""Any object with the handout's methods, made safe to question.

Every probe works on a deep copy, so that no probe disturbs another and the object itself stays as it was. numpy's global
generator is set to the same state before every call and put back afterwards: a module that draws then draws the same.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class Misbehaviour(Exception):
    """A call that raised, or returned nothing an array can be made of.

    Attributes
    ----------
    kind : "crash", "not-implemented" or "shape". message : in a sentence. line : the user's own line, where there is one.
    """

    def __init__(self, kind: str, message: str, line: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.line = kind, message, line


@contextmanager
def same_draws() -> Iterator[None]:
    """Within it numpy's global generator starts from one fixed state; afterwards it is where it was."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(20240229)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


def call(name: str, method: Callable[..., Any], *arguments: Any) -> Any:
    """Call a method of a stranger's; what it raises becomes a `Misbehaviour` with the stranger's line."""
    try:
        with same_draws(), np.errstate(all="ignore"):
            return method(*arguments)
    except NotImplementedError as error:
        raise Misbehaviour("not-implemented", f"{name} raises NotImplementedError", "") from error
    except Exception as error:  # a stranger's code may raise anything
        frame = traceback.extract_tb(error.__traceback__)[-1]
        inside = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
        frame = inside[-1] if inside else frame
        own = next((f for f in reversed(inside) if "site-packages" not in f.filename), frame)
        text = f"{own.line}  (line {own.lineno})" if own.line else f"line {own.lineno}"
        raise Misbehaviour("crash", f"{name} raises {type(error).__name__}: {error}", text) from error


class Subject:
    """A module under examination.

    Parameters
    ----------
    module : any object with forward and backward_delta.
    """

    def __init__(self, module: Any) -> None:
        self.original = module
        self.name = type(module).__name__
        dtype = getattr(module, "dtype", None)
        self.dtype = np.dtype(dtype) if dtype in (np.float32, np.float64) else np.dtype(np.float64)

    def fresh(self) -> Any:
        """A copy to do as one likes with."""
        try:
            return copy.deepcopy(self.original)
        except Exception:  # not copyable: the object itself must do
            return self.original

    def forward(self, x: np.ndarray, module: Any = None) -> np.ndarray:
        """forward(x) as a float64 array."""
        out = call("forward", (module if module is not None else self.fresh()).forward, x.copy())
        return as_output(out, "forward", len(x))

    def parameters(self, module: Any) -> dict[str, np.ndarray]:
        """The arrays that may be parameters, by name: `_parameters`, entry by entry, and other float arrays it holds."""
        found: dict[str, np.ndarray] = {}
        held = getattr(module, "_parameters", None)
        if isinstance(held, dict):
            found.update({f"_parameters[{key!r}]": value for key, value in held.items() if _is_float(value)})
        elif _is_float(held):
            found["_parameters"] = held
        if hasattr(module, "_pieces"):  # the library's own: one flat vector is all
            return found
        for name, value in vars(module).items():
            looks_kept = any(word in name.lower() for word in ("grad", "last", "cache", "input", "output", "saved", "mask"))
            if name != "_parameters" and not looks_kept:
                if _is_float(value) and value.size:
                    found[name] = value
                elif isinstance(value, dict):
                    found.update({f"{name}[{key!r}]": v for key, v in value.items() if _is_float(v)})
        return found

    def with_parameter(self, name: str, values: np.ndarray) -> Any:
        """A fresh copy in which one parameter array has other values."""
        module = self.fresh()
        self.parameters(module)[name][...] = values
        return module


def as_output(value: Any, name: str, batch: int) -> np.ndarray:
    """What a method returned, as a float64 array with a row an example; else a `Misbehaviour`."""
    if value is None:
        raise Misbehaviour("not-implemented", f"{name} returns None", "")
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise Misbehaviour("crash", f"{name} returns {type(value).__name__}, expected an array of numbers", "") from error
    if array.ndim == 0 or array.shape[0] != batch:
        raise Misbehaviour("shape", f"{name} returns shape {array.shape}, expected ({batch}, ...): one row an example", "")
    return array


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"
