"""What comes in: arrays of numbers checked and brought into the one form that kernels take.

Kernels read C-contiguous, aligned, writable arrays of the machine's byte order. Users have lists, integers, views, columns
of a table. What can be converted without losing anything is; the rest is refused in one line that says who, what came and
what was expected.
"""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_LARGEST = float(np.finfo(np.float32).max)


def float_type(dtype: Any, who: Any = "modnet") -> np.dtype[Any]:
    """float32 or float64 as a numpy dtype; anything else is a ValueError."""
    try:
        found = None if dtype is None else np.dtype(dtype)  # numpy's own meaning of None is float64
    except TypeError:
        found = None
    if found is None or found not in FLOATS:  # None equals float64, too
        raise ValueError(f"{who}: dtype is {dtype!r}, expected float32 or float64")
    return found


def as_numbers(value: Any, who: Any, name: str, examples: bool = True) -> np.ndarray:
    """Any array-like of real numbers as an array, not copied if it is one.

    Whatever `numpy.asarray` would drop or hide is refused: masks, missing values, sparse matrices. Objects that are all
    numbers, such as the columns of different types of a table, become integers or float64. Where rows are examples, one with
    a missing value can be left out, and the error says how.

    Raises
    ------
    TypeError, ValueError : for text, dates, complex numbers and other things that are no numbers, with advice.
    """
    return _require_numbers(_read(value, who, name, examples), value, who, name)


def as_targets(value: Any, who: Any, name: str = "y") -> np.ndarray:
    """As `as_numbers`, but text is left alone: the loss says what to do with it."""
    array = _read(value, who, name)
    return array if all_text(array) is not None else _require_numbers(array, value, who, name)


def targets_of(y: Any, n: int, who: str) -> np.ndarray:
    """y as an array with a value for each of n examples."""
    found: np.ndarray = np.asarray(None) if y is None else as_targets(y, who)
    if found.ndim == 0 or len(found) != n:
        came = f"has {len(found)}" if found.ndim else "is None" if y is None else "is a single value"
        raise ValueError(f"{who}: X has {n} examples but y {came}; y needs one value per example")
    return found


