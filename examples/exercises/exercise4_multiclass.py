# %% [markdown]
"""
Part 4: several classes
=======================

Softmax turns scores into probabilities, and every output depends on every input: the derivative is a matrix,
not an element-wise factor. Cross-entropy fused with log-softmax is simpler and never overflows.
"""

# %%
import numpy as np

from modnet.check import check_loss, check_module
from modnet.handout import SGD, Linear, Loss, Module, Sequentiel, TanH

# %% [markdown]
# softmax(x)_i = exp(x_i) / sum_j exp(x_j). Its Jacobian is ds_i/dx_j = s_i (1 if i = j else 0) - s_i s_j: work
# out delta times it, for a row. Subtracting the largest score changes nothing and keeps exp finite.


# %%
class Softmax(Module):
    def forward(self, X):
        # solution
        e = np.exp(X - X.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
        # end

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        # solution
        s = self.forward(input)
        return s * (delta - (delta * s).sum(axis=1, keepdims=True))
        # end


# %%
print(check_module(Softmax(), (4, 3)))

# %% [markdown]
# CrossEntropieLoss: -yhat_y + log sum exp yhat, from scores yhat (batch, classes) and integer labels y (batch,).
# Its derivative is softmax - one-hot.


# %%
class CrossEntropieLoss(Loss):
    def forward(self, y, yhat):
        # solution
        top = yhat.max(axis=1)
        return top + np.log(np.exp(yhat - top[:, None]).sum(axis=1)) - yhat[np.arange(len(y)), y]
        # end

    def backward(self, y, yhat):
        # solution
        return Softmax().forward(yhat) - np.eye(yhat.shape[1])[y]
        # end


# %%
scores = np.random.default_rng(0).normal(size=(5, 3))
print(check_loss(CrossEntropieLoss(), np.array([0, 2, 1, 1, 0]), scores))
large = CrossEntropieLoss().forward(np.array([0]), np.array([[0.0, 1000.0]]))
assert large == 1000.0, f"the loss at a score of 1000 is {large}, expected 1000"

# %% [markdown]
# Handwritten digits.

# %%
from modnet.datasets import load  # noqa: E402

np.random.seed(1)
X, y = load("digits")
net = Sequentiel(Linear(64, 30, bias=True), TanH(), Linear(30, 10, bias=True))
for layer in (net[0], net[2]):
    layer.parameters[:] /= np.sqrt(layer.in_features)  # weights in (-1, 1) are too large for 64 inputs
SGD(net, X[:1200], y[:1200], 32, 30, CrossEntropieLoss(), 0.3)
right = (net.forward(X[1200:]).argmax(axis=1) == y[1200:]).mean()
assert right > 0.88, f"{right:.1%} right on new digits, expected more than 88 %"
print(f"{right:.1%} right on new digits")
