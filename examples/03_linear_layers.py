# %% [markdown]
"""
3. Linear layers collapse into one
==================================

Three Linear without an activation between them are one Linear: x W1 W2 W3 = x (W1 W2 W3). More layers do not
help. The activation does.
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
# The one Linear that the three are:

# %%
one = Linear(2, 1)
one.weight[:] = deep[0].weight @ deep[1].weight @ deep[2].weight
one.bias[:] = (deep[0].bias @ deep[1].weight + deep[1].bias) @ deep[2].weight + deep[2].bias
apart = np.abs(one.forward(X) - predict(deep, X)).max()
print(f"W1 W2 W3 = {one.weight[:, 0].round(3)}; the outputs are apart by at most {apart:.1e}")
