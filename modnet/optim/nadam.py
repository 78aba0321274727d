"""NAdam: Adam with Nesterov's look ahead.

p parameters, g gradient, m and v its decayed mean and mean square, t the count of steps; b1, b2 the decays, w the weight decay,
d the momentum decay.

(1)  g = g + w p
(2)  m = b1 m + (1 - b1) g
     v = b2 v + (1 - b2) g^2
(3)  mu(t) = b1 (1 - 0.96^(t d) / 2)                  the momentum of step t, which rises to b1
     M = mu(1) mu(2) ... mu(t)                        what is left of m's start at zero
(4)  p = p - lr ((1 - mu(t)) g / (1 - M) + mu(t + 1) m / (1 - M mu(t + 1))) / (sqrt(v / (1 - b2^t)) + eps)

Where Adam steps along the mean m, this steps to where m will be after one more such gradient.

Reference: T. Dozat, Incorporating Nesterov momentum into Adam, ICLR 2016 workshop.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import kernel
from modnet.optim.optimizer import Number, Optimizer, decay_rate, not_negative, positive
from modnet.optim.schedules import Schedule


@kernel("step")
def step(params, grad, moments, settings):
    # params, grad (n,), moments m then v (2 n,)
    # settings lr, steps, clip, beta1, beta2, eps, weight decay, momentum decay, M
    settings[1] += 1
    n, t, b1 = params.size, settings[1], settings[3]
    mu = b1 * (1 - 0.5 * 0.96 ** (t * settings[7]))
    ahead = b1 * (1 - 0.5 * 0.96 ** ((t + 1) * settings[7]))
    settings[8] *= mu
    real = params.dtype.type
    one, beta1, beta2 = real(1.0), real(b1), real(settings[4])
    now, later = real(settings[0] * (1 - mu) / (1 - settings[8])), real(settings[0] * ahead / (1 - settings[8] * ahead))
    root, eps, decay = real(np.sqrt(1 - settings[4] ** t)), real(settings[5]), real(settings[6])
    m, v = moments[:n], moments[n:]
    for i in range(n):
        g = grad[i] + decay * params[i]
        m[i] = beta1 * m[i] + (one - beta1) * g
        v[i] = beta2 * v[i] + (one - beta2) * g * g
        params[i] -= (now * g + later * m[i]) / (np.sqrt(v[i]) / root + eps)


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

    step_kernel = step
    moment_count = 2
    beta1, beta2, eps, weight_decay, momentum_decay = Number(3), Number(4), Number(5), Number(6), Number(7)

    def __init__(
        self,
        lr: float | Schedule = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        clip_norm: float | None = None,
    ) -> None:
        b1, b2 = decay_rate(beta1, "NAdam", "beta1"), decay_rate(beta2, "NAdam", "beta2")
        decays = not_negative(weight_decay, "NAdam", "weight_decay"), not_negative(momentum_decay, "NAdam", "momentum_decay")
        super().__init__(lr, (b1, b2, positive(eps, "NAdam", "eps"), *decays, 1.0), clip_norm)

    @classmethod
    def examples(cls) -> list[Optimizer]:
        lively = {"beta1": 0.8, "beta2": 0.9, "eps": 1e-4, "weight_decay": 0.1, "momentum_decay": 0.05, "clip_norm": 0.5}
        return [cls(0.01), cls(0.02, **lively)]
