"""The modules: one, or one family, a file."""

from modnet.modules.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from modnet.modules.conv import Conv1D, Conv2D
from modnet.modules.linear import Linear
from modnet.modules.sequential import Sequential
from modnet.modules.shape import Flatten, Identity
from modnet.modules.softmax import LogSoftmax, Softmax

__all__ = [
    "Conv1D",
    "Conv2D",
    "Flatten",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
