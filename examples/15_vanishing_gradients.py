# %% [markdown]
"""
15. Vanishing gradients, and their remedies
===========================================

In a deep network of sigmoids the delta is multiplied by at most 1/4 at every layer on its way back, so the
first layers hardly learn. Measured by layer and by depth, and what each remedy changes: other activations,
initial weights (He), BatchNorm, residual layers, pretraining layer by layer with auto-encoders or restricted
Boltzmann machines.
"""

# %%
import warnings
from pathlib import Path

import numpy as np

import modnet
from modnet import BatchNorm, CrossEntropy, Linear, ReLU, Residual, Sequential, Sigmoid, Tanh, fit
from modnet.datasets import load
from modnet.optim import SGD, Adam
from modnet.plotting import curves, layers, save, subplots
from modnet.watch import Norms

OUT = Path("out")
OUT.mkdir(exist_ok=True)
warnings.simplefilter("ignore", modnet.TrainingWarning)  # some of these do not learn: that is what this is about
DEPTHS, WIDTH = (2, 4, 6, 10), 20

X, y = load("digits")
X, y = X[:600], y[:600]


def deep(depth, activation, init="uniform", norm=False, residual=False):
    """So many hidden layers, and an output."""
    rng = np.random.default_rng(0)
    net = Sequential(Linear(64, WIDTH, init=init, rng=rng), activation())
    for _ in range(depth - 1):
        block = [Linear(WIDTH, WIDTH, init=init, rng=rng), *([BatchNorm(WIDTH)] if norm else []), activation()]
        for module in [Residual(*block)] if residual else block:
            net.append(module)
    net.append(Linear(WIDTH, 10, rng=rng))
    return net


def encoded(depth, activation):
    """Each hidden layer first trained as an auto-encoder of what the layers below make of the digits."""
    net = deep(depth, activation)
    modnet.pretrain(net, X, optimizer=Adam(0.01), epochs=150, rng=0, progress=False)
    return net


def boltzmann(depth):
    """Each hidden layer first fitted as a restricted Boltzmann machine."""
    net = deep(depth, Sigmoid)
    modnet.pretrain_rbm(net, X, epochs=60, rng=0)
    return net


sigmoids = {
    "Sigmoid": lambda depth: deep(depth, Sigmoid),
    "after auto-encoders": lambda depth: encoded(depth, Sigmoid),
    "after Boltzmann machines": boltzmann,
    "with BatchNorm": lambda depth: deep(depth, Sigmoid, norm=True),
}
others = {
    "Tanh": lambda depth: deep(depth, Tanh),
    "Tanh, residual": lambda depth: deep(depth, Tanh, residual=True),
    "Tanh, after auto-encoders": lambda depth: encoded(depth, Tanh),
    "ReLU": lambda depth: deep(depth, ReLU),
    "ReLU, He": lambda depth: deep(depth, ReLU, "he_uniform"),
}


def by_layer(net):
    """The root mean square of dL/dW of every Linear, from the input to the output, before training."""
    net.zero_grad()
    net.backward_update_gradient(X, CrossEntropy().backward(y, net.forward(X)) / len(X))
    linears = [module for module in net.leaves() if isinstance(module, Linear)]
    return [float(np.sqrt(np.mean(module.weight_gradient**2))) for module in linears]


pictures = [subplots(1, 2, size=(5.8, 5), title=title) for title in (
    "Before training: the gradient by layer, ten hidden layers of 20 units on digits",
    "After training on digits: how deep a network can be",
)]  # fmt: skip
for column, remedies in enumerate((sigmoids, others)):
    gradients, accuracies = {}, {}
    for name, make in remedies.items():
        accuracies[name] = []
        for depth in DEPTHS:
            net = make(depth)
            gradients[name] = by_layer(net)
            history = fit(net, X, y, loss=CrossEntropy(), optimizer=SGD(0.02, momentum=0.9), epochs=40, rng=0)
            accuracies[name].append(history.metrics["accuracy"][-1])
        said = ", ".join(f"{accuracy:.0%} by {depth}" for depth, accuracy in zip(DEPTHS, accuracies[name]))
        ratio = gradients[name][1] / gradients[name][-2]
        print(f"{name:25} gradient of layer 2 / of layer 10: {ratio:7.1e}; right after 40 epochs: {said} layers")
    title = ("sigmoids", "tanh and ReLU")[column]
    curves(gradients, ax=pictures[0][1][column], xlabel="layer, from input to output", ylabel="size of dL/dW",
           yscale="log", title=title)  # fmt: skip
    curves(accuracies, ax=pictures[1][1][column], x=DEPTHS, xlabel="hidden layers", ylabel="accuracy after 40 epochs",
           title=title)  # fmt: skip
    pictures[0][1][column].set_ylim(1e-11, 1)
    pictures[1][1][column].set(ylim=(0, 1.04), xticks=DEPTHS)
    for _, axes in pictures:
        axes[column].legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False)
save(pictures[0][0], OUT / "15_gradients.png")
save(pictures[1][0], OUT / "15_depth.png")

# %% [markdown]
# Pretraining rescues sigmoids of moderate depth, which learn nothing without it: four and six hidden layers after
# auto-encoders, four after Boltzmann machines. Ten sigmoids do not learn in these 40 epochs even then; with BatchNorm
# they do. Ten layers of tanh learn after auto-encoders, or as residual layers, and hardly without. ReLU alone is no
# remedy: with small initial weights its deltas vanish as well. Ten layers learn with He's.
#
# Six sigmoids in detail: activations, deltas and gradients of every module while it trains.

# %%
watched = Norms(X[:100], y[:100])
fit(deep(6, Sigmoid), X, y, loss=CrossEntropy(), optimizer=SGD(0.1), epochs=10, rng=0, callbacks=[watched])
layers(watched, OUT / "15_layers.png", title="Six layers of sigmoids: the deltas fall towards the input")
