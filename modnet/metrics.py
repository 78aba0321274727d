"""Metrics: figures of how good predictions are, beside the loss.

A metric is a name or a function ``f(y, yhat) -> float``. What yhat is follows from the name of the function's second
argument, as in scikit-learn's functions:

    y_pred              predictions in the form of y: for classes the labels, from the loss's `decoded`
    y_proba             probabilities, from the loss's `probabilities`
    y_score             scores: of two classes how much larger the second one's is, of more classes probabilities
    anything else       what the network gives

Labels of sequences are laid one after the other. What has weight 0, or a label that the loss ignores, is left out; a function
with an argument sample_weight is given the weights of the others.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from modnet.hints import METRICS
from modnet.inputs import short_repr
from modnet.loss import counts_hits

Metric = Callable[..., float]

#: Functions of `sklearn.metrics` by short names. Their own names are metrics, too: "f1_score", "f1" or, averaged, "f1_macro".
SHORT = {
    "accuracy": "accuracy_score", "balanced_accuracy": "balanced_accuracy_score", "r2": "r2_score",
    "mae": "mean_absolute_error", "mse": "mean_squared_error", "rmse": "root_mean_squared_error",
    "max_error": "max_error", "mape": "mean_absolute_percentage_error", "log_loss": "log_loss",
}  # fmt: skip


class Metrics:
    """Some metrics of one loss.

    Parameters
    ----------
    metrics : names and functions. loss : says what predictions mean. who : for the error.

    Raises
    ------
    TypeError, ValueError : if one of them is no metric.
    """

    def __init__(self, metrics: Sequence[Any], loss: Any, who: str) -> None:
        if isinstance(metrics, str) or not isinstance(metrics, Sequence):
            came = short_repr(metrics)
            raise TypeError(f"{who}: metrics is {came}, expected a list of names and functions, such as ['accuracy']")
        self.loss, self.who = loss, who
        self.by_name: dict[str, Metric] = {}
        for metric in metrics:
            name = metric if isinstance(metric, str) else _name_of(metric)
            if not isinstance(metric, str) and (isinstance(metric, type) or not callable(metric)):
                raise TypeError(f"{who}: a metric is {short_repr(metric)}, expected a name or a function (y, yhat) -> float")
            if name in self.by_name:
                raise ValueError(f"{who}: metrics has {name!r} twice, expected each once")
            self.by_name[name] = metric if callable(metric) else _named(metric, who)

    def __len__(self) -> int:
        return len(self.by_name)

    def of(self, data: Any, yhat: np.ndarray) -> dict[str, float]:
        """Their values.

        Parameters
        ----------
        data : `Data`, prepared. yhat : what the network gives for it.
        """
        if not self.by_name:
            return {}
        y, yhat, weight = _laid_out(data, np.asarray(yhat), self.loss)
        forms: dict[str, Any] = {}
        return {name: self._value(name, function, y, yhat, weight, forms) for name, function in self.by_name.items()}

    def _value(self, name: str, function: Metric, y: Any, yhat: Any, weight: Any, forms: dict[str, Any]) -> float:
        wanted, takes_weight = _reads(function)
        if wanted not in forms:
            forms[wanted] = self._form(wanted, yhat)
        truth = _as_labels(y, yhat, self.loss) if wanted != "yhat" else y
        weights = {"sample_weight": weight} if takes_weight and weight is not None else {}
        try:
            found = function(truth, forms[wanted], **weights)
        except ValueError as error:
            advice = ""
            if "continuous" in str(error):
                advice = "; metrics of numbers are r2, mae, mse"
            elif "multi_class must" in str(error):
                advice = f"; for more than two classes write {name}_ovr or {name}_ovo"
            elif "average='binary'" in str(error):
                advice = f"; write {name}_macro, {name}_micro or {name}_weighted"
            raise ValueError(f"{self.who}: the metric {name}: {error}{advice}") from error
        try:
            return float(found)
        except (TypeError, ValueError):
            raise TypeError(f"{self.who}: the metric {name} returned {short_repr(found)}, expected a number") from None

    def _form(self, wanted: str, yhat: np.ndarray) -> np.ndarray:
        found = yhat
        if wanted == "y_pred" and hasattr(self.loss, "decoded"):
            found = self.loss.decoded(yhat)
        elif wanted == "y_score" and hasattr(self.loss, "ignore_index"):  # scores of classes
            found = yhat[:, 1] - yhat[:, 0] if yhat.shape[1] == 2 else self.loss.probabilities(yhat)
        elif wanted == "y_proba" and hasattr(self.loss, "probabilities"):
            found = self.loss.probabilities(yhat)
        return found[:, 0] if wanted != "yhat" and found.ndim == 2 and found.shape[1] == 1 else found


def _name_of(metric: Any) -> str:
    inner = getattr(metric, "func", metric)  # of a functools.partial
    return str(getattr(metric, "__name__", None) or getattr(inner, "__name__", type(metric).__name__))


#: What the last word of a name says, by the argument that takes it.
_OPTIONS = {**dict.fromkeys(("macro", "micro", "weighted"), "average"), **dict.fromkeys(("ovr", "ovo"), "multi_class")}


def _named(name: str, who: str) -> Metric:
    """A function of `sklearn.metrics` by a short name, by its own, or by it without its ending; then how it averages."""
    import sklearn.metrics

    stem, _, last = name.rpartition("_")
    option = _OPTIONS.get(last)
    wanted = stem if option else name
    for full in (SHORT.get(wanted, wanted), *(f"{wanted}_{ending}" for ending in ("score", "error", "loss"))):
        found = getattr(sklearn.metrics, full, None)
        if not callable(found):
            continue
        parameters = list(inspect.signature(found).parameters)
        if parameters[:1] == ["y_true"] and option in (None, *parameters):
            return partial(found, **{option: last}) if option else found
    functions = [n for n, f in vars(sklearn.metrics).items() if inspect.isfunction(f)]
    near = [METRICS[name]] if name in METRICS else difflib.get_close_matches(name, [*SHORT, *functions], 1)
    raise ValueError(
        f"{who}: there is no metric {name!r}{f'; do you mean {near[0]!r}?' if near else ''}; expected one of "
        f"{', '.join(SHORT)}, the name of a function of sklearn.metrics, or a function (y, yhat) -> float"
    )


def _reads(function: Metric) -> tuple[str, bool]:
    """Which form of yhat a function reads, and whether it takes weights."""
    try:
        parameters = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return "yhat", False
    second = parameters[1] if len(parameters) > 1 else ""
    if _name_of(function) == "log_loss":  # whose argument was once called y_pred
        second = "y_proba"
    return second if second in ("y_pred", "y_proba", "y_score") else "yhat", "sample_weight" in parameters


def _as_labels(y: Any, yhat: np.ndarray, loss: Any) -> np.ndarray:
    """The truth in the form of decoded predictions: one-hot rows as labels, a column as it is."""
    found = np.asarray(y)
    if hasattr(loss, "ignore_index") and found.shape == yhat.shape and found.ndim > 1:
        return found.argmax(axis=-1)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    are_whole = counts_hits(loss) and found.dtype.kind == "f" and bool((found == np.round(found)).all())
    return found.astype(np.int64) if are_whole else found


def _laid_out(data: Any, yhat: np.ndarray, loss: Any) -> tuple[np.ndarray, np.ndarray, Any]:
    """y, yhat and weights with a row for each position that counts; weights are None if there are none."""
    y, axes = data.y, len(data.lead)
    if hasattr(loss, "ignore_index") and y.shape == yhat.shape[:-1]:
        axes = max(axes, y.ndim - 1)  # labels of positions
    weights = data.weights.reshape(data.n, *data.lead) if data.weights.size else None
    rows = y.shape[: 1 + axes]
    counted = data.counted_positions(loss)
    if weights is not None:
        weights = np.broadcast_to(weights.reshape(*weights.shape, *(1,) * (1 + axes - weights.ndim)), rows).reshape(-1)
    y, yhat = (a.reshape(-1, *a.shape[1 + axes :]) if axes else a for a in (y, yhat))
    if counted is not None:
        keep = np.broadcast_to(counted.reshape(*counted.shape, *(1,) * (1 + axes - counted.ndim)), rows).reshape(-1)
        if not keep.any():
            raise ValueError(f"{data.who}: no position of y counts: all have weight 0 or a label that is ignored")
        y, yhat, weights = y[keep], yhat[keep], None if weights is None else weights[keep]
    return y, yhat, weights
