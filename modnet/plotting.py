"""Pictures: curves of a training, frontiers, confusion, activations, error surfaces.

Every function returns a matplotlib ``Figure``, saves it where ``path`` is given (the ending says the format: .png, .pdf,
.svg, ...), and draws into axes of yours where ``ax`` is given. matplotlib is imported by the first picture. No display is
needed and no backend is chosen: a new figure belongs to pyplot, so that ``pyplot.show()`` shows it, only where your program
has imported pyplot and pyplot has windows; everywhere else it is a plain ``Figure``, which a notebook shows when a cell ends
with it.

Colours are those of M. Okabe and K. Ito (Color universal design, 2008), told apart by readers with any colour vision;
markers differ as well.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from modnet.arrays import as_batch, as_numbers, generator, real, require_finite, whole
from modnet.training import fit, predict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from modnet.loss import Loss
    from modnet.optim.optimizer import Optimizer
    from modnet.training import History, Training

    Path = str | os.PathLike[str] | None

__all__ = [
    "activations",
    "animate_frontier",
    "confusion",
    "error_surface",
    "frontier",
    "history",
    "predictions",
]

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_COLORS = (BLUE, VERMILION, GREEN, PURPLE, "#E69F00", "#56B4E9", "#F0E442", "#404040")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_INK = "#262626"
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#8c8c8c",
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "font.size": 10,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "text.color": _INK,
    "xtick.color": "#8c8c8c",
    "xtick.labelcolor": _INK,
    "xtick.labelsize": 9,
    "ytick.color": "#8c8c8c",
    "ytick.labelcolor": _INK,
    "ytick.labelsize": 9,
}
_DOTS = 150  # dots an inch of saved pictures


# --- curves ----------------------------------------------------------------------------------------------------------


def history(h: History, path: Path = None, ax: Axes | Sequence[Axes] | None = None) -> Figure:
    """Draw the loss of a training, epoch by epoch, and beside it the accuracy where there is one.

    The figures of the training data are those met during the epoch, while the network still moved; those of the validation
    data are taken at its end. The loss has a logarithmic axis where it fell by more than a factor of thirty.

    Parameters
    ----------
    h : History
        What `fit` returned, of one epoch at least.
    path : path, optional
        A file to save the picture to.
    ax : Axes, or a sequence of them, optional
        Where to draw: one for the loss alone, more for the metrics as well.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        For anything that is not a history, or has no epochs.
    """
    if not (isinstance(getattr(h, "loss", None), list) and isinstance(getattr(h, "metrics", None), dict)):
        raise TypeError(f"history: h is {_short(h)}, expected the History that fit returned")
    if not h.loss:
        raise ValueError("history: it has no epochs, expected one at least")
    curves = {"loss": (h.loss, h.validation_loss)}
    for name, values in h.metrics.items():
        if not name.startswith("validation_"):
            curves[name] = values, h.metrics.get(f"validation_{name}", [])
    with _drawing(ax, path, (4.8, 3.6), columns=len(curves)) as (figure, axes):
        for panel, (name, (training, held_out)) in zip(axes, curves.items(), strict=False):
            _curves(panel, name, training, held_out, h.best_epoch)
    return figure


def _curves(ax: Axes, name: str, training: list[float], held_out: list[float], best: int | None) -> None:
    epochs = np.arange(1, len(training) + 1)
    marker = "o" if len(epochs) == 1 else None
    ax.plot(epochs, training, color=BLUE, marker=marker, label="training")
    if held_out:
        ax.plot(epochs, held_out, color=VERMILION, marker=marker, linestyle=(0, (5, 1.2)), label="validation")
    if best is not None:
        ax.axvline(best, color="#8c8c8c", linewidth=1, linestyle=":", label=f"kept: epoch {best}")
    values = np.array([*training, *held_out])
    values = values[np.isfinite(values)]
    share = "accuracy" in name
    if share:
        from matplotlib.ticker import PercentFormatter

        low = values.min(initial=1.0)
        ax.set_ylim(max(0.0, low - 0.08 * (1.02 - low)), 1 + 0.03 * (1.02 - low))
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if low < 0.93 else 1))
    elif values.size and values.min() > 0 and values.max() > 30 * values.min():
        from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if values.max() < 2000 * values.min() else (1.0,)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xlim(1 - 0.02 * len(epochs), 1.02 * len(epochs))
    ax.set_xlabel("epoch")
    ax.set_ylabel(name.replace("_", " ") + (" (log scale)" if ax.get_yscale() == "log" else ""))
    _whole_ticks(ax)
    ax.legend(loc="best")


def _whole_ticks(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


# --- frontiers -------------------------------------------------------------------------------------------------------


def frontier(
    net: Any,
    X: Any,
    y: Any,
    path: Path = None,
    ax: Axes | None = None,
    *,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    task: str | None = None,
    resolution: int = 240,
) -> Figure:
    """Draw what a network of one or two inputs has learned, under the examples.

    Two inputs, classes: the plane in the colour of the winning class, paler where the network is less sure, the frontier
    as a line, and a ring around each example on the wrong side. Two inputs, numbers: the plane in the colour of the
    prediction. One input: the prediction, or the probability of each class, as a curve.

    Parameters
    ----------
    net : module
        Anything `modnet.predict` takes. For classes it gives a column of scores, probabilities or log-probabilities a
        class; or one column for two classes, whose frontier lies at 0 or at 1/2, whichever is right on more of the examples.
    X : (n, 2) or (n, 1), finite
    y : (n,) or (n, 1), or rows (n, classes)
        Labels of any kind, the i-th of them in sorted order being the network's i-th column; or numbers to predict.
    path, ax : as for `history`
    class_names, feature_names : sequences of str, optional
    task : {"classification", "regression"}, optional
        What y is. Unless given: a regression where the network has one output and y more than two different values.
    resolution : int
        Points a side at which the network is asked.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        Where shapes or labels do not meet.
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
        raise ValueError(f"frontier: X has {len(x)} examples and y shape {target.shape}, expected as many")
    features = list(feature_names or [f"x{i + 1}" for i in range(x.shape[1])])
    if len(features) != x.shape[1]:
        raise ValueError(f"frontier: there are {len(features)} feature names, expected {x.shape[1]}")
    classes = None if _is_regression(target, out, task) else _classes(target, out, len(x), class_names)
    # A single column beside others is as high as they are; one of its own has room to the right for the legend.
    with _drawing(ax, path, (5.2, 4.4)) as (figure, axes):
        axis = axes[0]
        if classes is None:
            _draw_numbers(axis, x, target.reshape(-1).astype(float), sides, out[:, 0])
        else:
            _draw_classes(axis, x, sides, classes)
        axis.set_xlabel(features[0])
        if x.shape[1] == 2:
            axis.set_ylabel(features[1])
            axis.grid(False)
            axis.locator_params(nbins=6)
            axis.set(xlim=sides[0][[0, -1]], ylim=sides[1][[0, -1]])
            if 0.4 < np.ptp(sides[0]) / np.ptp(sides[1]) < 2.5:
                axis.set_aspect("equal")
    return figure


