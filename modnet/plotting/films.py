"""Films: a frontier, redrawn while the network learns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from modnet.inputs import real, whole
from modnet.plotting.figures import Path, discarded_on_error, new_figure
from modnet.plotting.frontiers import frontier
from modnet.training import fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from modnet.loss import Loss
    from modnet.optim.optimizer import Optimizer
    from modnet.training import Training


def animate_frontier(
    net: Any,
    X: Any,
    y: Any,
    path: Path,
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int = 100,
    every: int = 2,
    seconds: float = 8.0,
    class_names: Sequence[str] | None = None,
    feature_names: Sequence[str] | None = None,
    **options: Any,
) -> Figure:
    """Train a network with `fit` and save its frontier, redrawn while it learns, as a moving GIF.

    Parameters
    ----------
    net, X, y, class_names, feature_names : as in `frontier`
    path : path
        The file, ending in .gif.
    loss, optimizer, epochs : as in `fit`
    every : int
        Epochs between frames. The first frame is the network before training.
    seconds : float
        How long the film runs before it starts again. It pauses on its last frame for a second and a half.
    **options
        For `fit`: batch_size, rng, ...

    Returns
    -------
    Figure
        The last frame.

    Raises
    ------
    TypeError, ValueError
        For a setting of the film, before training; and what `fit` and `frontier` raise.
    """
    whole(every, "animate_frontier", "every")
    real(seconds, "animate_frontier", "seconds", "a positive number", lambda v: v > 0)
    if os.path.splitext(path)[1].lower() != ".gif":
        raise ValueError(f"animate_frontier: path is {os.fspath(path)!r}, expected a file ending in .gif")
    from PIL import Image

    figure, (ax,) = new_figure((5.2, 4.6))
    frames: list[Any] = []

    def draw(epoch: int) -> None:
        ax.clear()
        frontier(net, X, y, ax=ax, class_names=class_names, feature_names=feature_names, resolution=140)
        ax.set_title(f"epoch {epoch} of {epochs}", loc="left", pad=24)
        frames.append(_frame(figure))

    def watch(training: Training) -> None:
        if training.epoch % every == 0 or training.epoch == epochs:
            draw(training.epoch)

    given = options.pop("callbacks", ())
    with discarded_on_error(figure):
        draw(0)
        fit(net, X, y, loss=loss, optimizer=optimizer, epochs=epochs, callbacks=[*given, watch], **options)
    duration = [max(20, round(1000 * seconds / len(frames)))] * (len(frames) - 1) + [1500]
    # One palette for all frames: colours must not flicker.
    palette = frames[-1].quantize(128)
    drawn = [frame.quantize(128, palette=palette, dither=Image.Dither.NONE) for frame in frames]
    drawn[0].save(path, save_all=True, append_images=drawn[1:], duration=duration, loop=0)
    return figure


def _frame(figure: Figure) -> Any:
    """The figure as it is now, as a picture of Pillow's."""
    from PIL import Image

    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return Image.open(buffer).convert("RGB")
