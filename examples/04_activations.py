# %% [markdown]
"""
4. Activations
==============

Every activation f with its derivative f', which is what backpropagation multiplies by. Where f' is near 0,
nothing comes back. The sigmoid's is g (1 - g): at most a quarter, so each layer of sigmoids takes at least
three quarters of the delta.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import LeakyReLU, Radial, Ramp, ReLU, Sigmoid, Tanh, Threshold
from modnet.plotting import activations

OUT = Path("out")
OUT.mkdir(exist_ok=True)

lecture = [Threshold(0.0, 0.0), Ramp(), Radial(), Sigmoid(), Tanh(), ReLU(), LeakyReLU(0.05)]
activations(*lecture, path=OUT / "04_activations.png", title="The lecture's activations f, and their derivatives f′")

# %%
x = np.linspace(-4, 4, 9)[:, None]
g = Sigmoid().forward(x)
slope = Sigmoid().backward_delta(x, np.ones_like(x))
apart = np.abs(slope - g * (1 - g)).max()
print(f"sigmoid: g' and g (1 - g) are apart by at most {apart:.1e}; the largest is {slope.max():.2f}")
print(f"ReLU: its derivative takes the values {np.unique(ReLU().backward_delta(x, np.ones_like(x)))}")

# %% [markdown]
# All of the library's, in one picture:

# %%
activations(OUT / "04_all_activations.png")
