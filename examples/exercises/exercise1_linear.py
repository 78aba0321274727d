# %% [markdown]
"""
Part 1: the linear module
=========================

Write a loss and a layer, and a regression with them. Everything works on batches: the first axis is always the
examples. Run the cell that checks after each class; it says what is wrong, not only that something is.
"""

# %%
import numpy as np

from modnet.check import check_loss, check_module
from modnet.handout import Loss, Module

# %% [markdown]
# The squared error of each example, ||y - yhat||^2: a vector (batch,). `backward` is its derivative by yhat,
# (batch, d), for each example on its own: no mean over the batch.


# %%
class MSELoss(Loss):
    def forward(self, y, yhat):
        # solution
        return ((y - yhat) ** 2).sum(axis=1)
        # end

    def backward(self, y, yhat):
        # solution
        return 2 * (yhat - y)
        # end


# %%
y, yhat = np.array([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0]]), np.array([[0.5, 2.5], [1.0, 1.0], [2.0, -1.0]])
print(check_loss(MSELoss(), y, yhat))

# %% [markdown]
# The layer: X W, (batch, input) -> (batch, output). `backward_update_gradient` adds dL/dW to `_gradient`, summed
# over the batch; `backward_delta` returns dL/dX. delta is dL/d(output), (batch, output). Write down the shapes:
# only one product of input, delta and W fits.


# %%
class Linear(Module):
    def __init__(self, input, output):
        self._parameters = np.random.uniform(-1, 1, (input, output))
        self._gradient = np.zeros((input, output))

    def zero_grad(self):
        # solution
        self._gradient[:] = 0
        # end

    def forward(self, X):
        # solution
        return X @ self._parameters
        # end

    def update_parameters(self, gradient_step=1e-3):
        # solution
        self._parameters -= gradient_step * self._gradient
        # end

    def backward_update_gradient(self, input, delta):
        # solution
        self._gradient += input.T @ delta
        # end

    def backward_delta(self, input, delta):
        # solution
        return delta @ self._parameters.T
        # end


# %%
np.random.seed(1)
print(check_module(Linear(3, 2), (4, 3)))

# %% [markdown]
# A regression: forward, loss, backward, update, a hundred times. Divide delta by the number of examples, so that
# the step does not depend on it.

# %%
rng = np.random.default_rng(0)
X = rng.normal(size=(50, 3))
y = X @ [[1.0], [-2.0], [0.5]] + 0.1 * rng.normal(size=(50, 1))
layer, loss = Linear(3, 1), MSELoss()
for _ in range(100):
    # solution
    yhat = layer.forward(X)
    layer.zero_grad()
    layer.backward_update_gradient(X, loss.backward(y, yhat) / len(X))
    layer.update_parameters(0.1)
    # end

# %%
best = np.linalg.lstsq(X, y, rcond=None)[0]
assert np.allclose(layer._parameters, best, atol=1e-3), f"W is {layer._parameters.ravel()}, least squares gives {best.ravel()}"
print("the regression finds the least squares")