class _Classes(NamedTuple):
    """Labels and the network's answers: truth (n,) as columns, probabilities (n + grid, classes), margins like them."""

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
    said = "class " if values.dtype.kind in "biuf" else ""
    named = [f"{said}{v}" for v in values.tolist()] if names is None else [str(v) for v in names]
    if len(named) < int(truth.max()) + 1:
        raise ValueError(f"frontier: there are {len(named)} class names, expected {columns}")
    named += [f"class {i}" for i in range(len(named), columns)]
    probability = _one_column(out[:, 0], truth, n) if out.shape[1] == 1 else _columns(out)
    best = np.sort(probability, axis=1)
    # What a class has more than the best of the others: its region is where that is above 0.
    margin = np.where(probability == best[:, -1:], probability - best[:, -2:-1], probability - best[:, -1:])
    return _Classes(truth, probability, margin, named)


def _one_column(score: np.ndarray, truth: np.ndarray, n: int) -> np.ndarray:
    """Probabilities (.., 2) from one column: probabilities, or scores, which are above 0 for the second class."""
    right = [int(((score[:n] > threshold) == truth).sum()) for threshold in (0.0, 0.5)]
    within = bool(score.min() >= 0 and score.max() <= 1)
    if right[1] > right[0] or (right[1] == right[0] and within):
        second = np.clip(score, 0.0, 1.0)
    else:
        second = 0.5 + 0.5 * np.tanh(0.5 * score)
    return np.column_stack([1 - second, second])


