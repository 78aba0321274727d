"""Codes: where an encoder puts the examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet.inputs import as_numbers, require_finite
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import BLUE, MARKERS, class_colors, names_for


def codes(
    Z: Any,
    y: Any = None,
    path: Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    method: str | None = None,
    class_names: Sequence[str] | None = None,
    rng: int | None = 0,
) -> Figure:
    """Draw where an encoder puts the examples, each class with a colour and a mark, its name in its middle.

    Parameters
    ----------
    Z : (n, k)
        The codes.
    y : (n,), optional
        Labels of any kind.
    path, ax, title : as in `history`
    method : {None, "pca", "tsne"}
        How codes of more than two numbers come into the plane: by their two principal directions (the default), or by
        scikit-learn's t-SNE, which keeps neighbours together and nothing else.
    class_names : sequence of str, optional
        In the sorted order of the labels.
    rng : int or None
        The seed of t-SNE.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If Z are no codes, or y has not one label for each.
    """
    points = np.asarray(as_numbers(Z, "codes", "Z"), np.float64)
    if points.ndim != 2 or points.shape[1] < 2 or len(points) < 2:
        raise ValueError(f"codes: Z has shape {points.shape}, expected (n, k), two examples or more of two numbers or more")
    require_finite(points, "codes", "Z")
    labels = np.zeros(len(points), int) if y is None else np.asarray(y).reshape(-1)
    if len(labels) != len(points):
        raise ValueError(f"codes: Z has {len(points)} examples but y has {len(labels)}; y needs one label per example")
    if method not in (None, "pca", "tsne"):
        raise ValueError(f"codes: method is {method!r}, expected None, 'pca' or 'tsne'")
    classes, of = np.unique(labels, return_inverse=True)
    names = names_for(class_names, len(classes), "codes", [str(c) for c in classes.tolist()])
    plane, axes_names = _in_the_plane(points, method, rng)
    said = f"{len(points)} examples by their codes of {points.shape[1]} numbers"
    colors = class_colors(len(classes))
    with drawing(ax, path, (5.6, 5.0), title=title, title_if_new=said) as (figure, axes):
        axis, size = axes[0], float(np.clip(9000 / len(points), 6, 40))
        for c, name in enumerate(names[: len(classes)]):
            mine = plane[of == c]
            color = BLUE if y is None else colors[c]
            marker = MARKERS[c % len(MARKERS)]
            axis.scatter(mine[:, 0], mine[:, 1], s=size, marker=marker, color=[color], edgecolors="white", linewidths=0.3)
            if y is not None:
                box = {"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": color, "linewidth": 1.6}
                x, y0 = np.median(mine, axis=0)
                axis.text(x, y0, name, ha="center", va="center", fontweight="bold", bbox=box)
        axis.set(xlabel=axes_names[0], ylabel=axes_names[1])
    return figure


def _in_the_plane(points: np.ndarray, method: str | None, rng: int | None) -> tuple[np.ndarray, tuple[str, str]]:
    if points.shape[1] == 2 and method is None:
        return points, ("first number of the code", "second number of the code")
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(points) - 1) / 3)
        found = TSNE(2, perplexity=perplexity, init="pca", random_state=rng).fit_transform(points)
        return found, ("first coordinate of t-SNE", "second coordinate of t-SNE")
    from sklearn.decomposition import PCA

    pca = PCA(2).fit(points)
    first, second = (f"principal direction ({part:.0%} of the variance)" for part in pca.explained_variance_ratio_)
    return pca.transform(points), (f"first {first}", f"second {second}")