def as_examples(X: Any, y: Any, dtype: np.dtype[Any] | None, who: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs as `as_batch` gives them, and targets, one for each. Numbers are finite; targets may be text, too."""
    inputs = as_batch(X, dtype, who, "X")
    require_finite(inputs, who, "X")
    targets = targets_of(y, len(inputs), who)
    if targets.dtype.kind == "f":
        require_finite(targets, who, "y")
    return inputs, targets


def as_weights(
    value: Any, count: int, who: Any, name: str = "sample_weight", by_position: bool = False, some: bool = True
) -> np.ndarray:
    """Weights (count,) as float64: finite, none below 0, some above; else a ValueError or TypeError.

    With by_position also weights (count, ...), several for each example; without some they may all be 0.
    """
    if isinstance(value, str | dict):
        advice = "modnet.balanced_weights(y)"
        if isinstance(value, dict):
            classes = range(len(value))
            each = [value[k] for k in classes] if set(value) == set(classes) else [1.0, 5.0]
            advice = f"np.array({short_repr(each)})[y], the weight of each class"
        raise TypeError(f"{who}: {name} is {short_repr(value)}, expected ({count},) numbers; write {name}={advice}")
    weights = as_batch(value, FLOATS[1], who, name)
    if weights.shape != (count,) and not (by_position and len(weights) == count and weights.size > count):
        advice = ""
        if weights.size == count:
            advice = f"; flatten it with np.asarray({name}).reshape(-1)"
        raise ValueError(f"{who}: {name} has shape {weights.shape}, expected ({count},){advice}")
    require_finite(weights, who, name)
    if weights.min() < 0 or (some and weights.max() == 0):
        raise ValueError(
            f"{who}: {name} has values from {weights.min():g} to {weights.max():g}, expected none below 0 and some above"
        )
    return weights


def example_shape(value: Any, who: str) -> tuple[int, ...]:
    """The shape of one example, without the batch, from an int or a tuple."""
    sizes = value if isinstance(value, tuple | list) else (value,)
    if not all(isinstance(n, int | np.integer) for n in sizes):
        advice = "; of data X it is X.shape[1:]" if hasattr(value, "shape") else ""
        expected = "the shape of one example, an int or a tuple"
        raise TypeError(f"{who}: input_shape is {short_repr(value)}, expected {expected}{advice}")
    return tuple(int(n) for n in sizes)


def as_batch(value: Any, dtype: np.dtype[Any] | None, who: Any, name: str = "input") -> np.ndarray:
    """An array whose first axis is a batch of at least one, ready for a kernel.

    Parameters
    ----------
    value : array-like (batch, ...). Any layout, byte order or number type; read-only is fine. It is never written to.
    dtype : the element type wanted, or None for the value's own if it is float32, else float64.
    who, name : for the error.

    Returns
    -------
    array : C-contiguous; the value itself if nothing had to change.
    """
    # The common case in 0.1 us: the dtypes of native numbers are single objects.
    if type(value) is np.ndarray and value.size and value.ndim and value.flags.carray:
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
    if dtype == FLOATS[0] and array.dtype == FLOATS[1]:
        return as_float32(array, who, name)
    if array.dtype != dtype:
        return array.astype(dtype, "C", subok=False)  # np.require takes 1.5 us more for it
    return np.require(array, dtype, ["C", "A", "W"])


def as_float32(array: np.ndarray, who: Any, name: str) -> np.ndarray:
    """float64 numbers as float32; a ValueError if one of them would become infinite."""
    try:
        with np.errstate(over="raise"):
            return np.require(array, FLOATS[0], ["C", "A", "W"])
    except FloatingPointError:
        with np.errstate(over="ignore"):
            lost = np.isinf(array.astype(np.float32)) & np.isfinite(array)
        place = _place(np.argwhere(lost)[0])
        raise ValueError(
            f"{who}: {name}{place} is {array[lost][0]:g}, too large for float32, whose largest number is 3.4e+38; "
            "scale the values, or use float64: net.astype('float64')"
        ) from None


def require_float32(number: float, who: str, name: str) -> float:
    """A number that a network in float32 can compute with, too; a ValueError if there it would be infinite."""
    if abs(number) > _LARGEST:
        raise ValueError(f"{who}: {name} is {number:g}, expected at most 3.4e+38 in size, the largest number of float32")
    return number


def require_finite(array: np.ndarray, who: Any, name: str) -> None:
    """ValueError if an array (batch, ...) holds NaN or infinity, with the place of the first one."""
    if not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"{who}: {name}{_place(where)} is {array[tuple(where)]}, expected finite numbers")


# --- what is behind numpy.asarray -------------------------------------------------------------------------------------


def _read(value: Any, who: Any, name: str, examples: bool = True) -> np.ndarray:
    """An array-like as an array; objects that are all numbers as numbers."""
    if type(value) is np.ndarray:
        array = value
    else:
        if value is None:
            raise TypeError(f"{who}: {name} is None, expected an array of numbers")
        if hasattr(value, "tocsr"):
            raise TypeError(f"{who}: {name} is a sparse matrix, expected a dense array; convert it with {name}.toarray()")
        require_no_mask(value, who, name, examples)
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"{who}: {name} has rows of different lengths, expected a rectangular array") from error
        nullable = hasattr(value, "notna") and not isinstance(getattr(value, "dtype", array.dtype), np.dtype)
        if nullable and array.dtype.kind == "f" and np.isnan(array).any():
            raise _missing("<NA>", np.argwhere(np.isnan(array))[0], value, array.ndim, who, name, examples)
    return _from_objects(array, value, who, name, examples) if array.dtype.kind == "O" else array


def require_no_mask(value: Any, who: Any, name: str, examples: bool = True) -> None:
    """ValueError if a masked array, or a list of them, has masked values."""
    masked_arrays = sys.modules.get("numpy.ma")
    if masked_arrays is None:  # nobody has made any
        return
    kind = masked_arrays.MaskedArray
    is_list = isinstance(value, list | tuple) and any(isinstance(row, kind) for row in value)
    if not (is_list or isinstance(value, kind)):
        return
    mask = np.ma.getmaskarray(np.ma.array(value))
    if mask.any():
        expression = f"np.ma.getmaskarray({f'np.ma.array({name})' if is_list else name})"
        complete = f"~{expression}{_over_rows(mask.ndim, 'any')}"
        advice = _keep(name, complete) if examples else ""
        raise ValueError(f"{who}: {name}{_place(np.argwhere(mask)[0])} is masked, expected a number{advice}")


def _from_objects(array: np.ndarray, value: Any, who: Any, name: str, examples: bool) -> np.ndarray:
    """An array of objects that are all numbers as integers or float64; one with text or other objects as it is."""
    found = array.reshape(-1).tolist()
    kinds = {type(v) for v in found}
    for k, missing in enumerate(found) if any(map(_is_missing, kinds)) else ():
        if _is_missing(type(missing)):
            raise _missing(missing, np.unravel_index(k, array.shape), value, array.ndim, who, name, examples)
    if not all(issubclass(kind, Real | Decimal | np.bool_) for kind in kinds) or not found:
        return array
    if all(issubclass(kind, bool | np.bool_) for kind in kinds):
        return array.astype(bool)
    try:
        if all(issubclass(kind, Integral | np.bool_) for kind in kinds):
            return array.astype(np.int64)
    except OverflowError:
        pass
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{who}: {name} holds a whole number too large for float64, expected real numbers") from None


def _missing(found: Any, place: Any, value: Any, axes: int, who: Any, name: str, examples: bool) -> ValueError:
    advice = _keep(name, _complete(value, axes, name)) if examples else ""
    return ValueError(f"{who}: {name}{_place(place)} is missing ({found}), expected a number{advice}")


def _is_missing(kind: type) -> bool:
    """Whether it is the type of None, or of pandas' NA or NaT."""
    return kind is type(None) or kind.__name__ in ("NAType", "NaTType")


def _complete(value: Any, axes: int, name: str) -> str:
    """An expression for which examples have no missing value."""
    if hasattr(value, "notna"):
        return f"{name}.notna(){_over_rows(axes, 'all')}.to_numpy()"
    objects = np.asarray(value, object).reshape(-1).tolist()
    if any(v is not None and _is_missing(type(v)) for v in objects):
        return f"pandas.notna(np.asarray({name}, object)){_over_rows(axes, 'all')}"
    return f"np.not_equal(np.asarray({name}, object), None){_over_rows(axes, 'all')}"


def _over_rows(axes: int, method: str) -> str:
    axis = 1 if axes == 2 else tuple(range(1, axes))
    return f".{method}(axis={axis})" if axes > 1 else ""


def _keep(name: str, complete: str) -> str:
    return f"; leave such examples out: keep = {complete}, then np.asarray({name})[keep], and the same of the other arrays"


def _require_numbers(array: np.ndarray, value: Any, who: Any, name: str) -> np.ndarray:
    if array.dtype.kind in "fiub" and array.dtype.itemsize <= 8:
        return array
    raise TypeError(f"{who}: {name} {_what_it_holds(array, value, name)}")


def _what_it_holds(array: np.ndarray, value: Any, name: str) -> str:
    """The end of a message about an array that does not hold real numbers: what it holds, and what to do."""
    kind, dtype = array.dtype.kind, array.dtype
    plain = name if isinstance(value, np.ndarray) else f"np.asarray({name})"
    text = next((v for v in array.reshape(-1).tolist() if isinstance(v, str | bytes)), None) if kind in "USTO" else None
    if kind == "c":
        return f"holds complex numbers (dtype {dtype}), expected real numbers; take {plain}.real"
    if kind == "f":
        return f"holds {dtype} numbers, expected at most float64; convert them with {plain}.astype(float)"
    if kind == "V" and dtype.names:
        return f"is a structured array, expected plain numbers; convert it with np.array({name}.tolist())"
    if text is not None:
        if _reads_as_numbers(array):
            return f"holds text such as {text!r}, expected real numbers; convert it with np.asarray({name}, float)"
        encode = f"; encode text columns with pandas.get_dummies({name})" if hasattr(value, "columns") and name == "X" else ""
        return f"holds text such as {text!r}, expected real numbers{encode}"
    if kind == "O":
        first = next(v for v in [*array.reshape(-1).tolist(), None] if not isinstance(v, Real))
        same = array.ndim == 1 and array.size and len({np.shape(v) for v in array.tolist()}) == 1 and np.ndim(first) > 0
        advice = f"; join arrays of one shape with np.stack({name})" if same else ""
        return f"holds objects such as {short_repr(first)}, expected real numbers{advice}"
    what = {"M": "dates", "m": "durations"}.get(kind, f"type {dtype}")
    return f"holds {what} (dtype {dtype}), expected real numbers"


def _reads_as_numbers(array: np.ndarray) -> bool:
    try:
        return bool(np.isfinite(array.astype(np.float64)).all())
    except (TypeError, ValueError):
        return False


def _place(where: Any) -> str:
    """The indices of an element, as they are written: [2, 0]."""
    return f"[{', '.join(str(int(i)) for i in where)}]" if len(where) else ""


def all_text(array: np.ndarray) -> str | bytes | None:
    """The first text of an array that holds nothing but text; None for any other."""
    found = array.reshape(-1).tolist() if array.dtype.kind in "USTO" else []
    return found[0] if found and all(isinstance(v, str | bytes) for v in found) else None


def short_repr(value: Any) -> str:
    """A value as an error message shows it: its repr, in one line and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def lasting_repr(value: Any) -> str:
    """The repr of a value without addresses in memory: the same in another process, if the value is."""
    return re.sub(" at 0x[0-9a-fA-F]+", "", repr(value))


def whole(value: Any, who: str, name: str, minimum: int = 1, most: int = 2**63 - 1) -> int:
    """An int from minimum to most, else a ValueError or TypeError."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{who}: {name} is {short_repr(value)}, expected a whole number")
    if value < minimum:
        shown = value if value > -(10**30) else "far too small"  # Python does not print all of 10**5000
        raise ValueError(f"{who}: {name} is {shown}, expected at least {minimum}")
    if value > most:
        raise ValueError(f"{who}: {name} is too large, expected at most {most}")
    return int(value)