def _columns(out: np.ndarray) -> np.ndarray:
    """Probabilities from a column a class: probabilities, their logarithms, or scores."""
    if out.min() >= 0 and np.allclose(out.sum(axis=1), 1, atol=1e-4):
        return out
    grown = np.exp(out - out.max(axis=1, keepdims=True))  # of log-probabilities, the softmax is exp
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def _draw_classes(ax: Axes, x: np.ndarray, sides: list[np.ndarray], found: _Classes) -> None:
    count, n = len(found.names), len(x)
    colors = _class_colors(count)
    winner = found.probability.argmax(axis=1)
    if x.shape[1] == 1:
        _draw_probabilities(ax, x[:, 0], sides[0], found, colors)
        return
    shape = len(sides[1]), len(sides[0])
    sure = (found.probability[n:].max(axis=1) - 1 / count) / (1 - 1 / count)
    strength = (0.08 + 0.34 * sure)[:, np.newaxis]
    image = 1 - strength * (1 - colors[winner[n:]])
    extent = (sides[0][0], sides[0][-1], sides[1][0], sides[1][-1])
    ax.imshow(image.reshape(*shape, 3), extent=extent, origin="lower", aspect="auto", interpolation="bilinear", zorder=0)
    for c in range(count - 1 if count == 2 else count):
        gap = found.margin[n:, c].reshape(shape)
        if gap.min() < 0 < gap.max():
            ax.contour(*sides, gap, levels=[0], colors=[_INK], linewidths=1.4, zorder=2)
    size = float(np.clip(9000 / n, 12, 60))
    for c in range(count):
        mine = found.truth == c
        if mine.any() or count <= 2:
            ax.scatter(
                x[mine, 0], x[mine, 1], s=size, marker=_MARKERS[c % len(_MARKERS)], color=[colors[c]], edgecolors="white",
                linewidths=0.6, label=found.names[c], zorder=3,
            )  # fmt: skip
    wrong = winner[:n] != found.truth
    if wrong.any():
        ringed = x[wrong] if wrong.mean() < 0.25 else x[:0]  # rings around many examples hide them
        ax.scatter(
            ringed[:, 0], ringed[:, 1], s=3.2 * size, marker="o", facecolors="none", edgecolors=_INK, linewidths=1.2,
            label=f"wrong: {wrong.sum()} of {n}", zorder=4,
        )  # fmt: skip
    _legend_above(ax)


def _draw_probabilities(ax: Axes, x: np.ndarray, side: np.ndarray, found: _Classes, colors: np.ndarray) -> None:
    n, count = len(x), len(found.names)
    for c, name in enumerate(found.names):
        ax.plot(side, found.probability[n:, c], color=colors[c], label=name)
        mine = x[found.truth == c]
        height = np.full(len(mine), -0.06 * (c + 1))  # examples lie in rows under the curves, a row a class
        marker = _MARKERS[c % len(_MARKERS)]
        ax.scatter(mine, height, s=14, marker=marker, color=[colors[c]], edgecolors="white", linewidths=0.4)
    ax.set_ylabel("probability of the class")
    ax.set_ylim(-0.06 * (count + 1), 1.05)
    _legend_above(ax)


def _draw_numbers(ax: Axes, x: np.ndarray, y: np.ndarray, sides: list[np.ndarray], out: np.ndarray) -> None:
    n = len(x)
    if x.shape[1] == 1:
        size = float(np.clip(9000 / n, 10, 50))
        ax.scatter(x[:, 0], y, s=size, color=BLUE, edgecolors="white", linewidths=0.6, label="examples")
        ax.plot(sides[0], out[n:], color=VERMILION, linewidth=2.2, label="network")
        ax.set_ylabel("target")
        _legend_above(ax)
        return
    from matplotlib.colors import Normalize

    scale = Normalize(min(y.min(), out[n:].min()), max(y.max(), out[n:].max()))
    plane = out[n:].reshape(len(sides[1]), len(sides[0]))
    filled = ax.contourf(*sides, plane, levels=24, cmap="cividis", norm=scale)
    ax.contour(*sides, plane, levels=8, colors="white", linewidths=0.5, linestyles="solid", alpha=0.6)
    ax.scatter(x[:, 0], x[:, 1], c=y, cmap="cividis", norm=scale, s=36, edgecolors="white", linewidths=0.9, zorder=3)
    bar = ax.figure.colorbar(filled, ax=ax)
    bar.set_label("prediction; points: target")
    bar.outline.set_visible(False)


