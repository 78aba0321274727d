"""Part 2: two classes that no line separates. Linear, TanH, Linear, Sigmoide, chained by hand, and the frontier drawn.

    python examples/handout/part2_two_classes.py
"""

import numpy as np
from matplotlib import pyplot
from tools import finish, options, save

from modnet.handout import Linear, MSELoss, Sigmoide, TanH, gen_arti, plot_data, plot_frontiere

args = options(__doc__)
np.random.seed(1)

# Four Gaussians, opposite ones in the same class: the XOR. gen_arti gives -1 and 1, a sigmoid answers from 0 to 1.
X, y = gen_arti(data_type=1, nbex=200 if args.quick else 1000, sigma=0.15)
y = (y + 1) / 2
X_test, y_test = gen_arti(data_type=1, nbex=1000, sigma=0.15)
y_test = (y_test + 1) / 2
loss = MSELoss()


def accuracy(forward, X, y):
    """The share of examples on the right side of 1/2."""
    return ((forward(X) > 0.5) == (y > 0.5)).mean()


# A line first. Wherever it lies, it is wrong on one of the four groups at least.
linear, sigmoid = Linear(2, 1, bias=True), Sigmoide()
for _ in range(50 if args.quick else 500):
    h = linear.forward(X)
    delta = loss.backward(y, sigmoid.forward(h)) / len(X)
    linear.zero_grad()
    linear.backward_update_gradient(X, sigmoid.backward_delta(h, delta))
    linear.update_parameters(1.0)


def line(X):
    return sigmoid.forward(linear.forward(X))


print(f"one Linear:                    test accuracy {accuracy(line, X_test, y_test):.3f}")


# Two layers. Forward keeps the input of each module, since backward asks for it again.
def train(hidden, iterations, step=1.0):
    """Gradient descent on all examples at once; returns the modules as a function, and the mean losses."""
    first, tanh, second, sigmoid = Linear(2, hidden, bias=True), TanH(), Linear(hidden, 1, bias=True), Sigmoide()
    losses = []
    for _ in range(iterations):
        # Forward: the output of each module is the input of the next.
        h1 = first.forward(X)
        h2 = tanh.forward(h1)
        h3 = second.forward(h2)
        yhat = sigmoid.forward(h3)
        losses.append(loss.forward(y, yhat).mean())

        # Backward: from the loss to the input. Each module is given its own input and dL/d(its output).
        delta = loss.backward(y, yhat) / len(X)
        delta3 = sigmoid.backward_delta(h3, delta)
        delta2 = second.backward_delta(h2, delta3)
        delta1 = tanh.backward_delta(h1, delta2)
        first.zero_grad()
        second.zero_grad()
        first.backward_update_gradient(X, delta1)
        second.backward_update_gradient(h2, delta3)

        # Only now do the parameters move: all gradients are those of the same network.
        first.update_parameters(step)
        second.update_parameters(step)
    return lambda X: sigmoid.forward(second.forward(tanh.forward(first.forward(X)))), losses


# The answer depends on where one starts: two hidden units can do the XOR, but do not find it from everywhere.
iterations = 60 if args.quick else 1000
found = {}
for hidden in (2, 4, 16):
    runs = [train(hidden, iterations) for _ in range(2 if args.quick else 8)]
    scores = [accuracy(net, X_test, y_test) for net, _ in runs]
    found[hidden] = max(runs, key=lambda run: accuracy(run[0], X, y))
    good = sum(score > 0.95 for score in scores)
    print(f"{hidden:2} hidden, {len(runs)} starts: test accuracy {min(scores):.3f} to {max(scores):.3f}, above 0.95 in {good}")
net, losses = found[16]
print(f"the best of 16 hidden on its own examples: test accuracy {accuracy(net, X_test, y_test):.3f}, loss {losses[-1]:.4f}")

# plot_frontiere looks at the sign of what it is given: 0 must be where the network cannot decide.
figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
panels = ((line, "One Linear"), (found[2][0], "Two hidden units"), (net, "Sixteen hidden units"))
for place, (f, title) in zip(axes, panels, strict=True):
    pyplot.sca(place)
    plot_frontiere(X_test, lambda grid, f=f: f(grid) - 0.5, step=150)
    plot_data(X_test[:300], y_test[:300].astype(int))
    place.set_title(f"{title}: {accuracy(f, X_test, y_test):.1%}")
axes[0].legend(title="class", loc="upper right", frameon=True, framealpha=0.9)
save(figure, args.out / "part2_frontier.png")

figure, place = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
for hidden, (_, losses) in found.items():
    place.semilogy(losses, label=f"{hidden} hidden units, the best start")
place.set(xlabel="steps", ylabel="mean squared error", title="XOR by hand: the loss, step by step")
place.legend()
save(figure, args.out / "part2_losses.png")
finish()
