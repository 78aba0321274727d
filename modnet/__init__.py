"""modnet: neural-network modules whose backpropagation is written by hand, layer by layer."""

import sys as _sys
from importlib import import_module as _import_module
from typing import Any as _Any

from modnet import initializers, losses, modules, optim
from modnet.hints import Modules as _Modules
from modnet.hints import names_of as _names_of
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
    Poisson,
)
from modnet.module import Module
from modnet.modules import (
    ELU,
    GELU,
    SELU,
    AvgPool1D,
    AvgPool2D,
    BatchNorm,
    Concat,
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAvgPool,
    GlobalMaxPool,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    LogSoftmax,
    MaxPool1D,
    MaxPool2D,
    Mish,
    PReLU,
    Radial,
    Ramp,
    ReLU,
    Reshape,
    Residual,
    RidgeLinear,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
    Threshold,
    Tied,
    Transpose,
)
from modnet.persistence import load, save
from modnet.training import Callback, History, Training, TrainingWarning, evaluate, fit, predict
from modnet.training.pretraining import pretrain, pretrain_rbm
from modnet.training.restarts import Restarts, restart
from modnet.training.weights import balanced_weights

__version__ = "0.2.0"

_SUBMODULES = (
    "check", "datasets", "discovery", "estimators", "exchange", "handout", "metrics", "plotting", "training", "watch",
)  # fmt: skip


def __getattr__(name: str) -> _Any:
    """Submodules that are imported when they are first named; and what other libraries' names are called here."""
    if name in _SUBMODULES:
        return _import_module(f"modnet.{name}")
    return _names_of("modnet")(name)


if _Modules not in _sys.meta_path:
    _sys.meta_path.append(_Modules)

__all__ = [
    "BCE",
    "ELU",
    "GELU",
    "MAE",
    "MSE",
    "NLL",
    "SELU",
    "AvgPool1D",
    "AvgPool2D",
    "BCEWithLogits",
    "BatchNorm",
    "Callback",
    "Concat",
    "Conv1D",
    "Conv2D",
    "ConvTranspose1D",
    "ConvTranspose2D",
    "CrossEntropy",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Hinge",
    "History",
    "Huber",
    "Identity",
    "KLDivergence",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Loss",
    "MaxPool1D",
    "MaxPool2D",
    "Mish",
    "Module",
    "MultiMargin",
    "PReLU",
    "Perceptron",
    "Poisson",
    "Radial",
    "Ramp",
    "ReLU",
    "Reshape",
    "Residual",
    "Restarts",
    "RidgeLinear",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "SymmetryWarning",
    "Tanh",
    "Threshold",
    "Tied",
    "Training",
    "TrainingWarning",
    "Transpose",
    "balanced_weights",
    "evaluate",
    "fit",
    "initializers",
    "load",
    "losses",
    "modules",
    "optim",
    "predict",
    "pretrain",
    "pretrain_rbm",
    "restart",
    "save",
]
