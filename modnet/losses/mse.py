"""Mean squared error: the squared distance of the prediction from the truth.

y, yhat (batch, ...); sums run over all features of an example.

(1)  cost = sum over j of (yhat[j] - y[j])^2
(2)  dcost/dyhat[j] = 2 (yhat[j] - y[j])

The mean is over examples, not features: `loss(y, yhat)` is the mean of (1).
"""

from __future__ import annotations

from modnet.kernels import kernel
from modnet.loss import KernelLoss


@kernel("cost")
def cost(y, yhat, cost, sizes, hyper):
    # y, yhat (batch, features), cost (batch,)
    for i in range(yhat.shape[0]):
        total = yhat.dtype.type(0.0)
        for j in range(yhat.shape[1]):
            total += (yhat[i, j] - y[i, j]) * (yhat[i, j] - y[i, j])
        cost[i] = total


@kernel("slope")
def slope(y, yhat, delta, sizes, hyper):
    # cost = sum of (yhat - y)^2
    for i in range(yhat.shape[0]):
        for j in range(yhat.shape[1]):
            delta[i, j] = (yhat[i, j] - y[i, j]) + (yhat[i, j] - y[i, j])


class MSE(KernelLoss):
    """Squared error, summed over the features of an example.

    Shape
    -----
    y, yhat : (batch,), (batch, features) or more axes, the same for both. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> MSE().forward([[1.0, 2.0]], [[1.5, 2.0]])
    array([0.25])
    """

    cost_kernel, slope_kernel = cost, slope
