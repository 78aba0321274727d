"""A small training for every kind of mistake, with the words of its page: the source of the pages in this folder.

    python docs/why/kinds.py             make every page anew, with its picture
    python docs/why/kinds.py momentum-too-large ...

A training is a function that returns what `check_training` is given. Its code stands on the page as it stands here.
"""

import inspect
import io
import re
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine, make_blobs, make_moons

from modnet import MAE, MSE, BCEWithLogits, CrossEntropy, Dropout, Linear, ReLU, Sequential, Sigmoid, Softmax, Tanh
from modnet.check import check_training
from modnet.optim import SGD, Adam

HERE = Path(__file__).parent
KINDS = {}


def kind(name, see, why, then):
    """Register a training under its kind, with what people see, why it is so, and what to do."""

    def register(function):
        KINDS[name] = function, see, why, then
        return function

    return register


def standardised(X):
    return (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-9)


class Optim:
    """One step of a loop by hand."""

    def __init__(self, net, loss, eps):
        self.net, self.loss, self.eps = net, loss, eps

    def step(self, batch_x, batch_y):
        yhat = self.net.forward(batch_x)
        self.net.zero_grad()
        self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(batch_x))
        self.net.update_parameters(self.eps)


@kind(
    "rate-too-large",
    "The loss jumps up and down, becomes NaN, or freezes at a bad value after a few steps.",
    "A step goes along the slope where it starts. If it is longer than the valley is wide, it lands higher on the other side.",
    "Divide the rate by ten until the loss falls smoothly. The largest rate that does so is the fastest.",
)
def rate_too_large():
    X, y = make_moons(400, noise=0.1, random_state=0)
    net = Sequential(Linear(2, 32, rng=0), ReLU(), Linear(32, 32, rng=1), ReLU(), Linear(32, 2, rng=2))
    return net, CrossEntropy(), SGD(8.0), X, y, dict(epochs=40, rng=0)


@kind(
    "rate-too-small",
    "The loss falls smoothly, but so slowly that it is still near its start when the training ends.",
    "Every step is the rate times the gradient: with a rate a hundred times too small, a hundred epochs do the work of one.",
    "Multiply the rate by ten until the loss begins to jump, then go one step back. A schedule can take the rate "
    "away too early "
    "in the same way.",
)
def rate_too_small():
    X, y = load_digits(return_X_y=True)
    net = Sequential(Linear(64, 32, rng=0), ReLU(), Linear(32, 10, rng=1))
    return net, CrossEntropy(), SGD(0.0003), X[:1000] / 16, y[:1000], dict(epochs=20, rng=0)


@kind(
    "too-few-epochs",
    "The loss is still falling when the training stops.",
    "It was stopped while it was still learning.",
    "More epochs; with `patience` it stops by itself when the validation loss no longer falls.",
)
def too_few_epochs():
    X, y = load_digits(return_X_y=True)
    net = Sequential(Linear(64, 32, rng=0), Tanh(), Linear(32, 10, rng=1))
    return net, CrossEntropy(), SGD(0.02), X[:1000] / 16, y[:1000], dict(epochs=2, rng=0)


@kind(
    "batch-size",
    "Each epoch takes no time at all, and nothing is learned in many of them.",
    "An epoch with one batch is one step. Batches of all examples make as many steps as there are epochs; a batch "
    "of one makes steps "
    "that are mostly noise.",
    "Batches of 16 to 64.",
)
def batch_size():
    X, y = make_moons(500, noise=0.1, random_state=0)
    net = Sequential(Linear(2, 16, rng=0), Tanh(), Linear(16, 2, rng=1))
    return net, CrossEntropy(), SGD(0.3), X, y, dict(epochs=25, batch_size=500, rng=0)


