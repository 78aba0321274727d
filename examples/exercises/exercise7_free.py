# %% [markdown]
"""
Part 7: beyond the statement
============================

Average pooling, and rows and columns of an image read side by side. Then what you like: real 2-D convolutions,
other data, signals.
"""

# %%
import numpy as np

from modnet import Concat, Transpose
from modnet.check import check_module
from modnet.datasets import load
from modnet.handout import SGD, Conv1D, CrossEntropieLoss, Flatten, Linear, Module, ReLU, Sequentiel


# %%
class AvgPool1D(Module):
    def __init__(self, k_size, stride):
        self.k_size, self.stride = k_size, stride

    def forward(self, X):
        # solution
        return np.lib.stride_tricks.sliding_window_view(X, self.k_size, axis=1)[:, :: self.stride].mean(axis=-1)
        # end

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        # solution
        found = np.zeros(input.shape)
        last = (delta.shape[1] - 1) * self.stride + 1
        for t in range(self.k_size):
            found[:, t : t + last : self.stride] += delta / self.k_size
        return found
        # end


# %%
print(check_module(AvgPool1D(2, 2), (2, 8, 3)))
print(check_module(AvgPool1D(3, 2), (2, 9, 2)))

# %% [markdown]
# Rows and columns: a digit (8, 8) is eight signals of eight channels whichever way it is read. Two branches, one
# on the image and one on its transpose, their results side by side.

# %%
np.random.seed(1)
X, y = load("digits")
images = X.reshape(-1, 8, 8)
# solution
rows = Sequentiel(Conv1D(3, 8, 16), ReLU(), AvgPool1D(2, 2), Flatten())
columns = Sequentiel(Transpose(1, 0), Conv1D(3, 8, 16), ReLU(), AvgPool1D(2, 2), Flatten())
net = Sequentiel(Concat(rows, columns), Linear(96, 10, bias=True))
# end

# %%
net[1].parameters[:] /= np.sqrt(net[1].in_features)
SGD(net, images[:1200], y[:1200], 32, 15, CrossEntropieLoss(), 0.1)
right = (net.forward(images[1200:]).argmax(axis=1) == y[1200:]).mean()
assert right > 0.85, f"{right:.1%} right on new digits, expected more than 85 %"
print(f"{right:.1%} right on new digits, read by rows and by columns")
