# %% [markdown]
"""
14. The spiral
==============

Three arms that turn around each other ("hélice"), two layers with ReLU, 10 to 1000 hidden units. How wide is
wide enough? Ten starts each say more than one.
"""

# %%
import time
from pathlib import Path

import numpy as np

from modnet import CrossEntropy, Linear, ReLU, Sequential, fit
from modnet.datasets import load
from modnet.optim import Adam
from modnet.plotting import Film, curves, frontier, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)
WIDTHS, EPOCHS, ENOUGH = (10, 30, 100, 300, 500, 1000), 200, 0.98

X, y = load("spiral")
X = X.astype(np.float32)


def build(width, seed):
    """Two layers, the hidden one drawn for ReLU."""
    rng = np.random.default_rng(seed)
    net = Sequential(Linear(2, width, init="he_uniform", rng=rng), ReLU(), Linear(width, 3, rng=rng))
    net[0].bias[:] = rng.uniform(-1, 1, width)  # breaks all over the plane, not at the origin alone
    return net.astype("float32")


def train(net, optimizer, epochs):
    """The accuracy of every epoch; all examples at once."""
    history = fit(net, X, y, loss=CrossEntropy(), optimizer=optimizer, epochs=epochs, batch_size=None, rng=0)
    return history.metrics["accuracy"]


start = time.perf_counter()
curve, reached = {}, {}
for width in WIDTHS:
    accuracies = np.array([train(build(width, seed), Adam(0.01), EPOCHS) for seed in range(10)])
    curve[f"{width} units"] = np.median(accuracies, axis=0)
    reached[width] = int((accuracies.max(axis=1) >= ENOUGH).sum())
    print(f"{width:5} units: {reached[width]:2} of 10 starts reach 98 %; median at the end {np.median(accuracies[:, -1]):.1%}")
smallest = next(width for width in WIDTHS if reached[width] >= 9)  # nine of ten starts
said = f"{smallest} hidden units are enough: {reached[smallest]} of 10 starts reach 98 % in {EPOCHS} epochs"
figure, axis = subplots(size=(7.6, 4.8), title=said)
curves(curve, ax=axis, ylabel="accuracy, median of ten starts")
axis.axhline(ENOUGH, color="0.6", linewidth=1, linestyle=":")
save(figure, OUT / "14_spiral_widths.png")
fewer = [f"{reached[width]} of 10 with {width}" for width in WIDTHS if width < smallest]
print(f"{said}; {', '.join(fewer)} ({time.perf_counter() - start:.1f} s)")

# %% [markdown]
# One start of each, redrawn every 20 iterations.

# %%
nets = {width: (build(width, 0), Adam(0.01)) for width in WIDTHS}
figure, axes = subplots(2, 3, size=(3.6, 3.9), title="The spiral by 10 to 1000 hidden units; wrong examples have a ring")
film = Film(figure, OUT / "14_spiral.gif", seconds=6)
for epoch in range(0, EPOCHS + 1, 20):
    for (width, (net, optimizer)), axis in zip(nets.items(), axes.flat):
        axis.clear()
        frontier(net, X, y, ax=axis, title=f"{width} units, epoch {epoch}", resolution=80, legend=False)
        if epoch < EPOCHS:
            train(net, optimizer, 20)
    film.add()
film.save()
save(figure, OUT / "14_spiral.png")

# %% [markdown]
# Example by example in a Python loop, as a first version is often written, against all examples in one call:

# %%
net = build(100, 0)
start = time.perf_counter()
for example in X:
    net.forward(example[None])
one_by_one = time.perf_counter() - start
start = time.perf_counter()
net.forward(X)
print(f"a forward of 300 examples: {1e3 * one_by_one:.1f} ms one by one, {1e3 * (time.perf_counter() - start):.2f} ms at once")
