"""Optimizers: one a file, each a kernel over the flat vector; schedules of their learning rates; SciPy's minimisers."""

from modnet.hints import names_of
from modnet.optim.adadelta import Adadelta
from modnet.optim.adagrad import Adagrad
from modnet.optim.adam import Adam
from modnet.optim.adamax import Adamax
from modnet.optim.adamw import AdamW
from modnet.optim.descent import descend
from modnet.optim.full_batch import minimize
from modnet.optim.nadam import NAdam
from modnet.optim.optimizer import Optimizer
from modnet.optim.random_search import RandomSearch
from modnet.optim.rmsprop import RMSprop
from modnet.optim.rprop import Rprop
from modnet.optim.schedules import (
    CosineDecay,
    ExponentialDecay,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    Warmup,
)
from modnet.optim.sgd import SGD

__getattr__ = names_of(__name__)

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "CosineDecay",
    "ExponentialDecay",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "RandomSearch",
    "ReduceOnPlateau",
    "Rprop",
    "Schedule",
    "StepDecay",
    "Warmup",
    "descend",
    "minimize",
]
