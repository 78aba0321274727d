"""AdamW: Adam, with the pull to zero kept out of the moments.

p parameters, g gradient, m and v its decayed mean and mean square, t the count of steps; b1, b2 the decays, w the weight decay.

(1)  p = p - lr w p
(2)  m = b1 m + (1 - b1) g
     v = b2 v + (1 - b2) g^2
(3)  p = p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

In Adam the pull w p is part of g, and so is divided by sqrt(v): parameters with large gradients are hardly pulled at all. Here
it is the same for all of them.

Reference: I. Loshchilov and F. Hutter, Decoupled weight decay regularization, ICLR 2019.
"""

from __future__ import annotations

import numpy as np

from modnet.kernels import operation
from modnet.optim.adam import Adam
from modnet.optim.arguments import not_negative


class AdamW(Adam):
    """Adam with decoupled weight decay.

    Parameters
    ----------
    lr : the learning rate, positive, or a schedule.
    beta1, beta2 : from 0 up to 1, the decays of the mean and of the mean square.
    eps : added to the divisor, positive.
    weight_decay : each step multiplies the parameters by 1 - lr * weight_decay. Not negative.
    clip_norm : the largest norm of the gradient, or None.
    """

    weight_decay: float = not_negative(default=0.01)

    @operation
    def step(p, g, st, s):
        # p, g, m = st.mean, v = st.square (n,)
        s.steps += 1
        m, v, t, real = st.mean, st.square, float(s.steps), p.dtype.type
        one, beta1, beta2, eps = real(1.0), real(s.beta1), real(s.beta2), real(s.eps)
        rate, root = real(s.lr / (1 - s.beta1**t)), real(1.0 / np.sqrt(1 - s.beta2**t))
        kept = real(1 - s.lr * s.weight_decay)
        for i in range(p.size):
            m[i] = beta1 * m[i] + (one - beta1) * g[i]                              # (2)
            v[i] = beta2 * v[i] + (one - beta2) * g[i] * g[i]
            p[i] = kept * p[i] - rate * m[i] / (np.sqrt(v[i]) * root + eps)         # (1), (3)

    tried = {"lr": 0.01}, {"lr": 0.02, "beta1": 0.8, "beta2": 0.9, "eps": 1e-4, "weight_decay": 0.5, "clip_norm": 0.5}
