"""The graph of a scalar of `modnet.scalar`."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.inputs import short_repr
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import BLUE, VERMILION, bare
from modnet.scalar import Value


def scalar_graph(
    value: Any, path: Path | None = None, *, ax: Axes | None = None, title: str | None = None
) -> Figure:
    """Draw the graph of a `modnet.scalar.Value`: from the leaves on the left to the value on the right.

    Parameters
    ----------
    value : modnet.scalar.Value
    path, ax, title : as in `history`

    Returns
    -------
    Figure
    """
    if not isinstance(value, Value):
        raise TypeError(f"scalar_graph: value is {short_repr(value)}, expected a modnet.scalar.Value")
    order = list(value._order())
    steps = dict.fromkeys(map(id, order), 0)  # the longest way to the result, so that a leaf is drawn beside its use
    for node in reversed(order):
        for parent, _ in node._parents or ():
            steps[id(parent)] = max(steps[id(parent)], steps[id(node)] + 1)
    columns: dict[int, list[Any]] = {}
    for node in order:
        columns.setdefault(max(steps.values()) - steps[id(node)], []).append(node)
    tallest = max(map(len, columns.values()))
    place: dict[int, tuple[float, float]] = {
        id(node): (column, (len(nodes) - 1) / 2 - i + 0.12 * (column % 2))
        for column, nodes in columns.items() for i, node in enumerate(nodes)
    }  # fmt: skip
    said = "Each value with its grad; on the arrows the local derivatives"
    with drawing(ax, path, (2.2 * len(columns), 1.3 * tallest + 0.9), title=title, title_if_new=said) as (figure, axes):
        _draw_graph(figure, axes[0], order, place, (len(columns), tallest))
    return figure


def _draw_graph(
    figure: Figure, ax: Axes, order: list[Any], place: dict[int, tuple[float, float]], size: tuple[int, int]
) -> None:
    width, height = size
    ax.set_xlim(-0.6, width - 0.4)
    ax.set_ylim(-height / 2 - 0.1, height / 2 + 0.2)
    boxes = {}
    for node in order:
        said = node.name or node.operation or "constant"
        boxes[id(node)] = ax.text(
            *place[id(node)], f"{said}\ndata {node.data:.4g}\ngrad {node.grad:.4g}", ha="center", va="center", fontsize=9,
            bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": BLUE if node._parents else VERMILION}, zorder=3,
        )  # fmt: skip
    figure.draw_without_rendering()  # the layout decides where pixels are
    for node in order:
        for parent, slope in node._parents or ():
            (x0, y0), (x1, y1) = place[id(parent)], place[id(node)]
            bend = 0.0 if x1 - x0 == 1 else -0.3 if y0 >= 0 else 0.3  # around the values of the columns between
            # Where the arrow has its middle and meets the box, found in pixels, as a bent one is.
            ends = ax.transData.transform([(x0, y0), (x1, y1)])
            (across, up), middle = ends[1] - ends[0], ends.mean(axis=0)
            aside = np.array([up, -across]) * bend
            box = boxes[id(node)].get_window_extent()
            before = np.abs(ends[1] - middle - aside)  # from where it comes
            inside = min(0.5 * box.width / max(before[0], 1e-9), 0.5 * box.height / max(before[1], 1e-9)) * np.hypot(*before)
            ax.annotate(
                "", (x1, y1), (x0, y0),
                arrowprops={
                    "arrowstyle": "-|>", "color": "0.5", "shrinkA": 0, "shrinkB": inside * 72 / figure.dpi + 5,
                    "connectionstyle": f"arc3,rad={bend}",
                },
                zorder=1,
            )  # fmt: skip
            x, y = ax.transData.inverted().transform(middle + aside / 2)
            ax.text(
                x, y, f"{slope:.3g}", fontsize=8, color="0.25", ha="center",
                va="center", bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"}, zorder=2,
            )  # fmt: skip
    bare(ax)
