"""Rprop: a step that grows while the gradient keeps its sign and shrinks when it changes.

p parameters, g gradient, a the steps, one for each parameter, lr at first; etas (shrink, grow).

(1)  a = a grow   where g has the sign of the gradient before
     a = a shrink where it has the other sign: the minimum was passed; g counts as 0 then, for this step and the next
     a held within step_sizes
(2)  p = p - a sign(g)

Only the sign of the gradient is used. That of a minibatch changes by chance, so take all examples at once: batch_size=None.

Reference: M. Riedmiller and H. Braun, A direct adaptive method for faster backpropagation learning: the RPROP algorithm, IEEE
International Conference on Neural Networks, 1993.
"""

from __future__ import annotations

import numpy as np

from modnet.arrays import real
from modnet.kernels import kernel
from modnet.optim.optimizer import OWN, Optimizer
from modnet.optim.schedules import Schedule


@kernel("step")
def step(params, grad, moments, settings):
    # params, grad (n,), moments the gradient before then a (2 n,), settings lr, steps, clip, shrink, grow, smallest, largest
    settings[1] += 1
    n, real = params.size, params.dtype.type
    zero, shrink, grow = real(0.0), real(settings[3]), real(settings[4])
    smallest, largest = real(settings[5]), real(settings[6])
    before, a = moments[:n], moments[n:]
    if settings[1] == 1:
        a[:] = real(settings[0])
    for i in range(n):
        g = grad[i]
        agreement = np.sign(g) * np.sign(before[i])
        if agreement > 0:
            a[i] *= grow
        elif agreement < 0:
            a[i] *= shrink
            g = zero
        a[i] = min(max(a[i], smallest), largest)
        params[i] -= np.sign(g) * a[i]
        before[i] = g


class Rprop(Optimizer):
    """A step of its own for each parameter, by the signs of its gradients.

    Parameters
    ----------
    lr : the first step, positive. A schedule has no meaning here: the steps find their sizes themselves.
    etas : by what a step is multiplied when the sign changes, between 0 and 1, and when it stays, above 1.
    step_sizes : the smallest and the largest step, positive.
    clip_norm : the largest norm of the gradient, or None. It changes no sign, and so nothing here.
    """

    step_kernel = step
    moment_count = 2

    def __init__(
        self,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        clip_norm: float | None = None,
    ) -> None:
        if isinstance(lr, Schedule):
            raise TypeError(f"Rprop: lr is {lr!r}, expected a number, the first step: the steps find their sizes themselves")
        for pair, name in ((etas, "etas"), (step_sizes, "step_sizes")):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise TypeError(f"Rprop: {name} is {pair!r}, expected a pair of numbers")
        shrink = real(etas[0], "Rprop", "etas[0]", "a number between 0 and 1", lambda v: 0 < v < 1)
        grow = real(etas[1], "Rprop", "etas[1]", "a number above 1", lambda v: v > 1)
        smallest = real(step_sizes[0], "Rprop", "step_sizes[0]", "a positive number", lambda v: v > 0)
        largest = real(step_sizes[1], "Rprop", "step_sizes[1]", f"at least {smallest:g}", lambda v: v >= smallest)
        super().__init__(lr, (shrink, grow, smallest, largest), clip_norm)

    @property
    def etas(self) -> tuple[float, float]:
        """The factors of a step when the sign changes and when it stays."""
        return float(self._initial[OWN]), float(self._initial[OWN + 1])

    @property
    def step_sizes(self) -> tuple[float, float]:
        """The smallest and the largest step."""
        return float(self._initial[OWN + 2]), float(self._initial[OWN + 3])

    @classmethod
    def examples(cls) -> list[Optimizer]:
        return [cls(), cls(0.05, etas=(0.7, 1.5), step_sizes=(1e-3, 0.1), clip_norm=0.5)]
