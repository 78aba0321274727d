# %% [markdown]
"""
6. Losses
=========

What a prediction costs, and how that changes with it. ``forward(y, yhat)`` gives a number for each example,
``backward`` its derivative; neither averages over the batch. y comes first.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import BCE, MAE, MSE, NLL, BCEWithLogits, CrossEntropy, Hinge, Huber, KLDivergence, MultiMargin, Perceptron
from modnet.plotting import curves, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)

y, yhat = np.array([[0.0, 0.0, 1.0]]), np.array([[0.1, 0.2, 0.7]])
print(f"categorical cross-entropy of [0,0,1] against [0.1,0.2,0.7]: {NLL()(y, np.log(yhat)):.2f}")
print(f"the same by Kullback-Leibler, as y has no entropy:           {KLDivergence()(y, yhat):.2f}")
print(f"from scores whose softmax it is:                             {CrossEntropy()([2], np.log(yhat)):.2f}")
print(f"squared {MSE()(y, yhat):.2f}, its mean {MSE()(y, yhat) / 3:.3f}, root mean {np.sqrt(MSE()(y, yhat) / 3):.3f}")
print(f"binary cross-entropy of 1 against 0.7, {BCE()([[1.0]], [[0.7]]):.2f}; of 0 against 0.7, {BCE()([[0.0]], [[0.7]]):.2f}")
print(f"perceptron: score 2 of class 1, {Perceptron()([[1.0]], [[2.0]]):g}; of class -1, {Perceptron()([[-1.0]], [[2.0]]):g}")
for margin in (0.0, 1.0, 2.0):
    print(f"margin {margin:g}: scores (1, 2, 2.5), class 2, loss {MultiMargin(margin)([2], [[1.0, 2.0, 2.5]]):.2f}")

# %%
errors = np.linspace(-3, 3, 241)[:, None]
zeros, ones = np.zeros_like(errors), np.ones_like(errors)
figure, axes = subplots(1, 2, size=(5.6, 4.2), title="The loss of one example")
numbers = {"MSE": MSE(), "MAE": MAE(), "Huber": Huber()}
curves({name: loss.forward(zeros, errors) for name, loss in numbers.items()}, ax=axes[0], x=errors,
       xlabel="prediction - truth", ylabel="loss", title="for numbers")  # fmt: skip
sides = {"Perceptron": Perceptron(), "Hinge": Hinge(), "BCEWithLogits": BCEWithLogits()}
curves({name: loss.forward(ones, errors) for name, loss in sides.items()}, ax=axes[1], x=errors,
       xlabel="score of an example of class 1", ylabel="loss", title="for two classes")  # fmt: skip
save(figure, OUT / "06_losses.png")
