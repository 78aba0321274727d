"""A drawing of a network: its modules, and the numbers that flow through it for one example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modnet.inputs import as_numbers, short_repr
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import INK, bare, color_bar, signed_colors

if TYPE_CHECKING:
    from modnet.loss import Loss

_UNITS = 12  # a column of more values is a strip
_WIDTH = 0.25  # of a column of values, in distances between columns


def network(
    net: Any,
    x: Any,
    path: Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    y: Any = None,
    loss: Loss | None = None,
) -> Figure:
    """Draw a network with what flows through it for one example: outputs forward, and deltas back.

    Each module is a column: its output at the left and, with a loss, dL/d(output) at the right of it, a square for each value,
    or a strip if there are many; above it what it is, below it the shape, the number of parameters and the norm of the delta.
    Blue is positive, vermilion negative, the deeper the larger; all outputs have one scale and all deltas another, so a delta
    that vanishes on its way back is pale. Lines between small columns are the weights of a Linear.

    Parameters
    ----------
    net : a network or module
    x : one example, without the axis of the batch
    path, ax, title : as in `history`
    y : what the loss compares with, for this example
    loss : Loss, optional
        Without it nothing flows back.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If the network does not take x, or the loss not y; and if there is a loss without y.
    """
    from modnet.watch import activations, deltas

    example = np.asarray(as_numbers(x, "network", "x"))[np.newaxis]
    if (loss is None) != (y is None):
        raise ValueError(f"network: loss is {short_repr(loss)} and y is {short_repr(y)}, expected both or neither")
    steps = activations(net, example)
    back: list[Any] = [None] * (len(steps) + 1)
    if loss is not None:
        at_output = np.asarray(loss.backward(np.asarray(y)[np.newaxis], steps.output))
        back[1:] = [delta[0] for delta in deltas(steps, at_output)]
    values = [example[0], *(step.output[0] for step in steps)]
    said = "Forward: the outputs for one example" + ("; back: the deltas" if loss is not None else "")
    tall = 3.4 + 0.12 * min(_UNITS, max(value.size for value in values))
    with drawing(ax, path, (2.2 + 1.75 * len(values), tall), title=title, title_if_new=said) as (figure, axes):
        _draw_columns(axes[0], steps, values, back)
    return figure


def _draw_columns(ax: Axes, steps: Any, values: list[Any], back: list[Any]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colors = signed_colors()
    scales = []
    for arrays in (values, [delta for delta in back if delta is not None]):
        finite = [float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in map(np.asarray, arrays)]
        reach = max(finite, default=0.0) or 1.0
        scales.append(Normalize(-reach, reach))
    bare(ax)
    for i, (value, delta) in enumerate(zip(values, back, strict=True)):
        step = steps[i - 1] if i else None
        if step is not None:
            _draw_weights(ax, i, values[i - 1].size, value.size, step.module)
        _draw_values(ax, i, np.ravel(value), colors, scales[0], side=0 if delta is None else -1)
        if delta is not None:
            _draw_values(ax, i, np.ravel(delta), colors, scales[1], side=1)
            for side, word in ((-1, "output"), (1, "delta")):
                ax.text(i + side * _WIDTH / 2, 1.0, word, ha="center", va="bottom", fontsize=8, color="#595959")
        name = "input" if step is None else _in_lines(repr(step.module))
        ax.text(i, 1.1, name, ha="center", va="bottom", fontsize=10, fontweight="bold")
        below = ["×".join(map(str, value.shape)) or "1"]
        if step is not None and np.size(getattr(step.module, "parameters", ())) and not _has_modules(step.module):
            below.append(f"{step.module.parameters.size:,} parameters")
        if delta is not None:
            below.append(f"|delta| {np.linalg.norm(delta):.2g}")
        ax.text(i, -0.06, "\n".join(below), ha="center", va="top", fontsize=9)
    ax.set(xlim=(-0.6, len(values) - 0.4), ylim=(-0.34, 1.34))
    kinds = [("output", scales[0]), ("delta, dL/d(output)", scales[1])][: 1 + (back[-1] is not None)]
    for label, scale in kinds:
        bar = color_bar(ScalarMappable(scale, colors), ax, label, fraction=0.02, pad=0.02, aspect=14, shrink=0.75)
        bar.ax.locator_params(nbins=5)


def _places(count: int) -> np.ndarray:
    """Where the middles of a column's values are, from the top, between 0 and 1."""
    shown = min(count, _UNITS)
    height = min(1 / shown, 0.2)
    return 0.5 + height * ((shown - 1) / 2 - np.arange(shown))


def _draw_values(ax: Axes, i: int, values: np.ndarray, colors: Any, scale: Any, side: int) -> None:
    from matplotlib.patches import Rectangle

    left = i + (-_WIDTH / 2 if side == 0 else -_WIDTH if side < 0 else 0.0) + 0.01 * side
    if values.size > _UNITS:
        ax.imshow(
            values[:, np.newaxis], extent=(left, left + _WIDTH, 0, 1), cmap=colors, norm=scale, aspect="auto",
            interpolation="nearest", zorder=3,
        )  # fmt: skip
        ax.add_patch(Rectangle((left, 0), _WIDTH, 1, fill=False, edgecolor=INK, linewidth=0.8, zorder=4))
        return
    places = _places(values.size)
    height = 0.86 * min(1 / values.size, 0.2)
    for place, value in zip(places, values, strict=True):
        corner, color = (left, place - height / 2), colors(scale(value))
        ax.add_patch(Rectangle(corner, _WIDTH, height, facecolor=color, edgecolor=INK, linewidth=0.8, zorder=3))
        if values.size <= 6:
            ink = "white" if abs(float(value)) > 0.72 * scale.vmax else INK
            said = f"{value:.2g}"
            said = said if len(said) < 8 else f"{value:.0e}"  # what fits into the square
            ax.text(left + _WIDTH / 2, place, said, ha="center", va="center", fontsize=7, color=ink, zorder=5)


def _draw_weights(ax: Axes, i: int, inputs: int, outputs: int, module: Any) -> None:
    """Lines for the weights of a Linear between two small columns, otherwise an arrow."""
    start, end = i - 1 + (_WIDTH if i > 1 else _WIDTH / 2) + 0.02, i - _WIDTH - 0.02  # the input has no delta beside it
    weight = getattr(module, "weight", None)
    if isinstance(weight, np.ndarray) and weight.shape == (inputs, outputs) and max(inputs, outputs) <= _UNITS:
        reach = float(np.abs(weight).max()) or 1.0
        colors = signed_colors()
        for a, from_y in enumerate(_places(inputs)):
            for b, to_y in enumerate(_places(outputs)):
                share = float(weight[a, b]) / reach
                ax.plot(
                    (start, end), (from_y, to_y), color=colors(0.5 + 0.5 * share),
                    linewidth=0.4 + 2.2 * abs(share), zorder=1,
                )  # fmt: skip
        return
    arrow = {"arrowstyle": "-|>", "color": "#8c8c8c", "linewidth": 1.4}
    ax.annotate("", (end - 0.04, 0.5), (start + 0.04, 0.5), arrowprops=arrow, zorder=1)


def _has_modules(module: Any) -> bool:
    return hasattr(module, "__iter__")


def _in_lines(name: str) -> str:
    """A module's name in lines of about a dozen letters: the class, then its settings."""
    kind, _, settings = name.partition("(")
    settings = settings.removesuffix(")")
    if len(settings) > 16:
        settings = settings[:14] + "…"
    return f"{kind}\n{settings}" if settings else kind
