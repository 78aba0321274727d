"""What the estimators share: their settings, a fit, a partial_fit and the predictions of a network.

Names and meanings are those of scikit-learn's MLPClassifier and MLPRegressor, so that a script runs with another import. With
`scale=False` and batches of all examples the parameters after each epoch are theirs, too, up to rounding.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from modnet.estimators.building import (
    from_function,
    hidden_sizes,
    is_of_library,
    layers,
    leaves_of,
    linears,
    takes_whole_numbers,
    without_single,
)
from modnet.estimators.scaling import Scale, ScaleWarning, names_of
from modnet.estimators.settings import check_settings
from modnet.estimators.stopping import Watch
from modnet.estimators.views import Views, forget_assigned, take_assigned
from modnet.hints import Explained
from modnet.inputs import as_numbers, lasting_repr, require_no_mask, short_repr
from modnet.loss import Loss
from modnet.modules import BatchNorm, RidgeLinear, Sequential
from modnet.optim import SGD, Adam, minimize
from modnet.optim.optimizer import Optimizer
from modnet.persistence.describe import build, describe
from modnet.training import History, TrainingWarning, fit, predict
from modnet.training.advice import see_order
from modnet.warning import warn

_FEW = 20  # examples: the mean and deviation of fewer say little
#: What the network is built with; and what the optimizer is made with, which `partial_fit` keeps from call to call.
_BUILDING = ("hidden_layer_sizes", "activation", "dropout", "batch_norm", "net", "scale")
_STEPPING = (
    "solver", "optimizer", "learning_rate_init", "momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon",
)  # fmt: skip


def validated(estimator: Any, *arrays: Any, **options: Any) -> Any:
    """scikit-learn's `validate_data` of X, or of X and y; masked values are refused, whose hidden numbers it would take."""
    for name, array in zip(("X", "y"), arrays):
        require_no_mask(array, estimator._who, name)
    return validate_data(estimator, *arrays, **options)


