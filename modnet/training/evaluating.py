"""evaluate: the loss and metrics of a network on some examples; and the figures of validation and metrics that fit keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet import hints
from modnet.inputs import whole
from modnet.loss import counts_hits, require_loss
from modnet.metrics import Metrics
from modnet.module import require_net
from modnet.training.data import Data, Source
from modnet.training.intake import Intake
from modnet.training.predicting import predict
from modnet.training.sources import Augmented

_SIZE = 1024  # examples at once


@hints.explained(hints.PREDICT)
def evaluate(
    net: Any,
    X: Any,
    y: Any,
    *,
    loss: Any,
    metrics: Sequence[Any] = (),
    batch_size: int | None = None,
    sample_weight: Any = None,
) -> dict[str, float]:
    """The loss and other figures of a network on some examples, in evaluation mode.

    Parameters
    ----------
    net : a module. X : (n, ...); memory-mapped, it is read a block at a time. y : (n, ...), what the loss takes.
    loss : the mean of weight * loss is the first figure.
    metrics : names, such as "accuracy", "r2", "mae", "f1_macro", "roc_auc", or functions ``f(y, yhat) -> float``, such as
        those of `sklearn.metrics`. See `modnet.metrics` for what yhat is.
    batch_size : examples at once; None lets the library choose.
    sample_weight : (n,), or one for each position, not negative.

    Returns
    -------
    figures : a dict of floats, "loss" first, then the metrics by name.

    Raises
    ------
    ValueError, TypeError : if something given does not fit.

    Example
    -------
    >>> from modnet import MSE, Linear
    >>> net = Linear(1, 1, rng=0)
    >>> net.parameters[:] = [2, 0]
    >>> evaluate(net, [[1.0], [2.0]], [[2.0], [5.0]], loss=MSE(), metrics=["mae"])
    {'loss': 0.5, 'mae': 0.5}
    """
    require_net(net, "evaluate")
    require_loss(loss, "evaluate")
    wanted = Metrics(metrics, loss, "evaluate")
    size = _SIZE if batch_size is None else whole(batch_size, "evaluate", "batch_size")
    intake = Intake(net, loss, size)
    data = intake.take("evaluate", X, y, sample_weight)
    intake.prepare(data, data.n or 0, training=False)
    answers, yhat = answers_of(net, data, size)
    return {"loss": sums_of(loss, answers, yhat)[0] / answers.n, **wanted.of(answers, yhat)}


def answers_of(net: Any, source: Source, size: int) -> tuple[Data, np.ndarray]:
    """The examples of a source, without their inputs unless they are in memory, and what the network gives for them."""
    if isinstance(source, Data):
        return source, predict(net, source.X, size)
    found, outputs = [], []
    for data in source.blocks(size):
        outputs.append(predict(net, data.X, size))
        data.X = np.empty(0)  # the others stay
        found.append(data)
    joined = found[0]
    joined.y, joined.n = np.concatenate([part.y for part in found]), sum(part.n for part in found)
    joined.weights = np.concatenate([part.weights for part in found])
    joined.counts = np.concatenate([np.full(p.n, p.positions) if p.counts is None else p.counts for p in found])
    return joined, np.concatenate(outputs)


def judged(loss: Any, data: Data, rows: np.ndarray | slice, yhat: Any) -> tuple[float, float, Any]:
    """What a loss says of some examples of a block, from what the network gives for them.

    Returns
    -------
    total : the sum of weighted losses. hits : the sum of hits, of those that have a weight; 0 if the loss has none.
    delta : the derivative of each loss, with a row for each position; None unless the loss makes all in one pass.
    """
    y, predicted, weights = data.by_position(data.y[rows]), data.by_position(yhat), data.weights_of(rows)
    right = delta = None
    if getattr(type(loss), "in_one_pass", None) is not None:
        losses, right, delta = loss.at_once(y, predicted)
    else:
        losses = loss.forward(y, predicted)
        right = loss.hits(y, predicted) if counts_hits(loss) else None
    if np.shape(losses) != (len(y),):
        name = type(loss).__name__
        raise ValueError(f"{name}: forward returned shape {np.shape(losses)}, expected ({len(y)},), the loss of each example")
    with np.errstate(all="ignore"):
        total = float(np.add.reduce(losses * weights if weights.size else losses, dtype=np.float64))
    return total, 0.0 if right is None else float(np.add.reduce(right[weights > 0] if weights.size else right)), delta


def sums_of(loss: Any, data: Data, yhat: np.ndarray) -> tuple[float, float]:
    """The sum of weighted losses over all examples, and that of hits."""
    step = max(1, _SIZE // data.positions)
    parts = [slice(at, at + step) for at in range(0, data.n, step)]
    found = [judged(loss, data, rows, yhat[rows]) for rows in parts]
    return sum(total for total, _, _ in found), sum(hits for _, hits, _ in found)


class Measured:
    """Metrics that are taken after each epoch of a training: over its examples, and over those kept for validation.

    Parameters
    ----------
    metrics : `Metrics`. data, held_out : the examples. size : of a batch.
    """

    def __init__(self, metrics: Metrics, net: Any, data: Source, held_out: Source | None, size: int) -> None:
        self.metrics, self.net, self.size = metrics, net, size
        self.data = data.source if isinstance(data, Augmented) else data
        self.held_out = held_out
        if self.data.n is None and held_out is None:
            raise ValueError(
                "fit: metrics of batches that come from an iterable are taken over the validation examples; pass "
                "validation=(X, y)"
            )

    def figures(self) -> dict[str, float]:
        """Their values now, by name; "validation_" comes before the names of those over the validation examples."""
        found = {}
        if self.data.n is not None:
            found = self.metrics.of(*answers_of(self.net, self.data, self.size))
        if self.held_out is not None:
            kept = self.metrics.of(*answers_of(self.net, self.held_out, self.size))
            found |= {f"validation_{name}": value for name, value in kept.items()}
        return found
