# %% [markdown]
"""
4. Activations
==============

Every activation f with its derivative f', which is what backpropagation multiplies by. Where f' is near 0,
nothing comes back. The sigmoid's is g (1 - g): at most a quarter, so each layer of sigmoids takes at least
three quarters of the delta. The step of the first perceptrons has f' = 0 everywhere: no gradient can train it.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import LeakyReLU, Module, Radial, Ramp, ReLU, Sigmoid, Tanh
from modnet.plotting import activations

OUT = Path("out")
OUT.mkdir(exist_ok=True)


class Step(Module):
    """The lecture's threshold: 1 from 0 on, 0 before."""

    def forward(self, X):
        return np.where(X >= 0, 1.0, 0.0)

    def backward_delta(self, input, delta):
        return np.zeros_like(delta)


lecture = [Step(), Ramp(), Radial(), Sigmoid(), Tanh(), ReLU(), LeakyReLU(0.05)]
activations(*lecture, path=OUT / "04_activations.png", title="The lecture's activations f, and their derivatives f′")

# %%
x = np.linspace(-4, 4, 9)[:, None]
g = Sigmoid().forward(x)
slope = Sigmoid().backward_delta(x, np.ones_like(x))
apart = np.abs(slope - g * (1 - g)).max()
print(f"sigmoid: g' and g (1 - g) are apart by at most {apart:.1e}; the largest is {slope.max():.2f}")
for module in (ReLU(), LeakyReLU(0.05), Ramp(), Step()):
    print(f"{module}: its derivative takes the values {np.unique(module.backward_delta(x, np.ones_like(x)))}")
for module in (Radial(), Tanh()):
    print(f"{module}: its derivative is {module.backward_delta(np.ones((1, 1)), np.ones((1, 1)))[0, 0]:.4f} at 1")

# %% [markdown]
# All of the library's, in one picture:

# %%
activations(OUT / "04_all_activations.png")
