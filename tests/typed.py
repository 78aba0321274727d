"""What a type checker sees of the library from outside, as a user's editor does. `make lint` reads this file; nobody runs it."""

from typing import Any, assert_type

import numpy as np

import modnet
from modnet import MSE, BatchNorm, Conv2D, Dropout, History, Linear, Sequential, Tanh, fit, predict
from modnet.losses import MES  # type: ignore[attr-defined]  # noqa: F401
from modnet.modules import Linaer  # type: ignore[attr-defined]  # noqa: F401
from modnet.optim import SGD, Adam, Admam  # type: ignore[attr-defined]  # noqa: F401

modnet.Linaer(2, 3)  # type: ignore[attr-defined]
modnet.datasets.load("moons")

X = [[1.0, 2.0]]
layer = Linear(2, 3)
assert_type(layer.forward(X), np.ndarray)
assert_type(layer(X), np.ndarray)
assert_type(layer.weight, np.ndarray)
assert_type(layer.in_features, int)
layer.weight = np.zeros((2, 3))
layer.forward(X=X)
layer.backward_delta(input=X, delta=[[1.0]])
layer.forward(X, X, X)  # type: ignore[call-overload]
Linear(2, 3, biass=False)  # type: ignore[call-arg]

net = Sequential(layer, Tanh(), Dropout(0.5), BatchNorm(3))
assert_type(net.forward(X), np.ndarray)
assert_type(Dropout(0.5).p, float)
assert_type(BatchNorm(3).running_mean, np.ndarray)
assert_type(Conv2D(3, 1, 2).stride, Any)  # an int, or a pair
assert_type(predict(net, X), np.ndarray)
assert_type(fit(net, X, X, MSE(), Adam(0.1)), History)
assert_type(SGD(0.1).lr, float)
assert_type(MSE()(X, X), float)