@kind(
    "momentum-too-large",
    "The loss swings in long waves, or explodes, though the rate alone is not large.",
    "With momentum m the steps add up to 1 / (1 - m) times the rate: 50 times with 0.98. The velocity carries the "
    "parameters past "
    "every minimum.",
    "Momentum of at most 0.9, and a smaller rate with it: `SGD(0.1)` and `SGD(0.01, momentum=0.9)` are about as fast.",
)
def momentum_too_large():
    X, y = load_digits(return_X_y=True)
    net = Sequential(Linear(64, 48, rng=0), ReLU(), Linear(48, 48, rng=1), ReLU(), Linear(48, 10, rng=2))
    return net, CrossEntropy(), SGD(0.15, momentum=0.99), standardised(X)[:1000], y[:1000], dict(epochs=8, rng=0)


@kind(
    "weight-decay-too-large",
    "The loss stops early at a high value; all weights become small.",
    "Each step pulls every weight to 0 by rate times weight_decay. What the data ask for is lost again at once.",
    "Begin with 0, then 1e-4. 0.1 and more is for AdamW, where it means something else.",
)
def weight_decay_too_large():
    X, y = load_wine(return_X_y=True)
    net = Sequential(Linear(13, 16, rng=0), Tanh(), Linear(16, 16, rng=1), Tanh(), Linear(16, 3, rng=2))
    return net, CrossEntropy(), SGD(0.05, weight_decay=0.4), standardised(X), y, dict(epochs=60, rng=0)


@kind(
    "dropout-too-high",
    "The training loss hardly falls, while the same network without Dropout learns.",
    "`Dropout(p)` sets each number to 0 with probability p: with 0.97, one unit of thirty is left at each step.",
    "p of 0.1 to 0.3, in wide layers only, and none in a network that does not overfit. `GaussianNoise` that is larger than "
    "what it is added to does the same.",
)
def dropout_too_high():
    X, y = load_iris(return_X_y=True)
    first, second = Dropout(0.97, rng=3), Dropout(0.97, rng=4)
    net = Sequential(Linear(4, 8, rng=0), ReLU(), first, Linear(8, 8, rng=1), ReLU(), second, Linear(8, 3, rng=2))
    return net, CrossEntropy(), Adam(0.01), standardised(X), y, dict(epochs=60, rng=0)


@kind(
    "unscaled-inputs",
    "The loss starts enormous and stays, or becomes NaN; or only the largest column is learned from.",
    "A gradient of a weight is proportional to its input. Columns in the thousands get steps a thousand times too "
    "long, while the rate "
    "that suits them stands still for the others.",
    "Mean 0 and deviation 1 in each column, by the numbers of the training data; the same numbers for every later example.",
)
def unscaled_inputs():
    X, y = load_breast_cancer(return_X_y=True)
    net = Sequential(Linear(30, 16, rng=0), Tanh(), Linear(16, 2, rng=1))
    return net, CrossEntropy(), SGD(0.05), X, y, dict(epochs=30, rng=0)


@kind(
    "unscaled-targets",
    "The loss is in the thousands or millions and stays there, or becomes NaN at the first steps.",
    "The gradient of a squared error grows with the error. Targets in the thousands make steps that kill the "
    "units or explode; a rate "
    "small enough for them does not move the rest.",
    "Train on `(y - y.mean()) / y.std()`, and take predictions back with `yhat * y.std() + y.mean()`.",
)
def unscaled_targets():
    X = np.random.default_rng(0).uniform(-1, 1, (300, 3))
    y = 50_000 * (np.sin(3 * X[:, :1]) + X[:, 1:2] * X[:, 2:]) + 200_000
    net = Sequential(Linear(3, 32, rng=0), ReLU(), Linear(32, 1, rng=1))
    return net, MSE(), Adam(0.01), X, y, dict(epochs=60, rng=0)


