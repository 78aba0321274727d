"""The losses: one, or one family, a file."""

from typing import TYPE_CHECKING

from modnet.hints import names_of, public
from modnet.losses.binary import BCE as BCE
from modnet.losses.binary import BCEWithLogits as BCEWithLogits
from modnet.losses.cross_entropy import NLL as NLL
from modnet.losses.cross_entropy import CrossEntropy as CrossEntropy
from modnet.losses.divergence import KLDivergence as KLDivergence
from modnet.losses.huber import Huber as Huber
from modnet.losses.mae import MAE as MAE
from modnet.losses.margin import Hinge as Hinge
from modnet.losses.margin import Perceptron as Perceptron
from modnet.losses.mse import MSE as MSE
from modnet.losses.multi_margin import MultiMargin as MultiMargin
from modnet.losses.poisson import Poisson as Poisson

if not TYPE_CHECKING:  # to a type checker a computed list would hide every name, and `__getattr__` would give any
    __all__ = public(globals())
    __getattr__ = names_of(__name__)
