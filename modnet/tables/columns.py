"""What a column of a table means, and the numbers a network gets for it.

    number      the value; the median and a 1 in a column of its own for a missing one, if training had missing ones
    category    a column for each of at most 40 texts, 1 where it is that text; one more for missing cells if training had any
    date        the time in days, where in the year, the week and the day it falls (sine and cosine), and a 1 for a missing one
    text        30 numbers: n-grams of 3 and 4 characters, hashed, weighted by rarity, reduced by a truncated SVD

Each kind keeps what it learned as plain numbers and text, so that it can be written into a file that runs nothing when it is
read. What is met later and was not known is a missing cell (a word in a column of numbers) or no category at all.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import Any, ClassVar

import numpy as np

from modnet.tables.reading import is_missing, lines_in_words, numbers

MOST_CATEGORIES = 40
_MOSTLY = 0.9  # of the cells of a column of numbers or dates are numbers or dates; the others count as missing, with a note
_ISO = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[T ]\d{1,2}:\d{2}.*)?")
_DAYS = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_YEAR, _WEEK = 365.25, 7.0
_GRAMS, _TOPICS = 4096, 30


class Column:
    """A column of a table as numbers.

    Attributes
    ----------
    name : of the column. scaled : (width,), which of its numbers are brought to mean 0 and deviation 1, not being 0 or 1.
    """

    kind: ClassVar[str]
    learned: ClassVar[tuple[str, ...]] = ()
    name: str
    has_missing: bool

    def __init__(self, name: str, **learned: Any) -> None:
        self.name = name
        self.__dict__.update(learned)

    @property
    def feature_names(self) -> list[str]:
        """A name for each number."""
        raise NotImplementedError

    @property
    def _last(self) -> list[str]:
        """The name of the number that says whether a cell is missing, if there is one."""
        return [f"{self.name} is missing"] * self.has_missing

    @property
    def scaled(self) -> list[bool]:
        """Which numbers are scaled: the first, unless a kind says otherwise; the others lie in -1 to 1."""
        return [True] + [False] * (len(self.feature_names) - 1)

    def transform(self, cells: list[str], decimal: str) -> tuple[np.ndarray, list[int]]:
        """The numbers (n, width) of cells, and the rows whose cell cannot be what it should be."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What it learned, as text, numbers and arrays."""
        return {"kind": self.kind, "name": self.name, **{key: getattr(self, key) for key in self.learned}}

    @classmethod
    def from_description(cls, given: dict[str, Any]) -> Column:
        """What `describe` gave; ValueError, KeyError or TypeError for anything else."""
        kinds: dict[str, Any] = {"median": finite, "middle": finite, "has_missing": bool, "has_time": bool, "order": _order}
        kinds |= {"texts": lambda texts: [str(text) for text in texts], "rarity": _row, "topics": _rows}
        return cls(str(given["name"]), **{key: kinds[key](given[key]) for key in cls.learned})


class Number(Column):
    """A column of numbers. median : of those in training."""

    kind, learned = "number", ("median", "has_missing")
    median: float

    @classmethod
    def fitted(cls, name: str, values: list[float | None]) -> Number:
        """From the values in training, None for missing ones."""
        known = [value for value in values if value is not None]
        return cls(name, median=float(np.median(known)) if known else 0.0, has_missing=len(known) < len(values))

    @property
    def feature_names(self) -> list[str]:
        return [self.name, *self._last]

    def transform(self, cells: list[str], decimal: str) -> tuple[np.ndarray, list[int]]:
        values = numbers(cells, decimal)
        wrong = [k for k, value in enumerate(values) if value is None and not is_missing(cells[k])]
        filled = np.array([self.median if value is None else value for value in values], np.float64)
        columns = [filled, *([np.array([value is None for value in values], np.float64)] if self.has_missing else [])]
        return np.stack(columns, axis=1), wrong


