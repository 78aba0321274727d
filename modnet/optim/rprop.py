"""Rprop: a step that grows while the gradient keeps its sign and shrinks when it changes.

p parameters, g gradient, a the steps, one for each parameter, lr at first; etas (shrink, grow).

(1)  a = a grow   if g has the sign of the gradient before
     a = a shrink if it has the other sign: the minimum was passed; g counts as 0 then, for this step and the next
     a held within step_sizes
(2)  p = p - a sign(g)

Only the sign of the gradient is used. The sign of a minibatch's gradient changes by chance, so take all examples at once:
batch_size=None.

Reference: M. Riedmiller and H. Braun, A direct adaptive method for faster backpropagation learning: the RPROP algorithm, IEEE
International Conference on Neural Networks, 1993.
"""

from __future__ import annotations

import numpy as np

from modnet.inputs import real
from modnet.kernels import Setting, State, operation
from modnet.optim.optimizer import Optimizer
from modnet.optim.schedules import Schedule


class Rprop(Optimizer):
    """A step of its own for each parameter, by the signs of its gradients.

    Parameters
    ----------
    lr : the size of the first step, positive. A schedule has no meaning here: the steps find their own sizes.
    etas : the factors on a step when the sign changes, between 0 and 1, and when it stays the same, above 1.
    step_sizes : the smallest and the largest step, positive.
    clip_norm : the largest norm of the gradient, or None. It changes no sign, so it has no effect here.
    """

    before, own_steps = State("n"), State("n")
    shrink, grow = Setting(fixed=True), Setting(fixed=True)
    smallest, largest = Setting(fixed=True), Setting(fixed=True)

    def __init__(
        self,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        clip_norm: float | None = None,
    ) -> None:
        if isinstance(lr, Schedule):
            raise TypeError(f"Rprop: lr is {lr!r}, expected a number, the first step: the steps find their own sizes")
        for pair, name in ((etas, "etas"), (step_sizes, "step_sizes")):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise TypeError(f"Rprop: {name} is {pair!r}, expected a pair of numbers")
        shrink = real(etas[0], "Rprop", "etas[0]", "a number between 0 and 1", lambda v: 0 < v < 1)
        grow = real(etas[1], "Rprop", "etas[1]", "a number above 1", lambda v: v > 1)
        smallest = real(step_sizes[0], "Rprop", "step_sizes[0]", "a positive number", lambda v: v > 0)
        largest = real(step_sizes[1], "Rprop", "step_sizes[1]", f"at least {smallest:g}", lambda v: v >= smallest)
        super().__init__(lr, clip_norm, shrink=shrink, grow=grow, smallest=smallest, largest=largest)

    @property
    def etas(self) -> tuple[float, float]:
        """The factors on a step when the sign changes and when it stays the same."""
        return self.shrink, self.grow

    @property
    def step_sizes(self) -> tuple[float, float]:
        """The smallest and the largest step."""
        return self.smallest, self.largest

    @operation
    def step(p, g, st, s):
        # p, g, st.before, a = st.own_steps (n,)
        s.steps += 1
        before, a, real = st.before, st.own_steps, p.dtype.type
        zero, shrink, grow = real(0.0), real(s.shrink), real(s.grow)
        smallest, largest = real(s.smallest), real(s.largest)
        if s.steps == 1:
            for i in range(p.size):
                a[i] = real(s.lr)
        for i in range(p.size):
            slope = g[i]
            agreement = np.sign(slope) * np.sign(before[i])
            if agreement > 0:
                a[i] *= grow                               # (1)
            elif agreement < 0:
                a[i] *= shrink
                slope = zero
            a[i] = min(max(a[i], smallest), largest)
            p[i] -= np.sign(slope) * a[i]                  # (2)
            before[i] = slope

    tried = {}, {"lr": 0.05, "etas": (0.7, 1.5), "step_sizes": (1e-3, 0.1), "clip_norm": 0.5}
