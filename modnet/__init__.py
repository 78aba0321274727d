"""modnet: neural-network modules whose backpropagation is written by hand, layer by layer."""

from modnet import initializers, losses, modules, optim
from modnet.initializers import SymmetryWarning
from modnet.loss import Loss
from modnet.losses import (
    BCE,
    MAE,
    MSE,
    NLL,
    BCEWithLogits,
    CrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    MultiMargin,
    Perceptron,
)
from modnet.module import Module
from modnet.modules import (
    Flatten,
    Identity,
    LeakyReLU,
    Linear,
    LogSoftmax,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from modnet.pretraining import pretrain, pretrain_rbm
from modnet.restarts import Restarts, restart
from modnet.training import Callback, History, Training, TrainingWarning, fit, predict
from modnet.weights import balanced_weights

__version__ = "0.1.0"

__all__ = [
    "BCE",
    "MAE",
    "MSE",
    "NLL",
    "BCEWithLogits",
    "Callback",
    "CrossEntropy",
    "Flatten",
    "Hinge",
    "History",
    "Huber",
    "Identity",
    "KLDivergence",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Loss",
    "Module",
    "MultiMargin",
    "Perceptron",
    "ReLU",
    "Restarts",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "SymmetryWarning",
    "Tanh",
    "Training",
    "TrainingWarning",
    "balanced_weights",
    "fit",
    "initializers",
    "losses",
    "modules",
    "optim",
    "predict",
    "pretrain",
    "pretrain_rbm",
    "restart",
]
