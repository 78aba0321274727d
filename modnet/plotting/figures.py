"""How every picture is made, styled, shown and saved: the one place that makes figures.

In a program nothing pops up. A figure is a plain matplotlib ``Figure``, unless the program has imported pyplot and pyplot
has windows; then the figure is pyplot's, and ``pyplot.show()`` shows it.

In a notebook a figure is pyplot's, so it appears at the end of the cell that made it, or at ``pyplot.show()``: all pictures
of a loop appear, whether the cell returns them or not. IPython would draw a figure at the end of a cell a second time;
`_display` prevents that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np

from modnet.inputs import short_repr
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.parts import COLORS, INK, has_legend_above
from modnet.training.progress import in_notebook

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#8c8c8c",
    "axes.facecolor": "white",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "font.size": 11,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "image.cmap": "cividis",
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": "#8c8c8c",
    "xtick.labelcolor": INK,
    "xtick.labelsize": 10,
    "ytick.color": "#8c8c8c",
    "ytick.labelcolor": INK,
    "ytick.labelsize": 10,
}
_DOTS = 150  # per inch, in saved pictures


# --- making figures ---------------------------------------------------------------------------------------------------


def style() -> AbstractContextManager[None]:
    """Context: everything drawn in it with matplotlib has the library's fonts, colours and grid."""
    from matplotlib import rc_context

    return rc_context(_settings())


def use_style() -> None:
    """Draw everything from now on in the library's style: for a script or a notebook with pictures of its own."""
    from matplotlib import rcParams

    rcParams.update(_settings())


def _settings() -> Any:
    from cycler import cycler

    return {**STYLE, "axes.prop_cycle": cycler(color=COLORS)}


def subplots(
    rows: int = 1, columns: int = 1, *, size: tuple[float, float] = (5.2, 4.4), title: str | None = None
) -> tuple[Figure, Any]:
    """Make a figure with axes in the library's style, as ``pyplot.subplots`` does.

    What you draw yourself into the axes has the library's colours, too; fonts of labels are those of `style`.

    Parameters
    ----------
    rows, columns : int
    size : (width, height) of one of the axes, in inches
    title : str, optional
        Above the whole figure.

    Returns
    -------
    figure : Figure
    axes : Axes, or an array of them (columns,), (rows,) or (rows, columns), as in pyplot
    """
    figure, axes = new_figure((columns * size[0], rows * size[1]), columns, rows)
    if title:
        put_title(figure, title)
    grid = np.array(axes).reshape(rows, columns)
    return figure, axes[0] if grid.size == 1 else grid.squeeze()


