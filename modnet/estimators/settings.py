"""The settings of an estimator, checked when it is fitted, as scikit-learn wants it: a constructor only keeps them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from modnet.hints import such_as
from modnet.inputs import real, short_repr, whole
from modnet.optim.optimizer import Optimizer

_SOLVERS = ("adam", "sgd", "lbfgs")
_RATES = ("constant", "invscaling", "adaptive")
_FLAGS = ("scale", "shuffle", "early_stopping", "warm_start", "nesterovs_momentum", "batch_norm")


def check_settings(model: Any) -> None:
    """ValueError or TypeError for a setting that has no meaning, with what was expected."""
    who = type(model).__name__
    _one_of(model.solver, _SOLVERS, who, "solver")
    if isinstance(model.learning_rate, int | float | np.number):
        rate = model.learning_rate
        raise ValueError(f"{who}: learning_rate is {rate}; the rate is learning_rate_init={rate}")
    _one_of(model.learning_rate, _RATES, who, "learning_rate")
    for name in _FLAGS:
        if not isinstance(getattr(model, name), bool | np.bool_):
            raise TypeError(f"{who}: {name} is {short_repr(getattr(model, name))}, expected True or False")
    for name in ("alpha", "power_t", "tol"):
        real(getattr(model, name), who, name, "a number that is not negative", lambda v: v >= 0)
    for name in ("learning_rate_init", "epsilon"):
        real(getattr(model, name), who, name, "a positive number", lambda v: v > 0)
    for name in ("beta_1", "beta_2", "momentum", "validation_fraction"):
        real(getattr(model, name), who, name, "from 0 up to 1", lambda v: 0 <= v < 1)
    for name in ("max_iter", "max_fun"):
        whole(getattr(model, name), who, name)
    if model.n_iter_no_change != np.inf:
        whole(model.n_iter_no_change, who, "n_iter_no_change")
    try:
        check_random_state(model.random_state)
    except ValueError:
        came = short_repr(model.random_state)
        raise ValueError(f"{who}: random_state is {came}, expected an int from 0 to 2**32 - 1, a RandomState or None") from None
    if model.batch_size != "auto":
        whole(model.batch_size, who, "batch_size")
    if model.optimizer is not None and not isinstance(model.optimizer, Optimizer):
        such = such_as(model.optimizer, "modnet.optim", "lr=1e-3", "AdamW(lr=1e-3)")
        raise TypeError(f"{who}: optimizer is {short_repr(model.optimizer)}, expected an object such as {such}")
    if model.net is not None and model.optimizer is not None and model.alpha != type(model)().alpha:
        raise ValueError(f"{who}: alpha with net and optimizer does nothing; give the optimizer a weight_decay instead")


def _one_of(value: Any, known: tuple[str, ...], who: str, name: str) -> None:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{who}: {name} is {short_repr(value)}, expected one of {', '.join(map(repr, known))}")


__all__ = ["check_settings"]