@kind(
    "label-coding",
    "The answers lie between the classes, or the loss refuses a label.",
    "A class as a number says that class 2 lies between 1 and 3. One output has to hit the number itself; a "
    "sigmoid cannot even "
    "reach it.",
    "Labels 0 to C - 1, C outputs without an activation, `CrossEntropy`.",
)
def label_coding():
    X, y = make_blobs(400, centers=5, cluster_std=0.6, random_state=3)
    net = Sequential(Linear(2, 32, rng=0), ReLU(), Linear(32, 1, rng=1), Sigmoid())
    return net, MSE(), Adam(0.01), standardised(X), y[:, None].astype(float), dict(epochs=60, rng=0)


@kind(
    "double-softmax",
    "The loss stays near log(C), that of guessing, and falls very slowly if at all.",
    "`CrossEntropy` contains the softmax. The output of another one before it lies between 0 and 1, so that no "
    "class can be more than e "
    "times as likely as another, and the gradient is small.",
    "Leave the last Softmax out; or `LogSoftmax` and `NLL`. Likewise no Sigmoid before `BCEWithLogits`.",
)
def double_softmax():
    X, y = load_digits(return_X_y=True)
    net = Sequential(Linear(64, 32, rng=0), Tanh(), Linear(32, 10, rng=1), Softmax())
    return net, CrossEntropy(), SGD(0.05), X[:1000] / 16, y[:1000], dict(epochs=15, rng=0)


@kind(
    "wrong-loss",
    "The loss falls, and the answers stay as bad as they were.",
    "A loss of amounts asks how far off a number is; for a class only the side counts. With absolute errors, the "
    "least of all examples "
    "is often to give the most frequent answer everywhere.",
    "`CrossEntropy` for one class of several, `BCE` or `BCEWithLogits` for yes or no, `MSE` for numbers.",
)
def wrong_loss():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = ((X[:, :1] ** 2 + X[:, 1:] ** 2) < 0.8).astype(float)
    net = Sequential(Linear(2, 16, rng=0), Tanh(), Linear(16, 1, rng=1), Sigmoid())
    return net, MAE(), SGD(0.1), X, y, dict(epochs=40, rng=0)


@kind(
    "output-range",
    "The loss stops at a high value; predictions sit at the bound of the last activation.",
    "A sigmoid gives 0 to 1, tanh -1 to 1, ReLU nothing below 0, and a softmax over one unit always 1. Targets "
    "outside are out of reach.",
    "No activation at the end for numbers; Sigmoid for yes or no with `BCE`; none with `CrossEntropy` and `BCEWithLogits`.",
)
def output_range():
    X = np.linspace(-1, 1, 200)[:, None]
    net = Sequential(Linear(1, 16, rng=0), Tanh(), Linear(16, 1, rng=1), Sigmoid())
    return net, MSE(), Adam(0.02), X, 3 * np.sin(3 * X), dict(epochs=60, rng=0)


