# %% [markdown]
"""
Part 6: convolution
===================

A window of weights slides along a signal (batch, length, channels). Windows that overlap share pixels: on the
way back their deltas add up. Avoid loops over examples and positions; a loop over the few places of the window
is enough.
"""

# %%
import time

import numpy as np

from modnet.check import check_module
from modnet.handout import Module

# %% [markdown]
# Weights (k_size, chan_in, chan_out); output length (length - k_size) // stride + 1. Place t of the window meets
# the pixels t, t + stride, t + 2 stride, ...


# %%
class Conv1D(Module):
    def __init__(self, k_size, chan_in, chan_out, stride=1):
        self.k_size, self.stride = k_size, stride
        self._parameters = 0.1 * np.random.uniform(-1, 1, (k_size, chan_in, chan_out))
        self._gradient = np.zeros_like(self._parameters)

    def met(self, t, length):
        """The pixels that place t of the window meets, as a slice."""
        count = (length - self.k_size) // self.stride + 1
        return slice(t, t + (count - 1) * self.stride + 1, self.stride)

    def forward(self, X):
        # solution
        return sum(X[:, self.met(t, X.shape[1])] @ self._parameters[t] for t in range(self.k_size))
        # end

    def backward_update_gradient(self, input, delta):
        # solution
        for t in range(self.k_size):
            self._gradient[t] += np.tensordot(input[:, self.met(t, input.shape[1])], delta, axes=((0, 1), (0, 1)))
        # end

    def backward_delta(self, input, delta):
        # solution
        found = np.zeros(input.shape)
        for t in range(self.k_size):
            found[:, self.met(t, input.shape[1])] += delta @ self._parameters[t].T
        return found
        # end


# %%
np.random.seed(1)
print(check_module(Conv1D(3, 2, 4, 2), (2, 9, 2)))
print(check_module(Conv1D(2, 1, 3), (3, 6, 1)))

# %% [markdown]
# The largest number of each window; its delta goes to the first of equals. Digits are full of zeros, so equals
# are the rule.


# %%
class MaxPool1D(Module):
    def __init__(self, k_size, stride):
        self.k_size, self.stride = k_size, stride

    def windows(self, X):
        """(batch, positions, channels, k_size)."""
        return np.lib.stride_tricks.sliding_window_view(X, self.k_size, axis=1)[:, :: self.stride]

    def forward(self, X):
        # solution
        return self.windows(X).max(axis=-1)
        # end

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        # solution
        found = np.zeros(input.shape)
        first = self.windows(input).argmax(axis=-1)  # (batch, positions, channels)
        b, p, c = np.indices(first.shape)
        np.add.at(found, (b, p * self.stride + first, c), delta)
        return found
        # end


class Flatten(Module):
    def forward(self, X):
        # solution
        return X.reshape(len(X), -1)
        # end

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        # solution
        return delta.reshape(input.shape)
        # end


class ReLU(Module):
    def forward(self, X):
        # solution
        return np.maximum(X, 0)
        # end

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        # solution
        return delta * (input > 0)
        # end


# %%
for module, shape in ((MaxPool1D(2, 2), (2, 8, 3)), (MaxPool1D(3, 1), (2, 7, 2)), (Flatten(), (3, 4, 2)), (ReLU(), (4, 3))):
    print(check_module(module, shape))

# %% [markdown]
# The statement's network on a thousand signals, once forward and back: in well under two seconds, or there is a
# loop too many.

# %%
X = np.random.default_rng(0).normal(size=(1000, 256, 1))
conv, pool = Conv1D(3, 1, 32), MaxPool1D(2, 2)
start = time.process_time()
h = conv.forward(X)
delta = pool.backward_delta(h, np.ones_like(pool.forward(h)))
conv.backward_update_gradient(X, delta)
print(f"{time.process_time() - start:.2f} s of processor time")
