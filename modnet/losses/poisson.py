"""Poisson: half the deviance of counts, whose logarithm is predicted.

y counts or other numbers that are not negative, yhat = a their predicted logarithm, (batch, ...); sums run over all features of
an example.

(1)  loss = sum of exp(a) - y a + y log y - y          0 log 0 is 0; the last two make the least loss, at a = log y, zero
(2)  dloss/da = exp(a) - y

-log of the Poisson probability of y at the rate exp(a) is (1) up to what does not depend on a.

Reference: P. McCullagh and J. Nelder, Generalized linear models, 2nd edition, Chapman and Hall, 1989, section 2.3.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import Shape
from modnet.kernels.mathfun import exp, log
from modnet.losses.featurewise import Featurewise


class Poisson(Featurewise):
    """Half the Poisson deviance, summed over the features of an example; the prediction is the logarithm of the rate.

    Shape
    -----
    y : not negative. yhat : the logarithm of the rate, of the same shape. forward -> (batch,), backward -> like yhat.

    Example
    -------
    >>> Poisson().forward([1.0, 0.0], [0.0, 0.0])
    array([0., 1.])
    """

    def check_values(self, y: np.ndarray) -> None:
        if y.min() < 0:
            raise ValueError(f"{self}: y holds {y.min():g}, expected numbers that are not negative")

    @staticmethod
    def f(y, yhat, c):
        return exp(yhat) + (c.zero if y == c.zero else y * (log(y) - yhat - c.one))        # (1)

    @staticmethod
    def derivative(y, yhat, c):
        return exp(yhat) - y                                                               # (2)

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
        return rng.poisson(2.0, shape) * 1.0, rng.normal(size=shape)
