# %% [markdown]
"""
15. Vanishing gradients, and their remedies
===========================================

In a deep network of sigmoids the delta is multiplied by at most 1/4 at every layer on its way back, so the
first layers hardly learn. Measured by layer, and what each remedy changes: other activations, initial weights
(He), BatchNorm, residual layers, pretraining layer by layer.
"""

# %%
import warnings
from pathlib import Path

import numpy as np

from modnet import BatchNorm, CrossEntropy, Linear, ReLU, Residual, Sequential, Sigmoid, Tanh, TrainingWarning, fit, pretrain
from modnet.datasets import load
from modnet.optim import SGD, Adam
from modnet.plotting import curves, layers, save, subplots
from modnet.watch import Norms

OUT = Path("out")
OUT.mkdir(exist_ok=True)
warnings.simplefilter("ignore", TrainingWarning)  # some of these do not learn: that is what this is about
DEPTH, WIDTH = 10, 20

X, y = load("digits")
X, y = X[:600], y[:600]


def deep(activation, init="uniform", norm=False, residual=False):
    """Ten hidden layers and an output."""
    rng = np.random.default_rng(0)
    body = []
    for _ in range(DEPTH):
        block = [Linear(WIDTH, WIDTH, init=init, rng=rng), *([BatchNorm(WIDTH)] if norm else []), activation()]
        body.append(Residual(*block) if residual else Sequential(*block))
    return Sequential(Linear(64, WIDTH, init=init, rng=rng), activation(), *body, Linear(WIDTH, 10, rng=rng))


def pretrained():
    """The same tanh layers, each first trained as an auto-encoder."""
    net = deep(Tanh)
    pretrain(net, X, optimizer=Adam(0.01), epochs=30, rng=0, progress=False)
    return net


remedies = {
    "Sigmoid": lambda: deep(Sigmoid),
    "Tanh": lambda: deep(Tanh),
    "ReLU": lambda: deep(ReLU),
    "ReLU, He": lambda: deep(ReLU, "he_uniform"),
    "Sigmoid, BatchNorm": lambda: deep(Sigmoid, norm=True),
    "Tanh, residual": lambda: deep(Tanh, residual=True),
    "Tanh, pretrained": pretrained,
}


def by_layer(net):
    """The root mean square of dL/dW of every Linear, from the input to the output, before training."""
    net.zero_grad()
    net.backward_update_gradient(X, CrossEntropy().backward(y, net.forward(X)) / len(X))
    linears = [module for module in net.leaves() if isinstance(module, Linear)]
    return [float(np.sqrt(np.mean(module.weight_gradient**2))) for module in linears]


gradients, losses = {}, {}
for name, make in remedies.items():
    net = make()
    gradients[name] = by_layer(net)
    history = fit(net, X, y, loss=CrossEntropy(), optimizer=SGD(0.02, momentum=0.9), epochs=40, rng=0)
    losses[name] = history.loss
    ratio = gradients[name][1] / gradients[name][-2]
    print(f"{name:20} gradient of the first hidden layer / of the last {ratio:.1e}, "
          f"accuracy after 40 epochs {history.metrics['accuracy'][-1]:.1%}")  # fmt: skip

figure, axes = subplots(1, 2, size=(6.2, 4.6), title="Ten hidden layers of 20 units on digits")
curves(gradients, ax=axes[0], xlabel="Linear, from input to output", ylabel="size of dL/dW", yscale="log",
       title="before training")  # fmt: skip
curves(losses, ax=axes[1], title="loss by epoch")
axes[0].get_legend().remove()
axes[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
save(figure, OUT / "15_vanishing_gradients.png")

# %% [markdown]
# The sigmoids in detail: activations, deltas and gradients of every module while it trains.

# %%
watched = Norms(X[:100], y[:100])
plain = Sequential(*[module for i in range(6) for module in (Linear(64 if i == 0 else WIDTH, WIDTH, rng=i), Sigmoid())],
                   Linear(WIDTH, 10, rng=9))  # fmt: skip
fit(plain, X, y, loss=CrossEntropy(), optimizer=SGD(0.1), epochs=10, rng=0, callbacks=[watched])
layers(watched, OUT / "15_layers.png", title="Six layers of sigmoids: the deltas fall towards the input")
