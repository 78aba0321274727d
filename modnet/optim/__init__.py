"""Optimizers: one a file, each a kernel over the flat vector; schedules of their learning rates; SciPy's minimisers."""

from typing import TYPE_CHECKING

from modnet.hints import names_of, public
from modnet.optim.adadelta import Adadelta as Adadelta
from modnet.optim.adagrad import Adagrad as Adagrad
from modnet.optim.adam import Adam as Adam
from modnet.optim.adamax import Adamax as Adamax
from modnet.optim.adamw import AdamW as AdamW
from modnet.optim.descent import descend as descend
from modnet.optim.full_batch import minimize as minimize
from modnet.optim.nadam import NAdam as NAdam
from modnet.optim.optimizer import Optimizer as Optimizer
from modnet.optim.random_search import RandomSearch as RandomSearch
from modnet.optim.rmsprop import RMSprop as RMSprop
from modnet.optim.rprop import Rprop as Rprop
from modnet.optim.schedules import CosineDecay as CosineDecay
from modnet.optim.schedules import ExponentialDecay as ExponentialDecay
from modnet.optim.schedules import ReduceOnPlateau as ReduceOnPlateau
from modnet.optim.schedules import Schedule as Schedule
from modnet.optim.schedules import StepDecay as StepDecay
from modnet.optim.schedules import Warmup as Warmup
from modnet.optim.sgd import SGD as SGD

if not TYPE_CHECKING:  # to a type checker a computed list would hide every name, and `__getattr__` would give any
    __all__ = public(globals())
    __getattr__ = names_of(__name__)
