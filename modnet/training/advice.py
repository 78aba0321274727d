"""What `fit` says in one line, without experiments: what is certain before the first step, and what the end shows.

Everything else needs a trial: `modnet.check.check_training` changes one thing and trains again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.engine.storage import leaves
from modnet.inputs import short_repr
from modnet.loss import ClassLoss, Loss
from modnet.losses import BCE, MAE, MSE, NLL, BCEWithLogits, CrossEntropy, Huber, KLDivergence
from modnet.modules import (
    Dropout,
    Flatten,
    GaussianNoise,
    Identity,
    LogSoftmax,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
    Transpose,
)
from modnet.training.data import Data, Source
from modnet.training.predicting import predict
from modnet.training.training import Training, TrainingWarning
from modnet.warning import warn

_LOOKED_AT = 256  # examples
_LARGE, _FAR = 1e4, 1e2  # targets, inputs, that explain why a loss became infinite
_GIVES: dict[type, tuple[float, float]] = {
    Sigmoid: (0.0, 1.0), Softmax: (0.0, 1.0), Tanh: (-1.0, 1.0), ReLU: (0.0, np.inf), Softplus: (0.0, np.inf),
}  # fmt: skip
#: Modules that leave numbers as they are: the activation that a network ends with may stand before them.
PASSIVE = (Identity, Flatten, Reshape, Transpose, Dropout, GaussianNoise)
_WHY = "modnet.check.check_training(net, loss, optimizer, X, y, ...), with the untrained network, says why"


def before(net: Any, loss: Any, data: Source) -> list[str]:
    """What is certainly wrong before the first step.

    Returns
    -------
    notes : in words; each was a `TrainingWarning`, too.

    Raises
    ------
    ValueError : if the network gives what the loss does not take, such as scores where probabilities are expected.
    """
    notes = [_twice(net, loss)]
    if isinstance(data, Data):
        if getattr(type(loss), "check_prediction", Loss.check_prediction) is not Loss.check_prediction:
            loss.check_prediction(np.asarray(predict(net, data.X[:_LOOKED_AT])))
        notes += [_one_class(loss, data), _no_logarithms(net, loss, data), _no_probabilities(loss, data)]
        notes.append(_out_of_reach(net, loss, data))
    notes = [note for note in notes if note]
    for note in notes:
        warn(f"fit: {note}", TrainingWarning)
    return notes


def see_order(who: str, X: Any, y: Any) -> None:
    """Warn of frames whose index says that their rows are in different orders."""
    ours: Any = getattr(X, "index", None)
    theirs: Any = getattr(y, "index", None)
    if not (hasattr(ours, "equals") and hasattr(theirs, "equals")) or ours.equals(theirs):  # a list has an index, too
        return
    if ours.is_unique and theirs.is_unique and len(ours) == len(theirs) and ours.isin(theirs).all():
        warn(
            f"{who}: X and y have the same index in different orders, and row goes with row, whatever the index: if it says "
            "what belongs together, give y.loc[X.index]; if the rows do, y.set_axis(X.index)",
            TrainingWarning,
        )


def end_of(net: Any) -> Any:
    """The last module that changes numbers; None if the network can't be looked into."""
    return next((leaf for leaf in reversed(leaves(net)) if not isinstance(leaf, PASSIVE)), None)


def _twice(net: Any, loss: Any) -> str:
    end = end_of(net)
    if isinstance(end, Softmax | Sigmoid) and isinstance(loss, CrossEntropy | BCEWithLogits):
        part, other = ("softmax", "NLL() after LogSoftmax()") if isinstance(loss, CrossEntropy) else ("sigmoid", "BCE()")
        return (
            f"the network ends with {end}, and {loss} contains the {part}: leave it out of the network, or take {other}; "
            "with both, scores hardly differ and training is slow"
        )
    return ""


