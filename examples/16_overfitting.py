# %% [markdown]
"""
16. Overfitting, and its remedies
=================================

A wide network on few noisy examples learns them by heart: the training loss falls, the validation loss rises.
Remedies, each on the same data: stop early, add noise to the inputs, dropout, weight decay.
"""

# %%
from pathlib import Path

import numpy as np

from modnet import BCEWithLogits, Dropout, GaussianNoise, Linear, ReLU, Sequential, fit, predict
from modnet.datasets import load
from modnet.optim import Adam, AdamW
from modnet.plotting import curves, frontier, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)

X, y = load("moons", n_samples=80, noise=0.35, rng=1)
X_new, y_new = load("moons", n_samples=1000, noise=0.35, rng=2)
target, target_new = y[:, None].astype(float), y_new[:, None].astype(float)


def build(before=(), between=()):
    """Two wide hidden layers."""
    rng = np.random.default_rng(0)
    return Sequential(*before, Linear(2, 200, rng=rng), ReLU(), *between, Linear(200, 200, rng=rng), ReLU(), *between,
                      Linear(200, 1, rng=rng))  # fmt: skip


ways = {
    "none": (build(), Adam(0.01), {}),
    "early stopping": (build(), Adam(0.01), {"patience": 15}),
    "noise": (build(before=[GaussianNoise(0.3, rng=0)]), Adam(0.01), {}),
    "dropout": (build(between=[Dropout(0.5, rng=1)]), Adam(0.01), {}),
    "weight decay": (build(), AdamW(0.01, weight_decay=1.0), {}),
}
figure, axes = subplots(2, 5, size=(3.7, 3.7), title="Overfitting on 80 noisy examples, and four remedies; 1000 for validation")
for (name, (net, optimizer, options)), (curve, plane) in zip(ways.items(), axes.T):
    history = fit(net, X, target, loss=BCEWithLogits(), optimizer=optimizer, epochs=100, rng=0,
                  validation=(X_new, target_new), **options)  # fmt: skip
    right = ((predict(net, X_new)[:, 0] > 0) == y_new).mean()
    final = float(BCEWithLogits()(target_new, predict(net, X_new)))
    print(f"{name:15} training loss {history.loss[-1]:.3f}, validation {final:.3f}, {right:.1%} right on new examples")
    lines = {"training": history.loss, "validation": history.validation_loss}
    curves(lines, ax=curve, title=name)
    curve.set_ylim(0, 1.2)
    frontier(net, X, y, ax=plane, title=f"{right:.1%} right on new ones", resolution=120)
save(figure, OUT / "16_overfitting.png")
