"""The course's tools (mltools): data, grids and frontiers."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.datasets import read_usps
from modnet.inputs import as_batch, as_numbers, real, require_finite, whole


def gen_arti(
    centerx: float = 1,
    centery: float = 1,
    sigma: float = 0.1,
    nbex: int = 1000,
    data_type: int = 0,
    epsilon: float = 0.02,
) -> tuple[np.ndarray, np.ndarray]:
    """Points of the plane in two classes, from numpy's global generator; with the default centre, the course's own numbers.

    Parameters
    ----------
    centerx, centery : centre of a Gaussian; the others are its mirror images.
    sigma : the variance (not the standard deviation) of each coordinate of a Gaussian.
    nbex : the number of examples. Classes share them evenly, and so do the Gaussians of a class.
    data_type : 0 two Gaussians, around (centerx, centery) for class 1 and opposite for class -1; 1 four of them, class 1 if
        both coordinates have the centre's signs or neither has (XOR); 2 a checkerboard of unit squares on [-4, 4].
    epsilon : the standard deviation of a noise on top, which does not change labels.

    Returns
    -------
    X : (nbex, 2), shuffled. y : (nbex, 1), -1.0 or 1.0.
    """
    n = whole(nbex, "gen_arti", "nbex")
    variance = real(sigma, "gen_arti", "sigma", "a variance, 0 or more", lambda v: v >= 0)
    noise = real(epsilon, "gen_arti", "epsilon", "a standard deviation, 0 or more", lambda v: v >= 0)
    center = np.array([real(centerx, "gen_arti", "centerx"), real(centery, "gen_arti", "centery")])
    corners = {0: [(1, 1), (-1, -1)], 1: [(1, 1), (-1, -1), (-1, 1), (1, -1)]}
    if data_type == 2:
        X = np.random.uniform(-4, 4, (n, 2))
        y = 2 * (np.ceil(X).sum(axis=1) % 2) - 1
    elif data_type in corners:
        signs = corners[data_type]
        share = [len(part) for part in np.array_split(np.arange(n), len(signs))]
        X = np.concatenate([
            np.random.multivariate_normal(center * sign, variance * np.eye(2), count) for sign, count in zip(signs, share)
        ])  # fmt: skip
        y = np.repeat([1.0, -1.0], [sum(share[: len(share) // 2]), sum(share[len(share) // 2 :])])
    else:
        raise ValueError(f"gen_arti: data_type is {data_type!r}, expected 0, 1 or 2")
    for column in X.T:
        column += np.random.normal(0, noise, n)
    order = np.random.permutation(n)
    return X[order], y[order].reshape(-1, 1)


def load_usps(file: str | os.PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits from the course's text file: X (n, 256) from 0 to 2, y (n,) labels. See `datasets.read_usps`."""
    return read_usps(file)


def make_grid(
    data: Any = None, xmin: float = -5, xmax: float = 5, ymin: float = -5, ymax: float = 5, step: int = 20
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A grid of points over a rectangle.

    Parameters
    ----------
    data : (n, 2), whose bounds the rectangle takes; None for the bounds that follow.
    xmin, xmax, ymin, ymax : the rectangle without data.
    step : points on each side, the bounds included.

    Returns
    -------
    grid : (step * step, 2), the points. x, y : (step, step), their coordinates in place.
    """
    count = whole(step, "make_grid", "step", 2)
    if data is not None:
        points = _plane(data, "make_grid")
        (xmin, ymin), (xmax, ymax) = points.min(axis=0), points.max(axis=0)
        if xmin == xmax:
            xmin, xmax = xmin - 0.5, xmax + 0.5
        if ymin == ymax:
            ymin, ymax = ymin - 0.5, ymax + 0.5
    x, y = np.meshgrid(np.linspace(xmin, xmax, count), np.linspace(ymin, ymax, count))
    return np.column_stack([x.ravel(), y.ravel()]), x, y


def plot_data(data: Any, labels: Any = None) -> Any:
    """Draw points of the plane, a colour and a mark for each class, on matplotlib's current axes.

    Parameters
    ----------
    data : (n, 2). labels : (n,) or (n, 1), or None for one colour.

    Returns
    -------
    axes : matplotlib's. A legend comes with ``axes.legend()``.
    """
    points = _plane(data, "plot_data")
    from modnet.plotting.figures import current_axes
    from modnet.plotting.parts import COLORS, MARKERS

    size = float(np.clip(9000 / len(points), 12, 60))
    look: dict[str, Any] = {"s": size, "edgecolors": "white", "linewidths": 0.6, "zorder": 3}
    if labels is None:
        axes = current_axes()
        axes.scatter(points[:, 0], points[:, 1], color=COLORS[0], **look)
        return axes
    classes = np.asarray(labels)
    if classes.shape not in ((len(points),), (len(points), 1)):
        raise ValueError(f"plot_data: labels has shape {classes.shape}, expected ({len(points)},) or ({len(points)}, 1)")
    axes = current_axes()
    classes = classes.reshape(-1)
    for i, name in enumerate(np.unique(classes)):
        of_class = points[classes == name]
        color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
        axes.scatter(of_class[:, 0], of_class[:, 1], color=color, marker=marker, label=str(name), **look)
    return axes


def plot_frontiere(data: Any, f: Callable[[np.ndarray], Any], step: int = 20) -> Any:
    """Colour the plane by a decision function, on matplotlib's current axes.

    Parameters
    ----------
    data : (n, 2), whose bounds are drawn.
    f : from points (m, 2) to decisions. Scores (m,) or (m, 1) are coloured by their sign; integers or booleans of that shape
        are classes; of scores (m, classes), the largest decides.
    step : points on each side; more draw a finer frontier.

    Returns
    -------
    axes : matplotlib's.
    """
    grid, x, y = make_grid(data, step=step)
    values = as_numbers(f(grid), "plot_frontiere", "f(grid)")
    if values.ndim not in (1, 2) or len(values) != len(grid) or values.size == 0:
        raise ValueError(
            f"plot_frontiere: f returned shape {values.shape}, expected ({len(grid)},) or ({len(grid)}, classes)"
        )
    require_finite(values, "plot_frontiere", "f(grid)")
    from modnet.plotting.figures import current_axes
    from modnet.plotting.parts import COLORS, INK

    axes = current_axes()
    if values.size == len(grid) and values.dtype.kind == "f":
        scores = values.reshape(x.shape)
        far = float(np.abs(scores).max()) + 1
        if scores.min() < 0 < scores.max():
            axes.contour(x, y, scores, levels=[0], colors=[INK], linewidths=1.4, zorder=2)
        axes.contourf(x, y, scores, levels=[-far, 0, far], colors=COLORS[:2], alpha=0.25)
        return axes
    one = values.reshape(-1) if values.size == len(grid) else values.argmax(axis=1)
    names, places = np.unique(one, return_inverse=True)
    levels = np.arange(len(names) + 1) - 0.5
    colors = [COLORS[i % len(COLORS)] for i in range(len(names))]
    axes.contourf(x, y, places.reshape(x.shape), levels=levels, colors=colors, alpha=0.25)
    return axes


def _plane(data: Any, who: str) -> np.ndarray:
    points = as_batch(data, np.dtype(np.float64), who, "data")
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"{who}: data has shape {points.shape}, expected (n, 2)")
    require_finite(points, who, "data")
    return points
