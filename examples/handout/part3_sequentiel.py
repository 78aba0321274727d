"""Part 3: the same network with Sequentiel, Optim and SGD. What part 2 wrote by hand becomes three lines.

    python examples/handout/part3_sequentiel.py
"""

import time

import numpy as np
from matplotlib import pyplot
from tools import finish, options, save

from modnet.handout import (
    SGD,
    BCELoss,
    Linear,
    Module,
    MSELoss,
    Optim,
    Sequentiel,
    Sigmoide,
    TanH,
    gen_arti,
    plot_data,
    plot_frontiere,
)

args = options(__doc__)
np.random.seed(1)
X, y = gen_arti(data_type=1, nbex=200 if args.quick else 1000, sigma=0.15)
y = (y + 1) / 2


def accuracy(net, X, y):
    return ((net.forward(X) > 0.5) == (y > 0.5)).mean()


# A network is made at once, from a list, or module by module.
net = Sequentiel(Linear(2, 4, bias=True), TanH(), Linear(4, 1, bias=True), Sigmoide())
listed = Sequentiel([Linear(2, 4, bias=True), TanH(), Linear(4, 1, bias=True), Sigmoide()])
grown = Sequentiel()
for module in (Linear(2, 4, bias=True), TanH(), Linear(4, 1, bias=True), Sigmoide()):
    grown.add(module)
listed.parameters[:] = grown.parameters[:] = net.parameters  # all parameters of a network are one flat vector
print(net.summary(2))

# One step, three times the same: by hand as in part 2, by Optim, and by SGD with a batch of everything.
inputs = [X]
for module in net:
    inputs.append(module.forward(inputs[-1]))
delta = MSELoss().backward(y, inputs.pop()) / len(X)
net.zero_grad()
for module, x in zip(reversed(list(net)), reversed(inputs), strict=True):
    module.backward_update_gradient(x, delta)
    delta = module.backward_delta(x, delta)
net.update_parameters(0.5)

Optim(listed, MSELoss(), eps=0.5).step(X, y)
SGD(grown, X, y, batch_size=len(X), iterations=1, loss=MSELoss(), eps=0.5)
apart = max(np.abs(net.parameters - other.parameters).max() for other in (listed, grown))
print(f"after one step by hand, by Optim and by SGD, parameters differ by at most {apart:.1e}")

# Batches. A pass over the data costs the same for any size of batch, but small batches take more steps in it.
passes = 5 if args.quick else 60
curves = {}
for batch_size in (1, 10, 100, len(X)):
    np.random.seed(3)
    trained = Sequentiel(Linear(2, 8, bias=True), TanH(), Linear(8, 1, bias=True), Sigmoide())
    start = time.process_time()
    curves[batch_size] = SGD(trained, X, y, batch_size, passes, loss=MSELoss(), eps=0.3)
    took = time.process_time() - start
    print(f"batches of {batch_size:4}: loss {curves[batch_size][-1]:.4f}, accuracy {accuracy(trained, X, y):.3f}, {took:.2f} s")


# A module of one's own stands among the library's: a sine in place of tanh. It has no parameters, so two methods do.
class Sinus(Module):
    def forward(self, X):
        return np.sin(X)

    def backward_delta(self, input, delta):
        return delta * np.cos(input)


# A harder problem: the checkerboard, whose squares of side 1 alternate. Sixteen of them, those of the middle.
X, y = gen_arti(data_type=2, nbex=400 if args.quick else 4000, epsilon=0)
X, y = X[(np.abs(X) < 2).all(axis=1)], y[(np.abs(X) < 2).all(axis=1)]
y = (y + 1) / 2
half = len(X) // 2
X_test, y_test, X, y = X[half:], y[half:], X[:half], y[:half]
boards = {}
for name, activation, passes_here in (("TanH", TanH, 2000), ("Sinus", Sinus, 150)):
    np.random.seed(1)
    board = Sequentiel(Linear(2, 40, bias=True), activation(), Linear(40, 1, bias=True), Sigmoide())
    board[0].weight[:] *= 3  # sharper to begin with: the squares are narrow
    start = time.process_time()
    losses = SGD(board, X, y, 10, 3 if args.quick else passes_here, loss=BCELoss(), eps=0.05)
    took = time.process_time() - start
    boards[name] = board
    right = accuracy(board, X_test, y_test)
    print(f"checkerboard, {name}: {len(losses)} passes, loss {losses[-1]:.3f}, test accuracy {right:.3f}, {took:.1f} s")

figure, (left, *rest) = pyplot.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
for batch_size, losses in curves.items():
    left.semilogy(losses, label=f"batches of {batch_size}")
left.set(xlabel="passes over the data", ylabel="mean squared error", title="The same step, more or fewer of them")
left.legend()
for place, (name, board) in zip(rest, boards.items(), strict=True):
    pyplot.sca(place)
    plot_frontiere(X_test, lambda grid, net=board: net.forward(grid) - 0.5, step=200)
    plot_data(X_test[:400], y_test[:400].astype(int))
    place.set_title(f"Checkerboard, {name}: {accuracy(board, X_test, y_test):.1%} of the test")
save(figure, args.out / "part3_batches_and_checkerboard.png")
finish()
