"""Parts of pictures: colours, marks, legends, scales of colours, maps of heights, names.

Colours are those of M. Okabe and K. Ito (Color universal design, 2008): readers with any colour vision can tell them apart.
Markers differ as well.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from modnet.inputs import short_repr
from modnet.plotting.annotations import Axes

BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
COLORS = (BLUE, VERMILION, GREEN, PURPLE, "#E69F00", "#56B4E9", "#F0E442", "#404040")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
INK = "#262626"


def as_names(given: Any, who: str, name: str) -> list[str] | None:
    """Names of classes or features as a list of text; a TypeError for a single text or path."""
    if given is None:
        return None
    if isinstance(given, str | bytes | os.PathLike):
        raise TypeError(f"{who}: {name} is {short_repr(given)}, expected a list of names; a file to save to is path=...")
    return [str(one) for one in given]


def names_for(given: Any, count: int, who: str, otherwise: list[str]) -> list[str]:
    """Names of at least count classes; ValueError for fewer."""
    names = as_names(given, who, "class_names") or otherwise
    if len(names) < count:
        raise ValueError(f"{who}: there are {len(names)} class names, expected {count}")
    return names


def class_colors(count: int) -> np.ndarray:
    """Colours (count, 3) from 0 to 1: the library's while they last, else a scale."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb

    if count <= len(COLORS):
        return np.array([to_rgb(color) for color in COLORS[:count]])
    return np.asarray(colormaps["viridis"](np.linspace(0, 0.95, count)))[:, :3]


def legend_above(ax: Axes) -> None:
    """Put the legend above the axes, if it has no more than a dozen entries."""
    handles = len(ax.get_legend_handles_labels()[0])
    if 0 < handles <= 12:
        legend = ax.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(handles, 4),
            handletextpad=0.3, columnspacing=1.2, borderaxespad=0.3,
        )  # fmt: skip
        legend.set_gid("above")


def has_legend_above(ax: Axes) -> bool:
    """Whether `legend_above` put a legend there."""
    legend = ax.get_legend()
    return legend is not None and legend.get_gid() == "above"


def depth_colors(count: int) -> np.ndarray:
    """Colours (count, 3) for layers from the input to the output: dark blue to yellow."""
    from matplotlib import colormaps

    return np.asarray(colormaps["viridis"](np.linspace(0, 0.92, count)))[:, :3]


def signed_colors() -> Any:
    """A scale from vermilion (negative) by white (0) to blue (positive)."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("modnet_signed", [VERMILION, "#ffffff", BLUE])


def color_bar(mappable: Any, ax: Any, label: str, **options: Any) -> Any:
    """Put the scale of a picture's colours beside the axes; options are matplotlib's."""
    bar = np.ravel(ax)[0].figure.colorbar(mappable, ax=ax, **options)
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar


def height_map(
    ax: Axes, a: np.ndarray, b: np.ndarray, height: np.ndarray, label: str, *, count: int, steep: float, lines: dict[str, Any],
    every: int = 1, format: str = "%.3g", **filled: Any,
) -> None:  # fmt: skip
    """Draw numbers over a plane, as colours between count levels and white lines at every so many of them.

    The levels are powers of one another if the numbers are above 0 and more than `steep` times as large in one place as in
    another.
    """
    from matplotlib.colors import LogNorm, Normalize

    finite = height[np.isfinite(height)]
    low, high = float(finite.min()), float(finite.max())
    is_steep = low > 0 and high > steep * low
    levels = np.geomspace(low, high, count) if is_steep else np.linspace(low, high if high > low else low + 1, count)
    scale = (LogNorm if is_steep else Normalize)(levels[0], levels[-1])
    drawn = ax.contourf(a, b, height, levels=levels, norm=scale, **filled)
    ax.contour(a, b, height, levels=levels[::every], colors="white", **lines)
    color_bar(drawn, ax, label + (" (log scale)" if is_steep else ""), ticks=levels[::5], format=format).minorticks_off()
    ax.grid(False)
    ax.set(xlim=a[[0, -1]], ylim=b[[0, -1]])


def whole_ticks(ax: Axes) -> None:
    """Write whole numbers alone under the axes: epochs."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def paint(probability: np.ndarray, colors: np.ndarray, least: float, most: float) -> np.ndarray:
    """Colours (n, 3) of the classes with the largest probability (n, classes), the paler the less sure."""
    count = probability.shape[1]
    sure = (probability.max(axis=1) - 1 / count) / (1 - 1 / count)
    return 1 - (least + (most - least) * sure)[:, np.newaxis] * (1 - colors[probability.argmax(axis=1)])


def bare(ax: Axes) -> None:
    """Take grid, ticks and frame away."""
    ax.grid(False)
    ax.set(xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_visible(False)


def shorten(name: str, dots: str = "..") -> str:
    """Return a class name in at most 14 letters: its beginning and its end, which tell names apart."""
    return name if len(name) <= 14 else f"{name[: 8 - len(dots)]}{dots}{name[-6:]}"