def _class_colors(count: int) -> np.ndarray:
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    if count <= len(_COLORS):
        return np.array([to_rgb(color) for color in _COLORS[:count]])
    return np.asarray(colormaps["viridis"](np.linspace(0, 0.95, count)))[:, :3]


def _legend_above(ax: Axes) -> None:
    handles = len(ax.get_legend_handles_labels()[0])
    if 0 < handles <= 12:
        ax.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(handles, 4),
            handletextpad=0.3, columnspacing=1.2, borderaxespad=0.3,
        )  # fmt: skip


def animate_frontier(
    net: Any,
    X: Any,
    y: Any,
    path: str | os.PathLike[str],
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int = 100,
    every: int = 2,
    seconds: float = 8.0,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    **options: Any,
) -> Figure:
    """Train a network with `fit` and save its frontier, redrawn while it learns, as a moving GIF.

    Parameters
    ----------
    net, X, y, class_names, feature_names : as for `frontier`
    path : path
        The file, ending in .gif.
    loss, optimizer, epochs : those of `fit`
    every : int
        Epochs from one frame to the next; the network before training is the first.
    seconds : float
        How long the film runs before it begins again. It rests on its last frame for a second and a half.
    **options
        For `fit`: batch_size, rng, ...

    Returns
    -------
    Figure
        The last frame.
    """
    whole(every, "animate_frontier", "every")
    real(seconds, "animate_frontier", "seconds", "a positive number", lambda v: v > 0)
    if os.path.splitext(path)[1].lower() != ".gif":
        raise ValueError(f"animate_frontier: path is {os.fspath(path)!r}, expected a file ending in .gif")
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    with rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 4.6), layout="constrained", dpi=100)
        canvas, ax = FigureCanvasAgg(figure), figure.subplots()
    frames: list[Any] = []

    def draw(epoch: int) -> None:
        ax.clear()
        frontier(net, X, y, ax=ax, class_names=class_names, feature_names=feature_names, resolution=140)
        ax.set_title(f"epoch {epoch} of {epochs}", loc="left", pad=24)
        canvas.draw()
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))

    def watch(training: Training) -> None:
        if training.epoch % every == 0 or training.epoch == epochs:
            draw(training.epoch)

    draw(0)
    given = options.pop("callbacks", ())
    fit(net, X, y, loss=loss, optimizer=optimizer, epochs=epochs, callbacks=[*given, watch], **options)
    duration = [max(20, round(1000 * seconds / len(frames)))] * (len(frames) - 1) + [1500]
    # One palette for all frames: colours must not flicker.
    palette = frames[-1].quantize(128)
    drawn = [frame.quantize(128, palette=palette, dither=Image.Dither.NONE) for frame in frames]
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=duration, loop=0)
    return figure


# --- tables and scatters ---------------------------------------------------------------------------------------------


def confusion(
    y: Any, yhat: Any, class_names: Sequence[str] | None = None, path: Path = None, ax: Axes | None = None
) -> Figure:
    """Draw how often each class was taken for which.

    Parameters
    ----------
    y : (n,), integers from 0
        The true classes.
    yhat : (n,), integers from 0; or (n, classes)
        The predicted classes; or a score for each, of which the highest counts.
    class_names : sequence of str, optional
    path, ax : as for `history`

    Returns
    -------
    Figure
        A row a true class, a column a predicted one. Blue is right, vermilion is wrong, deeper the larger its share of
        the row.
    """
    truth, guess = _labels(y, "y"), _labels(yhat, "yhat")
    if len(truth) != len(guess):
        raise ValueError(f"confusion: y has {len(truth)} examples and yhat {len(guess)}, expected as many")
    count = int(max(truth.max(), guess.max())) + 1
    names = [str(i) for i in range(count)] if class_names is None else [str(name) for name in class_names]
    if len(names) < count:
        raise ValueError(f"confusion: there are {len(names)} class names, expected {count}")
    from sklearn.metrics import confusion_matrix

    count = len(names)
    table = confusion_matrix(truth, guess, labels=np.arange(count))
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    from matplotlib.colors import to_rgb

    right, wrong = np.array(to_rgb(BLUE)), np.array(to_rgb(VERMILION))
    color = np.where(np.eye(count, dtype=bool)[:, :, np.newaxis], right, wrong)
    # A single mistake among hundreds must be seen: the strength grows with the root of the share.
    strength = np.where(table > 0, 0.12 + 0.75 * np.sqrt(share), 0.0)[:, :, np.newaxis]
    image = 1 - strength * (1 - color)
    with _drawing(ax, path, (5.0, 4.6)) as (figure, axes):
        axis = axes[0]
        axis.imshow(image, aspect="equal")
        if count <= 25:
            size = float(np.clip(100 / count, 5, 11))
            for i, j in np.argwhere(table > 0):
                ink = "white" if strength[i, j, 0] > 0.62 else _INK
                axis.text(j, i, f"{table[i, j]:,}", ha="center", va="center", fontsize=size, color=ink)
            short = [name if len(name) <= 14 else f"{name[:13]}…" for name in names]
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


