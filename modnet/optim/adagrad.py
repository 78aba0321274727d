"""Adagrad: the more a parameter's gradients have added up to, the smaller its steps.

p parameters, g gradient, s the sum of its squares, t the count of steps; w the weight decay.

(1)  g = g + w p
(2)  s = s + g^2
(3)  p = p - (lr / (1 + (t - 1) lr_decay)) g / (sqrt(s) + eps)

s only grows, so every rate falls for good: right for a convex cost, and the reason for RMSprop.

Reference: J. Duchi, E. Hazan and Y. Singer, Adaptive subgradient methods, Journal of Machine Learning Research 12 (2011).
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import kernel
from modnet.optim.optimizer import Number, Optimizer, not_negative, positive
from modnet.optim.schedules import Schedule


@kernel("step")
def step(params, grad, moments, settings):
    # params, grad (n,), moments s (n,), settings lr, steps, clip, lr decay, eps, weight decay
    settings[1] += 1
    real = params.dtype.type
    rate = real(settings[0] / (1 + (settings[1] - 1) * settings[3]))
    eps, decay = real(settings[4]), real(settings[5])
    for i in range(params.size):
        g = grad[i] + decay * params[i]
        moments[i] += g * g
        params[i] -= rate * g / (np.sqrt(moments[i]) + eps)


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

    step_kernel = step
    moment_count = 1
    lr_decay, eps, weight_decay = Number(3), Number(4), Number(5)

    def __init__(
        self,
        lr: float | Schedule = 1e-2,
        lr_decay: float = 0.0,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        slower, decay = not_negative(lr_decay, "Adagrad", "lr_decay"), not_negative(weight_decay, "Adagrad", "weight_decay")
        super().__init__(lr, (slower, positive(eps, "Adagrad", "eps"), decay), clip_norm)

    @classmethod
    def examples(cls) -> list[Optimizer]:
        return [cls(0.1), cls(0.2, lr_decay=0.1, eps=1e-3, weight_decay=0.1, clip_norm=0.5)]
