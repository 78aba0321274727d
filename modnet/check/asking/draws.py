"""The same random numbers and the same unset memory for every call of a stranger's code."""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np

from modnet.check.asking.older import OLD_NAMES, Cupy, Numpy, is_numpy
from modnet.check.reading.lines import LIBRARY

#: What same_draws starts from: the seed, and what memory holds that np.empty gives.
_INSIDE: ContextVar[bool] = ContextVar("inside", default=False)
_START: ContextVar[tuple[int, float]] = ContextVar("start", default=(20240229, 0.0))


class _Generator:
    """The Mersenne twister of a seed, put in the place of numpy's global one: cheaper than seeding that for every call."""

    def __init__(self, seed: int) -> None:
        self.bits = np.random.MT19937()
        np.random.RandomState(self.bits).seed(seed)
        self.address = self.bits.ctypes.state_address
        self.start = ctypes.string_at(self.address, _TWISTER)

    def put(self, memory: bytes) -> bytes:
        """Go to another place in the sequence; where it was is returned."""
        here = ctypes.string_at(self.address, _TWISTER)
        ctypes.memmove(self.address, memory, _TWISTER)
        return here


_TWISTER = 625 * 4  # bytes of its state: 624 words and a place
_generator = cache(_Generator)


@contextmanager
def same_draws() -> Iterator[None]:
    """Within it numpy's global generator starts from one fixed state; afterwards it is where it was."""
    seed, _ = _START.get()
    outer = np.random.get_bit_generator()  # type: ignore[attr-defined]
    inside = _INSIDE.get()
    state = None if inside else np.random.get_state()  # noqa: NPY002
    token = _INSIDE.set(True)

    own = _generator(seed)
    here = own.put(own.start)
    np.random.set_bit_generator(own.bits)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        own.put(here)
        np.random.set_bit_generator(outer)  # type: ignore[attr-defined]
        if state is not None:
            np.random.set_state(state)  # noqa: NPY002
        _INSIDE.reset(token)


def _filled(make: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """np.empty or np.empty_like, filled with the number that `other_draws` says, 0 by default."""

    def made(*args: Any, **kwargs: Any) -> np.ndarray:
        out = make(*args, **kwargs)
        if out.dtype.kind in "iufc":
            out[...] = _START.get()[1]
        return out

    return made


_FILLED = {"empty": _filled(np.empty), "empty_like": _filled(np.empty_like)}
_STAND_IN = Cupy()
vars(_STAND_IN).update(_FILLED)


@contextmanager
def known_memory(kind: type) -> Iterator[None]:
    """Within it code beside a class that takes memory nobody has set gets known numbers there; numpy itself is not touched.

    NumPy's old names are known to it, too.
    """
    held = [getattr(f, "__func__", f) for k in kind.__mro__[:-1] for f in vars(k).values()]
    methods = [f for f in held if inspect.isfunction(f)]
    spaces = {id(f.__globals__): f.__globals__ for f in methods if not f.__code__.co_filename.startswith(LIBRARY)}
    changed: list[tuple[dict[str, Any], str, Any, Any]] = []
    for space in spaces.values():
        functions = [*methods, *(f for f in space.values() if inspect.isfunction(f))]
        if any({"empty", "empty_like", *OLD_NAMES}.intersection(f.__code__.co_names) for f in functions):
            for name, value in space.items():
                if isinstance(value, Numpy):  # which code compares: it stays the same module
                    changed += [(vars(value), made, vars(value)[made], _FILLED[made]) for made in _FILLED]
                elif is_numpy(value):
                    changed.append((space, name, value, _STAND_IN))
    for space, name, _, value in changed:
        space[name] = value
    try:
        yield
    finally:
        for space, name, value, _ in changed:
            space[name] = value


@contextmanager
def other_draws(seed: int = 7, memory: float = 0.0) -> Iterator[None]:
    """Within it `same_draws` starts from another seed, and memory of `known_memory` holds another number."""
    token = _START.set((seed, memory))
    try:
        yield
    finally:
        _START.reset(token)
