"""RMSprop: steps divided by the root of a running mean of squared gradients.

p parameters, g gradient, s and c the decayed means of its square and of itself, v velocity; a the decay, m the momentum, w the
weight decay.

(1)  g = g + w p
(2)  s = a s + (1 - a) g^2
     c = a c + (1 - a) g                                     where centered
(3)  q = sqrt(s) + eps, or sqrt(s - c^2) + eps where centered
(4)  v = m v + g / q
     p = p - lr v                                            without momentum v is g / q

Unlike Adagrad's sum, the mean forgets, so the steps do not die out. Centered, the divisor is the deviation of the gradient and
not its size.

References: T. Hinton, Neural networks for machine learning, lecture 6 (2012); A. Graves, Generating sequences with recurrent
neural networks (2013), arXiv:1308.0850 (centered).
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import kernel
from modnet.optim.optimizer import Number, Optimizer, decay_rate, not_negative, positive
from modnet.optim.schedules import Schedule


@kernel("step")
def step(params, grad, moments, settings):
    # params, grad (n,), moments s, then v with momentum, then c where centered
    # settings lr, steps, clip, alpha, eps, momentum, centered, weight decay
    settings[1] += 1
    n, real = params.size, params.dtype.type
    zero, one, lr, alpha, eps = real(0.0), real(1.0), real(settings[0]), real(settings[3]), real(settings[4])
    momentum, centered, decay = real(settings[5]), settings[6] != 0, real(settings[7])
    s, c = moments[:n], moments[moments.size - n :]
    for i in range(n):
        g = grad[i] + decay * params[i]
        s[i] = alpha * s[i] + (one - alpha) * g * g
        mean = zero
        if centered:
            c[i] = alpha * c[i] + (one - alpha) * g
            mean = c[i]
        move = g / (np.sqrt(s[i] - mean * mean) + eps)
        if momentum > 0:
            moments[n + i] = momentum * moments[n + i] + move
            move = moments[n + i]
        params[i] -= lr * move


class RMSprop(Optimizer):
    """Steps divided by the root of the running mean of squared gradients.

    Parameters
    ----------
    lr : the learning rate, positive, or a schedule.
    alpha : from 0 up to 1, the decay of the mean.
    eps : added to the divisor, positive.
    momentum : from 0 up to 1: how much of the velocity is kept.
    centered : whether the mean of the gradient is taken out of that of its square.
    weight_decay : added to the gradient as weight_decay * parameter, not negative.
    clip_norm : the largest norm of the gradient, or None.
    """

    step_kernel = step
    alpha, eps, momentum, weight_decay = Number(3), Number(4), Number(5), Number(7)

    def __init__(
        self,
        lr: float | Schedule = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        a, m = decay_rate(alpha, "RMSprop", "alpha"), decay_rate(momentum, "RMSprop", "momentum")
        e, decay = positive(eps, "RMSprop", "eps"), not_negative(weight_decay, "RMSprop", "weight_decay")
        super().__init__(lr, (a, e, m, float(bool(centered)), decay), clip_norm)
        self.moment_count = 1 + (m > 0) + bool(centered)

    @property
    def centered(self) -> bool:
        """Whether the mean of the gradient is taken out of that of its square."""
        return bool(self._initial[6])

    @classmethod
    def examples(cls) -> list[Optimizer]:
        return [
            cls(0.01),
            cls(0.01, momentum=0.9),
            cls(0.01, centered=True, eps=1e-3),
            cls(0.02, alpha=0.8, eps=1e-2, momentum=0.5, centered=True, weight_decay=0.1, clip_norm=0.5),
        ]
