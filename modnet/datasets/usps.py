"""A reader for handwritten digits in the USPS text format."""

from __future__ import annotations

import os
from array import array

import numpy as np
from numpy.typing import NDArray

from modnet.datasets.files import is_number, is_whole, read_text
from modnet.datasets.words import short


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
    lines = read_text("read_usps", path).split("\n")
    head = lines[0].split()
    if len(head) != 2 or not all(is_whole(cell) and int(cell) > 0 for cell in head):
        raise wrong(1, f"it is {short(lines[0].strip())}", "the counts of classes and pixels, as '10 256'")
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
            column = next(i for i, cell in enumerate(cells) if not is_number(cell))
            raise wrong(number, f"value {column + 1} is {short(cells[column])}", "a number") from None
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
