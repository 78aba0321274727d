# %% [markdown]
"""
Part 5: the auto-encoder
========================

An encoder makes few numbers of many, a decoder makes them many again, and both are trained together to give
back what went in. The loss is binary cross-entropy, with each logarithm held at -100.
"""

# %%
import numpy as np

from modnet.check import check_loss
from modnet.datasets import load
from modnet.handout import SGD, Linear, Loss, Sequentiel, Sigmoide, TanH
from modnet.plotting import codes, reconstructions

# %% [markdown]
# -(y log p + (1 - y) log(1 - p)), summed over the features of an example. Where p is 0 or 1, the logarithm is
# -100 and the derivative finite: hold p (1 - p) at 1e-12 in the divisor.


# %%
class BCELoss(Loss):
    def forward(self, y, yhat):
        # solution
        with np.errstate(divide="ignore"):
            logs = np.maximum(np.log(yhat), -100), np.maximum(np.log(1 - yhat), -100)
        return -(y * logs[0] + (1 - y) * logs[1]).sum(axis=1)
        # end

    def backward(self, y, yhat):
        # solution
        return (yhat - y) / np.maximum(yhat * (1 - yhat), 1e-12)
        # end


# %%
rng = np.random.default_rng(0)
print(check_loss(BCELoss(), rng.uniform(size=(4, 3)), rng.uniform(0.1, 0.9, size=(4, 3))))
assert BCELoss().forward(np.array([[1.0]]), np.array([[0.0]])) == 100.0, "log 0 must be -100"

# %% [markdown]
# The network: 64 pixels to 10 numbers and back, TanH in between, Sigmoide at the end, as pixels go from 0 to 1.
# Keep the encoder apart, to look at the codes.

# %%
np.random.seed(1)
X, y = load("digits")
# solution
encoder = Sequentiel(Linear(64, 10, bias=True), TanH())
decoder = Sequentiel(Linear(10, 64, bias=True), Sigmoide())
# end
for layer in (encoder[0], decoder[0]):
    layer.parameters[:] /= np.sqrt(layer.in_features)
net = Sequentiel(encoder, decoder)
losses = SGD(net, X, X, 32, 60, BCELoss(), 0.05)

# %%
error = ((net.forward(X) - X) ** 2).mean()
mean = ((X.mean(axis=0) - X) ** 2).mean()
assert error < 0.5 * mean, f"the error of a pixel is {error:.4f}, the mean digit's {mean:.4f}: expected less than half"
print(f"error of a pixel {error:.4f}; the mean digit's {mean:.4f}")
reconstructions(X, net.forward(X))

# %%
codes(encoder.forward(X), y)
