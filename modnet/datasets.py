"""Small data sets by name, and readers for the files students meet.

``load("moons")`` gives ``X, y``: ``X`` (n, features) float64; ``y`` (n,), the classes 0..C-1 as int64, or
the numbers of a regression as float64. ``load_table`` adds the names of the features and of the classes, and
``read_csv`` gives the same for a file, so that a script serves both alike. The sets come from three places:

- scikit-learn, imported by the loaders that need it and not before: its import is slow;
- formulas: XOR, Gaussians, checkerboard, spiral;
- CSV files of the folder ``datasets``, small enough to be read by eye.

Whatever is drawn takes ``rng``: an int, a ``numpy.random.Generator``, or None for new numbers at each call.
It is 0 unless given, so that a call gives the same data twice. ``datasets/README.md`` leads to a page on each
set: columns, units, origin, licence.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import inspect
import io
import math
import os
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from modnet.arrays import generator, real, whole

__all__ = [
    "Info",
    "Table",
    "describe",
    "info",
    "load",
    "load_table",
    "names",
    "read_csv",
    "read_idx",
    "read_usps",
]

Rng = int | np.random.Generator | None
Task = Literal["classification", "regression"]

# An installed wheel has the files beside this one, a checkout at its top. The wheel's place comes first, as a
# folder "datasets" beside an installed modnet would be another package's.
_FOLDERS = (Path(__file__).parent / "_data", Path(__file__).parent.parent / "datasets")

# A target of whole numbers with more different values than this is a quantity, not classes.
_MOST_CLASSES = 20

_MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})


class Table(NamedTuple):
    """Examples, targets, and their names.

    Attributes
    ----------
    X : array (n, features), float64
    y : array (n,)
        Classes 0..C-1 (int64, or what was asked for with ``labels``), or a regression's numbers (float64).
    feature_names : tuple of str
        One for each column of ``X``.
    class_names : tuple of str or None
        The name of class 0, of class 1, ...; None in a regression.
    """

    X: NDArray[np.float64]
    y: NDArray[Any]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...] | None

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return "regression" if self.class_names is None else "classification"


@dataclass(frozen=True)
class Info:
    """What a data set is, as ``load`` gives it without options.

    Attributes
    ----------
    name : str
    n, features : int
        Rows and columns of ``X``.
    classes : int or None
        How many; None in a regression.
    text : str
        A sentence or two for humans.
    """

    name: str
    n: int
    features: int
    classes: int | None
    text: str
    _loader: Callable[..., Table] = field(repr=False)

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return "regression" if self.classes is None else "classification"

    @property
    def options(self) -> Mapping[str, Any]:
        """The options ``load`` takes for this set, each with its default."""
        options = {name: given.default for name, given in inspect.signature(self._loader).parameters.items()}
        if self.classes is not None:
            options["labels"] = None
        return MappingProxyType(options)


def names() -> list[str]:
    """Return the names ``load`` knows."""
    return list(_SETS)


def info(name: str) -> Info:
    """Return the record of a data set: name, task, n, features, classes, text, options.

    Raises
    ------
    TypeError, ValueError
        For a name that is not a str, or not one of ``names()``.
    """
    if not isinstance(name, str):
        raise TypeError(f"modnet.datasets: the name is {_short(name)}, expected one of {', '.join(_SETS)}")
    if name not in _SETS:
        raise ValueError(
            f"modnet.datasets: there is no data set {_short(name)}, "
            f"expected one of {', '.join(_SETS)}{_nearest(name, _SETS)}"
        )
    return _SETS[name]


def describe(name: str) -> str:
    """Return a paragraph on a data set: its sizes, what it is, the options it takes.

    Raises
    ------
    TypeError, ValueError
        As ``info``.
    """
    record = info(name)
    sizes = f"{record.n} examples, {record.features} features"
    if record.classes is not None:
        sizes += f", {record.classes} classes"
    options = ", ".join(f"{option}={default!r}" for option, default in record.options.items()) or "none"
    return f"{name} ({record.task}: {sizes}). {record.text} Options: {options}."


def load(name: str, **options: Any) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return the examples and the targets of a data set.

    Parameters
    ----------
    name : str
        One of ``names()``.
    **options
        Those of the set, which ``info(name).options`` lists with their defaults. All sets that draw take
        ``rng`` (an int, a ``numpy.random.Generator``, or None). All classifications take ``labels``, a value
        for each class: ``labels=(-1, 1)`` gives -1 for class 0 and 1 for class 1.

    Returns
    -------
    X : array (n, features), float64
    y : array (n,)
        int64 classes 0..C-1, or float64 in a regression.

    Raises
    ------
    TypeError
        For an option the set does not have, and one of a wrong type.
    ValueError
        For an unknown name, and an option's value that makes no sense.

    Examples
    --------
    >>> from modnet import datasets
    >>> X, y = datasets.load("xor")
    >>> X.tolist(), y.tolist()
    ([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0])
    >>> X, y = datasets.load("spiral", n=50, arms=4, labels=("N", "E", "S", "W"))
    >>> X.shape, sorted(set(y.tolist()))
    ((200, 2), ['E', 'N', 'S', 'W'])
    """
    table = load_table(name, **options)
    return table.X, table.y


