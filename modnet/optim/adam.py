"""Adam: a step of about lr for every parameter, whatever the size of its gradient.

p parameters, g gradient, m and v its decayed mean and mean square, t the count of steps; b1, b2 the decays.

(1)  g = g + w p                                  w the weight decay
(2)  m = b1 m + (1 - b1) g
     v = b2 v + (1 - b2) g^2
(3)  p = p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

The divisions by 1 - b^t undo that m and v begin at zero.

Reference: D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import State, operation
from modnet.optim.arguments import Rate, not_negative, positive, share
from modnet.optim.optimizer import Optimizer


class Adam(Optimizer):
    """Divides the mean of a parameter's last gradients by the root of their mean square, so that a step is of about lr.

    Parameters
    ----------
    lr : the learning rate, positive, or a schedule.
    beta1, beta2 : the shares of the old mean, and of the old mean square, that each step keeps: from 0 up to 1, without 1.
    eps : added to the divisor, positive.
    weight_decay : w >= 0; w * parameter is added to the gradient. `AdamW` takes lr * w * parameter off the parameter instead.
    clip_norm : the largest norm of the whole gradient; a longer one is scaled down to it. None for no bound.

    Example
    -------
    >>> import numpy as np
    >>> from modnet import MSE, Linear, fit
    >>> net, X = Linear(1, 1, bias=False, rng=0), np.array([[1.0], [2.0]])
    >>> history = fit(net, X, 3 * X, MSE(), Adam(0.1), epochs=300, rng=0)
    >>> net.weight.round(3)
    array([[3.]])
    """

    mean, square = State("n"), State("n")
    lr: Rate = Rate(default=1e-3)
    beta1: float = share(default=0.9)
    beta2: float = share(default=0.999)
    eps: float = positive(default=1e-8)
    weight_decay: float = not_negative(default=0.0)

    @operation
    def step(p, g, st, s):
        # p, g, m = st.mean, v = st.square (n,)
        s.steps += 1
        m, v, t, real = st.mean, st.square, float(s.steps), p.dtype.type
        one, beta1, beta2, eps, decay = real(1.0), real(s.beta1), real(s.beta2), real(s.eps), real(s.weight_decay)
        rate, root = real(s.lr / (1 - s.beta1**t)), real(1.0 / np.sqrt(1 - s.beta2**t))
        for i in range(p.size):
            slope = g[i] + decay * p[i]                                # (1)
            m[i] = beta1 * m[i] + (one - beta1) * slope                # (2)
            v[i] = beta2 * v[i] + (one - beta2) * slope * slope
            p[i] -= rate * m[i] / (np.sqrt(v[i]) * root + eps)         # (3)

    tried = {"lr": 0.01}, {"lr": 0.02, "beta1": 0.8, "beta2": 0.9, "eps": 1e-4, "weight_decay": 0.1, "clip_norm": 0.5}
