"""Mean absolute error: the distance of the prediction from the truth, feature by feature.

y, yhat (batch, ...); sums run over all features of an example.

(1)  cost = sum over j of |yhat[j] - y[j]|
(2)  dcost/dyhat[j] = sign(yhat[j] - y[j])            0 where they are equal

The mean is over examples, not features. An outlier pulls no harder than any other example: the constant that costs least is
the median, as it is the mean for squares.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import kernel
from modnet.loss import KernelLoss


@kernel("cost")
def cost(y, yhat, cost, sizes, hyper):
    # y, yhat (batch, features), cost (batch,)
    for i in range(yhat.shape[0]):
        total = yhat.dtype.type(0.0)
        for j in range(yhat.shape[1]):
            total += abs(yhat[i, j] - y[i, j])
        cost[i] = total


@kernel("slope")
def slope(y, yhat, delta, sizes, hyper):
    # cost = sum of |yhat - y|
    for i in range(yhat.shape[0]):
        for j in range(yhat.shape[1]):
            delta[i, j] = np.sign(yhat[i, j] - y[i, j])


class MAE(KernelLoss):
    """Absolute error, summed over the features of an example.

    Shape
    -----
    y, yhat : (batch,), (batch, features) or more axes, the same for both. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> MAE().forward([[1.0, 2.0]], [[1.5, 1.0]])
    array([1.5])
    """

    cost_kernel, slope_kernel = cost, slope
