"""Losses by their names: what each may give by definition."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from modnet.check.reading.known import FUNCTIONS


def _rows(terms: np.ndarray) -> np.ndarray:
    return terms.reshape(len(terms), -1).sum(axis=1)


def definitions(name: str, t: np.ndarray, z: np.ndarray) -> Iterator[np.ndarray]:
    """What a loss of this name may give, by definition; several if the course has several of that name."""
    word = re.sub(
        r"(sparse|loss|cost|cout|erreur|error|function|fonction|criterion|\d)", "", re.sub(r"[^a-z0-9]", "", name.lower())
    )
    if word in ("mse", "meansquared", "squared", "quadratic", "quadratique", "moindrescarres"):
        yield _rows((t - z) ** 2)
    elif word in ("mae", "l", "absolute", "meanabsolute"):
        yield _rows(np.abs(t - z))
    elif word in ("bce", "binarycrossentropy", "binarycrossentropie", "crossentropybinaire", "bcewithlogits"):
        yield _rows(-(t * np.maximum(np.log(z), -100) + (1 - t) * np.maximum(np.log1p(-z), -100)))
        yield _rows(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))
    elif re.fullmatch("c?ce|(categorical)?crossentrop(y|ie)|entropiecroisee|nll", word) or {"softmax", "ce"} == set(
        re.findall("softmax|ce$|^ce", word)
    ):
        yield _rows(-t * z)
        yield _rows(1 - t * z) if z.ndim == 1 else 1 - _rows(t * z)
        yield _rows(-t * FUNCTIONS["logsoftmax"](z))
        with np.errstate(all="ignore"):
            yield _rows(np.where(t != 0, -t * np.log(z), 0))
    elif word == "perceptron":
        yield _rows(np.maximum(0, -t * z))
    elif word == "hinge":
        yield _rows(np.maximum(0, 1 - t * z))
