"""What comes in: arrays of numbers checked and brought into the one form that kernels take.

Kernels read C-contiguous, aligned, writable arrays of the machine's byte order. Users have lists, integers, views, columns
of a table. What can be converted without losing anything is; the rest is refused in one line that says who, what came and
what was expected.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


def aligned(shape: int | tuple[int, ...], dtype: Any) -> np.ndarray:
    """Zeros, beginning at a multiple of 64 bytes, C-contiguous.

    numpy begins an array at any multiple of 16 bytes. If it is not one of 32, every other load of a loop straddles two cache
    lines: Adam's update of 5,000 float32 then takes twice as long, a whole step of training a sixth longer.
    """
    size = prod(shape) if isinstance(shape, tuple) else shape
    room = np.zeros(size * np.dtype(dtype).itemsize + ALIGNMENT, np.uint8)
    return np.ndarray(shape, dtype, room, -room.ctypes.data % ALIGNMENT)


def aligned_copy(array: np.ndarray, dtype: Any = None) -> np.ndarray:
    """A copy that begins at a multiple of 64 bytes, of another element type if one is given."""
    copy = aligned(array.shape, array.dtype if dtype is None else dtype)
    copy[...] = array
    return copy


def float_type(dtype: Any, who: Any = "modnet") -> np.dtype[Any]:
    """float32 or float64 as a numpy dtype; anything else is a ValueError."""
    try:
        found = None if dtype is None else np.dtype(dtype)  # numpy's own meaning of None is float64
    except TypeError:
        found = None
    if found is None or found not in FLOATS:  # None equals float64, too
        raise ValueError(f"{who}: dtype is {dtype!r}, expected float32 or float64")
    return found


def as_numbers(value: Any, who: Any, name: str) -> np.ndarray:
    """Any array-like of real numbers as an array, not copied where it is one. Text, objects, complex: TypeError."""
    if type(value) is np.ndarray:
        array = value
    else:
        if hasattr(value, "tocsr"):
            raise TypeError(f"{who}: {name} is a sparse matrix, expected a dense array; call its .toarray()")
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"{who}: {name} has rows of different lengths, expected a rectangular array") from error
    if array.dtype.kind in "fiub" and array.dtype.itemsize <= 8:
        return array
    kinds = {"O": "objects", "U": "text", "S": "text", "T": "text", "c": "complex numbers", "M": "dates", "m": "durations"}
    what = kinds.get(array.dtype.kind, f"type {array.dtype}")
    if value is None:
        raise TypeError(f"{who}: {name} is None, expected an array of numbers")
    raise TypeError(f"{who}: {name} holds {what} (dtype {array.dtype}), expected real numbers")


def as_batch(value: Any, dtype: np.dtype[Any] | None, who: Any, name: str = "input") -> np.ndarray:
    """An array whose first axis is a batch of at least one, ready for a kernel.

    Parameters
    ----------
    value : array-like (batch, ...). Any layout, byte order or number type; read-only is fine. It is never written to.
    dtype : the element type wanted, or None for the value's own where that is float32, else float64.
    who, name : for the error.

    Returns
    -------
    array : C-contiguous; the value itself where nothing had to change.
    """
    # The common case in 0.1 us: the dtypes of native numbers are single objects.
    if type(value) is np.ndarray and value.flags.carray and value.shape and value.shape[0]:
        own = value.dtype
        if own is dtype or (dtype is None and (own is FLOATS[0] or own is FLOATS[1])):
            return value
    array = as_numbers(value, who, name)
    if dtype is None:
        dtype = np.dtype(np.float32 if array.dtype == np.float32 else np.float64)
    if array.ndim == 0:
        raise ValueError(f"{who}: {name} is a single number, expected an array (batch, ...)")
    if array.shape[0] == 0:
        raise ValueError(f"{who}: {name} has shape {array.shape}: the batch is empty, expected at least one example")
    return np.require(array, dtype, ["C", "A", "W"])


def require_finite(array: np.ndarray, who: Any, name: str) -> None:
    """ValueError where an array (batch, ...) holds NaN or infinity, saying where the first one is."""
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        place = ", ".join(map(str, where))
        raise ValueError(f"{who}: {name}[{place}] is {array[where]}, expected finite numbers")


def said(value: Any) -> str:
    """A value as an error message shows it: its repr, in one line and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def whole(value: Any, who: str, name: str, minimum: int = 1) -> int:
    """An int of at least minimum, else a ValueError or TypeError."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{who}: {name} is {said(value)}, expected a whole number")
    if value < minimum:
        raise ValueError(f"{who}: {name} is {value}, expected at least {minimum}")
    return int(value)


def real(value: Any, who: str, name: str, expected: str = "a finite number", valid: Any = None) -> float:
    """A finite float for which valid(value) holds, else a ValueError or TypeError that says what was expected."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{who}: {name} is {said(value)}, expected {expected}")
    if not np.isfinite(value) or (valid is not None and not valid(value)):
        raise ValueError(f"{who}: {name} is {value}, expected {expected}")
    return float(value)


def generator(rng: int | np.random.Generator | None, who: str = "modnet") -> np.random.Generator:
    """The numpy Generator of an int seed, of None (fresh entropy), or the Generator given."""
    if rng is None or isinstance(rng, np.random.Generator):
        return np.random.default_rng(rng)
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise TypeError(f"{who}: rng is {said(rng)}, expected an int, a numpy.random.Generator or None")
    return np.random.default_rng(int(rng))
