"""The modules: one, or one family, a file."""

from modnet.hints import names_of
from modnet.modules.activations import (
    ELU,
    GELU,
    SELU,
    LeakyReLU,
    Mish,
    Radial,
    Ramp,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
    Threshold,
)
from modnet.modules.concat import Concat
from modnet.modules.conv import Conv1D, Conv2D
from modnet.modules.conv_transpose import ConvTranspose1D, ConvTranspose2D
from modnet.modules.embedding import Embedding
from modnet.modules.linear import Linear
from modnet.modules.noise import Dropout, GaussianNoise
from modnet.modules.normalisation import BatchNorm, LayerNorm
from modnet.modules.pooling import AvgPool1D, AvgPool2D, GlobalAvgPool, GlobalMaxPool, MaxPool1D, MaxPool2D
from modnet.modules.prelu import PReLU
from modnet.modules.residual import Residual
from modnet.modules.ridge import RidgeLinear
from modnet.modules.sequential import Sequential
from modnet.modules.shape import Flatten, Identity, Reshape, Transpose
from modnet.modules.softmax import LogSoftmax, Softmax
from modnet.modules.tied import Tied

__getattr__ = names_of(__name__)

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNorm",
    "Concat",
    "Conv1D",
    "Conv2D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MaxPool1D",
    "MaxPool2D",
    "Mish",
    "PReLU",
    "Radial",
    "Ramp",
    "ReLU",
    "Reshape",
    "Residual",
    "RidgeLinear",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
    "Threshold",
    "Tied",
    "Transpose",
]
