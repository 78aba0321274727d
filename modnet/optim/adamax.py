"""Adamax: Adam with the largest recent gradient in place of the root of the mean square.

p parameters, g gradient, m its decayed mean, u its decayed maximum, t the count of steps; b1, b2 the decays, w the weight
decay.

(1)  g = g + w p
(2)  m = b1 m + (1 - b1) g
     u = max(b2 u, |g| + eps)
(3)  p = p - (lr / (1 - b1^t)) m / u

u is what Adam's root becomes when squares are replaced by higher and higher powers. It needs no correction for its start.

Reference: D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015, section 7.1.
"""

from __future__ import annotations

from modnet.kernels import State, operation
from modnet.optim.arguments import Rate, not_negative, positive, share
from modnet.optim.optimizer import Optimizer


class Adamax(Optimizer):
    """Adamax.

    Parameters
    ----------
    lr : the learning rate, positive, or a schedule.
    beta1, beta2 : from 0 up to 1, the decays of the mean and of the maximum.
    eps : added to the gradient's size, positive.
    weight_decay : added to the gradient as weight_decay * parameter, not negative.
    clip_norm : the largest norm of the gradient, or None.
    """

    mean, maximum = State("n"), State("n")
    lr: Rate = Rate(default=2e-3)
    beta1: float = share(default=0.9)
    beta2: float = share(default=0.999)
    eps: float = positive(default=1e-8)
    weight_decay: float = not_negative(default=0.0)

    @operation
    def step(p, g, st, s):
        # p, g, m = st.mean, u = st.maximum (n,)
        s.steps += 1
        m, u, t, real = st.mean, st.maximum, float(s.steps), p.dtype.type
        one, beta1, beta2, eps, decay = real(1.0), real(s.beta1), real(s.beta2), real(s.eps), real(s.weight_decay)
        rate = real(s.lr / (1 - s.beta1**t))
        for i in range(p.size):
            slope = g[i] + decay * p[i]                                # (1)
            m[i] = beta1 * m[i] + (one - beta1) * slope                # (2)
            before, now = beta2 * u[i], abs(slope) + eps
            u[i] = before if before > now else now
            p[i] -= rate * m[i] / u[i]                                 # (3)

    tried = {"lr": 0.01}, {"lr": 0.02, "beta1": 0.8, "beta2": 0.9, "eps": 1e-4, "weight_decay": 0.1, "clip_norm": 0.5}
