"""What a network does, as images: the plane in the colours of its classes, each unit's own region, the deltas by unit."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.modules import Softmax
from modnet.plotting.parts import class_colors, paint
from modnet.training import predict
from modnet.watch import activations, deltas

SIDE = 48  # points per side of the plane
_GAP = 4


def plane(X: np.ndarray, side: int = SIDE) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Points of the plane around the examples, row by row from below, and its ends: x low, x high, y low, y high."""
    low, high = X.min(axis=0), X.max(axis=0)
    space = 0.1 * (high - low)
    (x0, y0), (x1, y1) = low - space, high + space
    grid = np.stack(np.meshgrid(np.linspace(x0, x1, side), np.linspace(y0, y1, side)), axis=-1).reshape(-1, 2)
    return grid, (float(x0), float(x1), float(y0), float(y1))


def frontier_image(net: Any, grid: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The winning class at every point, (side, side) of 32-bit RGBA, the paler the less sure."""
    share = np.asarray(Softmax().forward(np.asarray(predict(net, grid), np.float64)))
    return rgba(paint(share, class_colors(share.shape[1]), 0.12, 0.62).reshape(side, side, 3))


def unit_images(net: Any, grid: np.ndarray, side: int = SIDE) -> tuple[np.ndarray, list[tuple[str, int]]]:
    """The output of every unit over the plane, side by side, a row for each module with parameters or an activation.

    Blue is positive, vermilion negative. Also the name of each row, from below, and how many units it has; of more than 12 the
    first 12 are shown.
    """
    rows = []
    for step in activations(net, grid):
        name = type(step.module).__name__
        if step.output.ndim == 2 and not name.startswith(("Dropout", "GaussianNoise")):
            rows.append((f"{step.place} {name}", np.asarray(step.output, np.float64)[:, :12]))
    return _mosaic([(name, out.T.reshape(-1, side, side), np.abs(out).max() or 1.0) for name, out in rows])


def delta_images(net: Any, loss: Any, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, list[tuple[str, float]]]:
    """How large the deltas of every unit are, an image (modules, units) of log10; and the norm of each module's."""
    steps = activations(net, X)
    found = deltas(steps, np.asarray(loss.backward(y, steps.output)) / len(X))
    sizes = [np.sqrt(np.mean(np.square(delta.reshape(len(X), -1)), axis=0)) for delta in found]
    image = np.full((len(sizes), max(map(len, sizes))), np.nan)
    for row, size in zip(image, sizes, strict=True):
        with np.errstate(divide="ignore"):
            row[: len(size)] = np.maximum(np.log10(size), -12)
    names = [f"{step.place} {type(step.module).__name__}" for step in steps]
    return image, [(name, float(np.linalg.norm(delta))) for name, delta in zip(names, found, strict=True)]


def rgba(color: np.ndarray) -> np.ndarray:
    """Colours (height, width, 3) from 0 to 1 as 32-bit numbers."""
    whole = np.full((*color.shape[:2], 4), 255, np.uint8)
    whole[..., :3] = np.clip(255 * color, 0, 255).astype(np.uint8)
    image: np.ndarray = whole.view(np.uint32)[..., 0]
    return image


def _mosaic(rows: list[tuple[str, np.ndarray, float]]) -> tuple[np.ndarray, list[tuple[str, int]]]:
    side = rows[0][1].shape[1]
    wide = max(len(tiles) for _, tiles, _ in rows)
    step = side + _GAP
    color = np.ones((len(rows) * step, wide * step, 3))
    blue, vermilion = class_colors(2)
    for r, (_, tiles, reach) in enumerate(rows):
        for c, tile in enumerate(tiles):
            share = (tile / reach)[..., None]
            painted = np.where(share >= 0, 1 - share * (1 - blue), 1 + share * (1 - vermilion))
            color[r * step : r * step + side, c * step : c * step + side] = painted
    return rgba(color), [(name, len(tiles)) for name, tiles, _ in rows]
