"""The modules: one, or one family, a file."""

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
from modnet.modules.embedding import Embedding
from modnet.modules.linear import Linear
from modnet.modules.noise import Dropout, GaussianNoise
from modnet.modules.normalisation import BatchNorm, LayerNorm
from modnet.modules.prelu import PReLU
from modnet.modules.residual import Residual
from modnet.modules.sequential import Sequential
from modnet.modules.shape import Flatten, Identity, Reshape, Transpose
from modnet.modules.softmax import LogSoftmax, Softmax
from modnet.modules.tied import Tied

__all__ = [
    "ELU",
    "GELU",
    "SELU",
    "BatchNorm",
    "Concat",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "Radial",
    "Ramp",
    "ReLU",
    "Reshape",
    "Residual",
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
