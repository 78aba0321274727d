"""Adamax: Adam with the largest gradient of late in the place of the root of the mean square.

p parameters, g gradient, m its decayed mean, u its decayed maximum, t the count of steps; b1, b2 the decays, w the weight
decay.

(1)  g = g + w p
(2)  m = b1 m + (1 - b1) g
     u = max(b2 u, |g| + eps)
(3)  p = p - (lr / (1 - b1^t)) m / u

u is what Adam's root becomes when squares are replaced by ever higher powers. It needs no correction for its start.

Reference: D. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015, section 7.1.
"""

from __future__ import annotations

from modnet.kernels import kernel
from modnet.optim.optimizer import Number, Optimizer, decay_rate, not_negative, positive
from modnet.optim.schedules import Schedule


@kernel("step")
def step(params, grad, moments, settings):
    # params, grad (n,), moments m then u (2 n,), settings lr, steps, clip, beta1, beta2, eps, weight decay
    settings[1] += 1
    n, t = params.size, settings[1]
    real = params.dtype.type
    one, beta1, beta2 = real(1.0), real(settings[3]), real(settings[4])
    rate, eps, decay = real(settings[0] / (1 - settings[3] ** t)), real(settings[5]), real(settings[6])
    m, u = moments[:n], moments[n:]
    for i in range(n):
        g = grad[i] + decay * params[i]
        m[i] = beta1 * m[i] + (one - beta1) * g
        before, now = beta2 * u[i], abs(g) + eps
        u[i] = before if before > now else now
        params[i] -= rate * m[i] / u[i]


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

    step_kernel = step
    moment_count = 2
    beta1, beta2, eps, weight_decay = Number(3), Number(4), Number(5), Number(6)

    def __init__(
        self,
        lr: float | Schedule = 2e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        b1, b2 = decay_rate(beta1, "Adamax", "beta1"), decay_rate(beta2, "Adamax", "beta2")
        own = b1, b2, positive(eps, "Adamax", "eps"), not_negative(weight_decay, "Adamax", "weight_decay")
        super().__init__(lr, own, clip_norm)

    @classmethod
    def examples(cls) -> list[Optimizer]:
        return [cls(0.01), cls(0.02, beta1=0.8, beta2=0.9, eps=1e-4, weight_decay=0.1, clip_norm=0.5)]
