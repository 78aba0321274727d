# %% [markdown]
"""
10. The naive method against the gradient
=========================================

Without derivatives one can still learn: take a random nearby weight vector, and keep it if the loss is lower.
It works for a handful of weights. With more of them a random direction has hardly any length along the
gradient, and the gradient, which costs about as much as two forwards, wins by far.
"""

# %%
from pathlib import Path

from modnet import CrossEntropy, Linear, Sequential, Tanh, fit
from modnet.datasets import load
from modnet.optim import SGD, Adagrad, Adam, RandomSearch, RMSprop
from modnet.plotting import curves, save, subplots

OUT = Path("out")
OUT.mkdir(exist_ok=True)


def train(name, hidden, optimizer, batch_size=None):
    """The losses of 150 epochs on a data set, all examples at once if batch_size is None."""
    X, y = load(name)
    outputs = int(y.max()) + 1
    net = Sequential(Linear(X.shape[1], hidden, rng=0), Tanh(), Linear(hidden, outputs, rng=1))
    history = fit(net, X, y, loss=CrossEntropy(), optimizer=optimizer, epochs=150, batch_size=batch_size, rng=0)
    return history.loss, net.parameters.size


figure, axes = subplots(1, 2, size=(5.8, 4.2), title="The naive method against the gradient, step by step")
for (name, hidden, sigma), axis in zip((("moons", 2, 0.2), ("digits", 30, 0.03)), axes):
    naive, count = train(name, hidden, RandomSearch(sigma, rng=0))
    gradient, _ = train(name, hidden, SGD(0.5))
    print(f"{name}, {count} weights: naive {naive[-1]:.3f}, gradient {gradient[-1]:.3f} after 150 steps")
    curves({"naive": naive, "gradient": gradient}, ax=axis, xlabel="step", title=f"{name}, {count:,} weights")
save(figure, OUT / "10_naive_method.png")

# %% [markdown]
# What else a step can be: constant, on all examples; the same on mini-batches of 50, ten steps an epoch (SGD); scaled
# by the sum of squared gradients (Adagrad), by its decayed mean (RMSprop), Adam.

# %%
optimizers = {"constant step": SGD(0.5), "SGD, batches of 50": SGD(0.5), "Adagrad": Adagrad(0.1), "RMSprop": RMSprop(0.01),
              "Adam": Adam(0.02)}  # fmt: skip
lines = {name: train("moons", 20, optimizer, 50 if "batches" in name else None)[0] for name, optimizer in optimizers.items()}
for name, losses in lines.items():
    print(f"{name}: {losses[-1]:.3f}")
curves(lines, OUT / "10_optimizers.png", xlabel="epoch", title="Two moons, 20 hidden units: what a step can be")
