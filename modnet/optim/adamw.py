"""AdamW: Adam, with the pull to zero kept out of the moments.

p parameters, g gradient, m and v its decayed mean and mean square, t the count of steps; b1, b2 the decays, w the weight decay.

(1)  p = p - lr w p
(2)  m = b1 m + (1 - b1) g
     v = b2 v + (1 - b2) g^2
(3)  p = p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

In Adam the pull w p is part of g, and so is divided by sqrt(v): parameters with large gradients are hardly pulled at all. Here
it is the same for all.

Reference: I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import kernel
from modnet.optim.optimizer import Number, Optimizer, decay_rate, not_negative, positive
from modnet.optim.schedules import Schedule


@kernel("step")
def step(params, grad, moments, settings):
    # params, grad (n,), moments m then v (2 n,), settings lr, steps, clip, beta1, beta2, eps, weight decay
    settings[1] += 1
    n, t = params.size, settings[1]
    real = params.dtype.type
    one, beta1, beta2 = real(1.0), real(settings[3]), real(settings[4])
    rate = real(settings[0] / (1 - settings[3] ** t))
    root, eps, kept = real(np.sqrt(1 - settings[4] ** t)), real(settings[5]), real(1 - settings[0] * settings[6])
    m, v = moments[:n], moments[n:]
    for i in range(n):
        m[i] = beta1 * m[i] + (one - beta1) * grad[i]
        v[i] = beta2 * v[i] + (one - beta2) * grad[i] * grad[i]
        params[i] = kept * params[i] - rate * m[i] / (np.sqrt(v[i]) / root + eps)


class AdamW(Optimizer):
    """Adam with decoupled weight decay.

    Parameters
    ----------
    lr : the learning rate, positive, or a schedule.
    beta1, beta2 : from 0 up to 1, the decays of the mean and of the mean square.
    eps : added to the divisor, positive.
    weight_decay : each step multiplies the parameters by 1 - lr * weight_decay. Not negative.
    clip_norm : the largest norm of the gradient, or None.
    """

    step_kernel = step
    moment_count = 2
    beta1, beta2, eps, weight_decay = Number(3), Number(4), Number(5), Number(6)

    def __init__(
        self,
        lr: float | Schedule = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        clip_norm: float | None = None,
    ) -> None:
        b1, b2 = decay_rate(beta1, "AdamW", "beta1"), decay_rate(beta2, "AdamW", "beta2")
        own = b1, b2, positive(eps, "AdamW", "eps"), not_negative(weight_decay, "AdamW", "weight_decay")
        super().__init__(lr, own, clip_norm)

    @classmethod
    def examples(cls) -> list[Optimizer]:
        return [cls(0.01), cls(0.02, beta1=0.8, beta2=0.9, eps=1e-4, weight_decay=0.5, clip_norm=0.5)]
