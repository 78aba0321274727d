"""A Linear whose weights are pulled to zero: the `alpha` of scikit-learn's MLPClassifier.

x (batch, n), W (n, m), delta = dL/dout (batch, m), a = alpha.

(1)  out = x W + b                        as Linear
(2)  dL/dW = x^T delta + (a / batch) W    the derivative of (a / 2) |W|^2 / batch, the penalty shared out over the batch
     dL/db = sum over i of delta[i]       biases are free
(3)  dL/dx = delta W^T                    as Linear

An optimizer's weight_decay pulls biases too and does not know the size of the batch, so that the same alpha would mean
something else for each batch_size.
"""

from __future__ import annotations

from typing import Any

from modnet.kernels import Setting, add_rows, matmul_tn
from modnet.module import operation
from modnet.modules import Linear


class PulledLinear(Linear):
    """A `Linear` with the gradient of (alpha / 2) |W|^2 / batch added to that of its weights. alpha : not negative."""

    alpha = Setting("a number that is not negative", lambda v: v >= 0)

    def __init__(self, in_features: int, out_features: int, alpha: float, init: Any = "uniform", rng: Any = None) -> None:
        super().__init__(in_features, out_features, init=init, rng=rng)
        self.alpha = alpha

    @operation
    def backward_update_gradient(x, delta, p, g, c):  # noqa: ANN201, D102
        # out = x W + b
        matmul_tn(x, delta, g.weight, True)            # (2)
        add_rows(delta, g.bias)
        if c.alpha > c.zero:
            pull = c.alpha / x.dtype.type(x.shape[0])
            for i in range(p.weight.shape[0]):
                for j in range(p.weight.shape[1]):
                    g.weight[i, j] += pull * p.weight[i, j]

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, alpha={self.alpha:g})".replace("PulledLinear", "Linear", 1)


__all__ = ["PulledLinear"]