class Estimator(Explained, BaseEstimator):
    """A network behind scikit-learn's interface. Subclasses say what the targets and the loss are, and what a score is."""

    loss: Any
    hidden_layer_sizes: Any
    activation: Any
    solver: str
    alpha: float
    batch_size: Any
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: bool
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    dropout: Any
    batch_norm: bool
    optimizer: Any
    net: Any
    scale: bool

    coefs_ = Views("weight")
    intercepts_ = Views("bias")
    net_: Any
    history_: History
    n_outputs_: int
    out_activation_: str

    def _keep(self, settings: dict[str, Any]) -> None:
        """Keep the arguments of the constructor, which is all that one may do with them there."""
        self.__dict__.update({name: value for name, value in settings.items() if name not in ("self", "__class__")})

    # What a subclass says.

    def _encode(self, X: Any, y: Any, reset: bool, incremental: bool) -> tuple[np.ndarray, np.ndarray]:
        """X and y, validated: X (n, features), y as it is split and scored."""
        raise NotImplementedError

    def _prepare(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        """Set what the network depends on before it is built: n_outputs_, out_activation_, the scale of the targets."""
        raise NotImplementedError

    def _targets(self, y: np.ndarray, dtype: Any) -> np.ndarray:
        """What the loss takes."""
        raise NotImplementedError

    def _losses(self) -> Mapping[str, tuple[type[Loss], float]]:
        """Losses by name, and the factor on each: scikit-learn's squared error is half of `MSE`."""
        raise NotImplementedError

    #: A loss object, for those who give what is none.
    _such_as = ""

    def _validation_score(self, scores: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        """The score of network outputs, higher is better."""
        raise NotImplementedError

    def _strata(self, y: np.ndarray) -> Any:
        """What the validation share is stratified by, or None."""
        return None

    def _made_loss(self) -> tuple[Loss, float]:
        """The loss that `loss` says, and the factor on it."""
        if isinstance(self.loss, Loss):
            return self.loss, 1.0
        known = self._losses()
        if not isinstance(self.loss, str) or self.loss not in known:
            advice = f"; hidden_layer_sizes={self.loss!r} goes by name" if isinstance(self.loss, tuple | list | int) else ""
            raise ValueError(
                f"{self._who}: loss is {short_repr(self.loss)}, expected one of {', '.join(map(repr, known))} or a loss such "
                f"as {self._such_as}{advice}"
            )
        kind, factor = known[self.loss]
        return kind(), factor

    def _loss_and_weights(self, n: int, weights: np.ndarray | None) -> tuple[Loss, np.ndarray | None]:
        """The loss, and the weights of n examples with the factor on it."""
        loss, factor = self._made_loss()
        if factor != 1:
            weights = np.full(n, factor) if weights is None else weights * factor
        return loss, weights

    def _built(self, n_inputs: int, random: np.random.RandomState) -> Any:
        """A new network."""
        if self.net is not None:
            return from_function(self.net, n_inputs, self.n_outputs_, self._who)
        sizes = [n_inputs, *hidden_sizes(self.hidden_layer_sizes, self._who), self.n_outputs_]
        return Sequential(self._layers(sizes, self.activation, self.dropout, random))

    def _layers(self, sizes: list[int], activation: Any, dropout: Any, random: np.random.RandomState) -> list[Any]:
        """Linear layers and what stands between them, as the settings say."""
        return layers(
            sizes, activation, alpha=self.alpha, dropout=dropout, batch_norm=self.batch_norm, random=random, who=self._who
        )

    def _texts(self, names: Iterable[str]) -> dict[str, str]:
        """Settings in words, to see later whether they are still the same; a list is as good as a tuple."""
        values = {name: getattr(self, name) for name in names}
        lists = {name: tuple(value) if isinstance(value, list | np.ndarray) else value for name, value in values.items()}
        if "hidden_layer_sizes" in lists:
            lists["hidden_layer_sizes"] = tuple(hidden_sizes(self.hidden_layer_sizes, self._who))
        return {name: lasting_repr(value) for name, value in lists.items()}

    def _require_same_network(self, incremental: bool) -> None:
        """ValueError if the network that a fit goes on with was built with other settings than those of today."""
        before = self.__dict__.get("_built_with", {})
        now = self._texts(before)
        for name, was in before.items():
            if now[name] != was:
                call = "partial_fit" if incremental else "fit with warm_start=True"
                raise ValueError(
                    f"{self._who}: {call} goes on with the network that is there, which was built with {name}={was}, and "
                    f"{name} is {now[name]} now; put it back, or begin anew: set_params(warm_start=False).fit(X, y)"
                )

    # Training.

    @property
    def _who(self) -> str:
        return type(self).__name__

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False) -> Any:
        check_settings(self)
        if incremental and self.early_stopping:
            raise ValueError(f"{self._who}: partial_fit does not support early_stopping=True")
        goes_on = hasattr(self, "net_") and (incremental or self.warm_start)
        if goes_on:
            self._require_same_network(incremental)
        see_order(self._who, X, y)
        X, y = self._encode(X, y, not goes_on, incremental)
        weights = self._weights(sample_weight, y, incremental)
        if weights is not None:
            kept = weights > 0
            if not (kept.any() and weights.min() >= 0):
                raise ValueError(f"{self._who}: weights of classes and examples must not be below zero, nor all zero")
            if not kept.all():
                X, y, weights = X[kept], y[kept], weights[kept]
            # One call of partial_fit may have a single class: its weight is not to be divided out.
            mean = 1.0 if incremental and getattr(self, "class_weight", None) is not None else float(weights.mean())
            weights = weights / mean
        random = check_random_state(self.random_state)
        if not goes_on:
            self._begin(X, y, weights, random, incremental)
        if incremental or self.warm_start:
            take_assigned(self)
        else:
            forget_assigned(self)
        self._penalise(1.0 if weights is None else 1.0 / mean)
        if self.solver == "lbfgs" and self.optimizer is None:
            self._fit_whole(self._scaled(X), y, weights)
        else:
            self._fit_batches(self._scaled(X), y, weights, random, incremental)
        if hasattr(self.net_, "eval"):
            self.net_.eval()  # so that a forward by hand says what `predict` says
        return self

    def _begin(
        self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, random: np.random.RandomState, incremental: bool
    ) -> None:
        """A new network for these data."""
        self._first_part = incremental
        self._prepare(X, y, weights)
        net = self._built(X.shape[1], random)
        self.input_scale_ = None if takes_whole_numbers(net) else self._scale_of(X, weights, "X")
        self.net_ = net.astype(X.dtype) if hasattr(net, "astype") else net
        if self.net is not None:
            shape = np.shape(predict(self.net_, self._scaled(X[:1])))[1:]
            if shape != (self.n_outputs_,):
                raise ValueError(
                    f"{self._who}: the network of net gives {shape} for an example, expected ({self.n_outputs_},), the second "
                    "argument of net(n_inputs, n_outputs)"
                )
        self.n_layers_ = len(linears(self.net_)) + 1
        self._built_with = self._texts(_BUILDING)
        self.n_iter_ = self.t_ = 0
        self.loss_curve_: list[float] = []
        self._no_improvement_count = 0
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_: float | None = -np.inf if self.early_stopping else None
        self.best_loss_: float | None = None if self.early_stopping else np.inf
        self.__dict__.pop("_optimizer", None)

    def _fit_batches(
        self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, random: np.random.RandomState, incremental: bool
    ) -> None:
        stepping, before = self._texts(_STEPPING), self.__dict__.get("_stepping")
        if not incremental or not hasattr(self, "_optimizer") or before not in (None, stepping):
            self._optimizer = self._made_optimizer(len(X)).attach(self.net_)
        elif isinstance(self._optimizer, Mapping):  # as a file or a pickle had it
            kept, self._optimizer = self._optimizer, self._made_optimizer(len(X)).attach(self.net_)
            self._optimizer.load_state_dict(kept)
        self._stepping = stepping
        score = None
        if self.early_stopping:
            X, held_X, y, held_y, weights, held_weights = self._split(X, y, weights, random)

            def score() -> float:
                with np.errstate(all="ignore"):
                    out = predict(self.net_, held_X)
                return self._validation_score(out, held_y, held_weights) if np.isfinite(out).all() else float("nan")

        size = self._batch_size(len(X))
        loss, weights = self._loss_and_weights(len(X), weights)
        watch = Watch(self, score, len(X), -(-len(X) // size), self._alpha)
        with _of_one_class() if incremental and (y == y[0]).all() else nullcontext():
            self.history_ = fit(
                self.net_, X, self._targets(y, X.dtype), loss, self._optimizer, epochs=1 if incremental else self.max_iter,
                batch_size=size, shuffle=self.shuffle, rng=int(random.randint(2**31 - 1)), sample_weight=weights,
                callbacks=[watch], progress=False,
            )  # fmt: skip
        if self.history_.stopped_because.startswith("diverged"):
            self._diverged()
        if watch.kept is not None:
            watch.kept.restore()
        if watch.epochs == self.max_iter and not watch.ended and not incremental:
            warn(
                f"{self._who}: after {self.max_iter} epochs, as many as max_iter allows, the training has not converged; the "
                f"loss is {self.loss_:.4g}. Raise max_iter, or tol if this is good enough",
                ConvergenceWarning,
            )  # fmt: skip

    def _diverged(self) -> None:
        """A training that diverged is a failure, unless there are parameters from before that were validated."""
        if self.early_stopping and self.validation_scores_:
            self.validation_scores_.append(float("nan"))
            return
        raise ValueError(
            f"{self._who}: the training {self.history_.stopped_because}. Solver produced non-finite parameter weights. The "
            "input data may contain large values and need to be preprocessed. Or lower learning_rate_init"
        )

    def _fit_whole(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        """L-BFGS on all examples at once."""
        loss, weights = self._loss_and_weights(len(X), weights)
        watch = Watch(self, None, len(X), 1, self._alpha)
        share = 1.0 if weights is None else float(weights.mean())
        found = minimize(
            self.net_, _WithPenalty(loss, lambda: watch.penalty(self.net_) / share), X, self._targets(y, X.dtype),
            sample_weight=weights, maxiter=self.max_iter, maxfun=self.max_fun, gtol=self.tol,
        )  # fmt: skip
        self.n_iter_, self.loss_, self.best_loss_ = int(found.nit), float(found.fun), float(found.fun)
        self.loss_curve_ = [float(value) for value in found.history[1:]]
        if self.verbose:
            print(f"L-BFGS: {self.n_iter_} iterations, {found.nfev} evaluations, loss = {self.loss_:.8f}; {found.message}")
        if found.status == 1:
            warn(
                f"{self._who}: after {self.n_iter_} iterations and {found.nfev} evaluations, as many as max_iter or max_fun "
                "allows, L-BFGS has not converged. Raise them, or scale the data",
                ConvergenceWarning,
            )  # fmt: skip
        elif found.message == "interrupted":
            warn(f"{self._who}: interrupted after {self.n_iter_} iterations; the best parameters are back", TrainingWarning)

    def _split(
        self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None, random: np.random.RandomState
    ) -> tuple[Any, ...]:
        arrays = [X, y] if weights is None else [X, y, weights]
        parts = train_test_split(*arrays, random_state=random, test_size=self.validation_fraction, stratify=self._strata(y))
        if len(parts[1]) < 2:
            raise ValueError(
                f"{self._who}: The validation set is too small: {len(parts[1])} of {len(X)} examples. Increase "
                "validation_fraction or the size of the data"
            )
        return (*parts, None, None) if weights is None else tuple(parts)

    def _weights(self, sample_weight: Any, y: np.ndarray, incremental: bool) -> np.ndarray | None:
        """The weights of the examples, not negative and some above zero, or None."""
        if sample_weight is None:
            return None
        found = as_numbers(sample_weight, self._who, "sample_weight").astype(np.float64)
        if found.shape != (len(y),):
            raise ValueError(f"{self._who}: sample_weight has shape {found.shape}, expected ({len(y)},), one for each example")
        if not (np.isfinite(found).all() and found.min(initial=0.0) >= 0 and found.max(initial=0.0) > 0):
            raise ValueError(
                f"{self._who}: sample_weight has values from {found.min():g} to {found.max():g}, expected finite weights, none "
                "below zero and some above"
            )
        return found

    def _batch_size(self, n: int) -> int:
        if self.batch_size == "auto":
            size = min(200, n)
        else:
            size = int(self.batch_size)
            if size > n:
                warn(f"{self._who}: batch_size is {size} for {n} examples; all are one batch")
                size = n
        has_batch_norm = self.batch_norm if self.net is None else any(isinstance(m, BatchNorm) for m in leaves_of(self.net_))
        return without_single(n, size) if has_batch_norm else size

    def _made_optimizer(self, n: int) -> Optimizer:
        if self.optimizer is not None:
            return self.optimizer.fresh()
        decay = 0.0 if self.net is None else self.alpha / self._batch_size(n)
        if self.solver == "adam":
            return Adam(self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon, weight_decay=decay)
        nesterov = bool(self.nesterovs_momentum and self.momentum > 0)
        return SGD(self.learning_rate_init, momentum=self.momentum, nesterov=nesterov, weight_decay=decay)

    def _penalise(self, share: float) -> None:
        """Set the layers' alpha: the penalty counts against the sum of the weights as they were given."""
        self._alpha = 0.0 if self.net is not None else self.alpha * share
        for layer in linears(self.net_):
            if isinstance(layer, RidgeLinear) and layer.alpha != self._alpha:
                layer.alpha = self._alpha

    # Scale.

    def _scale_of(self, X: np.ndarray, weights: np.ndarray | None, name: str) -> Scale | None:
        """What brings columns to mean 0 and deviation 1; None if they stay as they are."""
        few = self._first_part and len(X) < _FEW
        scale = Scale(X, weights)
        if self.scale and not few:
            scale.require_finite(self._who, name)
            return scale
        if name == "X" and scale.is_off.any():
            columns = names_of(scale.is_off, getattr(self, "feature_names_in_", None))
            why = f"the first call of partial_fit has {len(X)} examples, too few to scale by" if few else "scale=False"
            advice = f"begin with {_FEW} examples or more, or scale them first" if few else "scale them first, or let the model"
            warn(
                f"{self._who}: {why}, and columns of X are far from mean 0 and deviation 1: {columns}; {advice}",
                ScaleWarning,
            )  # fmt: skip
        return None

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return X if self.input_scale_ is None else self.input_scale_.apply(X)

    def _validated(self, X: Any) -> np.ndarray:
        """New data (n, features), for a model that is ready to predict."""
        check_is_fitted(self)
        take_assigned(self)
        return validated(self, X, dtype=(np.float64, np.float32), reset=False)

    def _output(self, X: Any) -> np.ndarray:
        """What the network says of data as they come in."""
        X = self._validated(X)
        return predict(self.net_, self._scaled(X))

    # Whether and how it is kept.

    def _has_steps(self) -> bool:
        """Whether the solver takes steps, so that `partial_fit` can take some."""
        if self.solver == "lbfgs" and self.optimizer is None:
            raise AttributeError(f"{self._who}: solver='lbfgs' takes all examples at once, so there is no partial_fit")
        return True

    # What is kept of a network of the library's modules is plain: text, numbers and arrays. So skops, which asks before it
    # makes an object, has none to ask about inside the network.

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__()}
        if "net_" in state and is_of_library(self.net_):
            state["net_"] = describe(self.net_)
            if isinstance(state.get("_optimizer"), Optimizer):
                state["_optimizer"] = self._optimizer.state_dict()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if isinstance(self.__dict__.get("net_"), Mapping):
            self.net_ = build(self.net_, [], self._who)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")


@contextmanager
def _of_one_class() -> Iterator[None]:
    """Without the warning that there is one class only: a part of the data may have one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "fit: all .* there is one class only", TrainingWarning)
        yield


class _WithPenalty(Loss):
    """A loss with the penalty on the weights added to that of each example; its gradient is the layers' own."""

    def __init__(self, loss: Loss, penalty: Any) -> None:
        super().__init__()
        self.loss, self.penalty = loss, penalty

    def forward(self, y: Any, yhat: Any) -> Any:
        return self.loss.forward(y, yhat) + self.penalty()

    def backward(self, y: Any, yhat: Any) -> Any:
        return self.loss.backward(y, yhat)


__all__ = ["Estimator"]
