"""The losses: one, or one family, a file."""

from modnet.losses.binary import BCE, BCEWithLogits
from modnet.losses.cross_entropy import NLL, CrossEntropy
from modnet.losses.margin import Hinge, Perceptron
from modnet.losses.mse import MSE

__all__ = ["BCE", "MSE", "NLL", "BCEWithLogits", "CrossEntropy", "Hinge", "Perceptron"]
