# %% [markdown]
"""
3. Linear layers collapse into one
==================================

Two Linear without an activation between them are one Linear, x W1 W2 = x (W1 W2), and so are three. (The lecture
has examples as columns and writes W2 W1 x and W3 W2 W1 x.) More layers do not help. The activation does.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import BCEWithLogits, Linear, Sequential, Tanh, fit, predict
from modnet.datasets import load
from modnet.optim import Adam
from modnet.plotting import frontier, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)

X, y = load("four_gaussians")
deep = Sequential(Linear(2, 8, rng=0), Linear(8, 8, rng=1), Linear(8, 1, rng=2))
bent = Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 8, rng=1), Tanh(), Linear(8, 1, rng=2))
figure, axes = subplots(1, 2, title="Three layers, without and with an activation between them")
for net, name, axis in ((deep, "three Linear", axes[0]), (bent, "with Tanh between", axes[1])):
    fit(net, X, y[:, None].astype(float), loss=BCEWithLogits(), optimizer=Adam(0.01), epochs=60, rng=0)
    right = ((predict(net, X)[:, 0] > 0) == y).mean()
    print(f"{name}: {right:.1%} right")
    frontier(net, X, y, ax=axis, title=f"{name}: {right:.0%} right")
save(figure, OUT / "03_linear_layers.png")

# %% [markdown]
# The one Linear that two of them are, and the one that all three are:

# %%


def merged(first, second):
    """One Linear that computes second(first(x))."""
    one = Linear(first.in_features, second.out_features)
    one.weight[:] = first.weight @ second.weight
    one.bias[:] = first.bias @ second.weight + second.bias
    return one


two = merged(deep[0], deep[1])
three = merged(two, deep[2])
apart = np.abs(two.forward(X) - predict(deep[:2], X)).max()
print(f"W1 W2 has shape {two.weight.shape}; the outputs of one and of two are apart by at most {apart:.1e}")
apart = np.abs(three.forward(X) - predict(deep, X)).max()
print(f"W1 W2 W3 = {three.weight[:, 0].round(3)}; the outputs of one and of three are apart by at most {apart:.1e}")
