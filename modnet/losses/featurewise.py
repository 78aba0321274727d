"""Featurewise: what losses have in common that look at each feature of an example by itself, and add up.

y, yhat (batch, ...), of one shape; sums run over all features of an example.

(1)  loss = sum over j of f(y[j], yhat[j])
(2)  dloss/dyhat[j] = f'(y[j], yhat[j])               the derivative by yhat: yhat[j] is in one term alone

A subclass states the two functions; the operations are here, and are compiled for each class:

    class Quartic(Featurewise):
        @staticmethod
        def f(y, yhat, c):
            return (yhat - y) ** 4

        @staticmethod
        def derivative(y, yhat, c):
            return c.four * (yhat - y) ** 3

        four = Setting(default=4.0)

``c`` has the loss's settings by name, with ``c.zero`` and ``c.one``, as numbers of y's own type, float32 or float64: a bare 1.0
in a formula would turn a float32 into a float64. ``type(yhat)(0.1)`` is a number of that type, too.
"""

from __future__ import annotations

from modnet.kernels import inline_always
from modnet.loss import Loss, operation


class Featurewise(Loss):
    """A sum over the features of an example. A subclass has two static functions, ``f(y, yhat, c)`` and ``derivative``."""

    @operation
    def forward(y, yhat, out, f, c):
        # y, yhat (batch, features), out (batch,)
        for i in range(yhat.shape[0]):
            total = c.zero
            for j in range(yhat.shape[1]):
                total += f(y[i, j], yhat[i, j], c)
            out[i] = total                                             # (1)

    @operation
    def backward(y, yhat, delta, derivative, c):
        # out = sum of f(y, yhat)
        for i in range(yhat.shape[0]):
            for j in range(yhat.shape[1]):
                delta[i, j] = derivative(y[i, j], yhat[i, j], c)       # (2)


class Decided(Featurewise):
    """The same, where a feature is right or wrong: a static function ``is_right(y, yhat, c)`` says which."""

    @operation
    def hits(y, yhat, out, is_right, c):
        # right if every feature is
        for i in range(yhat.shape[0]):
            wrong = 0
            for j in range(yhat.shape[1]):
                wrong += not is_right(y[i, j], yhat[i, j], c)
            out[i] = wrong == 0


@inline_always
def at_least(x, bound):  # a NaN stays NaN
    return bound if x < bound else x
