"""evaluate: the loss and metrics of a network on some examples; and the metrics that fit keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modnet import hints
from modnet.inputs import whole
from modnet.loss import require_loss
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
    answers, yhat = _answers(net, data, size)
    total, in_one_pass = 0.0, getattr(type(loss), "in_one_pass", None) is not None  # the kernel that a training has, too
    step = max(1, _SIZE // answers.positions)
    for at in range(0, answers.n, step):
        rows = np.arange(at, min(at + step, answers.n))
        given = answers.by_position(answers.y[rows]), answers.by_position(yhat[rows])
        losses = np.asarray(loss.at_once(*given)[0] if in_one_pass else loss.forward(*given))
        weights = answers.weights_of(rows)
        total += float(np.sum(losses * weights if weights.size else losses, dtype=np.float64))
    return {"loss": total / answers.n, **wanted.of(answers, yhat)}


def _answers(net: Any, source: Source, size: int) -> tuple[Data, np.ndarray]:
    """The examples of a source, without their inputs unless they are in memory, and what the network gives for them."""
    if isinstance(source, Data):
        return source, predict(net, source.X, size)
    found, outputs = [], []
    for data, rows, _ in source.all_chunks(size):
        outputs.append(predict(net, data.X[rows], size))
        data.X = np.empty(0)  # the others stay
        found.append(data)
    joined = found[0]
    joined.y, joined.n = np.concatenate([part.y for part in found]), sum(part.n for part in found)
    joined.weights = np.concatenate([part.weights for part in found])
    return joined, np.concatenate(outputs)


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
            found = self.metrics.of(*_answers(self.net, self.data, self.size))
        if self.held_out is not None:
            kept = self.metrics.of(*_answers(self.net, self.held_out, self.size))
            found |= {f"validation_{name}": value for name, value in kept.items()}
        return found
