"""modnet: neural-network modules whose backpropagation is written by hand, layer by layer."""

from modnet import losses, modules, optim
from modnet.loss import Loss
from modnet.losses import BCE, MSE, NLL, BCEWithLogits, CrossEntropy, Hinge, Perceptron
from modnet.module import Module
from modnet.modules import (
    Conv1D,
    Conv2D,
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
from modnet.training import Callback, History, Training, TrainingWarning, fit, predict

__version__ = "0.1.0"

__all__ = [
    "BCE",
    "MSE",
    "NLL",
    "BCEWithLogits",
    "Callback",
    "Conv1D",
    "Conv2D",
    "CrossEntropy",
    "Flatten",
    "Hinge",
    "History",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Loss",
    "Module",
    "Perceptron",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Training",
    "TrainingWarning",
    "fit",
    "losses",
    "modules",
    "optim",
    "predict",
]
