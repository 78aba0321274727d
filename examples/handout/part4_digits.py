"""Part 4: ten classes. One-hot targets, Softmax and its losses, and handwritten digits.

    python examples/handout/part4_digits.py [--usps FILE [FILE]]
"""

import numpy as np
from matplotlib.figure import Figure
from tools import digits, finish, options, page, save, scaled

from modnet.handout import (
    SGD,
    CELoss,
    CrossEntropieLoss,
    Linear,
    LogSoftmax,
    MSELoss,
    Sequentiel,
    Softmax,
    TanH,
)
from modnet.plotting import confusion

args = options(__doc__, digits=True)
X, y, X_test, y_test = digits(args)
one_hot = np.eye(10)[y]  # (batch, 10): 1 at the class, 0 elsewhere

# What the losses compute, on one example of class 0 with its ten scores.
scores = np.array([[2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
p = Softmax().forward(scores)
print(f"softmax of the scores: {p[0, :3].round(3)}..., their sum {p.sum():.3f}")
print(f"-yhat_y on it: {CELoss().forward([0], p)[0]:.3f}; on its logarithm: {CELoss().forward([0], np.log(p))[0]:.3f}")
print(f"the fused loss, on the scores themselves: {CrossEntropieLoss().forward([0], scores)[0]:.3f}")

# Why to fuse: exp(1000) is infinite, and infinity over infinity is no number. The log of the sum of exp has no such trouble,
# once the largest score is taken out of the sum. The derivative becomes softmax - one-hot: a difference, no division.
with np.errstate(over="ignore", invalid="ignore"):
    naive = np.exp(1000 * scores) / np.exp(1000 * scores).sum()
fused = CrossEntropieLoss().forward([0], 1000 * scores)[0]
print(f"scores a thousand times as large: by the formula {naive[0, 0]}, fused {fused}")
chained = LogSoftmax().backward_delta(scores, CELoss().backward([0], LogSoftmax().forward(scores)))
apart = np.abs(chained - CrossEntropieLoss().backward([0], scores)).max()
print(f"LogSoftmax then CELoss has the same derivative: they differ by {apart:.1e}")


def network(*last, scale=scaled):
    """256 pixels, 64 hidden units, 10 scores."""
    np.random.seed(1)
    return Sequentiel(scale(Linear(256, 64, bias=True)), TanH(), scale(Linear(64, 10, bias=True)), *last)


def accuracy(net, X, y):
    return (net.forward(X).argmax(axis=1) == y).mean()


# The same network with each loss. Softmax with a loss of probabilities flattens where the network is surely wrong: its
# derivative has a factor p (1 - p). The logarithm takes that factor away.
passes = 3 if args.quick else 40
ways = {
    "Softmax, MSELoss": (network(Softmax()), MSELoss(), one_hot),
    "Softmax, CELoss": (network(Softmax()), CELoss(), y),
    "LogSoftmax, CELoss": (network(LogSoftmax()), CELoss(), y),
    "CrossEntropieLoss": (network(), CrossEntropieLoss(), y),
    "the same, weights in (-1, 1)": (network(scale=lambda linear: linear), CrossEntropieLoss(), y),
}
print(f"{'after ' + str(passes) + ' passes':30} accuracy   on the test")
curves = {}
for name, (net, loss, target) in ways.items():
    curves[name] = []
    for _ in range(passes):
        SGD(net, X, target, batch_size=32, iterations=1, loss=loss, eps=0.1, rng=len(curves[name]))
        curves[name].append(1 - accuracy(net, X_test, y_test))
    print(f"{name:30} {accuracy(net, X, y):8.3f}   {accuracy(net, X_test, y_test):11.3f}")
net = ways["CrossEntropieLoss"][0]

# A metric that hides nothing: which digit is taken for which. An accuracy alone does not tell a network that never says 8.
yhat = net.forward(X_test)
confusion(y_test, yhat, path=args.out / "part4_confusion.png")
print("  picture: part4_confusion.png")
guess, probability = yhat.argmax(axis=1), Softmax().forward(yhat).max(axis=1)
wrong = np.flatnonzero(guess != y_test)
wrong = wrong[np.argsort(-probability[wrong])][:10]
said = [f"{y_test[i]}, said {guess[i]}\n{probability[i]:.0%} sure" for i in wrong]
if len(wrong):
    page({"": X_test[wrong]}, args.out / "part4_mistakes.png", "The mistakes it is most sure of", said)

figure = Figure(figsize=(7, 4), layout="constrained")
axes = figure.subplots()
for name, errors in curves.items():
    axes.semilogy(range(1, passes + 1), errors, "--" if name == "CrossEntropieLoss" else "-", label=name)
axes.set(xlabel="passes over the data", ylabel="share of errors on the test", title="One network, several losses")
axes.legend(fontsize=9)
save(figure, args.out / "part4_losses.png")
finish()
