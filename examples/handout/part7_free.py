"""Part 7: beyond the statement. Rows and columns read side by side, average pooling, real images, and real signals.

    python examples/handout/part7_free.py [--usps FILE [FILE]]
"""

import time

import numpy as np
from matplotlib.figure import Figure
from tools import digits, finish, options, save, scaled

from modnet import AvgPool2D, Concat, Conv2D, GlobalMaxPool, MaxPool2D, Reshape, Transpose, fit, predict
from modnet.handout import AvgPool1D, Conv1D, CrossEntropieLoss, Flatten, Linear, MaxPool1D, ReLU, Sequentiel
from modnet.optim import Adam, CosineDecay

args = options(__doc__, digits=True)
X, y, X_test, y_test = digits(args)
images, images_test = X.reshape(-1, 16, 16), X_test.reshape(-1, 16, 16)
epochs, seeds = (1, (1,)) if args.quick else (20, (1, 2))


# Read row by row, a digit is one signal, and a window of it sees only pixels that are neighbours to the left and right.
# Exchange rows and columns first, and it sees those above and below. A branch for each, and their results side by side.
def rows(channels, pool):
    return Sequentiel(Reshape(256, 1), Conv1D(3, 1, channels), pool(2, 2), Flatten())


def columns(channels, pool):
    return Sequentiel(Transpose(1, 0), *rows(channels, pool))


def ending(features):
    return ReLU(), scaled(Linear(features, 100)), ReLU(), scaled(Linear(100, 10))


def plane(pool):
    """A window of 3 by 3 pixels, then pooling by 2 by 2: 7 * 7 places of 32 channels."""
    return Sequentiel(
        Reshape(16, 16, 1), Conv2D(3, 1, 32, rng=np.random.randint(1000)), pool(2), Flatten(), *ending(7 * 7 * 32)
    )  # fmt: skip


# The same 32 channels each time, 16 to a branch where there are two: 127 places after pooling, 4064 features.
networks = {
    "rows": lambda: Sequentiel(rows(32, MaxPool1D), *ending(4064)),
    "columns": lambda: Sequentiel(columns(32, MaxPool1D), *ending(4064)),
    "rows and columns": lambda: Sequentiel(Concat(rows(16, MaxPool1D), columns(16, MaxPool1D)), *ending(4064)),
    "the same, average": lambda: Sequentiel(Concat(rows(16, AvgPool1D), columns(16, AvgPool1D)), *ending(4064)),
    "Conv2D": lambda: plane(MaxPool2D),
    "Conv2D, average": lambda: plane(AvgPool2D),
}


def train(net, X, y, seed, epochs=epochs):
    optimizer = Adam(lr=CosineDecay(3e-3, over=epochs))
    fit(net.astype("float32"), X, y, loss=CrossEntropieLoss(), optimizer=optimizer, epochs=epochs, rng=seed, progress=False)


def accuracy(net, X, y):
    return (predict(net, X).argmax(axis=1) == y).mean()


# Beside the test, the test moved by a pixel, as no digit of the training was: what does the network owe to exact places?
def moved(images):
    return [np.roll(images, shift, axis=axis) for axis in (1, 2) for shift in (-1, 1)]


np.random.seed(1)
print(networks["rows and columns"]().summary((16, 16)))
print(f"{'':20} parameters   test    moved by a pixel   seconds, of {len(seeds)} starts")
scores = {}
for name, make in networks.items():
    start, found = time.process_time(), []
    for seed in seeds:
        np.random.seed(seed)
        net = make()
        train(net, images, y, seed)
        shifted = [accuracy(net, other, y_test) for other in moved(images_test)]
        found.append((accuracy(net, images_test, y_test), np.mean(shifted)))
    scores[name] = np.mean(found, axis=0)
    took = time.process_time() - start
    print(f"{name:20} {net.parameters.size:10}   {scores[name][0]:.4f}  {scores[name][1]:16.4f}   {took:7.1f}")


def doubt(accuracy):
    """The standard deviation of an accuracy on so many digits, were others drawn."""
    return np.sqrt(accuracy * (1 - accuracy) / len(y_test))


print(f"one digit is {1 / len(y_test):.4f}, the standard deviation {doubt(scores['rows'][0]):.4f}: most are not told apart")

# What Conv1D is made for: signals whose shape counts, and not its place. Three shapes in noise, anywhere on 128 points.
rng = np.random.default_rng(3)


def signals(count):
    """A plateau, a rise that stops short, or a jump that falls away; Saito's cylinder, bell and funnel."""
    kind, t = rng.integers(0, 3, count), np.arange(128)
    begin, length = rng.integers(8, 50, (count, 1)), rng.integers(30, 70, (count, 1))
    part = (t - begin) / length
    shapes = np.stack([np.ones(part.shape), part, 1 - part])[kind, np.arange(count)]
    height = 6 + rng.normal(0, 1, (count, 1))
    return np.where((part >= 0) & (part < 1), height * shapes, 0) / 6 + rng.normal(0, 0.3, (count, 128)), kind


few, few_kinds = signals(60 if args.quick else 150)
many, many_kinds = signals(1000)
np.random.seed(1)
passes = 2 if args.quick else 200
window = Sequentiel(
    Reshape(128, 1), Conv1D(9, 1, 16), ReLU(), MaxPool1D(4, 4), Conv1D(9, 16, 16), ReLU(),
    GlobalMaxPool(), scaled(Linear(16, 3, bias=True)),
)  # fmt: skip
plain = Sequentiel(scaled(Linear(128, 50, bias=True)), ReLU(), scaled(Linear(50, 3, bias=True)))
print(f"three kinds of signals, {len(few)} to learn from, 1000 for the test:")
for name, net in (("Conv1D, the largest of all places", window), ("Linear alone", plain)):
    train(net, few, few_kinds, 1, passes)
    right = accuracy(net, few, few_kinds), accuracy(net, many, many_kinds)
    print(f"{name:34} {net.parameters.size:5} parameters   training {right[0]:.3f}   test {right[1]:.3f}")

figure = Figure(figsize=(12, 3.8), layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=(3, 2))
places = range(len(scores))
for i, name in enumerate(("test", "moved by a pixel")):
    right_ones = np.array([score[i] for score in scores.values()])
    left.errorbar(right_ones, places, xerr=doubt(right_ones), fmt="os"[i], color=f"C{i}", capsize=3, label=name)
left.set_yticks(places, list(scores))
left.invert_yaxis()
left.grid(axis="x", color="0.9")
left.set(xlabel=f"accuracy, and what {len(y_test)} digits leave open", title="Ways to look at a digit")
left.legend(fontsize=9, loc="center")
for kind, name in enumerate(("cylinder", "bell", "funnel")):
    for line in few[few_kinds == kind][:2]:
        right.plot(line + 3 * kind, color=f"C{kind}", linewidth=0.9)
    right.text(126, 3 * kind + 1.2, name, color=f"C{kind}", ha="right")
right.set(title="Three kinds of signals", xlabel="place", yticks=[])
save(figure, args.out / "part7_free.png")
finish()
