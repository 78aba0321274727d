"""Part 1: linear regression by hand. A Linear, a MSELoss, and the loop that everything after it only hides.

    python examples/handout/part1_regression.py
"""

import numpy as np
from matplotlib.figure import Figure
from tools import finish, options, save

from modnet.handout import Linear, MSELoss

args = options(__doc__)
np.random.seed(1)

# The data: y = 3 x - 1, and noise. A column of ones beside x makes the constant a weight like the other.
x = np.random.uniform(-2, 2, 100)
X = np.column_stack([x, np.ones(100)])  # (batch, 2)
y = (3 * x - 1 + np.random.normal(0, 0.5, 100)).reshape(-1, 1)  # (batch, 1): always a matrix, even for one number

# The loss of each example is ||y - yhat||^2, a vector (batch,). Nobody has averaged anything yet.
loss, layer = MSELoss(), Linear(2, 1)
yhat = layer.forward(X)
print(f"weights {layer._parameters.shape}, predictions {yhat.shape}, losses {loss.forward(y, yhat).shape}")

# Is the gradient right? Move each weight a little to both sides and look at the sum of the losses.
layer.zero_grad()
layer.backward_update_gradient(X, loss.backward(y, yhat))
print("weight   by backward   by differences")
for place in np.ndindex(layer._parameters.shape):
    kept, h, sums = layer._parameters[place], 1e-5, []
    for moved in (kept + h, kept - h):
        layer._parameters[place] = moved
        sums.append(loss.forward(y, layer.forward(X)).sum())
    layer._parameters[place] = kept
    print(f"{place!s:8} {layer._gradient[place]:11.4f}   {(sums[0] - sums[1]) / (2 * h):14.4f}")


def descend(step, iterations, mean=True):
    """Gradient descent from the same start; returns the mean loss and the weights before each step, and the layer."""
    np.random.seed(2)
    layer, losses, path = Linear(2, 1), [], []
    for _ in range(iterations):
        yhat = layer.forward(X)
        losses.append(loss.forward(y, yhat).mean())
        path.append(layer._parameters[:, 0].copy())
        delta = loss.backward(y, yhat)  # how the loss of each example changes with its prediction
        if mean:
            delta = delta / len(X)  # of the mean loss: the step then does not depend on the number of examples
        layer.zero_grad()  # gradients add up until they are set to zero
        layer.backward_update_gradient(X, delta)
        layer.update_parameters(step)
        if not np.isfinite(losses[-1]) or losses[-1] > 1e6:
            break
    return losses, np.array(path), layer


iterations = 20 if args.quick else 200
losses, path, layer = descend(0.1, iterations)
exact = np.linalg.lstsq(X, y)[0]
slope, constant = layer._parameters[:, 0]
print(f"after {iterations} steps: y = {slope:.4f} x {constant:+.4f}, mean loss {losses[-1]:.4f}")
print(f"least squares:   y = {exact[0, 0]:.4f} x {exact[1, 0]:+.4f}, mean loss {loss.forward(y, X @ exact).mean():.4f}")
print(f"largest difference between the two: {np.abs(layer._parameters - exact).max():.1e}")

# The first trap of the project: the same step with the sum over the batch, which is 100 times the mean, diverges.
wild = descend(0.1, iterations, mean=False)[0]
print(f"the same step without the division by the batch: loss {wild[0]:.1f}, then {wild[1]:.0f}, then {wild[2]:.0f}")

figure = Figure(figsize=(11, 3.6), layout="constrained")
left, middle, right = figure.subplots(1, 3)
ends = np.array([-2.0, 2.0])
left.plot(x, y, ".", color="0.5", label="examples")
for i in (0, 2, 5, 10):
    left.plot(ends, path[i, 0] * ends + path[i, 1], color=str(0.9 - 0.06 * i), label=f"after {i} steps")
left.plot(ends, slope * ends + constant, color="C3", label=f"after {iterations}")
left.set(xlabel="x", ylabel="y", title="The line finds its place")
left.legend()
for step in (0.003, 0.03, 0.35, 0.68):
    middle.semilogy(descend(step, 60)[0], label=f"step {step:g}")
middle.set(xlabel="steps", ylabel="mean loss", title="Small steps are slow, large ones bounce")
middle.legend()
slopes, constants = np.meshgrid(np.linspace(-1.2, 7, 80), np.linspace(-4, 2, 80))
surface = ((slopes[..., None] * x + constants[..., None] - y[:, 0]) ** 2).mean(axis=-1)
right.contour(slopes, constants, np.log(surface), 14, cmap="Greys_r", linewidths=0.7)
for step, color in ((0.68, "C3"), (0.03, "C1")):
    way = descend(step, 60)[1]
    right.plot(way[:, 0], way[:, 1], ".-", color=color, linewidth=1, label=f"step {step:g}")
right.plot(*exact, "*", color="black", markersize=12)
right.set(xlabel="slope", ylabel="constant", title="The way down")
right.legend()
save(figure, args.out / "part1_regression.png")
finish()
