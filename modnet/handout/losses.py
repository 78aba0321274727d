"""The statement's losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from modnet import losses
from modnet.losses.featurewise import at_least


def if_last(name: str) -> str:
    """Advice for an argument that may be the last example of an output, taken for the last of the outputs of all layers."""
    return (
        f"If {name} is net.forward(x)[-1], leave out the [-1]: here forward returns what the last layer gives, and [-1] is its "
        "last example"
    )


class _Loss:
    """What the statement's losses say of a single row: many networks of the course return the outputs of all layers."""

    def targets(self, y: Any, yhat_shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """Check y against the shape of yhat, as `modnet.loss.Loss` does."""
        try:
            return super().targets(y, yhat_shape, dtype)  # type: ignore[misc]
        except ValueError as error:
            if len(yhat_shape) != 1:
                raise
            raise ValueError(f"{error}. {if_last('yhat')}") from None


class MSELoss(_Loss, losses.MSE):
    """||y - yhat||^2 for each example; the derivative is 2 (yhat - y).

    Shape
    -----
    y, yhat : (batch, d). forward -> (batch,), backward -> (batch, d).

    Example
    -------
    >>> MSELoss().forward([[1.0, 2.0]], [[0.0, 0.0]])
    array([5.])
    """


class CELoss(_Loss, losses.NLL):
    """Cross-entropy (coût cross-entropique): -yhat_y, what the prediction gives to the true class, with its sign changed.

    After `LogSoftmax` it is the negative log-likelihood. After `Softmax`, as the statement has it first, it is minus the
    probability.

    Shape
    -----
    y : integer labels (batch,), or one-hot rows (batch, classes). yhat : (batch, classes). forward -> (batch,).

    Example
    -------
    >>> CELoss().forward([0, 1], [[0.25, 0.75], [0.25, 0.75]])
    array([-0.25, -0.75])
    """


class CrossEntropieLoss(_Loss, losses.CrossEntropy):
    """Cross-entropy and log-softmax in one: -yhat_y + log(sum over j of exp(yhat_j)); the derivative is softmax - one-hot.

    Shape
    -----
    y : integer labels (batch,), or one-hot rows (batch, classes). yhat : scores (batch, classes). forward -> (batch,).

    Example
    -------
    >>> CrossEntropieLoss().backward([0], [[1000.0, 1000.0]])
    array([[-0.5,  0.5]])
    """


class BCELoss(_Loss, losses.BCE):
    """Binary cross-entropy (entropie croisée binaire): -(y log yhat + (1 - y) log(1 - yhat)), the log at least -100.

    Shape
    -----
    y, yhat : (batch, d), from 0 to 1; summed over d. forward -> (batch,), backward -> (batch, d).

    Example
    -------
    >>> BCELoss().forward([[1.0]], [[0.0]])
    array([100.])
    """

    @staticmethod
    def derivative(y, yhat, c):
        # -y / p + (1 - y) / (1 - p), in two fractions: so it is -1, the slope from below, for y = p = 1, and 1 for y = p = 0
        bound = type(yhat)(1e-12)
        return (c.one - y) / at_least(c.one - yhat, bound) - y / at_least(yhat, bound)
