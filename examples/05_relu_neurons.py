# %% [markdown]
"""
5. One neuron, three neurons
============================

A ReLU neuron of one input is a line with a break. A Linear over three of them is a curve of straight pieces
with at most three breaks: one for each neuron, at x = -b / w. A wider layer has more breaks, and so can follow
any curve.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import MSE, Linear, ReLU, Sequential, fit, predict
from modnet.optim import Adam
from modnet.plotting import curves, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)

x = np.linspace(-3, 3, 601)[:, None]
neuron = Sequential(Linear(1, 1), ReLU())
neuron[0].weight[:], neuron[0].bias[:] = 1.5, -1.0
three = Sequential(Linear(1, 3), ReLU(), Linear(3, 1))
three[0].weight[:], three[0].bias[:] = [[1.0, -1.0, 2.0]], [1.5, 0.5, -2.0]
three[2].weight[:], three[2].bias[:] = [[0.8], [1.2], [-1.5]], [0.0]

breaks = np.sort(-three[0].bias / three[0].weight[0])
bends = np.abs(np.diff(predict(three, x)[:, 0], 2)) > 1e-9
print(f"one neuron breaks at {-neuron[0].bias[0] / neuron[0].weight[0, 0]:.2f}")
print(f"three neurons break at {breaks.round(2)}; the curve bends at {np.unique(x[1:-1, 0][bends].round(1))}")

figure, axes = subplots(1, 2, size=(5.6, 4), title="A ReLU neuron, and three of them under a Linear")
curves({"relu(1.5 x - 1)": predict(neuron, x)}, x=x, ax=axes[0], xlabel="x", ylabel="output", title="one neuron: one break")
parts = {f"neuron {j + 1}": three[1].forward(three[0].forward(x))[:, j] * three[2].weight[j] for j in range(3)}
curves({"their sum": predict(three, x), **parts}, x=x, ax=axes[1], xlabel="x", ylabel="output",
       title="three neurons: three breaks")  # fmt: skip
for place in breaks:
    axes[1].axvline(place, color="0.7", linewidth=1, linestyle=":")
save(figure, OUT / "05_relu_neurons.png")

# %% [markdown]
# Learned: the sine by 3, 10 and 100 neurons.

# %%
target, learned = np.sin(2 * x), {}
for hidden in (3, 10, 100):
    net = Sequential(Linear(1, hidden, rng=0), ReLU(), Linear(hidden, 1, rng=1))
    fit(net, x, target, loss=MSE(), optimizer=Adam(0.01), epochs=150, rng=0)
    learned[f"{hidden} neurons"] = predict(net, x)
    print(f"{hidden:4} neurons: mean squared error {np.mean((predict(net, x) - target) ** 2):.4f}")
curves({"sin 2x": target, **learned}, OUT / "05_sine.png", x=x, xlabel="x", ylabel="y",
       title="sin 2x in straight pieces, by 3, 10 and 100 ReLU neurons")  # fmt: skip
