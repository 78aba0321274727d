"""Mean squared error: the squared distance of the prediction from the truth.

y, yhat (batch, ...); sums run over all features of an example.

(1)  loss = sum over j of (yhat[j] - y[j])^2
(2)  dloss/dyhat[j] = 2 (yhat[j] - y[j])

The mean is over examples, not features: `loss(y, yhat)` is the mean of (1).
"""

from __future__ import annotations

from modnet.loss import operation
from modnet.losses.featurewise import Featurewise


class MSE(Featurewise):
    """Squared error, summed over the features of an example.

    Shape
    -----
    y, yhat : (batch,), (batch, features) or more axes, the same for both. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> MSE().forward([[1.0, 2.0]], [[1.5, 2.0]])
    array([0.25])
    """

    @staticmethod
    def f(y, yhat, c):
        return (yhat - y) * (yhat - y)                                 # (1)

    @staticmethod
    def derivative(y, yhat, c):
        return (yhat - y) + (yhat - y)                                 # (2)

    @operation
    def at_once(y, yhat, out, delta, c):
        # forward and backward in one pass
        for i in range(yhat.shape[0]):
            total = c.zero
            for j in range(yhat.shape[1]):
                e = yhat[i, j] - y[i, j]
                total += e * e                                                        # (1)
                delta[i, j] = e + e                                                   # (2)
            out[i] = total
