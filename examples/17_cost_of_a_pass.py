# %% [markdown]
"""
17. What a pass costs
=====================

Forward and backward do a few operations for each weight, so a pass costs ``O(|w|)``: twice the weights, twice the
time. Measured on networks of growing width, in batches of 32 examples. The shortest of many passes counts: what else
the machine does only adds to it. Few weights cost less than the calls themselves; weights that no longer fit into the
processor's cache cost more each.
"""

# %%
import time
from pathlib import Path

import numpy as np

from modnet import MSE, Linear, Sequential, Tanh
from modnet.plotting import curves

OUT = Path("out")
OUT.mkdir(exist_ok=True)

rng = np.random.default_rng(0)
weights, seconds = [], []
for width in (16, 32, 64, 128, 256, 512):
    net = Sequential(Linear(width, width, rng=0), Tanh(), Linear(width, width, rng=1))
    X, y = rng.normal(size=(2, 32, width))
    loss, times = MSE(), []
    for _ in range(max(5, 100_000 // width**2)):
        start = time.perf_counter()
        net.backward(X, loss.backward(y, net.forward(X)))
        times.append(time.perf_counter() - start)
    weights.append(net.parameters.size)
    seconds.append(min(times))  # what the machine does besides only adds to it
    print(f"{weights[-1]:9,} weights: {1e6 * seconds[-1]:9.1f} us a pass, {1e9 * seconds[-1] / weights[-1]:7.2f} ns a weight")
slope = np.polyfit(np.log(weights[2:5]), np.log(seconds[2:5]), 1)[0]
print(f"from {weights[2]:,} to {weights[4]:,} weights, time grows as |w| to the power {slope:.2f}")
lines = {"measured": seconds, "in proportion to |w|": np.array(weights) * seconds[3] / weights[3]}
curves(lines, OUT / "17_cost_of_a_pass.png", x=weights, xscale="log", yscale="log", xlabel="weights (log scale)",
       ylabel="seconds a pass", title="Forward and backward: the cost is linear in the weights")  # fmt: skip
