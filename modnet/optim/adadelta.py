"""Adadelta: RMSprop with steps measured in the parameters' own unit.

p parameters, g gradient, s and d the decayed mean squares of the gradient and of the steps; r the decay, w the weight decay.

(1)  g = g + w p
(2)  s = r s + (1 - r) g^2
(3)  q = sqrt(d + eps) / sqrt(s + eps) g             the size of late steps over that of late gradients: no rate is needed
     d = r d + (1 - r) q^2
(4)  p = p - lr q

d begins at zero, so the first steps are of about sqrt(eps).

Reference: M. Zeiler, ADADELTA: an adaptive learning rate method (2012), arXiv:1212.5701.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import kernel
from modnet.optim.optimizer import Number, Optimizer, decay_rate, not_negative, positive
from modnet.optim.schedules import Schedule


@kernel("step")
def step(params, grad, moments, settings):
    # params, grad (n,), moments s then d (2 n,), settings lr, steps, clip, rho, eps, weight decay
    settings[1] += 1
    n, real = params.size, params.dtype.type
    one, lr, rho, eps, decay = real(1.0), real(settings[0]), real(settings[3]), real(settings[4]), real(settings[5])
    s, d = moments[:n], moments[n:]
    for i in range(n):
        g = grad[i] + decay * params[i]
        s[i] = rho * s[i] + (one - rho) * g * g
        q = np.sqrt(d[i] + eps) / np.sqrt(s[i] + eps) * g
        d[i] = rho * d[i] + (one - rho) * q * q
        params[i] -= lr * q


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

    step_kernel = step
    moment_count = 2
    rho, eps, weight_decay = Number(3), Number(4), Number(5)

    def __init__(
        self,
        lr: float | Schedule = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        own = decay_rate(rho, "Adadelta", "rho"), positive(eps, "Adadelta", "eps")
        super().__init__(lr, (*own, not_negative(weight_decay, "Adadelta", "weight_decay")), clip_norm)

    @classmethod
    def examples(cls) -> list[Optimizer]:
        return [cls(1.0), cls(0.5, rho=0.8, eps=1e-3, weight_decay=0.1, clip_norm=0.5)]
