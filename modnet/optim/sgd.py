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

from modnet.kernels import Compiled, kernel
from modnet.optim.optimizer import Number, Optimizer, decay_rate, not_negative
from modnet.optim.schedules import Schedule


@kernel("step")
def plain_step(params, grad, moments, settings):
    # params, grad (n,)
    settings[1] += 1
    lr = params.dtype.type(settings[0])
    for i in range(params.size):
        params[i] -= lr * grad[i]


@kernel("step")
def momentum_step(params, grad, moments, settings):
    # params, grad (n,), moments v (n,), settings lr, steps, clip, momentum, nesterov, weight decay
    settings[1] += 1
    lr, momentum = params.dtype.type(settings[0]), params.dtype.type(settings[3])
    nesterov, decay = settings[4] != 0, params.dtype.type(settings[5])
    if nesterov:
        for i in range(params.size):
            g = grad[i] + decay * params[i]
            moments[i] = momentum * moments[i] + g
            params[i] -= lr * (g + momentum * moments[i])
    else:
        for i in range(params.size):
            g = grad[i] + decay * params[i]
            moments[i] = momentum * moments[i] + g
            params[i] -= lr * moments[i]


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

    momentum, weight_decay = Number(3), Number(5)

    def __init__(
        self,
        lr: float | Schedule,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
    ) -> None:
        m, decay = decay_rate(momentum, "SGD", "momentum"), not_negative(weight_decay, "SGD", "weight_decay")
        if nesterov and m == 0:
            raise ValueError("SGD: nesterov without momentum, expected momentum above 0")
        super().__init__(lr, (m, float(bool(nesterov)), decay), clip_norm)
        self._simple = m == 0 and decay == 0
        self.moment_count = 0 if self._simple else 1

    @property
    def step_kernel(self) -> Compiled:  # type: ignore[override]
        return plain_step if self._simple else momentum_step

    @property
    def plain(self) -> bool:
        return self._simple and self.clip_norm is None

    @property
    def nesterov(self) -> bool:
        """Whether the step looks ahead."""
        return bool(self._initial[4])

    @classmethod
    def examples(cls) -> list[Optimizer]:
        return [
            cls(0.05),
            cls(0.02, momentum=0.9),
            cls(0.02, momentum=0.8, nesterov=True, weight_decay=0.1),
            cls(0.05, weight_decay=0.1, clip_norm=0.5),
        ]
