# %% [markdown]
"""
9. Gradient descent on two functions
====================================

x moves against the derivative, by a step times its size, until the derivative is small. On a parabola it is
simple. On a curve with two minima the start decides which one is found, the step whether any is.
"""

# %%
from pathlib import Path

import numpy as np

from modnet.optim import SGD, Rprop, descend
from modnet.plotting import path, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)


def parabola(x):
    return (x - 5) ** 2


def quartic(x):
    return x**4 / 4 - 8 * x**3 / 3 + 19 * x**2 / 2 - 12 * x + 1


def slope(x):
    return x**3 - 8 * x**2 + 19 * x - 12


way = descend(parabola, lambda x: 2 * (x - 5), 9.0, SGD(0.3), tol=0.1)
print(f"(x - 5)^2 from 9, step 0.3: {len(way) - 1} moves, {len(way)} points, the last at {way[-1]:.3f}")
path(parabola, way, OUT / "09_parabola.png", title="(x - 5)² from 9, step 0.3: 5 moves", low=3.0, high=9.5)

# %%
long_way = descend(quartic, slope, 0.2, SGD(0.01), tol=0.01)
print(f"the quartic from 0.2, step 0.01: point {len(long_way)}, x = {long_way[-1]:.2f}, f = {quartic(long_way[-1]):.2f}")
momentum = descend(quartic, slope, 0.2, SGD(0.01, momentum=0.8), tol=0.01)
print(f"with momentum 0.8: {len(momentum)} points instead of {len(long_way)}")

# %% [markdown]
# Several starts, several steps. Rprop's step grows while the derivative keeps its sign and shrinks when it
# changes.

# %%
starts = {f"from {x:g}": descend(quartic, slope, x, SGD(0.05), tol=0.01) for x in (0.2, 2.5, 3.2, 5.4)}
steps = {f"step {lr:g}": descend(quartic, slope, 0.2, SGD(lr), tol=0.01) for lr in (0.01, 0.05, 0.3)}
ways = {"step 0.01": long_way, "momentum 0.8": momentum, "adaptive": descend(quartic, slope, 0.2, Rprop(0.01), tol=0.01)}
figure, axes = subplots(1, 3, size=(5.4, 4.4), title="A quartic with two minima: starts, steps and methods")
for axis, paths, title in zip(axes, (starts, steps, ways), ("starts, step 0.05", "steps, from 0.2", "methods, from 0.2")):
    path(quartic, paths, ax=axis, title=title, low=-0.1, high=5.6)
    for name, points in paths.items():
        print(f"{title}, {name}: {len(points)} points, x = {points[-1]:.2f}, f = {quartic(points[-1]):.2f}")
save(figure, OUT / "09_quartic.png")

# %% [markdown]
# In two dimensions, along a valley: momentum damps the zigzag.

# %%


def valley(v):
    return v[0] ** 2 / 2 + 10 * v[1] ** 2


def valley_slope(v):
    return np.array([v[0], 20 * v[1]])


optimizers = {"step 0.09": SGD(0.09), "momentum 0.7": SGD(0.03, momentum=0.7)}
path(valley, {name: descend(valley, valley_slope, [4.0, 1.5], optimizer, tol=0.05) for name, optimizer in optimizers.items()},
     OUT / "09_valley.png", title="x1² / 2 + 10 x2²: momentum damps the zigzag")  # fmt: skip