def _labels(value: Any, name: str) -> np.ndarray:
    array = as_batch(as_numbers(value, "confusion", name), np.dtype(np.float64), "confusion", name)
    if array.ndim == 2 and name == "yhat" and array.shape[1] > 1:
        array = array.argmax(axis=1).astype(float)
    if array.ndim != 1 or (array < 0).any() or (array != np.floor(array)).any():
        kind = "whole numbers from 0 (n,)" + (" or scores (n, classes)" if name == "yhat" else "")
        raise ValueError(f"confusion: {name} has shape {array.shape} and values such as {array.flat[0]:g}, expected {kind}")
    return array.astype(np.int64)


def predictions(y: Any, yhat: Any, path: Path = None, ax: Axes | None = None) -> Figure:
    """Draw the predictions of a regression against the truth: the nearer to the diagonal, the better.

    Parameters
    ----------
    y, yhat : (n,) or (n, 1)
        The truth and the prediction, in one unit.
    path, ax : as for `history`

    Returns
    -------
    Figure
    """
    pair = [as_batch(as_numbers(v, "predictions", name), np.dtype(np.float64), "predictions", name).reshape(-1)
            for v, name in ((y, "y"), (yhat, "yhat"))]  # fmt: skip
    if pair[0].shape != pair[1].shape:
        raise ValueError(f"predictions: y has {pair[0].size} numbers and yhat {pair[1].size}, expected as many")
    low, high = np.min(pair), np.max(pair)
    ends = np.array([low, high]) + 0.04 * max(high - low, 1e-9) * np.array([-1, 1])
    with _drawing(ax, path, (4.8, 4.4)) as (figure, axes):
        axis = axes[0]
        axis.plot(ends, ends, color=VERMILION, linewidth=1.4, label="prediction = truth")
        size = float(np.clip(9000 / pair[0].size, 10, 50))
        axis.scatter(pair[0], pair[1], s=size, color=BLUE, edgecolors="white", linewidths=0.6, label="examples", zorder=3)
        axis.set(xlabel="truth", ylabel="prediction", xlim=ends, ylim=ends, aspect="equal")
        _legend_above(axis)
    return figure


# --- what there is to learn: activations and error surfaces ----------------------------------------------------------


