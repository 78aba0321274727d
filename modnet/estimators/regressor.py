"""NetRegressor: a network that predicts numbers, behind the interface of scikit-learn's MLPRegressor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from modnet import hints
from modnet.estimators.base import Estimator, validated
from modnet.loss import ClassLoss, Loss
from modnet.losses import MAE, MSE, Huber, Poisson


class NetRegressor(RegressorMixin, Estimator):
    """A network that predicts one number or several; a drop-in for scikit-learn's `MLPRegressor`.

    Parameters
    ----------
    loss : str or Loss, default="squared_error"
        "squared_error", half the square; "poisson", half the Poisson deviance, for counts and other targets that are not
        negative, the network's output being the logarithm; "absolute_error"; "huber"; or a loss of the library such as
        Huber(delta=0.5).
    hidden_layer_sizes : int or sequence of int, default=(100,)
        This and all others, in the order of the signature, as in `NetClassifier`. early_stopping looks at R2.
    scale : bool, default=True
        As in `NetClassifier`; the target, too, is brought to mean 0 and deviation 1, except for "poisson". The loss is then
        that of the scaled target; predictions are in the data's unit.

    Attributes
    ----------
    target_scale_ : Scale or None
        As `input_scale_`, of the target: a prediction is ``target_scale_.undo(output)``.
    net_, input_scale_, history_, coefs_, intercepts_, loss_, loss_curve_ : module, History, lists, float
        These and the others as in `NetClassifier`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = NetRegressor(hidden_layer_sizes=(10,), solver="lbfgs", max_iter=30, random_state=0, tol=1e-2).fit(X, y)
    >>> model.score(X, y) > 0.5
    True
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        dropout: Any = 0.0,
        batch_norm: bool = False,
        optimizer: Any = None,
        net: Any = None,
        scale: bool = True,
    ) -> None:
        self._keep(locals())

    @hints.explained(hints.ESTIMATOR_FIT)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetRegressor:
        """Train a new network, or with `warm_start` go on with the last one.

        Parameters
        ----------
        X : (n, features), finite numbers. y : (n,) or (n, outputs).
        sample_weight : (n,), not negative; an example of weight 0 is left out.

        Returns
        -------
        self : the regressor.

        Raises
        ------
        ValueError, TypeError : for data and settings that do not fit, and if the training diverged.
        """
        self._fit(X, y, sample_weight)
        return self

    @available_if(lambda self: self._has_steps())
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NetRegressor:
        """Train for one epoch on these examples.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`.

        Returns
        -------
        self : the regressor. The scales of inputs and target are those of the first call's examples, if they are at least 20.
        """
        self._fit(X, y, sample_weight, incremental=True)
        return self

    @hints.explained(hints.CALL)
    def predict(self, X: Any) -> np.ndarray:
        """The predicted numbers.

        Parameters
        ----------
        X : (n, features).

        Returns
        -------
        y : (n,) or (n, outputs), in the unit of the targets.
        """
        out = self._linked(self._output(X))
        if self.target_scale_ is not None:
            out = self.target_scale_.undo(out)
        return out[:, 0] if out.shape[1] == 1 else out

    # What the base asks for.

    def _encode(self, X: Any, y: Any, reset: bool, incremental: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validated(
            self, X, y, multi_output=True, y_numeric=True, dtype=(np.float64, np.float32), reset=reset
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        rows = y.reshape(len(y), -1).astype(X.dtype, copy=False)
        if not reset and hasattr(self, "net_") and rows.shape[1] != self.n_outputs_:
            raise ValueError(f"{self._who}: y has {rows.shape[1]} columns, expected {self.n_outputs_} as in the last fit")
        if self.loss == "poisson" and rows.min() < 0:
            raise ValueError(f"{self._who}: y holds {rows.min():g}, expected no negative numbers with loss='poisson'")
        return X, rows

    def _prepare(self, X: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> None:
        if isinstance(self.loss, ClassLoss):
            raise ValueError(f"{self._who}: loss is {self.loss}, which is for classes, expected one such as {self._such_as}")
        self.n_outputs_ = y.shape[1]
        self.out_activation_ = "exp" if self._is_log else "identity"
        self.target_scale_ = None if self._is_log else self._scale_of(y, weights, "y")

    @property
    def _is_log(self) -> bool:
        return self.loss == "poisson" or isinstance(self.loss, Poisson)

    _such_as = "Huber(delta=0.5)"

    def _losses(self) -> Mapping[str, tuple[type[Loss], float]]:
        return {"squared_error": (MSE, 0.5), "poisson": (Poisson, 1.0), "absolute_error": (MAE, 1.0), "huber": (Huber, 1.0)}

    def _targets(self, y: np.ndarray, dtype: Any) -> np.ndarray:
        return y if self.target_scale_ is None else self.target_scale_.apply(y)

    def _linked(self, out: np.ndarray) -> np.ndarray:
        return np.exp(out) if self._is_log else out

    def _validation_score(self, scores: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        found = self._linked(scores)
        return float(r2_score(self._targets(y, y.dtype), found, sample_weight=weights)) if np.isfinite(found).all() else np.nan

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


__all__ = ["NetRegressor"]
