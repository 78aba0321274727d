# %% [markdown]
"""
12. The operator "different", a module of one's own
===================================================

``min(a |x - y|, 1)`` is 1 if x and y differ by enough and 0 if they are equal. a is learned. The module is
plain numpy: three operations, one parameter. `check_module` says whether its derivatives are right, `fit`
trains it like any other.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import MSE, Module, fit, predict
from modnet.check import check_module
from modnet.datasets import load
from modnet.optim import SGD
from modnet.plotting import curves

OUT = Path("out")
OUT.mkdir(exist_ok=True)


class Different(Module):
    """out = min(a |x - y|, 1), (batch, 2) -> (batch, 1)."""

    def __init__(self, a=0.01):
        self._parameters = np.array([a])
        self._gradient = np.zeros(1)

    def forward(self, X):
        apart = np.abs(X[:, :1] - X[:, 1:])
        return np.minimum(self._parameters * apart, 1)

    def backward_update_gradient(self, input, delta):
        apart = np.abs(input[:, :1] - input[:, 1:])
        rising = self._parameters * apart < 1
        self._gradient += (delta * apart * rising).sum()

    def backward_delta(self, input, delta):
        difference = input[:, :1] - input[:, 1:]
        rising = self._parameters * np.abs(difference) < 1
        slope = delta * self._parameters * np.sign(difference) * rising
        return np.hstack([slope, -slope])


print(check_module(Different(0.3), (6, 2)))

# %%
X, y = load("different")
net, values = Different(), []
fit(net, X, y[:, None], loss=MSE(), optimizer=SGD(0.05), epochs=99, batch_size=None, rng=0,
    callbacks=[lambda training: values.append(float(net._parameters[0]))])  # fmt: skip
right = ((predict(net, X)[:, 0] > 0.5) == y).all()
found = next(i for i, a in enumerate(values) if abs(a - values[-1]) < 1e-3) + 1
print(f"a = {values[-1]:.3f} after {found} iterations; the four answers are {predict(net, X)[:, 0].round(3)}, right: {right}")
curves({"a": values}, OUT / "12_different.png", xlabel="iteration", ylabel="a", title="min(a |x - y|, 1): a is found")
