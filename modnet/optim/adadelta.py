"""Adadelta: RMSprop with steps measured in the parameters' own unit.

p parameters, g gradient, s and d the decayed mean squares of the gradient and of the steps; r the decay, w the weight decay.

(1)  g = g + w p
(2)  s = r s + (1 - r) g^2
(3)  q = sqrt(d + eps) / sqrt(s + eps) g             the size of recent steps over the size of recent gradients
     d = r d + (1 - r) q^2
(4)  p = p - lr q

d begins at zero, so the first steps are of about sqrt(eps).

Reference: M. Zeiler, ADADELTA: an adaptive learning rate method (2012), arXiv:1212.5701.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import State, operation
from modnet.optim.arguments import Rate, not_negative, positive, share
from modnet.optim.optimizer import Optimizer


class Adadelta(Optimizer):
    """Steps in proportion to the steps before.

    Parameters
    ----------
    lr : a factor on the steps, positive, or a schedule.
    rho : from 0 up to 1, the decay of both means.
    eps : added to both mean squares, positive: what the first steps grow from.
    weight_decay : added to the gradient as weight_decay * parameter, not negative.
    clip_norm : the largest norm of the gradient, or None.
    """

    square, moved = State("n"), State("n")
    lr: Rate = Rate(default=1.0)
    rho: float = share(default=0.9)
    eps: float = positive(default=1e-6)
    weight_decay: float = not_negative(default=0.0)

    @operation
    def step(p, g, st, s):
        # p, g, st.square, d = st.moved (n,)
        s.steps += 1
        square, d, real = st.square, st.moved, p.dtype.type
        one, lr, rho, eps, decay = real(1.0), real(s.lr), real(s.rho), real(s.eps), real(s.weight_decay)
        for i in range(p.size):
            slope = g[i] + decay * p[i]                                             # (1)
            square[i] = rho * square[i] + (one - rho) * slope * slope               # (2)
            q = np.sqrt(d[i] + eps) / np.sqrt(square[i] + eps) * slope              # (3)
            d[i] = rho * d[i] + (one - rho) * q * q
            p[i] -= lr * q                                                          # (4)

    tried = {}, {"lr": 0.5, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1, "clip_norm": 0.5}
