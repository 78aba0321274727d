"""Ridge: a Linear whose weights are pulled to zero, as `alpha` does in scikit-learn's MLPClassifier.

x (batch, n), W (n, m), b (m,), delta = dL/dout (batch, m), a = alpha.

(1)  out = x W + b                        as Linear
(2)  dL/dW = x^T delta + (a / batch) W    the derivative of (a / 2) |W|^2 / batch, the penalty shared out over the batch
     dL/db = sum over i of delta[i]       biases are free
(3)  dL/dx = delta W^T                    as Linear

An optimizer's weight_decay pulls biases too and does not know the size of the batch, so that the same alpha would mean
something else for each batch_size. With alpha above 0 the gradient is that of the loss with the penalty: a gradient check of
the layer alone then finds the difference, (a / batch) W.

Reference: A. Hoerl and R. Kennard, Ridge regression: biased estimation for nonorthogonal problems, Technometrics 12 (1970).
"""

from __future__ import annotations

from typing import Any

from modnet.kernels import add_rows, matmul_tn
from modnet.module import Setting, Shape, operation
from modnet.modules.linear import Linear


class RidgeLinear(Linear):
    """A `Linear` that adds the gradient of (alpha / 2) |W|^2 / batch to that of its weights.

    Parameters
    ----------
    in_features, out_features, bias, init, rng : as in `Linear`.
    alpha : how strongly weights are pulled to zero, not negative; it may be set at any time.

    Shape
    -----
    (batch, ..., in) -> (batch, ..., out)

    Example
    -------
    >>> layer = RidgeLinear(2, 1, alpha=0.5, rng=0)
    >>> layer.weight[:] = 3.0
    >>> layer.backward_update_gradient([[0.0, 0.0]], [[1.0]])
    >>> layer.weight_gradient.tolist(), layer.bias_gradient.tolist()
    ([[1.5], [1.5]], [1.0])
    """

    alpha = Setting("a number that is not negative", lambda v: v >= 0)

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, init: Any = "uniform", rng: Any = None, alpha: float = 0.0
    ) -> None:
        super().__init__(in_features, out_features, bias, init, rng)
        self.alpha = alpha

    @operation
    def backward_update_gradient(x, delta, p, g, c):
        # out = x W + b
        matmul_tn(x, delta, g.weight, True)                                 # (2)
        add_rows(delta, g.bias)
        if c.alpha > c.zero:
            pull = c.alpha / x.dtype.type(x.shape[0])
            for i in range(p.weight.shape[0]):
                for j in range(p.weight.shape[1]):
                    g.weight[i, j] += pull * p.weight[i, j]

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(3, 2, rng=0), (4, 3)), (cls(5, 1, bias=False, rng=1), (1, 5)), (cls(2, 3, rng=3), (2, 3, 4, 2))]
