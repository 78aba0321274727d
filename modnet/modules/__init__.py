"""The modules: one, or one family, a file."""

from typing import TYPE_CHECKING

from modnet.hints import names_of, public
from modnet.modules.activations import ELU as ELU
from modnet.modules.activations import GELU as GELU
from modnet.modules.activations import SELU as SELU
from modnet.modules.activations import LeakyReLU as LeakyReLU
from modnet.modules.activations import Mish as Mish
from modnet.modules.activations import Radial as Radial
from modnet.modules.activations import Ramp as Ramp
from modnet.modules.activations import ReLU as ReLU
from modnet.modules.activations import Sigmoid as Sigmoid
from modnet.modules.activations import SiLU as SiLU
from modnet.modules.activations import Softplus as Softplus
from modnet.modules.activations import Softsign as Softsign
from modnet.modules.activations import Tanh as Tanh
from modnet.modules.activations import Threshold as Threshold
from modnet.modules.concat import Concat as Concat
from modnet.modules.conv import Conv1D as Conv1D
from modnet.modules.conv import Conv2D as Conv2D
from modnet.modules.conv_transpose import ConvTranspose1D as ConvTranspose1D
from modnet.modules.conv_transpose import ConvTranspose2D as ConvTranspose2D
from modnet.modules.embedding import Embedding as Embedding
from modnet.modules.linear import Linear as Linear
from modnet.modules.noise import Dropout as Dropout
from modnet.modules.noise import GaussianNoise as GaussianNoise
from modnet.modules.normalisation import BatchNorm as BatchNorm
from modnet.modules.normalisation import LayerNorm as LayerNorm
from modnet.modules.pooling import AvgPool1D as AvgPool1D
from modnet.modules.pooling import AvgPool2D as AvgPool2D
from modnet.modules.pooling import GlobalAvgPool as GlobalAvgPool
from modnet.modules.pooling import GlobalMaxPool as GlobalMaxPool
from modnet.modules.pooling import MaxPool1D as MaxPool1D
from modnet.modules.pooling import MaxPool2D as MaxPool2D
from modnet.modules.prelu import PReLU as PReLU
from modnet.modules.residual import Residual as Residual
from modnet.modules.ridge import RidgeLinear as RidgeLinear
from modnet.modules.sequential import Sequential as Sequential
from modnet.modules.shape import Flatten as Flatten
from modnet.modules.shape import Identity as Identity
from modnet.modules.shape import Reshape as Reshape
from modnet.modules.shape import Transpose as Transpose
from modnet.modules.softmax import LogSoftmax as LogSoftmax
from modnet.modules.softmax import Softmax as Softmax
from modnet.modules.tied import Tied as Tied

if not TYPE_CHECKING:  # to a type checker a computed list would hide every name, and `__getattr__` would give any
    __all__ = public(globals())
    __getattr__ = names_of(__name__)