class Category(Column):
    """A column of few texts. texts : those that have a column of numbers."""

    kind, learned = "category", ("texts", "has_missing")
    texts: list[str]

    @classmethod
    def fitted(cls, name: str, cells: list[str]) -> Category:
        """From the cells in training."""
        counts = Counter(cell for cell in cells if not is_missing(cell))
        texts = sorted(text for text, _ in counts.most_common(MOST_CATEGORIES))
        return cls(name, texts=texts, has_missing=any(map(is_missing, cells)))

    @property
    def feature_names(self) -> list[str]:
        return [f"{self.name}={text}" for text in self.texts] + self._last

    @property
    def scaled(self) -> list[bool]:
        return [False] * len(self.feature_names)

    def transform(self, cells: list[str], decimal: str) -> tuple[np.ndarray, list[int]]:
        places = {text: k for k, text in enumerate(self.texts)}
        out, new = np.zeros((len(cells), len(self.feature_names))), []
        for row, cell in enumerate(cells):
            at = places.get(cell)
            if at is not None:
                out[row, at] = 1.0
            elif not is_missing(cell):
                new.append(row)
            elif self.has_missing:
                out[row, -1] = 1.0
        return out, new


class Date(Column):
    """A column of dates. order : "iso", "day" or "month", what comes first. middle : the median, in days since 1970."""

    kind, learned = "date", ("order", "middle", "has_time", "has_missing")
    order: str
    middle: float
    has_time: bool

    @classmethod
    def fitted(cls, name: str, days: list[float | None], order: str) -> Date:
        """From the dates in training, in days since 1970, None for missing ones."""
        known = np.array([value for value in days if value is not None])
        return cls(
            name, order=order, middle=float(np.median(known)), has_time=bool((known % 1 != 0).any()),
            has_missing=len(known) < len(days),
        )  # fmt: skip

    @property
    def feature_names(self) -> list[str]:
        periods = ["year", "week", *(["day"] if self.has_time else [])]
        names = [f"{self.name} in days", *(f"{self.name}, {wave} of {p}" for p in periods for wave in ("sine", "cosine"))]
        return names + self._last

    def transform(self, cells: list[str], decimal: str) -> tuple[np.ndarray, list[int]]:
        found = [day_of(cell, self.order) for cell in cells]
        wrong = [k for k, value in enumerate(found) if value is None and not is_missing(cells[k])]
        days = np.array([self.middle if value is None else value for value in found], np.float64)
        absent = np.array([value is None for value in found])
        columns = [days - self.middle]
        for period in (_YEAR, _WEEK, *([1.0] if self.has_time else [])):
            turn = 2 * np.pi * days / period
            columns += [np.where(absent, 0.0, np.sin(turn)), np.where(absent, 0.0, np.cos(turn))]
        return np.stack([*columns, *([absent.astype(np.float64)] if self.has_missing else [])], axis=1), wrong


