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

from modnet.handout.layers import AvgPool1D as AvgPool1D
from modnet.handout.layers import Conv1D as Conv1D
from modnet.handout.layers import Flatten as Flatten
from modnet.handout.layers import Linear as Linear
from modnet.handout.layers import LogSoftmax as LogSoftmax
from modnet.handout.layers import MaxPool1D as MaxPool1D
from modnet.handout.layers import ReLU as ReLU
from modnet.handout.layers import Sigmoide as Sigmoide
from modnet.handout.layers import Softmax as Softmax
from modnet.handout.layers import TanH as TanH
from modnet.handout.losses import BCELoss as BCELoss
from modnet.handout.losses import CELoss as CELoss
from modnet.handout.losses import CrossEntropieLoss as CrossEntropieLoss
from modnet.handout.losses import MSELoss as MSELoss
from modnet.handout.networks import SGD as SGD
from modnet.handout.networks import AutoEncodeur as AutoEncodeur
from modnet.handout.networks import Optim as Optim
from modnet.handout.networks import Sequentiel as Sequentiel
from modnet.handout.tools import gen_arti as gen_arti
from modnet.handout.tools import load_usps as load_usps
from modnet.handout.tools import make_grid as make_grid
from modnet.handout.tools import plot_data as plot_data
from modnet.handout.tools import plot_frontiere as plot_frontiere
from modnet.hints import public
from modnet.loss import Loss as Loss
from modnet.module import Module as Module

Sigmoid, Tanh, ReLu, SoftMax, LogSoftMax = Sigmoide, TanH, ReLU, Softmax, LogSoftmax
MSE, BCE, Sequential, AutoEncoder = MSELoss, BCELoss, Sequentiel, AutoEncodeur

__all__ = [*public(globals()), "Loss", "Module"]
