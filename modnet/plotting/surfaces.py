"""Error surfaces: the loss over a plane through the parameters of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from modnet.inputs import generator, real, short_repr, whole
from modnet.loss import require_loss
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import INK, VERMILION, height_map, legend_above
from modnet.training import predict

if TYPE_CHECKING:
    from modnet.loss import Loss


def error_surface(
    net: Any,
    loss: Loss,
    X: Any,
    y: Any,
    path: Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
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
        Its parameters are the middle of the map. They are unchanged when the function returns.
    loss, X, y : as in `fit`
    path, ax, title : as in `history`
    directions : pair of int, or (2, parameters), optional
        The axes of the map: two indices into ``net.parameters``, or two vectors. By default the two directions in which the
        trajectory varies most; without a trajectory, two random orthonormal ones, drawn from rng.
    trajectory : (steps, parameters), optional
        Parameters during a training, in order, to draw as a path. It is projected on the map: it may lie far from the plane.
    span : float, optional
        How far the map reaches from the middle, in lengths of the directions. By default a little beyond the trajectory;
        without one, twice the root mean square of the parameters.
    resolution : int
        Points per side.
    rng : int, numpy.random.Generator or None

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If the network has fewer than two parameters, or directions or trajectory do not have the shapes above.

    References
    ----------
    H. Li, Z. Xu, G. Taylor, C. Studer and T. Goldstein, Visualizing the loss landscape of neural nets, NeurIPS 2018: the
    plane of the trajectory's principal directions.
    """
    here = getattr(net, "parameters", None)
    if not isinstance(here, np.ndarray) or here.size < 2:
        raise ValueError(f"error_surface: net is {short_repr(net)}, expected a network with two parameters or more")
    require_loss(loss, "error_surface")
    whole(resolution, "error_surface", "resolution", 2)
    middle = here.astype(np.float64)
    way = None
    if trajectory is not None:
        way = np.asarray(trajectory, np.float64)
        if way.ndim != 2 or way.shape[1] != middle.size or not len(way):
            raise ValueError(f"error_surface: trajectory has shape {way.shape}, expected (steps, {middle.size})")
        way = way - middle
    axes_of_map, labels = _directions(directions, way, middle.size, generator(rng, "error_surface"))
    # The pseudo-inverse gives coordinates on the map even if the directions are not orthonormal.
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
    said = "The loss over a plane through the parameters"
    with drawing(ax, path, (5.8, 4.8), title=title, title_if_new=said) as (figure, axes):
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
                raise ValueError(f"error_surface: directions is {given}, expected two different indices from 0 to {size - 1}")
            return np.eye(size)[array], (f"parameter {array[0]}, from where it is", f"parameter {array[1]}, from where it is")
        if array.shape != (2, size):
            raise ValueError(f"error_surface: directions has shape {array.shape}, expected two indices, or vectors (2, {size})")
        return array.astype(np.float64), ("first direction", "second direction")
    if way is not None and len(way) > 2:
        _, _, basis = np.linalg.svd(way - way.mean(axis=0), full_matrices=False)
        return basis[:2], ("first principal direction", "second principal direction")
    basis, _ = np.linalg.qr(source.normal(size=(size, 2)))
    return basis.T, ("a random direction", "another, at right angles")


def _draw_surface(ax: Axes, side: np.ndarray, height: np.ndarray, way: np.ndarray | None) -> None:
    lines = {"linewidths": 0.5, "alpha": 0.55}
    height_map(ax, side, side, height, "loss", count=26, steep=30, lines=lines, every=2, format="%.2g", cmap="cividis")
    if way is not None:
        ax.plot(*way.T, color="white", linewidth=3.4, zorder=3)
        ax.plot(*way.T, color=VERMILION, linewidth=1.6, label="path of the training", zorder=4)
        ax.scatter(way[0, 0], way[0, 1], s=46, color="white", edgecolors=INK, linewidths=1.2, label="start", zorder=5)
    ax.scatter(0, 0, s=150, marker="*", color="white", edgecolors=INK, linewidths=1.0, label="the network now", zorder=6)
    ax.set(xlim=side[[0, -1]], ylim=side[[0, -1]])
    legend_above(ax)