def load_table(name: str, **options: Any) -> Table:
    """Return a data set with the names of its features and classes.

    Parameters, errors and sources are those of ``load``, which gives the first two of the four.

    Returns
    -------
    Table
        ``X, y, feature_names, class_names``.
    """
    record = info(name)
    known = record.options
    for option in options:
        if option not in known:
            expected = f"one of {', '.join(known)}{_nearest(option, known)}" if known else "none"
            raise TypeError(f"{_who(name)}: there is no option {option!r}, expected {expected}")
    labels = options.pop("labels", None)
    rng = options.get("rng")
    state: Any = rng.bit_generator.state if isinstance(rng, np.random.Generator) else None
    try:
        table = record._loader(**options)
        return table if labels is None else _relabelled(name, table, labels)
    except Exception:
        # scikit-learn checks its options after the seed was drawn for it: a call that fails takes it back.
        if isinstance(rng, np.random.Generator):
            rng.bit_generator.state = state
        raise


def _relabelled(name: str, table: Table, labels: Sequence[Any]) -> Table:
    assert table.class_names is not None
    count = len(table.class_names)
    values = np.asarray(labels)
    if values.ndim != 1 or len(values) != count or len(set(values.tolist())) != count:
        raise ValueError(
            f"{_who(name)}: labels is {_short(labels)}, expected {count} different values, one a class"
        )
    return table._replace(y=values[table.y], class_names=tuple(map(str, values.tolist())))


