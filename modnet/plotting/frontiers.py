"""Frontiers: what a network of one or two inputs has learned, under the examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from modnet.inputs import as_batch, as_numbers, require_finite, whole
from modnet.modules import Softmax
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import BLUE, INK, MARKERS, VERMILION, as_names, class_colors, color_bar, legend_above, paint
from modnet.training import predict


def frontier(
    net: Any,
    X: Any,
    y: Any,
    path: Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    task: str | None = None,
    resolution: int = 240,
    legend: bool = True,
) -> Figure:
    """Draw what a network of one or two inputs has learned, under the examples.

    Two inputs, classes: the plane in the colour of the winning class, the paler the less sure the network is, the frontier
    as a line, and a ring around each example on the wrong side. Two inputs, numbers: the plane in the colour of the
    prediction. One input: the prediction, or the probability of each class, as a curve.

    Parameters
    ----------
    net : module
        Anything `modnet.predict` takes. For classes, one column of scores, probabilities or log-probabilities per class;
        or a single column for two classes, with the frontier at 0 or at 1/2, whichever is right on more of the examples.
    X : (n, 2) or (n, 1), finite
    y : (n,) or (n, 1), or rows (n, classes)
        Labels of any kind, or numbers to predict. The i-th label in sorted order is the network's i-th column.
    path, ax, title : as in `history`
    class_names, feature_names : sequences of str, optional
        The columns of a data frame have their names.
    task : {"classification", "regression"}, optional
        What y is. By default a regression if the network has one output and y more than two different values.
    resolution : int
        Points per side at which the network is evaluated.
    legend : bool
        Whether a legend above the axes names classes and counts mistakes.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If shapes or labels do not match.
    """
    x = as_batch(as_numbers(X, "frontier", "X"), np.dtype(np.float64), "frontier", "X")
    if x.ndim != 2 or x.shape[1] not in (1, 2):
        raise ValueError(f"frontier: X has shape {x.shape}, expected (n, 2) or (n, 1)")
    require_finite(x, "frontier", "X")
    whole(resolution, "frontier", "resolution", 2)
    if task not in (None, "classification", "regression"):
        raise ValueError(f"frontier: task is {task!r}, expected 'classification', 'regression' or None")
    low, high = x.min(axis=0), x.max(axis=0)
    space = np.where(high > low, 0.08 * (high - low), 1.0)
    sides = [np.linspace(a, b, resolution) for a, b in zip(low - space, high + space, strict=True)]
    grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, x.shape[1])
    out = np.asarray(predict(net, np.concatenate([x, grid])), np.float64)
    out = out.reshape(len(x) + len(grid), -1)
    target = np.asarray(y)
    if len(target.shape) == 0 or len(target) != len(x):
        raise ValueError(f"frontier: X has {len(x)} examples but y has shape {target.shape}; y needs one value per example")
    columns = [name for name in getattr(X, "columns", ()) if isinstance(name, str)]
    otherwise = columns if len(columns) == x.shape[1] else [f"x{i + 1}" for i in range(x.shape[1])]
    features = as_names(feature_names, "frontier", "feature_names") or otherwise
    if len(features) != x.shape[1]:
        raise ValueError(f"frontier: there are {len(features)} feature names, expected {x.shape[1]}")
    class_names = as_names(class_names, "frontier", "class_names")
    classes = None if _is_regression(target, out, task) else _classes(target, out, len(x), class_names)
    said = "What the network predicts, under the examples"
    if classes is not None:
        said = "The class with the largest score" if x.shape[1] == 2 else "The probability of each class"
    with drawing(ax, path, (5.4, 4.8), title=title, title_if_new=said) as (figure, axes):
        axis = axes[0]
        if classes is None:
            _draw_numbers(axis, x, target.reshape(-1).astype(float), sides, out[:, 0])
        else:
            _draw_classes(axis, x, sides, classes)
        axis.set_xlabel(features[0])
        drawn = axis.get_legend()
        if not legend and drawn is not None:
            drawn.remove()
        if x.shape[1] == 2:
            axis.set_ylabel(features[1])
            axis.grid(False)
            axis.locator_params(nbins=6)
            axis.set(xlim=sides[0][[0, -1]], ylim=sides[1][[0, -1]])
            if 0.4 < np.ptp(sides[0]) / np.ptp(sides[1]) < 2.5:
                axis.set_aspect("equal")
    return figure


class _Classes(NamedTuple):
    """Labels as columns (n,); probabilities and margins (n + grid, classes), the examples first."""

    truth: np.ndarray
    probability: np.ndarray
    margin: np.ndarray
    names: list[str]


def _is_regression(y: np.ndarray, out: np.ndarray, task: str | None) -> bool:
    if task is not None:
        return task == "regression"
    single = y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
    return y.dtype.kind in "fiu" and single and out.shape[1] == 1 and len(np.unique(y)) > 2


def _classes(y: np.ndarray, out: np.ndarray, n: int, names: Sequence[str] | None) -> _Classes:
    columns = max(2, out.shape[1])
    if y.ndim > 1 and y.shape[1:] != (1,):
        if y.shape != (n, out.shape[1]):
            raise ValueError(f"frontier: y has shape {y.shape}, expected ({n},) or ({n}, {out.shape[1]})")
        truth, values = y.argmax(axis=1), np.arange(columns)
    else:
        values, truth = np.unique(y.reshape(-1), return_inverse=True)
        if len(values) > columns:
            raise ValueError(
                f"frontier: y has {len(values)} classes, expected at most {columns} for a network of "
                f"{out.shape[1]} output{'s' * (out.shape[1] > 1)}"
            )
        if values.dtype.kind in "biuf" and np.isin(values, np.arange(columns)).all():
            truth, values = values.astype(int)[truth], np.arange(columns)
        elif values.dtype.kind in "if" and np.isin(values, (-1, 1)).all() and columns == 2:
            truth, values = (values[truth] > 0).astype(int), np.array([-1, 1])
    named = [str(v) for v in (values.tolist() if names is None else names)]
    if len(named) < int(truth.max()) + 1:
        raise ValueError(f"frontier: there are {len(named)} class names, expected {columns}")
    named += [str(i) for i in range(len(named), columns)]
    named = [f"class {name}" if name.lstrip("-").isdigit() else name for name in named]
    probability = _one_column(out[:, 0], truth, n) if out.shape[1] == 1 else _columns(out)
    best = np.sort(probability, axis=1)
    # The lead of a class over the best of the others: positive inside its region.
    margin = np.where(probability == best[:, -1:], probability - best[:, -2:-1], probability - best[:, -1:])
    return _Classes(truth, probability, margin, named)


def _one_column(score: np.ndarray, truth: np.ndarray, n: int) -> np.ndarray:
    """Probabilities (.., 2) from a single column of probabilities, or of scores that are positive for the second class."""
    right = [int(((score[:n] > threshold) == truth).sum()) for threshold in (0.0, 0.5)]
    # Scores centred on 0 are never this near to the labels 0 and 1.
    near = float(np.mean((score[:n] - truth) ** 2)) < 0.25
    if right[1] > right[0] or (right[1] == right[0] and near):
        second = np.clip(score, 0.0, 1.0)
    else:
        second = 0.5 + 0.5 * np.tanh(0.5 * score)
    return np.column_stack([1 - second, second])


def _columns(out: np.ndarray) -> np.ndarray:
    """Probabilities from one column per class: probabilities, their logarithms, or scores."""
    if out.min() >= 0 and np.allclose(out.sum(axis=1), 1, atol=1e-4):
        return out
    return np.asarray(Softmax().forward(out))  # of log-probabilities, the softmax is exp


def _draw_classes(ax: Axes, x: np.ndarray, sides: list[np.ndarray], found: _Classes) -> None:
    count, n = len(found.names), len(x)
    colors = class_colors(count)
    winner = found.probability.argmax(axis=1)
    if x.shape[1] == 1:
        _draw_probabilities(ax, x[:, 0], sides[0], found, colors)
        return
    shape = len(sides[1]), len(sides[0])
    image = paint(found.probability[n:], colors, 0.08, 0.42)
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    ax.imshow(image.reshape(*shape, 3), extent=extent, origin="lower", aspect="auto", interpolation="bilinear", zorder=0)
    for c in range(count - 1 if count == 2 else count):
        gap = found.margin[n:, c].reshape(shape)
        if gap.min() < 0 < gap.max():
            ax.contour(*sides, gap, levels=[0], colors=[INK], linewidths=1.4, zorder=2)
    size = float(np.clip(9000 / n, 12, 60))
    for c in range(count):
        mine = found.truth == c
        if mine.any() or count <= 2:
            ax.scatter(
                x[mine, 0], x[mine, 1], s=size, marker=MARKERS[c % len(MARKERS)], color=[colors[c]], edgecolors="white",
                linewidths=0.6, label=found.names[c], zorder=3,
            )  # fmt: skip
    wrong = winner[:n] != found.truth
    if wrong.any():
        ringed = x[wrong] if wrong.mean() < 0.25 else x[:0]  # rings around many examples hide them
        ax.scatter(
            ringed[:, 0], ringed[:, 1], s=3.2 * size, marker="o", facecolors="none", edgecolors=INK, linewidths=1.2,
            label=f"wrong: {wrong.sum()} of {n}", zorder=4,
        )  # fmt: skip
    legend_above(ax)


def _draw_probabilities(ax: Axes, x: np.ndarray, side: np.ndarray, found: _Classes, colors: np.ndarray) -> None:
    n, count = len(x), len(found.names)
    for c, name in enumerate(found.names):
        ax.plot(side, found.probability[n:, c], color=colors[c], label=name)
        mine = x[found.truth == c]
        height = np.full(len(mine), -0.06 * (c + 1))  # examples lie under the curves, one row per class
        marker = MARKERS[c % len(MARKERS)]
        ax.scatter(mine, height, s=14, marker=marker, color=[colors[c]], edgecolors="white", linewidths=0.4)
    ax.set_ylabel("probability of the class")
    ax.set_ylim(-0.06 * (count + 1), 1.05)
    legend_above(ax)


def _draw_numbers(ax: Axes, x: np.ndarray, y: np.ndarray, sides: list[np.ndarray], out: np.ndarray) -> None:
    n = len(x)
    if x.shape[1] == 1:
        size = float(np.clip(9000 / n, 10, 50))
        ax.scatter(x[:, 0], y, s=size, color=BLUE, edgecolors="white", linewidths=0.6, label="examples")
        ax.plot(sides[0], out[n:], color=VERMILION, linewidth=2.2, label="network")
        ax.set_ylabel("target")
        legend_above(ax)
        return
    from matplotlib.colors import Normalize

    scale = Normalize(min(y.min(), out[n:].min()), max(y.max(), out[n:].max()))
    plane = out[n:].reshape(len(sides[1]), len(sides[0]))
    filled = ax.contourf(*sides, plane, levels=24, cmap="cividis", norm=scale)
    ax.contour(*sides, plane, levels=8, colors="white", linewidths=0.5, linestyles="solid", alpha=0.6)
    ax.scatter(x[:, 0], x[:, 1], c=y, cmap="cividis", norm=scale, s=36, edgecolors="white", linewidths=0.9, zorder=3)
    color_bar(filled, ax, "prediction; points: target")