@kind(
    "symmetric-init",
    "All units of a layer give the same; the loss stays where it was, or a wide layer learns no more than one unit could.",
    "Units with equal weights get equal gradients and stay equal. With weights of 0, the layers below get no gradient at all.",
    'Random weights of a size that fits the number of inputs: the default, or `init="he_normal"` before ReLU. A '
    "bias may start at 0.",
)
def symmetric_init():
    X, y = make_moons(300, noise=0.1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Linear says so, too
        net = Sequential(Linear(2, 16, init=0.0, rng=0), Tanh(), Linear(16, 2, init=0.0, rng=1))
    return net, CrossEntropy(), SGD(0.3), X, y, dict(epochs=40, rng=0)


@kind(
    "saturated-units",
    "The loss hardly moves; sigmoids and tanhs give only their two ends.",
    "Far from 0 a sigmoid is flat, and its derivative next to nothing. Weights that are too large at the start, "
    "or all of one sign, put "
    "every unit there, and no gradient passes.",
    "Weights of about 1 / sqrt(inputs), of both signs: the library's default.",
)
def saturated_units():
    X, y = make_moons(300, noise=0.1, random_state=0)

    def large(shape, rng):
        return rng.uniform(4, 12, shape)

    net = Sequential(
        Linear(2, 16, init=large, rng=0), Sigmoid(), Linear(16, 16, init=large, rng=1), Sigmoid(), Linear(16, 2, rng=2)
    )
    return net, CrossEntropy(), SGD(0.3), X + 2, y, dict(epochs=60, rng=0)


@kind(
    "dead-units",
    "The loss stops at that of a constant answer; a layer of ReLUs gives 0 for every example.",
    "A ReLU whose input is below 0 for all examples has no gradient and cannot come back. A bias far below 0 or "
    "one step that was "
    "too long is enough.",
    "`LeakyReLU`, another start, or a smaller rate. A module that gives the same for every example, such as a `LayerNorm` "
    "over one number, has to go.",
)
def dead_units():
    X, y = make_moons(300, noise=0.1, random_state=0)
    first = Linear(2, 16, rng=0)
    first.bias[:] = -5
    net = Sequential(first, ReLU(), Linear(16, 2, rng=1))
    return net, CrossEntropy(), SGD(0.3), X, y, dict(epochs=60, rng=0)


@kind(
    "vanishing-gradient",
    "A deep network of sigmoids learns nothing, a shallow one with the same rate does.",
    "The derivative of a sigmoid is at most 1/4. Through six of them the first layer gets a thousandth of the "
    "gradient, at best.",
    'ReLU with `init="he_normal"`, fewer layers, `Residual` blocks or `BatchNorm` between them. A step from 0 to 1 passes no '
    "gradient at all.",
)
def vanishing_gradient():
    X, y = make_moons(400, noise=0.1, random_state=0)
    layers = [m for i in range(5) for m in (Linear(2 if i == 0 else 16, 16, rng=i), Sigmoid())]
    net = Sequential(*layers, Linear(16, 2, rng=9))
    return net, CrossEntropy(), SGD(0.2), X, y, dict(epochs=60, rng=0)


@kind(
    "no-bias",
    "A function that is not 0 at 0, or a boundary that does not go through 0, is not learned.",
    "Without a bias every unit's boundary goes through the origin, and tanh and ReLU layers give 0 for an input of 0.",
    "`Linear(n, m)` has a bias; leave it out only before a normalisation.",
)
def no_bias():
    X = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    y = (X[:, :1] + X[:, 1:] > 0.6).astype(float)
    net = Sequential(Linear(2, 1, bias=False, rng=0))
    return net, BCEWithLogits(), SGD(0.5), X, y, dict(epochs=60, rng=0)


@kind(
    "too-small",
    "The loss stops well above 0 on the training data themselves, whatever the rate.",
    "Without an activation between them, two layers are one. With one or two units, a network can draw one or two lines.",
    "An activation between the layers; more units: 16 cost nothing.",
)
def too_small():
    X, _ = make_moons(400, noise=0.05, random_state=0)
    y = ((X[:, 0] - 0.5) * (X[:, 1] - 0.25) > 0).astype(int)
    net = Sequential(Linear(2, 8, rng=0), Linear(8, 2, rng=1))
    return net, CrossEntropy(), SGD(0.2), X, y, dict(epochs=60, rng=0)


@kind(
    "not-zeroed",
    "The loss falls first, then swings wider and wider.",
    "`backward_update_gradient` adds. Without `zero_grad` every step goes along the sum of all gradients so far: "
    "a momentum of 1.",
    "`net.zero_grad()` in every step; and sums of your own begin at 0 in every step: `sums = templates` is no copy.",
)
def not_zeroed():
    class Keeping(Optim):
        def step(self, batch_x, batch_y):
            yhat = self.net.forward(batch_x)
            self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(batch_x))
            self.net.update_parameters(self.eps)

    X, y = load_digits(return_X_y=True)
    net, loss = Sequential(Linear(64, 32, rng=0), ReLU(), Linear(32, 10, rng=1)), CrossEntropy()
    return net, loss, Keeping(net, loss, 0.1), X[:500] / 16, y[:500], dict(epochs=20, rng=0)


