"""Films: a frontier, redrawn while the network learns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from modnet.inputs import real, short_repr, whole
from modnet.plotting.annotations import Axes, Figure, Path
from modnet.plotting.figures import drawing
from modnet.plotting.frontiers import frontier
from modnet.training import fit

if TYPE_CHECKING:
    from modnet.loss import Loss
    from modnet.optim.optimizer import Optimizer
    from modnet.training import Training


class Film:
    """A film of a figure that you redraw: a moving GIF.

    Parameters
    ----------
    figure : Figure
        As `subplots` makes it, or any of matplotlib's.
    path : path
        The file, ending in .gif.
    seconds : float
        How long the film runs before it starts again. It pauses on its last frame for a second and a half.

    Example
    -------
    >>> from modnet.plotting import Film, subplots
    >>> figure, ax = subplots(size=(2, 2))
    >>> film = Film(figure, "line.gif", seconds=1.0)
    >>> for height in range(5):
    ...     _ = ax.plot([0, 1], [0, height])
    ...     film.add()
    >>> film.save()
    """

    def __init__(self, figure: Figure, path: Path, seconds: float = 8.0) -> None:
        self.figure, self.path = figure, path
        self.seconds = real(seconds, "Film", "seconds", "a positive number", lambda v: v > 0)
        if not isinstance(path, str | os.PathLike) or os.path.splitext(path)[1].lower() != ".gif":
            raise ValueError(f"Film: path is {short_repr(path)}, expected a file ending in .gif")
        self._frames: list[Any] = []

    def add(self) -> None:
        """Take the figure as it is now for the next frame."""
        from PIL import Image

        buffer = BytesIO()
        self.figure.savefig(buffer, format="png", dpi=100)
        self._frames.append(Image.open(buffer).convert("RGB"))

    def save(self) -> None:
        """Write the file. ValueError if there are no frames."""
        from PIL import Image

        frames = self._frames
        if not frames:
            raise ValueError("Film: there are no frames, expected add() once for each")
        duration = [max(20, round(1000 * self.seconds / len(frames)))] * (len(frames) - 1) + [1500]
        # One palette for all frames: colours must not flicker.
        palette = frames[-1].quantize(128)
        drawn = [frame.quantize(128, palette=palette, dither=Image.Dither.NONE) for frame in frames]
        drawn[0].save(self.path, save_all=True, append_images=drawn[1:], duration=duration, loop=0)


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
    ax: Axes | None = None,
    title: str | None = None,
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
    ax : Axes, optional
        Axes to draw in instead of a new figure; a frame is the whole of their figure.
    title : str, optional
        What stands above each frame, before the epoch.
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
    if not isinstance(path, str | os.PathLike) or os.path.splitext(path)[1].lower() != ".gif":
        raise ValueError(f"animate_frontier: path is {short_repr(path)}, expected a file ending in .gif")
    given = options.pop("callbacks", ())
    before = f"{title}, " if title else ""
    with drawing(ax, None, (5.2, 4.6)) as (figure, axes):
        film = Film(figure, path, seconds)

        def draw(epoch: int) -> None:
            axes[0].clear()
            frontier(
                net, X, y, ax=axes[0], class_names=class_names, feature_names=feature_names, resolution=140,
                title=f"{before}epoch {epoch} of {epochs}",
            )  # fmt: skip
            film.add()

        def watch(training: Training) -> None:
            if training.epoch % every == 0 or training.epoch == epochs:
                draw(training.epoch)

        draw(0)
        fit(net, X, y, loss=loss, optimizer=optimizer, epochs=epochs, callbacks=[*given, watch], **options)
        film.save()
    return figure
