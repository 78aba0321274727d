"""Data sets by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modnet.datasets.catalogue import SETS, Info
from modnet.datasets.table import Table
from modnet.datasets.words import nearest, short, who_loads

#: Names that people ask for and that need a file or a download: who gives them.
_ELSEWHERE = {
    "usps": "; modnet.datasets.read_usps(path) reads the file of the course",
    "mnist": "; sklearn.datasets.fetch_openml('mnist_784') downloads it, and 'digits' is a small set of its kind",
}


def names() -> list[str]:
    """Return the names ``load`` knows."""
    return list(SETS)


def info(name: str) -> Info:
    """Return the record of a data set: name, task, n, features, classes, text, options.

    Raises
    ------
    TypeError, ValueError
        For a name that is not a str, or not one of ``names()``.
    """
    if not isinstance(name, str):
        raise TypeError(f"modnet.datasets: the name is {short(name)}, expected one of {', '.join(SETS)}")
    if name not in SETS:
        raise ValueError(
            f"modnet.datasets: there is no data set {short(name)}, "
            f"expected one of {', '.join(SETS)}{_ELSEWHERE.get(name.lower()) or nearest(name, SETS)}"
        )
    return SETS[name]


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
            expected = f"one of {', '.join(known)}{nearest(option, known)}" if known else "none"
            raise TypeError(f"{who_loads(name)}: there is no option {option!r}, expected {expected}")
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
            f"{who_loads(name)}: labels is {short(labels)}, expected {count} different values, one a class"
        )
    return table._replace(y=values[table.y], class_names=tuple(map(str, values.tolist())))