def activations(*modules: Any, low: float = -4.0, high: float = 4.0, path: Path = None) -> Figure:
    """Draw activations f and their derivatives f'.

    Parameters
    ----------
    *modules : modules
        Elementwise ones, yours among them; f' comes from their ``backward_delta``. None at all means those of the library.
    low, high : float
        The ends of the axis.
    path : path, optional
        A file to save the picture to.

    Returns
    -------
    Figure
    """
    chosen = list(modules) or [kind() for kind in elementwise().values()]
    if not low < high:
        raise ValueError(f"activations: low is {low} and high {high}, expected low below high")
    x = np.linspace(low, high, 801)[:, np.newaxis]
    columns = min(5, int(np.ceil(np.sqrt(len(chosen)))))
    rows = -(-len(chosen) // columns)
    with _drawing(None, path, (2.7, 2.5), columns, rows) as (figure, axes):
        for axis, module in zip(axes, chosen, strict=False):
            out, slope = np.asarray(module.forward(x)), np.asarray(module.backward_delta(x, np.ones_like(x)))
            if out.shape != x.shape or slope.shape != x.shape:
                raise ValueError(f"activations: {module} gives shape {out.shape} for {x.shape}, expected the same")
            for values, color, dashes, label in ((out, BLUE, "-", "f"), (slope, VERMILION, (0, (5, 1.2)), "f′")):
                # A line is not drawn across a jump.
                jump = np.abs(np.diff(values[:, 0], prepend=values[0, 0])) > 0.2
                axis.plot(x[:, 0], np.where(jump, np.nan, values[:, 0]), color=color, linestyle=dashes, label=label)
            axis.set_title(repr(module), fontsize=10)
            axis.set_xlim(low, high)
        for axis in axes[len(chosen) :]:
            axis.set_visible(False)
        axes[0].legend(loc="upper left")
    return figure


def elementwise() -> dict[str, Callable[..., Any]]:
    """Return the library's elementwise activations by name, found among its public modules."""
    from modnet import modules
    from modnet.modules.activations import Activation

    found = {name: getattr(modules, name) for name in modules.__all__}
    return {
        name: kind
        for name, kind in sorted(found.items())
        if kind is modules.Identity or (isinstance(kind, type) and issubclass(kind, Activation))
    }


def error_surface(
    net: Any,
    loss: Loss,
    X: Any,
    y: Any,
    path: Path = None,
    ax: Axes | None = None,
    *,
    directions: Any = None,
    trajectory: Any = None,
    span: float | None = None,
    resolution: int = 61,
    rng: int | np.random.Generator | None = 0,
) -> Figure:
    """Draw the loss over a plane through the parameters of a network, as a map with contour lines.

    Parameters
    ----------
    net : Sequential
        The middle of the map is where its parameters stand. They are as before when the map is drawn.
    loss, X, y : what `fit` takes
    path, ax : as for `history`
    directions : pair of int, or (2, parameters), optional
        The axes of the map: two places in ``net.parameters``, or two vectors. Unless given: those in which the trajectory is
        longest; without a trajectory, two random ones of rng, at right angles, of length one.
    trajectory : (steps, parameters), optional
        Parameters on the way, the first first, to be drawn as a path. It is seen from above: it may lie far from the plane.
    span : float, optional
        How far the map goes from the middle, in lengths of the directions. Unless given: beyond the trajectory; without
        one, as far as the parameters are from 0.
    resolution : int
        Points a side.
    rng : int, numpy.random.Generator or None

    Returns
    -------
    Figure

    References
    ----------
    H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, Visualizing the loss landscape of neural nets, NeurIPS 2018: the
    plane of the trajectory's principal directions.
    """
    here = getattr(net, "parameters", None)
    if not isinstance(here, np.ndarray) or here.size < 2:
        raise ValueError(f"error_surface: net is {_short(net)}, expected a network with two parameters or more")
    whole(resolution, "error_surface", "resolution", 2)
    middle = here.astype(np.float64)
    way = None if trajectory is None else np.asarray(trajectory, np.float64) - middle
    if way is not None and (way.ndim != 2 or way.shape[1] != middle.size):
        raise ValueError(f"error_surface: trajectory has shape {way.shape}, expected (steps, {middle.size})")
    axes_of_map, labels = _directions(directions, way, middle.size, generator(rng, "error_surface"))
    # The pseudo-inverse gives places on the map for directions that are neither of length one nor at right angles.
    flat = None if way is None else way @ np.linalg.pinv(axes_of_map)
    reach = 1.15 * float(np.abs(flat).max()) if flat is not None else float(np.linalg.norm(middle)) / np.sqrt(middle.size) * 2
    width = real(span, "error_surface", "span", "a positive number", lambda v: v > 0) if span is not None else reach or 1.0
    side = np.linspace(-width, width, resolution)
    height = np.empty((resolution, resolution))
    try:
        for i, b in enumerate(side):
            for j, a in enumerate(side):
                here[:] = middle + a * axes_of_map[0] + b * axes_of_map[1]
                height[i, j] = loss(y, predict(net, X))
    finally:
        here[:] = middle
    with _drawing(ax, path, (5.4, 4.4)) as (figure, axes):
        _draw_surface(axes[0], side, height, flat)
        axes[0].set(xlabel=labels[0], ylabel=labels[1])
    return figure


def _directions(
    given: Any, way: np.ndarray | None, size: int, source: np.random.Generator
) -> tuple[np.ndarray, tuple[str, str]]:
    if given is not None:
        array = np.asarray(given)
        if array.shape == (2,) and array.dtype.kind in "iu":
            if ((array < 0) | (array >= size)).any() or array[0] == array[1]:
                raise ValueError(f"error_surface: directions is {given}, expected two different places from 0 to {size - 1}")
            return np.eye(size)[array], (f"parameter {array[0]}, from where it is", f"parameter {array[1]}, from where it is")
        if array.shape != (2, size):
            raise ValueError(f"error_surface: directions has shape {array.shape}, expected two places, or vectors (2, {size})")
        return array.astype(np.float64), ("first direction", "second direction")
    if way is not None and len(way) > 2:
        _, _, basis = np.linalg.svd(way - way.mean(axis=0), full_matrices=False)
        return basis[:2], ("first principal direction", "second principal direction")
    basis, _ = np.linalg.qr(source.normal(size=(size, 2)))
    return basis.T, ("a random direction", "another at right angles")


def _draw_surface(ax: Axes, side: np.ndarray, height: np.ndarray, way: np.ndarray | None) -> None:
    from matplotlib.colors import LogNorm, Normalize

    finite = height[np.isfinite(height)]
    low, high = float(finite.min()), float(finite.max())
    steep = low > 0 and high > 30 * low
    levels = np.geomspace(low, high, 26) if steep else np.linspace(low, high if high > low else low + 1, 26)
    scale = LogNorm(levels[0], levels[-1]) if steep else Normalize(levels[0], levels[-1])
    filled = ax.contourf(side, side, height, levels=levels, cmap="cividis", norm=scale)
    ax.contour(side, side, height, levels=levels[::2], colors="white", linewidths=0.5, alpha=0.55)
    if way is not None:
        ax.plot(*way.T, color="white", linewidth=3.4, zorder=3)
        ax.plot(*way.T, color=VERMILION, linewidth=1.6, label="path of the training", zorder=4)
        ax.scatter(way[0, 0], way[0, 1], s=46, color="white", edgecolors=_INK, linewidths=1.2, label="start", zorder=5)
    ax.scatter(0, 0, s=150, marker="*", color="white", edgecolors=_INK, linewidths=1.0, label="the network now", zorder=6)
    bar = ax.figure.colorbar(filled, ax=ax, ticks=levels[::5], format="%.2g")
    bar.minorticks_off()
    bar.set_label("loss" + (" (log scale)" if steep else ""))
    bar.outline.set_visible(False)
    ax.grid(False)
    ax.set(xlim=side[[0, -1]], ylim=side[[0, -1]])
    _legend_above(ax)


# --- figures ---------------------------------------------------------------------------------------------------------


@contextmanager
def _drawing(
    ax: Any, path: Path, size: tuple[float, float], columns: int = 1, rows: int = 1
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Give the axes to draw in, of a new figure unless some are given, in the library's style; save at the end."""
    from matplotlib import rc_context

    with rc_context(_STYLE):
        if ax is None:
            figure, axes = new_figure((columns * size[0], rows * size[1]), columns, rows)
        else:
            axes = list(np.ravel(ax))
            if not axes or not all(hasattr(a, "plot") and hasattr(a, "figure") for a in axes):
                raise TypeError(f"modnet.plotting: ax is {_short(ax)}, expected matplotlib Axes")
            figure = axes[0].figure
            while hasattr(figure, "figure") and figure.figure is not figure:  # out of sub-figures
                figure = figure.figure
        yield figure, axes
        if path is not None:
            save(figure, path)


def new_figure(size: tuple[float, float], columns: int = 1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure of a size in inches with axes in the library's style, row by row."""
    from matplotlib import rc_context

    with rc_context(_STYLE):
        figure = _empty_figure(size)
        return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _empty_figure(size: tuple[float, float]) -> Figure:
    """A figure of pyplot's where that is in use and has windows, else a plain one."""
    from matplotlib.figure import Figure

    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        from matplotlib import get_backend
        from matplotlib.backends.registry import BackendFilter, backend_registry

        if get_backend().lower() in map(str.lower, backend_registry.list_builtin(BackendFilter.INTERACTIVE)):
            shown: Figure = pyplot.figure(figsize=size, layout="constrained")
            return shown
    return Figure(figsize=size, layout="constrained")


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure to a file whose ending says the format; a ValueError for one matplotlib does not know."""
    known = figure.canvas.get_supported_filetypes()
    ending = os.path.splitext(path)[1].lower().removeprefix(".")
    if ending not in known:
        raise ValueError(f"modnet.plotting: path is {os.fspath(path)!r}, expected an ending of {', '.join(sorted(known))}")
    figure.savefig(path, dpi=_DOTS, bbox_inches="tight", pad_inches=0.12)


def _short(value: object) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 60 else f"{text[:57]}..."
