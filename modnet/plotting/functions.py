"""Activations and their derivatives, as functions of one number."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet.hints import public
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import BLUE, VERMILION


def activations(
    *modules: Any,
    low: float = -4.0,
    high: float = 4.0,
    path: Path | None = None,
    ax: Axes | Sequence[Axes] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw activations f and their derivatives f'.

    Parameters
    ----------
    *modules : modules
        Elementwise modules, yours too; f' comes from their ``backward_delta``. Without any, all of the library's are drawn.
        A file name at the end is the path.
    low, high : float
        The ends of the axis.
    path, ax, title : as in `history`, with one of the axes per module

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If low is not below high, a module is not elementwise, or there are fewer axes than modules.
    """
    if modules and isinstance(modules[-1], str | os.PathLike):
        if path is not None:
            raise TypeError(f"activations: got two files, {modules[-1]!r} and {path!r}, expected one")
        modules, path = modules[:-1], modules[-1]
    chosen = list(modules) or [kind() for kind in elementwise().values()]
    if not low < high:
        raise ValueError(f"activations: low is {low} and high {high}, expected low below high")
    x = np.linspace(low, high, 801)[:, np.newaxis]
    columns = min(5, int(np.ceil(np.sqrt(len(chosen)))))
    rows = -(-len(chosen) // columns)
    said = "Activations f and their derivatives f′"
    with drawing(ax, path, (3.0, 2.7), columns, rows, title=title, title_if_new=said) as (figure, axes):
        if len(axes) < len(chosen):
            raise ValueError(f"activations: there are {len(chosen)} modules but {len(axes)} axes; each module needs its own")
        for i, (axis, module) in enumerate(zip(axes, chosen, strict=False)):
            out = np.asarray(module.forward(x))
            if out.shape != x.shape:
                raise ValueError(f"activations: {module} gives shape {out.shape} for {x.shape}, expected the same")
            slope = np.asarray(module.backward_delta(x, np.ones_like(x)))
            for values, color, dashes, label in ((out, BLUE, "-", "f"), (slope, VERMILION, (0, (5, 1.2)), "f′")):
                # A line is not drawn across a jump.
                jump = np.abs(np.diff(values[:, 0], prepend=values[0, 0])) > 0.2
                axis.plot(x[:, 0], np.where(jump, np.nan, values[:, 0]), color=color, linestyle=dashes, label=label)
            axis.set_title(repr(module))
            axis.set_xlim(low, high)
            if ax is not None or i + columns >= len(chosen):  # the lowest of its column
                axis.set_xlabel("x")
        for axis in axes[len(chosen) :] if ax is None else ():
            axis.set_visible(False)
        axes[0].legend(loc="upper left")
    return figure


def elementwise() -> dict[str, type]:
    """Return the library's elementwise activations by name, found among its public modules."""
    from modnet import modules
    from modnet.modules.elementwise import Elementwise

    found = {name: getattr(modules, name) for name in public(vars(modules))}
    return {
        name: kind
        for name, kind in sorted(found.items())
        if name in ("Identity", "PReLU") or (isinstance(kind, type) and issubclass(kind, Elementwise))
    }
