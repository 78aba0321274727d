"""Restarts: the same network trained from several initial weights, because where it ends depends on where it begins.

The loss of a network with hidden units is not convex. Dozens of restarts are normal for a small one, and how far apart the
results are says how much to trust any single one of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from modnet.inputs import generator, whole
from modnet.loss import Loss
from modnet.optim.optimizer import Optimizer, as_optimizer
from modnet.training import History, TrainingWarning, evaluate, fit
from modnet.warning import warn


class Restarts:
    """What `restart` found; printed, it reports the spread.

    Attributes
    ----------
    net : the network with the lowest score. history : that of its training.
    scores : (n,), the loss that each network ended with: of validation if there is one, else over the training examples.
        Infinite if the training diverged.
    best : which of them is the lowest.
    histories : those of all trainings.
    """

    def __init__(self, net: Any, scores: np.ndarray, histories: list[History]) -> None:
        self.net, self.scores, self.histories = net, scores, histories
        self.best = int(np.argmin(scores))

    @property
    def history(self) -> History:
        """The history of the best training."""
        return self.histories[self.best]

    def __len__(self) -> int:
        return len(self.scores)

    def __str__(self) -> str:
        finite = self.scores[np.isfinite(self.scores)]
        lost = len(self) - len(finite)
        note = f"; {lost} diverged" if lost else ""
        if not len(finite):
            return f"{len(self)} restarts: all diverged"
        low, median, high = np.min(finite), np.median(finite), np.max(finite)
        spread = np.std(finite)
        return (
            f"{len(self)} restarts: best {low:.4g} (number {self.best + 1}), median {median:.4g}, worst {high:.4g}, "
            f"standard deviation {spread:.2g}{note}"
        )

    def __repr__(self) -> str:
        return f"Restarts({self})"


def restart(
    build: Callable[[np.random.Generator], Any],
    X: Any,
    y: Any,
    n: int = 10,
    *,
    loss: Loss,
    optimizer: Optimizer,
    rng: int | np.random.Generator | None = None,
    jobs: int | None = None,
    **options: Any,
) -> Restarts:
    """Train n networks that differ in their initial weights, in parallel processes, and keep the best.

    Parameters
    ----------
    build : a function of a numpy Generator that makes the network and draws its weights from it::

            def build(rng):
                return Sequential(Linear(2, 2, rng=rng), Tanh(), Linear(2, 1, rng=rng))

    X, y : as in `fit`.
    n : how many.
    loss, optimizer : as in `fit`. Each training has a copy of the optimizer, at its first step.
    rng : int, numpy.random.Generator or None. The same seed gives the same networks, whatever `jobs` is.
    jobs : how many processes; None for one on each core, 1 for none but this one.
    options : those of `fit`, such as epochs, batch_size, validation or patience.

    Returns
    -------
    found : `Restarts`, with `net`, `history`, `scores`; ``print`` shows the spread.

    Warns
    -----
    TrainingWarning : if every training diverged, or Ctrl-C ended them in this process; the networks so far are compared.

    Example
    -------
    >>> from modnet import MSE, Linear, Sequential, Tanh
    >>> from modnet.optim import Rprop
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    >>> def build(rng):
    ...     return Sequential(Linear(2, 2, rng=rng), Tanh(), Linear(2, 1, rng=rng))
    >>> found = restart(build, X, y, 8, loss=MSE(), optimizer=Rprop(), rng=0, jobs=1, epochs=300, batch_size=None)
    >>> bool(found.scores.min() < 0.01 < 0.1 < found.scores.max())
    True
    """
    if not callable(build) or hasattr(build, "forward"):
        came = type(build).__name__ if hasattr(build, "forward") else repr(build)
        raise TypeError(f"restart: build is {came}, expected a function that takes a generator and makes a network")
    whole(n, "restart", "n")
    if jobs is not None:
        whole(jobs, "restart", "jobs")
    if "callbacks" in options and jobs != 1:
        raise ValueError("restart: callbacks cannot be used in several processes, expected jobs=1 with them")
    job = {"loss": loss, "optimizer": as_optimizer(optimizer), "progress": False, **options}
    seeds = generator(rng, "restart").integers(2**63, size=n)
    if jobs == 1 or n == 1:
        done = []
        for seed in seeds:
            done.append(_train(build, X, y, int(seed), job))
            if done[-1][2].stopped_because.startswith("interrupted"):
                warn(f"restart: interrupted in training {len(done)} of {n}", TrainingWarning)
                break
    else:
        from joblib import Parallel, delayed

        work = (delayed(_train)(build, X, y, int(seed), job) for seed in seeds)
        done = Parallel(n_jobs=-1 if jobs is None else min(jobs, n))(work)
    scores = np.array([score for _, score, _ in done])
    if not np.isfinite(scores).any():
        warn("restart: every training diverged; try a smaller lr", TrainingWarning)
    return Restarts(done[int(np.argmin(scores))][0], scores, [history for _, _, history in done])


def _train(build: Any, X: Any, y: Any, seed: int, options: dict[str, Any]) -> tuple[Any, float, History]:
    rng = np.random.default_rng(seed)
    net = build(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrainingWarning)  # the scores say it
        history = fit(net, X, y, **{**options, "optimizer": options["optimizer"].fresh(), "rng": rng})
    if history.stopped_because.startswith("diverged"):
        return net, np.inf, history
    if history.validation_loss:
        at = -1 if history.best_epoch is None else history.best_epoch - 1
        return net, history.validation_loss[at], history
    score = evaluate(net, X, y, loss=options["loss"], sample_weight=options.get("sample_weight"))["loss"]
    return net, score if np.isfinite(score) else np.inf, history


__all__ = ["Restarts", "restart"]
