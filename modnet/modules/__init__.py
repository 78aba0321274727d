"""The modules: one, or one family, a file."""

from modnet.modules.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from modnet.modules.conv import Conv1D, Conv2D
from modnet.modules.conv_transpose import ConvTranspose1D, ConvTranspose2D
from modnet.modules.linear import Linear
from modnet.modules.pooling import AvgPool1D, AvgPool2D, GlobalAvgPool, GlobalMaxPool, MaxPool1D, MaxPool2D
from modnet.modules.sequential import Sequential
from modnet.modules.shape import Flatten, Identity
from modnet.modules.softmax import LogSoftmax, Softmax

__all__ = [
    "AvgPool1D",
    "AvgPool2D",
    "Conv1D",
    "Conv2D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "Flatten",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool1D",
    "MaxPool2D",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
