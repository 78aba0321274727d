"""Weights of examples, for `fit`'s sample_weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet.inputs import as_numbers


def balanced_weights(y: Any) -> np.ndarray:
    """Weights with which every class counts alike, however few examples it has.

    An example of a class with c of the n examples, one of C classes, weighs n / (C c): each class then weighs n / C, and the
    mean weight is 1. Any other weight of classes is a table: ``sample_weight=np.array([1.0, 5.0])[y]``.

    Parameters
    ----------
    y : labels (n,), whole numbers.

    Returns
    -------
    weights : (n,), positive.

    Example
    -------
    >>> balanced_weights([0, 0, 0, 1])
    array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    from sklearn.utils.class_weight import compute_sample_weight

    labels = as_numbers(y, "balanced_weights", "y")
    if labels.ndim != 1 or labels.size == 0:
        advice = "; from one-hot rows, take np.asarray(y).argmax(axis=1)" if labels.ndim == 2 and labels.shape[1] > 1 else ""
        raise ValueError(f"balanced_weights: y has shape {labels.shape}, expected labels (n,), n at least 1{advice}")
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.round(labels))).all():
        wrong = labels[~(np.isfinite(labels) & (labels == np.round(labels)))][0]
        raise ValueError(f"balanced_weights: y holds {wrong:g}, expected whole numbers, a label for each example")
    weights: np.ndarray = compute_sample_weight("balanced", labels)
    return weights
