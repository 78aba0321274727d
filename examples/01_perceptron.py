# %% [markdown]
"""
1. The perceptron, and what it cannot do
========================================

A perceptron is one Linear: f(x) = w0 + w1 x1 + w2 x2. Its loss is max(0, -y f(x)) with labels y of -1 and 1: an
example on the right side costs nothing. It separates two clouds. Four clouds in the pattern of XOR are beyond
it, whatever the weights: a line can cut off one of the clouds and be right on three, and the loss does not even
lead there.
"""

# %%
from pathlib import Path

from modnet import Linear, Perceptron, fit
from modnet.datasets import load
from modnet.optim import SGD
from modnet.plotting import frontier, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)

figure, axes = subplots(1, 2, title="One perceptron, two problems")
for name, axis in zip(("two_gaussians", "four_gaussians"), axes):
    X, y = load(name, labels=(-1, 1))
    net = Linear(2, 1, rng=0)
    best = max(fit(net, X, y[:, None], loss=Perceptron(), optimizer=SGD(0.05), epochs=50, rng=0).metrics["accuracy"])
    weights = f"w0 = {net.bias[0]:.2f}, w = {net.weight[:, 0].round(2)}"
    print(f"{name}: never more than {best:.1%} on the right side in 50 epochs; {weights}")
    frontier(net, X, y, ax=axis, title=f"{name.replace('_', ' ')}: at best {best:.0%} right")
save(figure, OUT / "01_perceptron.png")

# %% [markdown]
# Change the labels of two of the four clouds and it works again. Which labels of four clouds can a line separate,
# and which not?