def new_figure(size: tuple[float, float], columns: int = 1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Make a figure of a size in inches with axes in the library's style, row by row."""
    from matplotlib.figure import Figure

    pyplot = _pyplot()
    # pyplot loads its backend here, outside the style's context, which would undo what the backend sets.
    make = Figure if pyplot is None else pyplot.figure
    figure: Figure = make(figsize=size, layout="constrained", facecolor="white")
    _show_once(figure)
    with style(), discarded_on_error(figure):
        return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


@contextmanager
def drawing(
    ax: Any,
    path: Path | None,
    size: tuple[float, float],
    columns: int = 1,
    rows: int = 1,
    *,
    title: str | None = None,
    title_if_new: str | None = None,
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Give the axes to draw in, those of a new figure unless some are given, in the library's style; save at the end.

    A title goes above a new figure, or above the first of the axes given; without one a new figure has `title_if_new`.
    An error discards a new figure, so that a notebook does not show half a picture.
    """
    if path is not None and not isinstance(path, str | os.PathLike):
        advice = "axes of yours are ax=..." if _are_axes(path) else "other settings are given by name"
        raise TypeError(f"modnet.plotting: path is {short_repr(path)}, expected a file such as 'picture.png'; {advice}")
    if ax is None:
        figure, axes = new_figure((columns * size[0], rows * size[1]), columns, rows)
        with discarded_on_error(figure), style():
            yield figure, axes
            if title or title_if_new:
                put_title(figure, title or title_if_new or "")
            if path is not None:
                save(figure, path)
        return
    if not _are_axes(ax):
        advice = "; a file to save to is path=..." if isinstance(ax, str | os.PathLike) else ""
        raise TypeError(f"modnet.plotting: ax is {short_repr(ax)}, expected matplotlib Axes{advice}")
    axes = list(np.ravel(ax))
    owner: Any = axes[0].figure
    while getattr(owner, "figure", owner) is not owner:  # out of sub-figures
        owner = owner.figure
    _show_once(owner)
    with style():
        yield owner, axes
        if title:
            axes[0].set_title(title, pad=28 if has_legend_above(axes[0]) else None)
        if path is not None:
            save(owner, path)


def put_title(figure: Figure, title: str) -> None:
    """Write a title above a figure, at its left."""
    with style():
        figure.suptitle(title, x=0.01, ha="left")


def _are_axes(value: Any) -> bool:
    if isinstance(value, str | os.PathLike):
        return False
    axes = list(np.ravel(np.asarray(value, dtype=object)))
    return bool(axes) and all(hasattr(a, "plot") and hasattr(a, "figure") for a in axes)


@contextmanager
def discarded_on_error(figure: Figure) -> Iterator[None]:
    """Take a figure away from pyplot if an error ends the block."""
    try:
        yield
    except BaseException:
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            pyplot.close(figure)  # nothing happens to a figure that is not pyplot's
        raise


def current_axes() -> Axes:
    """pyplot's current axes; a new figure in the library's style if pyplot has none."""
    from matplotlib import pyplot

    if not pyplot.get_fignums():
        figure = pyplot.figure(layout="constrained", facecolor="white")
        with style():
            figure.subplots()
    axes: Axes = pyplot.gca()
    return axes


def save(figure: Figure, path: Path) -> None:
    """Write a figure to a file, in the format of its extension; a ValueError if matplotlib does not know the format."""
    known = figure.canvas.get_supported_filetypes()
    extension = os.path.splitext(path)[1].lower().removeprefix(".")
    if extension not in known:
        names = ", ".join(sorted(known))
        raise ValueError(f"modnet.plotting: path is {os.fspath(path)!r}, expected one of the extensions {names}")
    figure.savefig(path, dpi=_DOTS, bbox_inches="tight", pad_inches=0.12)


# --- showing each figure once -----------------------------------------------------------------------------------------


def _pyplot() -> Any:
    """pyplot, if a new figure should belong to it; else None."""
    if "matplotlib.pyplot" not in sys.modules and not in_notebook():
        return None
    from matplotlib import get_backend, pyplot
    from matplotlib.backends.registry import BackendFilter, backend_registry

    windows = map(str.lower, backend_registry.list_builtin(BackendFilter.INTERACTIVE))
    name = get_backend().lower()
    # In a notebook, what matplotlib does not bring itself (inline, ipympl) shows figures too.
    shows = name in windows or (in_notebook() and (name in ("inline", "widget", "ipympl") or name.startswith("module://")))
    return pyplot if shows else None


def _show_once(figure: Figure) -> None:
    """Let a notebook show a figure once, though both pyplot and the end of a cell would draw it."""
    if in_notebook() and not hasattr(figure, "_ipython_display_"):
        hooked: Any = figure
        hooked._ipython_display_ = partial(_display, figure)
        hooked._repr_png_ = partial(_as_png, figure)


def _display(figure: Figure) -> None:
    """What IPython calls first to display a figure. NotImplementedError tells it to go on in its ordinary way."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and _is_open(figure):
        if "inline" not in pyplot.get_backend().lower():
            return  # in a window or a widget of its own
        pyplot.close(figure)
    raise NotImplementedError


def _is_open(figure: Figure) -> bool:
    """Whether pyplot has a figure, and will show it."""
    from matplotlib._pylab_helpers import Gcf

    return any(manager.canvas.figure is figure for manager in Gcf.get_all_fig_managers())


def _as_png(figure: Figure) -> bytes:
    """What IPython shows of a figure if matplotlib's inline backend is not in use."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    return buffer.getvalue()
