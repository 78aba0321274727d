"""RMSprop: steps divided by the root of a running mean of squared gradients.

p parameters, g gradient, s and c the decayed means of its square and of itself, v velocity; a the decay, m the momentum, w the
weight decay.

(1)  g = g + w p
(2)  s = a s + (1 - a) g^2
     c = a c + (1 - a) g                                     if centered
(3)  q = sqrt(s) + eps, or if centered sqrt(max(0, s - c^2)) + eps        rounding can take s - c^2 below 0
(4)  v = m v + g / q
     p = p - lr v                                            without momentum v is g / q

Unlike Adagrad's sum, the mean forgets, so the steps do not die out. Centered, the divisor is the standard deviation of the
gradient, not its size.

References: T. Hinton, Neural networks for machine learning, lecture 6 (2012); A. Graves, Generating sequences with recurrent
neural networks (2013), arXiv:1308.0850 (centered).
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import State, operation
from modnet.optim.arguments import Rate, not_negative, positive, share, switch
from modnet.optim.optimizer import Optimizer


class RMSprop(Optimizer):
    """Steps divided by the root of the running mean of squared gradients.

    Parameters
    ----------
    lr : the learning rate, positive, or a schedule.
    alpha : from 0 up to 1, the decay of the mean.
    eps : added to the divisor, positive.
    momentum : from 0 up to 1: how much of the velocity is kept.
    centered : whether the squared mean of the gradient is subtracted from the mean of its square.
    weight_decay : added to the gradient as weight_decay * parameter, not negative.
    clip_norm : the largest norm of the gradient, or None.
    """

    square, velocity, mean = State("n"), State("n"), State("n")
    lr: Rate = Rate(default=1e-2)
    alpha: float = share(default=0.99)
    eps: float = positive(default=1e-8)
    momentum: float = share(default=0.0)
    centered: bool = switch(default=False)
    weight_decay: float = not_negative(default=0.0)

    def moments(self) -> tuple[str, ...]:
        return ("square", *["velocity"] * (self.momentum > 0), *["mean"] * self.centered)

    @operation
    def step(p, g, st, s):
        # p, g, st.square (n,); v = st.velocity (n,) with momentum, else (0,); c = st.mean (n,) if centered, else (0,)
        s.steps += 1
        square, v, c, real = st.square, st.velocity, st.mean, p.dtype.type
        zero, one, lr, alpha, eps = real(0.0), real(1.0), real(s.lr), real(s.alpha), real(s.eps)
        momentum, decay = real(s.momentum), real(s.weight_decay)
        for i in range(p.size):
            slope = g[i] + decay * p[i]                                             # (1)
            square[i] = alpha * square[i] + (one - alpha) * slope * slope           # (2)
            mean = zero
            if c.size > 0:
                c[i] = alpha * c[i] + (one - alpha) * slope
                mean = c[i]
            variance = square[i] - mean * mean
            move = slope / (np.sqrt(zero if variance < zero else variance) + eps)   # (3)
            if v.size > 0:
                v[i] = momentum * v[i] + move                                       # (4)
                move = v[i]
            p[i] -= lr * move

    tried = (
        {"lr": 0.01},
        {"lr": 0.01, "momentum": 0.9},
        {"lr": 0.01, "centered": True, "eps": 1e-3},
        {"lr": 0.02, "alpha": 0.8, "eps": 1e-2, "momentum": 0.5, "centered": True, "weight_decay": 0.1, "clip_norm": 0.5},
    )
