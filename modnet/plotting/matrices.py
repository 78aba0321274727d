"""The confusion matrix of a classifier."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet.inputs import as_batch, as_numbers, short_repr
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import BLUE, INK, VERMILION, names_for, shorten


def confusion(
    y: Any,
    yhat: Any,
    path: Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw how often each class was taken for which.

    Parameters
    ----------
    y : (n,), integers from 0, or text
        The true classes.
    yhat : (n,), as y; or (n, classes)
        The predicted classes; or a score for each, of which the highest counts.
    path, ax, title : as in `history`
    class_names : sequence of str, optional
        By default the numbers, or the text in sorted order.

    Returns
    -------
    Figure
        One row per true class, one column per predicted class. Blue is right, vermilion is wrong; the larger the share of
        the row, the deeper the colour.

    Raises
    ------
    TypeError, ValueError
        If y or yhat are no classes, differ in length, or need more names than there are.
    """
    if path is not None and not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"confusion: path is {short_repr(path)}, expected a file such as 'c.png'; names of classes are class_names=..."
        )
    words: list[str] = []
    if _is_text(y) and _is_text(yhat):
        words = sorted({*y, *yhat})
        number = {word: i for i, word in enumerate(words)}
        y, yhat = ([number[word] for word in given] for given in (y, yhat))
    truth, guess = _labels(y, "y"), _labels(yhat, "yhat")
    if len(truth) != len(guess):
        raise ValueError(f"confusion: y has {len(truth)} examples but yhat has {len(guess)}; yhat needs one value per example")
    count = int(max(truth.max(), guess.max())) + 1
    names = names_for(class_names, count, "confusion", words or [str(i) for i in range(count)])
    count = len(names)
    table = np.bincount(truth * count + guess, minlength=count**2).reshape(count, count)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    from matplotlib.colors import to_rgb

    right, wrong = np.array(to_rgb(BLUE)), np.array(to_rgb(VERMILION))
    color = np.where(np.eye(count, dtype=bool)[:, :, np.newaxis], right, wrong)
    # A single mistake among hundreds must be seen: the strength grows with the root of the share.
    strength = np.where(table > 0, 0.12 + 0.75 * np.sqrt(share), 0.0)[:, :, np.newaxis]
    image = 1 - strength * (1 - color)
    said = f"Which class was taken for which: {np.trace(table) / table.sum():.1%} right"
    with drawing(ax, path, (5.0, 4.9), title=title, title_if_new=said) as (figure, axes):
        axis = axes[0]
        axis.imshow(image, aspect="equal")
        if count <= 25:
            size = float(np.clip(100 / count, 5, 11))
            for i, j in np.argwhere(table > 0):
                ink = "white" if strength[i, j, 0] > 0.62 else INK
                axis.text(j, i, f"{table[i, j]:,}", ha="center", va="center", fontsize=size, color=ink)
            short = [shorten(name, "…") for name in names]
            turn = 0 if max(map(len, short)) * count <= 44 else 45 if count <= 10 else 90
            small = float(np.clip(150 / count, 6, 9))
            axis.set_xticks(range(count), short, rotation=turn, ha="right" if turn == 45 else "center", fontsize=small)
            axis.set_yticks(range(count), short, fontsize=small)
        axis.set_xticks(np.arange(1, count) - 0.5, minor=True)
        axis.set_yticks(np.arange(1, count) - 0.5, minor=True)
        axis.grid(False)
        if count <= 25:
            axis.grid(which="minor", color="white", linewidth=1.5)
        axis.tick_params(which="both", length=0)
        for spine in axis.spines.values():
            spine.set_visible(True)
            spine.set_color("#d9d9d9")
        axis.set(xlabel="predicted class", ylabel="true class")
    return figure


def _is_text(value: Any) -> bool:
    return np.ndim(value) == 1 and len(value) > 0 and all(isinstance(one, str) for one in value)


def _labels(value: Any, name: str) -> np.ndarray:
    array = as_batch(as_numbers(value, "confusion", name), np.dtype(np.float64), "confusion", name)
    if array.ndim == 2 and name == "yhat" and array.shape[1] > 1:
        array = array.argmax(axis=1).astype(float)
    if array.ndim != 1 or (array < 0).any() or (array != np.floor(array)).any():
        kind = "whole numbers from 0 (n,)" + (" or scores (n, classes)" if name == "yhat" else "")
        raise ValueError(f"confusion: {name} has shape {array.shape} and values such as {array.flat[0]:g}, expected {kind}")
    return array.astype(np.int64)
