"""SGD: a step against the gradient of the batch, with or without momentum.

p parameters, g gradient, v velocity; lr the rate, m the momentum, w the weight decay.

(1)  g = g + w p
(2)  v = m v + g
(3)  p = p - lr v,  or with Nesterov's look ahead  p = p - lr (g + m v)

Without momentum v is g. The convention, as PyTorch's, keeps lr outside v.

References: H. Robbins and S. Monro, A stochastic approximation method (1951); I. Sutskever and others, On the importance of
initialization and momentum in deep learning, ICML 2013.
"""

from __future__ import annotations

from modnet.kernels import State, operation
from modnet.optim.arguments import Rate, not_negative, share, switch
from modnet.optim.optimizer import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov's look ahead and weight decay.

    Parameters
    ----------
    lr : the learning rate, positive, or a schedule.
    momentum : from 0 up to 1: how much of the velocity is kept.
    nesterov : whether the step looks ahead; it needs momentum.
    weight_decay : how strongly parameters are pulled to zero, not negative.
    clip_norm : the largest norm of the gradient, or None.
    """

    velocity = State("n")
    lr: Rate = Rate()
    momentum: float = share(default=0.0)
    nesterov: bool = switch(default=False)
    weight_decay: float = not_negative(default=0.0)

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("SGD: nesterov without momentum, expected momentum above 0")

    @property
    def plain(self) -> bool:
        return not self.moments() and self.clip_norm is None

    def moments(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum or self.weight_decay else ()

    @operation
    def step(p, g, st, s):
        # p, g (n,), v = st.velocity (n,), or (0,) without momentum and weight decay
        s.steps += 1
        v, real = st.velocity, p.dtype.type
        lr, momentum, decay = real(s.lr), real(s.momentum), real(s.weight_decay)
        if v.size == 0:
            for i in range(p.size):
                p[i] -= lr * g[i]
        elif s.nesterov != 0:
            for i in range(p.size):
                slope = g[i] + decay * p[i]                # (1)
                v[i] = momentum * v[i] + slope             # (2)
                p[i] -= lr * (slope + momentum * v[i])     # (3)
        else:
            for i in range(p.size):
                slope = g[i] + decay * p[i]                # (1)
                v[i] = momentum * v[i] + slope             # (2)
                p[i] -= lr * v[i]                          # (3)

    tried = (
        {"lr": 0.05},
        {"lr": 0.02, "momentum": 0.9},
        {"lr": 0.02, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.05, "weight_decay": 0.1, "clip_norm": 0.5},
    )
