"""The names and conventions of the course's project statement ("réseau de neurones DIY"), on the library's kernels.

    from modnet.handout import CrossEntropieLoss, Linear, Optim, SGD, Sequentiel, TanH

What is different from the rest of the library:

- `Linear(input, output)` has no bias unless asked for, is drawn uniformly in (-1, 1), and keeps ``_parameters`` and
  ``_gradient`` as matrices (input, output).
- `Conv1D(k_size, chan_in, chan_out, stride)` has no bias unless asked for, is drawn in 0.1 * uniform(-1, 1), and keeps
  ``_parameters`` and ``_gradient`` of shape (k_size, chan_in, chan_out).
- What is random comes from numpy's global generator: ``np.random.seed(1)`` fixes a whole script.
- `CELoss` is -yhat_y, `CrossEntropieLoss` is -yhat_y + log(sum of exp(yhat)), the one fused with `LogSoftmax`.
- A layer remembers its last call by hand, as many networks of the course expect: ``_input``, ``_forward`` (what it returned)
  and ``_delta`` (what backward_delta returned). The library itself reads none of these.
- Some names have a second spelling, for the same object: `Sigmoid`, `Tanh`, `ReLu`, `SoftMax`, `LogSoftMax`, `MSE`, `BCE`,
  `Sequential`, `AutoEncoder`; and so have arguments: ``input_dim``, ``output_dim``, ``biais``, ``encodeur``, ``decodeur``.
- `Optim` and `SGD` divide the derivative of the losses by the size of the batch, as everything that trains does here. A loss
  never does: ``backward_update_gradient`` adds sums over the batch.

`Module` and `Loss` are the library's own contract and serve as base classes, as any class below does. A plain class with
the statement's methods needs no base class. Ours and yours go together, in a `Sequentiel` and in `SGD`.
"""

from __future__ import annotations

from modnet.handout.layers import (
    AvgPool1D,
    Conv1D,
    Flatten,
    Linear,
    LogSoftmax,
    MaxPool1D,
    ReLU,
    Sigmoide,
    Softmax,
    TanH,
)
from modnet.handout.losses import BCELoss, CELoss, CrossEntropieLoss, MSELoss
from modnet.handout.networks import SGD, AutoEncodeur, Optim, Sequentiel
from modnet.handout.tools import gen_arti, load_usps, make_grid, plot_data, plot_frontiere
from modnet.loss import Loss
from modnet.module import Module

Sigmoid, Tanh, ReLu, SoftMax, LogSoftMax = Sigmoide, TanH, ReLU, Softmax, LogSoftmax
MSE, BCE, Sequential, AutoEncoder = MSELoss, BCELoss, Sequentiel, AutoEncodeur

__all__ = [
    "BCE",
    "MSE",
    "SGD",
    "AutoEncoder",
    "AutoEncodeur",
    "AvgPool1D",
    "BCELoss",
    "CELoss",
    "Conv1D",
    "CrossEntropieLoss",
    "Flatten",
    "Linear",
    "LogSoftMax",
    "LogSoftmax",
    "Loss",
    "MSELoss",
    "MaxPool1D",
    "Module",
    "Optim",
    "ReLU",
    "ReLu",
    "Sequential",
    "Sequentiel",
    "Sigmoid",
    "Sigmoide",
    "SoftMax",
    "Softmax",
    "TanH",
    "Tanh",
    "gen_arti",
    "load_usps",
    "make_grid",
    "plot_data",
    "plot_frontiere",
]