def as_step(value: Any, dtype: np.dtype[Any], who: str) -> Any:
    """The gradient_step of `update_parameters` as a number of the parameters' type."""
    number = real(value, who, "gradient_step")
    return as_float32(np.array(number), who, "gradient_step")[()] if dtype == FLOATS[0] else number


def real(value: Any, who: str, name: str, expected: str = "a finite number", valid: Any = None) -> float:
    """A finite float for which valid(value) holds, else a ValueError or TypeError that says what was expected."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"{who}: {name} is {short_repr(value)}, expected {expected}")
    try:
        number = float(value)
    except OverflowError:  # 10**400
        raise ValueError(f"{who}: {name} is outside the range of a float, expected {expected}") from None
    if not math.isfinite(number) or (valid is not None and not valid(number)):
        raise ValueError(f"{who}: {name} is {value}, expected {expected}")
    return number


def generator(rng: int | np.random.Generator | None, who: str = "modnet") -> np.random.Generator:
    """The numpy Generator of an int seed, of None (fresh entropy), or the Generator given."""
    if rng is None or isinstance(rng, np.random.Generator):
        return np.random.default_rng(rng)
    if isinstance(rng, bool) or not isinstance(rng, int | np.integer) or rng < 0:
        raise TypeError(f"{who}: rng is {short_repr(rng)}, expected an int, a numpy.random.Generator or None")
    return np.random.default_rng(int(rng))
