# %% [markdown]
"""
11. Regression of marks
=======================

Four students, three marks each, and the final mark to predict: a Linear and the mean squared error, first from
weights that anybody would guess, the average of the three marks. Then more students, by mini-batches.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import MSE, Linear, fit, predict
from modnet.datasets import load
from modnet.optim import SGD
from modnet.plotting import curves, predictions, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)

X, y = load("marks")
net = Linear(3, 1)
net.weight[:], net.bias[:] = 0.333, 0.0
loss, target = MSE(), y[:, None]
net.zero_grad()
net.backward_update_gradient(X, loss.backward(target, net.forward(X)) / len(X))
print(f"from (0, .333, .333, .333): mean squared error {loss(target, net.forward(X)):.2f}, "
      f"the first two partial derivatives {net.bias_gradient[0]:.2f} and {net.weight_gradient[0, 0]:.2f}")  # fmt: skip

# %% [markdown]
# The loop of every training: present the examples, forward, loss, backward, update; stop if the loss is small enough, or
# after so many iterations.

# %%
iterations = 0
while loss(target, net.forward(X)) > 0.01 and iterations < 1000:
    net.zero_grad()
    net.backward_update_gradient(X, loss.backward(target, net.forward(X)) / len(X))
    net.update_parameters(gradient_step=0.001)
    iterations += 1
weights = f"weights {net.weight[:, 0].round(3)}, bias {net.bias.round(3)}"
print(f"after {iterations} iterations with step 0.001: {loss(target, net.forward(X)):.3f}, {weights}")
print(f"a student with (13, 14, 11): {predict(net, [[13.0, 14.0, 11.0]])[0, 0]:.1f}")

# %% [markdown]
# `fit` is the same loop, compiled:

# %%
again = Linear(3, 1)
again.weight[:], again.bias[:] = 0.333, 0.0
fit(again, X, target, loss=loss, optimizer=SGD(0.001), epochs=1000, batch_size=None, rng=0)
print(f"by fit: the parameters are apart by at most {np.abs(again.parameters - net.parameters).max():.1e}")

# %% [markdown]
# Sixty students, 5 epochs of batches of 10.

# %%
X, y = load("marks_more")
net = Linear(3, 1)
net.weight[:], net.bias[:] = 0.333, 0.0
history = fit(net, X, y[:, None], loss=loss, optimizer=SGD(0.001), epochs=5, batch_size=10, rng=0)
print(f"60 students, by epoch: {np.round(history.loss, 3)}")
figure, axes = subplots(1, 2, title="60 students by mini-batches of 10")
curves({"mean squared error": history.loss}, ax=axes[0], title="5 epochs")
predictions(y, predict(net, X), ax=axes[1], title="the marks afterwards")
save(figure, OUT / "11_marks.png")
