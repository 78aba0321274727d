"""The picture of the README's first screen: a frontier as a network learns it, beside a mistake that a report names.

    python docs/first_screen.py          # writes docs/_static/first_screen.png
"""

import textwrap
from pathlib import Path

import numpy as np

from modnet import CrossEntropy, Linear, Module, Sequential, Tanh, fit
from modnet.check import check_module
from modnet.datasets import load
from modnet.optim import Adam
from modnet.plotting import frontier, save, subplots

OUT = Path(__file__).resolve().parent / "_static" / "first_screen.png"


class MySoftmax(Module):
    def forward(self, X):
        e = np.exp(X - X.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward_delta(self, input, delta):
        s = self.forward(input)
        return delta * s * (1 - s)


X, y = load("moons", noise=0.2)
net, optimizer = Sequential(Linear(2, 16, rng=0), Tanh(), Linear(16, 2, rng=1)), Adam(0.01)
figure, axes = subplots(1, 3, size=(3.6, 3.9))
done = 0
for epochs, axis in zip((2, 80), axes):
    fit(net, X, y, CrossEntropy(), optimizer, epochs=epochs - done, rng=0)
    done = epochs
    frontier(net, X, y, ax=axis, legend=False)
    axis.set_title(f"epoch {epochs}", loc="left")
    axis.set(xlabel="", ylabel="", xticks=[], yticks=[], aspect="auto")

report = str(check_module(MySoftmax(), (4, 3)))
print(report)
lines = []
for line in report.split("\n"):
    indent = " " * (len(line) - len(line.lstrip()))
    lines += [line] if len(line) < 62 else textwrap.wrap(line, 62, replace_whitespace=False, subsequent_indent=indent) or [""]
axes[2].axis("off")
axes[2].set_title(">>> print(check_module(MySoftmax(), (4, 3)))", family="monospace", fontsize=10, loc="left")
axes[2].text(0, 0.98, "\n".join(lines), family="monospace", fontsize=9.5, va="top", ha="left", transform=axes[2].transAxes)
figure.set_size_inches(13.2, 3.9)
save(figure, OUT)
