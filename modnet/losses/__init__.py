"""The losses: one, or one family, a file."""

from modnet.hints import names_of
from modnet.losses.binary import BCE, BCEWithLogits
from modnet.losses.cross_entropy import NLL, CrossEntropy
from modnet.losses.divergence import KLDivergence
from modnet.losses.huber import Huber
from modnet.losses.mae import MAE
from modnet.losses.margin import Hinge, Perceptron
from modnet.losses.mse import MSE
from modnet.losses.multi_margin import MultiMargin
from modnet.losses.poisson import Poisson

__getattr__ = names_of(__name__)

__all__ = [
    "BCE",
    "MAE",
    "MSE",
    "NLL",
    "BCEWithLogits",
    "CrossEntropy",
    "Hinge",
    "Huber",
    "KLDivergence",
    "MultiMargin",
    "Perceptron",
    "Poisson",
]