def _nearest(word: str, words: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(words), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _who(name: str) -> str:
    return f"load({name!r})"


def _spread(value: float, who: str, option: str) -> float:
    """Return a standard deviation."""
    return real(value, who, option, "a finite number of at least 0", lambda v: v >= 0)


def _switch(value: bool, who: str, option: str) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{who}: {option} is {_short(value)}, expected True or False")
    return bool(value)


def _made(X: NDArray[np.float64], y: NDArray[Any], count: int) -> Table:
    """Return the Table of a set made by a formula, with numbers for names."""
    feature_names = tuple(f"x{i + 1}" for i in range(X.shape[1]))
    return Table(X, y.astype(np.int64), feature_names, tuple(map(str, range(count))))


def _scikit_made(name: str, rng: Rng, **options: Any) -> Table:
    """Return what scikit-learn's maker draws: for an int, the same as its own with random_state=rng.

    None is never passed on, as scikit-learn would draw from numpy's global generator.
    """
    draw = generator(rng, _who(name))
    seed = int(rng if isinstance(rng, int | np.integer) and rng < 2**32 else draw.integers(2**32))
    from sklearn import datasets

    X, y = getattr(datasets, f"make_{name}")(random_state=seed, **options)
    return _made(X, y, int(y.max()) + 1)


def _moons(n_samples: Any = 500, shuffle: Any = True, noise: Any = 0.1, rng: Rng = 0) -> Table:
    return _scikit_made("moons", rng, n_samples=n_samples, shuffle=shuffle, noise=noise)


def _circles(
    n_samples: Any = 500, shuffle: Any = True, noise: Any = 0.05, factor: Any = 0.5, rng: Rng = 0
) -> Table:
    return _scikit_made("circles", rng, n_samples=n_samples, shuffle=shuffle, noise=noise, factor=factor)


def _blobs(
    n_samples: Any = 500,
    n_features: Any = 2,
    centers: Any = None,
    cluster_std: Any = 1.0,
    center_box: Any = (-10.0, 10.0),
    shuffle: Any = True,
    rng: Rng = 0,
) -> Table:
    return _scikit_made(
        "blobs",
        rng,
        n_samples=n_samples,
        n_features=n_features,
        centers=centers,
        cluster_std=cluster_std,
        center_box=center_box,
        shuffle=shuffle,
    )


def _digits(n_class: int = 10, scale: bool = True) -> Table:
    who = _who("digits")
    scale = _switch(scale, who, "scale")
    if whole(n_class, who, "n_class") > 10:
        raise ValueError(f"{who}: n_class is {n_class}, expected at most 10")
    table = _bunch("digits", n_class=n_class)
    # A pixel counts the dark ones of a 4 x 4 block of the scan: 16 is black.
    return table._replace(X=table.X / 16.0) if scale else table


def _diabetes(scaled: bool = True) -> Table:
    return _bunch("diabetes", scaled=_switch(scaled, _who("diabetes"), "scaled"))


def _bunch(name: str, **options: Any) -> Table:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(**options)
    X = np.ascontiguousarray(bunch.data, dtype=np.float64)
    feature_names = tuple(map(str, bunch.feature_names))
    if "target_names" not in bunch:
        return Table(X, bunch.target.astype(np.float64), feature_names, None)
    # Of the digits all ten names come, whatever n_class leaves.
    class_names = tuple(map(str, bunch.target_names[: bunch.target.max() + 1]))
    return Table(X, bunch.target.astype(np.int64), feature_names, class_names)


def _xor(n: int = 4, sigma: float = 0.0, rng: Rng = 0) -> Table:
    """Return n points, the four corners in turn, with normal noise of standard deviation sigma."""
    who = _who("xor")
    n = whole(n, who, "n")
    sigma = _spread(sigma, who, "sigma")
    draw = generator(rng, who)
    corners = _file("xor")
    turn = np.arange(n) % len(corners.X)
    return corners._replace(X=corners.X[turn] + draw.normal(0.0, sigma, (n, 2)), y=corners.y[turn])


def _gaussians(
    name: str,
    quadrants: Sequence[tuple[int, int]],
    n: int = 1000,
    centerx: float = 1.0,
    centery: float = 1.0,
    sigma: float = 0.316,
    epsilon: float = 0.02,
    rng: Rng = 0,
) -> Table:
    """Return clouds around (+-centerx, +-centery), those of class 0 and 1 in turn.

    The course's gen_arti calls sigma the variance: its 0.1 is a standard deviation of 0.316, as here.
    """
    who = _who(name)
    n = whole(n, who, "n")
    center = np.array([real(centerx, who, "centerx"), real(centery, who, "centery")])
    sigma = _spread(sigma, who, "sigma")
    epsilon = _spread(epsilon, who, "epsilon")
    draw = generator(rng, who)
    turn = np.arange(n) % len(quadrants)
    X = center * np.array(quadrants)[turn] + draw.normal(0.0, sigma, (n, 2))
    return _shuffled(X, turn % 2, 2, epsilon, draw)


def _checkerboard(n: int = 1000, epsilon: float = 0.02, rng: Rng = 0) -> Table:
    """Return uniform points of [-4, 4]^2, of class 1 where ceil(x1) + ceil(x2) is odd."""
    who = _who("checkerboard")
    n = whole(n, who, "n")
    epsilon = _spread(epsilon, who, "epsilon")
    draw = generator(rng, who)
    X = draw.uniform(-4.0, 4.0, (n, 2))
    return _shuffled(X, np.ceil(X).sum(axis=1) % 2, 2, epsilon, draw)


def _spiral(n: int = 100, arms: int = 3, turns: float = 0.75, noise: float = 0.2, rng: Rng = 0) -> Table:
    """Return n points an arm, at radius t = 1/n, 2/n, ... 1 and angle 2 pi (arm / arms + turns t) + noise.

    The noise is normal, its standard deviation in radians. No point is at 0, where all arms meet.
    """
    who = _who("spiral")
    n = whole(n, who, "n")
    arms = whole(arms, who, "arms")
    turns = real(turns, who, "turns")
    noise = _spread(noise, who, "noise")
    draw = generator(rng, who)
    arm = np.repeat(np.arange(arms), n)
    radius = np.tile(np.arange(1, n + 1) / n, arms)
    angle = 2.0 * np.pi * (arm / arms + turns * radius) + draw.normal(0.0, noise, arms * n)
    X = radius[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    return _shuffled(X, arm, arms, 0.0, draw)


def _shuffled(
    X: NDArray[np.float64], y: NDArray[Any], count: int, epsilon: float, draw: np.random.Generator
) -> Table:
    """Move the points by normal noise, which leaves them their class, and put them in a random order."""
    order = draw.permutation(len(X))
    return _made((X + draw.normal(0.0, epsilon, X.shape))[order], y[order], count)


def _file(name: str) -> Table:
    for folder in _FOLDERS:
        path = folder / f"{name}.csv"
        if path.is_file():
            return read_csv(path)
    raise FileNotFoundError(
        f"{_who(name)}: {name}.csv is missing, expected in {_FOLDERS[0]} or {_FOLDERS[1]}: reinstall modnet"
    )


_SETS = {
    record.name: record
    for record in (
        Info(
            "moons", 500, 2, 2,
            "Half circles that interlock, with normal noise. No line separates them, a hidden layer does.",
            _moons,
        ),
        Info(
            "circles", 500, 2, 2,
            "A circle (class 1) inside another (class 0), with normal noise.",
            _circles,
        ),
        Info(
            "blobs", 500, 2, 3,
            "Round clouds around random centers. One linear layer separates them where they keep apart.",
            _blobs,
        ),
        Info(
            "digits", 1797, 64, 10,
            "Handwritten digits of 8 x 8 pixels, row by row, from 0 (white) to 1 (black), or to 16 with "
            "scale=False.",
            _digits,
        ),
        Info(
            "iris", 150, 4, 3,
            "Three species of iris by the length and width of sepal and petal, in cm.",
            lambda: _bunch("iris"),
        ),
        Info(
            "wine", 178, 13, 3,
            "Italian wines of three growers by a chemical analysis. The features' sizes differ much: scale "
            "them first.",
            lambda: _bunch("wine"),
        ),
        Info(
            "breast_cancer", 569, 30, 2,
            "Malignant (0) and benign (1) tumours by the shape of their cell nuclei. The features' sizes "
            "differ much: scale them first.",
            lambda: _bunch("breast_cancer"),
        ),
        Info(
            "diabetes", 442, 10, None,
            "How far diabetes went in a year, from ten measures of the patient, which come centred and of "
            "one small size unless scaled=False.",
            _diabetes,
        ),
        Info(
            "xor", 4, 2, 2,
            "Exclusive or: class 1 where one of the two coordinates is 1. With n and sigma (a standard "
            "deviation), as many noisy points.",
            _xor,
        ),
        Info(
            "two_gaussians", 1000, 2, 2,
            "Two round clouds, class 1 around (centerx, centery), class 0 around its opposite. A perceptron "
            "separates them. sigma is a standard deviation.",
            partial(_gaussians, "two_gaussians", ((-1, -1), (1, 1))),
        ),
        Info(
            "four_gaussians", 1000, 2, 2,
            "XOR of four round clouds: class 1 where both coordinates have one sign, class 0 where they "
            "differ. No perceptron separates them. sigma is a standard deviation.",
            partial(_gaussians, "four_gaussians", ((-1, 1), (1, 1), (1, -1), (-1, -1))),
        ),
        Info(
            "checkerboard", 1000, 2, 2,
            "Points of [-4, 4]^2 by the colour of their unit square. Hard for a small network.",
            _checkerboard,
        ),
        Info(
            "spiral", 300, 2, 3,
            "Arms that turn around the origin, each a class, with n points each.",
            _spiral,
        ),
        Info(
            "three_categories", 30, 2, 3,
            "Ten points in the plane for each of three categories. One linear layer separates them.",
            partial(_file, "three_categories"),
        ),
        Info(
            "marks", 4, 3, None,
            "Four students: three marks, and the final mark to predict, out of 20.",
            partial(_file, "marks"),
        ),
        Info(
            "marks_more", 60, 3, None,
            "Sixty made-up students: three marks, and the final mark to predict, out of 20. Enough for "
            "mini-batches.",
            partial(_file, "marks_more"),
        ),
        Info(
            "different", 4, 2, None,
            "The operator different: 1 where two numbers differ, 0 where they are equal. min(a |x - y|, 1) "
            "learns it.",
            partial(_file, "different"),
        ),
    )
}  # fmt: skip


def _text(reader: str, path: str | os.PathLike[str]) -> str:
    try:
        return _bytes(reader, path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{reader}: {path} has a wrong byte {error.start}, expected UTF-8 text") from None


def _bytes(reader: str, path: str | os.PathLike[str]) -> bytes:
    content = Path(path).read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{reader}: {path} is damaged ({error}), expected a whole gzip file") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_whole(cell: str) -> bool:
    try:
        int(cell)
    except ValueError:
        return False
    return True


def read_csv(
    path: str | os.PathLike[str],
    target: str | int = "last",
    *,
    task: Task | None = None,
    header: bool | None = None,
    delimiter: str | None = None,
) -> Table:
    r"""Read a CSV file of numeric features and one target column.

    Parameters
    ----------
    path : path
        A UTF-8 text file, plain or gzip. Blank lines are skipped.
    target : str or int
        The target's column: ``"last"``, a name of the header, or a position from 0 (below 0, from the end).
    task : {"classification", "regression"}, optional
        What the target is. Unless given: text is classes; whole numbers are classes where at most 20 of them
        differ; other numbers are a regression.
    header : bool, optional
        Whether the first line names the columns. Unless given: it does if none of its features is a number.
    delimiter : str, optional
        One character. Unless given: the comma, semicolon or tabulation of which the first line has most.

    Returns
    -------
    Table
        ``X`` (n, features) float64; ``y`` (n,), classes encoded as int64 0..C-1 in the order of
        ``class_names`` (numbers by size, text by alphabet), or float64; the features' names, which are
        ``x1``, ``x2``, ... without a header.

    Raises
    ------
    ValueError
        With the number of the line: for a file without data, rows of different lengths, a feature that is
        missing, text or not finite, a target that is missing, or a number on some lines only.
    TypeError, ValueError
        For arguments of a wrong type, and a target that is not a column.
    OSError
        Where the file cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from modnet.datasets import read_csv
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "fruit.csv"
    ...     _ = path.write_text("weight,length,fruit\n118,19.5,banana\n170,7,apple\n")
    ...     X, y, feature_names, class_names = read_csv(path)
    >>> X.tolist(), y.tolist(), feature_names, class_names
    ([[118.0, 19.5], [170.0, 7.0]], [1, 0], ('weight', 'length'), ('apple', 'banana'))
    """
    if isinstance(target, bool) or not isinstance(target, str | int):
        raise TypeError(f"read_csv: target is {_short(target)}, expected 'last', a column's name or position")
    if task not in (None, "classification", "regression"):
        raise ValueError(f"read_csv: task is {_short(task)}, expected 'classification', 'regression' or None")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise ValueError(f"read_csv: delimiter is {_short(delimiter)}, expected one character or None")
    rows = _csv_rows(path, delimiter)
    first_line, first = next(rows, (0, []))
    if not first:
        raise ValueError(f"read_csv: {path} is empty, expected lines of numbers")
    width = len(first)
    if width < 2:
        raise ValueError(
            f"read_csv: {path}, line {first_line}: there is 1 column, expected the features and the target, "
            "separated by commas"
        )
    by_name = isinstance(target, str) and target != "last"
    if by_name and header is False:
        raise ValueError(f"read_csv: target is {target!r}, expected 'last' or a position with header=False")
    column = _target_column(path, target, first)
    if header is None:
        cells = first[:column] + first[column + 1 :]
        # A first row of missing values is data. One of them alone may be a name: Na is sodium.
        missing = all(cell.lower() in _MISSING for cell in cells)
        header = by_name or not (missing or any(map(_is_number, cells)))
    if header:
        columns = list(first)
        if "" in columns:
            raise ValueError(
                f"read_csv: {path}, line {first_line}: column {columns.index('') + 1} has no name, "
                "expected a name for each column"
            )
    else:
        columns = [f"x{i + 1}" for i in range(width - 1)]
        columns.insert(column, "target")
        rows = chain([(first_line, first)], rows)
    features = columns[:column] + columns[column + 1 :]

    # An array of doubles rather than lists: eight bytes a value, for files of a hundred megabytes.
    values = array("d")
    targets: list[str] = []
    lines: list[int] = []
    for line, cells in rows:
        if len(cells) != width:
            raise ValueError(
                f"read_csv: {path}, line {line}: there are {len(cells)} values, expected {width}"
            )
        targets.append(cells.pop(column))
        lines.append(line)
        try:
            values.extend(map(float, cells))
        except ValueError:
            wrong = next(i for i, cell in enumerate(cells) if not _is_number(cell))
            raise _not_a_number(path, line, features[wrong], cells[wrong]) from None
    if not lines:
        raise ValueError(f"read_csv: {path} has a header and no data, expected lines of numbers after it")
    X = np.array(values).reshape(len(lines), width - 1)
    for row, wrong in np.argwhere(~np.isfinite(X)):
        raise _not_a_number(path, lines[row], features[wrong], str(X[row, wrong]))
    y, class_names = _encode(path, columns[column], targets, lines, task)
    return Table(X, y, tuple(features), class_names)


def _csv_rows(path: str | os.PathLike[str], delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the number of its line, their cells stripped."""
    text = _text("read_csv", path)
    if delimiter is None:
        head = text.lstrip().partition("\n")[0]
        delimiter = max(",;\t", key=head.count)
    stream = io.StringIO(text, newline="")
    reader = csv.reader(stream, delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if cells not in ([], [""]):
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(f"read_csv: {path}, line {reader.line_num}: {error}, expected CSV") from None


def _target_column(path: str | os.PathLike[str], target: str | int, first: list[str]) -> int:
    if target == "last":
        return len(first) - 1
    if isinstance(target, str):
        if target not in first:
            columns = ", ".join(first[:20]) + (", ..." if len(first) > 20 else "")
            expected = f"one of {columns}{_nearest(target, first)}"
            raise ValueError(f"read_csv: {path} has no column {target!r}, expected {expected}")
        count = first.count(target)
        if count > 1:
            raise ValueError(f"read_csv: {path} has {count} columns {target!r}, expected one or a position")
        return first.index(target)
    width = len(first)
    if not -width <= target < width:
        raise ValueError(
            f"read_csv: target is {target}, expected a position from {-width} to {width - 1}, "
            f"as {path} has {width} columns"
        )
    return target % width


def _not_a_number(path: str | os.PathLike[str], line: int, column: str, cell: str) -> ValueError:
    came = "is missing" if cell.lower() in _MISSING else f"is {_short(cell)}"
    return ValueError(f"read_csv: {path}, line {line}: {column!r} {came}, expected a finite number, as 0.5")


def _encode(
    path: str | os.PathLike[str], column: str, cells: list[str], lines: list[int], task: Task | None
) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    """Return the targets as numbers, and the names of the classes if they are classes."""
    for line, cell in zip(lines, cells, strict=True):
        if cell.lower() in _MISSING:
            raise ValueError(f"read_csv: {path}, line {line}: target {column!r} is missing, expected a value")
    text = [i for i, cell in enumerate(cells) if not _is_number(cell)]
    if text and (task == "regression" or (task is None and len(text) < len(cells))):
        raise ValueError(
            f"read_csv: {path}, line {lines[text[0]]}: target {column!r} is {_short(cells[text[0]])}, "
            "expected a number" + ("" if task else " as on other lines, or task='classification'")
        )
    if text:
        named, y = np.unique(cells, return_inverse=True)
        return y.astype(np.int64), tuple(named.tolist())
    values = np.array(cells, dtype=np.float64)
    for i in np.flatnonzero(~np.isfinite(values)):
        raise _not_a_number(path, lines[i], column, cells[i])
    levels, y = np.unique(values, return_inverse=True)
    if task is None and all(map(_is_whole, cells)) and len(levels) <= _MOST_CLASSES:
        task = "classification"
    if task != "classification":
        return values, None
    return y.astype(np.int64), tuple(str(int(v)) if v.is_integer() else repr(v) for v in levels.tolist())


def read_usps(path: str | os.PathLike[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Read handwritten digits in the USPS text format of the course.

    The first line has the number of classes and of pixels, ``10 256``; each line after it a label and the
    pixels, from 0 (white) to 2 (black), separated by spaces. A line ``-1`` may end the file.

    Parameters
    ----------
    path : path
        A text file, plain or gzip.

    Returns
    -------
    X : array (n, pixels), float64
        The values as they are in the file: ``X / 2`` is in [0, 1].
    y : array (n,), int64
        Labels from 0.

    Raises
    ------
    ValueError
        For anything else in the file, with the number of the line.
    OSError
        Where the file cannot be read.
    """

    def wrong(line: int, came: str, expected: str) -> ValueError:
        return ValueError(f"read_usps: {path}, line {line}: {came}, expected {expected}")

    # Not splitlines, which would count a form feed as a line.
    lines = _text("read_usps", path).split("\n")
    head = lines[0].split()
    if len(head) != 2 or not all(_is_whole(cell) and int(cell) > 0 for cell in head):
        raise wrong(1, f"it is {_short(lines[0].strip())}", "the counts of classes and pixels, as '10 256'")
    classes, pixels = map(int, head)
    values = array("d")
    labels: list[int] = []
    numbers: list[int] = []
    end = 0
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split()
        if not cells:
            continue
        if end:
            raise wrong(number, "it comes after the end", f"nothing after the '-1' of line {end}")
        if cells == ["-1"]:
            end = number
            continue
        if len(cells) != pixels + 1:
            raise wrong(number, f"there are {len(cells)} values", f"a label and {pixels} pixels")
        try:
            row = list(map(float, cells))
        except ValueError:
            column = next(i for i, cell in enumerate(cells) if not _is_number(cell))
            raise wrong(number, f"value {column + 1} is {_short(cells[column])}", "a number") from None
        if not (row[0].is_integer() and 0 <= row[0] < classes):
            raise wrong(number, f"the label is {cells[0]}", f"a whole number from 0 to {classes - 1}")
        labels.append(int(row[0]))
        values.extend(row[1:])
        numbers.append(number)
    if not labels:
        raise ValueError(f"read_usps: {path} has no digits, expected a line for each after the first")
    X = np.array(values).reshape(len(labels), pixels)
    # The comparison is written so that a NaN is refused.
    for i, j in np.argwhere(~((X >= 0.0) & (X <= 2.0))):
        raise wrong(numbers[i], f"pixel {j + 1} is {X[i, j]:g}", "a value from 0 to 2")
    return X, np.array(labels, dtype=np.int64)


_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read an array in the IDX format, that of MNIST's files.

    Parameters
    ----------
    path : path
        An IDX file, plain or gzip: two zero bytes, a byte for the type, a byte for the number of dimensions,
        the sizes as 32-bit integers, then the values in C order, all big-endian.

    Returns
    -------
    array
        Of the file's shape and type, in the machine's byte order: (60000, 28, 28) uint8 for MNIST's training
        images, (60000,) uint8 for their labels. A network takes ``images.reshape(len(images), -1) / 255``.

    Raises
    ------
    ValueError
        Where the magic number, the sizes or the length of the file are wrong.
    OSError
        Where the file cannot be read.

    References
    ----------
    Y. LeCun, C. Cortes, C. Burges, *The MNIST database of handwritten digits*, section on the IDX format.
    """
    content = _bytes("read_idx", path)
    magic = content[:4]
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or not 1 <= magic[3] <= 64:
        raise ValueError(
            f"read_idx: {path} begins with the bytes '{magic.hex(' ')}', expected '00 00', a type "
            f"({', '.join(f'{code:02x}' for code in _IDX_TYPES)}), and the number of dimensions"
        )
    dtype = np.dtype(_IDX_TYPES[magic[2]])
    start = 4 + 4 * magic[3]
    if len(content) < start:
        raise ValueError(
            f"read_idx: {path} has {len(content)} bytes, expected {start} for {magic[3]} dimensions' sizes"
        )
    shape = tuple(np.frombuffer(content, dtype=">u4", count=magic[3], offset=4).tolist())
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"read_idx: {path} has {len(content)} bytes, expected {expected} for {dtype.name} {shape}"
        )
    return np.frombuffer(content, dtype=dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
