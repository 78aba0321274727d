"""The share of the examples that fit keeps for validation."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.loss import counts_hits


def held_out(order: np.ndarray, count: int, labels: np.ndarray | None) -> np.ndarray:
    """The rows (count,) that are kept for validation, in order.

    Parameters
    ----------
    order : all rows, in a random order. count : how many are kept.
    labels : (n,), the class of each row, or None. Each class then gives its share, rounded so that the shares add up, and keeps
        at least one example to train on. A class of one example is trained on. If that cannot be, the share is a plain one.
    """
    if labels is None:
        return np.sort(order[:count])
    names, number = np.unique(labels, return_inverse=True)
    sizes = np.bincount(number)
    exact = sizes * (count / len(labels))
    counts = np.floor(exact).astype(int)  # below its size, as count is below the number of rows
    while counts.sum() < count:
        short = np.where(counts < sizes - 1, exact - counts, -np.inf)
        k = int(np.argmax(short))
        if short[k] == -np.inf:  # more classes than examples to train on
            return np.sort(order[:count])
        counts[k] += 1
    shuffled = number[order]
    return np.sort(np.concatenate([order[shuffled == k][: counts[k]] for k in range(len(names))]))


def labels_of(y: Any, loss: Any) -> np.ndarray | None:
    """The classes (n,) of targets if they are labels of classes, one for each example, and the loss is one of classes."""
    if not counts_hits(loss):
        return None
    found = np.asarray(y)
    if found.size != len(found):
        return None
    found = found.reshape(-1)
    return found if found.dtype.kind in "iub" or bool((found == np.round(found)).all()) else None
