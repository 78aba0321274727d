"""Curves of a training: loss and metrics, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modnet.inputs import short_repr
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import BLUE, COLORS, MARKERS, VERMILION, class_colors, depth_colors, whole_ticks
from modnet.training.history import History

_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.2)), (0, (1, 1)), (0, (5, 1, 1, 1)))  # beside colour, for any eye
_LARGEST = 1e200  # larger losses are gaps, like infinite ones: matplotlib's logarithmic ticks overflow


def history(
    h: History, path: Path | None = None, *, ax: Axes | Sequence[Axes] | None = None, title: str | None = None
) -> Figure:
    """Draw the loss of a training, epoch by epoch, and the accuracy beside it if there is one.

    Training figures are averages over the epoch, while the network still changes; validation figures are computed at its
    end. The loss has a logarithmic axis if it fell by more than a factor of thirty.

    Parameters
    ----------
    h : History
        What `fit` returned, with at least one epoch.
    path : path, optional
        A file to save the picture to.
    ax : Axes, or a sequence of them, optional
        Axes to draw in instead of a new figure: one for the loss alone, more for the metrics as well.
    title : str, optional
        A title of yours. Without one a new figure says what it shows; axes of yours keep the title they have.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If h is not a history, or has no epochs.
    """
    if not isinstance(h, History):
        raise TypeError(f"history: h is {short_repr(h)}, expected the History that fit returned")
    if not h.loss:
        raise ValueError("history: h has no epochs, expected at least one")
    curves = h.curves()
    said = f"{len(h.loss)} epoch{'s' * (len(h.loss) > 1)} of training"
    with drawing(ax, path, (5.2, 3.8), columns=len(curves), title=title, title_if_new=said) as (figure, axes):
        for panel, (name, (training, held_out)) in zip(axes, curves.items(), strict=False):
            _draw_curves(panel, name, training, held_out, h.best_epoch)
    return figure


def curves(
    lines: Mapping[str, Any],
    path: Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    x: Any = None,
    xlabel: str = "epoch",
    ylabel: str = "loss",
    xscale: str = "linear",
    yscale: str = "linear",
) -> Figure:
    """Draw curves with their names: the losses of several trainings, errors against steps, times against sizes.

    Parameters
    ----------
    lines : dict of str to (n,)
        The values of each curve. A pair ``(x, values)`` has an x of its own.
    path, ax, title : as in `history`
    x : (n,), optional
        By default 1, 2, 3, ...
    xlabel, ylabel : str
    xscale, yscale : {"linear", "log"}

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If there are no curves, or one is not as long as its x.
    """
    if not isinstance(lines, Mapping) or not lines:
        raise TypeError(f"curves: lines is {short_repr(lines)}, expected a dict of names and values")
    pairs = {}
    for name, given in lines.items():
        at, values = given if isinstance(given, tuple) and len(given) == 2 else (x, given)
        height = _drawable(np.asarray(values, np.float64).reshape(-1).tolist())
        places = np.arange(1, len(height) + 1) if at is None else np.asarray(at, np.float64).reshape(-1)
        if len(places) != len(height):
            raise ValueError(f"curves: {name} has {len(height)} values but x has {len(places)}, expected one for each")
        pairs[name] = places, height
    colors = class_colors(len(pairs)) if len(pairs) <= len(COLORS) else depth_colors(len(pairs))
    with drawing(ax, path, (6.4, 4.2), title=title, title_if_new=f"{ylabel} against {xlabel}") as (figure, axes):
        axis = axes[0]
        for i, (name, (places, height)) in enumerate(pairs.items()):
            dashes, marker = _DASHES[i % len(_DASHES)], MARKERS[i % 8] if len(height) <= 30 else None
            axis.plot(places, height, color=colors[i], label=name, linestyle=dashes, marker=marker, markersize=5)
        axis.set(xlabel=xlabel, xscale=xscale, yscale=yscale)
        if x is None and all(np.array_equal(places, np.arange(1, len(places) + 1)) for places, _ in pairs.values()):
            whole_ticks(axis)
        axis.set_ylabel(ylabel + (" (log scale)" if yscale == "log" else ""))
        axis.legend(loc="best")
    return figure


def _draw_curves(ax: Axes, name: str, training: list[float], held_out: list[float], best: int | None) -> None:
    epochs = np.arange(1, len(training) + 1)
    for values, color, dashes, label in (
        (training, BLUE, "-", "training"),
        (held_out, VERMILION, (0, (5, 1.2)), "validation"),
    ):
        if values:
            drawn = _drawable(values)
            alone = _alone(drawn)
            marker = "o" if alone else None
            ax.plot(epochs, drawn, color=color, linestyle=dashes, marker=marker, markevery=alone or None, label=label)
    if best is not None:
        ax.axvline(best, color="#8c8c8c", linewidth=1, linestyle=":", label=f"kept: epoch {best}")
    finite = _drawable([*training, *held_out])
    finite = finite[np.isfinite(finite)]
    share = "accuracy" in name
    if share:
        from matplotlib.ticker import PercentFormatter

        low = finite.min(initial=1.0)
        ax.set_ylim(max(0.0, low - 0.08 * (1.02 - low)), 1 + 0.03 * (1.02 - low))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if low < 0.93 else 1))
    elif finite.size and finite.min() > 0 and finite.max() > 30 * finite.min():
        from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if finite.max() < 2000 * finite.min() else (1.0,)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xlim(1 - 0.02 * len(epochs), 1.02 * len(epochs) if len(epochs) > 1 else 2)
    ax.set_xlabel("epoch")
    ax.set_ylabel(name.replace("_", " ") + (" (log scale)" if ax.get_yscale() == "log" else ""))
    whole_ticks(ax)
    ax.legend(loc="best")


def _drawable(values: list[float]) -> np.ndarray:
    """Values with gaps instead of numbers that cannot be drawn."""
    array = np.array(values, np.float64)
    return np.where(np.abs(array) < _LARGEST, array, np.nan)


def _alone(values: np.ndarray) -> list[int]:
    """Indices of numbers between gaps: no line goes to them, so they need a marker."""
    known = np.isfinite(np.concatenate([[np.nan], values, [np.nan]]))
    return [int(i) for i in np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])]