def _one_class(loss: Any, data: Data) -> str:
    if data.n < 10 or not isinstance(loss, ClassLoss | BCE | BCEWithLogits) or data.y.dtype.kind not in "iubf":
        return ""
    rows = data.y.reshape(data.n, -1)
    if (rows == rows[0]).all():
        return f"all {data.n} targets are {data.y[0].tolist()}: there is one class only, and nothing to tell apart"
    return ""


def _no_logarithms(net: Any, loss: Any, data: Data) -> str:
    """NLL of scores falls without end, and of probabilities it is another loss, the CELoss of the handout."""
    if type(loss) is not NLL or isinstance(end_of(net), LogSoftmax):
        return ""
    highest = float(np.max(predict(net, data.X[:_LOOKED_AT])))
    if not highest > 1e-3:
        return ""
    return (
        f"{loss} takes log-probabilities, of which none is above 0, and the network gives {highest:.3g}: end it with "
        "LogSoftmax(), or take CrossEntropy() and end it with scores"
    )


def _no_probabilities(loss: Any, data: Data) -> str:
    """Rows of y with another sum than 1: several labels for an example, or -1 and 1."""
    if not isinstance(loss, CrossEntropy | NLL) or data.z is None or data.z.record["labels"][0]:
        return ""
    rows = data.y.reshape(-1, data.z.record["classes"][0])
    if rows.shape[1] == 1:
        return f"the network has one output, and {loss} wants one for each class: give it as many, or take BCEWithLogits()"
    wrong = rows[(np.abs(rows.sum(axis=1) - 1) > 1e-3) & rows.any(axis=1) | (rows.min(axis=1) < 0)]
    if not len(wrong):
        return ""
    return (
        f"y has rows such as {short_repr(wrong[0].tolist())}, and {loss} takes rows of probabilities, with the sum 1: of "
        "classes that exclude each other; if an example may have several labels, take BCEWithLogits()"
    )


def _out_of_reach(net: Any, loss: Any, data: Data) -> str:
    """Targets that the activation at the end cannot give: a tenth of them by more than a tenth of their range."""
    end, y = end_of(net), np.asarray(data.y)
    if not isinstance(loss, MSE | MAE | Huber | BCE) or type(end) not in _GIVES or y.dtype.kind != "f":
        return ""
    if isinstance(end, Softmax) and y.shape[1:] == (1,):
        return f"the network ends with {end} over one number, which is always 1: end it with Sigmoid()"
    low, high = _GIVES[type(end)]
    if np.mean(np.maximum(low - y, y - high) > 0.1 * np.ptp(y)) <= 0.1:
        return ""
    gives = f"numbers from {low:g} to {high:g}" if high < np.inf else f"no number below {low:g}"
    return (
        f"the network ends with {end}, which gives {gives}, and the targets y reach from {y.min():.4g} to {y.max():.4g}: leave "
        "it out, or scale y into that range"
    )


def after(training: Training, data: Source, diverged: bool, kept: bool, moved: bool) -> None:
    """Warn of how a training ended, with advice that fits the cause, and note it in the history.

    Parameters
    ----------
    kept : whether the best parameters were put back. moved : whether the rate was above 0 in any step.
    """
    history = training.history
    if history.stopped_because.startswith(("interrupted", "diverged")):
        state = "the best parameters are back" if kept else "the network has its last finite parameters"
        advice = f"; {_of_divergence(training, data)}" if diverged else ""
        if diverged:
            history.notes.append(_of_divergence(training, data))
        warn(f"fit: {history.stopped_because}; {state}{advice}", TrainingWarning)
        return
    note = ""
    if history.epochs and not moved:
        note = (
            f"the learning rate was 0 in all {training.step} steps, so nothing was learned; the schedule of "
            f"{training.optimizer} has ended: attach the optimizer again, or set its lr"
        )
    elif _has_not_fallen(training, data):
        note = (
            f"the loss did not fall: {history.loss[0]:.4g} in the first epoch, {history.loss[-1]:.4g} in the last of "
            f"{history.epochs}, no better than always giving the same answer; {_of_scale(data, _FAR)}{_WHY}"
        )
    elif (constant := _always_the_same(training, data)) and history.loss[-1] > 0.99 * constant:
        note = (
            f"the loss ended at {history.loss[-1]:.4g} after {history.epochs} epochs, no better than always giving the same "
            f"answer, which has {constant:.4g}; {_of_scale(data, _FAR)}{_WHY}"
        )
    if note:
        history.notes.append(note)
        warn(f"fit: {note}", TrainingWarning)


