"""What happens in the layers of a network during a training: norms by epoch, sizes by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet.inputs import short_repr
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.parts import color_bar, depth_colors, whole_ticks

KINDS = {
    "activation": "activations",
    "delta": "deltas, dL/d(output)",
    "gradient": "gradients, dL/d(parameters)",
    "update": "updates",
}
_NAMED = 6  # lines with a name each; more lines have a scale of colours


def layers(
    watched: Any,
    path: Path | None = None,
    *,
    ax: Axes | Sequence[Axes] | None = None,
    title: str | None = None,
    kinds: Sequence[str] = ("activation", "delta", "gradient"),
    epoch: int | None = None,
) -> Figure:
    """Draw the norms of activations, deltas and gradients over the epochs, and how large their values are in each layer.

    The upper row has a line for each module, from dark (near the input) to light (near the output). The lower row is a
    histogram for each module, as a column: how many of its values are of which power of ten. Deltas that vanish on their way
    to the input are a staircase that goes down to the left; units that are saturated or dead are zeros, in the lowest row.

    Parameters
    ----------
    watched : modnet.watch.Norms
        After a training of at least one epoch, to which it was given as a callback.
    path, ax, title : as in `history`, with one of the axes for each kind (the norms alone), or two (norms, then histograms)
    kinds : sequence of {"activation", "delta", "gradient", "update"}
    epoch : int, optional
        The epoch of the histograms, from 1. By default the last.

    Returns
    -------
    Figure

    Raises
    ------
    TypeError, ValueError
        If there are no epochs, a kind is unknown, or the number of axes is another.
    """
    if not hasattr(watched, "magnitudes"):
        raise TypeError(f"layers: watched is {short_repr(watched)}, expected a modnet.watch.Norms that was a callback of fit")
    wrong = [kind for kind in kinds if kind not in KINDS]
    if wrong or isinstance(kinds, str) or not kinds:
        raise ValueError(f"layers: kinds is {kinds!r}, expected some of {', '.join(KINDS)}")
    count = len(watched.delta)
    if not count:
        raise ValueError("layers: there are no epochs, expected at least one; give the Norms to fit as a callback")
    at = count if epoch is None else epoch
    if isinstance(at, bool) or not isinstance(at, int) or not 1 <= at <= count:
        raise ValueError(f"layers: epoch is {epoch!r}, expected a whole number from 1 to {count}")
    said = f"Norms by epoch, and sizes of the values by layer in epoch {at}"
    wide = len(kinds)
    with drawing(ax, path, (4.6, 3.4), columns=wide, rows=2, title=title, title_if_new=said) as (figure, axes):
        if len(axes) not in (wide, 2 * wide):
            raise ValueError(f"layers: there are {len(axes)} axes, expected {wide} or {2 * wide}")
        for axis, kind in zip(axes, kinds, strict=False):
            _draw_norms(axis, watched, kind)
        _name_lines(axes[:wide], watched.names)
        for axis, kind in zip(axes[wide:], kinds, strict=False):
            _draw_sizes(axis, watched, kind, at)
    return figure


def _draw_norms(axis: Axes, watched: Any, kind: str) -> None:
    values = getattr(watched, kind)
    epochs = np.arange(1, len(values) + 1)
    for line, name, color in zip(values.T, watched.names, depth_colors(len(watched.names)), strict=True):
        if (line > 0).any():  # a module without parameters has no gradient
            marker = "o" if len(epochs) == 1 else None
            axis.plot(epochs, np.where(line > 0, line, np.nan), label=name, color=color, marker=marker)
    axis.set(title=KINDS[kind], xlabel="epoch", ylabel="norm (log scale)", yscale="log")
    whole_ticks(axis)


def _name_lines(axes: list[Axes], names: list[str]) -> None:
    """Say which line is which module: a legend for a few, a scale of colours for many."""
    if len(names) <= _NAMED:
        axes[0].legend()
        return
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    scale = LinearSegmentedColormap.from_list("depth", depth_colors(256))
    bar = color_bar(ScalarMappable(Normalize(0, len(names) - 1), scale), axes[-1], "place of the module")
    bar.set_ticks([0, len(names) - 1], labels=[names[0].split(" ")[0] + " input", names[-1].split(" ")[0] + " output"])


def _draw_sizes(axis: Axes, watched: Any, kind: str, epoch: int) -> None:
    counts = watched.magnitudes(kind)[epoch - 1]  # (modules, bins), the first bin for zeros
    total = counts.sum(axis=1, keepdims=True)
    share = np.where(total > 0, counts / np.maximum(total, 1), np.nan).T
    edges, zeros = watched.edges, bool(counts[:, 0].any())
    seen = np.flatnonzero(counts[:, 1:].any(axis=0)) + 1
    low, high = (int(seen.min()), int(seen.max()) + 1) if len(seen) else (1, 2)
    shown = np.vstack([share[:1], share[low:high]]) if zeros else share[low:high]
    # A row for zeros lies directly below the smallest size that occurs.
    rows = np.concatenate([[edges[low - 1] - 0.5] if zeros else [], edges[low - 1 : high]])
    count = len(watched.names)
    image = axis.pcolormesh(np.arange(count + 1) - 0.5, rows, shown, cmap="cividis", vmin=0)
    color_bar(image, axis, "share of the values")
    axis.grid(False)
    step = max(1, -(-count // 8))
    axis.set_xticks(range(0, count, step), [name.split(" ")[0] for name in watched.names[::step]])
    spread = max(1, int(edges[high - 1] - edges[low - 1]) // 5)
    powers = [float(p) for p in range(int(np.ceil(edges[low - 1])), int(edges[high - 1]) + 1, spread)]
    names = [f"$10^{{{p:.0f}}}$" for p in powers]
    if zeros:
        powers, names = [float(rows[0]) + 0.25, *powers], ["0", *names]
    axis.set_yticks(powers, names)
    axis.set(xlabel="module, from input to output", ylabel=f"size of {kind}s")
