# %% [markdown]
"""
Part 2: non-linear modules
==========================

Two activations, TanH and Sigmoide. They have no parameters, so `backward_update_gradient` has nothing to do;
`backward_delta` multiplies delta by the derivative, element by element, at the *input*.
"""

# %%
import numpy as np

from modnet.check import check_module
from modnet.handout import Linear, Module, MSELoss


# %%
class TanH(Module):
    def forward(self, X):
        # solution
        return np.tanh(X)
        # end

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        # solution
        return delta * (1 - np.tanh(input) ** 2)
        # end


class Sigmoide(Module):
    def forward(self, X):
        # solution
        e = np.exp(-np.abs(X))  # never of a large positive number
        return np.where(X >= 0, 1, e) / (1 + e)
        # end

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        # solution
        s = self.forward(input)
        return delta * s * (1 - s)
        # end


# %%
print(check_module(TanH(), (4, 3)))
print(check_module(Sigmoide(), (4, 3)))

# %% [markdown]
# At large numbers: 0 and 1, and no warning of an overflow.

# %%
with np.errstate(over="raise"):
    assert np.array_equal(Sigmoide().forward(np.array([[-1000.0, 0.0, 1000.0]])), [[0.0, 0.5, 1.0]])
print("no overflow")

# %% [markdown]
# XOR with Linear, TanH, Linear, Sigmoide, the passes written out: delta goes from the loss through the modules in
# reverse.

# %%
np.random.seed(1)
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])
first, tanh, second, sigmoid, loss = Linear(2, 8, bias=True), TanH(), Linear(8, 1, bias=True), Sigmoide(), MSELoss()
for _ in range(2000):
    # solution
    a = first.forward(X)
    h = tanh.forward(a)
    b = second.forward(h)
    yhat = sigmoid.forward(b)
    delta = sigmoid.backward_delta(b, loss.backward(y, yhat) / len(X))
    for layer in (first, second):
        layer.zero_grad()
    second.backward_update_gradient(h, delta)
    delta = tanh.backward_delta(a, second.backward_delta(h, delta))
    first.backward_update_gradient(X, delta)
    for layer in (first, second):
        layer.update_parameters(0.5)
    # end

# %%
answers = sigmoid.forward(second.forward(tanh.forward(first.forward(X))))
assert ((answers > 0.5) == y).all(), f"the answers are {answers.ravel()}, expected about 0, 1, 1, 0"
print("XOR is learned:", answers.ravel().round(2))
