# %% [markdown]
"""
13. Three categories
====================

Ten points of the plane for each of three categories, one Linear, and the margin loss: the sum over the wrong
categories of max(0, s_j - (s_c - m)). Every pixel has the colour of the category with the largest score. With m
= 0 a training stops as soon as no point is on the wrong side, some of them on the border; m = 1 or 2 moves them
inside.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import Linear, MultiMargin, fit, predict
from modnet.datasets import load
from modnet.optim import SGD
from modnet.plotting import Film, frontier, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)

X, y = load("three_categories")
nets = {margin: Linear(2, 3, rng=0) for margin in (0.0, 1.0, 2.0)}
optimizers = {margin: SGD(0.5) for margin in nets}
figure, axes = subplots(1, 3, size=(4.6, 4.8), title="One Linear: a margin m moves the points away from the borders")
film = Film(figure, OUT / "13_three_categories.gif", seconds=6)


def lead(net):
    """By how much the score of the true category leads, for every example."""
    scores = predict(net, X)
    true = scores[np.arange(len(X)), y]
    scores[np.arange(len(X)), y] = -np.inf
    return true - scores.max(axis=1)


for epoch in range(0, 601, 50):
    for (margin, net), axis in zip(nets.items(), axes):
        axis.clear()
        said = f"m = {margin:g}, epoch {epoch}\nsmallest lead {lead(net).min():.2f}"
        frontier(net, X, y, ax=axis, title=said, resolution=100)
        if epoch < 600:
            fit(net, X, y, loss=MultiMargin(margin), optimizer=optimizers[margin], epochs=50, batch_size=None, rng=0)
    film.add()
film.save()
save(figure, OUT / "13_three_categories.png")

# %%
for margin, net in nets.items():
    print(f"m = {margin:g}: {(lead(net) > 0).sum()} of 30 right, the smallest lead {lead(net).min():.3f}")