def _of_divergence(training: Training, data: Source) -> str:
    """The cause that can be read, else the rate."""
    if isinstance(training.loss, BCE | KLDivergence) and not isinstance(end_of(training.net), Sigmoid | Softmax):
        return probabilities_expected(training.loss)
    return _of_scale(data, _LARGE).removesuffix("; ") or "try a smaller lr, or inputs scaled to about -1 to 1"


def _of_scale(data: Source, large: float) -> str:
    """What to do with targets of this size and more, and with large inputs; empty for others, else it ends with a semicolon."""
    said = ""
    if isinstance(data, Data):
        for array, name, far in ((np.asarray(data.y), "targets y", large), (data.X, "inputs X", _FAR)):
            largest, short = float(np.abs(array).max()) if array.dtype.kind == "f" else 0.0, name[-1]
            if largest >= far:
                scaled = f"{short} = ({short} - {short}.mean(axis=0)) / {short}.std(axis=0)"
                said += f"the {name} reach {largest:.3g}: scale them, {scaled}; "
    return said


def probabilities_expected(loss: Any) -> str:
    """What to do where a loss of probabilities gets scores."""
    if isinstance(loss, BCE):
        return f"{loss} takes probabilities: end the network with Sigmoid(), or take BCEWithLogits(), which takes scores"
    return f"{loss} takes probabilities: end the network with Softmax()"


def _is_long(training: Training) -> bool:
    """Whether there was time to learn. A training that a callback has ended is left to the callback."""
    history = training.history
    return history.stopped_because.startswith(("all ", "no lower")) and history.epochs >= 10 and training.step >= 100


def _has_not_fallen(training: Training, data: Source) -> bool:
    """Whether the loss is where it was after many steps, and no better than that of a constant answer."""
    history = training.history
    if not isinstance(data, Data) or not _is_long(training):
        return False
    if history.loss[-1] < history.loss[0] - 0.01 * abs(history.loss[0]):
        return False
    y = np.asarray(data.y)
    if "accuracy" in history.metrics:
        if isinstance(training.loss, ClassLoss) and y.ndim > 1 and y.dtype.kind == "f":
            y = y.argmax(axis=-1)
        _, counts = np.unique(y.reshape(len(y), -1), axis=0, return_counts=True)
        return len(counts) > 1 and max(history.metrics["accuracy"][-3:]) <= counts.max() / len(y) + 0.02
    constant = _of_the_mean(training.loss, y)
    return constant > 0 and history.loss[-1] > 0.98 * constant


def _always_the_same(training: Training, data: Source) -> float:
    """The loss of the best answer that is the same for every example; 0 if it is not known, or the training was short."""
    loss = training.loss
    if not isinstance(data, Data) or not _is_long(training) or data.weights.size:
        return 0.0
    y = np.asarray(data.y)
    if isinstance(loss, CrossEntropy | NLL) and y.ndim == 1 and y.dtype.kind in "iu" and y.min() >= 0:
        counts = np.bincount(y)  # labels are below the number of classes
        shares = counts[counts > 0] / len(y)
        return float(-np.sum(shares * np.log(shares)))
    return _of_the_mean(loss, y) if isinstance(loss, MSE | BCE) else 0.0


def _of_the_mean(loss: Any, y: np.ndarray) -> float:
    """The loss of always predicting the mean; 0 if it can't be had, or there is only one target."""
    if y.dtype.kind != "f" or not np.ptp(y):
        return 0.0
    try:
        return float(np.mean(loss.forward(y, np.broadcast_to(y.mean(axis=0), y.shape).copy())))
    except (ValueError, TypeError):
        return 0.0
