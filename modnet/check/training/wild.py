"""Numbers that cannot be meant: a value that stands for a missing one, and a few that lie far beyond all others.

A network, and every scaling by mean and deviation, sees nothing but them.
"""

from __future__ import annotations

import numpy as np

_FAR = 5.0  # times the distance of the tenth and the ninetieth of a hundred
_MOST = 0.5  # of a column may be missing
_FEW = 0.1  # of a column may lie far out


def _middle(column: np.ndarray) -> tuple[float, float]:
    """The median, and the distance of the tenth and the ninetieth of a hundred."""
    low, middle, high = np.quantile(column, [0.1, 0.5, 0.9])
    return float(middle), float(high - low)


def stand_in(column: np.ndarray) -> float | None:
    """The value that stands for a missing number: the least or the largest, repeated, and far beyond all the others."""
    for value in (column.max(), column.min()):
        rest = column[column != value]
        if len(rest) < 10 or not 2 <= len(column) - len(rest) <= _MOST * len(column):
            continue
        middle, spread = _middle(rest)
        if spread > 0 and abs(value - middle) > _FAR * max(spread, float(np.ptp(rest))):
            return float(value)
    return None


def far_out(column: np.ndarray, squeezed: float = 0.3) -> tuple[float, float] | None:
    """The bounds beyond which a few numbers lie, far from all others; None if none do.

    They have to count: the distance of the tenth and the ninetieth of a hundred is less than squeezed deviations. It is 2.6
    of them for normal numbers, 1.5 for those whose logarithm is normal.
    """
    middle, spread = _middle(column)
    bounds = middle - _FAR * spread, middle + _FAR * spread
    outside = float(np.mean((column < bounds[0]) | (column > bounds[1])))
    return bounds if 0 < spread < squeezed * float(column.std()) and 0 < outside <= _FEW else None


def _suspects(columns: np.ndarray) -> np.ndarray:
    """The columns that are worth a look: few of many."""
    low, high = columns.min(axis=0), columns.max(axis=0)
    second = np.where(columns == high, low, columns).max(axis=0)
    before = np.where(columns == low, high, columns).min(axis=0)
    apart = ((high - second) > (second - low)) | ((before - low) > (high - before))
    tenth, middle, ninetieth = np.quantile(columns, [0.1, 0.5, 0.9], axis=0)
    spread = ninetieth - tenth
    reach = np.maximum(high - middle, middle - low)
    return np.asarray((apart & (second > low) & (before < high)) | ((spread > 0) & (reach > _FAR * spread)))


class Tamed:
    """What to do with the wild numbers of some examples; it can be done to others, too.

    Attributes
    ----------
    missing : by column, the value that stands for a missing one.
    bounds : by column, what others are cut to; squeezed is that of `far_out`.
    """

    def __init__(self, X: np.ndarray, squeezed: float = 0.3) -> None:
        self.missing: dict[int, float] = {}
        self.bounds: dict[int, tuple[float, float]] = {}
        self._middle: dict[int, float] = {}
        columns = X.reshape(len(X), -1)
        for j in np.flatnonzero(_suspects(columns)):
            column = columns[:, j].astype(np.float64)
            value = stand_in(column)
            if value is not None:
                self.missing[int(j)] = value
                column = column[column != value]
                self._middle[int(j)] = float(np.median(column))
            if (bounds := far_out(column, squeezed)) is not None:
                self.bounds[int(j)] = bounds

    def __bool__(self) -> bool:
        return bool(self.missing or self.bounds)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Missing numbers as the median of the others, those that lie far out cut."""
        if not self:
            return X
        tamed = np.array(X)
        columns = tamed.reshape(len(X), -1)
        for j, value in self.missing.items():
            columns[columns[:, j] == value, j] = self._middle[j]
        for j, (low, high) in self.bounds.items():
            columns[:, j] = np.clip(columns[:, j], low, high)
        return tamed

    def line(self, name: str) -> str:
        """The same as a line of code."""
        if self.missing:
            value = next(iter(self.missing.values()))
            same = f"{name} == {value:g}"
            return f"{name} = np.where({same}, np.nanmedian(np.where({same}, np.nan, {name}), axis=0), {name})"
        return f"{name} = np.clip({name}, *np.quantile({name}, [0.02, 0.98], axis=0))"

    def seen(self, name: str, X: np.ndarray) -> str:
        """What there is, in words."""
        columns = X.reshape(len(X), -1)
        if self.missing:
            j, value = next(iter(self.missing.items()))
            share = float(np.mean(columns[:, j] == value))
            other = float(np.abs(columns[:, j][columns[:, j] != value]).max())
            return (
                f"{share:.1%} of column {j} of {name} are {value:g}, and nothing else there is beyond {other:.4g}: "
                "it seems to stand for a missing number"
            )
        j, (low, high) = next(iter(self.bounds.items()))
        column = columns[:, j]
        share = float(np.mean((column < low) | (column > high)))
        return (
            f"{share:.1%} of column {j} of {name} lie far from all the others, up to {np.abs(column).max():.4g} where nine of "
            f"ten are between {np.quantile(column, 0.05):.4g} and {np.quantile(column, 0.95):.4g}"
        )
