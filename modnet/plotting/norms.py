"""Norms in every module of a network, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modnet.plotting.figures import Path, class_colors, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def norms(watched: Any, *, ax: Axes | Sequence[Axes] | None = None, path: Path | None = None) -> Figure:
    """Draw the norms of delta, gradient and update in every module, on logarithmic axes.

    Parameters
    ----------
    watched : modnet.watch.Norms
        After a training of at least one epoch.
    ax, path : as in `history`, with three axes

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If there are no epochs, or fewer than three axes.
    """
    panels = {"delta": watched.delta, "gradient": watched.gradient, "update": watched.update}
    if not len(watched.delta):
        raise ValueError("Norms.plot: there are no epochs, expected at least one; give it to fit as a callback")
    epochs = np.arange(1, len(watched.delta) + 1)
    colors = class_colors(len(watched.names))
    with drawing(ax, path, (4.2, 3.8), columns=3) as (figure, axes):
        if len(axes) < 3:
            raise ValueError(f"Norms.plot: there are {len(axes)} axes, expected 3")
        for axis, (title, values) in zip(axes, panels.items(), strict=False):
            for line, name, color in zip(values.T, watched.names, colors, strict=True):
                if (line > 0).any():  # a module without parameters has no gradient
                    marker = "o" if len(epochs) == 1 else None
                    axis.plot(epochs, np.where(line > 0, line, np.nan), label=name, color=color, marker=marker)
            axis.set(title=f"norm of {title}", xlabel="epoch", yscale="log")
        axes[0].legend(fontsize="small")
    return figure
