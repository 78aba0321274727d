"""modnet: neural-network modules whose backpropagation is written by hand, layer by layer."""

from modnet import losses, modules, optim
from modnet.loss import Loss
from modnet.losses import BCE, MSE, NLL, BCEWithLogits, CrossEntropy, Hinge, Perceptron
from modnet.module import Module
from modnet.modules import (
    AvgPool1D,
    AvgPool2D,
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    Identity,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MaxPool1D,
    MaxPool2D,
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
    "AvgPool1D",
    "AvgPool2D",
    "BCEWithLogits",
    "Callback",
    "Conv1D",
    "Conv2D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "CrossEntropy",
    "Flatten",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Hinge",
    "History",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Loss",
    "MaxPool1D",
    "MaxPool2D",
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
