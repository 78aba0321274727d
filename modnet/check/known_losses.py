"""Losses by their names: what each may give by definition, and the derivatives that are mixed up with one another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np

from modnet.check.known import FUNCTIONS

softmax, _sigmoid = FUNCTIONS["softmax"], FUNCTIONS["sigmoid"]
Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: The derivatives a loss may have by mistake: what it belongs to, and the formula (t is y, one-hot for labels; z is yhat).
DERIVATIVES: tuple[tuple[str, Formula], ...] = (
    ("the squared error, 2 (yhat - y)", lambda t, z: 2 * (z - t)),
    ("softmax and cross-entropy in one, softmax(yhat) - y: its forward takes scores", lambda t, z: softmax(z) - t),
    (
        "softmax and cross-entropy in one, taken by the scores before the softmax; of 1/2 (yhat - y)^2, too: yhat - y",
        lambda t, z: z - t,
    ),
    (
        "log-softmax and cross-entropy in one, exp(yhat) - y, taken by the scores before the log-softmax",
        lambda t, z: np.exp(z) - t,
    ),
    ("-yhat_y, the loss of log-probabilities", lambda t, z: -t),
    ("-log yhat_y, the loss of probabilities: -y / yhat", lambda t, z: -t / z),
    ("sigmoid and binary cross-entropy in one, sigmoid(yhat) - y: its forward takes scores", lambda t, z: _sigmoid(z) - t),
    ("the binary cross-entropy of probabilities, (yhat - y) / (yhat (1 - yhat))", lambda t, z: (z - t) / (z * (1 - z))),
    ("the absolute error, sign(yhat - y)", lambda t, z: np.sign(z - t)),
    ("the hinge loss max(0, 1 - y yhat)", lambda t, z: np.where(t * z < 1, -t, 0)),
    ("the perceptron's loss max(0, -y yhat)", lambda t, z: np.where(t * z < 0, -t, 0)),
    ("the mean squared error over the features", lambda t, z: 2 * (z - t) / z[0].size),
    ("none: y softmax(yhat) - y, the softmax multiplied by y; without it, softmax(yhat) - y", lambda t, z: t * softmax(z) - t),
    ("none: s (1 - s) - y, with s = softmax(yhat); it is s - y", lambda t, z: softmax(z) * (1 - softmax(z)) - t),
    ("none: yhat - y + softmax(yhat), with yhat once too often; softmax(yhat) - y", lambda t, z: z - t + softmax(z)),
    ("none: -y (1 - yhat) - (1 - y) yhat; the second term has the other sign", lambda t, z: -t * (1 - z) - (1 - t) * z),
)


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