@kind(
    "not-divided",
    "A loop that learns with small batches explodes with large ones.",
    "The gradient is a sum over the batch. Undivided, a batch of 200 makes steps 200 times as long.",
    "`delta = loss.backward(y, yhat) / len(y)`, once.",
)
def not_divided():
    class Summing(Optim):
        def step(self, batch_x, batch_y):
            yhat = self.net.forward(batch_x)
            self.net.zero_grad()
            self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat))
            self.net.update_parameters(self.eps)

    X, y = make_moons(400, noise=0.1, random_state=0)
    net, loss = Sequential(Linear(2, 32, rng=0), ReLU(), Linear(32, 2, rng=1)), CrossEntropy()
    return net, loss, Summing(net, loss, 0.5), X, y, dict(epochs=60, batch_size=100, rng=0)


@kind(
    "wrong-sign",
    "The loss grows from the first step.",
    "The step goes along the gradient instead of against it; or the loss was given y and yhat the other way round.",
    "`parameters -= rate * gradient`, and `loss.backward(y, yhat)`.",
)
def wrong_sign():
    class Climbing(Optim):
        def step(self, batch_x, batch_y):
            yhat = self.net.forward(batch_x)
            self.net.zero_grad()
            self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(batch_x))
            self.net.update_parameters(-self.eps)

    X = np.linspace(-1, 1, 100)[:, None]
    net, loss = Sequential(Linear(1, 16, rng=0), Tanh(), Linear(16, 1, rng=1), Tanh()), MSE()
    return net, loss, Climbing(net, loss, 0.1), X, np.sin(3 * X), dict(epochs=60, rng=0)


@kind(
    "wrong-gradient",
    "The loss falls a little and then grows or stays; no rate helps.",
    "A class of your own has a backward that is not the derivative of its forward: the layers before it move in a "
    "wrong direction.",
    "`check_module` and `check_network` say which line it is, and what the truth is there.",
)
def wrong_gradient():
    class Squash(Sigmoid):
        def forward(self, x):
            return 1 / (1 + np.exp(-np.asarray(x)))

        def backward_delta(self, x, delta):
            s = self.forward(x)
            return delta * s * (s - 1)  # s (1 - s) would be right

    X, y = make_moons(300, noise=0.1, random_state=0)
    net, loss = Sequential(Linear(2, 16, rng=0), Squash(), Linear(16, 2, rng=1)), CrossEntropy()
    return net, loss, Optim(net, loss, 0.5), standardised(X), y, dict(epochs=150, rng=0)


@kind(
    "sorted-data",
    "Training looks perfect, validation is far below chance; or each batch unlearns what the one before it taught.",
    "The table is sorted by class, and its tail was kept for validation, or it is taken in its order with shuffle=False.",
    "Shuffle before splitting: `train_test_split` does; and leave `shuffle=True`.",
)
def sorted_data():
    X, y = load_wine(return_X_y=True)
    X = standardised(X)
    net = Sequential(Linear(13, 16, rng=0), Tanh(), Linear(16, 3, rng=1))
    return net, CrossEntropy(), Adam(0.01), X[:130], y[:130], dict(epochs=40, rng=0, validation=(X[130:], y[130:]))


@kind(
    "train-test-mismatch",
    "Training looks good, and on new data every answer is the same.",
    "The new data were prepared otherwise: not scaled, or scaled by other numbers, or with columns in another order; or a "
    "`BatchNorm` predicts by statistics that are still those of the start.",
    "One function that prepares both, X and y, with the numbers of the training data. `momentum=0.1` in a BatchNorm. No "
    "`validation` for a table of all there is, such as XOR.",
)
def train_test_mismatch():
    X, y = load_breast_cancer(return_X_y=True)
    mean, std = X[:400].mean(axis=0), X[:400].std(axis=0)
    net = Sequential(Linear(30, 16, rng=0), Tanh(), Linear(16, 2, rng=1))
    options = dict(epochs=20, rng=0, validation=(X[400:], y[400:]))
    return net, CrossEntropy(), Adam(0.01), (X[:400] - mean) / std, y[:400], options


