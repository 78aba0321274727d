# %% [markdown]
"""
2. XOR by a hidden layer
========================

Two hidden units are enough for XOR: each draws a line, and the output combines the two half planes. The loss is
no longer convex: where a training ends depends on where it begins, so dozens of restarts are normal.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import MSE, Linear, Sequential, Sigmoid, Tanh, fit, restart
from modnet.datasets import load
from modnet.optim import SGD, Rprop
from modnet.plotting import error_surface, frontier, network, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)

X, y = load("xor")
target = y[:, None].astype(float)


def build(rng):
    """A network 2-2-1."""
    return Sequential(Linear(2, 2, rng=rng), Tanh(), Linear(2, 1, rng=rng), Sigmoid())


found = restart(build, X, target, 40, loss=MSE(), optimizer=Rprop(), rng=0, jobs=1, epochs=300, batch_size=None)
learned = (found.scores < 0.01).sum()
print(f"{learned} of 40 starts learn XOR; the others stop at losses such as {np.unique(found.scores.round(2))[-2:]}")

# %% [markdown]
# What the best one and one that did not learn say about the plane. The hidden units' two lines are the bends of
# the frontier.

# %%
worst = build(np.random.default_rng(0))
for seed in range(40):
    worst = build(np.random.default_rng(seed))
    if fit(worst, X, target, loss=MSE(), optimizer=Rprop(), epochs=300, batch_size=None, rng=0).loss[-1] > 0.1:
        break
figure, axes = subplots(1, 2, title="XOR by a network 2-2-1: where it starts decides whether it learns")
frontier(found.net, X, y, ax=axes[0], title="a start that learns")
frontier(worst, X, y, ax=axes[1], title="a start that does not")
save(figure, OUT / "02_xor_regions.png")

# %% [markdown]
# The loss over the plane in which a descent moved most: valleys, and a plateau that holds others back.

# %%
net = build(np.random.default_rng(3))
way = [net.parameters.copy()]
fit(net, X, target, loss=MSE(), optimizer=SGD(0.5, momentum=0.8), epochs=120, batch_size=None, rng=0,
    callbacks=[lambda training: way.append(training.net.parameters.copy())])  # fmt: skip
error_surface(net, MSE(), X, target, OUT / "02_xor_surface.png", trajectory=np.array(way), resolution=41,
              title="XOR by 2-2-1: a plateau, and the valley a descent found")  # fmt: skip

# %% [markdown]
# One example on its way through the network, and the delta on its way back.

# %%
network(net, X[1], OUT / "02_xor_network.png", y=target[1], loss=MSE(),
        title="XOR, example (0, 1): outputs forward, deltas back")  # fmt: skip
