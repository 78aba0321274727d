"""RidgeLinear: the gradient of its network is that of the loss with the penalty, biases left alone."""

import numpy as np
import pytest

from modnet import CrossEntropy, Sequential, Tanh, fit
from modnet.modules import RidgeLinear
from modnet.optim import SGD


@pytest.mark.parametrize("bias", [True, False])
def test_a_step_follows_the_slope_of_the_loss_with_the_penalty(bias):
    alpha, rate = (0.7, 0.3), 1e-3
    net = Sequential(RidgeLinear(4, 3, bias, rng=0, alpha=alpha[0]), Tanh(), RidgeLinear(3, 2, bias, rng=1, alpha=alpha[1]))
    rng = np.random.default_rng(0)
    X, y, loss = rng.normal(size=(6, 4)), rng.integers(0, 2, 6), CrossEntropy()
    start = net.parameters.copy()

    def penalised(parameters):
        net.parameters[:] = parameters
        return loss(y, net.forward(X)) + sum(a / 2 * np.sum(net[k].weight ** 2) / len(X) for k, a in zip((0, 2), alpha))

    steps = 1e-6 * np.eye(start.size)
    slope = np.array([(penalised(start + d) - penalised(start - d)) / 2e-6 for d in steps])
    net.parameters[:] = start
    fit(net, X, y, loss, SGD(rate), epochs=1, batch_size=6)
    np.testing.assert_allclose((start - net.parameters) / rate, slope, atol=1e-7)
