"""modnet: neural-network modules whose backpropagation is written by hand, layer by layer."""

import sys as _sys
import typing as _typing
from importlib import import_module as _import_module

from modnet import initializers, losses, modules, optim
from modnet.hints import Modules as _Modules
from modnet.hints import names_of as _names_of
from modnet.initializers import SymmetryWarning
from modnet.loss import Loss
from modnet.losses import *  # noqa: F403
from modnet.module import Module
from modnet.modules import *  # noqa: F403
from modnet.persistence import load, save
from modnet.training import Callback, History, Training, TrainingWarning, evaluate, fit, predict
from modnet.training.pretraining import pretrain, pretrain_rbm
from modnet.training.restarts import Restarts, restart
from modnet.training.weights import balanced_weights

__version__ = "0.2.0"

_SUBMODULES = (
    "check", "datasets", "discovery", "estimators", "exchange", "handout", "metrics", "plotting", "scalar", "training", "watch",
)  # fmt: skip


if _typing.TYPE_CHECKING:  # who reads the types is to know these, and that there are no others
    from modnet import (  # noqa: F401, I001
        check, datasets, discovery, estimators, exchange, handout, metrics, plotting, scalar, training, watch,
    )  # fmt: skip
else:

    def __getattr__(name: str) -> _typing.Any:
        """Submodules that are imported when they are first named; and what other libraries' names are called here."""
        if name in _SUBMODULES:
            return _import_module(f"modnet.{name}")
        return _names_of("modnet")(name)


def __dir__() -> list[str]:
    """What an editor offers after ``modnet.``, submodules that are not imported yet included."""
    return sorted({*globals(), *_SUBMODULES})


if _Modules not in _sys.meta_path:
    _sys.meta_path.append(_Modules)

__all__ = [
    "Callback",
    "History",
    "Loss",
    "Module",
    "Restarts",
    "SymmetryWarning",
    "Training",
    "TrainingWarning",
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
if not _typing.TYPE_CHECKING:
    __all__ += [*losses.__all__, *modules.__all__]
