"""Optimizers: one a file, each a kernel over the flat vector."""

from modnet.optim.adam import Adam
from modnet.optim.optimizer import Optimizer
from modnet.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
