"""Mean absolute error: the distance of the prediction from the truth, feature by feature.

y, yhat (batch, ...); sums run over all features of an example.

(1)  loss = sum over j of |yhat[j] - y[j]|
(2)  dloss/dyhat[j] = sign(yhat[j] - y[j])            0 if they are equal

The mean is over examples, not features. An outlier pulls no harder than any other example: the constant with the lowest loss is
the median, as it is the mean for squares.
"""

from __future__ import annotations

import numpy as np

from modnet.losses.featurewise import Featurewise


class MAE(Featurewise):
    """Absolute error, summed over the features of an example.

    Shape
    -----
    y, yhat : (batch,), (batch, features) or more axes, the same for both. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> MAE().forward([[1.0, 2.0]], [[1.5, 1.0]])
    array([1.5])
    """

    @staticmethod
    def f(y, yhat, c):
        return abs(yhat - y)                                           # (1)

    @staticmethod
    def derivative(y, yhat, c):
        return np.sign(yhat - y)                                       # (2)
