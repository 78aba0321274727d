"""Predictions of a regression against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.inputs import as_batch, as_numbers
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import BLUE, VERMILION, legend_above


def predictions(
    y: Any, yhat: Any, path: Path | None = None, *, ax: Axes | None = None, title: str | None = None
) -> Figure:
    """Draw the predictions of a regression against the truth: the nearer to the diagonal, the better.

    Parameters
    ----------
    y, yhat : (n,) or (n, 1)
        The truth and the prediction, in the same unit.
    path, ax, title : as in `history`

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If y or yhat are no numbers, or differ in length.
    """
    pair = [as_batch(as_numbers(v, "predictions", name), np.dtype(np.float64), "predictions", name).reshape(-1)
            for v, name in ((y, "y"), (yhat, "yhat"))]  # fmt: skip
    if pair[0].shape != pair[1].shape:
        raise ValueError(
            f"predictions: y has {pair[0].size} numbers but yhat has {pair[1].size}; yhat needs one value per example"
        )
    low, high = np.min(pair), np.max(pair)
    ends = np.array([low, high]) + 0.04 * max(high - low, 1e-9) * np.array([-1, 1])
    with drawing(ax, path, (4.8, 4.8), title=title, title_if_new="Predictions against the truth") as (figure, axes):
        axis = axes[0]
        axis.plot(ends, ends, color=VERMILION, linewidth=1.4, label="prediction = truth")
        size = float(np.clip(9000 / pair[0].size, 10, 50))
        axis.scatter(pair[0], pair[1], s=size, color=BLUE, edgecolors="white", linewidths=0.6, label="examples", zorder=3)
        axis.set(xlabel="truth", ylabel="prediction", xlim=ends, ylim=ends, aspect="equal")
        legend_above(axis)
    return figure