class Text(Column):
    """A column of many texts. rarity (4096,), topics (at most 30, 4096) : of hashed n-grams."""

    kind, learned = "text", ("rarity", "topics")
    has_missing = False
    rarity: np.ndarray
    topics: np.ndarray

    @classmethod
    def fitted(cls, name: str, cells: list[str]) -> Text:
        """From the cells in training."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfTransformer

        counts = _grams(cells)
        weighing = TfidfTransformer().fit(counts)
        weighed = weighing.transform(counts)
        reducing = TruncatedSVD(max(1, min(_TOPICS, len(cells) - 1)), random_state=0).fit(weighed)
        return cls(name, rarity=np.asarray(weighing.idf_), topics=np.asarray(reducing.components_))

    @property
    def feature_names(self) -> list[str]:
        return [f"{self.name}, topic {k + 1}" for k in range(len(self.topics))]

    @property
    def scaled(self) -> list[bool]:
        return [True] * len(self.topics)

    def transform(self, cells: list[str], decimal: str) -> tuple[np.ndarray, list[int]]:
        from sklearn.preprocessing import normalize

        weighed = normalize(_grams(cells).multiply(self.rarity).tocsr())
        return np.asarray(weighed @ self.topics.T), []


KINDS: dict[str, type[Column]] = {kind.kind: kind for kind in (Number, Category, Date, Text)}


def column_of(name: str, cells: list[str], decimal: str, chosen: list[int]) -> tuple[Column | None, list[str]]:
    """What a column is, from all its cells, fitted to those of the chosen rows; None if it says nothing; and notes."""
    known = [cell for cell in cells if not is_missing(cell)]
    part = [cells[k] for k in chosen]
    if not known:
        return None, [f"{name!r} is empty, and is left out"]
    need = _MOSTLY * len(known)
    values = numbers(cells, decimal)
    found = sum(value is not None for value in values)
    if found >= need:
        notes = []
        if found == len(cells) == len(set(values)) > MOST_CATEGORIES and _counts_lines(values):
            notes.append(f"{name!r} counts the lines; leave it out with --drop if it only names them")
        return Number.fitted(name, [values[k] for k in chosen]), notes
    if len(set(part)) < 2:
        return None, [f"{name!r} is the same on every line trained on, and is left out"]
    order = date_order(known, decimal)
    if order is not None:
        days = [day_of(cell, order) for cell in part]
        if len({day for day in days if day is not None}) > 1:
            guessed = f"{name!r} is read with the {order} first" if order != "iso" else ""
            if guessed and any(_ISO.fullmatch(cell) for cell in known):
                guessed += ", where the year is not"
            return Date.fitted(name, days, order), [guessed] if guessed else []
    if len(set(known)) <= MOST_CATEGORIES:
        return Category.fitted(name, part), []
    notes = []
    if len(set(known)) == len(known):
        notes.append(f"{name!r} has another text on every line; leave it out with --drop if it only names them")
    return Text.fitted(name, part), notes


def date_order(cells: list[str], decimal: str) -> str | None:
    """Whether cells are dates with the year, the day or the month first; None if they are no dates."""
    need = _MOSTLY * len(cells)
    counts = {order: sum(day_of(cell, order) is not None for cell in cells) for order in ("iso", "day", "month")}
    # If no day is above 12 both fit: who writes a decimal comma writes the day first, and so does most of the world.
    best = max(("iso", "day", "month"), key=counts.__getitem__)
    return best if counts[best] >= need else None


def day_of(cell: str, order: str) -> float | None:
    """Days since 1970 of a date; None if it is none. With the year first it is read whatever the order: no other is like it."""
    try:
        if _ISO.fullmatch(cell):
            year, month, rest = cell.split("-", 2)
            found = datetime.fromisoformat(f"{year}-{month:0>2}-{rest if rest[1:2].isdigit() else '0' + rest}")
        else:
            parts = None if order == "iso" else _DAYS.fullmatch(cell)
            if parts is None:
                return None
            first, second, year_ = int(parts[1]), int(parts[2]), int(parts[3])
            year_ += (2000 if year_ < 70 else 1900) if len(parts[3]) == 2 else 0
            day, month_ = (first, second) if order == "day" else (second, first)
            hour, minute, second = (int(piece or 0) for piece in parts.groups()[3:])
            found = datetime(year_, month_, day, hour, minute, second)
    except ValueError:
        return None
    return (found.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds() / 86400


def unusable(name: str, lines: list[int], cells: list[str], kind: str) -> str:
    """A note on cells that are not what their column is."""
    also = " and the like" if len(set(cells)) > 1 else ""
    what = "not met in training; taken as no category" if kind == "category" else f"no {kind}; taken as missing"
    return f"{lines_in_words(lines)}: {name!r} is {cells[0]!r}{also}, {what}"


def finite(value: Any) -> float:
    """A finite number of a file; ValueError for anything else."""
    found = float(value) if not isinstance(value, int) or abs(value) < 1 << 64 else float("inf")
    if not abs(found) < float("inf"):
        raise ValueError(f"{found} is not finite")
    return found


def finite_array(value: Any) -> np.ndarray:
    """Finite numbers of a file; ValueError for anything else."""
    if not isinstance(value, np.ndarray) or not np.isfinite(value).all():
        raise ValueError("an array is missing, or not finite")
    return value.astype(np.float64)


def _order(value: Any) -> str:
    if value not in ("iso", "day", "month"):
        raise ValueError(f"{value!r} is no order of dates")
    return str(value)


def _row(value: Any) -> np.ndarray:
    found = finite_array(value)
    if found.shape != (_GRAMS,):
        raise ValueError(f"rarity has shape {found.shape}, expected ({_GRAMS},)")
    return found


def _rows(value: Any) -> np.ndarray:
    found = finite_array(value)
    if found.ndim != 2 or found.shape[1] != _GRAMS:
        raise ValueError(f"topics has shape {found.shape}, expected (topics, {_GRAMS})")
    return found


def _counts_lines(values: list[float | None]) -> bool:
    array = np.array(values, np.float64)
    return bool((np.diff(array) == 1).all())


def _grams(cells: list[str]) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    hashing = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 4), n_features=_GRAMS, alternate_sign=False, norm=None, lowercase=True
    )
    return hashing.transform(["" if is_missing(cell) else cell for cell in cells])


__all__ = [
    "KINDS", "Category", "Column", "Date", "Number", "Text", "column_of", "day_of", "finite", "finite_array", "unusable",
]  # fmt: skip
