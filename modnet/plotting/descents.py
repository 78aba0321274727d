"""The path of a descent on a plain function of one or two numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from modnet.inputs import as_numbers, whole
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import BLUE, INK, MARKERS, VERMILION, class_colors, height_map

_POINT: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.5, "zorder": 3}
_START: dict[str, Any] = {"s": 110, "facecolors": "none", "edgecolors": INK, "linewidths": 1.4}
_END: dict[str, Any] = {"s": 150, "marker": "*", "edgecolors": INK, "linewidths": 0.9}


def path(
    f: Callable[[Any], Any],
    points: Any,
    path: Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    low: Any = None,
    high: Any = None,
    resolution: int = 201,
) -> Figure:
    """Draw a function of one or two numbers, and the points at which a descent took its gradient.

    Parameters
    ----------
    f : function
        From a point, a number or a vector (2,), to a number.
    points : (n,) or (n, 2), or dict of str to such an array
        What `modnet.optim.descend` returned; a dict for several descents with their names.
    path, ax, title : as in `history`
    low, high : number, or (2,), optional
        The ends of the axes. By default a little beyond the points.
    resolution : int
        Points per side at which f is computed.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If points are no path in one or two dimensions, or f is no function of such a point.

    Example
    -------
    >>> from modnet.optim import SGD, descend
    >>> way = descend(lambda x: (x - 5) ** 2, lambda x: 2 * (x - 5), 9.0, SGD(0.3), tol=0.1)
    >>> figure = path(lambda x: (x - 5) ** 2, way)
    >>> figure.axes[0].get_legend().get_texts()[0].get_text()
    '6 points'
    """
    if not callable(f):
        raise TypeError(f"path: f is {f!r}, expected a function of a point")
    whole(resolution, "path", "resolution", 2)
    given = points if isinstance(points, Mapping) else {"": points}
    ways = {name: np.asarray(as_numbers(way, "path", "points"), np.float64) for name, way in given.items()}
    flat = {name: way.reshape(len(way), -1) if way.ndim else way.reshape(1, 1) for name, way in ways.items()}
    size = {way.shape[1] for way in flat.values() if way.size}
    if len(size) != 1 or not size <= {1, 2} or any(not np.isfinite(way).all() for way in flat.values()):
        shapes = ", ".join(str(way.shape) for way in ways.values())
        raise ValueError(f"path: points have shape {shapes}, expected finite numbers (n,) or (n, 2)")
    every = np.concatenate(list(flat.values()))
    space = 0.12 * np.maximum(np.ptp(every, axis=0), 1e-9)
    first = np.broadcast_to(every.min(axis=0) - space if low is None else np.asarray(low, float), every.shape[1:])
    last = np.broadcast_to(every.max(axis=0) + space if high is None else np.asarray(high, float), every.shape[1:])
    names = {name: f"{name}: {len(way)} points" if name else f"{len(way)} points" for name, way in flat.items()}
    with drawing(ax, path, (6.0, 4.6), title=title, title_if_new="A descent, point by point") as (figure, axes):
        if size == {1}:
            _draw_curve(axes[0], f, flat, names, float(first[0]), float(last[0]), resolution)
        else:
            _draw_map(axes[0], f, flat, names, (first, last), resolution)
        axes[0].legend(loc="best", frameon=size == {2})
    return figure


def _draw_curve(
    ax: Axes, f: Any, ways: dict[str, np.ndarray], names: dict[str, str], low: float, high: float, count: int
) -> None:
    x = np.linspace(low, high, count)
    height = np.array([float(f(v)) for v in x])
    ax.plot(x, height, color="#9a9a9a", linewidth=2.4)
    shift = 0.035 * (np.ptp(height) or 1.0) if len(ways) > 1 else 0.0  # several paths on one curve would hide one another
    placed = {
        name: np.column_stack([way[:, 0], [float(f(v)) + i * shift for v in way[:, 0]]])
        for i, (name, way) in enumerate(ways.items())
    }
    _draw_ways(ax, placed, names, BLUE, 26, linewidth=1.2, alpha=0.7)
    ax.set(xlabel="x", ylabel="f(x)", xlim=(low, high))


def _draw_map(ax: Axes, f: Any, ways: dict[str, np.ndarray], names: dict[str, str], ends: Any, count: int) -> None:
    a, b = (np.linspace(ends[0][i], ends[1][i], count) for i in (0, 1))
    height = np.array([[float(f(np.array([u, v]))) for u in a] for v in b])
    height_map(ax, a, b, height, "f", count=22, steep=100, lines={"linewidths": 0.6}, cmap="Greys", alpha=0.75)
    _draw_ways(ax, ways, names, VERMILION, 20, linewidth=1.6)
    ax.set(xlabel="x1", ylabel="x2", xlim=a[[0, -1]], ylim=b[[0, -1]])


def _draw_ways(ax: Axes, ways: dict[str, np.ndarray], names: dict[str, str], alone: str, size: float, **line: Any) -> None:
    """Paths in the plane with their starts and ends; one alone has a colour of its own."""
    for i, (name, way) in enumerate(ways.items()):
        color = class_colors(len(ways))[i] if len(ways) > 1 else alone
        ax.plot(way[:, 0], way[:, 1], color=color, **line)
        ax.scatter(way[:, 0], way[:, 1], s=size, color=[color], marker=MARKERS[i % 8], label=names[name], **_POINT)
        ax.scatter(way[:1, 0], way[:1, 1], **_START, zorder=4)
        ax.scatter(way[-1:, 0], way[-1:, 1], color=[color], **_END, zorder=4)
    ax.scatter([], [], label="start", **_START)
    ax.scatter([], [], label="end", color="white", **_END)