@kind(
    "majority-class",
    "95 % accuracy, and the rare class is never predicted.",
    "If one example in twenty is of the rare class, always giving the other is right 95 times of 100, and a small "
    "step away from it "
    "is wrong more often than right.",
    "`sample_weight=balanced_weights(y)`; and look at the accuracy of each class.",
)
def majority_class():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 2))
    y = (np.arange(1000) < 50).astype(int)
    X[y == 1] += [1.6, 1.6]
    net = Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 2, rng=1))
    return net, CrossEntropy(), SGD(0.02), X, y, dict(epochs=10, rng=0)


@kind(
    "overfitting",
    "The training loss falls to 0, the validation loss rises.",
    "The network has more freedom than the examples can hold in check: it knows them by heart.",
    "More examples; `validation` with `patience`; weight decay; fewer units.",
)
def overfitting():
    X, y = load_diabetes(return_X_y=True)
    y = ((y - y.mean()) / y.std())[:, None]
    net = Sequential(Linear(10, 100, rng=0), ReLU(), Linear(100, 1, rng=1))
    return net, MSE(), Adam(0.01), standardised(X), y, dict(epochs=100, rng=0)


@kind(
    "nothing-to-learn",
    "Whatever is tried, held-out data are answered no better than by the most frequent class, or the mean.",
    "What decides is not among the columns; rows of X and y do not belong together; or equal inputs have different targets.",
    "Look at the rows themselves. If X was shuffled, was y shuffled along?",
)
def nothing_to_learn():
    X, y = load_iris(return_X_y=True)
    X = standardised(X)[np.random.default_rng(0).permutation(150)]  # and y stays as it was
    net = Sequential(Linear(4, 16, rng=0), Tanh(), Linear(16, 3, rng=1))
    return net, CrossEntropy(), Adam(0.01), X, y, dict(epochs=40, rng=0)


def report_of(function):
    """What check_training says of one of the trainings."""
    *parts, options = function()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check_training(*parts, **options)


def draw(report, path):
    """The picture of a report, with few colours: there are many pages."""
    from PIL import Image

    buffer = io.BytesIO()
    report.plot().savefig(buffer, dpi=80)
    Image.open(buffer).convert("RGB").quantize(48).save(path, optimize=True)


def page(name):
    """Write the page of a kind, and its picture."""
    function, see, why, then = KINDS[name]
    report = report_of(function)
    found = [f.kind for f in report.findings]
    code = textwrap.dedent(inspect.getsource(function))
    code = code[code.index("def ") :]
    draw(report, HERE / f"{name}.png")
    text = re.sub(r",\s+[0-9.]+\s+s$", "", str(report), flags=re.M)  # the page stays the same if nothing else changes
    picture = f"![{name}: what was tried, and the symptom]({name}.png)"
    parts = [f"# {name}", f"**What you see.** {see}", f"**Why.** {why}", f"**What to do.** {then}", picture, "## An example"]
    parts += [f"```python\n{code}```", "`check_training` says:", f"```text\n{text}\n```"]
    (HERE / f"{name}.md").write_text("\n\n".join(parts) + "\n")
    right = name in found[:1]
    print(f"{name:24}{', '.join(found) or 'nothing':50}{report.seconds:5.1f} s{'' if right else '   <-- not as it should be'}")
    return right


if __name__ == "__main__":
    wanted = sys.argv[1:] or list(KINDS)
    sys.exit(not all([page(name) for name in wanted]))
