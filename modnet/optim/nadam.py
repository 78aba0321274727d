"""NAdam: Adam with Nesterov's look ahead.

p parameters, g gradient, m and v its decayed mean and mean square, t the count of steps; b1, b2 the decays, w the weight decay,
d the momentum decay.

(1)  g = g + w p
(2)  m = b1 m + (1 - b1) g
     v = b2 v + (1 - b2) g^2
(3)  mu(t) = b1 (1 - 0.96^(t d) / 2)                  the momentum of step t, which rises to b1
     M = mu(1) mu(2) ... mu(t)                        what is left of m's start at zero
(4)  p = p - lr ((1 - mu(t)) g / (1 - M) + mu(t + 1) m / (1 - M mu(t + 1))) / (sqrt(v / (1 - b2^t)) + eps)

Adam steps along the mean m; NAdam steps along what m will be after one more such gradient.

Reference: T. Dozat, Incorporating Nesterov momentum into Adam, ICLR 2016 workshop.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import Setting, State, operation
from modnet.optim.arguments import Rate, not_negative, positive, share
from modnet.optim.optimizer import Optimizer


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead.

    Parameters
    ----------
    lr : the learning rate, positive, or a schedule.
    beta1, beta2 : from 0 up to 1, the decays of the mean and of the mean square.
    eps : added to the divisor, positive.
    weight_decay : added to the gradient as weight_decay * parameter, not negative.
    momentum_decay : how fast the momentum rises from about half of beta1 to beta1, not negative.
    clip_norm : the largest norm of the gradient, or None.
    """

    mean, square = State("n"), State("n")
    lr: Rate = Rate(default=2e-3)
    beta1: float = share(default=0.9)
    beta2: float = share(default=0.999)
    eps: float = positive(default=1e-8)
    weight_decay: float = not_negative(default=0.0)
    momentum_decay: float = not_negative(default=4e-3)
    #: M, which each step multiplies: the kernel writes it.
    momentum_product = Setting(default=1.0, fixed=True)

    @operation
    def step(p, g, st, s):
        # p, g, m = st.mean, v = st.square (n,); s.momentum_product is M
        s.steps += 1
        m, v, t, real = st.mean, st.square, float(s.steps), p.dtype.type
        mu = s.beta1 * (1 - 0.5 * 0.96 ** (t * s.momentum_decay))                   # (3)
        ahead = s.beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * s.momentum_decay))
        s.momentum_product *= mu
        one, beta1, beta2, eps, decay = real(1.0), real(s.beta1), real(s.beta2), real(s.eps), real(s.weight_decay)
        now = real(s.lr * (1 - mu) / (1 - s.momentum_product))
        later = real(s.lr * ahead / (1 - s.momentum_product * ahead))
        root = real(1.0 / np.sqrt(1 - s.beta2**t))
        for i in range(p.size):
            slope = g[i] + decay * p[i]                                             # (1)
            m[i] = beta1 * m[i] + (one - beta1) * slope                             # (2)
            v[i] = beta2 * v[i] + (one - beta2) * slope * slope
            p[i] -= (now * slope + later * m[i]) / (np.sqrt(v[i]) * root + eps)     # (4)

    _lively = {"beta1": 0.8, "beta2": 0.9, "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.05, "clip_norm": 0.5}
    tried = {"lr": 0.01}, {"lr": 0.02, **_lively}
