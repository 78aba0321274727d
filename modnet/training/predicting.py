"""predict: using a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet import hints
from modnet.engine import run
from modnet.engine.foreign import Foreign
from modnet.engine.modes import in_evaluation
from modnet.engine.program import is_ours, is_wired
from modnet.inputs import as_batch, as_numbers, whole
from modnet.module import require_net
from modnet.training.data import element_type, is_mapped


@hints.explained(hints.PREDICT)
def predict(net: Any, X: Any, batch_size: int | None = None) -> np.ndarray:
    """The network's output in evaluation mode, in batches. May be called from many threads, also while another one trains.

    One thing is shared: a class of your own that has a mode keeps it in itself. It is in evaluation while one predicts with it,
    and a `fit` of it in another thread takes the steps of that time so; give one of them a `copy.deepcopy`.

    Parameters
    ----------
    net : a module. X : (n, ...). A memory-mapped array is read a batch at a time.
    batch_size : examples at once; None lets the library choose.

    Returns
    -------
    out : (n, ...). The network's mode is as before.
    """
    wired = is_wired(net)
    if wired and _is_one_batch(X, batch_size):
        done = run.attempt_forward(net.__dict__, X, training=False)
        if done is not None:
            return done
    require_net(net, "predict")
    raw = as_numbers(X, "predict", "X")
    size = 1024 if batch_size is None else whole(batch_size, "predict", "batch_size")
    if is_mapped(raw) and len(raw) > size:
        return np.concatenate([predict(net, np.array(raw[i : i + size]), size) for i in range(0, len(raw), size)])
    x = as_batch(raw, element_type(net), "predict", "X")
    if wired or is_ours(net):
        try:
            program = run.program_for(net, x, size)
        except run.Converted:
            return predict(net, X, batch_size)
        if wired:
            net._recent = program  # for the first lines of the next call
        matrix = x.reshape(len(x), -1)
        if program.checks:
            run.refuse(program, matrix, len(x), training=False)
        if len(x) <= size:
            out = run.predict(program, matrix)
        else:
            out = np.empty((len(x), program.features), program.dtype)
            for at in range(0, len(x), size):
                run.predict(program, matrix[at : at + size], out[at : at + size])
        return out.reshape(len(x), *program.output.shape)
    with in_evaluation.of([net]):
        parts = [x[i : i + size] for i in range(0, len(x), size)]
        return np.concatenate([Foreign(net).result(net.forward(part), len(part), "forward") for part in parts])


def _is_one_batch(X: Any, size: Any) -> bool:
    """Whether all of X is to be computed at once, as far as that can be told without looking further."""
    return size is None or (type(size) is int and type(X) is np.ndarray and X.ndim > 0 and len(X) <= size)
