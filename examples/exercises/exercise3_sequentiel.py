# %% [markdown]
"""
Part 3: encapsulation
=====================

The passes of part 2 are always the same. Put them into a Sequentiel that chains any modules, an Optim that does
one step, and a function SGD that goes through the data in batches.
"""

# %%
import numpy as np

from modnet.check import check_network
from modnet.handout import Linear, Module, MSELoss, Sigmoide, TanH


# %%
class Sequentiel(Module):
    def __init__(self, *modules):
        self.modules = list(modules)

    def zero_grad(self):
        for module in self.modules:
            module.zero_grad()

    def update_parameters(self, gradient_step=1e-3):
        for module in self.modules:
            module.update_parameters(gradient_step)

    def forward(self, X):
        # solution
        for module in self.modules:
            X = module.forward(X)
        return X
        # end

    def inputs(self, X):
        """What each module is given."""
        # solution
        found = [X]
        for module in self.modules[:-1]:
            found.append(module.forward(found[-1]))
        return found
        # end

    def backward_update_gradient(self, input, delta):
        # solution
        for module, given in zip(reversed(self.modules), reversed(self.inputs(input))):
            module.backward_update_gradient(given, delta)
            delta = module.backward_delta(given, delta)
        # end

    def backward_delta(self, input, delta):
        # solution
        for module, given in zip(reversed(self.modules), reversed(self.inputs(input))):
            delta = module.backward_delta(given, delta)
        return delta
        # end


# %%
rng = np.random.default_rng(0)
X, y = rng.normal(size=(6, 2)), rng.uniform(size=(6, 1))
np.random.seed(1)
print(check_network(Sequentiel(Linear(2, 3), TanH(), Linear(3, 1), Sigmoide()), MSELoss(), X, y))


# %%
class Optim:
    def __init__(self, net, loss, eps=1e-3):
        self.net, self.loss, self.eps = net, loss, eps

    def step(self, batch_x, batch_y):
        """One step on a batch; returns its mean loss before the step."""
        # solution
        yhat = self.net.forward(batch_x)
        self.net.zero_grad()
        self.net.backward_update_gradient(batch_x, self.loss.backward(batch_y, yhat) / len(batch_x))
        self.net.update_parameters(self.eps)
        return self.loss.forward(batch_y, yhat).mean()
        # end


def SGD(net, X, y, batch_size, iterations, loss, eps=1e-3):
    """Pass over the data `iterations` times, in batches of a new random order; the last batch may be shorter.

    Returns the mean loss of each pass.
    """
    # solution
    optim, losses = Optim(net, loss, eps), []
    for _ in range(iterations):
        order = np.random.permutation(len(X))
        batches = [order[i : i + batch_size] for i in range(0, len(X), batch_size)]
        losses.append(np.mean([optim.step(X[batch], y[batch]) for batch in batches]))
    return losses
    # end


# %% [markdown]
# One step must be the step of part 1, and batches must not lose examples.

# %%
net = Sequentiel(Linear(2, 1))
before = net.modules[0]._parameters.copy()
value = Optim(net, MSELoss(), 0.1).step(X, y)
by_hand = before - 0.1 * X.T @ (2 * (X @ before - y)) / len(X)
assert np.allclose(net.modules[0]._parameters, by_hand), "a step is not that of the mean loss of the batch"
assert np.isclose(value, ((X @ before - y) ** 2).mean()), "step returns the mean loss before the step"

# %%
seen = []


class Counting(MSELoss):
    def forward(self, y, yhat):
        seen.append(len(yhat))
        return super().forward(y, yhat)


losses = SGD(Sequentiel(Linear(2, 4), TanH(), Linear(4, 1)), X, y, 4, 50, Counting(), 0.1)
assert seen[:2] == [4, 2], f"batches of 6 examples by 4 are {seen[:2]}, expected [4, 2]"
assert losses[-1] < losses[0], "the loss does not fall"
print(f"the loss falls from {losses[0]:.3f} to {losses[-1]:.3f}")
