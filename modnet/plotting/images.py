"""Rows of small images: what an auto-encoder gives back, what windows and units look for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modnet.inputs import as_numbers, require_finite, short_repr, whole
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import bare, color_bar, signed_colors

_GAP = 0.12  # between images, in widths of one


def reconstructions(
    X: Any,
    Xhat: Any,
    path: Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    count: int = 12,
    shape: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Draw images above what a network makes of them.

    Parameters
    ----------
    X : (n, pixels) or (n, height, width)
        The images; the first `count` are drawn.
    Xhat : array like X, or dict of str to array
        What was made of them. A dict has a row for each, with its name: ``{"noisy": ..., "denoised": ...}``.
    path, ax, title : as in `history`
    count : int
        How many images a row has at most.
    shape : (height, width), optional
        By default images of (n, pixels) are square.
    labels : sequence of str, optional
        What stands above each column.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If the arrays are no images, or differ in shape.
    """
    whole(count, "reconstructions", "count")
    rows = {"input": X, **(Xhat if isinstance(Xhat, Mapping) else {"output": Xhat})}
    images = {name: as_images(value, "reconstructions", name, shape) for name, value in rows.items()}
    first = images["input"]
    for name, value in images.items():
        if value.shape[1:] != first.shape[1:] or len(value) < min(count, len(first)):
            raise ValueError(f"reconstructions: {name} has shape {value.shape}, expected the input's shape, {first.shape}")
    shown = min(count, len(first))
    tiles = np.stack([value[:shown] for value in images.values()])  # (rows, shown, height, width)
    low, high = min(0.0, float(first.min())), max(1.0, float(first.max()))
    said = "What goes in, and what comes out"
    size = 1.2 + 0.8 * shown, 0.75 + 0.85 * len(tiles)
    with drawing(ax, path, size, title=title, title_if_new=said) as (figure, axes):
        draw_tiles(axes[0], tiles, list(images), labels, cmap="gray_r", vmin=low, vmax=high)
    return figure


def filters(
    weights: Any,
    path: Path | None = None,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    count: int = 40,
    columns: int = 8,
    shape: tuple[int, int] | None = None,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Draw what the units of a layer look for: their weights as images, positive ones blue, negative ones vermilion.

    Parameters
    ----------
    weights : Linear, Conv1D or Conv2D, or an array (count, height, width)
        A `Linear` (in, out) has an image of the input for each output; a convolution its windows, one for each output channel,
        with the input channels of a `Conv2D` side by side and those of a `Conv1D` below one another.
    path, ax, title : as in `history`
    count : int
        How many are drawn at most: those whose weights are largest.
    columns : int
        How many there are in a row.
    shape : (height, width), optional
        Of the inputs of a Linear; by default the nearest to a square.
    labels : sequence of str, optional
        What stands above each, if all are drawn.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If there are no weights to draw.
    """
    whole(count, "filters", "count")
    whole(columns, "filters", "columns")
    images = _windows(weights, shape)
    require_finite(images.reshape(len(images), -1), "filters", "weights")
    if len(images) > count:
        largest = np.argsort(-np.abs(images).max(axis=(1, 2)), kind="stable")[:count]
        images, labels = images[np.sort(largest)], None
    wide = min(columns, len(images))
    tall = -(-len(images) // wide)
    tiles = np.full((tall * wide, *images.shape[1:]), np.nan)
    tiles[: len(images)] = images
    reach = float(np.abs(images).max()) or 1.0
    ratio = images.shape[1] / images.shape[2]
    size = 1.6 + 0.85 * wide, 0.6 + 0.85 * tall * float(np.clip(ratio, 0.3, 3)) + (0.3 if labels else 0)
    said = f"What {len(images)} units look for: their weights"
    with drawing(ax, path, size, title=title, title_if_new=said) as (figure, axes):
        grid = tiles.reshape(tall, wide, *images.shape[1:])
        image = draw_tiles(axes[0], grid, None, labels, cmap=signed_colors(), vmin=-reach, vmax=reach, frames=True)
        color_bar(image, axes[0], "weight", fraction=0.05)
    return figure


def as_images(value: Any, who: str, name: str, shape: tuple[int, int] | None) -> np.ndarray:
    """Numbers as images (n, height, width)."""
    array = np.asarray(as_numbers(value, who, name), np.float64)
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim == 2:
        side = shape or (round(np.sqrt(array.shape[1])),) * 2
        if side[0] * side[1] != array.shape[1]:
            raise ValueError(f"{who}: {name} has {array.shape[1]} pixels, expected shape=(height, width) with that product")
        array = array.reshape(-1, *side)
    if array.ndim != 3 or not array.size:
        raise ValueError(f"{who}: {name} has shape {array.shape}, expected (n, pixels) or (n, height, width)")
    return array


def draw_tiles(
    ax: Axes, tiles: np.ndarray, names: list[str] | None, labels: Sequence[str] | None, frames: bool = False, **look: Any
) -> Any:
    """Draw images (rows, columns, height, width) side by side, a name for each row, a label above each column."""
    rows, columns, height, width = tiles.shape
    step = np.array([height, width]) * (1 + _GAP)
    image = None
    from matplotlib.patches import Rectangle

    for r in range(rows):
        for c in range(columns):
            if np.isnan(tiles[r, c]).all():
                continue
            x, y = c * step[1], r * step[0]
            image = ax.imshow(tiles[r, c], extent=(x, x + width, y + height, y), interpolation="nearest", **look)
            if frames:
                ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#bfbfbf", linewidth=0.6))
        if names:
            ax.text(-0.12 * width, r * step[0] + height / 2, names[r], ha="right", va="center")
    for i, label in enumerate(labels or ()):
        row, column = divmod(i, columns)
        if row < rows:
            x, y = column * step[1] + width / 2, row * step[0]
            ax.text(x, y - 0.02 * height, label, ha="center", va="bottom", fontsize=9)
    bare(ax)
    ax.set(xlim=(-0.02 * width, columns * step[1]), ylim=(rows * step[0], -0.02 * height), aspect="equal")
    return image


def _windows(weights: Any, shape: tuple[int, int] | None) -> np.ndarray:
    """The weights of a layer as images (count, height, width)."""
    found = getattr(weights, "weight", weights)
    try:
        array = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if not array.size or array.ndim < 2:
        came = short_repr(weights)
        raise TypeError(f"filters: weights is {came}, expected a Linear, Conv1D, Conv2D or (count, height, width)")
    if array.ndim == 3 and found is weights:
        return array
    if array.ndim == 2:  # (in, out)
        side = shape or _nearly_square(array.shape[0])
        return as_images(array.T, "filters", "weights", side)
    if array.ndim == 3:  # (k, chan_in, chan_out)
        return array.transpose(2, 1, 0)
    if array.ndim == 4:  # (kh, kw, chan_in, chan_out)
        tall, wide, channels, out = array.shape
        return array.transpose(3, 0, 2, 1).reshape(out, tall, channels * wide)
    raise ValueError(f"filters: weights have shape {array.shape}, expected the weights of Linear, Conv1D or Conv2D")


def _nearly_square(pixels: int) -> tuple[int, int]:
    tall = next(h for h in range(int(np.sqrt(pixels)), 0, -1) if pixels % h == 0)
    return tall, pixels // tall
