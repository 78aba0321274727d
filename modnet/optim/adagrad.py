"""Adagrad: the more a parameter's gradients have added up to, the smaller its steps.

p parameters, g gradient, s the sum of its squares, t the count of steps; w the weight decay.

(1)  g = g + w p
(2)  s = s + g^2
(3)  p = p - (lr / (1 + (t - 1) lr_decay)) g / (sqrt(s) + eps)

s only grows, so every rate falls for good: right for a convex loss, and the reason for RMSprop.

Reference: J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods, Journal of Machine Learning Research 12 (2011).
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import State, operation
from modnet.optim.arguments import Rate, not_negative, positive
from modnet.optim.optimizer import Optimizer


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients.

    Parameters
    ----------
    lr : the learning rate, positive, or a schedule.
    lr_decay : the rate of step t is lr / (1 + (t - 1) lr_decay). Not negative.
    eps : added to the divisor, positive.
    weight_decay : added to the gradient as weight_decay * parameter, not negative.
    clip_norm : the largest norm of the gradient, or None.
    """

    squares = State("n")
    lr: Rate = Rate(default=1e-2)
    lr_decay: float = not_negative(default=0.0)
    eps: float = positive(default=1e-10)
    weight_decay: float = not_negative(default=0.0)

    @operation
    def step(p, g, st, s):
        # p, g, st.squares (n,)
        s.steps += 1
        squares, t, real = st.squares, float(s.steps), p.dtype.type
        rate, eps, decay = real(s.lr / (1 + (t - 1) * s.lr_decay)), real(s.eps), real(s.weight_decay)
        for i in range(p.size):
            slope = g[i] + decay * p[i]                                # (1)
            squares[i] += slope * slope                                # (2)
            p[i] -= rate * slope / (np.sqrt(squares[i]) + eps)         # (3)

    tried = {"lr": 0.1}, {"lr": 0.2, "lr_decay": 0.1, "eps": 1e-3, "weight_decay": 0.1, "clip_norm": 0.5}
